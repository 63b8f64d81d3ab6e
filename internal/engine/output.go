package engine

import (
	"context"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/join"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/table"
)

// writeTables writes m to tables of level 0 above version, durable in content and name, and returns the edit that
// adds them. held are the sequence numbers that readers need. v is the view of version, nil while the log is replayed.
func (e *Engine) writeTables(m *memRef, v *view, version *manifest.Version, held []key.SeqNum) (
	*manifest.Edit, compaction.Stats, error) {
	job := compaction.Flush(version, compaction.Memtable{Iterator: m.NewIterator(), Entries: uint64(m.Count())})
	job.TargetTableBytes = e.budget.table
	return e.runJob(context.Background(), job, v, held)
}

// runJob carries out a job of package compaction on the files of the database. From the last of held on, which becomes
// the floor of the edit, everything stays readable. v is the view that job was picked from, which the caller holds; nil
// if there is none yet.
func (e *Engine) runJob(ctx context.Context, job *compaction.Job, v *view, held []key.SeqNum) (
	*manifest.Edit, compaction.Stats, error) {
	edit, stats, err := compaction.Run(ctx, job, held, compaction.Deps{
		Open:     func(t *manifest.TableMeta) (merge.Iterator, error) { return e.openInput(ctx, t) },
		NewNum:   e.newNum,
		Rules:    e.rules,
		Below:    e.belowIn(v),
		Create:   e.createOutput,
		Progress: func(int64) error { return e.intact() }, // after a failure the job is for nothing
		Remove: func(num filename.Num) error {
			e.discard(filename.Make(filename.Table, num))
			return nil
		},
	})
	if err != nil {
		return nil, stats, err
	}
	edit.Floor = held[len(held)-1]
	if stats.Outputs > 0 {
		if err = e.fs.SyncDir(); err != nil {
			e.discardTables(edit)
		}
	}
	return edit, stats, err
}

// minFullBytes is less than any table holds when table.Writer says that it is full: each of its limits (leaves, keys,
// inner entries, length) is reached by many times as much.
const minFullBytes = 4 << 20

// While there is a burst of writes a level is compacted from score burstDue on, level 0 from burstRuns runs on, and nothing
// for the sake of space: writers have more to gain then from processors and disk than readers from a run less
// (docs/decisions/0004). Level 0 stays below slowTables.
const (
	burstDue  = 2
	burstRuns = 16
)

// burstPause is how long after the last rotation a burst of writes is over. Within it a burst fills a memtable.
const burstPause = 2 * time.Second

// burstLeft is how long from now on there may still be a burst of writes; 0 if there is none.
func (e *Engine) burstLeft() time.Duration {
	rotated := instant(e.rotated.Load())
	if e.opts.Manual || rotated == 0 {
		return 0
	}
	return max(0, burstPause-e.now().since(rotated))
}

// isQuiet reports whether no writes are in more need of processors and disk than a compaction.
func (e *Engine) isQuiet(v *view) bool { return len(v.mems) == 1 && e.burstLeft() == 0 }

// compactionParams are the measures by which compactions are picked.
func (e *Engine) compactionParams(oldest key.SeqNum, quiet bool) compaction.Params {
	due, l0 := 1.0, compaction.DefaultL0Trigger
	if !quiet {
		due, l0 = burstDue, burstRuns/burstDue
	}
	return compaction.Params{
		BaseBytes:        int64(e.budget.memtable),
		Multiplier:       compaction.DefaultMultiplier,
		TargetTableBytes: e.budget.table,
		FullBytes:        minFullBytes,
		L0Trigger:        l0,
		L0Bytes:          int64(l0) * int64(e.budget.memtable),
		OldestSnapshot:   oldest,
		Futile:           e.futile.has,
		Due:              due,
		Quiet:            quiet,
	}
}

// openInput opens a table for one read from front to back, past the cache and beside the tables that readers have
// open. Once ctx is done the next read fails.
func (e *Engine) openInput(ctx context.Context, meta *manifest.TableMeta) (merge.Iterator, error) {
	o, err := e.openTableUntil(ctx, meta)
	if err != nil {
		return nil, err
	}
	return &tableIterator{Iterator: *o.NewSequentialIterator(), held: o}, nil
}

// output is a table file being written by a job.
type output struct {
	file   vfs.File
	writer *table.Writer
	num    filename.Num
	id     uint64

	fleeting bool // not to be synced: it will not outlive the process
}

func (e *Engine) createOutput(num filename.Num) (compaction.Output, error) {
	o, err := e.newOutput(num)
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (e *Engine) newOutput(num filename.Num) (*output, error) {
	if err := e.confirmOwner(); err != nil {
		return nil, err
	}
	file, err := e.fs.Create(filename.Make(filename.Table, num))
	if err != nil {
		return nil, e.takenOver(err)
	}
	id := e.opts.Random()
	w := table.NewWriter(file, table.Options{ID: id, Codec: e.opts.Codec, PageSize: e.opts.PageSize, Buffers: e.buffers})
	return &output{file: file, writer: w, num: num, id: id}, nil
}

func (o *output) Add(k key.Internal, value []byte) error { return o.writer.Add(k, value) }
func (o *output) EstimatedSize() int64                   { return o.writer.EstimatedSize() }
func (o *output) Full() bool                             { return o.writer.Full() }

func (o *output) Abort() error {
	o.writer.Release()
	return o.file.Close()
}

func (o *output) Finish() (*manifest.TableMeta, error) {
	p, err := o.writer.Finish()
	if err == nil && !o.fleeting {
		err = o.file.Sync()
	}
	var size int64
	if err == nil {
		size, err = o.file.Size()
	}
	if err = join.Errors(err, o.file.Close()); err != nil {
		return nil, err
	}
	return &manifest.TableMeta{
		Num:         o.num,
		ID:          o.id,
		Size:        size,
		Digest:      p.Digest,
		Entries:     p.Entries,
		Tombstones:  p.Tombstones,
		Shadowed:    p.Shadowed,
		RawBytes:    p.RawBytes,
		SmallestSeq: p.SmallestSeq,
		LargestSeq:  p.LargestSeq,
		Smallest:    p.Smallest,
		Largest:     p.Largest,
	}, nil
}
