package command

import (
	"flag"
	"fmt"
	"strings"
)

// help writes about the program, or about the command named.
func (p *Program) help(names []string) error {
	var text strings.Builder
	if len(names) == 0 {
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
	fmt.Fprintf(text, "%s\n\nCommands:\n", p.Help)
	for _, c := range p.visible() {
		fmt.Fprintf(text, "  %-11s %s\n", c.Name(), c.Short)
	}
	fmt.Fprintf(text, "\nFlags of every command:\n")
	describeFlags(text, p.flagSet(nil), nil)
	fmt.Fprintf(text, "\nMore about a command: %s help COMMAND\n", p.Name)
}

func (p *Program) describeCommand(text *strings.Builder, c *Command) {
	shared := p.flagSet(nil)
	fmt.Fprintf(text, "%s\n\nUsage:\n  %s %s\n", c.Help, p.Name, c.Use)
	if c.Flags != nil {
		fmt.Fprintf(text, "\nFlags:\n")
		describeFlags(text, p.flagSet(c), shared)
	}
	fmt.Fprintf(text, "\nFlags of every command:\n")
	describeFlags(text, shared, nil)
}

// describeFlags lists the flags of set that are not in without.
func describeFlags(text *strings.Builder, set, without *flag.FlagSet) {
	eachFlag(set, without, func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(text, "  %-22s %s\n", strings.TrimSpace(shown(f.Name)+" "+value), usage)
	})
}

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
