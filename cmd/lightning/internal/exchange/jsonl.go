package exchange

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"lightningdb"
)

// jsonEntry is the wire form. Pointers tell an absent field from an empty one.
type jsonEntry struct {
	Key      *string `json:"key"`
	Value    *string `json:"value,omitempty"`
	Encoding string  `json:"encoding,omitempty"`
}

// JSONReader reads JSON Lines.
type JSONReader struct {
	in       *bufio.Reader
	line     int    // number of the line read last
	buf      []byte // the line being read
	limit    int    // bound on buf
	encoding Encoding
}

// NewJSONReader reads from in. encoding is that of lines which name none.
func NewJSONReader(in io.Reader, encoding Encoding) *JSONReader {
	return &JSONReader{in: bufio.NewReaderSize(in, 64<<10), limit: maxRecordSize, encoding: encoding}
}

// Read implements Reader.
func (r *JSONReader) Read() (Entry, error) {
	for {
		line, err := r.readLine()
		if err != nil {
			return Entry{}, err
		}
		if len(line) == 0 {
			continue
		}
		entry, err := r.decode(line)
		if err != nil {
			return Entry{}, &LineError{Line: r.line, Err: err}
		}
		return entry, nil
	}
}

// readLine returns the next line without surrounding blanks, valid until the next call.
func (r *JSONReader) readLine() ([]byte, error) {
	r.buf = r.buf[:0]
	r.line++
	for {
		part, err := r.in.ReadSlice('\n')
		r.buf = append(r.buf, part...)
		switch {
		case len(r.buf) > r.limit:
			return nil, &LineError{Line: r.line, Err: errTooLong}
		case err == nil, errors.Is(err, io.EOF) && len(r.buf) > 0:
			return bytes.TrimSpace(r.buf), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (r *JSONReader) decode(line []byte) (Entry, error) {
	if !utf8.Valid(line) {
		return Entry{}, fmt.Errorf("invalid UTF-8 is %w; write it with \"encoding\":\"base64\"", ErrNotText)
	}
	if hasLoneSurrogate(line) {
		return Entry{}, fmt.Errorf("an unpaired surrogate is %w; write it with \"encoding\":\"base64\"", ErrNotText)
	}
	var wire jsonEntry
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return Entry{}, describeJSON(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("something follows the JSON object")
	}
	return r.fromWire(wire)
}

// describeJSON replaces the decoder's words where they do not help somebody who looks at the line.
func describeJSON(err error) error {
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON object does not end on this line")
	case errors.As(err, &wrongType):
		return fmt.Errorf("want an object with string fields, not a %s", wrongType.Value)
	}
	return err
}

func (r *JSONReader) fromWire(wire jsonEntry) (Entry, error) {
	encoding, err := r.encoding, error(nil)
	if wire.Encoding != "" {
		encoding, err = encodingNamed(wire.Encoding)
	}
	switch {
	case err != nil:
		return Entry{}, err
	case wire.Key == nil:
		return Entry{}, errors.New(`no "key"`)
	case wire.Value == nil:
		return Entry{}, errors.New(`no "value"`)
	}
	return decodePair(encoding, *wire.Key, *wire.Value)
}

// decodePair decodes both sides of an entry and says which one is bad.
func decodePair(encoding Encoding, key, value string) (Entry, error) {
	k, err := encoding.Decode(key)
	if err != nil {
		return Entry{}, fmt.Errorf("the key is %w", err)
	}
	v, err := encoding.Decode(value)
	if err != nil {
		return Entry{}, fmt.Errorf("the value is %w", err)
	}
	return Entry{Key: k, Value: v}, checkSizes(k, v)
}

// checkSizes refuses what no database would take, here where the line is known.
func checkSizes(key, value []byte) error {
	switch {
	case len(key) == 0:
		return errors.New("the key is empty")
	case len(key) > lightningdb.MaxKeySize:
		return fmt.Errorf("the key has %d bytes, more than %d", len(key), lightningdb.MaxKeySize)
	case len(value) > lightningdb.MaxValueSize:
		return fmt.Errorf("the value has %d bytes, more than %d", len(value), lightningdb.MaxValueSize)
	}
	return nil
}

// hasLoneSurrogate reports whether JSON text has a \uD800..\uDFFF escape that is not half of a pair. A JSON decoder
// would turn it into U+FFFD without a word.
func hasLoneSurrogate(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(text[i:])
		switch {
		case !ok:
			i++ // an escape of one character: skip it, it may be a backslash
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return true
		case unit >= 0xD800 && unit <= 0xDBFF:
			low, ok := escapedUnit(text[i+6:])
			if !ok || low < 0xDC00 || low > 0xDFFF {
				return true
			}
			i += 11
		default:
			i += 5
		}
	}
	return false
}

// escapedUnit decodes \uXXXX at the start of text.
func escapedUnit(text []byte) (unit uint32, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		switch {
		case c >= '0' && c <= '9':
			unit = unit<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			unit = unit<<4 | uint32(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}

// JSONWriter writes JSON Lines.
type JSONWriter struct {
	out      *bufio.Writer
	json     *json.Encoder
	encoding Encoding
}

// NewJSONWriter writes to out. With encoding Text, entries that are not valid UTF-8 are written as base64 all the same.
func NewJSONWriter(out io.Writer, encoding Encoding) *JSONWriter {
	w := &JSONWriter{out: bufio.NewWriterSize(out, 64<<10), encoding: encoding}
	w.json = json.NewEncoder(w.out)
	w.json.SetEscapeHTML(false)
	return w
}

// Write implements Writer.
func (w *JSONWriter) Write(key, value []byte) error {
	encoding := w.encodingFor(key, value)
	k, v := encoding.Encode(key), encoding.Encode(value)
	return w.json.Encode(jsonEntry{Key: &k, Value: &v, Encoding: wireName(encoding)})
}

// WriteKey writes a line without a value. Such lines are for reading by programs; they cannot be imported.
func (w *JSONWriter) WriteKey(key []byte) error {
	encoding := w.encodingFor(key, nil)
	k := encoding.Encode(key)
	return w.json.Encode(jsonEntry{Key: &k, Encoding: wireName(encoding)})
}

func (w *JSONWriter) encodingFor(key, value []byte) Encoding {
	if w.encoding == Text && !(utf8.Valid(key) && utf8.Valid(value)) {
		return Base64
	}
	return w.encoding
}

func wireName(encoding Encoding) string {
	if encoding == Text {
		return ""
	}
	return encoding.String()
}

// Flush implements Writer.
func (w *JSONWriter) Flush() error { return w.out.Flush() }
