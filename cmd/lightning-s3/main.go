// Command lightning-s3 makes and keeps backups of Lightning DB databases in a bucket: of Amazon S3, or of a server that
// speaks its protocol. Run `lightning-s3 help` for the commands. It is a program of its own so that lightning does not
// carry a client that most never use.
package main

import (
	"os"

	"lightningdb/cmd/lightning-s3/internal/verbs"
)

func main() {
	os.Exit(verbs.Main(os.Args[1:]))
}
