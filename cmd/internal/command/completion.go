package command

import (
	"flag"
	"fmt"
	"strings"
)

// Shells are the shells Completion knows.
var Shells = []string{"bash", "zsh", "fish", "powershell"}

// Completion is a script that completes commands, flags and file names in the shell, or false for an unknown shell.
func (p *Program) Completion(shell string) (script string, ok bool) {
	switch shell {
	case "bash":
		return p.bash(), true
	case "zsh":
		return "#compdef " + p.Name + "\nautoload -U +X bashcompinit && bashcompinit\n" + p.bash(), true
	case "fish":
		return p.fish(), true
	case "powershell":
		return p.powershell(), true
	}
	return "", false
}

// names are the commands to complete, and help.
func (p *Program) names() []string {
	var names []string
	for _, c := range p.visible() {
		names = append(names, c.Name())
	}
	return append(names, "help")
}

// flagNames are the flags of one command, or those of every command for nil.
func (p *Program) flagNames(c *Command) []string {
	names := []string{"--help"}
	p.flagSet(c).VisitAll(func(f *flag.Flag) { names = append(names, shown(f.Name)) })
	return names
}

func (p *Program) bash() string {
	var s strings.Builder
	fmt.Fprintf(&s, "_%s() {\n  local current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n", p.Name)
	fmt.Fprintf(&s, "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words=%q\n", strings.Join(p.names(), " "))
	s.WriteString("  elif [ \"${current#-}\" != \"$current\" ]; then\n    case \"${COMP_WORDS[1]}\" in\n")
	for _, c := range p.visible() {
		fmt.Fprintf(&s, "      %s) words=%q ;;\n", c.Name(), strings.Join(p.flagNames(c), " "))
	}
	fmt.Fprintf(&s, "      help) words=%q ;;\n", strings.Join(p.names(), " "))
	s.WriteString("    esac\n  fi\n" +
		"  if [ -n \"$words\" ]; then\n    COMPREPLY=( $(compgen -W \"$words\" -- \"$current\") )\n" +
		"  else\n    COMPREPLY=( $(compgen -f -- \"$current\") )\n  fi\n}\n")
	fmt.Fprintf(&s, "complete -o filenames -F _%[1]s %[1]s\n", p.Name)
	return s.String()
}

func (p *Program) fish() string {
	var s strings.Builder
	quote := func(text string) string {
		return "'" + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `'`, `\'`) + "'"
	}
	option := func(when string, f *flag.Flag) {
		dashes := "-l"
		if len(f.Name) == 1 {
			dashes = "-s"
		}
		_, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&s, "complete -c %s%s %s %s -d %s\n", p.Name, when, dashes, f.Name, quote(usage))
	}
	shared := p.flagSet(nil)
	eachFlag(shared, nil, func(f *flag.Flag) { option("", f) })
	for _, c := range p.visible() {
		fmt.Fprintf(&s, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", p.Name, c.Name(), quote(c.Short))
		when := " -n '__fish_seen_subcommand_from " + c.Name() + "'"
		eachFlag(p.flagSet(c), shared, func(f *flag.Flag) { option(when, f) })
	}
	return s.String()
}

func (p *Program) powershell() string {
	var s strings.Builder
	list := func(words []string) string { return "'" + strings.Join(words, "', '") + "'" }
	fmt.Fprintf(&s, "Register-ArgumentCompleter -Native -CommandName %s -ScriptBlock {\n", p.Name)
	s.WriteString("  param($word, $ast, $position)\n  $flags = @{\n")
	for _, c := range p.visible() {
		fmt.Fprintf(&s, "    '%s' = @(%s)\n", c.Name(), list(p.flagNames(c)))
	}
	fmt.Fprintf(&s, "  }\n  $given = @($ast.CommandElements | ForEach-Object { $_.ToString() })\n  $words = @(%s)\n",
		list(p.names()))
	s.WriteString("  if ($word -like '-*' -and $given.Count -gt 1) { $words = $flags[$given[1]] }\n" +
		"  elseif ($given.Count -gt 2 -or ($given.Count -eq 2 -and $word -eq '')) { return }\n" +
		"  $words | Where-Object { $_ -like \"$word*\" } | ForEach-Object {\n" +
		"    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)\n  }\n}\n")
	return s.String()
}
