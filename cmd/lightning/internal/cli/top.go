package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/live"
	"lightningdb/cmd/lightning/internal/remote"
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
		Short:   "Watch what the program does that has the database open, also over HTTP",
		Help: `top shows what the program that has the database open tells about itself, at most once a second:
commits a second, latencies, stalls, flush and compaction, memory, log, transactions, readers and
levels. "p50/p99/max" says, of the time between the last two reports, what half of the calls did
not exceed, 99 % of them, and the slowest: of commits, of syncs of the log that commits waited
for, and of reads of a key. While the program only reads, it tells nothing. q or Ctrl-C ends it.
If the program ends, top says so and waits for the next one.

In place of DIR it takes the address, http://HOST:PORT/, where a program shows its database with
package monitor: also one of another machine, and one that only reads.

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
		if remote.IsURL(args[0]) {
			m, err := remote.Parse(args[0])
			if err != nil {
				return console.Usage(err, "give the address of the page, like http://127.0.0.1:6060/")
			}
			return wrap("top", a.top(ctx, f, m.Look))
		}
		// It refreshes by itself, so that the writer does not keep old files for it.
		follow := new(lightningdb.FollowerOptions)
		return wrap("top", a.with(args[0], lightningdb.Options{ReadOnly: true, MustExist: true}, follow,
			func(from source) error {
				if from.follower == nil {
					return fmt.Errorf("%w: %s", errNotWritten, from.Path())
				}
				return a.top(ctx, f, lookAt(from))
			}))
	}
	return cmd
}

// look asks what there is to see, and gives it to w. It returns the time by the clock of who was asked.
type look func(ctx context.Context, w *watch.Watch) (now time.Time, err error)

// top shows pictures until it is told to end.
func (a *app) top(ctx context.Context, f topFlags, look look) (err error) {
	w := new(watch.Watch)
	if a.JSON || !a.StdoutTerminal || a.Getenv("TERM") == "dumb" {
		return topLoop(ctx, f, nil, func(ctx context.Context) error {
			now, err := look(ctx, w)
			if err != nil {
				return err
			}
			return jsonline.Write(a.Stdout, w.Object(now))
		})
	}
	// Whatever ends it, the terminal is restored first.
	ctx, stop := console.Notify(ctx, terminalEnds...)
	defer stop()
	screen, err := live.Open(&a.App)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, screen.Close()) }()
	err = topLoop(ctx, f, screen.Quit, func(ctx context.Context) error {
		now, err := look(ctx, w)
		if err != nil {
			return err
		}
		return screen.Draw(func(columns, rows int) []watch.Line { return w.Picture(now, columns, rows) })
	})
	var ended *console.Interrupted
	if errors.As(err, &ended) && ended.Signal == os.Interrupt {
		err = nil // Ctrl-C is how people leave it
	}
	return err
}

// topLoop draws a picture after each interval, until quit is closed.
func topLoop(ctx context.Context, f topFlags, quit <-chan struct{}, draw func(ctx context.Context) error) error {
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		if err := draw(ctx); err != nil {
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

// lookAt asks the follower from what the writer has told last, and, if it tells nothing any more, whether it is there.
func lookAt(from source) look {
	return func(_ context.Context, w *watch.Watch) (now time.Time, err error) {
		now, w.Path = time.Now(), from.Path()
		status, err := from.follower.Writer()
		switch {
		case err == nil:
			w.Take(status)
		case !errors.Is(err, lightningdb.ErrNoWriter): // that is so while one writer takes the place of another
			return now, err
		}
		w.Ended = ""
		if pid, told := w.Pid(); told && w.Quiet(now) {
			w.Ended = ended(from.Path(), pid)
		}
		return now, nil
	}
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
