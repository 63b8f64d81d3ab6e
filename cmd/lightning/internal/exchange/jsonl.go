package exchange

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"lightningdb"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning/internal/text"
)

// jsonEntry is one line. Pointers tell an absent field from an empty one.
type jsonEntry struct{ bucket, sequence, key, value, encoding *string }

// set takes a field of the line.
func (e *jsonEntry) set(name string, value *string) error {
	switch name {
	case "bucket":
		e.bucket = value
	case "sequence":
		e.sequence = value
	case "key":
		e.key = value
	case "value":
		e.value = value
	case "encoding":
		e.encoding = value
	default:
		return fmt.Errorf("unknown field %q", name)
	}
	return nil
}

// jsonReader reads JSON Lines.
type jsonReader struct {
	in      *bufio.Reader
	form    Form
	started bool
	hint    string // what to do if the first line is bad
	line    int    // number of the line read last
	buf     []byte // the line being read
	limit   int    // bound on buf
	path    string // of the bucket read last, as it is written
	bucket  []string
}

func newJSONReader(in io.Reader, form Form) *jsonReader {
	return &jsonReader{in: bufio.NewReaderSize(in, 64<<10), limit: maxRecordSize, form: form}
}

// Read implements Reader.
func (r *jsonReader) Read() (Entry, error) {
	if !r.started {
		r.started = true
		var err error
		if r.hint, err = begin(r.in, r.form); err != nil {
			return Entry{}, err
		}
	}
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
			return Entry{}, &LineError{Line: r.line, Err: err, Hint: r.hint}
		}
		r.hint = ""
		return entry, nil
	}
}

// readLine returns the next line without surrounding blanks, valid until the next call.
func (r *jsonReader) readLine() ([]byte, error) {
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

func (r *jsonReader) decode(line []byte) (Entry, error) {
	var wire jsonEntry
	raw := ""
	if r.form.JSONValues {
		raw = "value"
	}
	err := jsonline.ReadObject(line, raw, wire.set)
	switch {
	case errors.Is(err, jsonline.ErrNotUTF8), errors.Is(err, jsonline.ErrSurrogate):
		return Entry{}, fmt.Errorf("%w is %w; write it with \"encoding\":\"base64\"", err, ErrNotText)
	case errors.Is(err, jsonline.ErrNotString) && wire.key != nil && !r.form.JSONValues:
		return Entry{}, fmt.Errorf("%w; --values json stores every JSON value as its text", err)
	case err != nil:
		return Entry{}, err
	}
	return r.fromWire(wire)
}

func (r *jsonReader) fromWire(wire jsonEntry) (Entry, error) {
	encoding, err := r.form.Encoding, error(nil)
	if wire.encoding != nil && *wire.encoding != "" {
		encoding, err = encodingNamed(*wire.encoding)
	}
	if err == nil && wire.bucket != nil {
		err = r.setBucket(*wire.bucket)
	}
	switch {
	case err != nil:
		return Entry{}, err
	case wire.bucket != nil && wire.key == nil && wire.value == nil:
		return bucketEntry(r.bucket, wire.sequence)
	case wire.sequence != nil:
		return Entry{}, errors.New(`"sequence" is of a bucket, on a line without "key" and "value"`)
	case wire.key == nil:
		return Entry{}, errors.New(`no "key"`)
	case wire.value == nil:
		return Entry{}, errors.New(`no "value"`)
	}
	decode := decodePair
	if r.form.JSONValues {
		decode = decodeJSONPair
	}
	entry, err := decode(encoding, *wire.key, *wire.value)
	if wire.bucket != nil {
		entry.Bucket = r.bucket
	}
	return entry, err
}

// setBucket makes the path that is written as text that of the bucket read last.
func (r *jsonReader) setBucket(path string) (err error) {
	if path == r.path && path != "" {
		return nil
	}
	if r.bucket, err = text.Path(path); err != nil {
		return fmt.Errorf("the bucket %q: %w", shorten(path), err)
	}
	r.path = path
	return nil
}

// bucketEntry is a bucket by itself. A reader may leave out the sequence.
func bucketEntry(path []string, sequence *string) (Entry, error) {
	e := Entry{Bucket: path, IsBucket: true}
	switch {
	case len(path) == 0:
		return Entry{}, errors.New("the root is no bucket; its entries have none")
	case sequence == nil:
		return e, nil
	}
	var err error
	if e.Sequence, err = strconv.ParseUint(*sequence, 10, 64); err != nil {
		return Entry{}, fmt.Errorf("the sequence is no number of 64 bits: %q", shorten(*sequence))
	}
	return e, nil
}

// decodeJSONPair is decodePair for a value that is stored as it is.
func decodeJSONPair(encoding Encoding, key, value string) (Entry, error) {
	entry, err := decodePair(encoding, key, "")
	if err == nil {
		entry.Value = []byte(value)
		err = checkSizes(entry.Key, entry.Value)
	}
	return entry, err
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

// checkSizes refuses what no database would take: here, the number of the line is known.
func checkSizes(key, value []byte) error {
	switch {
	case len(key) > lightningdb.MaxKeySize:
		return fmt.Errorf("the key has %d bytes, more than %d", len(key), lightningdb.MaxKeySize)
	case len(value) > lightningdb.MaxValueSize:
		return fmt.Errorf("the value has %d bytes, more than %d", len(value), lightningdb.MaxValueSize)
	}
	return nil
}

// JSONWriter writes JSON Lines.
type JSONWriter struct {
	out     *bufio.Writer
	line    bytes.Buffer  // the line being written
	encoder *json.Encoder // appends to line
	form    Form
	bucket  string // that the entries are in; empty for the root
}

// NewJSONWriter writes to out. With Text, entries that are not valid UTF-8 are written as base64 all the same.
func NewJSONWriter(out io.Writer, form Form) *JSONWriter {
	w := &JSONWriter{out: bufio.NewWriterSize(out, 64<<10), form: form}
	w.encoder = json.NewEncoder(&w.line)
	w.encoder.SetEscapeHTML(false)
	return w
}

// Enter writes the line of the bucket at path, whose sequence is at that number. What is written from then on is in it.
func (w *JSONWriter) Enter(path []string, sequence uint64) error {
	w.bucket = string(text.AppendPath(nil, path))
	w.line.Reset()
	w.appendField(`{"bucket":`, w.bucket)
	if sequence > 0 {
		fmt.Fprintf(&w.line, `,"sequence":"%d"`, sequence)
	}
	return w.end(Text)
}

// Write implements Writer.
func (w *JSONWriter) Write(key, value []byte) error {
	if w.form.JSONValues {
		return w.writeJSONValue(key, value)
	}
	if n, ok := Counter(value); ok && w.form.Counters {
		encoding := w.encodingFor(key, nil)
		w.begin(encoding, key)
		fmt.Fprintf(&w.line, `,"value":%d`, n)
		return w.end(encoding)
	}
	encoding := w.encodingFor(key, value)
	w.begin(encoding, key)
	w.appendField(`,"value":`, encoding.Encode(value))
	return w.end(encoding)
}

// writeJSONValue writes a value that is JSON as it is, except that line breaks between its parts become blanks. A
// json.RawMessage would lose its other blanks.
func (w *JSONWriter) writeJSONValue(key, value []byte) error {
	if !jsonline.Valid(value) {
		return fmt.Errorf("the value of key %q is %w", shorten(string(key)), ErrNotJSON)
	}
	encoding := w.encodingFor(key, nil)
	w.begin(encoding, key)
	w.line.WriteString(`,"value":`)
	for _, c := range value {
		if c == '\n' || c == '\r' { // inside of a string it would be an escape
			c = ' '
		}
		w.line.WriteByte(c)
	}
	return w.end(encoding)
}

// WriteKey writes a line without a value. Such lines are for reading by programs; they cannot be imported.
func (w *JSONWriter) WriteKey(key []byte) error {
	encoding := w.encodingFor(key, nil)
	w.begin(encoding, key)
	return w.end(encoding)
}

func (w *JSONWriter) begin(encoding Encoding, key []byte) {
	w.line.Reset()
	name := `{"key":`
	if w.bucket != "" {
		w.appendField(`{"bucket":`, w.bucket)
		name = `,"key":`
	}
	w.appendField(name, encoding.Encode(key))
}

// appendField appends name and text in quotes. Encode cannot fail on a string, and adds a line break.
func (w *JSONWriter) appendField(name, text string) {
	w.line.WriteString(name)
	_ = w.encoder.Encode(text)
	w.line.Truncate(w.line.Len() - 1)
}

func (w *JSONWriter) end(encoding Encoding) error {
	if encoding != Text {
		w.appendField(`,"encoding":`, encoding.String())
	}
	w.line.WriteString("}\n")
	_, err := w.line.WriteTo(w.out)
	return err
}

func (w *JSONWriter) encodingFor(key, value []byte) Encoding {
	if w.form.Encoding == Text && !(utf8.Valid(key) && utf8.Valid(value)) {
		return Base64
	}
	return w.form.Encoding
}

// Flush implements Writer.
func (w *JSONWriter) Flush() error { return w.out.Flush() }
