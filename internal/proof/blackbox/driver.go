package blackbox

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Store is an open store, as a driver sees it.
type Store interface {
	// Write commits ops atomically. With sync, the commit survives a power cut once Write returned nil.
	Write(ops []Op, sync bool) error
	// Sync makes all commits so far survive a power cut.
	Sync() error
	// Flush lets the store reorganise its files, if it does such a thing.
	Flush() error
	// Entries calls do with every entry in the order of keys.
	Entries(do func(k, v []byte)) error
	Close() error
}

// Serve is the main function of a driver. It reads commands from in and answers each with one line on out, in one
// write, when the store has returned:
//
//	open DIR                           ok open
//	put N sync|process SIZE KEY        ok N
//	batch N sync|process SIZE KEY...   ok N        a KEY with a leading '-' is removed
//	sync N, flush N, close N           ok N
//	state DIR                          ok DIGEST   opens, reads everything, closes
//	use DIR                            ok DIGEST   the same, but with a commit in between, and reopened after it
//
// Instead of ok it may answer "err" and a text. The store is opened by open.
func Serve(open func(dir string) (Store, error), in io.Reader, out io.Writer) {
	d := driver{open: open}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		answer, err := d.do(lines.Text())
		if err != nil {
			answer = "err " + strings.ReplaceAll(err.Error(), "\n", "; ")
		} else {
			answer = "ok " + answer
		}
		fmt.Fprintln(out, answer)
	}
}

// ServeStandard is Serve on the standard streams.
func ServeStandard(open func(dir string) (Store, error)) { Serve(open, os.Stdin, os.Stdout) }

type driver struct {
	open  func(dir string) (Store, error)
	store Store
}

func (d *driver) do(line string) (string, error) {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "open":
		var err error
		d.store, err = d.open(rest)
		return "open", err
	case "state":
		return d.state(rest)
	case "use":
		return d.use(rest)
	}
	n, step, err := parseLine(line)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(n), d.step(n, &step)
}

func (d *driver) step(n int, s *Step) error {
	switch s.Verb {
	case "put", "batch":
		return d.store.Write(s.ops(n), s.Sync)
	case "sync":
		return d.store.Sync()
	case "flush":
		return d.store.Flush()
	case "close":
		return d.store.Close()
	}
	return fmt.Errorf("unknown command %q", s.Verb)
}

// state is the digest of the store in dir.
func (d *driver) state(dir string) (string, error) {
	s, err := d.open(dir)
	if err != nil {
		return "", fmt.Errorf("open: %w", err)
	}
	var sum digest
	if err := s.Entries(sum.add); err != nil {
		s.Close() // the error of reading is the one that counts
		return "", fmt.Errorf("read: %w", err)
	}
	return sum.String(), s.Close()
}

// use shows that a recovered store can be used: it writes, removes what it wrote, and must hold what it held.
func (d *driver) use(dir string) (string, error) {
	before, err := d.state(dir)
	if err != nil {
		return "", err
	}
	s, err := d.open(dir)
	if err != nil {
		return "", fmt.Errorf("open again: %w", err)
	}
	k := []byte("after the crash")
	err = s.Write([]Op{{k, k}}, true)
	if err == nil {
		err = s.Write([]Op{{Key: k}}, true)
	}
	if err != nil {
		s.Close() // the error of writing is the one that counts
		return "", fmt.Errorf("write: %w", err)
	}
	if err := s.Close(); err != nil {
		return "", fmt.Errorf("close: %w", err)
	}
	after, err := d.state(dir)
	if err == nil && after != before {
		err = fmt.Errorf("held %s, and after a commit and its removal %s", before, after)
	}
	return before, err
}
