package shell

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/lightning/internal/entries"
)

// verb is what a line begins with.
type verb struct {
	name, args string
	does       string
	min, max   int                               // words behind it, without flags
	flags      func(o *options, f *flag.FlagSet) // nil for none: then every word is an argument
	run        func(s *Shell, ctx context.Context, args []string, o options) error
}

// unlimited is a verb's max.
const unlimited = 1 << 30

// options hold the flags of a line. They have the names of the flags of commands.
type options struct {
	entries.Range
	bucket        entries.Bucket
	as            entries.As
	json          bool
	reverse       bool
	keysOnly      bool
	ignoreMissing bool
	all           bool // everything, of delete
	recursive     bool // buckets in buckets, too
	limit         int  // 0 if not told
}

func (o *options) show() entries.Show {
	return entries.Show{Encoding: o.Of(), Counters: o.as.Int, JSON: o.json}
}

// The flags of verbs.
func keyFlags(o *options, f *flag.FlagSet) {
	o.Encoding.Define(f)
	o.bucket.Define(f)
}

// rangeFlags are keyFlags of verbs with a range.
func rangeFlags(o *options, f *flag.FlagSet) {
	o.Range.Define(f)
	o.bucket.Define(f)
}

func jsonFlag(o *options, f *flag.FlagSet) {
	f.BoolVar(&o.json, "json", o.json, "write the result as JSON")
}

func getFlags(o *options, f *flag.FlagSet) {
	keyFlags(o, f)
	o.as.Define(f)
	jsonFlag(o, f)
}

func deleteFlags(o *options, f *flag.FlagSet) {
	rangeFlags(o, f)
	f.BoolVar(&o.all, "all", false, "remove everything")
	f.BoolVar(&o.ignoreMissing, "ignore-missing", false, "keys that do not exist are no error")
}

func addFlags(o *options, f *flag.FlagSet) {
	keyFlags(o, f)
	jsonFlag(o, f)
}

func countFlags(o *options, f *flag.FlagSet) {
	rangeFlags(o, f)
	jsonFlag(o, f)
}

func scanFlags(o *options, f *flag.FlagSet) {
	countFlags(o, f)
	o.as.Define(f)
	f.BoolVar(&o.reverse, "reverse", false, "last key first")
	f.IntVar(&o.limit, "limit", 0, "stop after `N` entries")
	f.BoolVar(&o.keysOnly, "keys-only", false, "write no values")
}

func recursiveFlag(o *options, f *flag.FlagSet) {
	f.BoolVar(&o.recursive, "recursive", false, "the buckets in it, too")
}

func bucketsFlags(o *options, f *flag.FlagSet) {
	recursiveFlag(o, f)
	jsonFlag(o, f)
}

// verbs lists all of them, in the order of help.
func verbs() []verb {
	return []verb{
		{"get", "KEY", "write the value of a key", 1, 1, getFlags, (*Shell).get},
		{"put", "KEY VALUE", "set a key", 2, 2, keyFlags, (*Shell).put},
		{"delete", "KEY... | --prefix P ...", "remove keys, all or none, or a range", 0, unlimited,
			deleteFlags, (*Shell).delete},
		{"add", "KEY N", "add to a counter, and write its sum", 2, 2, addFlags, (*Shell).add},
		{"scan", "[RANGE] [limit N] [reverse] [keys]", "list entries in key order", 0, 9, scanFlags, (*Shell).scan},
		{"count", "[RANGE]", "count entries", 0, 4, countFlags, (*Shell).count},
		{"use", "PATH | /", "have lines look in a bucket, or the root", 1, 1, nil, (*Shell).use},
		{"buckets", "[PATH]", "list the buckets in it, or in the root", 0, 1, bucketsFlags, (*Shell).buckets},
		{"bucket", "create|drop PATH | move PATH TO", "make, remove or move one", 2, 3, recursiveFlag,
			(*Shell).changeBuckets},
		{"begin", "[readonly | snapshot-isolation]", "begin a transaction", 0, 1, nil, (*Shell).begin},
		{"commit", "", "write what the transaction did", 0, 0, nil, (*Shell).commit},
		{"rollback", "[to NAME]", "drop it, or what came after NAME", 0, 2, nil, (*Shell).rollback},
		{"savepoint", "NAME", "mark a place to roll back to", 1, 1, nil, (*Shell).savepoint},
		{"snapshot", "[NAME]", "keep the present state, for `at`", 0, 1, nil, (*Shell).snapshot},
		{"snapshots", "", "list what is kept", 0, 0, jsonFlag, (*Shell).listSnapshots},
		{"release", "NAME", "keep a snapshot no longer", 1, 1, nil, (*Shell).release},
		{"at", "SEQUENCE | NAME | now", "read the state at a commit or snapshot", 1, 1, nil, (*Shell).at},
		{"stats", "", "show levels, memory and log", 0, 0, jsonFlag, (*Shell).stats},
		{"help", "[VERB]", "list the verbs, or the flags of one", 0, 1, nil, (*Shell).help},
		{"exit", "", "leave", 0, 0, nil, (*Shell).exit},
	}
}

// others are other names of verbs.
var others = map[string]string{"quit": "exit", "?": "help"}

func (v *verb) use() string {
	if v.args == "" {
		return v.name
	}
	return v.name + " " + v.args
}

// flagSet is the verb's flags, which fill o.
func (v *verb) flagSet(o *options) *flag.FlagSet {
	set := flag.NewFlagSet(v.name, flag.ContinueOnError)
	if v.flags != nil {
		v.flags(o, set)
	}
	return set
}

// find returns the verb of that name.
func find(name string) (verb, error) {
	all := verbs()
	if other, ok := others[name]; ok {
		name = other
	}
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == name })
	if i >= 0 {
		return all[i], nil
	}
	meant := map[string]string{"q": "exit", "bye": "exit", "abort": "rollback", "start": "begin", "h": "help"}
	for _, v := range all {
		for _, word := range entries.Synonyms[v.name] {
			meant[word] = v.name
		}
	}
	if near := command.Nearest(name, verbNames(), meant); len(near) > 0 {
		return verb{}, fmt.Errorf("there is no verb %s; did you mean %s?", word(name), strings.Join(near, " or "))
	}
	return verb{}, fmt.Errorf("there is no verb %s; see help", word(name))
}

// parse takes the flags out of the words behind the verb. A flag begins with two dashes, so that -1 is a number and -k
// a key; what stands behind "--" is never a flag.
func (v *verb) parse(words []string, o *options) (args []string, err error) {
	if v.flags == nil {
		return words, nil
	}
	set := v.flagSet(o)
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch {
		case w == "--":
			return append(args, words...), nil
		case !strings.HasPrefix(w, "--"):
			args = append(args, w)
			continue
		}
		name, value, given := strings.Cut(w[2:], "=")
		f := set.Lookup(name)
		if f == nil {
			return nil, v.unknownFlag(set, name)
		}
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() && !given {
			value, given = "true", true
		}
		if !given {
			if len(words) == 0 {
				return nil, fmt.Errorf("%s: --%s needs a word behind it", v.name, name)
			}
			value, words = words[0], words[1:]
		}
		if err := f.Value.Set(value); err != nil {
			return nil, fmt.Errorf("%s: --%s %s: %w", v.name, name, word(value), err)
		}
	}
	return args, nil
}

func (v *verb) unknownFlag(set *flag.FlagSet, name string) error {
	hint := "`--` stands before a word that begins so"
	if near := command.Nearest(name, flagNames(set), nil); len(near) > 0 {
		hint = "did you mean --" + strings.Join(near, " or --") + "?"
	}
	return fmt.Errorf("%s: there is no flag --%s; %s", v.name, word(name), hint)
}

func flagNames(set *flag.FlagSet) (names []string) {
	set.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

const helpWords = `
RANGE is prefix P, or from A, to B or both: keys at or after A and before B.
get, put, delete, add, scan and count have the flags of the commands, like
--hex, --prefix P and --json; help VERB lists them. PATH is the names of
buckets with "/" between them; in a name "/" is \/, in quotes: 'a\/b'.
A word with blanks stands in "double" or 'single' quotes. Outside of single
quotes \n, \xff and the other escapes of Go are read, as get and scan write
them. quit is exit, and ? is help.`

func (s *Shell) help(_ context.Context, args []string, _ options) error {
	if len(args) == 1 {
		v, err := find(args[0])
		if err != nil {
			return err
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%s: %s\n", v.use(), v.does)
		v.flagSet(new(options)).VisitAll(func(f *flag.Flag) {
			value, usage := flag.UnquoteUsage(f)
			command.Describe(&text, strings.TrimSpace("--"+f.Name+" "+value), usage, 16)
		})
		_, err = s.out.WriteString(text.String())
		return err
	}
	for _, v := range verbs() {
		fmt.Fprintf(s.out, "  %-39s %s\n", v.use(), v.does)
	}
	_, err := fmt.Fprintln(s.out, strings.TrimPrefix(helpWords, "\n"))
	return err
}

func (s *Shell) stats(ctx context.Context, _ []string, o options) error {
	if err := s.refresh(ctx); err != nil {
		return fmt.Errorf("stats: %w", err)
	}
	return s.Stats(s.out, o.json)
}

func (s *Shell) exit(context.Context, []string, options) error {
	if s.tx != nil {
		return errTxOpen
	}
	return errExit
}
