package shell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/text"
	"lightningdb/internal/format/key/keytest"
)

// operator types lines, and knows what the shell has to say to each: what it should hold is a map.
type operator struct {
	t      *testing.T
	rng    *rand.Rand
	left   int // lines
	screen *bytes.Buffer
	line   string // the last one
	want   string // what the shell has to say to it
	now    map[string]string
	before map[string]string // the open transaction; nil if none is
	keys   []string
}

// Line implements Input.
func (o *operator) Line(context.Context, string) (string, error) {
	if got := o.screen.String(); got != o.want {
		o.t.Fatalf("%s\nthe shell says:\n%swanted:\n%s", o.line, got, o.want)
	}
	o.screen.Reset()
	if o.left--; o.left < 0 && o.before == nil {
		return "", io.EOF
	}
	o.line, o.want = o.next()
	return o.line, nil
}

// key returns a key, often one that was there before.
func (o *operator) key() string {
	if len(o.keys) > 0 && o.rng.IntN(3) > 0 {
		return o.keys[o.rng.IntN(len(o.keys))]
	}
	dashes := []string{"", "", "", "", "", "-", "--", "--hex="}[o.rng.IntN(8)] // like a flag
	k := dashes + string(keytest.Key(o.rng.IntN))
	o.keys = append(o.keys, k[:min(len(k), lightningdb.MaxKeySize)])
	return o.keys[len(o.keys)-1]
}

// bound returns a key or the beginning of one; never nothing, which the shell takes for no bound.
func (o *operator) bound() string {
	k := o.key()
	if k == "" {
		return "\x00"
	}
	return k[:1+o.rng.IntN(len(k))]
}

// next returns a line, and what the shell has to say to it.
func (o *operator) next() (line, want string) {
	switch n := o.rng.IntN(20); {
	case n < 6:
		k, v := o.key(), string(keytest.Value(o.rng.IntN))
		o.now[k] = v
		return typed("put", k, v), ""
	case n < 8:
		k := o.key()
		if _, there := o.now[k]; !there {
			return typed("delete", k), fmt.Sprintf("error: delete %s: key not found; scan lists keys\n", word(k))
		}
		delete(o.now, k)
		return typed("delete", k), ""
	case n < 11:
		k := o.key()
		if v, there := o.now[k]; there {
			return typed("get", k), shown(v) + "\n"
		}
		return typed("get", k), fmt.Sprintf("error: get %s: key not found; scan lists keys\n", word(k))
	case n < 17:
		return o.scan()
	case n < 18:
		return o.deleteRange(), ""
	case o.before == nil:
		o.before = maps.Clone(o.now)
		return "begin", ""
	case n == 18:
		o.now, o.before = o.before, nil
		return "rollback", ""
	}
	o.before = nil
	return "commit", ""
}

// scan returns a scan or count of a part.
func (o *operator) scan() (line, want string) {
	words, keys := o.part()
	if o.rng.IntN(4) == 0 {
		return typed("count", words...), fmt.Sprintln(len(keys))
	}
	if o.rng.IntN(2) == 0 {
		words = append(words, "reverse")
		slices.Reverse(keys)
	}
	for _, k := range keys {
		want += shown(k) + "\t" + shown(o.now[k]) + "\n"
	}
	return typed("scan", words...), want
}

// part returns words that mean a part of the keys, all of them if there are none, and the keys.
func (o *operator) part() (words, keys []string) {
	prefix, from, to := "", "", ""
	switch o.rng.IntN(4) {
	case 0:
		prefix = o.bound()
		words = append(words, "prefix", prefix)
	case 1:
		from, to = o.bound(), o.bound()
		words = append(words, "from", from, "to", to)
	case 2:
		to = o.bound()
		words = append(words, "to", to)
	}
	for k := range o.now {
		if strings.HasPrefix(k, prefix) && k >= from && (to == "" || k < to) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return words, keys
}

// deleteRange returns a line that removes a part.
func (o *operator) deleteRange() (line string) {
	words, keys := o.part()
	for _, k := range keys {
		delete(o.now, k)
	}
	if len(words) == 0 {
		return "delete --all"
	}
	flags := []byte("delete")
	for i := 0; i < len(words); i += 2 {
		flags = text.AppendWord(append(flags, ' '), []byte("--"+words[i]+"="+words[i+1]))
	}
	return string(flags)
}

// typed is a line of words, none of which is a flag.
func typed(verb string, words ...string) string {
	line := []byte(verb)
	if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "--") }) {
		line = append(line, " --"...)
	}
	for _, w := range words {
		line = text.AppendWord(append(line, ' '), []byte(w))
	}
	return string(line)
}

func shown(s string) string { return string(text.AppendEscaped(nil, []byte(s), "")) }

// Whoever types a key that is no text would get, count or delete others.
func TestShell_agreesWithAMapOverArbitraryBytes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 8 {
		var screen bytes.Buffer
		o := &operator{t: t, rng: rand.New(rand.NewPCG(seed, uint64(round))), left: 120, screen: &screen,
			now: make(map[string]string)}
		s := New(Config{DB: open(t, &lightningdb.Options{}), Out: &screen, Notes: io.Discard, Input: o,
			Stats:  func(io.Writer, bool) error { return nil },
			Failed: func(e *LineError) error { fmt.Fprintf(&screen, "error: %v\n", e.Err); return nil }})
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
