package cli

import "strconv"

// quoted is an argument in a message.
func quoted(arg string) string { return strconv.Quote(arg) }
