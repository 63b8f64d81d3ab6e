// Package shell is a session with one database: lines with a verb and its arguments come in, results go out, from a
// terminal or from a script. It owns the transaction that is open, the snapshots that were taken, and where reads look:
// in the transaction, in the past, or at the newest state. It does not own the database, and it opens no files but the
// history of a Terminal.
//
// A line is split into words as package text says. Blank lines and lines that begin with # are skipped. Every value and
// every entry is one line of output, with the escapes that a word may have in the input.
//
// Verbs have the flags of the commands of the same name, with two dashes.
//
// A line reads one state: that of the transaction, one of the past, or the newest one when the line begins to read.
//
// A Shell is used by one goroutine. The database may have other users: a transaction of the shell may conflict with
// their commits.
package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/text"
	"lightningdb/kv"
)

// Config is the world of a shell. DB, Input, Out, Notes and Stats are required.
type Config struct {
	DB    Database
	Input Input
	Out   io.Writer // results
	Notes io.Writer // what is said about them: where a commit stands, that a scan has more
	Limit int       // entries that a scan shows unless told; 0 for all
	Stats func(out io.Writer, json bool) error
	JSON  bool       // results are JSON, also where no flag says so
	As    entries.As // what values are, where no flag says it

	// Failed decides about a line that failed: nil goes on, anything else ends Run. Without it, the first ends Run.
	Failed func(*LineError) error

	// Interruptible makes the context of one line, so that a user can stop a scan without leaving. May be nil.
	Interruptible func(context.Context) (context.Context, context.CancelFunc)
}

// Input is where lines come from.
type Input interface {
	// Line returns the next line without its end, io.EOF after the last, or ErrAborted if the user dropped this one.
	Line(ctx context.Context, prompt string) (string, error)
}

// ErrAborted is the error of Input.Line for a line that is not to be carried out.
var ErrAborted = errors.New("aborted")

// ErrOpenAtEnd says that the input ended inside a transaction.
var ErrOpenAtEnd = errors.New("the input ends inside a transaction: it is rolled back, nothing of it was written")

// LineError is a line that failed.
type LineError struct {
	Line   int // from 1
	Err    error
	OpenTx bool // a transaction is open, which the end of the shell rolls back
}

func (e *LineError) Error() string {
	rolledBack := ""
	if e.OpenTx {
		rolledBack = "; the open transaction is rolled back"
	}
	return fmt.Sprintf("line %d: %v%s", e.Line, e.Err, rolledBack)
}

func (e *LineError) Unwrap() error { return e.Err }

// errExit is the verb exit.
var errExit = errors.New("exit")

// state is where reads look: a transaction or a snapshot.
type state interface {
	kv.Reader
	entries.Nesting
}

// Shell is a session.
type Shell struct {
	Config
	out *bufio.Writer

	bucket entries.Bucket // that the keys of lines are in, where they do not say it

	tx         *lightningdb.Tx // open, or nil
	savepoints []savepoint     // of tx, in order

	now *lightningdb.Snapshot // the newest state, for the line that is carried out, or nil

	snapshots []snapshot            // in the order they were taken
	past      *lightningdb.Snapshot // where reads look instead of the newest state, or nil
	pastOwned bool                  // past is not one of snapshots
}

// New returns a shell for Run.
func New(c Config) *Shell { return &Shell{Config: c, out: bufio.NewWriter(c.Out)} }

// Run carries out lines to the end of the input, to exit, to a line for which Failed returns an error, or to the end of
// ctx. A transaction that is open then is rolled back.
func (s *Shell) Run(ctx context.Context) error {
	defer s.close()
	for number := 1; ; number++ {
		line, err := s.Input.Line(ctx, s.prompt())
		switch {
		case errors.Is(err, io.EOF) && s.tx != nil:
			return ErrOpenAtEnd
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrAborted):
			continue
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("read line %d: %w", number, err)
		}
		err = s.carryOut(ctx, line)
		if errors.Is(err, errExit) {
			return nil
		}
		if err == nil {
			continue
		}
		if err := s.failed(&LineError{Line: number, Err: err, OpenTx: s.tx != nil}); err != nil {
			return err
		}
	}
}

func (s *Shell) failed(e *LineError) error {
	if s.Failed == nil {
		return e
	}
	return s.Failed(e)
}

// carryOut runs the verb of a line.
func (s *Shell) carryOut(ctx context.Context, line string) error {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return nil
	}
	words, err := text.Split(line)
	if err != nil || len(words) == 0 {
		return err
	}
	v, err := find(words[0])
	if err != nil {
		return err
	}
	o := options{json: s.JSON, as: s.As, bucket: s.bucket}
	args, err := v.parse(words[1:], &o)
	if err != nil {
		return err
	}
	if o.Hex && o.Base64 {
		return fmt.Errorf("%s: --hex and --base64 exclude each other", v.name)
	}
	if len(args) < v.min || len(args) > v.max {
		return fmt.Errorf("use: %s", v.use())
	}
	if s.Interruptible != nil {
		var stop context.CancelFunc
		ctx, stop = s.Interruptible(ctx)
		defer stop()
	}
	defer s.endLine()
	err = v.run(s, ctx, args, o)
	return errors.Join(err, s.out.Flush())
}

// endLine gives back the state that a line has read.
func (s *Shell) endLine() {
	if s.now != nil {
		_ = s.now.Close()
		s.now = nil
	}
}

// prompt says in which bucket and where reads look.
func (s *Shell) prompt() string {
	where := "lightning"
	if len(s.bucket.Path) > 0 {
		where += " " + s.bucket.String()
	}
	switch {
	case s.tx != nil:
		where += " tx"
	case s.past != nil:
		where += fmt.Sprintf(" @%d", s.past.Sequence())
	}
	return where + "> "
}

// close closes everything that keeps old versions on disk.
func (s *Shell) close() {
	if s.tx != nil {
		_ = s.tx.Rollback() // it only ends what has not been written
		s.endTx()
	}
	s.leavePast()
	for _, kept := range s.snapshots {
		_ = kept.state.Close()
	}
	s.snapshots = nil
}

// reader are the keys that o means, where the reads of a line look, to the end of the line.
func (s *Shell) reader(ctx context.Context, o options) (kv.Reader, error) {
	from, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	return o.bucket.Of(from)
}

// state is where the reads of a line look, to the end of the line.
func (s *Shell) state(ctx context.Context) (state, error) {
	switch {
	case s.tx != nil:
		return s.tx, nil
	case s.past != nil:
		return s.past, nil
	}
	now, err := s.newest(ctx)
	if err != nil {
		return nil, err
	}
	s.now = now
	return now, nil
}

// note says something about the results, after them.
func (s *Shell) note(format string, args ...any) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Notes, format+"\n", args...)
	return err
}

// word is a key or name in a message.
func word(w string) string { return string(text.AppendWord(nil, []byte(w))) }
