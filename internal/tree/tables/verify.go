package tables

import (
	"context"
	"errors"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/ranges"
)

// VerifyAll reads every byte of every table of version, without the cache, and checks all that readers rely on: first
// each table, then, in a second reading of runs, which are its tables, newest first, that of two versions of a key the
// newer one is found first, and that no range tombstone hides an entry that was cleared of it. It goes on after damage.
// progress, which may be nil, is told how many bytes have been read, and of how many.
func (s *Set) VerifyAll(ctx context.Context, version *manifest.Version, runs []Run,
	progress func(done, total int64)) error {
	p := verification{set: s, levels: version.Levels, sorted: runs, ranges: version.Ranges, progress: progress}
	for _, level := range version.Levels {
		for _, t := range level {
			p.total += t.Held() + t.Size
			p.pages += t.Size
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

// verification is one VerifyAll.
type verification struct {
	set         *Set
	levels      [manifest.NumLevels][]*manifest.TableMeta
	sorted      []Run // newest first
	ranges      *ranges.Set
	progress    func(done, total int64)
	done, total int64 // bytes; values in other files are read once, with the first reading
	pages       int64 // bytes of total that are of the second reading
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
	var damage corrupt.List // a value file may be that of many tables
	for _, level := range p.levels {
		for _, t := range level {
			err := p.set.Verify(ctx, t)
			if stopped := calls.Ended(ctx); stopped != nil { // what was found stays found
				return errors.Join(damage.Err(), stopped)
			}
			damage.Add(err)
			p.read(t.Held())
		}
	}
	return damage.Err()
}

// ages verifies that age follows depth, because point reads stop at the first version they find: the versions of a
// key, newest first, must lie ever deeper.
func (p *verification) ages(ctx context.Context) (err error) {
	var merging merge.Merging
	all := merging.Reset(p.runs(ctx)...)
	defer func() { err = errors.Join(err, all.Close()) }()
	share := p.pages / int64(p.entries/ageStep+1)
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
		if err := p.checkCleared(k, p.sorted[at]); err != nil {
			return err
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

// checkCleared returns damage if a range tombstone hides entry k of run, and its table says that none does: the
// tombstone would leave, and the entry come back.
func (p *verification) checkCleared(k key.Internal, run Run) error {
	var t *Ref
	if p.ranges != nil {
		t = run.Find(k.User)
	}
	if t == nil {
		return nil
	}
	meta := t.Meta()
	if r := p.ranges.Covering(k.User, meta.Cleared); r.Seq > k.Trailer.Seq() {
		return corrupt.New(filename.Make(filename.Table, meta.Num), -1,
			"version %d of key %.40q was deleted with a range by operation %d, of which the manifest says that the table was "+
				"cleared", k.Trailer.Seq(), k.User, r.Seq)
	}
	return nil
}

// ageStep is how many entries, of a page or two, are compared between two looks at the context.
const ageStep = 256

// runs are all runs of tables, newest first.
func (p *verification) runs(ctx context.Context) []merge.Iterator {
	var runs []merge.Iterator
	for _, r := range p.sorted {
		runs = append(runs, p.set.Inputs(ctx, r.Tables()))
	}
	return runs
}
