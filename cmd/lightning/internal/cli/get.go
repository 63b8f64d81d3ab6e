package cli

import (
	"context"
	"fmt"
	"io"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/cmd/lightning/internal/text"
)

func (a *app) getCommand() *command.Command {
	var enc encodingFlags
	cmd := &command.Command{
		Use:     "get DIR KEY",
		Aliases: []string{"read", "fetch", "show", "cat", "retrieve"},
		Short:   "Write the value of a key",
		Help: `get writes the value of a key to standard output: into a pipe or file exactly its bytes,
on a terminal with unprintable bytes escaped and a line break at the end. With --hex or
--base64 the value is one line of text; with --json it is an object as in an export.`,
		MinArgs: 2, MaxArgs: 2,
	}
	cmd.Run = func(_ context.Context, args []string) error {
		key, err := enc.key(args[1])
		if err != nil {
			return err
		}
		return a.read(args[0], func(db *lightningdb.DB) error {
			value, err := db.Get(key)
			if err != nil {
				return fmt.Errorf("get %s: %w", quoted(args[1]), err)
			}
			return a.writeValue(enc.encoding(), key, value)
		})
	}
	cmd.Flags, cmd.Exclusive = enc.define, encodingExclusive
	return cmd
}

func (a *app) writeValue(enc exchange.Encoding, key, value []byte) error {
	var err error
	switch {
	case a.JSON:
		out := exchange.NewJSONWriter(a.Stdout, exchange.Form{Encoding: enc})
		if err = out.Write(key, value); err == nil {
			err = out.Flush()
		}
	case enc != exchange.Text:
		_, err = io.WriteString(a.Stdout, enc.Encode(value)+"\n")
	case a.StdoutTerminal:
		_, err = a.Stdout.Write(text.AppendForScreen(nil, value))
	default:
		_, err = a.Stdout.Write(value)
	}
	return err
}
