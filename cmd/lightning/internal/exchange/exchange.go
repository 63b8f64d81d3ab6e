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
// Buckets, and what is in them, have lines of this kind:
//
//	{"bucket":"app/users","sequence":"41"}
//	{"bucket":"app/users","key":"1","value":"Ada"}
//
// A line without a key and value is the bucket itself: it is there, also if it is empty, and its sequence is at that
// number, which is a string as it may have 64 bits; it is 0 if absent. "bucket" is a path as package text spells it,
// whatever the encoding, and absent for the root. The writer has the line of a bucket before those of what is in it; a
// reader takes them in any order. A reader that is older refuses the field.
//
// With Form.JSONValues the value is any JSON value and is stored as its text, byte for byte; "encoding" then holds for
// the key alone.
//
// # CSV and TSV
//
// RFC 4180 with a header line, which says how the two columns are encoded, with commas or tabs between them:
//
//	key,value                   text
//	key_hex,value_hex           hexadecimal
//	key_base64,value_base64     base64
//
// Other columns can be chosen by name; then there may be more than two. What stands between quotes is kept byte for
// byte, CR LF too. CSV text cannot carry invalid UTF-8; the writer refuses such an entry with ErrNotText.
//
// They carry no bucket.
//
// A byte order mark at the beginning is skipped in all forms.
package exchange

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"lightningdb"
)

// maxPathSize bounds the text of a path: 32 names of 255 bytes, each written as \x00, and the slashes between them.
const maxPathSize = 32 * (4*255 + 1)

// maxRecordSize bounds what a reader holds of one entry, in bytes: a path, a key and a value of the largest size, every
// byte written as \u0000. A longer line is bad before it is read to its end.
const maxRecordSize = 6*(maxPathSize+lightningdb.MaxKeySize+lightningdb.MaxValueSize) + 1024

// ErrNotText is the cause of a *LineError or a write error where bytes cannot be written as text.
var ErrNotText = errors.New("not text that can be stored faithfully")

// ErrNotJSON is the cause of a write error where a value cannot be written as JSON.
var ErrNotJSON = errors.New("not JSON")

// errTooLong is the cause of a *LineError for a record above maxRecordSize.
var errTooLong = fmt.Errorf("longer than the largest key and value (%d bytes)", maxRecordSize)

// Entry is one key and its value, or a bucket. The slices belong to the caller, who does not change Bucket: the next
// entry may have the same.
type Entry struct {
	Bucket     []string // that it is in, or is; empty for the root
	Key, Value []byte

	IsBucket bool // it is a bucket: Key and Value are nil
	Sequence uint64
}

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
	Hint string // what to do, where the whole file looks like another form; or empty
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

// Form is how entries are written in a whole file.
type Form struct {
	Format     Format
	Gzip       bool     // the file is compressed; the caller does that
	Encoding   Encoding // of keys and values where the file does not say it
	JSONValues bool     // JSON Lines: values are JSON
	Counters   bool     // JSON Lines: counters are written as numbers, for programs that read; they cannot be imported

	// CSV and TSV:
	KeyColumn, ValueColumn string // names of the columns; empty for the usual ones
	Delimiter              byte   // between columns; 0 for that of the format
}

// delimiter stands between columns.
func (f Form) delimiter() byte {
	switch {
	case f.Delimiter != 0:
		return f.Delimiter
	case f.Format == TSV:
		return '\t'
	}
	return ','
}

// Counter is the number that a value is if it is a counter. Any 8 bytes may be one.
func Counter(value []byte) (n int64, ok bool) {
	n, err := lightningdb.Int64(value)
	return n, err == nil
}

// NewReader reads entries from in.
func NewReader(in io.Reader, form Form) Reader {
	if form.Format == JSONLines {
		return newJSONReader(in, form)
	}
	return newCSVReader(in, form)
}

// NewWriter writes entries to out.
func NewWriter(out io.Writer, form Form) Writer {
	if form.Format == JSONLines {
		return NewJSONWriter(out, form)
	}
	return newCSVWriter(out, form)
}

// Format is a kind of file.
type Format uint8

// The formats.
const (
	JSONLines Format = iota
	CSV
	TSV // CSV with tabs
)

var formatNames = [...]string{JSONLines: "jsonl", CSV: "csv", TSV: "tsv"}

func (f Format) String() string { return formatNames[f] }

// FormatNamed is the inverse of String.
func FormatNamed(name string) (Format, error) {
	i := slices.Index(formatNames[:], name)
	if i < 0 {
		return JSONLines, fmt.Errorf("unknown format %q (jsonl, csv or tsv)", name)
	}
	return Format(i), nil
}

// FormOf guesses a file's form by its name, in any case: ".gz" is compressed, ".csv" and ".tsv" before it are CSV and
// TSV, and everything else is JSON Lines.
func FormOf(path string) (form Form) {
	path = strings.ToLower(path)
	path, form.Gzip = strings.CutSuffix(path, ".gz")
	switch filepath.Ext(path) {
	case ".csv":
		form.Format = CSV
	case ".tsv":
		form.Format = TSV
	}
	return form
}
