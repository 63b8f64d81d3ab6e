package shell

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"lightningdb"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning/internal/entries"
)

// parseRange reads the words behind scan and count into o, which has what the flags say.
func parseRange(args []string, o *options) error {
	for len(args) > 0 {
		name := args[0]
		args = args[1:]
		switch name {
		case "reverse":
			o.reverse = true
			continue
		case "keys":
			o.keysOnly = true
			continue
		case "prefix", "from", "to", "limit":
		default:
			return fmt.Errorf("%s is none of prefix, from, to, limit, reverse and keys", word(name))
		}
		if len(args) == 0 {
			return fmt.Errorf("%s needs a word behind it", name)
		}
		if err := o.set(name, args[0]); err != nil {
			return err
		}
		args = args[1:]
	}
	if o.limit < 0 {
		return fmt.Errorf("limit %d is not a number above zero", o.limit)
	}
	if o.Prefix != "" && o.From+o.To != "" {
		return errors.New("prefix excludes from and to")
	}
	return nil
}

func (o *options) set(name, value string) error {
	switch name {
	case "prefix":
		o.Prefix = value
	case "from":
		o.From = value
	case "to":
		o.To = value
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			return fmt.Errorf("limit %s is not a number above zero", word(value))
		}
		o.limit = n
	}
	return nil
}

// found are the entries that o means, in its order.
func (s *Shell) found(ctx context.Context, o options) (*lightningdb.Range, error) {
	lo, hi, err := o.Bounds()
	if err != nil {
		return nil, err
	}
	from, err := s.reader(ctx, o)
	if err != nil {
		return nil, err
	}
	all := from.Range(lo, hi)
	if o.reverse {
		all = all.Reverse()
	}
	return all, nil
}

func (s *Shell) scan(ctx context.Context, args []string, o options) error {
	err := parseRange(args, &o)
	var all *lightningdb.Range
	if err == nil {
		all, err = s.found(ctx, o)
	}
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	if o.limit == 0 {
		o.limit = s.Limit
	}
	if o.limit > 0 {
		all = all.Limit(o.limit + 1) // one more tells that there are more
	}
	next, err := s.list(ctx, all, o)
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	if next == nil {
		return nil
	}
	return s.note("the first %d; the next key is %s; limit N shows more", o.limit, word(o.Of().Encode(next)))
}

// list writes the entries up to the limit, and returns the key behind it.
func (s *Shell) list(ctx context.Context, all *lightningdb.Range, o options) (next []byte, err error) {
	sink := o.show().NewSink(s.out)
	n := 0
	err = entries.Each(ctx, all, o.keysOnly, func(key, value []byte) error {
		if n++; o.limit > 0 && n > o.limit {
			next = append([]byte{}, key...)
			return nil
		}
		if o.keysOnly {
			return sink.WriteKey(key)
		}
		return sink.Write(key, value)
	})
	return next, errors.Join(err, sink.Flush())
}

func (s *Shell) count(ctx context.Context, args []string, o options) error {
	err := parseRange(args, &o)
	if err == nil && (o.limit > 0 || o.reverse || o.keysOnly) {
		err = errors.New("only prefix, from and to make sense")
	}
	var all *lightningdb.Range
	if err == nil {
		all, err = s.found(ctx, o)
	}
	n := int64(0)
	if err == nil {
		const keysOnly = true
		err = entries.Each(ctx, all, keysOnly, func(_, _ []byte) error { n++; return nil })
	}
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	if o.json {
		return jsonline.Write(s.out, map[string]int64{"count": n})
	}
	_, err = fmt.Fprintln(s.out, n)
	return err
}
