// Command lightning-proof tests what Lightning DB promises, and measures it: kills and power cuts, faults at
// every call, damaged bits, contention, simulated lives, and benchmarks. It works in directories of its own and knows
// the inside of the database; what users and operators call is command lightning. Run `lightning-proof help` for the
// commands and the exit codes.
package main

import (
	"os"

	"lightningdb/cmd/lightning-proof/internal/proof"
)

func main() {
	os.Exit(proof.Main(os.Args[1:]))
}
