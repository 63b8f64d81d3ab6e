package compaction

import (
	"bytes"
	"errors"
	"fmt"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/page"
)

// writer distributes entries over output tables. All versions of a user key go to one table, however many there are.
type writer struct {
	job  *Job
	deps Deps

	out  Output             // nil if none is open
	want manifest.TableMeta // what out holds so far, as counted here: what difference compares
	nums []filename.Num     // of all files created
	done []*manifest.TableMeta

	grandparent int   // index of the first of job.Grandparents not wholly before the current user key
	overlapped  int64 // size of the grandparents passed since out was begun
	referred    int64 // bytes of value files that out refers to
}

// add appends an entry. newUser says that its user key differs from that of the entry read before.
func (w *writer) add(k key.Internal, value []byte, newUser bool) error {
	if err := w.prepare(k, newUser); err != nil {
		return err
	}
	return w.out.Add(k, value)
}

// prepare opens the output that k goes to, and counts k.
func (w *writer) prepare(k key.Internal, newUser bool) error {
	if newUser && w.mustCut(k.User) {
		if err := w.finish(); err != nil {
			return err
		}
	}
	if w.out == nil {
		if err := w.begin(k); err != nil {
			return err
		}
	}
	w.count(k)
	return nil
}

// addReference appends a put whose value stays where it is.
func (w *writer) addReference(k key.Internal, ref page.Reference, newUser bool) error {
	if err := w.prepare(k, newUser); err != nil {
		return err
	}
	w.referred += int64(ref.Stored)
	return w.out.AddReference(k, ref)
}

// addChunks appends a put whose value comes in chunks.
func (w *writer) addChunks(k key.Internal, end key.Time, newUser bool, next func() ([]byte, error)) error {
	if err := w.prepare(k, newUser); err != nil {
		return err
	}
	return w.out.AddChunks(k, end, next)
}

// mustCut reports whether the open output should end before user.
func (w *writer) mustCut(user []byte) bool {
	passed := w.passGrandparents(user)
	if w.out == nil {
		return false
	}
	w.overlapped += passed
	size := w.out.EstimatedSize()
	target := w.job.TargetTableBytes
	return w.out.Full() || w.overlapped > w.job.GrandparentBytes && w.job.GrandparentBytes > 0 ||
		w.referred >= maxReferred ||
		target > 0 && size >= CompleteAt(target, len(w.want.Smallest)+len(user))
}

// The smallest and the largest key of a table are in memory for as long as the table is there. Where they are long, a
// table is boundsShare times as large, at least: then they take no more of the memory than a directory does.
const (
	longBounds  = 4 << 10 // bytes of both, up to which every table is large enough
	boundsShare = 128
)

// CompleteAt is the size in bytes at which a table is complete. bounds is the length of its smallest and largest key
// together, target the size for short ones.
func CompleteAt(target int64, bounds int) int64 {
	if bounds <= longBounds {
		return target
	}
	return max(target, boundsShare*int64(bounds))
}

// passGrandparents returns the size of the grandparents that lie between the last user key and this one.
func (w *writer) passGrandparents(user []byte) int64 {
	size := int64(0)
	tables := w.job.Grandparents
	for w.grandparent < len(tables) && bytes.Compare(tables[w.grandparent].Largest, user) < 0 {
		size += tables[w.grandparent].Size
		w.grandparent++
	}
	return size
}

// begin opens the next output, whose first entry is k.
func (w *writer) begin(k key.Internal) error {
	num := w.deps.NewNum()
	out, err := w.deps.Create(num)
	if err != nil {
		return err
	}
	w.out, w.nums, w.overlapped, w.referred = out, append(w.nums, num), 0, 0
	w.want = manifest.TableMeta{
		Num: num, Smallest: bytes.Clone(k.User), SmallestSeq: k.Trailer.Seq(), LargestSeq: k.Trailer.Seq(),
	}
	return nil
}

// count adds an entry to w.want.
func (w *writer) count(k key.Internal) {
	t, seq := &w.want, k.Trailer.Seq()
	t.Entries++
	if k.Trailer.Kind() == key.KindDelete {
		t.Tombstones++
	}
	if t.Entries > 1 && bytes.Equal(t.Largest, k.User) {
		t.Shadowed++
	}
	t.SmallestSeq, t.LargestSeq = min(t.SmallestSeq, seq), max(t.LargestSeq, seq)
	t.Largest = append(t.Largest[:0], k.User...)
}

// finish ends the open output, if there is one, and checks that it holds what was added.
func (w *writer) finish() error {
	if w.out == nil {
		return nil
	}
	out := w.out
	w.out = nil
	got, err := out.Finish()
	if err != nil {
		return err
	}
	if what := difference(got, &w.want); what != "" {
		return fmt.Errorf("compaction: table %d was written with a wrong %s: %+v, counted %+v", got.Num, what, *got, w.want)
	}
	w.done = append(w.done, got)
	return nil
}

// difference names the first property in which a table's own account differs from what was counted.
func difference(got, want *manifest.TableMeta) string {
	switch {
	case got.Num != want.Num:
		return "number"
	case got.Entries != want.Entries:
		return "number of entries"
	case got.Tombstones != want.Tombstones:
		return "number of tombstones"
	case got.Shadowed != want.Shadowed:
		return "number of shadowed entries"
	case got.SmallestSeq != want.SmallestSeq || got.LargestSeq != want.LargestSeq:
		return "range of sequence numbers"
	case !bytes.Equal(got.Smallest, want.Smallest) || !bytes.Equal(got.Largest, want.Largest):
		return "range of user keys"
	}
	return ""
}

// discard closes what is open and removes all outputs.
func (w *writer) discard() error {
	var errs []error
	if w.out != nil {
		errs = append(errs, w.out.Abort())
		w.out = nil
	}
	for _, num := range w.nums {
		errs = append(errs, w.deps.Remove(num))
	}
	return errors.Join(errs...)
}
