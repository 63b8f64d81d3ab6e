package copies

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/internal/units"
)

func (v *Verbs) checkpointCommand() *command.Command {
	return &command.Command{
		Use:   "checkpoint DIR TO",
		Short: "Make a second database of the present state, by hard links",
		Help: `checkpoint makes a database in the directory TO, which must be empty or absent, with everything that is
committed in DIR and nothing after. Both may be opened, written to and removed, each by itself.

On the same file system the tables are not copied but get a second name (hard links): it takes
moments at any size, and space only as far as the two become different. Where there are no links,
file systems that can share the blocks of two files do that; elsewhere they are copied.
It is no backup: if the medium damages a table, it damages that of both.

If another process has DIR open, it copies what that one has published. An interrupted checkpoint
leaves TO empty; after a kill TO has a file UNFINISHED and is refused by everybody: remove it.`,
		MinArgs: 2, MaxArgs: 2,
		Run: func(ctx context.Context, args []string) error {
			err := v.Read(args[0], func(from Source) error { return v.checkpoint(ctx, from, args[1]) })
			return repositories.IfInterrupted(ctx, err, repositories.NothingLeft)
		},
	}
}

// cloneCommand is checkpoint by the name of what most make it for.
func (v *Verbs) cloneCommand() *command.Command {
	c := v.checkpointCommand()
	c.Use, c.Short = "clone DIR TO", "The same as checkpoint"
	return c
}

// checkpointResult is the outcome of checkpoint with --json.
type checkpointResult struct {
	Directory string  `json:"directory"`
	Sequence  uint64  `json:"sequence"` // of the newest commit in it
	Bytes     int64   `json:"bytes"`    // of the tables that both have
	Seconds   float64 `json:"seconds"`
}

func (v *Verbs) checkpoint(ctx context.Context, from Source, to string) error {
	if to == "" {
		return console.Usage(errors.New("the directory to write to is empty"), "name a directory")
	}
	v.Place = to
	line := repositories.Start(v.Screen(), "checkpoint")
	seq, err := from.Checkpoint(ctx, to, line.Told)
	took := line.Stop()
	if errors.Is(err, fs.ErrExist) {
		err = console.Advise(err, repositories.EmptyOrAbsent)
	}
	if err != nil {
		return err
	}
	r := checkpointResult{to, seq, line.Total(), took.Seconds()}
	if v.JSON {
		return jsonline.Write(v.Stdout, r)
	}
	if v.Quiet {
		return nil
	}
	_, err = fmt.Fprintf(v.Stderr, "made %s: everything up to commit %d, %s of tables, in %s\n", to, seq,
		units.Bytes(r.Bytes), units.Duration(took))
	return err
}
