package cli

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// appendEscaped appends b as one line of text that Go's unquoting rules give back: printable UTF-8 as it is, a
// backslash doubled, everything else as \n, \t, \xff, \u00ad and so on. keep lists control characters to leave alone.
func appendEscaped(dst, b []byte, keep string) []byte {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = fmt.Appendf(dst, `\x%02x`, b[0])
		case size == 1 && contains(keep, b[0]), r != '\\' && strconv.IsPrint(r):
			dst = append(dst, b[:size]...)
		default:
			quoted := strconv.QuoteRune(r)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		b = b[size:]
	}
	return dst
}

func contains(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}

// appendForScreen appends a value for somebody who looks at it: lines stay lines, and nothing can control the terminal.
func appendForScreen(dst, value []byte) []byte {
	dst = appendEscaped(dst, value, "\n\t\\")
	if len(dst) == 0 || dst[len(dst)-1] != '\n' {
		dst = append(dst, '\n')
	}
	return dst
}
