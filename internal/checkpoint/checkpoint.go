package checkpoint

import (
	"context"
	"fmt"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/target"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/memtable"
	"lightningdb/internal/tree/merge"
)

// Copy is the files of a database as it is after one commit, which are a database of their own. They are there until
// the function that was given the copy returns.
type Copy struct {
	Sequence uint64   // of the newest commit in it
	Source   [16]byte // id of the database that is copied; the copy has another one
	Files    []File   // CURRENT last

	ctx    context.Context
	tree   *tree.Tree
	own    vfs.FS
	random func() uint64
}

// File is a file of a copy.
type File struct {
	Name string
	Size int64 // bytes
	// Shared says that the file is one of the source, which never changes and has the name and the ID as long as it is
	// there, in this copy and all others. Other files were written for this copy alone.
	Shared bool
	ID     uint64 // of its content, random; 0 if it is not shared

	table *manifest.TableMeta // nil for one that is no table
}

// Of calls fn with a copy of tr. Its own files are written to own, durable in content. The context of fn ends with ctx
// and with Close of the database, which waits for fn.
func Of(ctx context.Context, tr *tree.Tree, own vfs.FS, random func() uint64,
	fn func(ctx context.Context, c *Copy) error) error {
	return tr.Cut(ctx, func(ctx context.Context, v *tree.View, seq key.SeqNum) error {
		c := &Copy{Sequence: uint64(seq), Source: v.Version().DatabaseID, ctx: ctx, tree: tr, own: own, random: random}
		if err := c.write(v, seq); err != nil {
			return err
		}
		return fn(ctx, c)
	})
}

// write writes the own files, and lists all.
func (c *Copy) write(v *tree.View, seq key.SeqNum) error {
	shared := v.Version()
	edit, err := c.writeMemtables(v, seq)
	if err != nil {
		return err
	}
	next := shared.NextNum + filename.Num(len(edit.Added))
	edit.LogStart, edit.LogEnd, edit.NextNum = next, next, next+2
	edit.LastSeq, edit.Horizon, edit.Time = seq, seq, c.tree.Time().Told()
	version, err := manifest.NewVersion(c.random).Apply(withoutLog(shared.Edit()))
	if err == nil {
		version, err = version.Apply(edit)
	}
	if err == nil {
		err = manifest.Write(c.own, next+1, version, c.random())
	}
	if err != nil {
		return err
	}
	return c.list(version, shared.NextNum, next+1)
}

// withoutLog is e for a database whose log is another one.
func withoutLog(e *manifest.Edit) *manifest.Edit {
	e.LogStart, e.LogEnd = 0, 0
	return e
}

// writeMemtables writes what is in the memtables of v, up to seq, to tables of level 0, and returns the edit that adds
// them.
func (c *Copy) writeMemtables(v *tree.View, seq key.SeqNum) (*manifest.Edit, error) {
	var memtables []compaction.Memtable
	for _, m := range v.Memtables() {
		n, deleted := count(m.Table, seq), m.Ranges().UpTo(seq)
		if n > 0 || deleted != nil {
			memtables = append(memtables, compaction.Memtable{Iterator: newUpTo(m.Table, seq), Entries: n, Ranges: deleted})
		}
	}
	if len(memtables) == 0 {
		return &manifest.Edit{}, nil
	}
	next := v.Version().NextNum
	job := compaction.Flush(v.Version(), memtables...)
	job.TargetTableBytes = tableBytes
	edit, _, err := job.Execute(c.ctx, []key.SeqNum{seq}, compaction.Deps{
		NewNum: func() filename.Num { next++; return next - 1 },
		Create: func(num filename.Num) (compaction.Output, error) { return c.tree.Tables().CreateIn(c.own, num) },
		Remove: func(num filename.Num) error { return c.own.Remove(filename.Make(filename.Table, num)) },
		Rules:  operand.Rules{}, // folding may be slow, and needs nothing of a copy
	})
	return edit, err
}

// tableBytes is the size at which a table of what was in memory is complete.
const tableBytes = 32 << 20

// list fills Files with those of version. The tables from firstOwn on were written for the copy.
func (c *Copy) list(version *manifest.Version, firstOwn, manifestNum filename.Num) error {
	for _, level := range version.Levels {
		for _, t := range level {
			f := File{Name: filename.Make(filename.Table, t.Num), Size: t.Size}
			if t.Num < firstOwn {
				f.Shared, f.ID, f.table = true, t.ID, t
			}
			c.Files = append(c.Files, f)
		}
	}
	for _, f := range version.Values {
		c.Files = append(c.Files, File{Name: filename.Make(filename.Table, f.Num), Size: f.Size, Shared: true, ID: f.ID})
	}
	for _, name := range []string{filename.Make(filename.Manifest, manifestNum), filename.Make(filename.Current, 0)} {
		size, err := c.own.FileSize(name)
		if err != nil {
			return err
		}
		c.Files = append(c.Files, File{Name: name, Size: size})
	}
	return nil
}

// Open opens a file of the copy. If it is not there any more, which only happens under a follower whose lease has
// ended, the error is readers.ErrExpired.
func (c *Copy) Open(f File) (vfs.File, error) {
	file, err := c.directory(f).Open(f.Name)
	return file, c.missing(f, err)
}

// directory is where a file of the copy is.
func (c *Copy) directory(f File) vfs.FS {
	if f.Shared {
		return c.tree.Directory()
	}
	return c.own
}

// Check reads all of a shared table, with the values that it refers to, and returns its damage. Of other files it knows
// nothing.
func (c *Copy) Check(f File) error {
	if f.table == nil {
		return nil
	}
	return c.tree.Tables().Verify(c.ctx, f.table)
}

// missing makes of the error that a shared file is not there what the caller gets.
func (c *Copy) missing(f File, err error) error {
	if _, num := filename.Parse(f.Name); vfs.IsNotExist(err) && f.Shared {
		return c.tree.Missing(num, err)
	}
	return err
}

// Write makes a copy of tr in dir, which must be empty: by links where the file system of both has such. progress,
// which may be nil, is told how many bytes of the shared files are there, and of how many. Until it is complete, nobody
// takes dir for a database; after an error it is as empty as before.
func Write(ctx context.Context, tr *tree.Tree, dir vfs.FS, random func() uint64,
	progress func(done, total int64)) (seq key.SeqNum, err error) {
	err = target.Make(dir, func() error {
		return Of(ctx, tr, dir, random, func(ctx context.Context, c *Copy) error {
			seq = key.SeqNum(c.Sequence)
			return c.share(ctx, dir, progress)
		})
	})
	return seq, err
}

// share gives dir the shared files.
func (c *Copy) share(ctx context.Context, dir vfs.FS, progress func(done, total int64)) error {
	done, total := int64(0), int64(0)
	for _, f := range c.Files {
		if f.Shared {
			total += f.Size
		}
	}
	told := func(n int64) {
		done += n
		if progress != nil {
			progress(done, total)
		}
	}
	for _, f := range c.Files {
		if !f.Shared {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		linked, err := vfs.LinkOrCopy(ctx, c.directory(f), dir, f.Name, told)
		if err != nil {
			return fmt.Errorf("copy %s: %w", f.Name, c.missing(f, err))
		}
		if linked {
			told(f.Size)
		}
	}
	return nil
}

// count is how many entries of m are not newer than seq.
func count(m *memtable.Table, seq key.SeqNum) (n uint64) {
	it := newUpTo(m, seq)
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n
}

// upTo is an iterator from front to back over the entries of a memtable that are not newer than a sequence number.
type upTo struct {
	merge.Iterator
	seq key.SeqNum
}

func newUpTo(m *memtable.Table, seq key.SeqNum) *upTo { return &upTo{m.NewIterator(), seq} }

func (u *upTo) First() bool { return u.from(u.Iterator.First()) }
func (u *upTo) Next() bool  { return u.from(u.Iterator.Next()) }

// from goes on to the next entry that is not too new, if the iterator is at one.
func (u *upTo) from(ok bool) bool {
	for ok && u.Key().Trailer.Seq() > u.seq {
		ok = u.Iterator.Next()
	}
	return ok
}
