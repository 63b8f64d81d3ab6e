// Command lightning is the command line of Lightning DB: it reads, changes, moves and inspects a database directory.
// Run `lightning help` for the commands and the exit codes.
package main

import (
	"os"

	"lightningdb/cmd/lightning/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:]))
}
