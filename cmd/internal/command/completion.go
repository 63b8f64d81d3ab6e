package command

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Shells are the shells Completion knows.
var Shells = []string{"bash", "zsh", "fish", "powershell"}

// Completion is a script that completes commands, flags, and what Use and the usage of flags say of arguments, in the
// shell; or false for an unknown shell.
func (p *Program) Completion(shell string) (script string, ok bool) {
	switch shell {
	case "bash":
		return p.bash() + fmt.Sprintf("complete -F _%[1]s %[1]s\n", p.Name), true
	case "zsh": // its emulation of bash does not know compopt
		return fmt.Sprintf("#compdef %[1]s\nautoload -U +X bashcompinit && bashcompinit\n"+
			"%[2]scomplete -o filenames -F _%[1]s %[1]s\n", p.Name, p.bash()), true
	case "fish":
		return p.fish(), true
	case "powershell":
		return p.powershell(), true
	}
	return "", false
}

// An argument says what may stand in a place of the command line: one of some words, the name of a directory or file,
// or anything.
type argument struct {
	words       []string
	dirs, files bool
}

// argumentOf reads how Use or the usage of a flag writes an argument: "DIR" and "REPOSITORY" are directories, "FILE",
// "FROM" and "TO" files or directories, "a|b" is one of two words, a word in small letters that word, and everything
// else is anything.
func argumentOf(text string) argument {
	switch {
	case text == "DIR" || text == "REPOSITORY":
		return argument{dirs: true}
	case text == "FILE" || text == "FROM" || text == "TO":
		return argument{files: true}
	case strings.Contains(text, "|") || text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz") == "":
		return argument{words: strings.Split(text, "|")}
	}
	return argument{}
}

// arguments are those of a command, in order, to the first that is written in brackets.
func (c *Command) arguments() (all []argument) {
	for _, text := range strings.Fields(c.Use)[1:] {
		if strings.HasPrefix(text, "[") {
			break
		}
		all = append(all, argumentOf(text))
	}
	return all
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

// values are the flags of a command that have a value, and what that is.
func (p *Program) values(c *Command) map[string]argument {
	values := make(map[string]argument)
	p.flagSet(c).VisitAll(func(f *flag.Flag) {
		if name, _ := flag.UnquoteUsage(f); !isBool(f) {
			values[shown(f.Name)] = argumentOf(name)
		}
	})
	return values
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// bash is the function that completes. It counts arguments, passing over flags and their values, and looks up what
// belongs in the place of the next.
func (p *Program) bash() string {
	var places, flags strings.Builder
	for _, c := range p.visible() {
		values := p.values(c)
		names := slices.Sorted(maps.Keys(values))
		fmt.Fprintf(&flags, "    %s) flags=%q; valued=%q ;;\n", c.Name(), strings.Join(p.flagNames(c), " "), spaced(names))
		for i, a := range c.arguments() {
			bashPlace(&places, fmt.Sprintf("%s:%d", c.Name(), i), a)
		}
		for _, name := range names {
			bashPlace(&places, c.Name()+":"+name, values[name])
		}
	}
	bashPlace(&places, "help:0", argument{words: p.names()})
	return fmt.Sprintf(`_%s() {
  local current="${COMP_WORDS[COMP_CWORD]}" command="" place="" words="" kind="" count=0 i word IFS=$' \t\n'
  local flags=%q valued=%q
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    if [ -n "$place" ]; then place=""; continue; fi
    case "$word" in
      -*) case "$valued" in *" $word "*) place="$command:$word" ;; esac; continue ;;
    esac
    if [ -n "$command" ]; then count=$((count + 1)); continue; fi
    command="$word"
    case "$command" in
%s    esac
  done
  if [ -z "$place" ] && [ "${current#-}" != "$current" ]; then
    words="$flags"
  elif [ -z "$place$command" ]; then
    words=%q
  else
    case "${place:-$command:$count}" in
%s    esac
  fi
  if [ -n "$words" ]; then COMPREPLY=( $(compgen -W "$words" -- "$current") ); return; fi
  if [ -z "$kind" ]; then return; fi
  compopt -o filenames 2>/dev/null
  IFS=$'\n'
  COMPREPLY=( $(compgen "$kind" -- "$current") )
}
`, p.Name, strings.Join(append(p.flagNames(nil), "--version"), " "), spaced(slices.Sorted(maps.Keys(p.values(nil)))),
		indented(flags.String()), strings.Join(p.names(), " "), indented(places.String()))
}

// spaced puts a blank before and after each word, so that a search finds whole words only.
func spaced(words []string) string { return " " + strings.Join(words, " ") + " " }

func indented(lines string) string {
	return strings.ReplaceAll("  "+strings.TrimSuffix(lines, "\n"), "\n", "\n  ") + "\n"
}

func bashPlace(s *strings.Builder, place string, a argument) {
	switch {
	case a.dirs:
		fmt.Fprintf(s, "    %s) kind=-d ;;\n", place)
	case a.files:
		fmt.Fprintf(s, "    %s) kind=-f ;;\n", place)
	case len(a.words) > 0:
		fmt.Fprintf(s, "    %s) words=%q ;;\n", place, strings.Join(a.words, " "))
	}
}

// fish is the script for fish, with a function that reports whether the nth argument of a command is due.
func (p *Program) fish() string {
	var s strings.Builder
	shared := p.flagSet(nil)
	valued := slices.Sorted(maps.Keys(p.values(nil)))
	for _, c := range p.visible() {
		valued = append(valued, slices.Sorted(maps.Keys(p.values(c)))...)
	}
	slices.Sort(valued)
	fmt.Fprintf(&s, `function __%s_at
  set -l command ''
  set -l count 0
  set -l value 0
  for word in (commandline -opc)[2..]
    if test $value = 1
      set value 0
    else if contains -- $word %s
      set value 1
    else if string match -q -- '-*' $word
      continue
    else if test -z "$command"
      set command $word
    else
      set count (math $count + 1)
    end
  end
  test "$command" = $argv[1]; and test $count = $argv[2]
end
complete -c %s -f
`, p.function(), strings.Join(slices.Compact(valued), " "), p.Name)
	eachFlag(shared, nil, func(f *flag.Flag) { p.fishFlag(&s, "", f) })
	place := func(command string, number int, a argument) {
		if text := fishArgument(a); text != "" {
			fmt.Fprintf(&s, "complete -c %s -n '__%s_at %s %d'%s\n", p.Name, p.function(), command, number, text)
		}
	}
	for _, c := range p.visible() {
		fmt.Fprintf(&s, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", p.Name, c.Name(), fishQuote(c.Short))
		when := " -n '__fish_seen_subcommand_from " + c.Name() + "'"
		eachFlag(p.flagSet(c), shared, func(f *flag.Flag) { p.fishFlag(&s, when, f) })
		for i, a := range c.arguments() {
			place(c.Name(), i, a)
		}
	}
	place("help", 0, argument{words: p.names()})
	return s.String()
}

// fishFlag writes a flag, which is offered when the condition holds.
func (p *Program) fishFlag(s *strings.Builder, when string, f *flag.Flag) {
	dashes := "-l"
	if len(f.Name) == 1 {
		dashes = "-s"
	}
	name, usage := flag.UnquoteUsage(f)
	value := ""
	if !isBool(f) {
		value = " -r" + fishArgument(argumentOf(name))
	}
	fmt.Fprintf(s, "complete -c %s%s %s %s%s -d %s\n", p.Name, when, dashes, f.Name, value, fishQuote(usage))
}

func fishArgument(a argument) string {
	switch {
	case a.dirs:
		return " -a '(__fish_complete_directories)'"
	case a.files:
		return " -F"
	case len(a.words) > 0:
		return " -a " + fishQuote(strings.Join(a.words, " "))
	}
	return ""
}

func fishQuote(text string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `'`, `\'`) + "'"
}

// function is the program's name as part of the name of a function.
func (p *Program) function() string { return strings.ReplaceAll(p.Name, "-", "_") }

// powershell is the script for PowerShell, which completes files where a script has nothing to offer.
func (p *Program) powershell() string {
	var s strings.Builder
	list := func(words []string) string { return "'" + strings.Join(words, "', '") + "'" }
	fmt.Fprintf(&s, "Register-ArgumentCompleter -Native -CommandName %s -ScriptBlock {\n", p.Name)
	s.WriteString("  param($word, $ast, $position)\n  $flags = @{\n")
	for _, c := range p.visible() {
		fmt.Fprintf(&s, "    '%s' = @(%s)\n", c.Name(), list(p.flagNames(c)))
	}
	s.WriteString("  }\n  $seconds = @{\n")
	for _, c := range p.visible() {
		if all := c.arguments(); len(all) > 0 && len(all[0].words) > 0 {
			fmt.Fprintf(&s, "    '%s' = @(%s)\n", c.Name(), list(all[0].words))
		}
	}
	fmt.Fprintf(&s, "    'help' = @(%s)\n  }\n"+
		"  $given = @($ast.CommandElements | ForEach-Object { $_.ToString() })\n  $words = @(%[1]s)\n", list(p.names()))
	s.WriteString("  if ($word -like '-*' -and $given.Count -gt 1) { $words = $flags[$given[1]] }\n" +
		"  elseif ($given.Count -gt 3 -or ($given.Count -eq 3 -and $word -eq '')) { return }\n" +
		"  elseif ($given.Count -eq 3 -or ($given.Count -eq 2 -and $word -eq '')) { $words = $seconds[$given[1]] }\n" +
		"  $words | Where-Object { $_ -like \"$word*\" } | ForEach-Object {\n" +
		"    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)\n  }\n}\n")
	return s.String()
}
