package engine

import (
	"errors"
	"fmt"
	"slices"

	"lightningdb/internal/engine/opening"
	"lightningdb/internal/engine/state"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/status"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/memtable"
)

// recover brings the directory into service:
//
//	lock -> mark -> manifest -> replay the log into memtables -> flush them
//	     -> new log segment -> new manifest -> remove the rest
//
// What was replayed is in synced tables, named by a synced manifest, before anything is served (promise P7), and no
// recovered file is ever appended to. A crash at any point leaves the old manifest in force, with all it names.
func (e *Engine) recover() error {
	progress := opening.Begin(e.clock, e.opts.bus.Send)
	progress.Step("opening the database", 0, 0)
	if err := e.checkOurs(); err != nil {
		return err
	}
	if err := e.dir.Lock(); err != nil {
		return err
	}
	if err := e.disk.Begin(e.opts.FS, e.opts.ReadOnly); err != nil {
		return err
	}
	if !e.opts.ReadOnly {
		removed, err := e.dir.Claim()
		if err != nil {
			return err
		}
		e.report.FilesRemoved = removed
	}
	version, manifestNum, err := e.store.Recover()
	switch {
	case errors.Is(err, manifest.ErrNoDatabase) && (e.opts.ReadOnly || e.opts.MustExist):
		return fmt.Errorf("%w: %s", ErrNoDatabase, e.opts.FS.Path())
	case errors.Is(err, manifest.ErrNoDatabase):
		version, e.report.Created = manifest.NewVersion(e.opts.Random), true
	case err != nil:
		return fmt.Errorf("read the manifest: %w", err)
	}
	names, err := e.opts.FS.List()
	if err != nil {
		return fmt.Errorf("list the database directory: %w", err)
	}
	if err := version.CheckTables(names); err != nil {
		return err
	}
	e.dir.NumberFrom(max(version.NextNum, filename.Above(names)))
	r := &replay{engine: e, version: version, from: version.LogStart, keep: e.opts.ReadOnly, progress: progress}
	if e.opts.ReadOnly {
		err = e.serveReadOnly(r, names)
	} else {
		err = e.serve(r, manifestNum, names)
	}
	if err != nil {
		r.free()
	}
	if err != nil {
		return err
	}
	e.report.Duration = progress.Took()
	e.opts.bus.Send(state.EventOf(&e.report))
	return nil
}

// checkOurs refuses, before anything is written, a directory of somebody else, and an empty one that must not become a
// database.
func (e *Engine) checkOurs() error {
	ours, err := manifest.CheckOurs(e.opts.FS)
	if !ours && (e.opts.ReadOnly || e.opts.MustExist) {
		return fmt.Errorf("%w: %s", ErrNoDatabase, e.opts.FS.Path())
	}
	return err
}

// serve replays the log, makes what it found durable, and starts a new log and a new manifest in place of manifest
// before.
func (e *Engine) serve(r *replay, before filename.Num, names []string) error {
	last, err := r.run(names)
	if err == nil {
		err = r.flush()
	}
	if err != nil {
		r.removeTables()
		return err
	}
	r.progress.Step("opening the database", 0, 0)
	version := r.version
	e.startAt(last, version)
	if names, err = e.log.HoldOld(version.DatabaseID, names, last, version.NextNum); err != nil {
		return fmt.Errorf("hold the log for the archive: %w", err)
	}
	if err := e.log.Begin(version.DatabaseID, last); err != nil {
		return err
	}
	edit := &manifest.Edit{LogStart: e.log.Num(), NextNum: e.dir.PeekNum(), LastSeq: last, Time: e.tree.Time().Told()}
	if version, err = version.Apply(edit); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	if err := e.store.Begin(version); err != nil {
		return err
	}
	if err := e.dir.CheckOwner(); err != nil {
		return err
	}
	e.opened = e.store.Place()
	e.dir.Publish(version.DatabaseID, e.opened, last)
	removed, err := e.store.RemoveUnnamed(version, names, r.progress.Look)
	if err != nil {
		return err
	}
	e.report.FilesRemoved = append(e.report.FilesRemoved, slices.DeleteFunc(removed, func(name string) bool {
		kind, num := filename.Parse(name) // the manifest and the log from before are no leftovers
		return kind == filename.Manifest && num == before || kind == filename.Log && num >= r.from
	})...)
	r.mem.ForSegment(e.log.Num())
	e.tree.Begin([]*tree.Memtable{r.mem}, version)
	e.disk.MakeReserve()
	return nil
}

// serveReadOnly replays the log into memory and leaves the directory as it is.
func (e *Engine) serveReadOnly(r *replay, names []string) error {
	last, err := r.run(names)
	if err != nil {
		return err
	}
	e.startAt(last, r.version)
	e.log.Stand(e.report.Segments, e.report.LogBytes, r.version.LastSeq)
	mems := append(r.full, r.mem)
	slices.Reverse(mems)
	e.tree.Begin(mems, r.version)
	return nil
}

// startAt publishes last, the newest commit that recovery found.
func (e *Engine) startAt(last key.SeqNum, version *manifest.Version) {
	e.report.LastSequence = uint64(last)
	e.tree.Resume(version, last)
	if e.tree.Time().Told() > 0 { // the manifest may be older than what the writer before has told last
		e.tree.Time().Begin(status.LastTime(e.opts.FS, version.DatabaseID))
	}
	e.queue = commit.NewQueue(writer{e}, last+1)
}

// replay brings the log's records back into memtables, and full memtables into tables of level 0.
type replay struct {
	engine  *Engine
	version *manifest.Version
	from    filename.Num // the first segment
	mem     *tree.Memtable
	keep    bool             // read-only: keep full memtables instead of flushing them
	full    []*tree.Memtable // oldest first
	written []string         // tables flushed so far

	progress   *opening.Progress
	read, size int64 // bytes of the log read so far, and there
}

// run replays everything and returns the newest sequence number of the database.
func (r *replay) run(names []string) (key.SeqNum, error) {
	e := r.engine
	if err := r.newMemtable(0); err != nil || e.report.Created {
		return 0, err // a new database has no log; what an interrupted creation left is removed
	}
	var segments []filename.Num
	for _, name := range names {
		if kind, num := filename.Parse(name); kind == filename.Log {
			segments = append(segments, num)
			if size, err := e.opts.FS.FileSize(name); err == nil && num >= r.from { // without it there is less to tell
				r.size += size
			}
		}
	}
	r.progress.Step("replaying the log", 0, r.size)
	log, err := wal.Replay(e.opts.FS, wal.ReplayOptions{
		DB:       r.version.DatabaseID,
		Start:    r.version.LogStart,
		Segments: segments,
		Empty:    r.version.LogEmpty(),
		Progress: func(bytes int64) {
			r.read = bytes
			r.progress.Reach(bytes)
		},
	}, r.apply)
	if err != nil {
		return 0, fmt.Errorf("replay the log: %w", err)
	}
	e.report.Segments, e.report.Records, e.report.Operations = log.Segments, log.Records, log.Operations
	e.report.LogBytes, e.report.TornBytes = log.Bytes, log.TornBytes
	return max(r.version.LastSeq, log.LastSeq), nil
}

func (r *replay) apply(first key.SeqNum, b *batch.Batch) error {
	if !r.mem.Fits(b.Count(), len(b.Bytes())) {
		if r.keep {
			r.full = append(r.full, r.mem)
		} else if err := r.flush(); err != nil {
			return err
		}
		if err := r.newMemtable(memtable.SizeFor(b)); err != nil {
			return err
		}
	}
	r.engine.tree.NoteEnds(b)
	r.mem.Replay(b, first)
	return nil
}

func (r *replay) newMemtable(need int) error {
	if r.mem != nil && !r.keep {
		r.engine.tree.Recycle(r.mem)
	}
	mem, err := r.engine.tree.NewMemtable(0, need)
	r.mem = mem
	return err
}

// flush writes the memtable to level 0 of the version that the new manifest will begin with, and empties it.
func (r *replay) flush() error {
	if r.mem.IsEmpty() {
		return nil
	}
	held := r.mem.Last()
	if r.engine.opts.Retain > 0 {
		held = r.version.Horizon // nobody knows any more how old what came later is
	}
	r.progress.Step("flushing what was replayed", 0, int64(r.mem.Used()))
	edit, _, err := r.engine.writeTables(r.mem, nil, r.version, []key.SeqNum{held}, r.progress.Add)
	if err != nil {
		return fmt.Errorf("flush the replayed log: %w", err)
	}
	edit.NextNum = r.engine.dir.PeekNum()
	edit.LastSeq, edit.Time = r.mem.Last(), r.engine.tree.Time().Told()
	next, err := r.version.Apply(edit)
	if err != nil {
		return fmt.Errorf("flush the replayed log: %w", err)
	}
	r.version = next
	for _, added := range edit.Added {
		r.written = append(r.written, filename.Make(filename.Table, added.Table.Num))
	}
	r.progress.Step("replaying the log", r.read, r.size)
	return r.newMemtable(0)
}

// removeTables removes what was flushed, which nothing names yet, so that an Open that fails again and again does not
// fill the disk. What cannot be removed the next Open finds.
func (r *replay) removeTables() {
	for _, name := range r.written {
		r.engine.opts.FS.Remove(name)
	}
}

// free gives back the memory of memtables that will not be served.
func (r *replay) free() {
	for _, m := range append(r.full, r.mem) {
		if m != nil {
			m.Free()
		}
	}
}
