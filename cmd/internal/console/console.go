// Package console holds what the programs of Lightning DB have in common: the streams they work on, the flags of every
// command, signals, exit codes, how errors look, and the version. What the commands do is the programs'.
//
// # Conventions
//
// Results go to standard output; progress, summaries and errors to standard error. An error is one line, or one JSON
// object with --json. Every function that can run long takes a context, which SIGINT and SIGTERM cancel.
//
// An App belongs to one run of a program, in one goroutine.
package console

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/interrupt"
	"lightningdb/cmd/internal/progress"
)

// Env is the world that a command runs in. A test can make one.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	StdinTerminal  bool       // somebody types Stdin
	StdoutTerminal bool       // somebody looks at Stdout
	StderrTerminal bool       // somebody looks at Stderr: progress may be drawn there
	Columns        func() int // measures the width of that terminal; nil, or a result of 0, if it does not say it
	Getenv         func(string) string

	// Window measures the terminal of Stdout; nil, or a result of 0, 0, if it does not say it.
	Window func() (columns, rows int)
}

// Main calls run in the world of this process, with a context that SIGINT and SIGTERM end, and returns its exit code. A
// second signal ends the process at once.
func Main(run func(ctx context.Context, env Env) int) int {
	ctx, stop := Notify(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, Env{Stdin: os.Stdin, Stdout: interrupt.Writer(ctx, os.Stdout), Stderr: os.Stderr, Getenv: os.Getenv,
		StdinTerminal: isTerminal(os.Stdin), StdoutTerminal: isTerminal(os.Stdout), StderrTerminal: isTerminal(os.Stderr),
		Columns: func() int { columns, _ := window(os.Stderr); return columns },
		Window:  func() (columns, rows int) { return window(os.Stdout) }})
}

// isTerminal reports whether file is a character device other than the null device.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// App is one run of a program.
type App struct {
	Env
	Name string // of the program, as people type it

	// Classify finds the class of errors that only this program has. It is nil if there are none.
	Classify func(error) (Class, bool)

	ctx context.Context // of the command that runs

	// Place is the directory that the command works in, for advice about its file system. It may be empty.
	Place string

	// The flags of every command. They are set while a command runs.
	JSON, Quiet, NoColor bool
	MemoryLimit          Size
}

// Run carries out one command line of p, without the program's name, and returns the exit code.
func (a *App) Run(ctx context.Context, p *command.Program, args []string) int {
	a.ctx = ctx
	err := p.Execute(ctx, args)
	var wrong *command.UsageError
	if errors.As(err, &wrong) {
		err = Usage(err, wrong.Hint)
	}
	if err == nil {
		return ExitOK
	}
	return a.fail(ctx, err, args)
}

// Ended is why the command's context has ended, or nil: to be asked between steps that do not look at the context.
func (a *App) Ended() error { return context.Cause(a.ctx) }

// DefineFlags defines the flags of every command.
func (a *App) DefineFlags(f *flag.FlagSet) {
	f.BoolVar(&a.JSON, "json", false, "write results and errors as JSON")
	f.BoolVar(&a.Quiet, "quiet", false, "no progress and no summaries")
	f.BoolVar(&a.Quiet, "q", false, "like --quiet")
	f.BoolVar(&a.NoColor, "no-color", false, "no colours (also: environment variable NO_COLOR)")
	f.Var(&a.MemoryLimit, "memory-limit", "`SIZE` of the memory the database may use, like 256MiB; at least 10MiB")
}

// Screen is where progress is drawn, or nil.
func (a *App) Screen() *progress.Screen {
	if !a.StderrTerminal || a.Quiet || a.JSON || a.Getenv("TERM") == "dumb" {
		return nil
	}
	return &progress.Screen{Out: a.Stderr, Columns: a.Columns}
}

// Story is where long commands tell people what they do.
func (a *App) Story() io.Writer {
	if a.JSON || a.Quiet {
		return io.Discard
	}
	return a.Stdout
}

// Bold makes text stand out, where somebody looks and did not ask for plain text.
func (a *App) Bold(text string) string { return a.Styled(text, "1") }

// Styled gives text the style of a code of terminals, under the same condition.
func (a *App) Styled(text, code string) string {
	if !a.StdoutTerminal || a.NoColor || a.Getenv("NO_COLOR") != "" || a.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// ThisProgram is a command that runs the program in a second process.
func ThisProgram(args ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return exec.Command(program, args...), nil
}
