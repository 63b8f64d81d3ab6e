package entries

import (
	"errors"
	"flag"
	"fmt"

	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/exchange"
)

// FormFlags say how entries are written in a file, apart from its name and the flags of encodings.
type FormFlags struct {
	format, values, key, value, delimiter string
}

// Define defines the flags.
func (f *FormFlags) Define(set *flag.FlagSet) {
	set.StringVar(&f.format, "format", "", "how the file is written, `jsonl|csv|tsv` (default: by its name)")
	set.StringVar(&f.values, "values", "", "JSON Lines: what values are, `text|json` (default: text)")
	set.StringVar(&f.key, "key-column", "", "CSV: `NAME` of the column of keys (default: key)")
	set.StringVar(&f.value, "value-column", "", "CSV: `NAME` of the column of values (default: value)")
	set.StringVar(&f.delimiter, "delimiter", "", "CSV: the `CHARACTER` between columns, \\t for a tab (default: a comma)")
}

// Form is how the file of that name is written, by the flags and by its name.
func (f *FormFlags) Form(path string, enc Encoding) (exchange.Form, error) {
	form := exchange.FormOf(path)
	if path == "" {
		return form, console.Usage(errors.New("the name of the file is empty"), `name a file, or "-"`)
	}
	if f.format != "" {
		format, err := exchange.FormatNamed(f.format)
		if err != nil {
			return form, console.Usage(err, "use --format jsonl, --format csv or --format tsv")
		}
		form.Format = format
	}
	form.Encoding, form.KeyColumn, form.ValueColumn, form.JSONValues = enc.Of(), f.key, f.value, f.values == "json"
	lines, columns := form.Format == exchange.JSONLines, f.key != "" || f.value != "" || f.delimiter != ""
	switch {
	case f.values != "" && f.values != "json" && f.values != "text":
		return form, console.Usage(fmt.Errorf("there are no values %q", f.values),
			"use --values text or --values json")
	case form.JSONValues && !lines:
		return form, console.Usage(errors.New("--values json is for JSON Lines"),
			"leave it out: CSV carries JSON as any other text")
	case columns && lines:
		return form, console.Usage(errors.New("JSON Lines have no columns"), "add --format csv or --format tsv")
	case f.delimiter != "":
		return form, f.setDelimiter(&form)
	}
	return form, nil
}

func (f *FormFlags) setDelimiter(form *exchange.Form) error {
	text := f.delimiter
	if text == `\t` {
		text = "\t"
	}
	if len(text) != 1 || text == `"` || text == "\n" || text == "\r" || text[0] >= 0x80 {
		return console.Usage(fmt.Errorf("%q cannot stand between columns", f.delimiter),
			`give one ASCII character, or \t`)
	}
	form.Delimiter = text[0]
	return nil
}
