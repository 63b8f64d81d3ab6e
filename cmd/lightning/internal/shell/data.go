package shell

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"lightningdb"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/kv"
)

func (s *Shell) get(ctx context.Context, args []string, o options) error {
	key, err := o.Key(args[0])
	if err != nil {
		return about("get", args[0], err)
	}
	var value []byte
	from, err := s.reader(ctx, o)
	if err == nil {
		value, err = from.Get(key)
	}
	if err != nil {
		return about("get", args[0], err)
	}
	if _, counter := exchange.Counter(value); o.as.Int && !counter {
		return fmt.Errorf("get %s: the value has %d bytes: it is no counter, which has 8", word(args[0]), len(value))
	}
	if o.json {
		sink := o.show().NewSink(s.out)
		return errors.Join(sink.Write(key, value), sink.Flush())
	}
	_, err = s.out.Write(append(o.show().AppendValue(nil, value), '\n'))
	return err
}

// about adds to an error its verb and key, and what to do if the error does not say that.
func about(verb, key string, err error) error {
	switch {
	case errors.Is(err, lightningdb.ErrNotFound):
		return fmt.Errorf("%s %s: %w; scan lists keys", verb, word(key), err)
	case errors.Is(err, lightningdb.ErrNoBucket):
		return fmt.Errorf("%s %s: %w; buckets lists them", verb, word(key), err)
	case errors.Is(err, lightningdb.ErrReadOnlyTx):
		return fmt.Errorf("%s %s: %w; commit, and begin without readonly", verb, word(key), err)
	case errors.Is(err, lightningdb.ErrMerge):
		return fmt.Errorf("%s %s: %w; put or delete it first", verb, word(key), err)
	case errors.Is(err, lightningdb.ErrSnapshotExpired):
		return fmt.Errorf("%s %s: %w; go back with `at now`", verb, word(key), err)
	}
	return fmt.Errorf("%s %s: %w", verb, word(key), err)
}

// change writes keys that o means through fn: as a part of the open transaction, which is rolled back if fn fails, or
// else in a transaction of its own.
func (s *Shell) change(ctx context.Context, o options, fn func(to kv.ReadWriter) error) error {
	return s.update(ctx, func(tx *lightningdb.Tx) error {
		to, err := o.bucket.In(tx)
		if err != nil {
			return err
		}
		return fn(to)
	})
}

// update is change for who needs more than keys.
func (s *Shell) update(ctx context.Context, fn func(tx *lightningdb.Tx) error) error {
	switch {
	case s.tx != nil:
		return s.tx.Update(fn)
	case s.past != nil:
		return errPast
	}
	return s.DB.Update(ctx, fn)
}

func (s *Shell) put(ctx context.Context, args []string, o options) error {
	key, err := o.Key(args[0])
	if err != nil {
		return about("put", args[0], err)
	}
	value, err := o.Bytes("the value", args[1])
	if err == nil {
		err = s.change(ctx, o, func(to kv.ReadWriter) error { return to.Put(key, value) })
	}
	if err != nil {
		return about("put", args[0], err)
	}
	return nil
}

func (s *Shell) delete(ctx context.Context, args []string, o options) error {
	if len(args) == 0 {
		return s.deleteRange(ctx, o)
	}
	if o.all || o.Prefix+o.From+o.To != "" {
		return errors.New("delete: it removes keys or a range, not both at once")
	}
	missing := args[0]
	err := s.change(ctx, o, func(to kv.ReadWriter) error {
		for _, arg := range args {
			missing = arg
			key, err := o.Key(arg)
			if err != nil {
				return err
			}
			if !o.ignoreMissing {
				found, err := to.Has(key)
				if err != nil {
					return err
				}
				if !found {
					return lightningdb.ErrNotFound
				}
			}
			if err := to.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return about("delete", missing, err)
	}
	return nil
}

// deleteRange removes what the flags of delete say.
func (s *Shell) deleteRange(ctx context.Context, o options) error {
	bounds := o.Prefix + o.From + o.To
	switch {
	case o.all == (bounds != ""):
		return errors.New("delete: name keys, or a range by --prefix, or by --from and --to, or give --all")
	case o.Prefix != "" && o.From+o.To != "":
		return errors.New("delete: prefix excludes from and to")
	}
	lo, hi, err := o.Bounds()
	if err == nil {
		err = s.change(ctx, o, func(to kv.ReadWriter) error { return to.DeleteRange(lo, hi) })
	}
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

func (s *Shell) add(ctx context.Context, args []string, o options) error {
	key, err := o.Key(args[0])
	if err != nil {
		return about("add", args[0], err)
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return fmt.Errorf("add %s: %s is not an integer of 64 bits", word(args[0]), word(args[1]))
	}
	var sum int64
	err = s.change(ctx, o, func(to kv.ReadWriter) error {
		before, err := counter(to, key)
		if err != nil {
			return err
		}
		sum = before + n
		return to.Add(key, n)
	})
	if err != nil {
		return about("add", args[0], err)
	}
	if o.json {
		return jsonline.Write(s.out, map[string]int64{"value": sum})
	}
	_, err = fmt.Fprintln(s.out, sum)
	return err
}

// counter reads the counter at key, which is 0 if there is none.
func counter(from kv.Reader, key []byte) (int64, error) {
	value, err := from.Get(key)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return lightningdb.Int64(value)
}
