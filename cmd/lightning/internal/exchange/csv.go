package exchange

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// columnSuffix is what an encoding adds to the two column names.
var columnSuffix = [...]string{Text: "", Hex: "_hex", Base64: "_base64"}

// CSVReader reads CSV.
type CSVReader struct {
	in       *allowance
	csv      *csv.Reader
	limit    int64 // what the reader may consume for one record
	line     int   // where the record read last began
	started  bool
	encoding Encoding
}

// NewCSVReader reads from in. encoding is that of a file whose header says "key,value"; any other header decides
// itself.
func NewCSVReader(in io.Reader, encoding Encoding) *CSVReader {
	limited := &allowance{in: in}
	reader := csv.NewReader(limited)
	reader.ReuseRecord = true
	reader.FieldsPerRecord = -1 // Read counts them itself
	return &CSVReader{in: limited, csv: reader, limit: maxRecordSize, encoding: encoding}
}

// Read implements Reader.
func (r *CSVReader) Read() (Entry, error) {
	if !r.started {
		r.started = true
		if err := r.readHeader(); err != nil {
			return Entry{}, err
		}
	}
	record, err := r.next()
	if err != nil {
		return Entry{}, err
	}
	if len(record) != 2 {
		return Entry{}, r.bad(fmt.Errorf("%d columns instead of 2", len(record)))
	}
	if r.encoding == Text && !(utf8.ValidString(record[0]) && utf8.ValidString(record[1])) {
		return Entry{}, r.bad(fmt.Errorf("invalid UTF-8 is %w; use hex or base64 columns", ErrNotText))
	}
	entry, err := decodePair(r.encoding, record[0], record[1])
	if err != nil {
		return Entry{}, r.bad(err)
	}
	return entry, nil
}

func (r *CSVReader) readHeader() error {
	record, err := r.next()
	if errors.Is(err, io.EOF) {
		return &LineError{Line: 1, Err: errors.New(`no header line; want "key,value"`)}
	}
	if err != nil {
		return err
	}
	for i, suffix := range columnSuffix {
		if len(record) == 2 && record[0] == "key"+suffix && record[1] == "value"+suffix {
			if suffix != "" {
				r.encoding = Encoding(i)
			}
			return nil
		}
	}
	return r.bad(errors.New(`the header is not "key,value", "key_hex,value_hex" or "key_base64,value_base64"`))
}

// next returns the next record, or io.EOF, or a *LineError.
func (r *CSVReader) next() ([]string, error) {
	r.in.left = r.limit
	record, err := r.csv.Read()
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return nil, &LineError{Line: parse.StartLine, Err: parse.Err}
	case errors.Is(err, errTooLong):
		return nil, &LineError{Line: r.line + 1, Err: err}
	case err != nil:
		return nil, err
	}
	r.line, _ = r.csv.FieldPos(0)
	return record, nil
}

// bad is the error for the record read last.
func (r *CSVReader) bad(err error) error { return &LineError{Line: r.line, Err: err} }

// allowance fails a read once left bytes have been read, so that an unclosed quote cannot pull a whole file into
// memory.
type allowance struct {
	in   io.Reader
	left int64
}

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errTooLong
	}
	n, err := a.in.Read(p)
	a.left -= int64(n)
	return n, err
}

// CSVWriter writes CSV.
type CSVWriter struct {
	csv      *csv.Writer
	started  bool
	encoding Encoding
}

// NewCSVWriter writes to out.
func NewCSVWriter(out io.Writer, encoding Encoding) *CSVWriter {
	return &CSVWriter{csv: csv.NewWriter(out), encoding: encoding}
}

// Write implements Writer.
func (w *CSVWriter) Write(key, value []byte) error {
	if err := w.writeHeader(); err != nil {
		return err
	}
	if w.encoding == Text && !(fitsCSVText(key) && fitsCSVText(value)) {
		return fmt.Errorf("key %q or its value is %w as CSV", shorten(string(key)), ErrNotText)
	}
	return w.csv.Write([]string{w.encoding.Encode(key), w.encoding.Encode(value)})
}

func (w *CSVWriter) writeHeader() error {
	if w.started {
		return nil
	}
	w.started = true
	suffix := columnSuffix[w.encoding]
	return w.csv.Write([]string{"key" + suffix, "value" + suffix})
}

// fitsCSVText reports whether a CSV reader gives b back as it is.
func fitsCSVText(b []byte) bool { return utf8.Valid(b) && !bytes.Contains(b, []byte("\r\n")) }

// Flush implements Writer.
func (w *CSVWriter) Flush() error {
	if err := w.writeHeader(); err != nil {
		return err
	}
	w.csv.Flush()
	return w.csv.Error()
}
