package tables

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/manifest"
)

// Names is the files that versions name. A file has one Ref, however many versions have it. The mutex of its owner
// guards it.
type Names struct {
	set   *Set
	files map[filename.Num]*Named
}

// Named is a file that versions name.
type Named struct {
	Num  filename.Num
	Size int64

	table    *Ref // nil if none knows it as a table
	values   *Ref // nil if none knows it as a value file
	versions int
}

// NewNames returns names of files of set.
func NewNames(set *Set) *Names { return &Names{set: set, files: make(map[filename.Num]*Named)} }

// All sums up the files.
func (n *Names) All() (count int, bytes int64) {
	for _, f := range n.files {
		bytes += f.Size
	}
	return len(n.files), bytes
}

// named returns the file with a number, and counts one more version of it.
func (n *Names) named(num filename.Num, size int64) *Named {
	f := n.files[num]
	if f == nil {
		f = &Named{Num: num, Size: size}
		n.files[num] = f
	}
	f.versions++
	return f
}

// Values returns the value file that f describes. It counts one more version.
func (n *Names) Values(f *manifest.ValueFile) *Named {
	named := n.named(f.Num, f.Size)
	if named.values == nil {
		named.values = n.set.OfValues(f)
	}
	return named
}

// Tables returns the tables that metas describe, and those of them that no version had. It counts one more version.
func (n *Names) Tables(metas []*manifest.TableMeta) (refs, fresh []*Ref) {
	refs = make([]*Ref, len(metas))
	for i, meta := range metas {
		named := n.named(meta.Num, meta.Size)
		if named.table == nil {
			named.table = Of(meta)
			fresh = append(fresh, named.table)
		}
		refs[i] = named.table
	}
	return refs, fresh
}

// DropTables counts one version of the tables in run less, and appends to gone those of which it was the last.
func (n *Names) DropTables(gone []*Named, run Run) []*Named {
	for _, t := range run.Tables() {
		gone = n.Drop(gone, n.files[t.meta.Num])
	}
	return gone
}

// Drop counts one version of f less, and appends it to gone if that was the last.
func (n *Names) Drop(gone []*Named, f *Named) []*Named {
	if f.versions--; f.versions > 0 {
		return gone
	}
	delete(n.files, f.Num)
	return append(gone, f)
}

// Forget closes what is open of f, which is gone.
func (n *Names) Forget(f *Named) { n.set.Forget(f.table, f.values) }
