package tree

import "lightningdb/internal/format/filename"

// HiddenByActive is about how many bytes of tables the entries of v's active memtable hide. What its range
// tombstones hide, package compaction says.
func (tr *Tree) HiddenByActive(v *View) (int64, error) {
	return tr.tables.HiddenBelow(v.mems[0].NewIterator(), v.mems[0].Count(), v.runs)
}

// Garbage is about how many bytes the tombstones and the older versions of table num of v take, together with older
// entries in other runs that they hide. known is false if v does not have the table.
func (tr *Tree) Garbage(v *View, num filename.Num) (bytes int64, known bool, err error) {
	return tr.tables.GarbageIn(v.runs, num)
}
