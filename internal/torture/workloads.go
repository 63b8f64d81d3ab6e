package torture

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lightningdb/internal/batch"
	"lightningdb/internal/codec"
	"lightningdb/internal/engine"
	"lightningdb/internal/operand"
	"lightningdb/internal/vfs/memfs"
)

// small makes things happen after few kilobytes.
var small = engine.Options{LogLimit: 12 << 10, PageSize: 512, MemoryLimit: engine.MinMemoryLimit, Poison: true}

// CrashWorkloads are the workloads of the systematic crash test: each thing that an engine does to its directory,
// small enough to be interrupted everywhere.
func CrashWorkloads() []Workload {
	tiny := small
	tiny.Codec = codec.By(codec.S2)
	return []Workload{
		{Name: "create", Options: small, Run: steps((*Session).Open, (*Session).Close)},
		{Name: "one-commit", Options: small, Prepare: nothing, Run: steps((*Session).Open, put("a", 10, true), read("a"))},
		{Name: "three-commits", Options: small, Prepare: put("a", 10, true), Run: steps((*Session).Open,
			put("a", 20, true), read("a"), put("b", 700, true), put("a", 30, true), read("a"))},
		{Name: "large-batch", Options: small, Prepare: many("k", 0, 40, 30, true), Run: steps((*Session).Open,
			many("k", 20, 60, 300, true), read("k050"), many("k", 0, 30, 90, true))},
		{Name: "process-commits", Options: small, Prepare: nothing, Run: steps((*Session).Open, put("a", 10, false),
			read("a"), put("b", 600, false), put("c", 10, false), (*Session).Sync, put("a", 1200, false), put("d", 10, true),
			put("b", 10, false), read("b"))},
		{Name: "rotation", Options: small, Prepare: put("a", 10, true), Run: steps((*Session).Open,
			put("a", 2500, false), put("b", 2500, false), put("c", 2500, true), put("d", 2500, false),
			flushStep, put("e", 2500, false), cleanStep)},
		{Name: "flush", Options: tiny, Prepare: many("k", 0, 20, 40, true), Run: steps((*Session).Open,
			many("k", 10, 30, 40, false), (*Session).Flush, remove("k005"), put("k006", 50, false), (*Session).Flush,
			cleanStep)},
		{Name: "compaction", Options: tiny, Prepare: layers(5), Run: steps((*Session).Open, compact, cleanStep,
			put("after", 10, true))},
		{Name: "compaction-steps", Options: small, Prepare: layers(9), Run: steps((*Session).Open, compactSteps, cleanStep,
			put("a", 20, true), (*Session).Flush, compactSteps, cleanStep)},
		{Name: "trivial-move", Options: small, Prepare: nothing, Run: steps((*Session).Open,
			many("a", 0, 9, 40, true), (*Session).Flush, compact,
			many("b", 0, 9, 40, true), (*Session).Flush, compact, cleanStep)},
		{Name: "log-deletion", Options: small, Prepare: put("a", 10, true), Run: steps((*Session).Open,
			put("a", 4000, false), put("b", 4000, false), flushStep, cleanStep, put("c", 4000, false), flushStep, flushStep,
			cleanStep, put("d", 9, true))},
		{Name: "manifest-rotation", Stride: 16, Options: small, Prepare: nothing, Run: steps((*Session).Open,
			longKeys(10), cleanStep, put("a", 10, true))},
		{Name: "recovery-power-cut", Options: small, Prepare: mixture, Ends: End{true, memfs.Random, 5}, Run: openAndRead},
		{Name: "recovery-all", Options: small, Prepare: mixture, Ends: End{true, memfs.All, 0}, Run: openAndRead},
		{Name: "recovery-kill", Options: small, Prepare: mixture, Run: openAndRead},
		{Name: "close", Options: small, Prepare: put("a", 10, true), Run: steps((*Session).Open, put("a", 30, false),
			put("b", 900, true), (*Session).Close, (*Session).Open, put("c", 10, true), (*Session).Close)},
		{Name: "deletes-and-snapshots", Options: small, Prepare: many("k", 0, 20, 40, true), Run: deletesUnderSnapshot},
		{Name: "merges", Options: small, Prepare: merges(3, true), Run: steps((*Session).Open, merges(20, false),
			(*Session).Flush, merges(2, true), flushUnderSnapshot, merges(4, false), remove("list"), merges(1, true), compact,
			merges(2, false), cleanStep, read("count"), read("list"), read("digest"))},
		{Name: "ingest", Options: small, Prepare: many("k", 0, 20, 40, true), Run: steps((*Session).Open,
			put("k003", 30, false), read("k003"), ingest("k", 0, 30, 60), read("k003"), put("k003", 20, false),
			put("z", 10, true), cleanStep)},
		{Name: "ingest-above-tables", Options: tiny, Prepare: layers(4), Run: steps((*Session).Open,
			ingest("k", 5, 25, 40), remove("k006"), ingest("k", 0, 9, 30), compact, cleanStep, ingest("m", 0, 5, 9),
			(*Session).Close, (*Session).Open, read("m001"))},
		{Name: "ingest-of-rotated-log", Options: small, Prepare: nothing, Run: steps((*Session).Open,
			put("a", 2500, false), put("b", 2500, false), put("c", 2500, false), ingest("a", 0, 9, 30), ingest("b", 0, 9, 30),
			put("c", 2500, false), put("d", 2500, false), flushStep, cleanStep)},
		{Name: "large-values", Options: tiny, Prepare: put("x", 5000, true), Run: steps((*Session).Open,
			put("v", 9000, false), put("w", 30000, true), (*Session).Flush, put("v", 7000, true), remove("w"), compact,
			read("v"), cleanStep)},
	}
}

type step = func(s *Session) error

// steps runs each step until one fails.
func steps(all ...step) step {
	return func(s *Session) error {
		for _, do := range all {
			if err := do(s); err != nil {
				return err
			}
		}
		return nil
	}
}

func nothing(*Session) error { return nil }

// value is n bytes that belong to key k and to one moment of the history.
func value(s *Session, k string, n int) string {
	text := fmt.Sprintf("%s=%d/", k, s.History.Last()+1)
	return strings.Repeat(text, n/len(text)+1)[:max(n, 1)]
}

func put(k string, n int, sync bool) step {
	return func(s *Session) error { return s.Put(k, value(s, k, n), sync) }
}

func remove(k string) step { return func(s *Session) error { return s.Delete(k, false) } }

func read(k string) step {
	return func(s *Session) error {
		if err := s.Get([]byte(k)); err != nil {
			return err
		}
		s.History.Read(s.History.Last())
		return nil
	}
}

// many commits one batch: the keys prefix+from up to prefix+to, each with a value of n bytes, every fifth removed.
func many(prefix string, from, to, n int, sync bool) step {
	return func(s *Session) error { return s.Write(operations(s, prefix, from, to, n), sync) }
}

// operations is what many commits.
func operations(s *Session, prefix string, from, to, n int) *batch.Batch {
	var b batch.Batch
	for i := from; i < to; i++ {
		k := fmt.Sprintf("%s%03d", prefix, i)
		if i%5 == 4 {
			b.Delete([]byte(k))
		} else {
			b.Put([]byte(k), []byte(value(s, k, n)))
		}
	}
	return &b
}

// ingest commits the operations of many by way of tables.
func ingest(prefix string, from, to, n int) step {
	return func(s *Session) error { return s.Ingest(operations(s, prefix, from, to, n)) }
}

func flushStep(s *Session) error { _, err := s.Engine.FlushStep(); return err }
func cleanStep(s *Session) error { _, err := s.Engine.CleanStep(); return err }

func compactSteps(s *Session) error {
	for {
		if worked, err := s.Engine.CompactStep(); err != nil || !worked {
			return err
		}
	}
}

func compact(s *Session) error {
	if err := s.Engine.Compact(context.Background(), nil, nil); err != nil {
		return err
	}
	s.History.Synced(s.History.Last())
	return nil
}

// layers makes n tables of level 0 that overlap, with tombstones, and closes.
func layers(n int) step {
	return func(s *Session) error {
		for i := range n {
			if err := steps(many("k", 3*i, 3*i+12, 60, true), (*Session).Flush)(s); err != nil {
				return err
			}
		}
		return s.Close()
	}
}

// longKeys flushes n tables whose bounds take much room in the manifest.
func longKeys(n int) step {
	return func(s *Session) error {
		pad := strings.Repeat("x", 62<<10)
		for i := range n {
			var b batch.Batch
			b.Put([]byte(fmt.Sprintf("%d", i)+pad), []byte(value(s, "v", 9)))
			b.Put([]byte(fmt.Sprintf("%d", i+1)+pad), []byte(value(s, "v", 9)))
			if err := errors.Join(s.Write(&b, true), s.Flush()); err != nil {
				return err
			}
		}
		return nil
	}
}

// mixture leaves tables, two segments of log and commits of both durabilities behind.
func mixture(s *Session) error {
	return steps(many("k", 0, 20, 40, true), (*Session).Flush, put("k001", 2500, false), put("k002", 2500, true),
		remove("k003"), put("k004", 3000, false), put("k005", 40, false), read("k005"))(s)
}

// merges commits n batches of merges to three keys, of which each batch changes all.
func merges(n int, sync bool) step {
	return func(s *Session) error {
		for range n {
			last := int64(s.History.Last())
			argument := fmt.Append(nil, last, ";")
			var b batch.Batch
			b.Merge(operand.Add, []byte("count"), operand.AppendInt64(nil, last+1))
			b.Merge(operand.Max, []byte("count"), operand.AppendInt64(nil, 100))
			b.Merge(operand.Append, []byte("list"), argument)
			b.Merge(operand.User, []byte("digest"), argument)
			if err := s.Write(&b, sync); err != nil {
				return err
			}
		}
		return nil
	}
}

// flushUnderSnapshot merges into keys and flushes while a snapshot shows what they were before.
func flushUnderSnapshot(s *Session) error {
	snapshot := s.Engine.Snapshot()
	defer snapshot.Close()
	return steps(merges(3, false), (*Session).Flush, func(s *Session) error { return s.Compare(snapshot) })(s)
}

// deletesUnderSnapshot removes what a snapshot still shows, through a flush and a compaction.
func deletesUnderSnapshot(s *Session) error {
	if err := s.Open(); err != nil {
		return err
	}
	snapshot := s.Engine.Snapshot()
	defer snapshot.Close()
	compare := func(s *Session) error { return s.Compare(snapshot) }
	return steps(remove("k000"), many("k", 10, 20, 30, true), (*Session).Flush, compare, remove("k001"), compact, compare,
		func(*Session) error { snapshot.Close(); return nil }, compact, cleanStep, read("k001"))(s)
}
