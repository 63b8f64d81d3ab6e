package console

import (
	"os"
	"testing"

	"lightningdb/cmd/internal/ptytest"
)

// The width of the window decides what fits in a line; a wrong one makes a new line of each drawing.
func TestColumns_areThoseOfTheWindow(t *testing.T) {
	window, terminal := ptytest.Open(t)
	for _, width := range []uint16{30, 200} {
		if err := ptytest.Resize(window, width); err != nil {
			t.Fatal(err)
		}
		if got := columns(terminal); got != int(width) {
			t.Errorf("%d columns, not %d", got, width)
		}
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := columns(file); got != 0 {
		t.Errorf("a file has %d columns", got)
	}
}
