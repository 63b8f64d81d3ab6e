package console

import (
	"context"
	"fmt"
	"io"
	"strings"

	"lightningdb/cmd/internal/command"
)

// CompletionCommand writes completion scripts for p.
func (a *App) CompletionCommand(p *command.Program) *command.Command {
	return &command.Command{
		Use:     "completion " + strings.Join(command.Shells, "|"),
		Aliases: []string{"completions", "complete", "autocomplete"},
		Short:   "Write a completion script for bash, zsh, fish or powershell",
		Help: strings.ReplaceAll(`completion writes a script that completes commands, flags and files in a shell:

  bash        source <(PROGRAM completion bash)
  zsh         PROGRAM completion zsh > "${fpath[1]}/_PROGRAM"
  fish        PROGRAM completion fish | source
  powershell  PROGRAM completion powershell | Out-String | iex`, "PROGRAM", p.Name),
		MinArgs: 1, MaxArgs: 1,
		Run: func(_ context.Context, args []string) error {
			script, ok := p.Completion(args[0])
			if !ok {
				return Usage(fmt.Errorf("there is no completion for %q", args[0]), "use bash, zsh, fish or powershell")
			}
			_, err := io.WriteString(a.Stdout, script)
			return err
		},
	}
}
