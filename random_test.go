package lightningdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lightningdb/internal/format/key/keytest"
)

var (
	randomSeed  = flag.Uint64("random.seed", 0, "seed of TestDB_agreesWithASortedList; 0 for another one each time")
	randomSteps = flag.Int("random.steps", 0, "steps of TestDB_agreesWithASortedList for each set of options")
)

// list is what the database should hold: all entries, by key. It is never changed, only replaced.
type list []entry

// entry is what a key has: v, for good or, if end is not 0, until then; after is what it has from then on, nil for
// nothing.
type entry struct {
	k, v  []byte
	end   int64
	after []byte
}

// at is what of l is there at a time, where nothing ends any more.
func (l list) at(now int64) (there list) {
	for _, e := range l {
		if e.end != 0 && e.end <= now {
			e.v = e.after
		}
		if e.v != nil {
			there = append(there, entry{k: e.k, v: e.v})
		}
	}
	return there
}

func (l list) find(k []byte) (int, bool) {
	return slices.BinarySearchFunc(l, k, func(e entry, k []byte) int { return bytes.Compare(e.k, k) })
}

func (l list) get(k []byte) ([]byte, bool) {
	if i, ok := l.find(k); ok {
		return l[i].v, true
	}
	return nil, false
}

func (l list) put(k, v []byte) list {
	return l.set(entry{k: bytes.Clone(k), v: append([]byte{}, v...)})
}

func (l list) set(e entry) list {
	i, ok := l.find(e.k)
	if ok {
		l = slices.Delete(slices.Clone(l), i, i+1)
	}
	return slices.Insert(slices.Clone(l), i, e)
}

// merge changes what k has, at any time, by fn, to which nil is nothing.
func (l list) merge(k []byte, fn func(old []byte) []byte) list {
	e := entry{k: bytes.Clone(k)}
	if i, ok := l.find(k); ok {
		e = l[i]
	}
	if e.end != 0 {
		e.after = fn(e.after)
	}
	e.v = fn(e.v)
	return l.set(e)
}

func (l list) remove(k []byte) list {
	if i, ok := l.find(k); ok {
		return slices.Delete(slices.Clone(l), i, i+1)
	}
	return l
}

// where returns the entries whose keys are wanted.
func (l list) where(wanted func(k []byte) bool) (part list) {
	for _, e := range l {
		if wanted(e.k) {
			part = append(part, e)
		}
	}
	return part
}

// world is a database and the list of what it should hold.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	dir   string
	o     Options
	db    *DB
	now   list
	shown int64    // by the clock, which steps both ways
	time  int64    // of the database
	keys  [][]byte // drawn before
	kept  []keptState
	past  []pastState // the latest ones, with Options.Retain
	count map[string]int
}

// keptState is a snapshot and what it should show.
type keptState struct {
	*Snapshot
	then list
}

// pastState is a commit and what was there after it.
type pastState struct {
	seq  uint64
	then list
}

// readable is what can be read in.
type readable interface {
	ranges
	Get(key []byte) ([]byte, error)
	GetAppend(dst, key []byte) ([]byte, error)
	Has(key []byte) (bool, error)
	Expiry(key []byte) (time.Time, error)
}

// writable is what can be written to. A batch has no errors.
type writable interface {
	Put(key, value []byte) error
	Delete(key []byte) error
	Append(key, tail []byte) error
	Add(key []byte, n int64) error
	PutUntil(key, value []byte, t time.Time) error
	DeleteRange(lo, hi []byte) error
}

type batchWriter struct{ *Batch }

func (b batchWriter) PutUntil(k, v []byte, t time.Time) error { b.Batch.PutUntil(k, v, t); return nil }
func (b batchWriter) Put(k, v []byte) error                   { b.Batch.Put(k, v); return nil }
func (b batchWriter) Delete(k []byte) error                   { b.Batch.Delete(k); return nil }
func (b batchWriter) Append(k, tail []byte) error             { b.Batch.Append(k, tail); return nil }
func (b batchWriter) Add(k []byte, n int64) error             { b.Batch.Add(k, n); return nil }

// randomOptions are the sets of options, by name.
var randomOptions = map[string]Options{
	"default":     {Durability: Process},
	"sync":        {Durability: Sync},
	"memory":      {InMemory: true},
	"retain":      {Durability: Process, Retain: time.Hour},
	"small":       {Durability: Process, MemoryLimit: 10 << 20, LogLimit: 1 << 20},
	"no compress": {Durability: Process, Compression: NoCompression},
}

// A program whose keys are not text would be shown other entries than it has, and remove others than it names.
func TestDB_agreesWithASortedList(t *testing.T) {
	steps := 1500
	if testing.Short() {
		steps = 400
	}
	if *randomSteps > 0 {
		steps = *randomSteps
	}
	seed := *randomSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-random.seed=%d", seed)
	for _, name := range slices.Sorted(maps.Keys(randomOptions)) {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, rng: rand.New(rand.NewPCG(seed, uint64(len(name)))), o: randomOptions[name],
				dir: filepath.Join(t.TempDir(), "db"), count: make(map[string]int)}
			w.shown, w.o.wall = 1000, func() time.Time { return time.Unix(0, w.shown) }
			w.open()
			defer func() { w.db.Close() }()
			for range steps {
				w.step()
			}
			w.checkAll(w.db, w.now.at(w.time))
			w.closeKept()
			t.Logf("%d entries, %d steps: %v", len(w.now), steps, w.count)
			for _, what := range []string{"write", "batch", "Update", "View", "Snapshot", "loop", "cursor", "get", "Flush",
				"clock", "ended", "put until"} {
				if w.count[what] == 0 {
					t.Errorf("the steps never came to %s", what)
				}
			}
		})
	}
}

func (w *world) open() {
	w.t.Helper()
	db, err := Open(w.dir, &w.o)
	requireNil(w.t, err)
	w.db = db
	before := w.time
	w.time = db.Now().UnixNano()
	if ends := func(e entry) bool { return e.end != 0 }; w.time < before && slices.ContainsFunc(w.now, ends) {
		w.t.Fatalf("the time was %d and is %d", before, w.time)
	}
}

// tick has the clock step, one way or the other, often to where an entry ends.
func (w *world) tick() {
	w.count["clock"]++
	w.shown += int64(w.rng.IntN(200)) - 80
	if n := len(w.now); n > 0 {
		if end := w.now[w.rng.IntN(n)].end; end > w.time && end < w.time+1000 {
			w.shown = end
		}
	}
	there := len(w.now.at(w.time))
	if w.time = max(w.time, w.shown); w.db.Now().UnixNano() != w.time {
		w.t.Fatalf("the time is %d, want %d", w.db.Now().UnixNano(), w.time)
	}
	w.count["ended"] += there - len(w.now.at(w.time))
}

// end is a time: one that has passed, or is now, or soon, or the last of all.
func (w *world) end() int64 {
	switch w.rng.IntN(8) {
	case 0:
		return max(1, w.time-int64(w.rng.IntN(100)))
	case 1:
		return w.time
	case 2:
		return math.MaxInt64
	}
	return w.time + 1 + int64(w.rng.IntN(300))
}

// key returns a key, often one that was there before.
func (w *world) key() []byte {
	if len(w.keys) > 0 && w.rng.IntN(3) > 0 {
		return w.keys[w.rng.IntN(len(w.keys))]
	}
	k := keytest.Key(w.rng.IntN)
	if len(w.keys) < 200 {
		w.keys = append(w.keys, k)
	} else {
		w.keys[w.rng.IntN(len(w.keys))] = k
	}
	return k
}

// bound returns a bound: often a key, the beginning of one, or what lies next to it.
func (w *world) bound() []byte {
	if w.rng.IntN(2) == 0 {
		return keytest.Bound(w.rng.IntN)
	}
	k := w.key()
	switch w.rng.IntN(4) {
	case 0:
		return k[:w.rng.IntN(len(k)+1)]
	case 1:
		return append(bytes.Clone(k), 0)
	}
	return k
}

func (w *world) step() {
	switch n := w.rng.IntN(106); {
	case n >= 100:
		w.tick()
	case n < 30:
		w.count["write"]++
		w.now = w.write(w.db, w.now)
	case n < 38:
		w.writeBatch()
	case n < 50:
		w.update()
	case n < 60:
		w.count["View"]++
		requireNil(w.t, w.db.View(w.t.Context(), func(tx *Tx) error {
			then := w.now.at(w.time)
			w.read(tx, then)
			w.tick()
			w.read(tx, then)
			return nil
		}))
	case n < 64:
		w.keep()
	case n < 67:
		w.begun()
	case n < 70:
		w.look()
	case n < 94:
		w.read(w.db, w.now.at(w.time))
		for _, s := range w.kept {
			w.read(s, s.then)
		}
	case n < 97:
		w.count["Flush"]++
		requireNil(w.t, w.db.Flush())
	case n < 98:
		w.count["Compact"]++
		requireNil(w.t, w.db.Compact(w.t.Context(), w.bound(), w.bound()))
	case !w.o.InMemory:
		w.reopen()
	}
}

// write makes one change in to, and in l.
func (w *world) write(to writable, l list) list {
	w.t.Helper()
	k := w.key()
	var old entry
	if i, ok := l.find(k); ok {
		old = l[i]
	}
	whole := func(v []byte) bool { return v == nil || len(v) == 8 }
	switch n := w.rng.IntN(13); {
	case n < 2:
		w.count["put until"]++
		e := entry{k: bytes.Clone(k), v: append([]byte{}, keytest.Value(w.rng.IntN)...), end: w.end()}
		requireNil(w.t, to.PutUntil(e.k, e.v, time.Unix(0, e.end)))
		return l.set(e)
	case n < 3:
		if hi := append(bytes.Clone(k), 0); len(k) < MaxKeySize {
			requireNil(w.t, to.DeleteRange(k, hi))
			return l.remove(k)
		}
	case n < 6:
		v := keytest.Value(w.rng.IntN)
		requireNil(w.t, to.Put(k, v))
		return l.put(k, v)
	case n < 9:
		requireNil(w.t, to.Delete(k))
		return l.remove(k)
	case n < 11 && len(old.v) < 200_000:
		tail := keytest.Value(w.rng.IntN)
		requireNil(w.t, to.Append(k, tail))
		return l.merge(k, func(old []byte) []byte { return append(append([]byte{}, old...), tail...) })
	case n >= 11 && whole(old.v) && whole(old.after):
		number := int64(w.rng.Uint64())
		requireNil(w.t, to.Add(k, number))
		return l.merge(k, func(old []byte) []byte {
			sum := uint64(number)
			if old != nil {
				sum += binary.LittleEndian.Uint64(old)
			}
			return binary.LittleEndian.AppendUint64(nil, sum)
		})
	}
	return l
}

func (w *world) writeBatch() {
	w.count["batch"]++
	var b Batch
	for range 1 + w.rng.IntN(30) {
		w.now = w.write(batchWriter{&b}, w.now)
	}
	requireNil(w.t, w.db.Write(&b))
	if w.o.Retain > 0 {
		w.past = append(w.past[max(0, len(w.past)-20):], pastState{b.Sequence(), w.now})
	}
}

// look reads in a state of the past.
func (w *world) look() {
	if len(w.past) == 0 {
		return
	}
	w.count["At"]++
	p := w.past[w.rng.IntN(len(w.past))]
	s, err := w.db.At(p.seq)
	requireNil(w.t, err)
	w.read(s, p.then.at(w.time)) // of the past with the time of now
	requireNil(w.t, s.Close())
}

// begun reads in a transaction that Begin has made, read-only or not.
func (w *world) begun() {
	w.count["Begin"]++
	tx, err := w.db.Begin(w.t.Context(), TxOptions{ReadOnly: w.rng.IntN(2) == 0})
	requireNil(w.t, err)
	then := w.now.at(w.time)
	w.read(tx, then)
	w.tick()
	w.read(tx, then)
	requireNil(w.t, tx.Commit())
}

var errRolledBack = errors.New("the test rolls back")

// update runs a transaction that reads and writes, with a cursor that stays open over its writes.
func (w *world) update() {
	w.count["Update"]++
	after := w.now
	o := TxOptions{Isolation: Isolation(w.rng.IntN(2))}
	err := w.db.UpdateWith(w.t.Context(), o, func(tx *Tx) error {
		after = w.now // it runs again if what it has read has ended
		now := int64(tx.body.Writer.OwnTime())
		part := w.selection()
		c := &walk{world: w, Cursor: part.of(tx).Cursor(), within: part.within}
		for range 1 + w.rng.IntN(12) {
			switch w.rng.IntN(8) {
			case 0:
				w.tick()
			case 1, 2, 3:
				w.read(tx, after.at(now))
			default:
				after = w.write(tx, after)
			}
			c.move(after.at(now))
		}
		if w.rng.IntN(2) == 0 {
			requireNil(w.t, c.Close())
		}
		if w.rng.IntN(4) == 0 {
			return errRolledBack
		}
		return nil
	})
	switch {
	case err == nil:
		w.now = after
	case !errors.Is(err, errRolledBack):
		w.t.Fatal(err)
	}
}

// keep takes a snapshot, or closes one.
func (w *world) keep() {
	w.count["Snapshot"]++
	if len(w.kept) < 3 {
		w.kept = append(w.kept, keptState{w.db.Snapshot(), w.now.at(w.time)})
		return
	}
	i := w.rng.IntN(len(w.kept))
	requireNil(w.t, w.kept[i].Close())
	w.kept = slices.Delete(w.kept, i, i+1)
}

func (w *world) closeKept() {
	for _, s := range w.kept {
		requireNil(w.t, s.Close())
	}
	w.kept = nil
}

func (w *world) reopen() {
	w.count["reopen"]++
	open := len(w.kept) > 0 && w.rng.IntN(2) == 0
	if !open {
		w.closeKept()
	}
	if err := w.db.Close(); open != errors.Is(err, ErrOpenReaders) || err != nil && !open {
		w.t.Fatal(err)
	}
	w.kept = nil
	if w.rng.IntN(4) == 0 {
		readOnly := w.o
		readOnly.ReadOnly = true
		db, err := Open(w.dir, &readOnly)
		requireNil(w.t, err)
		w.time = max(w.time, w.shown)
		w.read(db, w.now.at(w.time))
		w.checkAll(db, w.now.at(w.time))
		requireNil(w.t, db.Close())
	}
	w.open()
}

// checkAll compares everything.
func (w *world) checkAll(r readable, l list) {
	w.t.Helper()
	w.compareLoop(r.Range(nil, nil), l, "everything")
}

// read makes one read in r, which should show l.
func (w *world) read(r readable, l list) {
	w.t.Helper()
	switch w.rng.IntN(4) {
	case 0:
		w.count["get"]++
		w.get(r, l)
	case 1:
		w.count["cursor"]++
		p := w.selection()
		c := &walk{world: w, Cursor: p.of(r).Cursor(), within: p.within, name: p.name}
		for range 1 + w.rng.IntN(20) {
			c.move(l)
		}
		requireNil(w.t, c.Close())
	default:
		w.count["loop"]++
		p := w.selection()
		loop, want := p.of(r), p.within(l)
		reverse := w.rng.IntN(2) == 0
		if w.rng.IntN(2) == 0 {
			from := w.bound() // perhaps outside of the range
			loop.From(from)
			want = want.where(func(k []byte) bool { return from == nil || bytes.Compare(k, from)*beyond(reverse) >= 0 })
			p.name += fmt.Sprintf(" from %x (%v)", from, from == nil)
		}
		if reverse {
			loop.Reverse()
			want = slices.Clone(want)
			slices.Reverse(want)
		}
		if w.rng.IntN(2) == 0 {
			n := w.rng.IntN(6)
			loop.Limit(n)
			want = want[:min(n, len(want))]
		}
		w.compareLoop(loop, want, p.name)
	}
}

func (w *world) get(r readable, l list) {
	w.t.Helper()
	k := w.key()
	want, there := l.get(k)
	got, err := r.Get(k)
	appended, appendErr := r.GetAppend([]byte("before"), k)
	has, hasErr := r.Has(k)
	if _, err := r.Expiry(k); there != (err == nil) {
		w.t.Fatalf("%T: Expiry(%x) gives %v", r, k, err)
	}
	if there {
		if err != nil || appendErr != nil || got == nil || !bytes.Equal(got, want) ||
			string(appended) != "before"+string(want) {
			w.t.Fatalf("%T: %x = %x, %v; want %x", r, k, got, err, want)
		}
	} else if !errors.Is(err, ErrNotFound) || !errors.Is(appendErr, ErrNotFound) || string(appended) != "before" {
		w.t.Fatalf("%T: %x = %x, %v; want nothing", r, k, got, err)
	}
	if has != there || hasErr != nil {
		w.t.Fatalf("%T: Has(%x) = %v, %v", r, k, has, hasErr)
	}
}

// selection is a part of all keys: how it is asked for, and which entries belong to it.
type selection struct {
	name   string
	of     func(ranges) *Range
	within func(list) list
}

func (w *world) selection() selection {
	if w.rng.IntN(2) == 0 {
		p := w.bound()
		return selection{fmt.Sprintf("prefix %x", p), func(r ranges) *Range { return r.Prefix(p) },
			func(l list) list { return l.where(func(k []byte) bool { return bytes.HasPrefix(k, p) }) }}
	}
	lo, hi := w.bound(), w.bound()
	if w.rng.IntN(8) == 0 {
		hi = lo
	}
	return selection{fmt.Sprintf("range %x %x (%v)", lo, hi, hi == nil), func(r ranges) *Range { return r.Range(lo, hi) },
		func(l list) list {
			return l.where(func(k []byte) bool { return bytes.Compare(k, lo) >= 0 && (hi == nil || bytes.Compare(k, hi) < 0) })
		}}
}

// beyond is how keys behind the first one of a loop compare with it.
func beyond(reverse bool) int {
	if reverse {
		return -1
	}
	return 1
}

// compareLoop compares a loop over r with the entries wanted, in its order.
func (w *world) compareLoop(r *Range, want list, name string) {
	w.t.Helper()
	n := 0
	check := func(k, v []byte, withValue bool) {
		if n >= len(want) || !bytes.Equal(k, want[n].k) || withValue && (v == nil || !bytes.Equal(v, want[n].v)) {
			w.t.Fatalf("%s: entry %d is %x = %x; wanted are %d: %x", name, n, k, v, len(want), want[min(n, len(want)):])
		}
		n++
	}
	switch w.rng.IntN(4) {
	case 0:
		for k := range r.Keys() {
			check(k, nil, false)
		}
	case 1:
		next, stop := iter.Pull2(r.All())
		defer stop()
		for k, v, ok := next(); ok; k, v, ok = next() {
			check(k, v, true)
		}
	default:
		for k, v := range r.All() {
			check(k, v, true)
		}
	}
	if r.Err() != nil || n != len(want) {
		w.t.Fatalf("%s: %d entries, %v; want %d", name, n, r.Err(), len(want))
	}
}

// walk is a cursor and what it should show.
type walk struct {
	*world
	*Cursor
	name   string
	within func(list) list
	at     []byte // nil at no entry
}

// move makes one move, over the entries of l.
func (c *walk) move(l list) {
	c.t.Helper()
	l = c.within(l)
	var ok bool
	i, move := -1, c.rng.IntN(8)
	switch target := c.bound(); {
	case move == 0:
		ok, i = c.First(), 0
	case move == 1:
		ok, i = c.Last(), len(l)-1
	case move == 2:
		ok = c.Seek(target)
		i, _ = l.find(target)
	case move == 3:
		ok = c.SeekBefore(target)
		i, _ = l.find(target)
		i--
	case move < 6:
		if ok = c.Next(); c.at != nil {
			i, _ = l.find(append(bytes.Clone(c.at), 0))
		}
	default:
		if ok = c.Prev(); c.at != nil {
			i, _ = l.find(c.at)
			i--
		}
	}
	want := i >= 0 && i < len(l)
	if ok != want || c.Valid() != want || c.Err() != nil {
		c.t.Fatalf("%s: move %d gave %v, %v; want %v", c.name, move, ok, c.Err(), want)
	}
	if c.at = nil; !want {
		return
	}
	c.at = append([]byte{}, l[i].k...)
	if !bytes.Equal(c.Key(), l[i].k) || c.rng.IntN(2) == 0 && !bytes.Equal(c.Value(), l[i].v) {
		c.t.Fatalf("%s: move %d shows %x = %x; want %x = %x", c.name, move, c.Key(), c.Value(), l[i].k, l[i].v)
	}
}
