package exchange

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// columnSuffix is what an encoding adds to the two column names.
var columnSuffix = [...]string{Text: "", Hex: "_hex", Base64: "_base64"}

// The names of the columns, without their suffix, where no others are asked for.
const (
	keyColumn   = "key"
	valueColumn = "value"
)

// maxColumns bounds what a reader keeps of one record, besides its bytes.
const maxColumns = 1 << 14

// The causes of a *LineError in CSV.
var (
	errBareQuote = errors.New(`a quote (") inside a field that does not begin with one`)
	errQuote     = errors.New(`something follows the quote (") that ends a field; inside of it a quote is written twice`)
	errOpenQuote = errors.New(`the quote (") that begins a field is never closed`)
	errColumns   = fmt.Errorf("more than %d columns", maxColumns)
)

// csvReader reads CSV by the rules of RFC 4180, and changes no byte between quotes. (Package encoding/csv turns CR LF
// into LF there.)
type csvReader struct {
	in    *bufio.Reader
	form  Form
	limit int // bound on record

	started    bool
	key, value int // which columns they are
	width      int // columns of the header

	line   int    // that the next byte is on
	start  int    // line where the record read last began
	record []byte // the record read last, field behind field
	ends   []int  // where each field ends in record
	quoted bool   // whether a field of it stood in quotes
}

func newCSVReader(in io.Reader, form Form) *csvReader {
	return &csvReader{in: bufio.NewReaderSize(in, 64<<10), form: form, limit: maxRecordSize, line: 1}
}

// Read implements Reader.
func (r *csvReader) Read() (Entry, error) {
	if !r.started {
		r.started = true
		if err := r.readHeader(); err != nil {
			return Entry{}, err
		}
	}
	if err := r.next(); err != nil {
		return Entry{}, err
	}
	if len(r.ends) != r.width {
		return Entry{}, r.bad(fmt.Errorf("%d columns instead of %d", len(r.ends), r.width))
	}
	key, value := r.field(r.key), r.field(r.value)
	if r.form.Encoding == Text && !(utf8.ValidString(key) && utf8.ValidString(value)) {
		return Entry{}, r.bad(fmt.Errorf("invalid UTF-8 is %w; use hex or base64 columns", ErrNotText))
	}
	entry, err := decodePair(r.form.Encoding, key, value)
	if err != nil {
		return Entry{}, r.bad(err)
	}
	return entry, nil
}

// field is the i-th field of the record read last.
func (r *csvReader) field(i int) string {
	from := 0
	if i > 0 {
		from = r.ends[i-1]
	}
	return string(r.record[from:r.ends[i]])
}

// bad is the error for the record read last.
func (r *csvReader) bad(err error) error { return &LineError{Line: r.start, Err: err} }

func (r *csvReader) readHeader() error {
	hint, err := begin(r.in, r.form)
	if err != nil {
		return err
	}
	err = r.next()
	if errors.Is(err, io.EOF) {
		return &LineError{Line: 1, Err: errors.New(`no header line; want "key,value"`)}
	}
	if err == nil {
		err = r.chooseColumns()
	}
	var bad *LineError
	if errors.As(err, &bad) {
		bad.Hint = hint
	}
	return err
}

// chooseColumns finds the two columns in the header. Where no name is asked for, there may be no others than the two:
// they would be lost without a word.
func (r *csvReader) chooseColumns() error {
	r.width = len(r.ends)
	names := make([]string, r.width)
	for i := range names {
		names[i] = r.field(i)
	}
	if r.form.KeyColumn != "" || r.form.ValueColumn != "" {
		var err error
		if r.key, err = find(names, r.form.KeyColumn, keyColumn); err == nil {
			r.value, err = find(names, r.form.ValueColumn, valueColumn)
		}
		if err != nil {
			return r.bad(err)
		}
		return nil
	}
	for encoding, suffix := range columnSuffix {
		r.key, r.value = slices.Index(names, keyColumn+suffix), slices.Index(names, valueColumn+suffix)
		if len(names) == 2 && r.key >= 0 && r.value >= 0 {
			if suffix != "" {
				r.form.Encoding = Encoding(encoding)
			}
			return nil
		}
	}
	return &LineError{Line: r.start, Err: errors.New(`the header is not "key,value", "key_hex,value_hex" or ` +
		`"key_base64,value_base64"; --key-column and --value-column choose others`)}
}

// find is which of the columns is called name, or usual if name is empty.
func find(names []string, name, usual string) (int, error) {
	if name == "" {
		name = usual
	}
	i := slices.Index(names, name)
	switch {
	case i < 0:
		return 0, fmt.Errorf("there is no column %q; the columns are %s", shorten(name), shorten(strings.Join(names, ", ")))
	case slices.Contains(names[i+1:], name):
		return 0, fmt.Errorf("there are two columns %q", shorten(name))
	}
	return i, nil
}

// next reads the next record that is no blank line. The error is io.EOF, a *LineError or that of the input.
func (r *csvReader) next() error {
	for {
		r.start, r.record, r.ends, r.quoted = r.line, r.record[:0], r.ends[:0], false
		if _, err := r.in.Peek(1); err != nil {
			return err
		}
		if err := r.readRecord(); err != nil {
			return err
		}
		if blank := len(r.record) == 0 && len(r.ends) == 1 && !r.quoted; !blank {
			return nil
		}
	}
}

func (r *csvReader) readRecord() error {
	for {
		last, err := r.readField()
		switch r.ends = append(r.ends, len(r.record)); {
		case err != nil:
			return err
		case last:
			return nil
		case len(r.ends) == maxColumns:
			return r.bad(errColumns)
		}
	}
}

// readField appends a field to record, with the delimiter or line end behind it consumed. last is true if it is the
// last one of its record.
func (r *csvReader) readField() (last bool, err error) {
	c, err := r.in.ReadByte()
	if err == nil && c == '"' {
		r.quoted = true
		if err := r.readQuoted(); err != nil {
			return true, err
		}
		c, err = r.in.ReadByte()
		if last, done, err := r.endsField(c, err); done || err != nil {
			return last, err
		}
		return true, r.bad(errQuote)
	}
	for {
		if last, done, err := r.endsField(c, err); done || err != nil {
			return last, err
		}
		if c == '"' {
			return true, r.bad(errBareQuote)
		}
		if err := r.keep(c); err != nil {
			return true, err
		}
		c, err = r.in.ReadByte()
	}
}

// readQuoted appends what stands between quotes, the first of which has been read.
func (r *csvReader) readQuoted() error {
	for {
		c, err := r.in.ReadByte()
		if err == io.EOF {
			return r.bad(errOpenQuote)
		}
		if err != nil {
			return err
		}
		if c == '"' {
			if next, _ := r.in.Peek(1); len(next) == 0 || next[0] != '"' {
				return nil
			}
			_, _ = r.in.Discard(1) // it is buffered
		}
		if c == '\n' {
			r.line++
		}
		if err := r.keep(c); err != nil {
			return err
		}
	}
}

func (r *csvReader) keep(c byte) error {
	if r.record = append(r.record, c); len(r.record) > r.limit {
		return r.bad(errTooLong)
	}
	return nil
}

// endsField reports whether c, read with err, ends a field, and whether it is the last one of its record.
func (r *csvReader) endsField(c byte, err error) (last, done bool, _ error) {
	switch {
	case err == io.EOF:
		return true, true, nil
	case err != nil:
		return true, true, err
	case c == r.form.delimiter():
		return false, true, nil
	}
	end, err := r.endsLine(c)
	return end, end, err
}

// endsLine reports whether c ends a line: LF, CR LF, or CR at the end of the input.
func (r *csvReader) endsLine(c byte) (bool, error) {
	if c == '\r' {
		next, err := r.in.Peek(1)
		if err != nil && err != io.EOF {
			return false, err
		}
		if len(next) > 0 && next[0] != '\n' {
			return false, nil
		}
		_, _ = r.in.Discard(len(next)) // it is buffered
		c = '\n'
	}
	if c == '\n' {
		r.line++
		return true, nil
	}
	return false, nil
}

// csvWriter writes CSV.
type csvWriter struct {
	out     *bufio.Writer
	form    Form
	started bool
	line    []byte // the record being written
}

func newCSVWriter(out io.Writer, form Form) *csvWriter {
	return &csvWriter{out: bufio.NewWriterSize(out, 64<<10), form: form}
}

// Write implements Writer.
func (w *csvWriter) Write(key, value []byte) error {
	if err := w.writeHeader(); err != nil {
		return err
	}
	if w.form.Encoding == Text && !(utf8.Valid(key) && utf8.Valid(value)) {
		return fmt.Errorf("key %q or its value is %w as CSV", shorten(string(key)), ErrNotText)
	}
	return w.writeRecord(w.form.Encoding.Encode(key), w.form.Encoding.Encode(value))
}

func (w *csvWriter) writeHeader() error {
	if w.started {
		return nil
	}
	w.started = true
	key, value := w.form.KeyColumn, w.form.ValueColumn
	suffix := columnSuffix[w.form.Encoding]
	if key == "" {
		key = keyColumn + suffix
	}
	if value == "" {
		value = valueColumn + suffix
	}
	return w.writeRecord(key, value)
}

func (w *csvWriter) writeRecord(key, value string) error {
	w.line = w.appendField(w.line[:0], key)
	w.line = append(w.line, w.form.delimiter())
	w.line = w.appendField(w.line, value)
	_, err := w.out.Write(append(w.line, '\n'))
	return err
}

// appendField appends a field, in quotes if it needs them or if other programs might trim it.
func (w *csvWriter) appendField(dst []byte, field string) []byte {
	if strings.TrimSpace(field) == field && !strings.ContainsAny(field, "\"\r\n") &&
		strings.IndexByte(field, w.form.delimiter()) < 0 {
		return append(dst, field...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(field, `"`, `""`)...)
	return append(dst, '"')
}

// Flush implements Writer.
func (w *csvWriter) Flush() error {
	if err := w.writeHeader(); err != nil {
		return err
	}
	return w.out.Flush()
}
