package text

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Errors of Split.
var (
	errOpenQuote = errors.New("a quote is not closed")
	errNoEscape  = errors.New(`a backslash begins an escape like \n or \xff; write \\ for a backslash itself`)
)

// Split splits a line into words at blanks. Inside double quotes blanks do not split; there and outside of quotes the
// escapes of Go hold (\n, \xff, \u00e9, \\, \"), and a backslash before a blank or quote takes it as it is. Inside
// single quotes everything is as it is. Quotes may begin and end in the middle of a word, and "" is an empty word.
func Split(line string) (words []string, err error) {
	s := splitter{rest: line}
	for s.skipBlanks(); s.rest != ""; s.skipBlanks() {
		word, err := s.word()
		if err != nil {
			return nil, err
		}
		words = append(words, word)
	}
	return words, nil
}

// Unfinished is Split for a line that is being written. word is the last word as far as it goes, empty behind a
// blank, and start the place in line where it begins.
func Unfinished(line string) (words []string, word string, start int) {
	s := splitter{rest: line}
	for {
		s.skipBlanks()
		start = len(line) - len(s.rest)
		if s.rest == "" {
			return words, "", start
		}
		word, _ = s.word()
		if s.rest == "" {
			return words, word, start
		}
		words = append(words, word)
	}
}

// AppendWord appends b as a word that Split gives back.
func AppendWord(dst, b []byte) []byte {
	if len(b) == 0 || b[0] == '#' || bytes.ContainsAny(b, ` "'`) {
		return strconv.AppendQuote(dst, string(b))
	}
	return AppendEscaped(dst, b, "")
}

// splitter is a line that is being split.
type splitter struct{ rest string }

func (s *splitter) skipBlanks() { s.rest = strings.TrimLeft(s.rest, " \t\r\n") }

// word reads to the next blank outside of quotes. After an error it is what could be read.
func (s *splitter) word() (string, error) {
	var word []byte
	quote := byte(0) // the one that is open
	for s.rest != "" {
		c := s.rest[0]
		switch {
		case quote == 0 && strings.IndexByte(" \t\r\n", c) >= 0:
			return string(word), nil
		case c == '\\' && quote != '\'':
			var err error
			if word, err = s.escape(word); err != nil {
				s.rest = ""
				return string(word), err
			}
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			word = append(word, c)
		}
		s.rest = s.rest[1:]
	}
	if quote != 0 {
		return string(word), errOpenQuote
	}
	return string(word), nil
}

// escape reads a backslash and what belongs to it.
func (s *splitter) escape(word []byte) ([]byte, error) {
	if len(s.rest) > 1 && strings.IndexByte(" \t\"'#", s.rest[1]) >= 0 {
		word = append(word, s.rest[1])
		s.rest = s.rest[2:]
		return word, nil
	}
	r, multibyte, rest, err := strconv.UnquoteChar(s.rest, 0)
	if err != nil {
		return word, errNoEscape
	}
	s.rest = rest
	if multibyte {
		return append(word, string(r)...), nil
	}
	return append(word, byte(r)), nil
}
