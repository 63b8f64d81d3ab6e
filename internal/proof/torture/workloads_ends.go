package torture

import (
	"fmt"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs/memfs"
)

// endWorkloads are those about entries that end, with a clock that is set both ways: what has ended must stay gone, by
// whichever way it is stored, and what has not must stay there, whatever comes between.
func endWorkloads() []Workload {
	values := small
	values.LogLimit, values.ValueThreshold = 0, 2500
	alone := small
	alone.Followers = false
	return []Workload{
		{Name: "ends", Stride: 2, Options: small, Prepare: steps(manyUntil("k", 0, 30, 40, time.Hour), mergesUntil(time.Hour),
			(*Session).Flush, manyUntil("k", 20, 40, 30, time.Minute), many("k", 35, 45, 30, true)), Run: steps(
			(*Session).Open, putUntil("k001", 20, 1, false), read("k001"), pass(1), read("k001"),
			putUntil("k002", 20, 0, false), read("k002"), putUntil("k003", 20, -time.Hour, true), read("k003"),
			merges(1, false), pass(time.Minute), read("k021"), pass(-2*time.Hour), read("k021"),
			manyUntil("k", 18, 24, 20, 3*time.Hour), underSnapshot(steps(pass(4*time.Hour), merges(2, true), read("count"),
				(*Session).Flush, deleteRange("k02", "k022", false), putUntil("k020", 2500, time.Second, false), compact,
				pass(time.Second), put("k021", 20, false), putUntil("k021", 20, 0, true))), read("list"), compact, cleanStep,
			ingestUntil("k", 10, 20, 30, time.Hour), read("k011"), pass(time.Hour), read("k011"), mergesUntil(time.Hour),
			merges(1, true), pass(time.Hour-1), read("digest"), pass(1), read("digest"))},
		{Name: "ends-reopened", Options: small, Prepare: steps(manyUntil("k", 0, 9, 40, time.Hour), (*Session).Flush,
			manyUntil("m", 0, 9, 40, time.Minute)), Run: steps(
			cycle(steps(pass(time.Minute), read("m001"))), pass(-time.Hour), cycle(read("m001")), pass(10*365*24*time.Hour),
			cycle(steps(read("k001"), putUntil("a", 20, time.Hour, false))), pass(-20*365*24*time.Hour), (*Session).Open,
			read("a"), read("k001"), putUntil("b", 20, time.Hour, true), read("b"), compactSteps, cleanStep)},
		{Name: "ends-of-recovery", Options: small, Prepare: steps(mixture, manyUntil("k", 0, 9, 900, time.Hour),
			pass(time.Hour-1), mergesUntil(1), put("a", 900, false)), Ends: End{true, memfs.Random, 3}, Run: steps(openAndRead,
			pass(1), putUntil("b", 10, 1, true), read("k001"), merges(1, false), (*Session).Close, openAndRead)},
		{Name: "ends-without-a-page", Options: alone, Prepare: manyUntil("k", 0, 9, 40, time.Hour), Run: steps(
			(*Session).Open, pass(time.Hour), read("k001"), putUntil("a", 2500, 1, false), putUntil("b", 2500, time.Hour, true),
			pass(time.Minute), flushStep, putUntil("c", 2500, time.Minute, false), put("d", 2500, false), pass(time.Hour),
			read("b"), read("c"), flushStep, cleanStep)},
		{Name: "ends-values", Stride: 4, Options: values, Prepare: steps(manyUntil("v", 0, 6, 4000, time.Hour),
			(*Session).Flush, manyUntil("v", 4, 9, 3000, time.Minute), (*Session).Flush, compact, look), Run: steps(
			(*Session).Open, pass(time.Minute), read("v005"), putUntil("v006", 9000, time.Hour, false), (*Session).Flush,
			underSnapshot(steps(pass(time.Hour), putUntil("v001", 5000, 1, true), compact, look, cleanStep, compactSteps, look,
				verify)), read("v001"), pass(1), read("v001"), read("v006"), compact, compactSteps, look, cleanStep, verify)},
	}
}

// pass sets the clock forward by d, or back.
func pass(d time.Duration) step {
	return func(s *Session) error {
		s.SetClock(s.History.Wall() + key.Time(d))
		return nil
	}
}

// in is the time at which the clock shows d more than now.
func in(s *Session, d time.Duration) key.Time { return s.History.Wall() + key.Time(d) }

// putUntil puts n bytes that end when d has passed.
func putUntil(k string, n int, d time.Duration, sync bool) step {
	return func(s *Session) error {
		var b batch.Batch
		b.PutUntil(spell(k), []byte(value(s, k, n)), in(s, d))
		return s.Write(&b, sync)
	}
}

// manyUntil commits the operations of many, of which all but each third put ends when d has passed.
func manyUntil(prefix string, from, to, n int, d time.Duration) step {
	return func(s *Session) error { return s.Write(operationsUntil(s, prefix, from, to, n, d), true) }
}

// ingestUntil commits the operations of manyUntil by way of tables.
func ingestUntil(prefix string, from, to, n int, d time.Duration) step {
	return func(s *Session) error { return s.Ingest(operationsUntil(s, prefix, from, to, n, d)) }
}

func operationsUntil(s *Session, prefix string, from, to, n int, d time.Duration) *batch.Batch {
	var b batch.Batch
	for i := from; i < to; i++ {
		k := fmt.Sprintf("%s%03d", prefix, i)
		switch v := []byte(value(s, k, n)); {
		case i%5 == 4:
			b.Delete(spell(k))
		case i%3 == 2:
			b.Put(spell(k), v)
		default:
			b.PutUntil(spell(k), v, in(s, d)+key.Time(i%2))
		}
	}
	return &b
}

// mergesUntil puts what merges merge to, until d has passed, and merges to it in the same commit.
func mergesUntil(d time.Duration) step {
	return func(s *Session) error {
		var b batch.Batch
		b.PutUntil(spell("count"), operand.AppendInt64(nil, 1000), in(s, d))
		b.PutUntil(spell("list"), []byte("lease;"), in(s, d))
		b.PutUntil(spell("digest"), []byte("lease"), in(s, d))
		b.Merge(operand.Add, spell("count"), operand.AppendInt64(nil, 1))
		b.Merge(operand.Append, spell("list"), []byte("held;"))
		b.Merge(operand.User, spell("digest"), []byte("held"))
		return s.Write(&b, true)
	}
}
