package scrub

import (
	"context"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/manifest"
)

// Of returns the Env of a tree.
func Of(tr *tree.Tree) Env { return tables{tr} }

type tables struct{ *tree.Tree }

// Tables implements Env.
func (t tables) Tables() (all []Table) {
	v := t.Acquire()
	if v == nil {
		return nil
	}
	defer t.Release(v)
	for _, level := range v.Version().Levels {
		for _, meta := range level {
			all = append(all, Table{meta.Num, meta.Held()})
		}
	}
	return all
}

// Verify implements Env.
func (t tables) Verify(ctx context.Context, num filename.Num, pace func(bytes int) error) (there bool, err error) {
	v := t.Acquire() // the file is there until it is open
	if v == nil {
		return false, calls.ErrClosed
	}
	meta := find(v.Version(), num)
	if meta == nil {
		t.Release(v)
		return false, nil
	}
	file, err := t.Tree.Tables().OpenApart(ctx, meta, pace)
	t.Release(v)
	if err != nil {
		return true, err
	}
	defer file.Close()
	err = file.Verify(ctx)
	return err == nil || t.names(num), err // once a table is gone, its value files may be
}

// names reports whether there is still a table with a number.
func (t tables) names(num filename.Num) bool {
	v := t.Acquire()
	if v == nil {
		return false
	}
	defer t.Release(v)
	return find(v.Version(), num) != nil
}

// find returns the table of v with a number, nil if there is none.
func find(v *manifest.Version, num filename.Num) *manifest.TableMeta {
	for _, level := range v.Levels {
		for _, meta := range level {
			if meta.Num == num {
				return meta
			}
		}
	}
	return nil
}
