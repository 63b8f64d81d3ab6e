package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
)

// The bytes that files of other kinds begin with.
var (
	markUTF8    = []byte{0xef, 0xbb, 0xbf}
	markUTF16LE = []byte{0xff, 0xfe}
	markUTF16BE = []byte{0xfe, 0xff}
	magicGzip   = []byte{0x1f, 0x8b}
)

// begin skips a byte order mark and refuses what is no text at all. It returns what to do if the first record is bad: a
// hint if the content looks like another form, or nothing.
func begin(in *bufio.Reader, form Form) (hint string, err error) {
	head, _ := in.Peek(len(markUTF8)) // an error comes again
	switch {
	case bytes.Equal(head, markUTF8):
		_, _ = in.Discard(len(markUTF8)) // it is buffered
	case bytes.HasPrefix(head, magicGzip):
		return "", &LineError{Line: 1, Err: errors.New("it is compressed by gzip"),
			Hint: "give the file a name that ends in .gz, or send it through gunzip"}
	case bytes.HasPrefix(head, markUTF16LE), bytes.HasPrefix(head, markUTF16BE):
		return "", &LineError{Line: 1, Err: errors.New("it is UTF-16"), Hint: "convert the file to UTF-8"}
	}
	_, _ = in.Peek(1)
	head, _ = in.Peek(in.Buffered())
	return hintFor(head, form), nil
}

// hintFor says what to do about a file that begins with head and cannot be read in that form.
func hintFor(head []byte, form Form) string {
	head = bytes.TrimSpace(head)
	line, _, _ := bytes.Cut(head, []byte("\n"))
	object, array := bytes.HasPrefix(head, []byte("{")), bytes.HasPrefix(head, []byte("["))
	delimiter := likelyDelimiter(line)
	switch {
	case form.Format == JSONLines && array:
		return "it looks like one JSON array; make a line of each of its objects, as jq -c '.[]' does"
	case form.Format == JSONLines && !object && delimiter == '\t':
		return "it looks like TSV: use --format tsv"
	case form.Format == JSONLines && !object && delimiter == ',':
		return "it looks like CSV: use --format csv"
	case form.Format == JSONLines && !object && delimiter != 0:
		return fmt.Sprintf("it looks like CSV: use --format csv --delimiter %q", delimiter)
	case form.Format != JSONLines && object:
		return "it looks like JSON Lines: use --format jsonl"
	case form.Format != JSONLines && delimiter != 0 && bytes.IndexByte(line, form.delimiter()) < 0:
		return fmt.Sprintf("it looks like columns with %q between them: use --delimiter %q", delimiter, delimiter)
	}
	return ""
}

// likelyDelimiter is what stands between the columns of a header, or 0.
func likelyDelimiter(line []byte) byte {
	for _, c := range []byte("\t,;|") {
		if bytes.IndexByte(line, c) >= 0 {
			return c
		}
	}
	return 0
}
