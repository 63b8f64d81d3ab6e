package tree

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/tables"
)

// The tree itself tells what was written since a snapshot; nothing else is kept for it. While a snapshot is held at
// a sequence number, the tree has every version that is newer, or a newer one of the same key: a job may drop a
// tombstone that hides nothing only if no reader stands below it.

// KeyChanged reports whether the tree of v has a version of user that is newer than since. hash is key.Hash(user).
func (tr *Tree) KeyChanged(v *View, user []byte, hash uint64, since key.SeqNum) (bool, error) {
	for _, m := range v.mems {
		if newest := m.Find(user, hash, key.MaxSeqNum); newest.Exists() {
			return newest.Trailer().Seq() > since, nil // what is below is older
		}
	}
	for i := range v.runs {
		t := v.runs[i].Find(user)
		if t == nil || t.Meta().LargestSeq <= since {
			continue
		}
		if changed, err := tr.tableHas(t, span.Closed(user, user), since, nil); changed || err != nil {
			return changed, err
		}
	}
	return false, nil
}

// SpanChanged reports whether the tree of v has a version in s that is newer than since. As far as it is known, a
// tombstone does not count where there was nothing to remove, unless s is claimed: to be written, and not only seen.
func (tr *Tree) SpanChanged(v *View, s span.Span, since key.SeqNum, claimed bool) (bool, error) {
	if claimed {
		return tr.spanHas(v, s, since, nil)
	}
	for outside := range tr.gaps.Outside(s, since) {
		if changed, err := tr.spanHas(v, outside, since, nil); changed || err != nil {
			return changed, err
		}
	}
	return false, nil
}

// spanHas reports whether the tree of v has a version in s that is newer than since and of those wanted, nil for any.
func (tr *Tree) spanHas(v *View, s span.Span, since key.SeqNum, wanted func(key.Trailer) bool) (bool, error) {
	for _, m := range v.mems {
		if m.Count() == 0 {
			continue
		}
		if has, err := tr.sourceHas(m.NewIterator(), s, since, wanted); has || err != nil {
			return has, err
		}
	}
	for _, r := range v.runs {
		for _, t := range r.Within(s) {
			if t.Meta().LargestSeq <= since {
				continue
			}
			if has, err := tr.tableHas(t, s, since, wanted); has || err != nil {
				return has, err
			}
		}
	}
	return false, nil
}

func (tr *Tree) tableHas(t *tables.Ref, s span.Span, since key.SeqNum, wanted func(key.Trailer) bool) (bool, error) {
	var it tables.Iterator
	if err := it.Open(tr.tables, t); err != nil {
		return false, err
	}
	return tr.sourceHas(&it, s, since, wanted)
}

// sourceHas is tables.Meets, and counts what it has looked at.
func (tr *Tree) sourceHas(it merge.Iterator, s span.Span, since key.SeqNum, wanted func(key.Trailer) bool) (
	has bool, err error) {
	has, looked, err := tables.Meets(it, s, since, wanted)
	tr.checked.Add(looked)
	return has, err
}
