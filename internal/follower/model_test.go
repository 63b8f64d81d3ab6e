package follower

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/readers"
)

var (
	seedFlag  = flag.Uint64("follower.seed", 0, "run the model with this seed only")
	worldFlag = flag.Int("follower.worlds", 150, "how many worlds the model makes")
)

// process is a directory as one process sees it. Once the process is dead, nothing that it does has an effect, and its
// locks are gone, but what it wrote is there. Before each of its calls another process may have its turn.
type process struct {
	vfs.FS
	dead   bool
	locks  []io.Closer
	before func()
}

var errDead = errors.New("the process is dead")

func (p *process) kill() {
	p.dead = true
	for _, l := range p.locks {
		l.Close()
	}
}

func (p *process) call() error {
	p.before()
	if p.dead {
		return errDead
	}
	return nil
}

func (p *process) Create(name string) (vfs.File, error) { return p.file(p.FS.Create, name) }
func (p *process) Open(name string) (vfs.File, error)   { return p.file(p.FS.Open, name) }
func (p *process) OpenReadWrite(name string) (vfs.File, error) {
	return p.file(p.FS.OpenReadWrite, name)
}
func (p *process) Close() error { return nil }

func (p *process) file(open func(string) (vfs.File, error), name string) (vfs.File, error) {
	if err := p.call(); err != nil {
		return nil, err
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	return &processFile{f, p}, nil
}

func (p *process) Lock(name string, mode vfs.LockMode) (io.Closer, error) {
	l, err := p.FS.Lock(name, mode)
	if err == nil {
		p.locks = append(p.locks, l)
	}
	return l, err
}

func (p *process) Remove(name string) error {
	if err := p.call(); err != nil {
		return err
	}
	return p.FS.Remove(name)
}

func (p *process) Rename(from, to string) error {
	if err := p.call(); err != nil {
		return err
	}
	return p.FS.Rename(from, to)
}

type processFile struct {
	vfs.File
	process *process
}

func (f *processFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.process.call(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, off)
}

func (f *processFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.process.call(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, off)
}

func (f *processFile) StoreAt(b []byte, off int64) (int, error) {
	if err := f.process.call(); err != nil {
		return 0, err
	}
	return f.File.StoreAt(b, off)
}

// state is what the database holds.
type state map[string]string

// world is a database with a writer and followers, each step of which the test decides.
type world struct {
	t      *testing.T
	random *rand.Rand
	disk   *memfs.FS
	now    time.Duration

	writer    *engine.Engine // nil if there is none
	process   *process
	states    map[key.SeqNum]state // of all commits
	published key.SeqNum
	pending   key.SeqNum // of the commit in progress, which may be published already; or published
	inside    bool       // a call of some process, which another has interrupted
	keys      [][]byte
	values    bool // there have been value files

	followers []*watched
	steps     []string
}

// watched is a follower, and what the test knows about it.
type watched struct {
	*Follower
	stepped   time.Duration // when it last renewed its lease
	lapsed    bool          // it was too late once
	snapshots []*tree.Snapshot

	refreshing bool // it is in Refresh, and may be read meanwhile
}

func (w *world) note(format string, args ...any) {
	w.steps = append(w.steps, fmt.Sprintf(format, args...))
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	for _, s := range w.steps[max(0, len(w.steps)-60):] {
		w.t.Log(s)
	}
	w.t.Fatalf(format, args...)
}

func (w *world) elapsed() time.Duration { return w.now }

// interrupted is process.before: now and then, another process has its turn within a call.
func (w *world) interrupted(turn func()) func() {
	return func() {
		if w.inside || w.random.IntN(40) > 0 {
			return
		}
		w.inside = true
		w.note("  within that:")
		turn()
		w.note("  end")
		w.inside = false
	}
}

// turnWithin is what happens within a call of the writer: a follower does something, or the writer is killed.
func (w *world) turnWithin() {
	if w.random.IntN(12) == 0 {
		w.note("kill")
		w.process.kill()
		return
	}
	w.follow()
}

// open opens the database for writing.
func (w *world) open() {
	w.process = &process{FS: w.disk}
	w.process.before = w.interrupted(w.turnWithin)
	e, err := engine.Open(engine.Options{
		FS: w.process, Manual: true, Followers: true, Elapsed: w.elapsed, Random: w.random.Uint64,
		MemoryLimit: engine.MinMemoryLimit, LogLimit: 1 << 20, PageSize: 512, TableBytes: 1 << (10 + w.random.IntN(6)),
		ManifestLimit: int64(w.random.IntN(3)) * 2000, Gaps: w.random.IntN(2) == 0,
		ValueThreshold: 1 + w.random.IntN(500),
	})
	if w.process.dead {
		return
	}
	if err != nil {
		w.fatalf("open: %v", err)
	}
	w.writer = e
	if v := e.Metrics().Visible; v != w.published && v != w.pending {
		w.fatalf("open: the database ends with %d, not %d or %d", v, w.published, w.pending)
	}
	w.published = e.Metrics().Visible
	w.pending = w.published
}

// randomKey is a key of arbitrary bytes; many share a beginning.
func (w *world) randomKey() []byte { return w.keys[w.random.IntN(len(w.keys))] }

// randomSpan is a range between two such keys, or one without an end, or without a key.
func (w *world) randomSpan() span.Span {
	s := span.Span{Lo: w.randomKey(), Hi: w.randomKey()}
	if w.random.IntN(8) == 0 {
		s.Hi = nil
	}
	return s
}

func (w *world) commit() {
	now := maps.Clone(w.states[w.published])
	var b batch.Batch
	seq := w.published
	for range 1 + w.random.IntN(4) {
		k := w.randomKey()
		seq++
		switch w.random.IntN(9) {
		case 8:
			if s := w.randomSpan(); !s.Empty() {
				b.DeleteRange(s)
				maps.DeleteFunc(now, func(k, _ string) bool { return s.Contains([]byte(k)) })
			} else {
				seq--
			}
		case 0, 1:
			b.Delete(k)
			delete(now, string(k))
		case 2:
			tail := []byte{byte(w.random.IntN(256))}
			b.Merge(operand.Append, k, tail)
			now[string(k)] += string(tail)
		default:
			v := bytes.Repeat([]byte{byte(w.random.IntN(256))}, w.random.IntN(40))
			if w.random.IntN(30) == 0 {
				v = bytes.Repeat(v, 500)
			} else if w.random.IntN(3) == 0 {
				v = bytes.Repeat(v, 20)
			}
			b.Put(k, v)
			now[string(k)] = string(v)
		}
	}
	w.note("commit %d", seq)
	w.pending, w.states[seq] = seq, now
	last, err := w.writer.Commit(&b, w.random.IntN(3) == 0)
	w.ended(last, err)
}

// ended is called at the end of the commit that was pending.
func (w *world) ended(last key.SeqNum, err error) {
	switch {
	case w.process.dead: // nobody was told
	case err == nil && last == w.pending:
		w.published = last
	default:
		w.fatalf("commit: %d instead of %d, %v", last, w.pending, err)
	}
}

// clear removes everything, so that compactions may leave nothing.
func (w *world) clear() {
	var b batch.Batch
	for _, k := range w.keys {
		b.Delete(k)
	}
	w.pending = w.published + key.SeqNum(len(w.keys))
	w.note("clear %d", w.pending)
	w.states[w.pending] = state{}
	last, err := w.writer.Commit(&b, false)
	w.ended(last, err)
}

// ingest commits a large transaction, past the log.
func (w *world) ingest() {
	now := maps.Clone(w.states[w.published])
	w.note("ingest")
	s := w.writer.NewIngest()
	for _, k := range w.keys {
		if w.random.IntN(3) > 0 {
			continue
		}
		v := []byte{byte(w.random.IntN(256))}
		if err := s.Add(k, key.KindPut, v); err != nil {
			w.ended(0, err)
			return
		}
		now[string(k)] = string(v)
	}
	spill, err := s.Finish()
	if err != nil || spill.Entries() == 0 {
		w.ended(w.pending, err)
		return
	}
	w.pending = w.published + 1
	w.states[w.pending] = now
	last, err := w.writer.Ingest(spill, nil)
	w.ended(last, err)
}

// write does something as the writer, if there is one.
func (w *world) write() {
	if w.writer == nil {
		w.note("open")
		w.open()
		return
	}
	var err error
	closing := false
	switch n := w.random.IntN(100); {
	case n < 52:
		w.commit()
	case n < 55:
		w.clear()
	case n < 63:
		w.note("flush")
		err = w.writer.Flush()
	case n < 75:
		w.note("compact step")
		_, err = w.writer.CompactStep()
	case n < 78:
		w.note("compact")
		err = w.writer.Compact(context.Background(), nil, nil)
	case n < 92:
		w.note("clean")
		_, err = w.writer.CleanStep()
	case n < 95:
		w.ingest()
	case n < 97:
		w.note("close")
		closing = true
		err = w.writer.Close()
	default:
		w.note("kill")
		w.process.kill()
	}
	if w.process.dead || closing {
		w.writer = nil
	}
	if err != nil && !w.process.dead {
		w.fatalf("%v", err)
	}
	w.values = w.values || w.writer != nil && len(w.writer.Metrics().Version.Values) > 0
}

// follow does something as a follower.
func (w *world) follow() {
	if len(w.followers) == 0 || len(w.followers) < 3 && w.random.IntN(20) == 0 {
		p := &process{FS: w.disk, before: func() {}}
		f, err := Open(Options{
			FS: p, MemoryLimit: engine.MinMemoryLimit, Elapsed: w.elapsed, Random: w.random.Uint64,
			Manual: true, Poison: true, Rows: true,
		})
		if w.published == 0 && (errors.Is(err, manifest.ErrNoDatabase) || errors.Is(err, ErrNoWriter)) {
			return // it is just being created
		}
		if err != nil {
			w.fatalf("follow: %v", err)
		}
		w.note("follower %d opened at %d", len(w.followers), f.Sequence())
		next := &watched{Follower: f, stepped: w.now}
		w.followers = append(w.followers, next)
		p.before = w.interrupted(func() {
			if next.refreshing && w.random.IntN(2) == 0 {
				w.readWithin(next)
			} else {
				w.write()
			}
		})
	}
	i := w.random.IntN(len(w.followers))
	f := w.followers[i]
	f.lapsed = f.lapsed || w.now-f.stepped > lease.Term
	switch n := w.random.IntN(20); {
	case n < 8:
		w.note("follower %d refreshes", i)
		w.refresh(f)
	case n < 11:
		w.note("follower %d steps", i)
		f.Step()
		f.stepped = w.now
	case n < 15:
		w.readNewest(f)
	case n < 17 && len(f.snapshots) < 4:
		s := new(tree.Snapshot)
		f.Hold(s, origin.Snapshot)
		f.snapshots = append(f.snapshots, s)
		w.note("follower %d takes a snapshot at %d", i, s.Seq())
	case n < 19 && len(f.snapshots) > 0:
		n := w.random.IntN(len(f.snapshots))
		s := f.snapshots[n]
		w.note("follower %d reads its snapshot at %d", i, s.Seq())
		w.readSnapshot(f, s)
		if w.random.IntN(2) == 0 {
			s.Close()
			f.snapshots = slices.Delete(f.snapshots, n, n+1)
		}
	case n == 19 && w.random.IntN(5) == 0:
		w.note("follower %d ends", i)
		w.end(i)
	}
}

func (w *world) refresh(f *watched) {
	before, published := f.Sequence(), w.published
	f.refreshing = true
	defer func() { f.refreshing = false }()
	if err := f.Refresh(context.Background()); err != nil {
		w.fatalf("refresh: %v", err)
	}
	if now := f.Sequence(); now < before || now < published || now > w.published && now != w.pending {
		w.fatalf("the follower went from %d to %d, %d to %d was published", before, now, published, w.pending)
	}
}

// readWithin is readNewest while f is reading itself.
func (w *world) readWithin(f *watched) {
	k := w.randomKey()
	got, found, err := f.tree.Get(nil, k, tree.Latest)
	want, present := w.states[f.Sequence()][string(k)]
	if f.lapsed && errors.Is(err, readers.ErrExpired) {
		return
	}
	if err != nil || found != present || string(got) != want {
		w.fatalf("within: at %d: Get(%x) = %x, %t, %v instead of %x, %t", f.Sequence(), k, got, found, err, want, present)
	}
}

// readNewest compares a key with the state that f shows.
func (w *world) readNewest(f *watched) {
	k := w.randomKey()
	got, found, err := f.Get(nil, k)
	want, present := w.states[f.Sequence()][string(k)] // Get may have refreshed
	if err != nil || found != present || string(got) != want {
		w.fatalf("at %d: Get(%x) = %x, %t, %v instead of %x, %t", f.Sequence(), k, got, found, err, want, present)
	}
}

// readSnapshot compares all of s, both ways, with what was there.
func (w *world) readSnapshot(f *watched, s *tree.Snapshot) {
	want := w.states[s.Seq()]
	sorted := slices.Sorted(maps.Keys(want))
	it, err := s.NewIterator(nil, nil)
	if err == nil {
		defer it.Close()
		err = compare(it, want, sorted, it.First, it.Next)
	}
	if err == nil {
		slices.Reverse(sorted)
		err = compare(it, want, sorted, it.Last, it.Prev)
	}
	for _, k := range w.keys {
		if err != nil {
			break
		}
		var got []byte
		var found bool
		if got, found, err = s.Get(nil, k); err == nil && (found != (want[string(k)] != "" || contains(want, k)) ||
			string(got) != want[string(k)]) {
			err = fmt.Errorf("Get(%x) = %x, %t instead of %x", k, got, found, want[string(k)])
		}
	}
	if err != nil && !(f.lapsed && errors.Is(err, readers.ErrExpired)) {
		w.fatalf("snapshot at %d: %v", s.Seq(), err)
	}
}

func contains(s state, k []byte) bool {
	_, ok := s[string(k)]
	return ok
}

func compare(it *tree.Iterator, want state, order []string, first, next func() bool) error {
	n := 0
	for ok := first(); ok; ok = next() {
		v, err := it.Value()
		if err != nil {
			return err
		}
		if n == len(order) || string(it.Key()) != order[n] || string(v) != want[order[n]] {
			return fmt.Errorf("entry %d is %x = %x", n, it.Key(), v)
		}
		n++
	}
	if err := it.Err(); err != nil {
		return err
	}
	if n < len(order) {
		return fmt.Errorf("the scan ends after %d of %d entries", n, len(order))
	}
	return nil
}

func (w *world) end(i int) {
	f := w.followers[i]
	for _, s := range f.snapshots {
		s.Close()
	}
	if err := f.Close(); err != nil {
		w.fatalf("close of a follower: %v", err)
	}
	w.followers = slices.Delete(w.followers, i, i+1)
}

// newWorld returns a world whose writer has just created the database.
func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), disk: memfs.NewVolatile(),
		states: map[key.SeqNum]state{0: {}},
	}
	beginnings := [][]byte{nil, {0}, {0x7f}, {0x80}, {0xff}, {0xff, 0xff}, []byte("key "), bytes.Repeat([]byte("x"), 300)}
	for range 40 {
		k := slices.Clone(beginnings[w.random.IntN(len(beginnings))])
		w.keys = append(w.keys, append(k, byte(w.random.IntN(256))))
	}
	w.keys = append(w.keys, []byte{})
	slices.SortFunc(w.keys, bytes.Compare)
	w.keys = slices.CompactFunc(w.keys, bytes.Equal)
	for w.writer == nil {
		w.open()
	}
	return w
}

// A follower may show what was never published, miss or repeat a commit, mix two states, go back, or read what was
// removed. Not drawn here: goroutines at the same time, damage, full disks.
func TestFollower_showsWhatWasPublished(t *testing.T) {
	worlds := *worldFlag
	if testing.Short() {
		worlds /= 5
	}
	values := 0
	for n := range worlds {
		seed := uint64(time.Now().UnixNano()) + uint64(n)
		if *seedFlag != 0 {
			seed = *seedFlag
		}
		if !t.Run("", func(t *testing.T) {
			if runWorld(t, seed) {
				values++
			}
		}) || *seedFlag != 0 {
			t.Logf("-follower.seed=%d", seed)
			return
		}
	}
	if values < worlds/2 {
		t.Errorf("only %d of %d worlds had value files", values, worlds)
	}
}

// runWorld reports whether there were value files.
func runWorld(t *testing.T, seed uint64) (values bool) {
	w := newWorld(t, seed)
	patient := w.random.IntN(2) == 0 // nobody's lease lapses
	for range 400 {
		if w.random.IntN(2) == 0 {
			w.write()
		} else {
			w.follow()
		}
		if w.random.IntN(3) == 0 {
			w.now += time.Duration(w.random.Int64N(int64(time.Second)))
		}
		if !patient && w.random.IntN(60) == 0 {
			w.now += lease.Term * 2
			w.note("time passes")
		}
		for _, f := range w.followers {
			if patient && w.now-f.stepped > lease.Term/2 {
				f.Step()
				f.stepped = w.now
			}
		}
	}
	for len(w.followers) > 0 {
		w.refresh(w.followers[0])
		w.end(0)
	}
	if w.writer != nil {
		if err := w.writer.Close(); err != nil && !w.process.dead {
			t.Fatal(err)
		}
	}
	return w.values
}
