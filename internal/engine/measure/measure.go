// Package measure is the measures by which an engine picks its compactions, and what it remembers for them from one to
// the next. Whoever has the compactor's turn owns a Memory, but for Params.
package measure

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/budget"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/tables"
)

// minFullBytes is less than any table holds when table.Writer says that it is full: each of its limits (leaves, keys,
// inner entries, length) is reached by many times as much.
const minFullBytes = 4 << 20

// While there is a burst of writes a level is compacted from score burstDue on, level 0 from BurstRuns runs on, and
// nothing for the sake of space: writers have more to gain then from processors and disk than readers from a run less
// (docs/decisions/0004). Level 0 stays below the runs from which on writes are slowed.
const (
	burstDue  = 2
	BurstRuns = 16
)

// Memory is what compactions remember of tables.
type Memory struct {
	unfoldable unfoldable
	counts     counts
}

// New returns a memory of nothing.
func New() Memory { return Memory{make(unfoldable), make(counts)} }

// Params are the measures under b, while oldest is the lowest sequence number that is read at. quiet says that there is
// no burst of writes.
func (m Memory) Params(b *budget.Budget, oldest key.SeqNum, quiet bool) compaction.Params {
	due, l0 := 1.0, compaction.DefaultL0Trigger
	if !quiet {
		due, l0 = burstDue, BurstRuns/burstDue
	}
	return compaction.Params{
		BaseBytes:        int64(b.Memtable),
		Multiplier:       compaction.DefaultMultiplier,
		TargetTableBytes: b.Table,
		FullBytes:        minFullBytes,
		L0Trigger:        l0,
		L0Bytes:          int64(l0) * int64(b.Memtable),
		OldestSnapshot:   oldest,
		Unfoldable:       m.unfoldable.has,
		Due:              due,
		Quiet:            quiet,
	}
}

// Garbage returns what compaction.Params.Garbage asks for about the tables of v.
func (m Memory) Garbage(tr *tree.Tree, v *tree.View) func(*manifest.TableMeta) (bytes int64, known bool) {
	return m.counts.in(tr, v)
}

// Note takes note of what a compaction has written while oldest was the lowest sequence number that was read at.
func (m Memory) Note(edit *manifest.Edit, oldest key.SeqNum) {
	m.unfoldable.note(edit, oldest)
	m.counts.forget(edit)
}

// unfoldable is the tables of the last level in which all that looks like garbage are merge operands that could not be
// folded, so that a compaction does not write them anew for ever. It is not kept on disk: the next Open may bring the
// merge function that was missing.
type unfoldable map[filename.Num]bool

func (u unfoldable) has(num filename.Num) bool { return u[num] }

// note looks at what a compaction has written while oldest was the lowest sequence number that was read at. From a
// table without anything newer it has dropped, in the last level, all that can be dropped.
func (u unfoldable) note(edit *manifest.Edit, oldest key.SeqNum) {
	for _, removed := range edit.Deleted {
		delete(u, removed.Num)
	}
	for _, added := range edit.Added {
		t := added.Table
		if added.Level == manifest.NumLevels-1 && t.LargestSeq <= oldest && t.Shadowed+t.Tombstones > 0 {
			u[t.Num] = true
		}
	}
}

// counts is how many bytes of garbage there are in tables of few entries, and below them: there one value may be
// most of the database, and an average says nothing. What was counted once may be less by now, because a compaction
// has come from elsewhere; then the next one of this table returns less.
type counts map[filename.Num]int64

// in returns what Params.Garbage asks for about the tables of v. It counts a few tables anew: with each decision of
// the compactor some more are known.
func (c counts) in(tr *tree.Tree, v *tree.View) func(t *manifest.TableMeta) (bytes int64, known bool) {
	left := 4 * tables.MaxWeighed // entries
	return func(t *manifest.TableMeta) (bytes int64, known bool) {
		if bytes, known = c[t.Num]; known {
			return bytes, true
		}
		if t.Entries > tables.MaxWeighed || int(t.Entries) > left {
			return 0, false
		}
		bytes, known, err := tr.Garbage(v, t.Num)
		if !known || err != nil { // the job that reads it stops for that
			return 0, false
		}
		left -= int(t.Entries)
		c[t.Num] = bytes
		return bytes, true
	}
}

// forget forgets the tables that edit removes.
func (c counts) forget(edit *manifest.Edit) {
	for _, removed := range edit.Deleted {
		delete(c, removed.Num)
	}
}
