package shell

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/text"
)

// span is what a scan is told.
type span struct {
	prefix, from, to []byte // empty for no bound
	limit            int    // 0 if not told
	reverse, keys    bool
}

// parseSpan reads the words behind scan and count.
func parseSpan(args []string) (sp span, err error) {
	for len(args) > 0 {
		name := args[0]
		args = args[1:]
		switch name {
		case "reverse":
			sp.reverse = true
			continue
		case "keys":
			sp.keys = true
			continue
		case "prefix", "from", "to", "limit":
		default:
			return span{}, fmt.Errorf("%s is none of prefix, from, to, limit, reverse and keys", word(name))
		}
		if len(args) == 0 {
			return span{}, fmt.Errorf("%s needs a word behind it", name)
		}
		if err := sp.set(name, args[0]); err != nil {
			return span{}, err
		}
		args = args[1:]
	}
	if len(sp.prefix) > 0 && len(sp.from)+len(sp.to) > 0 {
		return span{}, errors.New("prefix excludes from and to")
	}
	return sp, nil
}

func (sp *span) set(name, value string) error {
	switch name {
	case "prefix":
		sp.prefix = []byte(value)
	case "from":
		sp.from = []byte(value)
	case "to":
		sp.to = []byte(value)
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			return fmt.Errorf("limit %s is not a number above zero", word(value))
		}
		sp.limit = n
	}
	return nil
}

// entries are those of the span, in its order.
func (s *Shell) entries(sp span) *lightningdb.Range {
	var entries *lightningdb.Range
	if len(sp.prefix) > 0 {
		entries = s.reader().Prefix(sp.prefix)
	} else {
		entries = s.reader().Range(bound(sp.from), bound(sp.to))
	}
	if sp.reverse {
		entries = entries.Reverse()
	}
	return entries
}

// bound is a bound as Range takes it, where nil is none.
func bound(key []byte) []byte {
	if len(key) == 0 {
		return nil
	}
	return key
}

func (s *Shell) scan(ctx context.Context, args []string) error {
	sp, err := parseSpan(args)
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	if sp.limit == 0 {
		sp.limit = s.Limit
	}
	entries := s.entries(sp)
	if sp.limit > 0 {
		entries = entries.Limit(sp.limit + 1) // one more tells that there are more
	}
	next, err := s.list(ctx, entries, sp)
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	if next == nil {
		return nil
	}
	return s.note("the first %d; the next key is %s; limit N shows more", sp.limit, word(string(next)))
}

// list writes the entries up to the limit, and returns the key behind it.
func (s *Shell) list(ctx context.Context, entries *lightningdb.Range, sp span) (next []byte, err error) {
	var line []byte
	n := 0
	err = eachKey(ctx, entries, sp.keys, func(key, value []byte) error {
		if n++; sp.limit > 0 && n > sp.limit {
			next = append([]byte{}, key...)
			return nil
		}
		line = text.AppendEscaped(line[:0], key, "")
		if !sp.keys {
			line = text.AppendEscaped(append(line, '\t'), value, "")
		}
		_, err := s.out.Write(append(line, '\n'))
		return err
	})
	return next, err
}

// eachKey calls f for every entry until it fails or ctx ends, with a nil value if only keys are wanted.
func eachKey(ctx context.Context, entries *lightningdb.Range, keysOnly bool, f func(key, value []byte) error) error {
	const patience = 1000 // entries between two looks at the context
	n := 0
	step := func(key, value []byte) error {
		if n++; n%patience == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return f(key, value)
	}
	if keysOnly {
		for key := range entries.Keys() {
			if err := step(key, nil); err != nil {
				return err
			}
		}
		return entries.Err()
	}
	for key, value := range entries.All() {
		if err := step(key, value); err != nil {
			return err
		}
	}
	return entries.Err()
}

func (s *Shell) count(ctx context.Context, args []string) error {
	sp, err := parseSpan(args)
	if err == nil && (sp.limit > 0 || sp.reverse || sp.keys) {
		err = errors.New("only prefix, from and to make sense")
	}
	n := 0
	if err == nil {
		err = eachKey(ctx, s.entries(sp), true, func(_, _ []byte) error { n++; return nil })
	}
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	_, err = fmt.Fprintln(s.out, n)
	return err
}
