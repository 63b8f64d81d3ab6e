// Package jsonline writes results as single lines of JSON, and reads the flat objects that imports consist of.
//
// Writing is package encoding/json. Reading is not, because an import must not change data without a word:
// encoding/json turns invalid UTF-8 and unpaired surrogates into U+FFFD, takes a field that stands twice and drops the
// first, and takes "Key" for "key". Its errors do not say what to do about a line either. A value that is imported as
// JSON keeps its text to the byte, however deep it is nested.
//
// What the fields mean is the caller's. Every function is safe for concurrent use.
package jsonline

import (
	"encoding/json"
	"io"
)

// Write writes v as one line, in one call of w, without escapes for HTML. A number that JSON cannot express, like NaN,
// is an error, and nothing is written.
func Write(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
