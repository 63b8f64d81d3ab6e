//go:build unix

package console

import (
	"os"

	"golang.org/x/sys/unix"
)

// window is the size of a terminal, or 0, 0 if it does not say it.
func window(terminal *os.File) (columns, rows int) {
	size, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(size.Col), int(size.Row)
}
