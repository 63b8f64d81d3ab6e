package compaction

import (
	"bytes"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/visible"
)

// verdict says what becomes of an entry.
type verdict uint8

const (
	keep          verdict = iota
	dropShadowed          // a newer version of the user key serves every snapshot that could see this one
	dropTombstone         // there is nothing below for it to hide
	collect               // an operand that may be folded with older entries of its stripe
	foldOnto              // the put or tombstone below the operands collected before
)

// retention applies the snapshot rule to entries in order.
//
// The snapshots s0 < s1 < ... cut the sequence numbers into stripes: (0, s0], (s0, s1], ... A snapshot that sees one
// version of a stripe sees all of it, so only the newest of the versions of a user key in a stripe matters. Numbers
// above the last snapshot are no stripe: later readers may stand between any two of them.
//
//	snapshots        3           7        9
//	versions    1  2   4   5           8     10  11
//	kept           2       5           8     10  11
//
// A merge operand is different: it does not hide older versions, but changes them. No snapshot sees the versions
// within a stripe, so the operands at its top and the first put or tombstone below them become one put at the
// sequence number of the newest. They are never folded with versions of another stripe, where a snapshot sees the
// older value without them; but onto the result of an older stripe they may become a put of their own. Nor are they
// folded onto a put that ends: readers before its end see its value under them, and those after it nothing.
//
// A range tombstone over the key is as a version of it that deletes it, only that it stays where it is: in the version.
type retention struct {
	snapshots []key.SeqNum
	overlaps  cover
	ranges    *ranges.Set
	stripe    int  // of the last version of the current user key
	decided   bool // a put or tombstone in that stripe hides what is older in it
}

// effectOf is the effect of the entry k on the readers of its stripe and of newer ones, all of which see it.
func effectOf(k key.Internal) visible.Effect { return visible.Reader{Seq: key.MaxSeqNum}.Of(k.Trailer) }

// showsValue reports whether k has a value that is shown, perhaps until some moment.
func showsValue(k key.Internal) bool {
	e := effectOf(k)
	return e == visible.Show || e == visible.Until
}

// decide says what becomes of the entry k. Entries come in order; newUser reports that k is the first of its user
// key.
func (r *retention) decide(k key.Internal, newUser bool) verdict {
	before := r.stripe
	r.stripe, _ = slices.BinarySearch(r.snapshots, k.Trailer.Seq())
	inStripe := r.stripe < len(r.snapshots)
	follows := !newUser && r.stripe == before && inStripe
	if follows && r.decided {
		return dropShadowed
	}
	if inStripe && r.covered(k, r.snapshots[r.stripe]) {
		r.decided = true
		return dropShadowed
	}
	effect := effectOf(k)
	r.decided = effect != visible.Fold
	switch {
	case effect == visible.Fold && inStripe:
		return collect
	case follows && r.decided && effect != visible.Until:
		return foldOnto
	case effect == visible.Hide && r.stripe == 0 && !r.overlaps.holds(k.User):
		return dropTombstone
	}
	return keep
}

// covered reports whether a range tombstone that a reader at seq sees hides the entry k.
func (r *retention) covered(k key.Internal, seq key.SeqNum) bool {
	return r.ranges.Covering(k.User, seq).Seq > k.Trailer.Seq()
}

// cover answers whether a user key lies in the range of one of a set of tables. It is asked for ascending user keys.
type cover struct {
	unordered []*manifest.TableMeta   // of L0
	levels    [][]*manifest.TableMeta // in key order; tables that have been passed are cut off
}

func newCover(tables [manifest.NumLevels][]*manifest.TableMeta) cover {
	return cover{unordered: tables[0], levels: slices.Clone(tables[1:])}
}

func (c *cover) holds(user []byte) bool { return c.holdsAfter(user, 0) }

// holdsAfter is holds, of tables that have a sequence number above after.
func (c *cover) holdsAfter(user []byte, after key.SeqNum) bool {
	for i, level := range c.levels {
		for len(level) > 0 && bytes.Compare(level[0].Largest, user) < 0 {
			level = level[1:]
		}
		c.levels[i] = level
		if len(level) > 0 && bytes.Compare(level[0].Smallest, user) <= 0 && level[0].LargestSeq > after {
			return true
		}
	}
	return slices.ContainsFunc(c.unordered, func(t *manifest.TableMeta) bool {
		return rangeOf(t).contains(user) && t.LargestSeq > after
	})
}
