package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
	"unicode/utf8"

	"github.com/peterh/liner"

	"lightningdb/cmd/lightning/internal/userfile"
)

// maxHistoryLine is the longest line that is remembered, in bytes: what the line editor reads back from a file.
const maxHistoryLine = 4000

// Terminal is the Input of somebody at a terminal, with editing, history and completion. It owns the mode of the
// terminal until Close.
//
// Lines are remembered while it lives. They have keys and values in them, so that they go to a file only if its
// name is given; only its owner can read it.
type Terminal struct {
	editor  *liner.State
	history string // name of the file, or empty
}

// NewTerminal takes the terminal of this process over. complete is Shell.Complete.
func NewTerminal(history string, complete liner.WordCompleter) (*Terminal, error) {
	t := &Terminal{editor: liner.NewLiner(), history: history}
	t.editor.SetCtrlCAborts(true)
	t.editor.SetTabCompletionStyle(liner.TabPrints)
	t.editor.SetWordCompleter(complete)
	if err := t.recall(); err != nil {
		return nil, errors.Join(err, t.editor.Close())
	}
	return t, nil
}

// recall reads the history, if there is one. A FIFO or device remembers nothing. A file that could not be written at
// the end is refused now, before anything is typed.
func (t *Terminal) recall() error {
	if t.history == "" {
		return nil
	}
	if err := userfile.Check(t.history, historyOptions); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	info, err := os.Stat(t.history)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	file, err := os.Open(t.history)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	defer file.Close()
	if _, err := t.editor.ReadHistory(file); err != nil {
		return fmt.Errorf("history %s: %w", t.history, err)
	}
	return nil
}

// Line implements Input. The end of ctx ends the wait for the line.
func (t *Terminal) Line(ctx context.Context, prompt string) (string, error) {
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1) // so that an answer that nobody waits for any more does not block
	go func() {
		line, err := t.editor.Prompt(prompt)
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Println() // what comes next begins a line
		return "", context.Cause(ctx)
	case a := <-answers:
		return t.answered(a.line, a.err)
	}
}

// answered translates the editor's answer.
func (t *Terminal) answered(line string, err error) (string, error) {
	switch {
	case err == nil:
		t.remember(line)
	case errors.Is(err, liner.ErrPromptAborted):
		err = ErrAborted
	default:
		fmt.Println() // what comes next begins a line
	}
	return line, err
}

func (t *Terminal) remember(line string) {
	if line != "" && len(line) <= maxHistoryLine && utf8.ValidString(line) {
		t.editor.AppendHistory(line)
	}
}

// Close restores the terminal and writes the history.
func (t *Terminal) Close() error {
	err := t.editor.Close()
	if t.history == "" {
		return err
	}
	return errors.Join(err, writeHistory(t.history, t.editor))
}

// historyOptions make the history readable by its owner only, whatever the file was before.
var historyOptions = userfile.Options{Replace: true, Private: true}

// historyTimeout is how long writing the history waits for somebody to read it, where it is a FIFO.
const historyTimeout = time.Second

// writeHistory writes the history into the file of that name.
func writeHistory(name string, editor *liner.State) error {
	ctx, cancel := context.WithTimeout(context.Background(), historyTimeout)
	defer cancel()
	err := userfile.Write(ctx, name, historyOptions, func(out io.Writer) error {
		_, err := editor.WriteHistory(out)
		return err
	})
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}
