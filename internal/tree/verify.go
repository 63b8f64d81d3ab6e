package tree

import (
	"context"
	"errors"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/merge"
)

// Verify reads every byte of every table of the current version, without the cache, and checks all that readers rely
// on: first each table, then, in a second reading, that of two versions of a key the newer one is found first. It
// goes on after damage, so that its error names every damaged table. progress, which may be nil and must not close
// the database, is told how many bytes have been read, and of how many. The manifest and the log were checked by
// Open, which reads all of them.
func (tr *Tree) Verify(ctx context.Context, progress func(done, total int64)) error {
	if err := tr.gate.Enter(); err != nil {
		return err
	}
	defer tr.gate.Leave()
	return tr.gate.UntilClosed(ctx, func(ctx context.Context) error { return tr.verify(ctx, progress) })
}

func (tr *Tree) verify(ctx context.Context, progress func(done, total int64)) error {
	v := tr.Acquire()
	defer tr.Release(v)
	p := verification{tree: tr, view: v, progress: progress}
	for _, level := range v.version.Levels {
		for _, t := range level {
			p.total += 2 * t.Size
			p.entries += t.Entries
		}
	}
	if err := p.tables(ctx); err != nil {
		return err
	}
	if err := p.ages(ctx); err != nil {
		return err
	}
	p.read(p.total - p.done)
	return nil
}

// verification is one Verify.
type verification struct {
	tree        *Tree
	view        *View
	progress    func(done, total int64)
	done, total int64
	entries     uint64
}

func (p *verification) read(bytes int64) {
	p.done += bytes
	if p.progress != nil {
		p.progress(p.done, p.total)
	}
}

// tables verifies each table by itself.
func (p *verification) tables(ctx context.Context) error {
	var damage []error
	for _, level := range p.view.version.Levels {
		for _, t := range level {
			err := p.tree.tables.Verify(ctx, t)
			if stopped := calls.Ended(ctx); stopped != nil { // what was found stays found
				return errors.Join(append(damage, stopped)...)
			}
			damage = append(damage, err)
			p.read(t.Size)
		}
	}
	return errors.Join(damage...)
}

// ages verifies that age follows depth, because point reads stop at the first version they find: the versions of a
// key, newest first, must lie ever deeper.
func (p *verification) ages(ctx context.Context) (err error) {
	var merging merge.Merging
	all := merging.Reset(p.runs(ctx)...)
	defer func() { err = errors.Join(err, all.Close()) }()
	share := p.total / 2 / int64(p.entries/ageStep+1)
	var last key.Internal
	above := 0
	for n, ok := 1, all.First(); ok; n, ok = n+1, all.Next() {
		k, at := all.Key(), merging.Rank()
		same := string(k.User) == string(last.User)
		if same && at < above {
			return corrupt.New("", -1,
				"version %d of key %.40q lies above version %d, which is newer: a table is in the wrong level",
				k.Trailer.Seq(), k.User, last.Trailer.Seq())
		}
		if !same {
			last.User = append(last.User[:0], k.User...)
		}
		last.Trailer, above = k.Trailer, at
		if n%ageStep == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.read(share)
		}
	}
	return all.Err()
}

// ageStep is how many entries, of a page or two, are compared between two looks at the context.
const ageStep = 256

// runs are all runs of tables, newest first.
func (p *verification) runs(ctx context.Context) []merge.Iterator {
	var runs []merge.Iterator
	for _, r := range p.view.runs {
		runs = append(runs, p.tree.tables.Inputs(ctx, r.tables))
	}
	return runs
}
