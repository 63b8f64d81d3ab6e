// Package tables manages the table files of an open database: it opens them when they are read and closes some when
// too many are open, walks levels of them, and writes new ones, for flushes, compactions and transactions larger
// than memory.
//
// It does not know which tables are part of the tree. A caller that uses a table holds a Ref of it, and calls Forget
// when nobody uses the table any more; an iterator holds the table that it is on, and point readers are covered by
// the epoch.
//
// Its lock order is mu > the epoch's > shutMu. mu is held while a table is opened. What the epoch frees runs in any
// goroutine that retires or collects, so it only queues work for Reclaim.
package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/epoch"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/table"
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/timing"
)

// Options configures a set of tables.
type Options struct {
	Dir       *directory.Directory
	Gate      *calls.Gate
	Epochs    *epoch.Domain
	Cache     *cache.Cache
	Buffers   *piece.Buffers
	Random    func() uint64
	Codec     codec.Compressor
	PageSize  int    // bytes of a page before compression
	OpenBytes int64  // what open tables may take, besides cached pages, before some are closed
	Bytes     int64  // size at which a table that a transaction writes is complete
	Unused    func() // called when Reclaim has something to do

	// ValueThreshold is from how many bytes, as stored, a compaction leaves a value where it is; 0 for never.
	ValueThreshold int

	// Missing makes of the error that the file of table num is not there what a reader gets; nil for
	// Directory.TakenOver.
	Missing func(num filename.Num, err error) error

	// Damaged is told of the damage that reads meet. Jobs that have a table apart return it to who began them.
	Damaged func(error)

	Meter *timing.Meter // counts reads of tables; nil if nobody wants to know
	Clock clock.Monotonic
}

// Set is the tables of a database. Its methods are safe for concurrent use.
type Set struct {
	opts Options

	mu   sync.Mutex // held while a table is opened: I/O of a few pages
	refs []*Ref     // open tables, in the order of a clock
	hand int

	// The number of refs, and the bytes of memory that they take. Changed under mu, but for what grow adds.
	number, bytes atomic.Int64

	read atomic.Uint64 // bytes of tables that readers have read

	values valueFiles

	shutMu sync.Mutex
	shut   []*openTable // tables to close, for Reclaim
}

// New returns the set of tables in o.Dir. None is open.
func New(o Options) *Set {
	if o.Missing == nil {
		o.Missing = func(_ filename.Num, err error) error { return o.Dir.TakenOver(err) }
	}
	return &Set{opts: o, values: valueFiles{files: make(map[filename.Num]*Ref)}}
}

// Of returns a reference to the table that meta describes.
func Of(meta *manifest.TableMeta) *Ref { return &Ref{meta: meta} }

// Meta is the manifest's description of the table.
func (t *Ref) Meta() *manifest.TableMeta { return t.meta }

// Size returns the number of open tables, and the bytes of memory that they take. It does not wait while one
// is being opened.
func (s *Set) Size() (open int, bytes int64) { return int(s.number.Load()), s.bytes.Load() }

// BytesRead is how many bytes of tables were read because the cache did not have them, and of value files by anybody.
// What a job reads of a table that it has opened for itself (OpenApart, OpenInput) is not among them.
func (s *Set) BytesRead() uint64 { return s.read.Load() }

// countedFile is the file of a table that readers share.
type countedFile struct {
	vfs.File
	read *atomic.Uint64
}

func (f countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.read.Add(uint64(n))
	return n, err
}

// Reclaim closes the tables that nobody uses any more.
func (s *Set) Reclaim() {
	s.shutMu.Lock()
	shut := s.shut
	s.shut = nil
	s.shutMu.Unlock()
	for _, o := range shut {
		o.Close() // an error of closing a file that was only read loses nothing
	}
}

// Reader returns a reader of t. The caller is inside the epoch; the result is valid until it leaves.
func (s *Set) Reader(t *Ref) (*table.Reader, error) {
	o, err := s.reader(t)
	if err != nil {
		return nil, err
	}
	return o.Reader, nil
}

// Verify reads every byte of the table that meta describes, without the cache. It opens the table again, so that it
// checks what is on the medium and not what is in memory.
func (s *Set) Verify(ctx context.Context, meta *manifest.TableMeta) error {
	t, err := s.OpenApart(ctx, meta, nil)
	if err != nil {
		return err
	}
	defer t.Close()
	return t.Verify(ctx)
}

// OpenApart opens the table that meta describes once more, for the caller alone, who closes it. Once ctx is done, the
// next read fails. pace, which may be nil, is called before each read with its length, and its error fails it.
func (s *Set) OpenApart(ctx context.Context, meta *manifest.TableMeta,
	pace func(bytes int) error) (*table.Reader, error) {
	o, err := s.openUntil(ctx, meta, pace, false)
	if err != nil {
		return nil, err
	}
	return o.Reader, nil
}

// maxOpenTables bounds the file descriptors that open tables hold, whatever the memory limit allows.
const maxOpenTables = 500

// Ref is a table, or a value file. The file is opened when first needed and may be closed again when many others are.
type Ref struct {
	meta   *manifest.TableMeta       // of a value file number, id and size
	values bool                      // it is a value file
	open   atomic.Pointer[openTable] // nil while closed; swapped under Set.mu
	recent atomic.Bool               // read since the clock hand last passed
}

// openTable is an open table with its references: one of its Ref while that has it open, and one of every iterator
// on it. Point readers are covered by the epoch.
type openTable struct {
	*table.Reader
	refs    atomic.Int32
	counted atomic.Int64 // of Set.bytes; notCounted unless its Ref has it open
}

const notCounted = -1

// count adds what o, which nobody else has yet, takes to the bytes of open tables.
func (s *Set) count(o *openTable) {
	bytes := o.ResidentBytes()
	o.counted.Store(bytes)
	s.bytes.Add(bytes)
}

// grow adds what o takes more, as long as it counts.
func (s *Set) grow(o *openTable, bytes int64) {
	for {
		counted := o.counted.Load()
		if counted == notCounted {
			return
		}
		if o.counted.CompareAndSwap(counted, counted+bytes) {
			s.bytes.Add(bytes)
			return
		}
	}
}

// unref gives back one reference. After the last one Reclaim closes the table. It is not closed here, because this
// may run in the guard of an unrelated reader or under a lock.
func (s *Set) unref(o *openTable) {
	if o.refs.Add(-1) > 0 {
		return
	}
	s.shutMu.Lock()
	s.shut = append(s.shut, o)
	s.shutMu.Unlock()
	s.opts.Unused()
}

// reader returns t opened. The caller is inside the epoch; the result is valid until it leaves.
func (s *Set) reader(t *Ref) (*openTable, error) {
	if o := t.open.Load(); o != nil {
		if !t.recent.Load() {
			t.recent.Store(true)
		}
		return o, nil
	}
	return s.open(t)
}

// acquireReader returns t opened, with a reference for the caller, which is outside the epoch.
func (s *Set) acquireReader(t *Ref) (*openTable, error) {
	guard := s.opts.Epochs.Enter()
	defer guard.Exit()
	o, err := s.reader(t)
	if err == nil {
		o.refs.Add(1) // the reference of t.open outlives this guard
	}
	return o, err
}

// room reports whether one more table may be open.
func (s *Set) room() bool {
	return s.number.Load() < maxOpenTables && s.bytes.Load() <= s.opts.OpenBytes
}

func (s *Set) open(t *Ref) (*openTable, error) {
	// Where each read closes a table to open another, those that are closed must go as fast. A database that is only read
	// has no housekeeper to see to it, either.
	s.opts.Epochs.Collect()
	s.Reclaim()
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := t.open.Load(); o != nil {
		return o, nil
	}
	if s.opts.Gate.Closed() {
		return nil, calls.ErrClosed
	}
	for len(s.refs) > 0 && !s.room() {
		s.evictLocked()
	}
	open := s.openFile
	if t.values {
		open = s.openValues
	}
	o, err := open(t.meta)
	if err != nil {
		return nil, err
	}
	s.count(o)
	s.number.Add(1)
	s.refs = append(s.refs, t)
	t.recent.Store(true)
	t.open.Store(o)
	return o, nil
}

// OpenAhead opens tables that are new, as far as no other must be closed for that: all readers would wait for the first
// of them that comes to a new table. A failure is left to that reader to meet.
func (s *Set) OpenAhead(refs []*Ref) {
	for _, t := range refs {
		if s.room() {
			s.open(t)
		}
	}
}

// openFile opens the file of a table that the manifest names. If it is missing, or no file, that is damage.
func (s *Set) openFile(meta *manifest.TableMeta) (*openTable, error) {
	return s.openUntil(context.Background(), meta, nil, true)
}

// openValues opens a value file.
func (s *Set) openValues(meta *manifest.TableMeta) (*openTable, error) {
	file, o, err := s.find(meta)
	if err != nil {
		return nil, err
	}
	return s.opened(countedFile{file, &s.read}, o, table.OpenValues)
}

// find opens the file of a table, or of a value file, and says what it should be.
func (s *Set) find(meta *manifest.TableMeta) (vfs.File, table.OpenOptions, error) {
	name := filename.Make(filename.Table, meta.Num)
	file, err := s.opts.Dir.FS().Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.opts.Missing(meta.Num, corrupt.New(name, -1, "the manifest names this table, but the file is missing"))
		return nil, table.OpenOptions{}, err
	}
	if errors.Is(err, fs.ErrInvalid) {
		err = corrupt.New(name, -1, "the manifest names this table, but it is no regular file")
		return nil, table.OpenOptions{}, err
	}
	if err != nil {
		return nil, table.OpenOptions{}, fmt.Errorf("open table: %w", err)
	}
	file = s.opts.Meter.File(file, s.opts.Clock)
	return file, table.OpenOptions{Name: name, Num: meta.Num, ID: meta.ID, Size: meta.Size, Cache: s.opts.Cache,
		Buffers: s.opts.Buffers, Seq: meta.Seq, Damaged: s.opts.Damaged}, nil
}

// opened is file as open opens it.
func (s *Set) opened(file vfs.File, opts table.OpenOptions,
	open func(vfs.File, table.OpenOptions) (*table.Reader, error)) (o *openTable, err error) {
	o = new(openTable)
	o.refs.Store(1)
	o.counted.Store(notCounted)
	opts.Grown = func(bytes int64) { s.grow(o, bytes) }
	if o.Reader, err = open(file, opts); err != nil {
		file.Close()
		return nil, err
	}
	return o, nil
}

// untilFile is a file that fails to read once ctx is done, or pace does.
type untilFile struct {
	vfs.File
	ctx  context.Context
	pace func(bytes int) error // nil for none
}

func (f untilFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	if f.pace != nil {
		if err := f.pace(len(p)); err != nil {
			return 0, err
		}
	}
	return f.File.ReadAt(p, off)
}

// openUntil is openFile if readers share the table, and otherwise for a job of its own: see OpenApart.
func (s *Set) openUntil(ctx context.Context, meta *manifest.TableMeta, pace func(bytes int) error,
	shared bool) (*openTable, error) {
	file, opts, err := s.find(meta)
	if err != nil {
		return nil, err
	}
	if ctx.Done() != nil {
		file = untilFile{file, ctx, pace}
	}
	if shared {
		file = countedFile{file, &s.read}
	} else {
		opts.Damaged = nil
	}
	opts.Values = &values{set: s, name: opts.Name, ctx: ctx, pace: pace}
	o, err := s.opened(file, opts, table.Open)
	if err != nil {
		return nil, err
	}
	if !describes(meta, o.Properties()) {
		o.Close()
		return nil, corrupt.New(opts.Name, -1, "its content is not that which the manifest names")
	}
	o.ShareBounds(meta.Smallest, meta.Largest)
	return o, nil
}

// describes reports whether the manifest and the table itself say the same of its content. Each property decides
// something: readers look for a key only in tables whose range holds it, and compactions trust the counts.
func describes(meta *manifest.TableMeta, p table.Properties) bool {
	return p.Digest == meta.Digest &&
		p.Entries == meta.Entries && p.Tombstones == meta.Tombstones && p.Shadowed == meta.Shadowed &&
		p.RawBytes == meta.RawBytes && p.SmallestSeq == meta.SmallestSeq && p.LargestSeq == meta.LargestSeq &&
		bytes.Equal(p.Smallest, meta.Smallest) && bytes.Equal(p.Largest, meta.Largest) &&
		p.ExtentBytes >= meta.ValueBytes && slices.Equal(valueRefs(p.ValueFiles), meta.Values)
}

// evictLocked closes the first open table that was not read since the hand passed it. Two rounds suffice: the
// first clears every mark.
func (s *Set) evictLocked() {
	for range 2 * len(s.refs) {
		s.hand %= len(s.refs)
		if !s.refs[s.hand].recent.Swap(false) {
			break
		}
		s.hand++
	}
	s.hand %= len(s.refs)
	s.closeLocked(s.hand)
}

// closeLocked closes the open table at index i of refs, as soon as no reader has it.
func (s *Set) closeLocked(i int) {
	o := s.refs[i].open.Swap(nil)
	s.number.Add(-1)
	s.bytes.Add(-o.counted.Swap(notCounted))
	last := len(s.refs) - 1
	s.refs[i] = s.refs[last]
	s.refs = s.refs[:last]
	s.opts.Epochs.Retire(func() { s.unref(o) })
}

// Forget closes refs, which nobody uses any more. Some may be nil.
func (s *Set) Forget(refs ...*Ref) {
	for _, t := range refs {
		if t == nil {
			continue
		}
		if t.values {
			s.values.forget(t)
		}
		s.mu.Lock()
		if i := slices.Index(s.refs, t); i >= 0 {
			s.closeLocked(i)
		}
		s.mu.Unlock()
	}
}

// CloseAll closes every open table.
func (s *Set) CloseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.refs) > 0 {
		s.closeLocked(0)
	}
}
