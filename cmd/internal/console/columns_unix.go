//go:build unix

package console

import (
	"os"

	"golang.org/x/sys/unix"
)

// columns is the width of a terminal, or 0 if it does not say it.
func columns(terminal *os.File) int {
	size, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
