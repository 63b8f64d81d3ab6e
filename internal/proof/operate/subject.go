package operate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/internal/proof/noise"
	"lightningdb/internal/proof/probe"
	"lightningdb/monitor"
)

// spec is what a subject is to be.
type spec struct {
	Dir     string
	Address string // where it shows its database

	MemoryLimit int64
	LogLimit    int64
	DiskLimit   int64
	ScrubRate   int64

	Mount       int64         // bytes of a file system of its own in memory, in the directory above Dir; 0 for none
	Repository  string        // for backups; empty for none
	BackupEvery time.Duration // 0: on order only
	Archive     bool          // commits go to the repository

	ArchiveRetention int64 // that of the options
}

// answer is what a subject says once an order is done.
type answer struct {
	Error string `json:",omitempty"`
}

// subject is a program whose database something happens to, from inside.
type subject struct {
	spec
	db     *lightningdb.DB
	noise  noise.Source
	ctx    context.Context
	works  sync.WaitGroup // goroutines that end with ctx
	writes atomic.Uint64  // values that were made
	last   atomic.Int64   // when the newest backup was begun, in nanoseconds since 1970; 0 if there is none
	resume func()         // ends what "write" has begun

	held        []func() error // what "release" ends
	descriptors descriptors
}

// what subjects can be told
var orderList = map[string]func(s *subject) error{
	"close":    func(s *subject) error { return s.db.Close() },
	"load":     func(s *subject) error { return s.load(dataBytes) },
	"flush":    (*subject).flush,
	"backup":   (*subject).backUp,
	"snapshot": (*subject).holdSnapshot,
	"lock":     (*subject).holdLock,
	"leak":     (*subject).leakCursors,
	"release":  (*subject).release,
	"write":    (*subject).write,
	"rest":     func(s *subject) error { s.resume(); return nil },
	"fill":     (*subject).fill,
	"delete":   (*subject).deleteAll,

	"fill disk": (*subject).fillDisk,
	"leave little": func(s *subject) error {
		return os.WriteFile(s.ballast(), make([]byte, s.Mount-leftBytes-s.db.Metrics().DiskBytes), 0o600)
	},
	"empty disk": func(s *subject) error { return os.Remove(s.ballast()) },

	"await archive":   (*subject).awaitArchive,
	"stream":          (*subject).stream,
	"outgrow archive": (*subject).outgrowArchive,

	"fail syncs":       func(*subject) error { return failSyncs() },
	"hold descriptors": (*subject).holdDescriptors,
}

const (
	dataBytes  = 8 << 20
	valueBytes = 2 << 10
	writers    = 8
	// tickInterval is after which each subject syncs a value, all to the end of the run: the machine has others to serve.
	tickInterval = 100 * time.Millisecond
	leftBytes    = 4 << 20 // of a disk that has little room
	// writtenKeys are the keys that they overwrite: 400 MB.
	writtenKeys     = 200_000
	writtenTogether = 64              // in a commit
	leaks           = 6               // cursors, each of which keeps dataBytes
	streamedBytes   = 3 << 20         // of less than two chunks nothing is streamed
	stalledFor      = 2 * time.Second // for how long writers wait, before it is a stall
)

// RunChild is what the process does that Campaign.Child returns: it opens a database, shows it, works with it a little,
// and does what it is told until in ends.
func RunChild(text string, in io.Reader, out io.Writer) error {
	s := &subject{noise: noise.New(1)}
	if err := json.Unmarshal([]byte(text), &s.spec); err != nil {
		return fmt.Errorf("spec of a subject: %w", err)
	}
	if s.Mount > 0 {
		if err := probe.MountMemory(filepath.Dir(s.Dir), s.Mount); err != nil {
			return err
		}
	}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(context.Background())
	defer s.works.Wait()
	defer cancel()
	return s.run(in, json.NewEncoder(out))
}

// run opens the database, and obeys.
func (s *subject) run(in io.Reader, out *json.Encoder) (err error) {
	options := &lightningdb.Options{MemoryLimit: s.MemoryLimit, LogLimit: s.LogLimit, DiskLimit: s.DiskLimit,
		ScrubRate: s.ScrubRate, Compression: lightningdb.NoCompression, TraceReaders: true}
	if s.Archive {
		repository, err := backup.OpenFolder(s.Repository)
		if err != nil {
			return err
		}
		options.Archive, options.ArchiveRetention = backup.NewArchive(repository), s.ArchiveRetention
	}
	if s.db, err = lightningdb.Open(s.Dir, options); err != nil {
		return err
	}
	o := &monitor.Options{BackupEvery: s.BackupEvery, LastBackup: func() time.Time {
		if t := s.last.Load(); t > 0 {
			return time.Unix(0, t)
		}
		return time.Time{}
	}}
	m, err := monitor.New(s.db, o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.Address)
	if err != nil {
		return err
	}
	s.works.Go(func() { _ = monitor.Serve(s.ctx, listener{l, &s.descriptors}, m) }) // until the end
	s.every(tickInterval, func() { _ = s.db.Put([]byte("tick"), s.value()) })
	if s.BackupEvery > 0 {
		s.every(s.BackupEvery, func() { _ = s.backUp() }) // a failure is what the alert is for
	}
	_ = out.Encode(answer{}) // a parent that has gone is noticed below
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var a answer
		if err := s.obey(lines.Text()); err != nil {
			a.Error = err.Error()
		}
		_ = out.Encode(a)
	}
	return nil
}

func (s *subject) obey(order string) error {
	do := orderList[order]
	if do == nil {
		return fmt.Errorf("there is no order %q", order)
	}
	return do(s)
}

// every calls fn now and then, until the end.
func (s *subject) every(d time.Duration, fn func()) {
	s.works.Go(func() { every(s.ctx, d, fn) })
}

// every calls fn now and then, until ctx is done.
func every(ctx context.Context, d time.Duration, fn func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		fn()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// value is a new one, which stays in the pages of its table.
func (s *subject) value() []byte {
	return s.noise.Value(nil, 0, s.writes.Add(1), valueBytes, valueBytes)
}

// change commits one change, so that it survives a kill of the process.
func (s *subject) change(add func(b *lightningdb.Batch)) error {
	var b lightningdb.Batch
	b.SetDurability(lightningdb.Process)
	add(&b)
	return s.db.Write(&b)
}

func (s *subject) put(k []byte) error {
	return s.change(func(b *lightningdb.Batch) { b.Put(k, s.value()) })
}

// load writes some bytes of data.
func (s *subject) load(bytes int) error {
	for i := range bytes / valueBytes {
		if err := s.put(fmt.Appendf(nil, "key %08d", i)); err != nil {
			return err
		}
	}
	return nil
}

// flush asks for a flush, and does not wait for one that cannot be done.
func (s *subject) flush() error {
	done := make(chan error, 1)
	s.works.Go(func() { done <- s.db.Flush() })
	select {
	case <-done: // whether it could be done is seen in the metrics
	case <-time.After(time.Second):
	}
	return nil
}

// backUp adds a backup to the repository.
func (s *subject) backUp() error {
	repository, err := backup.OpenFolder(s.Repository)
	if err != nil {
		return err
	}
	b, err := repository.Create(s.ctx, s.db, nil)
	if err == nil {
		s.last.Store(b.Time.UnixNano())
	}
	return err
}

func (s *subject) holdSnapshot() error {
	snapshot := s.db.Snapshot()
	s.held = append(s.held, func() error { snapshot.Close(); return nil })
	return nil
}

func (s *subject) holdLock() error {
	tx, err := s.db.Begin(s.ctx, lightningdb.TxOptions{})
	if err != nil {
		return err
	}
	s.held = append(s.held, func() error { tx.Rollback(); return nil })
	_, err = tx.GetForUpdate([]byte("account"))
	if errors.Is(err, lightningdb.ErrNotFound) {
		return nil
	}
	return err
}

// leakCursors overwrites all data again and again, and leaves a cursor open each time, which keeps the files that were.
func (s *subject) leakCursors() error {
	for range leaks {
		if err := errors.Join(s.load(dataBytes), s.db.Compact(s.ctx, nil, nil)); err != nil {
			return err
		}
		snapshot := s.db.Snapshot()
		c := snapshot.Range(nil, nil).Cursor()
		c.First()
		s.held = append(s.held, func() error { c.Close(); snapshot.Close(); return nil })
	}
	return errors.Join(s.load(dataBytes), s.db.Compact(s.ctx, nil, nil))
}

// release ends what is held, the newest first.
func (s *subject) release() (err error) {
	for _, end := range slices.Backward(s.held) {
		err = errors.Join(err, end())
	}
	s.held = nil
	return err
}

// write begins to write as fast as it goes, all over more data than compactions can keep in order meanwhile. It returns
// when that has held up writers. Each commit has many values, which are made once: so a byte takes the writers a small
// part of what it takes flush and compaction, and these are behind however little the processors have left for them.
func (s *subject) write() error {
	ctx, cancel := context.WithCancel(s.ctx)
	s.resume = cancel
	for range writers {
		value := s.value()
		s.works.Go(func() {
			for err := error(nil); err == nil && ctx.Err() == nil; {
				err = s.change(func(b *lightningdb.Batch) {
					for range writtenTogether {
						b.Put(fmt.Appendf(nil, "key %08d", rand.IntN(writtenKeys)), value)
					}
				})
			}
		})
	}
	return s.until(func(m *lightningdb.Metrics) bool { return m.Stall.Duration > stalledFor })
}

// fill writes until there is no space.
func (s *subject) fill() error {
	for i := 0; ; i++ {
		err := s.put(fmt.Appendf(nil, "fill %08d", i))
		if errors.Is(err, lightningdb.ErrNoSpace) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// deleteAll removes what fill has written.
func (s *subject) deleteAll() error {
	for i := 0; ; i++ {
		k := fmt.Appendf(nil, "fill %08d", i)
		if has, err := s.db.Has(k); err != nil || !has {
			return err
		}
		if err := s.change(func(b *lightningdb.Batch) { b.Delete(k) }); err != nil {
			return err
		}
	}
}

// awaitArchive waits until there is a branch of the archive: what is not there yet has no gap.
func (s *subject) awaitArchive() error {
	return s.until(func(m *lightningdb.Metrics) bool { return m.Archive.Branch != "" })
}

// stream commits a value that is no part of the log.
func (s *subject) stream() error {
	return s.db.PutReader(s.ctx, []byte("streamed"), bytes.NewReader(make([]byte, streamedBytes)))
}

// outgrowArchive writes until the log holds less than what was written.
func (s *subject) outgrowArchive() error {
	before := s.db.Metrics().Log.BytesWritten
	for {
		if err := errors.Join(s.load(dataBytes), s.db.Flush()); err != nil {
			return err
		}
		m := s.db.Metrics()
		if written := m.Log.BytesWritten - before; uint64(m.Log.Bytes+m.Archive.HeldBytes) < written/2 {
			return nil
		}
	}
}

// until waits until the metrics are as they are to be.
func (s *subject) until(are func(m *lightningdb.Metrics) bool) error {
	for {
		if m := s.db.Metrics(); are(&m) {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// ballast is the file that fills the disk.
func (s *subject) ballast() string { return filepath.Join(filepath.Dir(s.Dir), ballast) }

// fillDisk takes all the space that is left on the disk, as another program does.
func (s *subject) fillDisk() error {
	file, err := os.Create(s.ballast())
	if err != nil {
		return err
	}
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 64<<10))
	}
	// What the database has allocated ahead is still its own: that is used up now.
	return s.fill()
}
