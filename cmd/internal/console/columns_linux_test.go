package console

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// The width of the window decides what fits in a line; a wrong one makes a new line of each drawing.
func TestColumns_areThoseOfTheWindow(t *testing.T) {
	window, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	defer window.Close()
	fd := int(window.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	defer terminal.Close()
	for _, width := range []uint16{30, 200} {
		if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width}); err != nil {
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
