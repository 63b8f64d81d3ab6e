package jsonline

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

var errNumber = errors.New("a number that is not written as JSON writes it")

// Valid reports whether text is one JSON value, with blanks and line breaks around it and between its parts.
func Valid(text []byte) bool {
	r := reader{text: text}
	if !utf8.Valid(text) || r.skipValue() != nil {
		return false
	}
	r.skipBlanks()
	return len(r.text) == 0
}

// raw reads a value of any kind and returns its text.
func (r *reader) raw() (string, error) {
	r.skipBlanks()
	before := r.text
	err := r.skipValue()
	return string(before[:len(before)-len(r.text)]), err
}

// skipValue reads a value of any kind. It does not recurse into arrays and objects, because the text decides how deep
// they are.
func (r *reader) skipValue() error {
	var open []byte // the brackets that are still to be closed
	for {
		entered, err := r.enter(&open)
		if err != nil {
			return err
		}
		for !entered {
			if len(open) == 0 {
				return nil
			}
			if !r.take(open[len(open)-1]) {
				if err := r.expect(',', "a comma or the end of the array or object"); err != nil {
					return err
				}
				break
			}
			open = open[:len(open)-1]
		}
		if len(open) > 0 && open[len(open)-1] == '}' {
			if err := r.skipName(); err != nil {
				return err
			}
		}
	}
}

// enter reads a simple or empty value, or the bracket that opens another; then a value must follow.
func (r *reader) enter(open *[]byte) (entered bool, err error) {
	switch {
	case r.take('{'):
		if r.take('}') {
			return false, nil
		}
		*open = append(*open, '}')
		return true, nil
	case r.take('['):
		if r.take(']') {
			return false, nil
		}
		*open = append(*open, ']')
		return true, nil
	}
	return false, r.skipSimple()
}

// skipName reads the name of a field and its colon.
func (r *reader) skipName() error {
	if err := r.skipString(); err != nil {
		return err
	}
	return r.expect(':', "a colon")
}

// skipString reads a string without looking at what it says: half of a surrogate pair is JSON, too.
func (r *reader) skipString() error {
	if err := r.expect('"', "a string"); err != nil {
		return err
	}
	for len(r.text) > 0 {
		c := r.text[0]
		r.text = r.text[1:]
		switch {
		case c == '"':
			return nil
		case c < ' ':
			return fmt.Errorf("invalid character %q in a string: write an escape", c)
		case c == '\\':
			if _, err := r.appendEscaped(nil); err != nil && !errors.Is(err, ErrSurrogate) {
				return err
			}
		}
	}
	return errEnds
}

// skipSimple reads what has no brackets.
func (r *reader) skipSimple() error {
	r.skipBlanks()
	if len(r.text) > 0 && r.text[0] == '"' {
		return r.skipString()
	}
	for _, word := range []string{"null", "true", "false"} {
		if bytes.HasPrefix(r.text, []byte(word)) {
			r.text = r.text[len(word):]
			return nil
		}
	}
	if len(r.text) > 0 && (r.text[0] == '-' || isDigit(r.text[0])) {
		return r.skipNumber()
	}
	return r.unexpected("a JSON value")
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// skipNumber reads a number: -12.5e+3.
func (r *reader) skipNumber() error {
	r.skipAny("-")
	if !r.skipAny("0") && !r.skipDigits() {
		return errNumber
	}
	if r.skipAny(".") && !r.skipDigits() {
		return errNumber
	}
	if r.skipAny("eE") {
		r.skipAny("+-")
		if !r.skipDigits() {
			return errNumber
		}
	}
	return nil
}

// skipAny consumes one of the characters, if it comes next.
func (r *reader) skipAny(characters string) bool {
	if len(r.text) == 0 || bytes.IndexByte([]byte(characters), r.text[0]) < 0 {
		return false
	}
	r.text = r.text[1:]
	return true
}

func (r *reader) skipDigits() bool {
	n := 0
	for n < len(r.text) && isDigit(r.text[n]) {
		n++
	}
	r.text = r.text[n:]
	return n > 0
}
