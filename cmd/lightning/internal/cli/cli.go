// Package cli is the command line of Lightning DB: it turns arguments into calls of the public API and their outcome
// into text, JSON and an exit code. It owns the files it exports to and imports from; all data belongs to the database.
// One file holds one command. What it has in common with other programs is in package console.
//
// # Conventions
//
// The database directory is the first argument after the command's name, as in sqlite3 and bbolt. Commands that read
// open it read-only and never create it; if another process writes it, they follow that one.
package cli

import (
	"context"
	"errors"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/lightning/internal/copies"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/cmd/lightning/internal/remote"
	"lightningdb/cmd/lightning/internal/shell"
)

// Main runs one command line, without the program's name, until it ends or SIGINT or SIGTERM stops it, and returns the
// exit code.
func Main(args []string) int {
	return console.Main(func(ctx context.Context, env console.Env) int { return Run(ctx, args, env) })
}

// Run is Main with a context and a world of the caller's.
func Run(ctx context.Context, args []string, env console.Env) int { return newApp(env).run(ctx, args) }

// app is one run of the program.
type app struct {
	console.App

	// afterDemoKill is afterKill of demo.Config, for tests.
	afterDemoKill func(db *lightningdb.DB, acked map[string]bool) error
}

func newApp(env console.Env) *app {
	return &app{App: console.App{Env: env, Name: "lightning", Classify: classify}}
}

func (a *app) run(ctx context.Context, args []string) int { return a.App.Run(ctx, a.program(), args) }

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
  4    the database is locked by another process (see below)
  5    the database or a backup is damaged
  6    no space left
  130  interrupted (SIGINT, SIGTERM)

While another process has the database open, commands that write exit with 4. Those that
only read (get, scan, count, bucket list, export, backup, checkpoint, clone, stats, verify, check, shell
--read-only) show what that process has published, and say so on standard error. top shows
what it does.`

func (a *app) program() *command.Program {
	p := &command.Program{Name: a.Name, Help: rootHelp, Flags: a.DefineFlags, Out: a.Stdout, Moved: moved}
	p.Commands = []*command.Command{a.getCommand(), a.putCommand(), a.addCommand(), a.deleteCommand(), a.scanCommand(),
		a.countCommand(), a.bucketCommand(), a.shellCommand(), a.importCommand(), a.exportCommand(), a.statsCommand(),
		a.topCommand(),
		a.compactCommand(), a.verifyCommand(), a.checkCommand(), a.salvageCommand(), a.inspectCommand()}
	for _, c := range p.Commands {
		sayWhatIsLeft(c)
	}
	p.Commands = append(p.Commands, a.copies().Commands()...)
	p.Commands = append(p.Commands, a.demoCommand(), a.demoLoadCommand(), a.VersionCommand(), a.CompletionCommand(p))
	return p
}

// left is what there is after an interruption, and what to do, for the commands that do not say it themselves.
var left = map[string]string{
	"scan":    "run it again: it changes nothing",
	"count":   "run it again: it changes nothing",
	"verify":  "run it again: it changes nothing",
	"check":   "run it again: it changes nothing",
	"export":  "run it again: a file is as it was before, and what went to a pipe or a device is cut",
	"import":  "what was imported is there; run it again: it begins anew, and comes to the same",
	"compact": "run it again to go on: every entry is there, and what was rewritten stays so",
}

// sayWhatIsLeft has a command say what an interruption leaves.
func sayWhatIsLeft(c *command.Command) {
	run, advice := c.Run, left[c.Name()]
	if advice == "" {
		return
	}
	c.Run = func(ctx context.Context, args []string) error {
		return repositories.IfInterrupted(ctx, run(ctx, args), advice)
	}
}

// copies are the commands that copy databases.
func (a *app) copies() *copies.Verbs {
	return &copies.Verbs{App: &a.App, Read: func(dir string, f func(from copies.Source) error) error {
		return a.read(dir, func(from source) error { return f(from) })
	}}
}

// moved are commands of the other program.
var moved = map[string]string{"bench": "lightning-proof", "benchmark": "lightning-proof", "validate": "lightning-proof",
	"torture": "lightning-proof"}

// classify finds the class of errors that input files and scripts have.
func classify(err error) (console.Class, bool) {
	var bad *exchange.LineError
	var line *shell.LineError
	switch {
	case errors.As(err, &bad):
		advice := bad.Hint
		if advice == "" {
			advice = "correct the line and import the file again"
		}
		return console.Class{Code: console.ExitFailure, Name: "bad-input", Advice: advice}, true
	case errors.As(err, &line):
		return console.Class{Code: console.ExitFailure, Name: "script",
			Advice: "what the lines before it committed is there; correct it and run the rest"}, true
	case errors.Is(err, errNotWritten):
		return console.Class{Code: console.ExitFailure, Name: "no-writer",
			Advice: "run top while a program has it open; what is there now, `lightning stats` shows"}, true
	case errors.Is(err, remote.ErrNoAnswer):
		return console.Class{Code: console.ExitFailure, Name: "no-answer",
			Advice: "is this where the program shows its database, with package monitor, and does it run"}, true
	case errors.Is(err, entries.ErrNested):
		return console.Class{Code: console.ExitFailure, Name: "bucket-nested",
			Advice: "--recursive drops those too; `lightning bucket list` shows them"}, true
	case errors.Is(err, shell.ErrOpenAtEnd):
		return console.Class{Code: console.ExitFailure, Name: "script", Advice: "commit before the end"}, true
	}
	return repositories.Classify(err, "lightning")
}
