package engine

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
)

// futile is the tables of the last level in which all that looks like garbage are merge operands that could not be
// folded, so that a compaction does not write them anew for ever. It is not kept on disk: the next Open may bring the
// merge function that was missing.
type futile map[filename.Num]bool

func (f futile) has(num filename.Num) bool { return f[num] }

// note looks at what a compaction has written while oldest was the lowest sequence number that was read at. From a table
// without anything newer it has dropped, in the last level, all that can be dropped.
func (f futile) note(edit *manifest.Edit, oldest key.SeqNum) {
	for _, removed := range edit.Deleted {
		delete(f, removed.Num)
	}
	for _, added := range edit.Added {
		t := added.Table
		if added.Level == manifest.NumLevels-1 && t.LargestSeq <= oldest && t.Shadowed+t.Tombstones > 0 {
			f[t.Num] = true
		}
	}
}
