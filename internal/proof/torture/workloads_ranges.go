package torture

import (
	"context"
	"errors"
	"fmt"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/transaction"
	"lightningdb/internal/tree/manifest"
)

// rangeWorkloads are those about deletes of ranges: what they hide must stay gone, wherever it lies and whatever
// becomes of the tombstones.
func rangeWorkloads() []Workload {
	values := small
	values.LogLimit, values.ValueThreshold = 0, 2500
	return []Workload{
		{Name: "ranges", Stride: 2, Options: small, Prepare: steps(many("k", 0, 30, 40, true), merges(3, true),
			put("", 10, true), (*Session).Flush, many("k", 20, 40, 30, true)), Run: steps((*Session).Open,
			deleteRange("k005", "k010", false), read("k006"), put("k007", 20, false), deleteRange("k006", "k008", true),
			read("k007"), deletePrefix("k01", false), rangesAmid("k02", true), merges(2, false), deleteRange("c", "e", false),
			merges(2, true), read("count"), (*Session).Flush, underSnapshot(steps(deleteRange("", "k003", true),
				put("", 20, false), inTransaction("k03", false), flushStep, put("k012", 2500, false), put("k013", 2500, false),
				deleteRange("k03", "", true))), inTransaction("k00", true), ingest("k", 10, 20, 30),
			deleteRange("k012", "k016", false), compact, read("k011"), read(""), cleanStep, deleteRange("", "", false),
			put("k001", 20, false), merges(1, true), read("list"))},
		{Name: "ranges-shrink", Stride: 2, Options: small, Prepare: shelves(4), Run: steps((*Session).Open,
			deletePrefix("a", false), shrinkSteps, read("a001"), (*Session).Flush, shrinkSteps, cleanStep,
			underSnapshot(steps(deleteRange("b", "c005", false), (*Session).Flush, shrinkSteps, put("b003", 20, false),
				(*Session).Flush, shrinkSteps, cleanStep)), read("b003"), shrinkSteps, cleanStep, deletePrefix("b", true),
			many("d", 3, 9, 30, true), (*Session).Flush, shrinkSteps, (*Session).Close, (*Session).Open,
			deleteRange("", "", false), (*Session).Flush, shrinkSteps, cleanStep, many("a", 0, 5, 30, true), read("a001"))},
		{Name: "ranges-values", Stride: 4, Options: values, Prepare: steps(bulk(0, 9, 3000, true), many("k", 0, 9, 40, true),
			(*Session).Flush, bulk(3, 5, 2600, true), (*Session).Flush, compact, look), Run: steps((*Session).Open,
			deleteRange("v03", "v06", false), (*Session).Flush, underSnapshot(steps(deletePrefix("v0", true),
				putBulk("v04", 9000, false), (*Session).Flush, shrinkSteps, look, verify)), shrinkSteps, compact, shrinkSteps,
			look, cleanStep, look, read("v04"), read("v01"), verify)},
		{Name: "ranges-streams", Stride: 20, Options: values, Prepare: steps(stream("film", filmSize), bulk(0, 3, 3000, true),
			(*Session).Flush), Run: steps((*Session).Open, whileViewed("film", steps(deletePrefix("f", true),
			(*Session).Flush, shrinkSteps, look)), streamMeanwhile("film", filmSize, steps(deleteRange("", "", false),
			put("a", 700, false))), deleteRange("film", "filn", true), read("film"), (*Session).Flush, shrinkSteps, compact,
			cleanStep, look, noLeftovers)},
	}
}

// spanOf is the keys from lo on and before hi, which are spelled; an empty one is open.
func spanOf(lo, hi string) span.Span {
	s := span.Span{Lo: spell(lo)}
	if hi != "" {
		s.Hi = spell(hi)
	}
	return s
}

// deleteRange commits the delete of a range.
func deleteRange(lo, hi string, sync bool) step {
	return func(s *Session) error {
		var b batch.Batch
		b.DeleteRange(spanOf(lo, hi))
		return s.Write(&b, sync)
	}
}

// deletePrefix commits the delete of all keys that begin with p.
func deletePrefix(p string, sync bool) step {
	return func(s *Session) error {
		var b batch.Batch
		b.DeleteRange(span.Prefix(spell(p)))
		return s.Write(&b, sync)
	}
}

// rangesAmid commits one batch that writes under a prefix, deletes that, writes again, and deletes a part of it by two
// ranges that overlap.
func rangesAmid(p string, sync bool) step {
	return func(s *Session) error {
		var b batch.Batch
		for i := range 8 {
			k := fmt.Sprint(p, i)
			b.Put(spell(k), []byte(value(s, k, 20)))
		}
		b.DeleteRange(span.Prefix(spell(p)))
		for i := range 8 {
			k := fmt.Sprint(p, i)
			b.Put(spell(k), []byte(value(s, k, 30+i)))
			b.Merge(operand.Append, spell(k), []byte("+"))
		}
		b.DeleteRange(spanOf(p+"2", p+"5"))
		b.Merge(operand.Append, spell(p+"3"), []byte("-on nothing"))
		b.DeleteRange(spanOf(p+"4", p+"7"))
		b.Put(spell(p+"5"), []byte(value(s, p+"5", 9)))
		return s.Write(&b, sync)
	}
}

// inTransaction commits a transaction that writes under a prefix, deletes a range over that and what was there before,
// and writes into it. If it is large, what it has written is on disk by then, and it is committed by way of tables.
func inTransaction(p string, large bool) step {
	return func(s *Session) error {
		var tx transaction.Tx
		tx.Begin(context.Background(), transaction.Options{Engine: s.Engine})
		defer tx.Rollback()
		b, err := writeRanges(s, &tx, p, large)
		if err != nil {
			return err
		}
		commit := func() (last key.SeqNum, err error) {
			tx.OnCommit(func(seq uint64) { last = key.SeqNum(seq) })
			if err = tx.Commit(func(int) (sync bool, err error) { return true, nil }); err == nil {
				tx.Announce()
			}
			return last, err
		}
		if large {
			return s.commitAtOnce(b, commit)
		}
		return s.commitBy(b, true, commit)
	}
}

// writeRanges writes into tx, twice to disk if it is large, and returns what that comes to.
func writeRanges(s *Session, tx *transaction.Tx, p string, large bool) (*batch.Batch, error) {
	var b batch.Batch
	var errs []error
	both := func(i int, kept bool) {
		k, v := spell(fmt.Sprint(p, i)), []byte(value(s, fmt.Sprint(p, i), 20+i))
		errs = append(errs, tx.Put(k, v))
		if kept {
			b.Put(k, v)
		}
	}
	spill := func() {
		if large {
			errs = append(errs, tx.Spill())
		}
	}
	b.DeleteRange(spanOf(p+"2", p+"6"))
	for i := range 8 {
		both(i, i < 2 || i >= 6)
	}
	spill()
	errs = append(errs, tx.DeleteRange(spanOf(p+"2", p+"6")))
	both(4, false)
	spill()
	errs = append(errs, tx.DeleteRange(spanOf(p+"3", p+"5")))
	both(5, true)
	return &b, errors.Join(errs...)
}

// shelves makes n tables that lie next to each other, each of the keys of one letter, below level 0, and closes.
func shelves(n int) step {
	return func(s *Session) error {
		for i := range n {
			if err := steps(many(string(rune('a'+i)), 0, 9, 40, true), (*Session).Flush, compact)(s); err != nil {
				return err
			}
		}
		return s.Close()
	}
}

// RangeStats count how a session shrank by deletes of ranges. A test of them asserts that there were some.
type RangeStats struct {
	Dropped int // tables that left without being written anew
	Settled int // range tombstones that left
}

// Add adds o to s.
func (s *RangeStats) Add(o RangeStats) {
	s.Dropped += o.Dropped
	s.Settled += o.Settled
}

func (s RangeStats) String() string {
	return fmt.Sprintf("tables_dropped=%d range_tombstones_settled=%d", s.Dropped, s.Settled)
}

// some says that there was some of each.
func (s RangeStats) some() bool { return s.Dropped > 0 && s.Settled > 0 }

// shrinkSteps compacts until nothing is to be done, and counts what left by that.
func shrinkSteps(s *Session) error {
	for {
		before := s.version()
		worked, err := s.Engine.CompactStep()
		if err != nil || !worked {
			return err
		}
		s.shrunk.Add(shrunk(before, s.version()))
	}
}

// shrunk counts what of before is not in after. If after has tables that before had not, those that left are in them.
func shrunk(before, after *manifest.Version) (n RangeStats) {
	had, has := tablesOf(before), tablesOf(after)
	for num := range had {
		if !has[num] {
			n.Dropped++
		}
	}
	for num := range has {
		if !had[num] {
			n.Dropped = 0
		}
	}
	n.Settled = before.Ranges.Len() - after.Ranges.Len()
	return n
}

func tablesOf(v *manifest.Version) map[filename.Num]bool {
	nums := make(map[filename.Num]bool)
	for _, tables := range v.Levels {
		for _, t := range tables {
			nums[t.Num] = true
		}
	}
	return nums
}
