package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line of a script, in bytes.
const maxLine = 16 << 20

// Script is an Input without a prompt.
type Script struct{ lines *bufio.Scanner }

// NewScript reads lines from in. For the end of a context to end the reading, in must be a reader that fails then.
func NewScript(in io.Reader) *Script {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	return &Script{lines}
}

// Line implements Input.
func (s *Script) Line(ctx context.Context, _ string) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if s.lines.Scan() {
		return s.lines.Text(), nil
	}
	err := s.lines.Err()
	switch {
	case err == nil:
		return "", io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return "", fmt.Errorf("it has more than %d bytes; use import for large values", maxLine)
	}
	return "", err
}
