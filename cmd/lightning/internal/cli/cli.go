// Package cli is the command line of Lightning DB: it turns arguments into calls of the public API and their outcome
// into text, JSON and an exit code. It owns the files it exports to and imports from, and the signals that end long
// work; all data belongs to the database. One file holds one command.
//
// # Conventions
//
// The database directory is the first argument after the command's name, as in sqlite3 and bbolt. Commands that read
// open it read-only and never create it. Results go to standard output; progress, summaries and errors to standard
// error. Every function that can run long takes a context, which SIGINT and SIGTERM cancel.
package cli

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"syscall"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/command"
)

// Env is the world a command runs in, so that a test can be one.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	StdinTerminal  bool // somebody types Stdin
	StdoutTerminal bool // somebody looks at Stdout
	StderrTerminal bool // somebody looks at Stderr: progress may be drawn there
	Getenv         func(string) string
}

// Main runs one command line, without the program's name, until it ends or SIGINT or SIGTERM stops it, and returns the
// exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, args, Env{Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: os.Getenv,
		StdinTerminal: isTerminal(stdin), StdoutTerminal: isTerminal(stdout), StderrTerminal: isTerminal(stderr)})
}

// Run is Main with a context of the caller's and no signals.
func Run(ctx context.Context, args []string, env Env) int { return (&app{Env: env}).run(ctx, args) }

// isTerminal reports whether stream is a character device other than the null device.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// app is one run of the program.
type app struct {
	Env
	json, quiet, noColor bool
	memoryLimit          sizeFlag

	// afterKill is that of validate.CrashConfig, and afterDemoKill that of demo.Config, for tests.
	afterKill     func(*lightningdb.DB) error
	afterDemoKill func(db *lightningdb.DB, acked map[string]bool) error
}

func (a *app) run(ctx context.Context, args []string) int {
	err := a.program().Execute(ctx, args)
	var wrong *command.UsageError
	if errors.As(err, &wrong) {
		err = usage(err, wrong.Hint)
	}
	if err == nil {
		return exitOK
	}
	return a.fail(ctx, err, args)
}

const rootHelp = `lightning reads, changes, moves and inspects Lightning DB databases.

A database is a directory, and DIR is always the first argument:

  lightning put ./db greeting hello
  lightning get ./db greeting
  lightning scan ./db --prefix user:

Keys and values are bytes. On the command line they are taken as they are, or as
hexadecimal or base64 text with --hex or --base64. An argument that begins with "-"
goes after "--".

Exit codes:
  0    done
  1    failed
  2    wrong use of the command line
  3    key not found (get, delete)
  4    the database is locked by another process
  5    the database is damaged
  6    no space left
  130  interrupted (SIGINT, SIGTERM)`

func (a *app) program() *command.Program {
	p := &command.Program{Name: "lightning", Help: rootHelp, Flags: a.defineFlags, Out: a.Stdout}
	p.Commands = []*command.Command{a.getCommand(), a.putCommand(), a.addCommand(), a.deleteCommand(), a.scanCommand(),
		a.countCommand(), a.shellCommand(), a.importCommand(), a.exportCommand(), a.statsCommand(), a.compactCommand(),
		a.verifyCommand(), a.benchCommand(), a.demoCommand(), a.demoLoadCommand(), a.validateCommand(), a.validateWriteCommand(),
		a.validateIncrementCommand(), a.validateFillCommand(), a.versionCommand(), a.completionCommand(p)}
	return p
}

func (a *app) defineFlags(f *flag.FlagSet) {
	f.BoolVar(&a.json, "json", false, "write results and errors as JSON")
	f.BoolVar(&a.quiet, "quiet", false, "no progress and no summaries")
	f.BoolVar(&a.quiet, "q", false, "like --quiet")
	f.BoolVar(&a.noColor, "no-color", false, "no colours (also: environment variable NO_COLOR)")
	f.Var(&a.memoryLimit, "memory-limit", "`SIZE` of the memory the database may use, like 256MiB; at least 10MiB")
}

// progressOut is where progress is drawn, or nil.
func (a *app) progressOut() io.Writer {
	if a.StderrTerminal && !a.quiet && !a.json {
		return a.Stderr
	}
	return nil
}

// bold makes text stand out, where somebody looks and did not ask for plain text.
func (a *app) bold(text string) string {
	if !a.StdoutTerminal || a.noColor || a.Getenv("NO_COLOR") != "" || a.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}
