package torture

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// A step is a part of a workload.
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

// putAlike puts the same byte n times: the log may hold the end of such a record before it is written.
func putAlike(k string, n int, c byte, sync bool) step {
	return func(s *Session) error { return s.Put(k, strings.Repeat(string([]byte{c}), n), sync) }
}

func remove(k string) step { return func(s *Session) error { return s.Delete(k, false) } }

func read(k string) step {
	return func(s *Session) error {
		if err := s.Get(spell(k)); err != nil {
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
			b.Delete(spell(k))
		} else {
			b.Put(spell(k), []byte(value(s, k, n)))
		}
	}
	return &b
}

// ingest commits the operations of many by way of tables.
func ingest(prefix string, from, to, n int) step {
	return func(s *Session) error { return s.Ingest(operations(s, prefix, from, to, n)) }
}

func flushStep(s *Session) error {
	return s.editing(func() error { _, err := s.Engine.FlushStep(); return err })
}

func cleanStep(s *Session) error { _, err := s.Engine.CleanStep(); return err }

func compactSteps(s *Session) error {
	for {
		if worked, err := s.compactStep(); err != nil || !worked {
			return err
		}
	}
}

func compact(s *Session) error {
	err := s.editing(func() error { return s.Engine.Compact(context.Background(), nil, nil) })
	if err != nil {
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
			b.Put(spell(fmt.Sprint(i)+pad), []byte(value(s, "v", 9)))
			b.Put(spell(fmt.Sprint(i+1)+pad), []byte(value(s, "v", 9)))
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

// merges commits n batches of merges, each to all of three keys.
func merges(n int, sync bool) step {
	return func(s *Session) error {
		for range n {
			last := int64(s.History.Last())
			argument := fmt.Append(nil, last, ";")
			var b batch.Batch
			b.Merge(operand.Add, spell("count"), operand.AppendInt64(nil, last+1))
			b.Merge(operand.Max, spell("count"), operand.AppendInt64(nil, 100))
			b.Merge(operand.Append, spell("list"), argument)
			b.Merge(operand.User, spell("digest"), argument)
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

// flushed commits one batch and writes it to level 0.
func flushed(do step) step { return steps(do, (*Session).Flush) }

// repeat does a step n times.
func repeat(n int, do step) step {
	return func(s *Session) error {
		for range n {
			if err := do(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// cycle opens, does a step, and closes.
func cycle(do step) step { return steps((*Session).Open, do, (*Session).Close) }

// with changes the options that the next Open finds.
func with(page int, c codec.ID, logLimit int64) step {
	return func(s *Session) error {
		s.opts.PageSize, s.opts.Codec, s.opts.LogLimit = page, codec.By(c), logLimit
		return nil
	}
}

// emptySync commits nothing at Sync durability, which makes durable what came before.
func emptySync(s *Session) error { return s.Write(new(batch.Batch), true) }

func verify(s *Session) error { return s.Engine.Verify(context.Background(), nil) }

// removeAll commits the removal of the keys prefix+from up to prefix+to, one by one.
func removeAll(prefix string, from, to int) step {
	return func(s *Session) error {
		for i := from; i < to; i++ {
			if err := s.Delete(fmt.Sprintf("%s%03d", prefix, i), false); err != nil {
				return err
			}
		}
		return nil
	}
}

// readOnly opens without writing, compares everything, and closes. It makes nothing durable: what it shows of the log
// of a killed process is only as safe as that process left it.
func readOnly(s *Session) error {
	s.opts.ReadOnly = true
	defer func() { s.opts.ReadOnly = false }()
	if err := s.Open(); err != nil {
		return err
	}
	if err := s.Compare(nil); err != nil {
		return err
	}
	err := s.Engine.Close()
	s.Engine = nil
	return err
}

// compactUnderSnapshot compacts a part of the keys, twice, while a snapshot shows what was there before.
func compactUnderSnapshot(s *Session) error {
	snapshot := s.Engine.Snapshot()
	defer snapshot.Close()
	part := func(lo, hi string) step {
		return func(s *Session) error { return s.Engine.Compact(context.Background(), []byte(lo), []byte(hi)) }
	}
	return steps(many("k", 0, 25, 30, true), part("k005", "k012"), removeAll("k", 6, 9), part("k000", "k020"), cleanStep,
		func(s *Session) error { return s.Compare(snapshot) })(s)
}

// fullDisk opens, and commits while the disk is full, until it has space again.
func fullDisk(s *Session) error {
	if err := steps((*Session).Open, put("a", 900, true))(s); err != nil {
		return err
	}
	used, err := bytesOf(s.medium)
	if err != nil {
		return err
	}
	s.medium.SetCapacity(used + 7<<10)
	defer s.medium.SetCapacity(-1)
	refused := 0
	for i := range 12 {
		switch err := put(fmt.Sprint(i), 1500, i%2 == 0)(s); {
		case errors.Is(err, vfs.ErrNoSpace) && !errors.Is(err, engine.ErrReadOnly) &&
			!errors.Is(err, engine.ErrCommitUnknown):
			refused++
		case err != nil:
			return err
		}
	}
	if refused == 0 {
		return errors.New("the disk did not become full")
	}
	return s.Compare(nil)
}

// spendReserve opens, has the medium become full so that the reserve is spent, deletes then, and has it made again when
// there is space.
func spendReserve(s *Session) error {
	if err := steps((*Session).Open, many("k", 0, 12, 300, true))(s); err != nil {
		return err
	}
	used, err := bytesOf(s.medium)
	if err != nil {
		return err
	}
	s.medium.SetCapacity(used)
	defer s.medium.SetCapacity(-1)
	refused := false
	for i := 0; !refused; i++ {
		switch err := put(fmt.Sprint(i), 1500, i%2 == 0)(s); {
		case errors.Is(err, vfs.ErrNoSpace) && !errors.Is(err, engine.ErrReadOnly):
			refused = true
		case err != nil:
			return err
		case i > 20:
			return errors.New("the disk did not become full")
		}
	}
	if err := steps(removeAll("k", 0, 6), flushStep, remove("k007"))(s); err != nil {
		return err
	}
	s.medium.SetCapacity(-1)
	s.Engine.ReserveStep()
	return steps(put("again", 900, true), compactSteps, cleanStep)(s)
}

// bytesOf is the length of all files together.
func bytesOf(fs *memfs.FS) (total int64, err error) {
	names, err := fs.List()
	for _, name := range names {
		data, err := Contents(fs, name)
		if err != nil {
			return 0, err
		}
		total += int64(len(data))
	}
	return total, err
}
