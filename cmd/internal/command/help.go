package command

import (
	"flag"
	"fmt"
	"strings"
	"unicode/utf8"
)

// width is the number of characters in a line of help: what fits the usual terminal.
const width = 80

// help writes about the program, or about the command named.
func (p *Program) help(names []string) error {
	var text strings.Builder
	if len(names) == 0 || names[0] == "help" {
		p.describe(&text)
	} else {
		command := p.find(names[0])
		if command == nil {
			return p.unknown(names[0])
		}
		p.describeCommand(&text, command)
	}
	_, err := fmt.Fprint(p.Out, text.String())
	return err
}

func (p *Program) describe(text *strings.Builder) {
	fmt.Fprintf(text, "%s\n\nCommands:\n", wrap(p.Help))
	for _, c := range p.visible() {
		Describe(text, c.Name(), c.Short, 11)
	}
	fmt.Fprintf(text, "\nFlags of every command:\n")
	describeFlags(text, p.flagSet(nil), nil)
	Describe(text, "-v, --version", "like the command version", flagColumn)
	fmt.Fprintf(text, "\nMore about a command: %s help COMMAND\n", p.Name)
}

func (p *Program) describeCommand(text *strings.Builder, c *Command) {
	shared := p.flagSet(nil)
	fmt.Fprintf(text, "%s\n\nUsage:\n  %s %s\n", wrap(c.Help), p.Name, c.Use)
	if c.Flags != nil {
		fmt.Fprintf(text, "\nFlags:\n")
		describeFlags(text, p.flagSet(c), shared)
	}
	fmt.Fprintf(text, "\nFlags of every command:\n")
	describeFlags(text, shared, nil)
}

// flagColumn is how wide the names of flags are, at least.
const flagColumn = 22

// describeFlags lists the flags of set that are not in without.
func describeFlags(text *strings.Builder, set, without *flag.FlagSet) {
	eachFlag(set, without, func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		Describe(text, strings.TrimSpace(shown(f.Name)+" "+value), usage, flagColumn)
	})
}

// Describe writes a name, and in a column to the right of the names what it is, over several lines if that is long.
func Describe(text *strings.Builder, name, what string, column int) {
	line := fmt.Sprintf("  %-*s ", column, name)
	indent := strings.Repeat(" ", column+3)
	for _, word := range strings.Fields(what) {
		if strings.TrimSpace(line) != "" && length(line)+length(word) > width {
			text.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	text.WriteString(strings.TrimRight(line, " ") + "\n")
}

// wrap breaks paragraphs into lines anew. Lines that begin with a blank stay as they are.
func wrap(text string) string {
	var out strings.Builder
	line := ""
	flush := func() {
		if line != "" {
			out.WriteString(line + "\n")
			line = ""
		}
	}
	for given := range strings.Lines(text) {
		given = strings.TrimRight(given, "\n")
		if given == "" || given[0] == ' ' {
			flush()
			out.WriteString(given + "\n")
			continue
		}
		for _, word := range strings.Fields(given) {
			if line != "" && length(line)+1+length(word) > width {
				flush()
			}
			line = strings.TrimLeft(line+" "+word, " ")
		}
	}
	flush()
	return strings.TrimRight(out.String(), "\n")
}

// length is how many characters text has.
func length(text string) int { return utf8.RuneCountInString(text) }

func eachFlag(set, without *flag.FlagSet, do func(*flag.Flag)) {
	set.VisitAll(func(f *flag.Flag) {
		if without == nil || without.Lookup(f.Name) == nil {
			do(f)
		}
	})
}

// shown is a flag's name as people write it.
func shown(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
