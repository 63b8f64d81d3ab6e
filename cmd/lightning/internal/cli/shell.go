package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/interrupt"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/shell"
)

// scanLimit is how many entries a scan shows at a prompt, unless told. A script gets all of them.
const scanLimit = 20

// errLinesFailed is the outcome of a script that went on after errors.
var errLinesFailed = errors.New("of the script failed")

// shellFlags are those of shell.
type shellFlags struct {
	durability console.Durability
	readOnly   bool
	keepGoing  bool
	retain     time.Duration
	history    string
	as         entries.As
}

func (a *app) shellCommand() *command.Command {
	var f shellFlags
	cmd := &command.Command{
		Use:     "shell DIR",
		Aliases: entries.Synonyms["shell"],
		Short:   "Read, change and look into the past at a prompt, or by a script",
		Help: `shell reads lines like "put greeting hello", "scan prefix user:" and "begin", at a prompt with
completion, or from standard input if that is no terminal; the line "help" lists the verbs. It
creates the database if there is none in DIR, unless --read-only. If another process has the
database open, shell --read-only follows it: each line reads the newest state.

A script ends at the first line that fails, with its number and exit code 1; the transaction that
is open then is rolled back, what was committed stays. A script has no limit for scans.

Verbs have the flags of the commands of the same name. --json and --as hold for all of them.

The prompt remembers lines until its end. They hold keys and values: --history keeps them in a
file, which only its owner can read.`,
		MinArgs: 1, MaxArgs: 1,
		Exclusive: [][2]string{{"read-only", "durability"}},
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		switch {
		case f.retain < 0:
			return console.Usage(errors.New("--retain is negative"), "give a time like 10m")
		}
		options := lightningdb.Options{ReadOnly: f.readOnly, MustExist: f.readOnly, Retain: f.retain,
			Durability: lightningdb.Durability(f.durability)}
		var follow *lightningdb.FollowerOptions
		if f.readOnly {
			follow = new(lightningdb.FollowerOptions) // while nobody types, the writer may remove what is old
		}
		err := a.with(args[0], options, follow, func(from source) error {
			if a.StdinTerminal && a.StdoutTerminal {
				return a.prompt(ctx, from, f)
			}
			return a.script(ctx, from, f)
		})
		if errors.Is(err, lightningdb.ErrLocked) && !f.readOnly {
			err = console.Advise(err, "close the other program, or look at what it does with --read-only")
		}
		return err
	}
	cmd.Flags = func(set *flag.FlagSet) {
		f.durability.Define(set)
		f.as.Define(set)
		set.BoolVar(&f.readOnly, "read-only", false, "change nothing; others may read meanwhile, and one may write")
		set.BoolVar(&f.keepGoing, "keep-going", false, "go on after a line of a script that failed")
		set.DurationVar(&f.retain, "retain", 0, "keep the states of this last `TIME`, like 10m, for the verb at")
		set.StringVar(&f.history, "history", "", "remember lines in `FILE`")
	}
	return cmd
}

// shellConfig is the configuration that prompt and script have in common.
func (a *app) shellConfig(from source, as entries.As) shell.Config {
	c := shell.Config{Out: a.Stdout, Notes: a.notes(), JSON: a.JSON, As: as,
		Stats: func(out io.Writer, json bool) error { return a.writeStats(out, from, json) }}
	if from.db != nil {
		c.DB = from.db
	} else {
		c.DB = shell.Following{Follower: from.follower}
	}
	return c
}

// notes is where the shell writes what is no result.
func (a *app) notes() io.Writer {
	switch {
	case a.Quiet:
		return io.Discard
	case a.StdoutTerminal:
		return a.Stdout
	}
	return a.Stderr
}

// script carries out standard input.
func (a *app) script(ctx context.Context, from source, f shellFlags) error {
	c := a.shellConfig(from, f.as)
	c.Input = shell.NewScript(interrupt.Reader(ctx, a.Stdin))
	failed := 0
	if f.keepGoing {
		c.Failed = func(e *shell.LineError) error {
			failed++
			return errors.Join(a.reportLine(e), ctx.Err())
		}
	}
	err := shell.New(c).Run(ctx)
	if err == nil && failed > 0 {
		err = console.Advise(fmt.Errorf("%s %w", units.Plural(failed, "line"), errLinesFailed),
			"they are named above; all others are done")
	}
	return err
}

// reportLine says why a line failed.
func (a *app) reportLine(e *shell.LineError) error {
	message := console.OneLine(e.Err.Error())
	if !a.JSON {
		_, err := fmt.Fprintf(a.Stderr, "line %d: %s\n", e.Line, message)
		return err
	}
	return jsonline.Write(a.Stderr, struct {
		Line    int    `json:"line"`
		Message string `json:"message"`
	}{e.Line, message})
}

// prompt carries out what somebody types. An interrupt drops the line that is typed, or ends the command that runs, but
// not the session.
func (a *app) prompt(ctx context.Context, from source, f shellFlags) (err error) {
	ctx, stop := console.Notify(context.WithoutCancel(ctx), syscall.SIGTERM)
	defer stop()
	c := a.shellConfig(from, f.as)
	c.Limit = scanLimit
	c.Failed = func(e *shell.LineError) error {
		_, err := fmt.Fprintln(a.Stdout, "error: "+console.OneLine(e.Err.Error()))
		return err
	}
	c.Interruptible = func(ctx context.Context) (context.Context, context.CancelFunc) {
		return console.Notify(ctx, os.Interrupt)
	}
	session := shell.New(c)
	terminal, err := shell.NewTerminal(f.history, session.Complete)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, terminal.Close()) }()
	session.Input = terminal
	a.greet(from)
	return session.Run(ctx)
}

func (a *app) greet(from source) {
	state := "sequence number " + fmt.Sprint(from.Metrics().Sequence)
	if from.db != nil && from.db.Recovery().Created {
		state = "new"
	}
	fmt.Fprintf(a.notes(), "%s (%s); help lists the verbs, exit leaves\n", from.Path(), state)
}
