package entries

import (
	"bufio"
	"io"
)

// textSink writes lines for people and line tools.
type textSink struct {
	out  *bufio.Writer
	show Show
	line []byte
}

func newTextSink(out io.Writer, show Show) *textSink {
	return &textSink{out: bufio.NewWriterSize(out, 64<<10), show: show}
}

func (t *textSink) Write(key, value []byte) error {
	t.line = append(t.show.AppendKey(t.line[:0], key), '\t')
	t.line = t.show.AppendValue(t.line, value)
	return t.endLine()
}

func (t *textSink) WriteKey(key []byte) error {
	t.line = t.show.AppendKey(t.line[:0], key)
	return t.endLine()
}

func (t *textSink) Flush() error { return t.out.Flush() }

func (t *textSink) endLine() error {
	t.line = append(t.line, '\n')
	_, err := t.out.Write(t.line)
	return err
}
