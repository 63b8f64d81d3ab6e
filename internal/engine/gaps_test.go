package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/vfs/memfs"
)

// gapKeys are few, with bytes that are no text, both extremes and the empty key, and keys right behind others.
var gapKeys = []string{
	"", "\x00", "\x00\x00", "\x01", "a", "a\x00", "ab", "b", "\x7f", "\x7f\xff", "\x80", "\x80\x00", "\xc3\x28", "\xfe",
	"\xfe\xff",
	"\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff",
}

// gapReader is a snapshot and what it must show; with a span, it is what a transaction has read.
type gapReader struct {
	snapshot *Snapshot
	content  map[string]string
	txn      *Txn
	lo, hi   []byte
}

// gapModel is an engine that remembers every gap, and what is to be in it.
type gapModel struct {
	t       *testing.T
	r       *rand.Rand
	fs      *memfs.FS
	e       *Engine
	content map[string]string
	readers []gapReader
}

func (m *gapModel) open() {
	e, err := Open(Options{FS: m.fs, Manual: true, Gaps: true, MemoryLimit: MinMemoryLimit, PageSize: 512})
	if err != nil {
		m.t.Fatal(err)
	}
	m.e = e
}

func (m *gapModel) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// key draws one of the keys, from the ends more often than from the middle.
func (m *gapModel) key() string {
	if n := len(gapKeys); m.r.IntN(2) == 0 {
		return gapKeys[m.r.IntN(n)]
	} else if m.r.IntN(2) == 0 {
		return gapKeys[m.r.IntN(3)]
	} else {
		return gapKeys[n-1-m.r.IntN(3)]
	}
}

// bounds draws a span.
func (m *gapModel) bounds() (lo, hi []byte) {
	if m.r.IntN(3) > 0 {
		lo = []byte(m.key())
	}
	if m.r.IntN(3) > 0 {
		hi = []byte(m.key())
	}
	return lo, hi
}

// within is what of content lies in [lo, hi), in order.
func within(content map[string]string, lo, hi []byte) (keys []string) {
	for _, k := range slices.Sorted(maps.Keys(content)) {
		if (span.Span{Lo: lo, Hi: hi}).Contains([]byte(k)) {
			keys = append(keys, k)
		}
	}
	return keys
}

// change commits one to three operations, most of them deletes.
func (m *gapModel) change() {
	var b batch.Batch
	for range 1 + m.r.IntN(3) {
		k, v := m.key(), fmt.Sprint(m.r.IntN(1000))
		switch m.r.IntN(5) {
		case 0:
			b.Put([]byte(k), []byte(v))
			m.content[k] = v
		case 1:
			b.Merge(operand.Append, []byte(k), []byte(v))
			m.content[k] += v
		default:
			b.Delete([]byte(k))
			delete(m.content, k)
		}
	}
	_, err := m.e.Commit(&b, m.r.IntN(4) == 0)
	m.must(err)
}

// ingest commits a run, of deletes alone or of a value too.
func (m *gapModel) ingest() {
	w := m.e.NewIngest()
	first := m.r.IntN(len(gapKeys))
	for _, k := range gapKeys[first:min(len(gapKeys), first+1+m.r.IntN(4))] {
		kind, value := key.KindDelete, ""
		if delete(m.content, k); m.r.IntN(4) == 0 {
			kind, value = key.KindPut, "run"
			m.content[k] = value
		}
		m.must(w.Add([]byte(k), kind, []byte(value)))
	}
	run, err := w.Finish()
	m.must(err)
	_, err = m.e.Ingest(run, nil)
	m.must(err)
}

// read compares scans, there and back, of the newest state or of one that is held.
func (m *gapModel) read() {
	lo, hi := m.bounds()
	var s *Snapshot
	content := m.content
	if n := len(m.readers); n > 0 && m.r.IntN(2) == 0 {
		i := m.r.IntN(n)
		s, content = m.readers[i].snapshot, m.readers[i].content
	}
	it, err := m.e.NewIterator(s, lo, hi)
	m.must(err)
	defer it.Close()
	want := within(content, lo, hi)
	var forward, backward []string
	for ok := it.First(); ok; ok = it.Next() {
		forward = append(forward, string(it.Key()))
	}
	for ok := it.Last(); ok; ok = it.Prev() {
		backward = append(backward, string(it.Key()))
	}
	slices.Reverse(backward)
	if !slices.Equal(forward, want) || !slices.Equal(backward, want) || it.Err() != nil {
		m.t.Fatalf("[%q, %q) shows %q and %q (%v), want %q", lo, hi, forward, backward, it.Err(), want)
	}
	target := m.key()
	i, _ := slices.BinarySearch(want, target)
	if ok := it.SeekGE([]byte(target)); ok != (i < len(want)) || ok && string(it.Key()) != want[i] {
		m.t.Fatalf("a seek to %q in [%q, %q) comes to one of %q at the wrong place: %v", target, lo, hi, want, ok)
	}
	if ok := it.SeekLT([]byte(target)); ok != (i > 0) || ok && string(it.Key()) != want[i-1] {
		m.t.Fatalf("a seek before %q in [%q, %q) comes to one of %q at the wrong place: %v", target, lo, hi, want, ok)
	}
}

// hold takes a snapshot, or begins a transaction that reads a span.
func (m *gapModel) hold() {
	r := gapReader{content: maps.Clone(m.content)}
	if r.lo, r.hi = m.bounds(); m.r.IntN(2) == 0 {
		r.snapshot = m.e.Snapshot()
	} else {
		r.txn = new(Txn)
		m.e.Begin(r.txn, new(txn.Reads), 0)
		r.txn.Reads.AddSpan(span.Span{Lo: r.lo, Hi: r.hi})
		r.snapshot = r.txn.Snapshot()
	}
	m.readers = append(m.readers, r)
}

// release ends a reader. A transaction must be refused if what it read is no longer so.
func (m *gapModel) release() {
	if len(m.readers) == 0 {
		return
	}
	i := m.r.IntN(len(m.readers))
	r := m.readers[i]
	m.readers = slices.Delete(m.readers, i, i+1)
	if r.txn == nil {
		r.snapshot.Close()
		return
	}
	defer r.txn.Close()
	was, is := within(r.content, r.lo, r.hi), within(m.content, r.lo, r.hi)
	same := slices.Equal(was, is) && !slices.ContainsFunc(was, func(k string) bool { return r.content[k] != m.content[k] })
	var b batch.Batch
	b.Delete([]byte("absent"))
	if _, err := r.txn.Commit(m.t.Context(), &b, false); !same && !errors.Is(err, ErrConflict) {
		m.t.Fatalf("[%q, %q) was %q and is %q, and the commit gives %v", r.lo, r.hi, was, is, err)
	} else if err != nil && !errors.Is(err, ErrConflict) {
		m.t.Fatal(err)
	}
}

// rearrange moves the content between memory and tables.
func (m *gapModel) rearrange() {
	switch m.r.IntN(8) {
	case 0:
		for len(m.readers) > 0 {
			m.release()
		}
		m.must(m.e.Close())
		m.fs = m.fs.Kill()
		m.open()
	case 1, 2:
		m.must(m.e.Flush())
	case 3:
		m.must(m.e.Compact(m.t.Context(), nil, nil))
	default:
		_, err := m.e.CompactStep()
		m.must(err)
	}
}

// A gap that is not empty hides what was committed from every scan, and a change from the check of a commit. Gaps are
// found by every walk here, and used by every later one, at the newest state and at older ones, while commits go on at
// both ends and in the middle, ingested tables, flushes, compactions and reopening.
func TestGaps_hideNothingFromAnyReader(t *testing.T) {
	seeds, steps := 30, 1500
	if testing.Short() {
		seeds = 8
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := gapModel{t: t, r: rand.New(rand.NewPCG(seed, 11)), fs: memfs.NewVolatile(), content: map[string]string{}}
			m.open()
			for range steps {
				switch p := m.r.IntN(100); {
				case p < 40:
					m.change()
				case p < 80:
					m.read()
				case p < 87 && len(m.readers) < 6:
					m.hold()
				case p < 94:
					m.release()
				case p < 97:
					m.ingest()
				default:
					m.rearrange()
				}
			}
			for len(m.readers) > 0 {
				m.release()
			}
			m.must(m.e.Close())
		})
	}
}

// A key that was put while others walk over where it is, and note that nothing is there, would be lost to scans
// though its commit was acknowledged.
func TestGaps_whileCommitsRun(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Gaps: true, MemoryLimit: MinMemoryLimit})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const writers, keys, rounds = 4, 32, 400
	var done sync.WaitGroup
	for w := range writers {
		done.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			for range rounds {
				user := binary.BigEndian.AppendUint16(nil, uint16(r.IntN(keys)*writers+w)) // nobody else's
				for _, put := range []bool{true, false} {
					if err := toggle(e, user, put); err != nil {
						t.Error(err)
						return
					}
					from := binary.BigEndian.AppendUint16(nil, uint16(r.IntN(keys*writers)))
					if found, err := seen(e, user, from); found != put || err != nil {
						t.Errorf("%x was put: %v; a walk from %x finds it: %v, %v", user, put, from, found, err)
						return
					}
				}
			}
		})
	}
	done.Wait()
}

func toggle(e *Engine, user []byte, put bool) error {
	var b batch.Batch
	if put {
		for n := range uint16(500) { // the put is long in coming into the tree
			b.Delete(binary.BigEndian.AppendUint16([]byte("far off"), n))
		}
		b.Put(user, nil)
	} else {
		b.Delete(user)
	}
	_, err := e.Commit(&b, false)
	return err
}

// seen walks from one key to the other and reports whether the first is there.
func seen(e *Engine, user, from []byte) (bool, error) {
	it, err := e.NewIterator(nil, nil, nil)
	if err != nil {
		return false, err
	}
	defer it.Close()
	if bytes.Compare(from, user) <= 0 {
		for ok := it.SeekGE(from); ok && bytes.Compare(it.Key(), user) < 0; ok = it.Next() {
		}
	} else {
		for ok := it.SeekLT(from); ok && bytes.Compare(it.Key(), user) > 0; ok = it.Prev() {
		}
	}
	return it.Valid() && bytes.Equal(it.Key(), user), it.Err()
}

// queue is a range from which one end is taken, while the other grows.
type queue struct {
	t          *testing.T
	e          *Engine
	backward   bool
	head, tail int
}

func (q *queue) key(n int) []byte {
	if q.backward {
		n = 1<<30 - n
	}
	return binary.BigEndian.AppendUint32([]byte("job"), uint32(n))
}

func (q *queue) commit(t *Txn, change func(*batch.Batch)) {
	q.t.Helper()
	var b batch.Batch
	change(&b)
	var err error
	if t == nil {
		_, err = q.e.Commit(&b, false)
	} else {
		_, err = t.Commit(q.t.Context(), &b, false)
	}
	if err != nil {
		q.t.Fatal(err)
	}
}

func (q *queue) push() {
	q.commit(nil, func(b *batch.Batch) { b.Put(q.key(q.tail), make([]byte, 100)) })
	q.tail++
}

// pop takes the first entry in a transaction, while another entry is pushed.
func (q *queue) pop() {
	var x Txn
	q.e.Begin(&x, new(txn.Reads), 0)
	defer x.Close()
	it, err := x.Snapshot().NewIterator([]byte("job"), []byte("joc"))
	if err != nil {
		q.t.Fatal(err)
	}
	defer it.Close()
	ok := false
	if q.backward {
		ok = it.Last()
		x.Reads.AddSpan(span.Span{Lo: it.Key(), Hi: []byte("joc")})
	} else {
		ok = it.First()
		x.Reads.AddSpan(span.Closed([]byte("job"), it.Key()))
	}
	if !ok || !bytes.Equal(it.Key(), q.key(q.head)) {
		q.t.Fatalf("the head is %q, want %q", it.Key(), q.key(q.head))
	}
	q.push()
	q.commit(&x, func(b *batch.Batch) { b.Delete(it.Key()) })
	q.head++
}

// A queue would look at everything that was ever taken from it, at each look at its head and again at each commit: pops
// would become slower for as long as it is busy, and stay so until a compaction has been there.
func TestQueue_popsLookAtFewDeadRows(t *testing.T) {
	for _, backward := range []bool{false, true} {
		t.Run(fmt.Sprintf("backward %v", backward), func(t *testing.T) {
			e, err := Open(Options{
				FS: memfs.NewVolatile(), Manual: true, MemoryLimit: MinMemoryLimit, Codec: codec.By(codec.None),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			q := queue{t: t, e: e, backward: backward}
			const pops = 20_000
			for range 1000 {
				q.push()
			}
			backup := e.Snapshot() // held from the middle on
			for n := range pops {
				switch n {
				case pops / 4:
					backup.Close()
					backup = e.Snapshot()
				case pops / 2:
					if err := e.Flush(); err != nil {
						t.Fatal(err)
					}
				}
				q.pop()
			}
			backup.Close()
			m := e.Metrics()
			passed, checked := m.Passed, m.Checked
			t.Logf("a pop passes %.1f rows, and %.1f entries are checked", float64(passed)/pops, float64(checked)/pops)
			if passed > 100*pops || checked > 250*pops {
				t.Errorf("%d pops have passed %d rows, and %d entries were checked", pops, passed, checked)
			}
		})
	}
}
