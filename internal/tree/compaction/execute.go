package compaction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/visible"
)

// Deps is how Execute reaches the outside world. Progress may be nil.
type Deps struct {
	// Open returns an iterator for reading a table once from front to back. Execute closes it.
	Open func(t *manifest.TableMeta) (merge.Iterator, error)
	// NewNum returns a number that no file has.
	NewNum func() filename.Num
	// Create creates the table file num.
	Create func(num filename.Num) (Output, error)
	// Remove removes the table file num, which Create made and which is closed.
	Remove func(num filename.Num) error
	// Progress is told at every step how many bytes of keys and values were read since the last one. It may block,
	// to limit the rate. Its error ends the job.
	Progress func(rawBytes int64) error
	// Rules fold merge operands.
	Rules operand.Rules
	// Below appends to dst the value that user has right before the sequence number before, in tables outside the
	// job; these may hold newer versions, too. It is asked when many operands of user are left, of which the oldest
	// is at before, and the job holds nothing older. ok is false if the value is not known or has more than limit
	// bytes; then the operands stay. A nil Below never knows.
	Below func(dst, user []byte, before key.SeqNum, limit int) (value []byte, present, ok bool)
}

// Output is a table being written. Execute ends each with either Finish or Abort.
type Output interface {
	// Add appends an entry; keys arrive in strictly increasing order. It copies what it needs.
	Add(k key.Internal, value []byte) error
	// AddReference is Add of a put whose value stays at ref, in the file of a table that the job reads, or that one of
	// these refers to.
	AddReference(k key.Internal, ref page.Reference) error
	// AddChunks is Add of a put whose value comes in chunks of page.ChunkSize, which are lent until the next call of next;
	// after the last one, which may be shorter, next returns io.EOF. end is when an entry that ends does; 0 for others.
	AddChunks(k key.Internal, end key.Time, next func() ([]byte, error)) error
	// EstimatedSize is about how many bytes the file would have if it were finished now.
	EstimatedSize() int64
	// Full reports that no further user key may be added; further versions of the last one may. It must not report
	// it while the output holds less than Params.FullBytes.
	Full() bool
	// Finish completes, syncs and closes the file and says what is in it. If it fails, the file is closed all the same.
	Finish() (*manifest.TableMeta, error)
	// Abort closes the file, in whatever state it is.
	Abort() error
}

// Stats says what a job did. EntriesIn = EntriesOut + Shadowed + Tombstones + Folded, except for a move or a drop,
// which read nothing.
type Stats struct {
	EntriesIn  uint64
	EntriesOut uint64
	Shadowed   uint64 // dropped: a newer version, or a range tombstone, serves every snapshot
	Tombstones uint64 // dropped: nothing is left to delete
	Folded     uint64 // merged into another entry: an operand, or the entry that it was applied to
	BytesIn    int64  // size of the input tables
	BytesOut   int64  // size of the output tables
	RawBytes   int64  // keys and values read
	Outputs    int
}

// entryOverhead is the most, in bytes, that an entry takes in a page in addition to its key and value.
const entryOverhead = 64

// The context is looked at after this many entries or bytes, whichever comes first.
const (
	stepEntries = 256
	stepBytes   = 1 << 20
)

// Execute carries out the job and returns the edit that installs it. The content of the outputs is durable; their
// names become durable by a sync of the directory, which must precede the edit. The caller sets the edit's NextNum
// and LastSeq.
//
// snapshots are the sequence numbers at which there are readers, and the visible one, at which the next reader may
// come; ascending and without duplicates. They are taken before the job starts, and later readers cannot see less
// than the last of them. Entries newer than the last are all kept.
//
// On any error the outputs are removed and the inputs are as before: the job may be picked and executed again. An
// input that is damaged, out of order, outside its bounds, or shorter or longer than the manifest says, is a
// *corrupt.Error, as is an entry of unknown kind: it is never dropped, copied or passed over.
//
// Operands that cannot be folded are no error: they are kept, and readers of the key get the error. The same happens
// if the value below them could not be read.
//
// Memory: one open table for each source (a table of L0, a memtable, or a level) and one output; where there are
// merge operands, maxOperandBytes of them, as much for the values that several stripes fold to, and two values.
func (j *Job) Execute(ctx context.Context, snapshots []key.SeqNum, deps Deps) (*manifest.Edit, Stats, error) {
	if j.Move {
		return moveEdit(j), Stats{}, nil
	}
	if j.Drop {
		return j.dropEdit(), Stats{}, nil
	}
	if len(snapshots) == 0 || !slices.IsSorted(snapshots) {
		closeMemtables(j)
		return nil, Stats{}, errors.New("compaction: snapshots are missing or not ascending")
	}
	e := &execution{job: j, deps: deps, retain: retention{
		snapshots: snapshots, overlaps: newCover(j.Overlaps), ranges: j.Ranges,
	}}
	e.out = writer{job: j, deps: deps}
	e.operands.rules = deps.Rules
	e.stats.BytesIn = j.InputBytes()
	edit, err := e.do(ctx)
	if err != nil {
		return nil, Stats{}, fmt.Errorf("%s compaction into level %d: %w", j.Reason, j.OutputLevel,
			errors.Join(err, e.out.discard()))
	}
	return edit, e.stats, nil
}

// moveEdit is the edit of a move: the one input changes its level.
func moveEdit(job *Job) *manifest.Edit {
	e := &manifest.Edit{}
	for level, tables := range job.Inputs {
		for _, t := range tables {
			e.Deleted = append(e.Deleted, manifest.Removed{Level: level, Num: t.Num})
			e.Added = append(e.Added, manifest.Placed{Level: job.OutputLevel, Table: t})
		}
	}
	return e
}

func closeMemtables(job *Job) {
	for _, m := range job.Memtables {
		_ = m.Iterator.Close() // nothing was read from it
	}
}

// execution is the state of one call of Execute.
type execution struct {
	job      *Job
	deps     Deps
	retain   retention
	out      writer
	operands operands
	stats    Stats

	user    []byte      // user key of the last entry read
	trailer key.Trailer // its trailer
	fresh   bool        // no entry of it has been written
	chunk   []byte      // of a value that is being copied

	stepEntries int // read since the last step
	stepBytes   int64
}

func (e *execution) do(ctx context.Context) (*manifest.Edit, error) {
	input, err := openInputs(e.job, e.deps)
	if err != nil {
		return nil, err
	}
	err = e.mergeAll(ctx, input)
	if err = errors.Join(err, input.Close()); err != nil {
		return nil, err
	}
	if err := e.out.finish(); err != nil {
		return nil, err
	}
	if err := e.verify(); err != nil {
		return nil, err
	}
	return e.edit(), nil
}

// mergeAll reads input to its end.
func (e *execution) mergeAll(ctx context.Context, input merge.Iterator) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for ok := input.First(); ok; ok = input.Next() {
		if err := e.entry(input); err != nil {
			return err
		}
		if e.stepEntries < stepEntries && e.stepBytes < stepBytes {
			continue
		}
		if err := e.step(ctx); err != nil {
			return err
		}
	}
	if err := input.Err(); err != nil {
		return err
	}
	if err := e.endOperands(); err != nil {
		return err
	}
	return e.step(ctx)
}

// step reports progress and returns an error if the job must end.
func (e *execution) step(ctx context.Context) error {
	bytes := e.stepBytes
	e.stepEntries, e.stepBytes = 0, 0
	e.stats.RawBytes += bytes
	if err := ctx.Err(); err != nil || e.deps.Progress == nil {
		return err
	}
	return e.deps.Progress(bytes)
}

// entry keeps, drops or collects the entry that input is at.
func (e *execution) entry(input merge.Iterator) error {
	k := input.Key()
	newUser, err := e.advance(k)
	if err != nil {
		return err
	}
	e.stats.EntriesIn++
	e.stepEntries++
	e.stepBytes += int64(len(k.User))
	verdict, err := e.decide(k, newUser)
	if err != nil {
		return err
	}
	switch verdict {
	case dropShadowed:
		e.stats.Shadowed++
		return nil
	case dropTombstone:
		e.stats.Tombstones++
		return e.foldAbove(k, nil)
	}
	if ref, outside := input.Extent(); outside && showsValue(k) {
		if done, err := e.passOn(k, ref, verdict, input); done || err != nil {
			return err
		}
	}
	value, err := input.Value()
	if err != nil {
		return err
	}
	e.stepBytes += int64(len(value))
	switch verdict {
	case collect:
		return e.collect(k, value)
	case foldOnto:
		return e.foldOnto(k, value)
	}
	if effectOf(k) == visible.Until { // to some readers it has ended, and to some not
		if err := e.writeOperands(0); err != nil {
			return err
		}
	} else if effectOf(k) != visible.Fold {
		if err := e.foldAbove(k, value); err != nil {
			return err
		}
	}
	return e.write(k, value)
}

// decide says what becomes of the entry k. If k is of another user key than the operands collected so far, those are
// written first.
func (e *execution) decide(k key.Internal, newUser bool) (verdict, error) {
	if newUser {
		if err := e.endOperands(); err != nil {
			return keep, err
		}
		e.fresh = true
	} else if err := e.endAboveRange(k); err != nil {
		return keep, err
	}
	stripe := e.retain.stripe
	verdict := e.retain.decide(k, newUser)
	if e.retain.stripe != stripe {
		e.endStripe()
	}
	return verdict, nil
}

// write appends an entry to the output.
func (e *execution) write(k key.Internal, value []byte) error {
	first := e.fresh
	e.fresh = false
	e.stats.EntriesOut++
	return e.out.add(k, value, first)
}

// refer appends a put to the output whose value stays at ref.
func (e *execution) refer(k key.Internal, ref page.Reference) error {
	first := e.fresh
	e.fresh = false
	e.stats.EntriesOut++
	return e.out.addReference(k, ref, first)
}

// passOn writes the put k, whose value is at ref, without taking the value into memory. It reports false if the value
// has to be there: it is short, or something is to be folded onto it. Onto one that is longer than any that is put
// at once, nothing is.
func (e *execution) passOn(k key.Internal, ref page.Reference, v verdict, input merge.Iterator) (done bool, err error) {
	if ref.Raw > key.MaxValueSize {
		if err := e.writeOperands(0); err != nil {
			return false, err
		}
	} else if v != keep || !e.operands.empty() {
		return false, nil
	}
	switch {
	case e.job.keepsPlace(ref):
		return true, e.refer(k, ref)
	case ref.Chunks() > 0:
		return true, e.copyChunks(k, ref, input)
	}
	return false, nil
}

// copyChunks appends a put to the output with a copy of its value, chunk by chunk.
func (e *execution) copyChunks(k key.Internal, ref page.Reference, input merge.Iterator) error {
	first, n := e.fresh, 0
	e.fresh = false
	e.stats.EntriesOut++
	return e.out.addChunks(k, ref.End, first, func() ([]byte, error) {
		if n == ref.Chunks() {
			return nil, io.EOF
		}
		var err error
		e.chunk, err = input.Chunk(e.chunk[:0], n)
		e.stepBytes += int64(len(e.chunk))
		n++
		return e.chunk, err
	})
}

// advance checks that k follows the last entry read and remembers it. newUser reports that its user key differs from
// the last one.
func (e *execution) advance(k key.Internal) (newUser bool, err error) {
	order := bytes.Compare(e.user, k.User)
	if e.stats.EntriesIn == 0 {
		order = -1 // nothing precedes it, and it may be the empty key
	}
	if order > 0 || order == 0 && e.trailer <= k.Trailer {
		return false, corrupt.New("", -1, "input of a compaction is out of order: %v follows %v", k,
			key.Internal{User: e.user, Trailer: e.trailer})
	}
	if !k.Trailer.Kind().Known() {
		return false, corrupt.New("", -1, "entry %v is of a kind unknown to this version of the program", k)
	}
	e.trailer = k.Trailer
	if order < 0 {
		e.user = append(e.user[:0], k.User...)
	}
	return order < 0, nil
}

// verify checks that every entry read was written or dropped for a reason. Each input was compared with the manifest
// when it ended, and each output with what was added to it when it was finished.
func (e *execution) verify() error {
	s := e.stats
	written := uint64(0)
	for _, t := range e.out.done {
		written += t.Entries
	}
	if s.EntriesIn != written+s.Shadowed+s.Tombstones+s.Folded {
		return fmt.Errorf("compaction: %d entries read, but %d written, %d shadowed, %d tombstones dropped, %d folded",
			s.EntriesIn, written, s.Shadowed, s.Tombstones, s.Folded)
	}
	return nil
}

func (e *execution) edit() *manifest.Edit {
	edit := &manifest.Edit{}
	for level, tables := range e.job.Inputs {
		for _, t := range tables {
			edit.Deleted = append(edit.Deleted, manifest.Removed{Level: level, Num: t.Num})
		}
	}
	edit.Values = e.job.valueFiles(e.out.done)
	e.job.clear(e.out.done, e.retain.snapshots[0])
	edit.RangesAdded = e.job.rangesAdded(e.out.done, e.retain.snapshots[0])
	for _, t := range e.out.done {
		edit.Added = append(edit.Added, manifest.Placed{Level: e.job.OutputLevel, Table: t})
		e.stats.BytesOut += t.Size
		e.stats.Outputs++
	}
	return edit
}
