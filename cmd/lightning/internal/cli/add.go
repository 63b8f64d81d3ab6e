package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/kv"
)

func (a *app) addCommand() *command.Command {
	var enc entries.Encoding
	var durability console.Durability
	var bucket entries.Bucket
	cmd := &command.Command{
		Use:     "add DIR KEY N",
		Aliases: entries.Synonyms["add"],
		Short:   "Add to a counter",
		Help: `add adds the integer N to the counter at a key and writes what it has come to. A key that is not
there counts as 0; the database is created if there is none in DIR, but no bucket is. A counter is a value of 8
bytes, little-endian, two's complement; any other value is left alone and is an error.
To subtract, put "--" before the arguments: lightning add -- ./db visits -1`,
		MinArgs: 3, MaxArgs: 3,
	}
	cmd.Run = func(_ context.Context, args []string) error {
		key, err := enc.Key(args[1])
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return console.Usage(fmt.Errorf("%q is not an integer of 64 bits", args[2]), "give a decimal number")
		}
		return a.write(args[0], durability, bucket, func(db *lightningdb.DB) error {
			var sum int64
			to, err := bucket.In(db)
			if err == nil {
				sum, err = add(to, key, n)
			}
			if err != nil {
				return fmt.Errorf("add to %q: %w", args[1], err)
			}
			return a.writeCounter(sum)
		})
	}
	cmd.Exclusive = entries.EncodingExclusive
	cmd.Flags = func(f *flag.FlagSet) {
		enc.Define(f)
		durability.Define(f)
		bucket.Define(f)
	}
	return cmd
}

// add adds n to the counter at key, and returns what it comes to. Nobody else writes: the database is locked by this
// process.
func add(to kv.ReadWriter, key []byte, n int64) (int64, error) {
	value, err := to.Get(key)
	if err == nil {
		_, err = lightningdb.Int64(value) // an add to anything else would make the key unreadable
	}
	if err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
		return 0, err
	}
	if err := to.Add(key, n); err != nil {
		return 0, err
	}
	if value, err = to.Get(key); err != nil {
		return 0, err
	}
	return lightningdb.Int64(value)
}

func (a *app) writeCounter(n int64) error {
	if a.JSON {
		return jsonline.Write(a.Stdout, map[string]int64{"value": n})
	}
	_, err := fmt.Fprintln(a.Stdout, n)
	return err
}
