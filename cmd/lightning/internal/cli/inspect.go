package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/findings"
	"lightningdb/cmd/lightning/internal/text"
)

func (a *app) inspectCommand() *command.Command {
	var keys bool
	var page, record int
	cmd := &command.Command{
		Use:   "inspect FILE",
		Short: "Show what is in one file of a database",
		Help: `inspect shows what a file of a database says: the properties and leaf pages of a table, the commits of a log
segment, the edits of a manifest, CURRENT, STATUS, LOCK. It looks at this file alone, goes on behind damage, and
changes nothing. It exits with 5 if something is damaged: of a table it reads everything, but values in other files.

In JSON the keys of entries are base64. What files, pages and edits say of their keys is text: quoted, and
shortened if it is long.`,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(f *flag.FlagSet) {
			f.IntVar(&page, "page", 0, "only leaf page `N` of a table, from 1")
			f.IntVar(&record, "record", 0, "only record `N` of a log segment or manifest, from 1")
			f.BoolVar(&keys, "keys", false, "show the entries of pages and commits, without their values")
		},
		Exclusive: [][2]string{{"page", "record"}},
	}
	cmd.Run = func(_ context.Context, args []string) error {
		if cmd.Given("page") && page < 1 || cmd.Given("record") && record < 1 {
			return console.Usage(errors.New("pages and records are numbered from 1"), "leave it out for all")
		}
		c, err := lightningdb.Inspect(args[0], lightningdb.InspectOptions{Part: max(page, record), Keys: keys})
		switch {
		case err != nil:
			return err
		case record > 0 && c.Kind == "table":
			return console.Usage(errors.New("a table has pages, and no records"), "use --page")
		case page > 0 && c.Kind != "table":
			return console.Usage(fmt.Errorf("%s has no pages: it is a %s", c.File, c.Kind), "use --record")
		}
		damage := len(c.Damage)
		if a.JSON {
			err = jsonline.Write(a.Stdout, c)
		} else {
			_, err = a.Stdout.Write(appendContents(nil, c))
		}
		if err == nil && damage > 0 {
			err = findings.Corrupt("inspect: " + units.Plural(damage, "damaged place"))
		}
		return err
	}
	return cmd
}

// appendContents appends c as text: a line for the file, for each of its fields, for each part, key and damage.
func appendContents(dst []byte, c *lightningdb.InspectReport) []byte {
	dst = fmt.Appendf(dst, "%s: %s, %d bytes\n", c.File, c.Kind, c.Bytes)
	for _, f := range c.Fields {
		dst = fmt.Appendf(dst, "  %s: %s\n", f.Name, f.Value)
	}
	for _, p := range c.Parts {
		var fields []string
		for _, f := range p.Fields {
			fields = append(fields, f.Name+" "+f.Value)
		}
		dst = fmt.Appendf(dst, "%s %d at offset %d: %s\n", p.What, p.Number, p.Offset, strings.Join(fields, ", "))
		for _, k := range p.Keys {
			dst = fmt.Appendf(dst, "  %d %s %d bytes ", k.Sequence, k.Kind, k.Bytes)
			dst = text.AppendEscaped(dst, k.Key, "")
			if v := k.Value; v != nil {
				dst = fmt.Appendf(dst, " in %s at offset %d", cmp.Or(v.File, "a file that is not known"), v.Offset)
			}
			dst = append(dst, '\n')
		}
	}
	for _, d := range c.Damage {
		dst = fmt.Appendf(dst, "damaged: %s\n", d)
	}
	return dst
}
