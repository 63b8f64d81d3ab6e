package rowcache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lightningdb/internal/format/key"
)

func newEager(t testing.TB, sets int) *Cache {
	c := New(Options{Bytes: int64(sets) * SetBytes, Wake: func() {}, Eager: true})
	t.Cleanup(c.Free)
	return c
}

func offer(c *Cache, user, value string, at key.SeqNum) {
	c.Offer([]byte(user), []byte(value), key.Hash([]byte(user)), true, at, 0)
}

// want compares what the cache says of user at seq. An empty value stands for a row that is not there.
func want(t *testing.T, c *Cache, user string, seq key.SeqNum, value string) {
	t.Helper()
	out, present, ok := c.Get([]byte("before "), []byte(user), key.Hash([]byte(user)), seq, 1)
	if got := strings.TrimPrefix(string(out), "before "); got != value || ok != (value != "") || present != ok {
		t.Errorf("%.20s at %d: %.40q, present %v, found %v; want %.40q", user, seq, got, present, ok, value)
	}
}

// A value of another length would be cut, or come with bytes of its neighbour.
func TestGet_returnsWhatWasOffered(t *testing.T) {
	for size := range 500 {
		c := newEager(t, 1)
		user, value := strings.Repeat("k", 1+size/9), strings.Repeat("0123456789", 50)[:size]
		offer(c, user, value, 5)
		if headWords+words(len(user))+words(size) > maxRowWords {
			value = "" // too large
		}
		if size > 0 {
			want(t, c, user, key.MaxSeqNum, value)
		}
		want(t, c, user+"x", key.MaxSeqNum, "")
		want(t, c, user[1:]+"\x00", key.MaxSeqNum, "")
	}
}

// That a key has no value is known as well as a value.
func TestGet_knowsAbsentKeys(t *testing.T) {
	c := newEager(t, 1)
	user := []byte("nobody")
	c.Offer(user, nil, key.Hash(user), false, 3, 0)
	if out, present, ok := c.Get(nil, user, key.Hash(user), key.MaxSeqNum, 1); !ok || present || len(out) > 0 {
		t.Errorf("%q, present %v, found %v", out, present, ok)
	}
}

// A snapshot would see what was committed after it, or a reader what a commit has replaced.
func TestGet_onlyWhereTheRowIsTheNewestState(t *testing.T) {
	c := newEager(t, 1)
	offer(c, "a", "at 5", 5)
	want(t, c, "a", 4, "")
	want(t, c, "a", 5, "at 5")
	want(t, c, "a", key.MaxSeqNum, "at 5")
	c.Change(key.Hash([]byte("a")), 6)
	want(t, c, "a", 5, "")
	offer(c, "a", "at 5", 5) // by a reader that began before the commit
	want(t, c, "a", 5, "")
	offer(c, "a", "at 6", 6)
	want(t, c, "a", 6, "at 6")
	offer(c, "b", "at 8", 8)
	c.Forget(7)
	want(t, c, "a", key.MaxSeqNum, "")
	want(t, c, "b", key.MaxSeqNum, "at 8")
}

// The set would fill up for good, or give one row's place to another while its tag is still there.
func TestOffer_replacesTheOldest(t *testing.T) {
	c := newEager(t, 1)
	r := rand.New(rand.NewPCG(1, 1))
	var kept int
	for i := range 2000 {
		value := fmt.Sprintf("%d %s", i, bytes.Repeat([]byte("."), r.IntN(300)))
		offer(c, fmt.Sprint(i%40), value, key.SeqNum(i))
		want(t, c, fmt.Sprint(i%40), key.MaxSeqNum, value)
		for j := max(0, i-39); j < i; j++ {
			user := fmt.Sprint(j % 40)
			out, _, ok := c.Get(nil, []byte(user), key.Hash([]byte(user)), key.MaxSeqNum, 1)
			if !ok {
				continue
			}
			kept++
			var n int
			if fmt.Sscan(string(out), &n); n != j {
				t.Fatalf("after %d rows: key %s has row %d, want %d", i, user, n, j)
			}
		}
	}
	if kept < 2000 {
		t.Errorf("2,000 offers found %d other rows", kept)
	}
}

// A commit that raises lastChange before Offer has stored its tag finds no tag to clear: Offer must clear it.
func TestOffer_noticesAConcurrentCommit(t *testing.T) {
	c := newEager(t, 1)
	hash := key.Hash([]byte("a"))
	s := c.find(hash)
	s[latch].Store(1) // Offer has looked at lastChange
	c.Change(hash, 6) // and now the commit
	s.put([]byte("a"), []byte("at 5"), hash, true, 5, firstRow, headWords+2)
	s[latch].Store(0)
	want(t, c, "a", key.MaxSeqNum, "")
}

// Nobody tells the cache what changed in sets that are not watched: a row from before would come back.
func TestWatchAll_forgetsWhatWasKeptBefore(t *testing.T) {
	c := New(Options{Bytes: 64 * SetBytes, Wake: func() {}})
	defer c.Free()
	user := "a"
	for c.find(key.Hash([]byte(user))) != nil {
		user += "a"
	}
	c.WatchAll(5)
	for tick := range uint32(8) {
		c.Offer([]byte(user), []byte("at 5"), key.Hash([]byte(user)), true, 5, tick)
	}
	want(t, c, user, key.MaxSeqNum, "at 5")
	c.watched.Store(c.fewSets())
	c.Change(key.Hash([]byte(user)), 6)
	c.WatchAll(6)
	want(t, c, user, key.MaxSeqNum, "")
}

// store is a tree of versions, and the commit queue in front of it.
type store struct {
	versions [24]atomic.Pointer[version]
	visible  atomic.Uint64
}

type version struct {
	seq   uint64
	older *version
}

func (s *store) user(i int) []byte { return fmt.Appendf(nil, "key %d", i) }

// commit changes key i, in the order of the engine.
func (s *store) commit(c *Cache, i int) {
	seq := s.visible.Load() + 1
	c.Change(key.Hash(s.user(i)), key.SeqNum(seq))
	s.versions[i].Store(&version{seq: seq, older: s.versions[i].Load()})
	s.visible.Store(seq)
}

// read is a read of key i at seq.
func (s *store) read(i int, seq uint64) uint64 {
	v := s.versions[i].Load()
	for v.seq > seq {
		v = v.older
	}
	return v.seq
}

// get is a read as the engine makes it, of the newest state or at an older one.
func (s *store) get(c *Cache, i int, snapshot, tick uint64) uint64 {
	user := s.user(i)
	if out, _, ok := c.Get(nil, user, key.Hash(user), key.SeqNum(snapshot), uint32(tick)); ok {
		found := binary.LittleEndian.Uint64(out)
		if string(out) != string(value(i, found)) {
			return 1 << 63 // of two rows
		}
		return found
	}
	at := min(snapshot, s.visible.Load())
	found := s.read(i, at)
	c.Offer(user, value(i, found), key.Hash(user), true, key.SeqNum(at), uint32(tick))
	return found
}

// value is the value of key i in a version.
func value(i int, version uint64) []byte {
	return bytes.Repeat(binary.LittleEndian.AppendUint64(nil, version), 1+i)
}

// An acknowledged write would not be there for the next reader, or a snapshot would change: the one thing that a
// cache of rows must never do.
func TestCache_neverShowsWhatACommitHasReplaced(t *testing.T) {
	for sets, eager := range map[int64]bool{3: true, 20: false} {
		t.Run(fmt.Sprint("eager ", eager), func(t *testing.T) {
			c := New(Options{Bytes: sets * SetBytes, Eager: eager, Wake: func() {}})
			defer c.Free()
			s := new(store)
			for i := range 2 * len(s.versions) { // so that each key has a version at any snapshot
				s.commit(c, i%len(s.versions))
			}
			var done, hits atomic.Int64
			var readers sync.WaitGroup
			for g := range uint64(3) {
				readers.Go(func() {
					r := rand.New(rand.NewPCG(g, 1))
					for n := uint64(0); done.Load() == 0; n++ {
						i := min(r.IntN(len(s.versions)), r.IntN(len(s.versions)))
						oldest := s.read(i, s.visible.Load())
						if got := s.get(c, i, uint64(key.MaxSeqNum), n); got < oldest || got > s.visible.Load() {
							t.Errorf("key %d: version %d after %d was published", i, got, oldest)
						}
						snapshot := s.visible.Load() - r.Uint64N(3)
						if got := s.get(c, i, snapshot, n); got != s.read(i, snapshot) {
							t.Errorf("key %d at %d: version %d, want %d", i, snapshot, got, s.read(i, snapshot))
						}
						if n%64 == 0 {
							if _, _, ok := c.Get(nil, s.user(i), key.Hash(s.user(i)), key.MaxSeqNum, uint32(n)); ok {
								hits.Add(1)
							}
						}
					}
				})
			}
			least := 30_000
			if testing.Short() {
				least = 5_000
			}
			r := rand.New(rand.NewPCG(9, 9))
			for n := 0; n < least || hits.Load() < 100 && n < 100_000_000; n++ {
				if n%3 == 0 {
					s.commit(c, r.IntN(len(s.versions)))
				}
				if n%1000 == 0 && !eager { // what Review decides, by force
					c.watched.Store(c.fewSets())
				} else if n%1000 == 500 && !eager {
					c.WatchAll(key.SeqNum(s.visible.Load()))
				}
			}
			done.Store(1)
			readers.Wait()
			if hits.Load() == 0 {
				t.Error("no row was ever found: the test tests nothing")
			}
		})
	}
}

// A reader that copies a row while the next one is written over it must notice.
func TestGet_neverReturnsHalfARow(t *testing.T) {
	c := New(Options{Bytes: SetBytes, Eager: true, Wake: func() {}})
	defer c.Free()
	user := []byte("user")
	hash := key.Hash(user)
	const words = maxRowWords - headWords - 1
	var done atomic.Bool
	var writers sync.WaitGroup
	writers.Go(func() {
		value := make([]byte, words*8)
		for n := uint32(0); !done.Load(); n++ {
			for i := range value {
				value[i] = byte(n)
			}
			c.Offer(user, value, hash, true, 1, n)
		}
	})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // more than there are processors: readers are stopped on their way
	var readers sync.WaitGroup
	var overtaken atomic.Int64 // reads during which two rows were written, one of them over the row that is read
	for range 8 {
		readers.Go(func() {
			var out []byte
			for n := uint32(0); overtaken.Load() < 50 && !t.Failed(); n++ {
				before := c.sets[0][latch].Load()
				var ok bool
				out, _, ok = c.Get(out[:0], user, hash, key.MaxSeqNum, n)
				if c.sets[0][latch].Load()>>16 >= before>>16+2 {
					overtaken.Add(1)
				}
				if ok && bytes.Count(out, out[:1]) != words*8 {
					t.Errorf("bytes of two rows after %d reads: %x", n, out)
				}
			}
		})
	}
	readers.Wait()
	done.Store(true)
	writers.Wait()
}

// reads makes n reads of the keys in turn, and reviews whenever the cache asks for it.
func reads(c *Cache, wake *bool, keys, n int) {
	for i := range n {
		user := fmt.Appendf(nil, "key %d", i%keys)
		if _, _, ok := c.Get(nil, user, key.Hash(user), key.MaxSeqNum, uint32(i)); !ok {
			c.Offer(user, make([]byte, 100), key.Hash(user), true, 1, uint32(i))
		}
		if *wake {
			*wake = false
			if c.Review() {
				c.WatchAll(1)
			}
		}
	}
}

// Reads that never find their row would pay for looking, and commits with them; or hot rows would never be kept.
func TestReview_watchesAllSetsWhileRowsAreFound(t *testing.T) {
	wake := false
	c := New(Options{Bytes: 320 * SetBytes, Wake: func() { wake = true }})
	defer c.Free()
	reads(c, &wake, 100_000, 300_000)
	if c.watchesAll() {
		t.Error("all sets are watched although hardly any row is ever found")
	}
	if c.Bytes() != 20*SetBytes {
		t.Errorf("%d bytes, want those of 20 sets", c.Bytes())
	}
	reads(c, &wake, 500, 400_000)
	if !c.watchesAll() {
		t.Error("few sets are watched although most rows are found in them")
	}
	reads(c, &wake, 500, 200_000)
	if !c.watchesAll() {
		t.Error("few sets are watched again although rows are found")
	}
	reads(c, &wake, 100_000, 300_000)
	if c.watchesAll() {
		t.Error("all sets are still watched although hardly any row is found any more")
	}
}

// A cache without memory is one that knows nothing.
func TestNew_worksWithoutMemory(t *testing.T) {
	for _, n := range []int64{-1, 0, SetBytes - 1} {
		c := New(Options{Bytes: n, Wake: func() {}})
		offer(c, "a", "b", 1)
		want(t, c, "a", key.MaxSeqNum, "")
		c.Change(1, 2)
		if c.Review() || c.Bytes() != 0 {
			t.Errorf("a cache of %d bytes has %d, and wants more", n, c.Bytes())
		}
		c.Free()
	}
}

// A read from the cache must not make garbage.
func TestGet_allocatesNothing(t *testing.T) {
	c := newEager(t, 4)
	user, room := []byte("somebody"), make([]byte, 0, 64)
	offer(c, "somebody", "has a value", 1)
	if n := testing.AllocsPerRun(100, func() { c.Get(room, user, key.Hash(user), key.MaxSeqNum, 1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	const rows = 1000
	c := newEager(b, rows)
	users, hashes := make([][]byte, rows), make([]uint64, rows)
	for i := range users {
		users[i] = fmt.Appendf(nil, "key %20d", i)
		hashes[i] = key.Hash(users[i])
		c.Offer(users[i], make([]byte, 100), hashes[i], true, 1, 0)
	}
	b.ReportAllocs()
	room := make([]byte, 0, 128)
	for i := uint32(0); b.Loop(); i++ {
		c.Get(room, users[i%rows], hashes[i%rows], key.MaxSeqNum, i)
	}
}

func BenchmarkChange(b *testing.B) {
	const rows = 1 << 14
	c := newEager(b, rows)
	for i := uint64(0); b.Loop(); i++ {
		c.Change(i*0x9e3779b97f4a7c15, key.SeqNum(i))
	}
}
