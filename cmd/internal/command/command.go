// Package command is the frame of a command line: a program with commands, their flags and arguments, help, and
// completion for shells. It reads arguments and writes help; what a command does, and how errors look, is the caller's.
// A program is built and run once, by one goroutine.
//
// Flags are those of the standard library, with two differences: they may stand before, between and after the
// arguments, up to "--", and they are shown with two dashes.
//
// Why it is not a library is in docs/decisions/0005-command-line-frame.md.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Program is a set of commands that share flags.
type Program struct {
	Name     string
	Help     string              // what `help` says before the list of commands
	Flags    func(*flag.FlagSet) // defines the flags every command has
	Out      io.Writer           // where help goes
	Commands []*Command          // in the order they are listed
	Moved    map[string]string   // commands of other programs, and the names of these
}

// Command is one of a program's commands.
type Command struct {
	Use     string   // name and arguments: "get DIR KEY". See argument for what is completed
	Aliases []string // what people may type instead; they are told the name
	Short   string   // one line, without a full stop
	Help    string   // what --help says above the flags
	MinArgs int
	MaxArgs int  // Unlimited for no bound
	Hidden  bool // neither listed nor completed

	Flags     func(*flag.FlagSet) // defines the command's own flags; nil for none
	Exclusive [][2]string         // pairs of flags that exclude each other
	Empty     []string            // flags for which an empty value means something; all others refuse it
	Run       func(ctx context.Context, args []string) error

	set *flag.FlagSet // filled by Program.Execute
}

// Unlimited is a MaxArgs.
const Unlimited = 1 << 30

// UsageError says that the command line is wrong. Hint says what is right.
type UsageError struct {
	Problem string
	Hint    string
}

func (e *UsageError) Error() string { return e.Problem }

// Name is the command's first word.
func (c *Command) Name() string { name, _, _ := strings.Cut(c.Use, " "); return name }

// Given reports whether a flag was on the command line. It is for use in Run.
func (c *Command) Given(name string) bool {
	given := false
	c.set.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// Execute reads the command line and runs the command it names. A *UsageError means that nothing ran; any other error
// is the command's.
func (p *Program) Execute(ctx context.Context, args []string) error {
	top := p.flagSet(nil)
	var version bool
	top.BoolVar(&version, "version", false, "")
	top.BoolVar(&version, "v", false, "")
	if err := top.Parse(args); errors.Is(err, flag.ErrHelp) {
		return p.help(nil)
	} else if err != nil {
		return p.wrongFlag(err, top, nil)
	}
	before := args[:len(args)-top.NArg()] // the program's flags count for the command, too
	if len(before) > 0 && before[len(before)-1] == "--" {
		before = before[:len(before)-1]
	}
	args = top.Args()
	switch {
	case version:
		return p.version(ctx, before)
	case len(args) == 0:
		return p.help(nil)
	case args[0] == "help":
		return p.help(args[1:])
	}
	command := p.find(args[0])
	if command == nil {
		return p.unknown(args[0])
	}
	return p.run(ctx, command, slices.Concat(before, args[1:]))
}

// version runs the command of that name with the other flags, where it was written as a flag.
func (p *Program) version(ctx context.Context, flags []string) error {
	others := slices.DeleteFunc(slices.Clone(flags), func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return strings.HasPrefix(arg, "-") && (name == "version" || name == "v")
	})
	command := p.find("version")
	if command == nil {
		return p.unknown("version")
	}
	return p.run(ctx, command, others)
}

func (p *Program) run(ctx context.Context, c *Command, args []string) error {
	c.set = p.flagSet(c)
	rest, err := parse(c.set, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return p.help([]string{c.Name()})
	case err != nil:
		return p.wrongFlag(err, c.set, c)
	}
	if err := c.checkValues(); err != nil {
		return err
	}
	switch {
	case len(rest) < c.MinArgs:
		return &UsageError{c.Name() + " needs more arguments", p.useLine(c)}
	case len(rest) > c.MaxArgs:
		return &UsageError{fmt.Sprintf("%s does not take the argument %q", c.Name(), rest[c.MaxArgs]), p.useLine(c)}
	}
	for _, pair := range c.Exclusive {
		if c.Given(pair[0]) && c.Given(pair[1]) {
			return &UsageError{fmt.Sprintf("--%s and --%s exclude each other", pair[0], pair[1]), p.useLine(c)}
		}
	}
	return c.Run(ctx, rest)
}

// checkValues refuses a flag that was given an empty value. That is what a script passes whose variable is not set, and
// to take it for the default would do something that nobody asked for.
func (c *Command) checkValues() error {
	var empty *flag.Flag
	c.set.Visit(func(f *flag.Flag) {
		if empty == nil && f.Value.String() == "" && !slices.Contains(c.Empty, f.Name) {
			empty = f
		}
	})
	if empty == nil {
		return nil
	}
	value, _ := flag.UnquoteUsage(empty)
	return &UsageError{fmt.Sprintf("the value of %s is empty", shown(empty.Name)),
		fmt.Sprintf("give %s %s, or leave it out", shown(empty.Name), value)}
}

// parse reads flags wherever they stand, and returns the arguments between them and all of those after "--".
func parse(set *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		left := set.Args()
		read := len(args) - len(left)
		if len(left) == 0 || read > 0 && args[read-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// flagSet is a fresh set with the program's flags and those of c, if it is not nil.
func (p *Program) flagSet(c *Command) *flag.FlagSet {
	set := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	p.Flags(set)
	if c != nil && c.Flags != nil {
		c.Flags(set)
	}
	return set
}

// wrongFlag says what is wrong with a flag, which may be one of c's (nil for none), and which was meant.
func (p *Program) wrongFlag(err error, set *flag.FlagSet, c *Command) error {
	hint := p.seeHelp()
	if c != nil {
		hint = p.useLine(c)
	}
	text := err.Error()
	name, unknown := strings.CutPrefix(text, "flag provided but not defined: -")
	if !unknown {
		text = strings.Replace(text, " for -", " for flag -", 1) // a flag that is true or false has it so
		text = strings.Replace(text, " flag -", " flag --", 1)
		return &UsageError{strings.Replace(text, "argument: -", "argument: --", 1), hint}
	}
	var names []string
	set.VisitAll(func(f *flag.Flag) {
		if len(f.Name) > 1 {
			names = append(names, f.Name)
		}
	})
	if near := Nearest(name, append(names, "help"), nil); len(near) > 0 {
		hint = "did you mean " + orOf(near, func(n string) string { return shown(n) }) + "?"
	} else if owners := p.withFlag(name); len(owners) > 0 {
		hint = shown(name) + " is a flag of " + orOf(owners, func(n string) string { return n }) + "; " + hint
	}
	return &UsageError{"unknown flag: " + shown(name), hint}
}

// withFlag names the commands that have a flag.
func (p *Program) withFlag(name string) (owners []string) {
	for _, c := range p.visible() {
		if p.flagSet(c).Lookup(name) != nil {
			owners = append(owners, c.Name())
		}
	}
	return owners
}

func (p *Program) find(name string) *Command {
	i := slices.IndexFunc(p.Commands, func(c *Command) bool { return c.Name() == name })
	if i < 0 {
		return nil
	}
	return p.Commands[i]
}

func (p *Program) unknown(name string) error {
	if program, moved := p.Moved[name]; moved {
		return &UsageError{fmt.Sprintf("%s is a command of %s now", name, program), fmt.Sprintf("run `%s %s`", program, name)}
	}
	var names []string
	aliases := make(map[string]string)
	for _, c := range p.visible() {
		names = append(names, c.Name())
		for _, alias := range c.Aliases {
			aliases[alias] = c.Name()
		}
	}
	hint := p.seeHelp()
	if near := Nearest(name, append(names, "help"), aliases); len(near) > 0 {
		hint = "did you mean " + orOf(near, func(n string) string { return "`" + p.Name + " " + n + "`" }) + "?"
	}
	return &UsageError{fmt.Sprintf("there is no command %q", name), hint}
}

func (p *Program) visible() []*Command {
	return slices.DeleteFunc(slices.Clone(p.Commands), func(c *Command) bool { return c.Hidden })
}

func (p *Program) seeHelp() string { return "see `" + p.Name + " help`" }

func (p *Program) useLine(c *Command) string { return "use: " + p.Name + " " + c.Use }
