// Package text is how the program shows keys and values to people, and how people write them: printable UTF-8 as it is,
// everything else with the escapes of Go. It knows nothing of databases. Every function is safe for concurrent use.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendEscaped appends b as one line of text that Go's unquoting rules give back: printable UTF-8 as it is, a
// backslash doubled, everything else as \n, \t, \xff, \u00ad and so on. keep lists control characters to leave alone.
func AppendEscaped(dst, b []byte, keep string) []byte {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = fmt.Appendf(dst, `\x%02x`, b[0])
		case size == 1 && strings.IndexByte(keep, b[0]) >= 0, r != '\\' && strconv.IsPrint(r):
			dst = append(dst, b[:size]...)
		default:
			quoted := strconv.QuoteRune(r)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		b = b[size:]
	}
	return dst
}

// AppendForScreen appends a value for somebody who looks at it: lines stay lines, and nothing can control the terminal.
func AppendForScreen(dst, value []byte) []byte {
	dst = AppendEscaped(dst, value, "\n\t\\")
	if len(dst) == 0 || dst[len(dst)-1] != '\n' {
		dst = append(dst, '\n')
	}
	return dst
}
