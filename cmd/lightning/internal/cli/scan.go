package cli

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/cmd/lightning/internal/text"
)

// selector chooses a range of keys. The texts are written as the encoding flags say.
type selector struct {
	encodingFlags
	prefix, from, to string
}

// selectorExclusive are the pairs of flags that contradict each other.
var selectorExclusive = append([][2]string{{"prefix", "from"}, {"prefix", "to"}}, encodingExclusive...)

func (s *selector) define(f *flag.FlagSet) {
	s.encodingFlags.define(f)
	f.StringVar(&s.prefix, "prefix", "", "only keys that begin with `KEY`")
	f.StringVar(&s.from, "from", "", "only keys at or after `KEY`")
	f.StringVar(&s.to, "to", "", "only keys before `KEY`")
}

// bounds are the selected keys [lo, hi); nil means no bound. An empty text bounds nothing: no key is before it.
func (s *selector) bounds() (lo, hi []byte, err error) {
	if s.prefix != "" {
		prefix, err := s.bytes("--prefix", s.prefix)
		return prefix, prefixEnd(prefix), err
	}
	if s.from != "" {
		if lo, err = s.bytes("--from", s.from); err != nil {
			return nil, nil, err
		}
	}
	if s.to != "" {
		if hi, err = s.bytes("--to", s.to); err != nil {
			return nil, nil, err
		}
	}
	return lo, hi, nil
}

// prefixEnd is the first key after all that begin with prefix, or nil if there is none.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

func (a *app) scanCommand() *command.Command {
	var s selector
	var reverse, keysOnly bool
	var limit int
	cmd := &command.Command{
		Use:     "scan DIR [--prefix P | --from A --to B]",
		Aliases: []string{"ls", "list", "keys", "range", "iterate", "find", "entries", "all"},
		Short:   "List entries in key order",
		Help: `scan writes one line per entry, in key order: the key, a tab and the value. Unprintable bytes,
tabs, line breaks and backslashes are escaped as in Go (\xff, \t, \n, \\), so that a line is
always one entry. With --hex or --base64 both sides are encoded; with --json every line is an
object that import reads back. Keys are compared as bytes.`,
		MinArgs: 1, MaxArgs: 1,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		lo, hi, err := s.bounds()
		if err != nil {
			return err
		}
		if limit < 0 || limit == 0 && cmd.Given("limit") {
			return console.Usage(fmt.Errorf("--limit %d lists nothing", limit), "give a number above zero")
		}
		return a.read(args[0], func(db *lightningdb.DB) error {
			entries := db.Range(lo, hi)
			if reverse {
				entries = entries.Reverse()
			}
			if limit > 0 {
				entries = entries.Limit(limit)
			}
			return a.writeEntries(ctx, entries, s.encoding(), keysOnly)
		})
	}
	cmd.Exclusive = selectorExclusive
	cmd.Flags = func(f *flag.FlagSet) {
		s.define(f)
		f.BoolVar(&reverse, "reverse", false, "last key first")
		f.IntVar(&limit, "limit", 0, "stop after `N` entries")
		f.BoolVar(&keysOnly, "keys-only", false, "write no values")
	}
	return cmd
}

// entrySink writes listed entries or keys.
type entrySink interface {
	Write(key, value []byte) error
	WriteKey(key []byte) error
	Flush() error
}

func (a *app) writeEntries(ctx context.Context, entries *lightningdb.Range, enc exchange.Encoding,
	keysOnly bool) error {
	var sink entrySink = &textSink{out: bufio.NewWriterSize(a.Stdout, 64<<10), encoding: enc}
	if a.JSON {
		sink = exchange.NewJSONWriter(a.Stdout, exchange.Form{Encoding: enc})
	}
	var err error
	if keysOnly {
		err = eachKey(ctx, entries, sink.WriteKey)
	} else {
		err = eachEntry(ctx, entries, sink.Write)
	}
	return errors.Join(err, sink.Flush())
}

// patience is how many entries a loop handles between two looks at its context.
const patience = 1000

// eachEntry calls f for every entry, until it fails or ctx ends.
func eachEntry(ctx context.Context, entries *lightningdb.Range, f func(key, value []byte) error) error {
	n := 0
	for key, value := range entries.All() {
		if n%patience == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n++
		if err := f(key, value); err != nil {
			return err
		}
	}
	return entries.Err()
}

// eachKey is eachEntry without the values.
func eachKey(ctx context.Context, entries *lightningdb.Range, f func(key []byte) error) error {
	n := 0
	for key := range entries.Keys() {
		if n%patience == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n++
		if err := f(key); err != nil {
			return err
		}
	}
	return entries.Err()
}

// textSink writes lines for people and line tools.
type textSink struct {
	out      *bufio.Writer
	encoding exchange.Encoding
	line     []byte
}

func (t *textSink) Write(key, value []byte) error {
	t.line = t.append(append(t.append(t.line[:0], key), '\t'), value)
	return t.endLine()
}

func (t *textSink) WriteKey(key []byte) error {
	t.line = t.append(t.line[:0], key)
	return t.endLine()
}

func (t *textSink) Flush() error { return t.out.Flush() }

func (t *textSink) endLine() error {
	t.line = append(t.line, '\n')
	_, err := t.out.Write(t.line)
	return err
}

func (t *textSink) append(dst, b []byte) []byte {
	if t.encoding == exchange.Text {
		return text.AppendEscaped(dst, b, "")
	}
	return append(dst, t.encoding.Encode(b)...)
}

func (a *app) countCommand() *command.Command {
	var s selector
	cmd := &command.Command{
		Use:     "count DIR [--prefix P | --from A --to B]",
		Aliases: []string{"len", "length", "wc"},
		Short:   "Count entries",
		Help:    `count writes the number of entries, all or of a range. It reads every key: nothing is estimated.`,
		MinArgs: 1, MaxArgs: 1,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		lo, hi, err := s.bounds()
		if err != nil {
			return err
		}
		return a.read(args[0], func(db *lightningdb.DB) error {
			n, err := a.count(ctx, db, lo, hi)
			if err != nil {
				return err
			}
			if a.JSON {
				return jsonline.Write(a.Stdout, map[string]int64{"count": n})
			}
			_, err = fmt.Fprintln(a.Stdout, n)
			return err
		})
	}
	cmd.Flags, cmd.Exclusive = s.define, selectorExclusive
	return cmd
}

func (a *app) count(ctx context.Context, db *lightningdb.DB, lo, hi []byte) (int64, error) {
	var done meter
	line := progress.Start(a.Screen(), "count", done.sample)
	defer line.Stop()
	err := eachKey(ctx, db.Range(lo, hi), func([]byte) error { done.entries.Add(1); return nil })
	return done.entries.Load(), err
}
