package jsonline

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// Errors of ReadObject that callers tell from others.
var (
	ErrNotUTF8   = errors.New("invalid UTF-8")
	ErrSurrogate = errors.New("an unpaired surrogate")
	ErrNotString = errors.New("want an object with string fields")
)

var errEnds = errors.New("the JSON object does not end on this line")

// ReadObject reads text, one object whose fields are strings or null, and calls set with each field in order; value is
// nil for null. The field called raw, if that is not empty, may be any JSON value, and value is its text. The first
// error ends it. It accepts no field twice: one of the two would be lost without a word.
func ReadObject(text []byte, raw string, set func(name string, value *string) error) error {
	if !utf8.Valid(text) {
		return ErrNotUTF8
	}
	r := reader{text: text}
	r.skipBlanks()
	if err := r.expect('{', "an object with string fields"); err != nil {
		return err
	}
	if err := r.fields(raw, set); err != nil {
		return err
	}
	if r.skipBlanks(); len(r.text) > 0 {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// reader is the rest of a line that is being read.
type reader struct{ text []byte }

func (r *reader) skipBlanks() {
	for len(r.text) > 0 && (r.text[0] == ' ' || r.text[0] == '\t' || r.text[0] == '\n' || r.text[0] == '\r') {
		r.text = r.text[1:]
	}
}

// take consumes c if it comes next, after blanks.
func (r *reader) take(c byte) bool {
	r.skipBlanks()
	if len(r.text) == 0 || r.text[0] != c {
		return false
	}
	r.text = r.text[1:]
	return true
}

// expect consumes c, or says what is there in place of what.
func (r *reader) expect(c byte, what string) error {
	if r.take(c) {
		return nil
	}
	return r.unexpected(what)
}

// unexpected says what is there in place of what.
func (r *reader) unexpected(what string) error { return r.unexpectedFor(errors.New("want " + what)) }

// unexpectedFor adds to err, which says what is wanted, what is there in its place.
func (r *reader) unexpectedFor(wanted error) error {
	if len(r.text) == 0 {
		return errEnds
	}
	switch c := r.text[0]; {
	case c == '{':
		return fmt.Errorf("%w, not an object", wanted)
	case c == '[':
		return fmt.Errorf("%w, not an array", wanted)
	case c == '"':
		return fmt.Errorf("%w, not a string", wanted)
	case c == '-', isDigit(c):
		return fmt.Errorf("%w, not a number", wanted)
	}
	next, _ := utf8.DecodeRune(r.text)
	return fmt.Errorf("invalid character %q: %w", next, wanted)
}

// fields reads all behind the opening brace.
func (r *reader) fields(raw string, set func(name string, value *string) error) error {
	if r.take('}') {
		return nil
	}
	seen := make([]string, 0, 4) // an object has few fields; with many, set has refused one
	for {
		name, value, err := r.field(raw)
		if err != nil {
			return err
		}
		if slices.Contains(seen, name) {
			return fmt.Errorf("the field %q is there twice", name)
		}
		seen = append(seen, name)
		if err := set(name, value); err != nil {
			return err
		}
		if r.take('}') {
			return nil
		}
		if err := r.expect(',', "a comma or the end of the object"); err != nil {
			return err
		}
	}
}

func (r *reader) field(raw string) (name string, value *string, err error) {
	if name, err = r.string("the name of a field"); err != nil {
		return "", nil, err
	}
	if err = r.expect(':', "a colon"); err != nil {
		return "", nil, err
	}
	r.skipBlanks()
	if raw != "" && name == raw {
		text, err := r.raw()
		return name, &text, err
	}
	if len(r.text) >= 4 && string(r.text[:4]) == "null" {
		r.text = r.text[4:]
		return name, nil, nil
	}
	if len(r.text) > 0 && r.text[0] != '"' {
		return name, nil, r.unexpectedFor(ErrNotString)
	}
	text, err := r.string("a string")
	return name, &text, err
}

// string reads a string in quotes. what names it in errors.
func (r *reader) string(what string) (string, error) {
	if err := r.expect('"', what); err != nil {
		return "", err
	}
	plain := 0
	for plain < len(r.text) && r.text[plain] != '"' && r.text[plain] != '\\' && r.text[plain] >= ' ' {
		plain++
	}
	out := append(make([]byte, 0, plain), r.text[:plain]...)
	r.text = r.text[plain:]
	for len(r.text) > 0 {
		c := r.text[0]
		r.text = r.text[1:]
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			return "", fmt.Errorf("invalid character %q in a string: write an escape", c)
		case c != '\\':
			out = append(out, c)
		default:
			var err error
			if out, err = r.appendEscaped(out); err != nil {
				return "", err
			}
		}
	}
	return "", errEnds
}

// appendEscaped reads an escape behind its backslash.
func (r *reader) appendEscaped(out []byte) ([]byte, error) {
	if len(r.text) == 0 {
		return nil, errEnds
	}
	letter := r.text[0]
	r.text = r.text[1:]
	switch letter {
	case 'u':
		return r.appendUnits(out)
	case '"', '\\', '/':
		return append(out, letter), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	}
	return nil, fmt.Errorf("invalid character %q behind a backslash", letter)
}

// appendUnits reads the digits behind \u, and with half of a surrogate pair the escape of the other half.
func (r *reader) appendUnits(out []byte) ([]byte, error) {
	unit, err := r.unit()
	if err != nil || !utf16.IsSurrogate(unit) {
		return utf8.AppendRune(out, unit), err
	}
	if len(r.text) < 2 || r.text[0] != '\\' || r.text[1] != 'u' {
		return nil, ErrSurrogate
	}
	r.text = r.text[2:]
	low, err := r.unit()
	if err != nil {
		return nil, err
	}
	both := utf16.DecodeRune(unit, low)
	if both == utf8.RuneError {
		return nil, ErrSurrogate
	}
	return utf8.AppendRune(out, both), nil
}

// unit reads four hexadecimal digits.
func (r *reader) unit() (unit rune, err error) {
	if len(r.text) < 4 {
		return 0, errEnds
	}
	for _, c := range r.text[:4] {
		switch {
		case isDigit(c):
			unit = unit<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			unit = unit<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, fmt.Errorf(`invalid character %q behind \u: want four hexadecimal digits`, c)
		}
	}
	r.text = r.text[4:]
	return unit, nil
}
