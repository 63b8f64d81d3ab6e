package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/vfs/memfs"
)

// rangeModel is an engine in which ranges are deleted, and what is to be in it.
type rangeModel struct {
	*testing.T
	r       *rand.Rand
	fs      *memfs.FS
	opts    Options
	e       *Engine
	content map[string]string
	held    []heldState
	since   []string // what was done since the beginning
}

// heldState is a snapshot, with what it must show, and perhaps an iterator on it that stands still meanwhile.
type heldState struct {
	snapshot *Snapshot
	content  map[string]string
	walk     *rangeWalk
}

func (m *rangeModel) must(err error) {
	m.Helper()
	if err != nil {
		m.fail("%v", err)
	}
}

func (m *rangeModel) fail(format string, args ...any) {
	m.Helper()
	m.Fatalf(format+"\nafter %s", append(args, m.since[max(0, len(m.since)-40):])...)
}

func (m *rangeModel) did(format string, args ...any) {
	m.since = append(m.since, fmt.Sprintf(format, args...))
}

func (m *rangeModel) open() {
	o := m.opts
	o.FS = m.fs
	e, err := Open(o)
	m.must(err)
	m.e = e
}

// key draws a key: one of few, or one right behind another.
func (m *rangeModel) key() string {
	k := gapKeys[m.r.IntN(len(gapKeys))]
	if m.r.IntN(8) == 0 {
		k += gapKeys[m.r.IntN(len(gapKeys))]
	}
	return k
}

// span draws a range; many have an open end, or no key in them.
func (m *rangeModel) span() (s span.Span) {
	switch m.r.IntN(6) {
	case 0:
		return span.Prefix([]byte(m.key()))
	case 1:
		return span.Closed([]byte(m.key()), []byte(m.key()))
	}
	if m.r.IntN(5) > 0 {
		s.Lo = []byte(m.key())
	}
	if m.r.IntN(5) > 0 {
		s.Hi = []byte(m.key())
	}
	if s.Hi != nil && m.r.IntN(3) > 0 && bytes.Compare(s.Lo, s.Hi) > 0 {
		s.Lo, s.Hi = s.Hi, s.Lo
	}
	return s
}

// commit commits one to six operations.
func (m *rangeModel) commit() {
	var b batch.Batch
	for range 1 + m.r.IntN(6) {
		k, v := m.key(), fmt.Sprint(m.r.IntN(1000))
		switch m.r.IntN(9) {
		case 0, 1, 2:
			b.Put([]byte(k), []byte(v))
			m.content[k] = v
			m.did("put %q %s", k, v)
		case 3:
			v = string(bytes.Repeat([]byte(v), 200)) // longer than what is folded
			b.Put([]byte(k), []byte(v))
			m.content[k] = v
			m.did("put %q %d bytes", k, len(v))
		case 4, 5, 6:
			for range 1 + m.r.IntN(20)/17*m.r.IntN(40) { // enough that the value below is looked up
				b.Merge(operand.Append, []byte(k), []byte(v))
				m.content[k] += v
				m.did("append %q %s", k, v)
			}
		case 7:
			b.Delete([]byte(k))
			delete(m.content, k)
			m.did("delete %q", k)
		default:
			if s := m.span(); !s.Empty() {
				b.DeleteRange(s)
				maps.DeleteFunc(m.content, func(k, _ string) bool { return s.Contains([]byte(k)) })
				m.did("delete [%q, %q)", s.Lo, s.Hi)
			}
		}
	}
	last, err := m.e.Commit(&b, m.r.IntN(4) == 0)
	m.must(err)
	m.did("= %d.", last)
}

// get compares what is at a key, of the newest state or of one that is held.
func (m *rangeModel) get() {
	k := m.key()
	want, there := m.content[k]
	get := func() ([]byte, bool, error) { return m.e.Get(nil, []byte(k), Latest) }
	has := func() (bool, error) { return m.e.Has([]byte(k), Latest) }
	size := func() (Measure, bool, error) { return m.e.Measure([]byte(k), Latest) }
	if n := len(m.held); n > 0 && m.r.IntN(2) == 0 {
		h := m.held[m.r.IntN(n)]
		want, there = h.content[k]
		get = func() ([]byte, bool, error) { return h.snapshot.Get(nil, []byte(k)) }
		has = func() (bool, error) { return h.snapshot.Has([]byte(k)) }
		size = func() (Measure, bool, error) { return h.snapshot.Measure([]byte(k)) }
	}
	if v, ok, err := get(); string(v) != want || ok != there || err != nil {
		m.fail("%q is %.40q, %v, %v; want %.40q, %v", k, v, ok, err, want, there)
	}
	if ok, err := has(); ok != there || err != nil {
		m.fail("%q is there: %v, %v; want %v", k, ok, err, there)
	}
	if n, ok, err := size(); n.Size != int64(len(want)) || ok != there || err != nil {
		m.fail("%q has %d bytes, %v, %v; want %d, %v", k, n.Size, ok, err, len(want), there)
	}
}

// rangeWalk is an iterator and where it must be.
type rangeWalk struct {
	it      *Iterator
	keys    []string
	content map[string]string
	at      int
}

func (m *rangeModel) walk(s *Snapshot, content map[string]string) *rangeWalk {
	in := m.span()
	it, err := m.e.NewIterator(s, in.Lo, in.Hi)
	m.must(err)
	m.did("walk [%q, %q)", in.Lo, in.Hi)
	return &rangeWalk{it: it, keys: within(content, in.Lo, in.Hi), content: content, at: -1}
}

// step moves w and compares where it is.
func (m *rangeModel) step(w *rangeWalk) {
	ok, what := false, ""
	switch p := m.r.IntN(16); {
	case p == 0:
		ok, w.at, what = w.it.First(), 0, "first"
	case p == 1:
		ok, w.at, what = w.it.Last(), len(w.keys)-1, "last"
	case p < 5:
		k := m.key()
		w.at, _ = slices.BinarySearch(w.keys, k)
		ok, what = w.it.SeekGE([]byte(k)), fmt.Sprintf("seek to %q", k)
	case p < 8:
		k := m.key()
		w.at, _ = slices.BinarySearch(w.keys, k)
		w.at--
		ok, what = w.it.SeekLT([]byte(k)), fmt.Sprintf("seek before %q", k)
	case w.at < 0 || w.at >= len(w.keys):
		return
	case p < 12:
		ok, what = w.it.Next(), "next"
		w.at++
	default:
		ok, what = w.it.Prev(), "prev"
		w.at--
	}
	m.did("%s", what)
	if there := w.at >= 0 && w.at < len(w.keys); ok != there {
		m.fail("%s: %v, want place %d of %q (%v)", what, ok, w.at, w.keys, w.it.Err())
	} else if !there {
		m.must(w.it.Err())
		return
	}
	v, err := w.it.Value()
	if want := w.keys[w.at]; string(w.it.Key()) != want || string(v) != w.content[want] || err != nil {
		m.fail("%s: at %q with %.40q, %v; want %q with %.40q", what, w.it.Key(), v, err, want, w.content[want])
	}
}

// scan walks through all of a range at once, there and back.
func (m *rangeModel) scan() {
	in := m.span()
	it, err := m.e.NewIterator(nil, in.Lo, in.Hi)
	m.must(err)
	defer it.Close()
	want := within(m.content, in.Lo, in.Hi)
	for _, d := range []Direction{Forward, Backward} {
		var got []string
		if it.First(); d == Backward {
			it.Last()
		}
		m.must(it.Each(d, -1, func(k, v []byte) bool {
			if got = append(got, string(k)); string(v) != m.content[string(k)] {
				m.fail("%q is %.40q, want %.40q", k, v, m.content[string(k)])
			}
			return true
		}))
		if d == Backward {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			m.fail("backward %v, [%q, %q) has %q, want %q", d, in.Lo, in.Hi, got, want)
		}
	}
}

func (m *rangeModel) hold() {
	h := heldState{snapshot: m.e.Snapshot(), content: maps.Clone(m.content)}
	if m.r.IntN(2) == 0 {
		h.walk = m.walk(h.snapshot, h.content)
	}
	m.held = append(m.held, h)
}

func (m *rangeModel) release(i int) {
	h := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	if h.walk != nil {
		m.must(h.walk.it.Close())
	}
	h.snapshot.Close()
}

// rearrange moves the content between memory and tables.
func (m *rangeModel) rearrange() {
	switch p := m.r.IntN(10); p {
	case 0, 1:
		for len(m.held) > 0 {
			m.release(0)
		}
		if m.did("close"); p == 0 {
			m.must(m.e.Close())
			m.fs = m.fs.Kill()
		} else {
			killed := m.fs.Kill()
			m.e.Close()
			m.fs = killed
		}
		m.open()
	case 2, 3:
		m.did("flush")
		m.must(m.e.Flush())
	case 4:
		m.did("freeze")
		if err := m.e.rotateAny(); err != errNoRoom {
			m.must(err)
		}
	case 5:
		m.did("compact")
		m.must(m.e.Compact(m.Context(), nil, nil))
	default:
		m.did("compact a step")
		_, err := m.e.CompactStep()
		m.must(err)
	}
}

// What was deleted would be seen, or what was not would be gone: by a read of a key, a walk in either direction, of the
// newest state or of an older one, over puts, deletes and operands, with all of it in the log, memory or tables.
func TestDeleteRange_isSeenByEveryReader(t *testing.T) {
	seeds, steps := 40, 2000
	if testing.Short() {
		seeds = 10
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := rangeModel{T: t, r: rand.New(rand.NewPCG(seed, 12)), fs: memfs.NewVolatile(), content: map[string]string{}}
			m.opts = Options{Manual: true, MemoryLimit: MinMemoryLimit, PageSize: 512, Gaps: seed%2 == 0, Rows: seed%3 == 0}
			m.open()
			for range steps {
				m.once()
			}
			for len(m.held) > 0 {
				m.release(0)
			}
			m.must(m.e.Close())
		})
	}
}

func (m *rangeModel) once() {
	switch p := m.r.IntN(100); {
	case p < 30:
		m.commit()
	case p < 50:
		m.get()
	case p < 60:
		w := m.walk(nil, m.content)
		for range 12 {
			m.step(w)
		}
		m.must(w.it.Close())
	case p < 68:
		m.scan()
	case p < 85:
		if n := len(m.held); n > 0 {
			if w := m.held[m.r.IntN(n)].walk; w != nil {
				m.step(w)
			}
		}
	case p < 89 && len(m.held) < 6:
		m.hold()
	case p < 93:
		if n := len(m.held); n > 0 {
			m.release(m.r.IntN(n))
		}
	case p < 97:
		m.rearrange()
	}
}

// A row with many operands is not folded anew by each reader, who takes what one before has told of it. Behind a
// delete of its range there is nothing of that.
func TestDeleteRange_endsWhatIsKnownOfOperands(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	user, want := []byte("key"), ""
	appendTo := func(n int) {
		for i := range n {
			var b batch.Batch
			v := bytes.Repeat([]byte{byte('a' + i%26)}, 300) // too long to be folded when it is committed
			b.Merge(operand.Append, user, v)
			want += string(v)
			if _, err := e.Commit(&b, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func() {
		t.Helper()
		for range 2 {
			if v, found, err := e.Get(nil, user, Latest); string(v) != want || found != (want != "") || err != nil {
				t.Errorf("%d bytes, %v, %v; want %d", len(v), found, err, len(want))
			}
		}
	}
	appendTo(40)
	check()
	deleteRange(t, e, "k", "l")
	want = ""
	check()
	appendTo(1) // a reader comes to what was known
	check()
	appendTo(30)
	check()
}

// A batch that deletes a range and fills it anew replaces its content at once: who reads meanwhile sees all of one
// filling, and never an older one than before, while memtables are frozen, flushed and compacted.
func TestDeleteRange_replacesAtOnce(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), MemoryLimit: MinMemoryLimit, TableBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const keys = 40
	user := func(n int) []byte { return fmt.Appendf(nil, "in/%02d", n) }
	fill := func(filling int) {
		var b batch.Batch
		b.DeleteRange(span.Prefix([]byte("in/")))
		for n := range keys {
			k := user(n)
			if n%2 == 1 { // other keys than those of the fillings before
				k = fmt.Appendf(k, "/%d", filling%7)
			}
			b.Put(k, fmt.Appendf(bytes.Repeat([]byte{'x'}, 500), "%08d", filling))
		}
		b.Put(fmt.Appendf(nil, "out/%d", filling), bytes.Repeat([]byte{'y'}, 500))
		if _, err := e.Commit(&b, false); err != nil {
			t.Error(err)
		}
	}
	fill(0)
	var done atomic.Bool
	var readers sync.WaitGroup
	for r := range 3 {
		readers.Go(func() {
			for last := 0; !done.Load() && !t.Failed(); {
				if r == 0 {
					last = getFilling(t, e, user(last%keys&^1), last)
				} else {
					last = scanFilling(t, e, Direction(r == 1), keys, last)
				}
			}
		})
	}
	fillings := 4000
	if testing.Short() {
		fillings = 1000
	}
	for filling := range fillings {
		fill(filling)
		if filling%500 == 499 {
			if err := e.Compact(t.Context(), nil, nil); err != nil {
				t.Error(err)
			}
		}
	}
	done.Store(true)
	readers.Wait()
}

// fillingOf is the filling that has put v.
func fillingOf(t *testing.T, v []byte) int {
	n, err := strconv.Atoi(string(v[len(v)-8:]))
	if err != nil {
		t.Error(err)
	}
	return n
}

func getFilling(t *testing.T, e *Engine, user []byte, last int) int {
	v, found, err := e.Get(nil, user, Latest)
	if !found || err != nil {
		t.Errorf("%q: %v, %v", user, found, err)
		return last
	}
	n := fillingOf(t, v)
	if n < last {
		t.Errorf("%q is of filling %d, after %d", user, n, last)
	}
	return n
}

func scanFilling(t *testing.T, e *Engine, d Direction, keys, last int) int {
	it, err := e.NewIterator(nil, []byte("in/"), []byte("in0"))
	if err != nil {
		t.Error(err)
		return last
	}
	defer it.Close()
	if it.First(); d == Backward {
		it.Last()
	}
	seen, filling := 0, -1
	err = it.Each(d, -1, func(k, v []byte) bool {
		if n := fillingOf(t, v); filling >= 0 && n != filling {
			t.Errorf("%q is of filling %d, those before are of %d", k, n, filling)
		} else {
			filling = n
		}
		seen++
		return true
	})
	if err != nil || seen != keys || filling < last {
		t.Errorf("%d keys of filling %d, after %d: %v", seen, filling, last, err)
	}
	return filling
}

// A database in which very many small ranges are deleted would keep all of them in memory, or be stuck for ever.
func TestDeleteRange_isRefusedBeforeMemoryIsFull(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	put(t, e, "key", "value")
	held := e.Snapshot() // for which no tombstone may go
	defer held.Close()
	var b batch.Batch
	for n := range 1 << 10 {
		b.DeleteRange(span.Span{Lo: fmt.Appendf(nil, "k%07d", n), Hi: fmt.Appendf(nil, "k%07d\x00", n)})
	}
	refused := error(nil)
	for range 40 {
		if _, refused = e.Commit(&b, false); refused != nil {
			break
		}
	}
	if count, _ := e.tree.Current().Ranges(); !errors.Is(refused, ErrTooManyRanges) || count < 16<<10 || count > 17<<10 {
		t.Errorf("%v, with %d tombstones", refused, count)
	}
	put(t, e, "another", "value") // which is not held up
	if v, found, err := e.Get(nil, []byte("key"), Latest); string(v) != "value" || !found || err != nil {
		t.Errorf("%q, %v, %v", v, found, err)
	}
}

// BenchmarkDeleteRange deletes ranges of some and of very many keys, and seeks and scans behind them.
func BenchmarkDeleteRange(b *testing.B) {
	for _, keys := range []int{100, 1_000_000} {
		for _, where := range []string{"memtable", "tables"} {
			b.Run(fmt.Sprintf("%d keys/%s", keys, where), func(b *testing.B) { benchDeleteRange(b, keys, where == "tables") })
		}
	}
}

func benchDeleteRange(b *testing.B, keys int, flush bool) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, MemoryLimit: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	var c batch.Batch
	for n := range keys {
		c.Put(fmt.Appendf(nil, "in/%016d", n), bytes.Repeat([]byte{'v'}, 40))
		if c.Count() == 1000 || n == keys-1 {
			if _, err := e.Commit(&c, false); err != nil {
				b.Fatal(err)
			}
			c.Reset()
		}
	}
	c.Put([]byte("z"), nil)
	if _, err := e.Commit(&c, false); err != nil {
		b.Fatal(err)
	}
	if flush {
		if err := e.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	c.Reset()
	c.DeleteRange(span.Prefix([]byte("in/")))
	var deletes, seeks time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := e.Commit(&c, false); err != nil {
			b.Fatal(err)
		}
		deletes += time.Since(start)
		start = time.Now()
		it, err := e.NewIterator(nil, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		if !it.First() || string(it.Key()) != "z" || it.Prev() {
			b.Fatalf("%q, %v", it.Key(), it.Err())
		}
		if err := it.Close(); err != nil {
			b.Fatal(err)
		}
		seeks += time.Since(start)
	}
	b.ReportMetric(float64(deletes.Nanoseconds())/float64(b.N), "ns/delete")
	b.ReportMetric(float64(seeks.Nanoseconds())/float64(b.N), "ns/seek")
}
