// Package compaction decides which tables to merge (Pick, PickRange, Flush) and merges them (Job.Execute): a version
// in, a job out; a job in, an edit out. It takes no lock, starts no goroutine, knows no clock and opens no file but
// through the functions it is given. Everything here may be called concurrently: versions and jobs are never
// changed.
//
// # The tree
//
// A user key may be in many tables. Readers and this package rely on one rule, that age follows depth:
//
//	A1  of two versions of a user key in different levels, the one in the level with the lower number is newer
//	A2  of two versions of a user key in different tables of L0, the one in the table listed first is newer
//	A3  a user key is in at most one table of each level from L1 on
//
// A job keeps A1 and A2 by what it takes along: with a table, all tables of the output level that overlap it; with a
// table of L0, all tables of L0 that overlap it, directly or through others (or all of L0, if they are to become one
// table or one sorted run there); and by never passing over a level that holds anything. It keeps A3 because outputs
// end between user keys only.
//
// L0 receives flushes. Below it lies the base level, into which L0 is compacted, and below that every level is
// about Multiplier times as large as the one before, down to the last level, which holds most of the data. Levels
// between L0 and the base level are empty. The base level moves up as the data grows and down as it shrinks.
//
// # What may be dropped
//
// A version is dropped if a newer one of the same user key lies in the same stripe: if no snapshot separates them. A
// tombstone is dropped if every snapshot sees it or something newer, and no older version of its user key can exist in
// any table that is not an input (Job.Overlaps). A range tombstone of the version counts as a newer version of each key
// that it covers. Nothing else is ever dropped, and what could not be read aborts the job.
//
// # Concurrent jobs
//
// Several jobs may run at a time, as long as no table is an input of two (the callback busy says which ones are
// taken). That is enough to keep their outputs apart. The inputs from the upper level of a job are one table, or
// tables of L0 that overlap each other like the links of a chain; so they cover their range of keys without a gap, and
// together with the overlapping tables of the output level they cover that of the job. Another job with the same output
// level and an overlapping range would need one of these inputs. Tables that join the upper level meanwhile cannot
// come down into the range either, for the same reason. A drop (Job.Drop) reads nothing, and is to be installed before
// another job is picked.
package compaction

import (
	"bytes"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/ranges"
)

const lastLevel = manifest.NumLevels - 1

// Params are the measures of the tree. All but OldestSnapshot, Due and those that say so must be positive, Multiplier
// at least 2.
type Params struct {
	// BaseBytes is the smallest target of the base level; the largest is Multiplier times that.
	BaseBytes int64
	// Multiplier is how many times larger each level is than the one above it.
	Multiplier int64
	// TargetTableBytes is the size at which an output table ends.
	TargetTableBytes int64
	// FullBytes is the least that an output holds when it reports Full: keys, values and entryOverhead for each
	// entry.
	FullBytes int64
	// L0Trigger is the number of sorted runs in L0 (manifest.Runs) at which it is compacted.
	L0Trigger int
	// L0Bytes is the size of L0 at which it is compacted, however few its tables.
	L0Bytes int64
	// OldestSnapshot is the lowest sequence number that any reader may still read at: the visible sequence number
	// if there is no reader. Execute must be given no lower snapshot.
	OldestSnapshot key.SeqNum
	// Due is the score from which on a level is compacted, 1 if it is less: a larger one defers what can wait.
	Due float64
	// Quiet allows jobs that only reclaim space, when no other is due.
	Quiet bool
	// MaxBytes is how many bytes the outputs of a job may take, which are there together with its inputs for a while; 0
	// for any number. A job that may need more is not picked. Level 0 goes down in pieces then: see inPieces.
	MaxBytes int64
	// Short says that space is short: jobs that reclaim it come before all others, and little of it is enough.
	Short bool
	// ValueThreshold is from how many bytes, as stored, a value is left where it is; 0 for never.
	ValueThreshold int
	// Garbage says how many bytes vanish once a table has been merged all the way down, if that was counted;
	// otherwise, and if Garbage is nil, it is estimated.
	Garbage func(t *manifest.TableMeta) (bytes int64, known bool)
	// Unfoldable reports that a table of the last level was written when no snapshot needed anything in it but its
	// newest state: what looks like garbage in it are merge operands that could not be folded, and the entries below
	// them. Nil means that there is none.
	Unfoldable func(num filename.Num) bool
}

// DefaultMultiplier and DefaultL0Trigger are the choice of docs/decisions/0004-compaction.md, together with
// BaseBytes at the size of a memtable and L0Bytes at L0Trigger times that.
const (
	DefaultMultiplier = 8
	DefaultL0Trigger  = 4
)

// Busy reports whether a table is an input of a job that has not ended.
type Busy func(num filename.Num) bool

// Reason says what a job is for.
type Reason string

const (
	ReasonFlush   Reason = "flush"         // a frozen memtable becomes tables
	ReasonL0      Reason = "L0 full"       // too many or too large tables in L0
	ReasonSmall   Reason = "small flushes" // many tables in L0 with little in them become one
	ReasonSize    Reason = "level full"    // a level is above its target
	ReasonDrain   Reason = "level retired" // the data has shrunk and needs one level less
	ReasonGarbage Reason = "garbage"       // nothing else to do: space can be reclaimed
	ReasonValues  Reason = "values"        // value files hold too much garbage
	ReasonScans   Reason = "scans"         // the read debt of scans has come to what the merge costs
	ReasonManual  Reason = "manual"        // a caller asked for a range
	ReasonRanges  Reason = "range deletes" // a delete of a range hides what is in tables
)

// Job is a set of tables to be replaced by their merge. It is immutable and refers to tables of the version it was
// picked from, which must stay readable until Execute returns.
type Job struct {
	Reason Reason
	// Inputs are the tables that the job replaces, by level, ordered as in the version.
	Inputs [manifest.NumLevels][]*manifest.TableMeta
	// Memtables are the inputs of a flush, newest first.
	Memtables   []Memtable
	OutputLevel int
	// Move says that there is one input, which goes to OutputLevel as it is.
	Move bool
	// Drop says that the inputs leave without having been read, since range tombstones hide all that is in them, and
	// needless range tombstones with them.
	Drop     bool
	Needless []ranges.Tombstone
	// Ranges are the range tombstones over what the job reads: all that have a number up to Known. Of a flush, these are
	// those of its memtables, which come into the version with it.
	Ranges *ranges.Set
	Known  key.SeqNum
	// Overlaps are the tables, by level, that may hold versions older than some in the inputs. A tombstone of a user
	// key within one of them must stay. Compared with other inputs they may also hold newer versions.
	Overlaps [manifest.NumLevels][]*manifest.TableMeta
	// Grandparents are the tables in the level below OutputLevel that the outputs may overlap. An output ends when
	// it overlaps more than GrandparentBytes of them, because it will have to be merged with them some day.
	Grandparents     []*manifest.TableMeta
	GrandparentBytes int64
	// TargetTableBytes is the size at which an output ends; 0 for none.
	TargetTableBytes int64
	// ValueThreshold is that of Params. What is in the files of Emptied, value files and inputs, is copied all the same.
	ValueThreshold int
	Emptied        map[filename.Num]bool
}

// Memtable is a frozen memtable to be flushed. Execute closes the iterator.
type Memtable struct {
	Iterator merge.Iterator
	Entries  uint64 // what the iterator must yield, no more and no less
	Ranges   *ranges.Set
}

// RawBytes is how many bytes of keys and values the input tables hold.
func (j *Job) RawBytes() (n int64) {
	if j.Drop {
		return 0
	}
	for _, tables := range j.Inputs {
		for _, t := range tables {
			n += int64(t.RawBytes)
		}
	}
	return n
}

// OutputBytes is more than the outputs take, if they are not compressed less than the inputs: each ends with a table of
// its pages, and shares none with its neighbours.
func (j *Job) OutputBytes() int64 {
	if j.Move || j.Drop {
		return 0
	}
	in := j.InputBytes()
	return in + in/16 + 32<<10
}

// InputBytes is how much of the files is read.
func (j *Job) InputBytes() int64 {
	n := j.copied()
	for _, tables := range j.Inputs {
		n += sizeOf(tables)
	}
	return n
}

// Flush returns the job that writes memtables, newest first, to L0 of v. v must hold everything that is older than
// the memtables: earlier ones are flushed first. A tombstone is written unless no table of v covers its user key.
func Flush(v *manifest.Version, memtables ...Memtable) *Job {
	j := &Job{Reason: ReasonFlush, Memtables: memtables, OutputLevel: 0, Overlaps: v.Levels}
	for _, m := range memtables {
		j.Ranges = j.Ranges.Join(m.Ranges)
	}
	j.Known = j.Ranges.Newest() // what v has is older than all entries
	return j
}

// keyRange is the user keys from smallest to largest, both included, as tables give them. It is no span.Span, because
// that would need a copy of largest, with a byte behind it, for each table that is looked at.
type keyRange struct{ smallest, largest []byte }

func rangeOf(t *manifest.TableMeta) keyRange { return keyRange{t.Smallest, t.Largest} }

// rangeOfAll returns the least keyRange that holds all of the tables, of which there must be one.
func rangeOfAll(tables []*manifest.TableMeta) keyRange {
	r := rangeOf(tables[0])
	for _, t := range tables[1:] {
		if bytes.Compare(t.Smallest, r.smallest) < 0 {
			r.smallest = t.Smallest
		}
		if bytes.Compare(t.Largest, r.largest) > 0 {
			r.largest = t.Largest
		}
	}
	return r
}

func (r keyRange) contains(user []byte) bool {
	return bytes.Compare(r.smallest, user) <= 0 && bytes.Compare(user, r.largest) <= 0
}

func (r keyRange) overlaps(t *manifest.TableMeta) bool {
	return bytes.Compare(t.Smallest, r.largest) <= 0 && bytes.Compare(t.Largest, r.smallest) >= 0
}

// sizeOf is the size of tables without the values that stay where they are: what a job has to read and write.
func sizeOf(tables []*manifest.TableMeta) int64 {
	n := int64(0)
	for _, t := range tables {
		n += pagesOf(t)
	}
	return n
}
