package console

import (
	"os"

	"golang.org/x/sys/windows"
)

// columns is the width of a terminal, or 0 if it does not say it.
func columns(terminal *os.File) int {
	var info windows.ConsoleScreenBufferInfo
	if err := windows.GetConsoleScreenBufferInfo(windows.Handle(terminal.Fd()), &info); err != nil {
		return 0
	}
	return int(info.Window.Right-info.Window.Left) + 1
}
