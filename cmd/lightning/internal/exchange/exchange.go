// Package exchange is the text form of entries outside a database: JSON Lines and CSV, read and written as streams in
// constant memory. It knows no database and opens no file. Readers and writers are not safe for concurrent use.
//
// # JSON Lines
//
// One JSON object per line, UTF-8, lines ended by LF (CR LF is accepted), blank lines ignored:
//
//	{"key":"user:1","value":"Ada"}
//	{"key":"/wA=","value":"","encoding":"base64"}
//
// "encoding" is absent, "text", "hex" or "base64" and holds for both strings. The writer uses base64 for an entry whose
// key or value is not valid UTF-8, so that every byte string comes back as it was. A reader refuses fields it does not
// know, a missing key or value, invalid UTF-8 and unpaired surrogates: none of them could be stored faithfully.
//
// # CSV
//
// RFC 4180 with a header line, which says how the two columns are encoded:
//
//	key,value                   text
//	key_hex,value_hex           hexadecimal
//	key_base64,value_base64     base64
//
// CSV text cannot carry every byte string (invalid UTF-8, or CR LF, which CSV readers turn into LF); the writer refuses
// such an entry with ErrNotText instead of changing it.
package exchange

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"lightningdb"
)

// maxRecordSize bounds what a reader holds of one entry, in bytes: a key and a value of the largest size, every byte
// written as \u0000. A longer line is bad before it is read to its end.
const maxRecordSize = 6*(lightningdb.MaxKeySize+lightningdb.MaxValueSize) + 1024

// ErrNotText is the cause of a *LineError or a write error where bytes cannot be written as text.
var ErrNotText = errors.New("not text that can be stored faithfully")

// errTooLong is the cause of a *LineError for a record above maxRecordSize.
var errTooLong = fmt.Errorf("longer than the largest key and value (%d bytes)", maxRecordSize)

// Entry is one key and its value. The slices belong to the caller.
type Entry struct{ Key, Value []byte }

// Reader yields entries until io.EOF. A *LineError says that the input is bad; no entry can be read after an error.
type Reader interface{ Read() (Entry, error) }

// Writer writes entries. Flush must be called at the end; what was written before it may still be buffered.
type Writer interface {
	Write(key, value []byte) error
	Flush() error
}

// LineError says which line of the input is bad, and why.
type LineError struct {
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d is bad: %v", e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// Encoding is how bytes are written as text. The zero value is Text.
type Encoding uint8

// The encodings.
const (
	Text   Encoding = iota // the bytes themselves
	Hex                    // two hexadecimal digits per byte
	Base64                 // RFC 4648, standard alphabet, padded
)

var encodingNames = [...]string{Text: "text", Hex: "hex", Base64: "base64"}

func (e Encoding) String() string { return encodingNames[e] }

// Encode writes b as text.
func (e Encoding) Encode(b []byte) string {
	switch e {
	case Hex:
		return hex.EncodeToString(b)
	case Base64:
		return base64.StdEncoding.EncodeToString(b)
	}
	return string(b)
}

// Decode is the inverse of Encode.
func (e Encoding) Decode(s string) ([]byte, error) {
	var b []byte
	var err error
	switch e {
	case Hex:
		b, err = hex.DecodeString(s)
	case Base64:
		b, err = base64.StdEncoding.DecodeString(s)
	default:
		return []byte(s), nil
	}
	if err != nil {
		return nil, fmt.Errorf("not %s: %q", e, shorten(s))
	}
	return b, nil
}

// shorten keeps error messages on one line.
func shorten(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

// encodingNamed is the inverse of String.
func encodingNamed(name string) (Encoding, error) {
	for i, known := range encodingNames {
		if name == known {
			return Encoding(i), nil
		}
	}
	return Text, fmt.Errorf("unknown encoding %q (text, hex or base64)", shorten(name))
}

// Format is a form of a whole file.
type Format uint8

// The formats.
const (
	JSONLines Format = iota
	CSV
)

// FormatNamed is the format called "jsonl" or "csv".
func FormatNamed(name string) (Format, error) {
	switch name {
	case "jsonl":
		return JSONLines, nil
	case "csv":
		return CSV, nil
	}
	return JSONLines, fmt.Errorf("unknown format %q (jsonl or csv)", name)
}

// FormatOf guesses a file's format by its name: ".csv", in any case, is CSV and everything else is JSON Lines.
func FormatOf(path string) Format {
	if strings.EqualFold(filepath.Ext(path), ".csv") {
		return CSV
	}
	return JSONLines
}
