// Package proof is the command line of lightning-proof: it turns arguments into validations, torture and benchmarks,
// and their outcome into text, JSON and an exit code. One file holds one command. What it has in common with other
// programs is in package console.
package proof

import (
	"context"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
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

	// afterKill is that of validate.CrashConfig, for tests.
	afterKill func(*lightningdb.DB) error
}

func newApp(env console.Env) *app { return &app{App: console.App{Env: env, Name: "lightning-proof"}} }

func (a *app) run(ctx context.Context, args []string) int { return a.App.Run(ctx, a.program(), args) }

const rootHelp = `lightning-proof holds Lightning DB against its promises, and measures it.

  lightning-proof validate crash
  lightning-proof torture --count 500
  lightning-proof resources --scale 0.1
  lightning-proof operate
  lightning-proof bench

It works in directories of its own. Databases are read, changed and inspected by
the program lightning.

Exit codes:
  0    everything held
  1    failed
  2    wrong use of the command line
  6    no space left
  130  interrupted (SIGINT, SIGTERM)`

func (a *app) program() *command.Program {
	p := &command.Program{Name: a.Name, Help: rootHelp, Flags: a.DefineFlags, Out: a.Stdout}
	p.Commands = []*command.Command{a.validateCommand(), a.validateWriteCommand(), a.validateIncrementCommand(),
		a.validateFillCommand(), a.tortureCommand(), a.tortureWriteCommand(), a.resourcesCommand(), a.resourcesChildCommand(),
		a.operateCommand(), a.operateChildCommand(), a.benchCommand(), a.VersionCommand(), a.CompletionCommand(p)}
	return p
}
