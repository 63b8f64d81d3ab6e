package cli

import (
	"context"
	"errors"
	"io"

	"lightningdb/cmd/lightning/internal/command"
)

func (a *app) completionCommand(p *command.Program) *command.Command {
	return &command.Command{
		Use:   "completion SHELL",
		Short: "Write a completion script for bash, zsh, fish or powershell",
		Help: `completion writes a script that completes commands, flags and files in a shell:

  bash        source <(lightning completion bash)
  zsh         lightning completion zsh > "${fpath[1]}/_lightning"
  fish        lightning completion fish > ~/.config/fish/completions/lightning.fish
  powershell  lightning completion powershell | Out-String | Invoke-Expression`,
		MinArgs: 1, MaxArgs: 1,
		Run: func(_ context.Context, args []string) error {
			script, ok := p.Completion(args[0])
			if !ok {
				return usage(errors.New("there is no completion for "+quoted(args[0])), "use bash, zsh, fish or powershell")
			}
			_, err := io.WriteString(a.Stdout, script)
			return err
		},
	}
}
