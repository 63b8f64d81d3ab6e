package console

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"testing"
)

// A full disk that is named three times in a line hides the one file that matters.
func TestAlso_saysACauseOnce(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}
	first := fmt.Errorf("put: %w", full)
	for name, c := range map[string]struct{ err, more, want error }{
		"the same cause":  {first, fmt.Errorf("close: %w: %w", io.EOF, syscall.ENOSPC), first},
		"another cause":   {first, io.EOF, errors.Join(first, io.EOF)},
		"only the first":  {first, nil, first},
		"only the second": {nil, io.EOF, io.EOF},
		"several causes":  {errors.Join(io.EOF, first), syscall.ENOSPC, errors.Join(io.EOF, first)},
		"none":            {nil, nil, nil},
	} {
		if got := Also(c.err, c.more); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	text := errors.Join(first, full, full, io.EOF).Error()
	if got, want := OneLine("export: "+text+"\n\n"), "export: put: write /x: no space left on device; EOF"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
