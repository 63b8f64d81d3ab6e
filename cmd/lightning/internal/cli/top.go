package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/peterh/liner"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/watch"
)

// errNotWritten is why there is nothing to watch.
var errNotWritten = errors.New("no program has the database open for writing")

// minTopInterval is the least time between two pictures.
const minTopInterval = 100 * time.Millisecond

// topMemory is enough for a follower that nobody reads.
const topMemory = 10 << 20

// topFlags are those of top.
type topFlags struct {
	interval time.Duration
	count    int
}

func (a *app) topCommand() *command.Command {
	var f topFlags
	cmd := &command.Command{
		Use:     "top DIR",
		Aliases: entries.Synonyms["top"],
		Short:   "Watch what the program does that has the database open",
		Help: `top shows what the program that has the database open tells about itself, at most once a second:
commits a second, latencies, stalls, flush and compaction, memory, log, transactions, readers and
levels. "p50/p99/max" says, of the time between the last two reports, what half of the calls did
not exceed, 99 % of them, and the slowest: of commits, of syncs of the log that commits waited
for, and of reads of a key. While the program only reads, it tells nothing. q or Ctrl-C ends it.
If the program ends, top says so and waits for the next one.

Into a pipe or a file, and with --json, it writes an object for each picture. "told" is what the
program has told, "per_second" and "latency" what has happened between its last two reports, and
null before there are two, "latency" also while the program tells nothing. The latency in "told"
is since the program opened the database.`,
		MinArgs: 1, MaxArgs: 1,
	}
	cmd.Flags = func(set *flag.FlagSet) {
		set.DurationVar(&f.interval, "interval", time.Second, "`TIME` between two pictures, at least 100ms")
		set.IntVar(&f.count, "count", 0, "end after `N` pictures; 0 for never")
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		switch {
		case f.interval < minTopInterval:
			return console.Usage(fmt.Errorf("--interval %s is too short", f.interval), "give at least 100ms")
		case f.count < 0:
			return console.Usage(errors.New("--count is negative"), "give a number, or leave it out")
		}
		a.Quiet = true // what top shows says who has the database
		if a.MemoryLimit == 0 {
			a.MemoryLimit = topMemory
		}
		// It refreshes by itself, so that the writer does not keep old files for it.
		follow := new(lightningdb.FollowerOptions)
		return wrap("top", a.with(args[0], lightningdb.Options{ReadOnly: true, MustExist: true}, follow,
			func(from source) error {
				if from.follower == nil {
					return fmt.Errorf("%w: %s", errNotWritten, from.Path())
				}
				return a.top(ctx, from, f)
			}))
	}
	return cmd
}

// top shows pictures until it is told to end.
func (a *app) top(ctx context.Context, from source, f topFlags) (err error) {
	w := &watch.Watch{Path: from.Path()}
	if a.JSON || !a.StdoutTerminal || a.Getenv("TERM") == "dumb" {
		return a.topLoop(ctx, from, w, f, nil, func(now time.Time) error { return jsonline.Write(a.Stdout, w.Object(now)) })
	}
	// Whatever ends it, the terminal is restored first.
	ctx, stop := console.Notify(ctx, terminalEnds...)
	defer stop()
	screen, err := a.openScreen()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, screen.close()) }()
	err = a.topLoop(ctx, from, w, f, screen.quit, func(now time.Time) error { return screen.draw(w, now) })
	var ended *console.Interrupted
	if errors.As(err, &ended) && ended.Signal == os.Interrupt {
		err = nil // Ctrl-C is how people leave it
	}
	return err
}

// topLoop draws a picture after each interval, until quit is closed.
func (a *app) topLoop(ctx context.Context, from source, w *watch.Watch, f topFlags, quit <-chan struct{},
	draw func(now time.Time) error) error {
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		now := time.Now()
		if err := look(from, w, now); err != nil {
			return err
		}
		if err := draw(now); err != nil {
			return err
		}
		if n == f.count {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-quit:
			return nil
		case <-ticker.C:
		}
	}
}

// look asks what the writer has told last, and, if it tells nothing any more, whether it is there.
func look(from source, w *watch.Watch, now time.Time) error {
	status, err := from.follower.Writer()
	switch {
	case err == nil:
		w.Take(status)
	case !errors.Is(err, lightningdb.ErrNoWriter): // that is so while one writer takes the place of another
		return err
	}
	w.Ended = ""
	if pid, told := w.Pid(); told && w.Quiet(now) {
		w.Ended = ended(from.Path(), pid)
	}
	return nil
}

// ended says why the writer of that process is gone; empty if it seems to be there. It does not try the lock, which
// could be in the way of a writer that begins.
func ended(dir string, pid int) string {
	if mark, err := os.ReadFile(filepath.Join(dir, "LOCK")); err == nil && bytes.HasPrefix(mark, []byte("closed")) {
		return "it has closed the database"
	}
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Signal(syscall.Signal(0))
		_ = process.Release() // nothing waits for it
	}
	if errors.Is(err, os.ErrProcessDone) {
		return fmt.Sprintf("there is no process %d here", pid)
	}
	return ""
}

// screen is a terminal that pictures are drawn on. What was on it is there again after close.
type screen struct {
	*app
	mode *liner.State
	quit chan struct{} // closed when somebody types q
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the other screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

func (a *app) openScreen() (*screen, error) {
	s := &screen{app: a, quit: make(chan struct{})}
	if a.StdinTerminal {
		s.mode = liner.NewLiner() // no echo, and keys come at once; Ctrl-C stays a signal
		go s.keys()
	}
	if _, err := io.WriteString(a.Stdout, enterScreen); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// keys waits for a q, and is left behind when the program ends otherwise.
func (s *screen) keys() {
	for key := make([]byte, 1); ; {
		if n, err := s.Stdin.Read(key); err != nil {
			return // nobody types; signals end it
		} else if n == 1 && (key[0] == 'q' || key[0] == 'Q') {
			close(s.quit)
			return
		}
	}
}

func (s *screen) close() error {
	_, err := io.WriteString(s.Stdout, leaveScreen)
	if s.mode != nil {
		err = errors.Join(err, s.mode.Close())
	}
	return err
}

// styles are the codes of looks.
var styles = map[watch.Look]string{watch.Bold: "1", watch.Faint: "2", watch.Alarm: "1;31"}

// draw replaces the picture, in one write, so that it does not flicker.
func (s *screen) draw(w *watch.Watch, now time.Time) error {
	columns, rows := 0, 0
	if s.Window != nil {
		columns, rows = s.Window()
	}
	if columns <= 0 || rows <= 0 {
		columns, rows = 80, 24
	}
	var lines []string
	for _, line := range w.Picture(now, columns, rows) {
		text := line.Text
		if code, ok := styles[line.Look]; ok {
			text = s.Styled(text, code)
		}
		lines = append(lines, "\x1b[2K"+text)
	}
	text := "\x1b[H" + strings.Join(lines, "\r\n")
	if len(lines) < rows {
		text += "\r\n\x1b[J"
	}
	_, err := io.WriteString(s.Stdout, text)
	return err
}
