package cli

import (
	"context"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/lightning/internal/demo"
)

func (a *app) demoLoadCommand() *command.Command {
	return &command.Command{
		Use:     "demo-load DIR SOURCE",
		Short:   "The process that demo kills",
		Hidden:  true,
		MinArgs: 2, MaxArgs: 2,
		Run: func(ctx context.Context, args []string) error {
			return demo.Load(ctx, args[0], args[1], int64(a.MemoryLimit), a.Stdout)
		},
	}
}
