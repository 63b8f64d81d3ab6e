package cli

import "os"

// terminalEnds is empty: WebAssembly has no signals.
var terminalEnds []os.Signal
