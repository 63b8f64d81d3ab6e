package console

import (
	"os"
	"testing"

	"lightningdb/cmd/internal/ptytest"
)

// The width of the window decides what fits in a line; a wrong one makes a new line of each drawing.
func TestWindow_hasTheSizeOfTheTerminal(t *testing.T) {
	outside, terminal := ptytest.Open(t)
	for _, width := range []uint16{30, 200} {
		if err := ptytest.Resize(outside, width); err != nil {
			t.Fatal(err)
		}
		if columns, rows := window(terminal); columns != int(width) || rows != 24 {
			t.Errorf("%d columns, not %d, and %d rows", columns, width, rows)
		}
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if columns, rows := window(file); columns != 0 || rows != 0 {
		t.Errorf("a file has %d columns and %d rows", columns, rows)
	}
}
