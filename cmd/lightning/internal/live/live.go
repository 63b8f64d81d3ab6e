// Package live draws pictures on a terminal, one in place of the other, and gives it back as it was. It knows nothing
// of what is drawn but its lines and how they are to look.
package live

import (
	"errors"
	"io"
	"strings"

	"github.com/peterh/liner"

	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/watch"
)

// Screen is a terminal that pictures are drawn on. What was on it is there again after Close.
type Screen struct {
	Quit chan struct{} // closed when somebody types q

	app  *console.App
	mode *liner.State
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the other screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

// Open takes the terminal of app.
func Open(app *console.App) (*Screen, error) {
	s := &Screen{app: app, Quit: make(chan struct{})}
	if app.StdinTerminal {
		s.mode = liner.NewLiner() // no echo, and keys come at once; Ctrl-C stays a signal
		go s.keys()
	}
	if _, err := io.WriteString(app.Stdout, enterScreen); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// keys waits for a q, and is left behind when the program ends otherwise.
func (s *Screen) keys() {
	for key := make([]byte, 1); ; {
		if n, err := s.app.Stdin.Read(key); err != nil {
			return // nobody types; signals end it
		} else if n == 1 && (key[0] == 'q' || key[0] == 'Q') {
			close(s.Quit)
			return
		}
	}
}

// Close gives the terminal back.
func (s *Screen) Close() error {
	_, err := io.WriteString(s.app.Stdout, leaveScreen)
	if s.mode != nil {
		err = errors.Join(err, s.mode.Close())
	}
	return err
}

// styles are the codes of looks.
var styles = map[watch.Look]string{watch.Bold: "1", watch.Faint: "2", watch.Alarm: "1;31"}

// Draw replaces the picture by one that is made for the size of the terminal, in one write, so that it does not
// flicker.
func (s *Screen) Draw(picture func(columns, rows int) []watch.Line) error {
	columns, rows := 0, 0
	if s.app.Window != nil {
		columns, rows = s.app.Window()
	}
	if columns <= 0 || rows <= 0 {
		columns, rows = 80, 24
	}
	var lines []string
	for _, line := range picture(columns, rows) {
		text := line.Text
		if code, ok := styles[line.Look]; ok {
			text = s.app.Styled(text, code)
		}
		lines = append(lines, "\x1b[2K"+text)
	}
	text := "\x1b[H" + strings.Join(lines, "\r\n")
	if len(lines) < rows {
		text += "\r\n\x1b[J"
	}
	_, err := io.WriteString(s.app.Stdout, text)
	return err
}
