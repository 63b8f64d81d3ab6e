//go:build !wasm

package cli

import (
	"os"
	"syscall"
)

// terminalEnds are the signals of a terminal that goes away.
var terminalEnds = []os.Signal{syscall.SIGHUP, syscall.SIGQUIT}
