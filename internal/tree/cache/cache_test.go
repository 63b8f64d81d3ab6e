package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/system/epoch"
)

const testFrameSize = 256

var seedFlag = flag.Uint64("seed", 0, "seed of the stress test; 0 draws one")

// pattern is a Loader whose pages say which table and page they are, in every word, so that bytes of any other page,
// of two pages, or of a recycled frame are told from the right ones.
type pattern struct {
	table uint64
	size  func(n int) int   // bytes of page n; nil = a whole frame
	fail  func(n int) error // nil = never
	own   bool              // return an allocation even if the page fits buf
	calls atomic.Int64
}

var errLoad = errors.New("device says no")

func (l *pattern) LoadPage(n int, buf []byte) ([]byte, error) {
	l.calls.Add(1)
	size := l.sizeOf(n)
	if size > cap(buf) || l.own {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	for i := range buf {
		buf[i] = 0xEE // a reader must never see half a page, also after an error
	}
	if l.fail != nil {
		if err := l.fail(n); err != nil {
			return nil, err
		}
	}
	for at := 0; at+8 <= size; at += 8 {
		binary.LittleEndian.PutUint64(buf[at:], word(l.table, n, at))
	}
	return buf, nil
}

func (l *pattern) sizeOf(n int) int {
	if l.size == nil {
		return testFrameSize
	}
	return l.size(n)
}

func word(table uint64, n, at int) uint64 { return table<<48 | uint64(n)<<24 | uint64(at) }

// check compares data with page n of l.
func (l *pattern) check(data []byte, n int) error {
	if len(data) != l.sizeOf(n) {
		return fmt.Errorf("table %d page %d has %d bytes, want %d", l.table, n, len(data), l.sizeOf(n))
	}
	if cap(data) != len(data) {
		return fmt.Errorf("an append to table %d page %d would write into the cache", l.table, n)
	}
	for at := 0; at+8 <= len(data); at += 8 {
		if got, want := binary.LittleEndian.Uint64(data[at:]), word(l.table, n, at); got != want {
			return fmt.Errorf("table %d page %d offset %d: %#x, want %#x", l.table, n, at, got, want)
		}
	}
	return nil
}

// newCache returns a poisoning cache of n frames.
func newCache(t testing.TB, frames int) (*Cache, *epoch.Domain) {
	d := epoch.NewDomain()
	c := New(int64(frames)*testFrameSize, testFrameSize, d)
	c.Poison = true
	t.Cleanup(func() {
		c.Close()
		d.Drain()
		if c.region != nil || c.PrivateBytes() > 0 {
			t.Errorf("memory still mapped after all was closed: %+v", c.Metrics())
		}
	})
	return c, d
}

// get reads page n in a guard and checks it.
func get(t testing.TB, d *epoch.Domain, p *Pages, l *pattern, n int) {
	t.Helper()
	g := d.Enter()
	defer g.Exit()
	var private Pin
	defer private.Unpin()
	data, err := p.Get(n, &private)
	if err == nil {
		err = l.check(data, n)
	}
	if err != nil {
		t.Error(err)
	}
}

// A page that is loaded on every read would make the cache worthless.
func TestGet_loadsOnce(t *testing.T) {
	c, d := newCache(t, 8)
	l := &pattern{table: 1, size: func(n int) int { return []int{0, 8, 248, 256}[n] }}
	p := c.NewPages(4, l)
	defer p.Close()
	for range 3 {
		for n := range 4 {
			get(t, d, p, l, n)
			if !p.Resident(n) {
				t.Errorf("page %d is not resident after Get", n)
			}
		}
	}
	m := c.Metrics()
	if l.calls.Load() != 4 || m.Misses != 4 || m.Loads != 4 || m.BytesLoaded != 512 || m.FramesInUse != 4 {
		t.Errorf("%d calls of the loader, %+v; want 4 of each and 512 bytes", l.calls.Load(), m)
	}
}

// A loader that returns its own slice for a page that fits must not cost correctness.
func TestGet_takesLoadersOwnSlice(t *testing.T) {
	c, d := newCache(t, 8)
	l := &pattern{table: 1, own: true}
	p := c.NewPages(3, l)
	defer p.Close()
	for range 2 {
		for n := range 3 {
			get(t, d, p, l, n)
		}
	}
	if m := c.Metrics(); m.Loads != 3 || m.OversizePages != 0 {
		t.Errorf("%+v, want 3 loads into frames", m)
	}
}

// A remembered error would outlive its cause; a remembered half page would be wrong data.
func TestGet_neverCachesErrors(t *testing.T) {
	c, d := newCache(t, 2)
	broken := true
	l := &pattern{table: 1, fail: func(n int) error {
		if broken {
			return errLoad
		}
		return nil
	}}
	p := c.NewPages(1, l)
	defer p.Close()
	var private Pin
	defer private.Unpin()
	for range 10 { // more often than there are frames, so that a leaked one shows
		g := d.Enter()
		if _, err := p.Get(0, &private); !errors.Is(err, errLoad) {
			t.Fatalf("error %v, want the loader's", err)
		}
		g.Exit()
		if _, err := p.Pin(0); !errors.Is(err, errLoad) {
			t.Fatalf("Pin: error %v, want the loader's", err)
		}
	}
	if m := c.Metrics(); p.Resident(0) || m.FramesInUse != 0 || m.Loads != 0 || m.Misses != 20 {
		t.Errorf("resident %v, %+v after errors only", p.Resident(0), m)
	}
	broken = false
	get(t, d, p, l, 0)
}

// A page number from damaged bytes must end in an error, not in a panic.
func TestGet_refusesPagesOutOfRange(t *testing.T) {
	c, d := newCache(t, 2)
	p := c.NewPages(3, &pattern{})
	defer p.Close()
	g := d.Enter()
	defer g.Exit()
	var private Pin
	defer private.Unpin()
	for _, n := range []int{-1, 3, math.MaxInt} {
		if _, err := p.Get(n, &private); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("Get(%d): %v, want damage", n, err)
		}
		if _, err := p.Pin(n); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("Pin(%d): %v, want damage", n, err)
		}
		if p.Resident(n) {
			t.Errorf("page %d is resident", n)
		}
	}
}

// The smallest configurations must be slow, not broken.
func TestNew_worksWithAnyBudget(t *testing.T) {
	for _, budget := range []int64{-1, 0, 1, testFrameSize - 1, testFrameSize, 2 * testFrameSize, 3*testFrameSize + 1} {
		d := epoch.NewDomain()
		c := New(budget, testFrameSize, d)
		c.Poison = true
		l := &pattern{table: 1}
		p := c.NewPages(10, l)
		for i := range 200 {
			get(t, d, p, l, i*7%10)
			checkPin(t, p, l, i*3%10)
		}
		if m := c.Metrics(); int64(m.FramesInUse)*testFrameSize > max(budget, 0) {
			t.Errorf("budget %d: %+v", budget, m)
		}
		p.Close()
		c.Close()
		d.Drain()
	}
}

// Pages lay out their entries for aligned loads of whole words; a frame that began elsewhere would make them slow.
func TestNew_alignsFrames(t *testing.T) {
	d := epoch.NewDomain()
	c := New(64*1024, 100, d)
	defer c.Close()
	l := &pattern{table: 1, size: func(int) int { return 100 }}
	p := c.NewPages(40, l)
	defer p.Close()
	g := d.Enter()
	defer g.Exit()
	var private Pin
	defer private.Unpin()
	for n := range 40 {
		data, err := p.Get(n, &private)
		if err != nil || !p.Resident(n) {
			t.Fatalf("page %d: error %v, resident %v", n, err, p.Resident(n))
		}
		if at := uintptr(unsafe.Pointer(&data[0])); at%64 != 0 {
			t.Errorf("page %d begins %d bytes after a multiple of 64", n, at%64)
		}
	}
}

func checkPin(t testing.TB, p *Pages, l *pattern, n int) {
	t.Helper()
	pin, err := p.Pin(n)
	if err == nil {
		err = l.check(pin.Data(), n)
	}
	if err != nil {
		t.Error(err)
	}
	pin.Unpin()
	pin.Unpin() // harmless
	if pin.Data() != nil {
		t.Error("a Pin has data after Unpin")
	}
}

// Pages that are read again and again must survive a scan over many that are read once.
func TestClock_keepsWhatIsUsed(t *testing.T) {
	c, d := newCache(t, 256)
	hot, cold := &pattern{table: 1}, &pattern{table: 2}
	hotPages, coldPages := c.NewPages(64, hot), c.NewPages(4096, cold)
	defer hotPages.Close()
	defer coldPages.Close()
	for n := range 4096 {
		get(t, d, coldPages, cold, n)
		get(t, d, hotPages, hot, n%64)
	}
	m := c.Metrics()
	if calls := hot.calls.Load(); calls > 2*64 {
		t.Errorf("64 hot pages were loaded %d times during a scan", calls)
	}
	if m.Evictions < 3000 || m.Uncached > 40 {
		t.Errorf("%+v, want the scan to be cached and evicted", m)
	}
}

// A single reader must find free frames: its own guard holds back what it evicted a moment ago, and only that.
func TestGet_seldomGoesUncached(t *testing.T) {
	c, d := newCache(t, 1024)
	l := &pattern{table: 1}
	p := c.NewPages(20000, l)
	defer p.Close()
	for n := range 20000 {
		get(t, d, p, l, n)
	}
	if m := c.Metrics(); m.Uncached > 20 {
		t.Errorf("%d of %d loads were not cached", m.Uncached, m.Loads)
	}
}

// A guard that is held long must not stop other reads, and what it may be looking at must not change.
func TestGet_goesOnWhileAGuardHoldsLimboBack(t *testing.T) {
	c, d := newCache(t, 16)
	l := &pattern{table: 1}
	p := c.NewPages(200, l)
	defer p.Close()
	g := d.Enter()
	var private Pin
	defer private.Unpin()
	held, err := p.Get(0, &private)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		get(t, d, p, l, n)
	}
	if err := l.check(held, 0); err != nil {
		t.Error(err)
	}
	if m := c.Metrics(); m.Uncached == 0 || m.FramesInUse > 16 {
		t.Errorf("%+v, want pages outside the cache and no more than 16 frames", m)
	}
	g.Exit()
	for n := range 32 {
		get(t, d, p, l, n)
	}
	if !p.Resident(31) {
		t.Error("pages are not cached again after the guard exited")
	}
}

// An iterator reads its page at leisure; eviction and closing meanwhile must not touch it.
func TestPin_holdsContentThroughEvictionAndClose(t *testing.T) {
	c, d := newCache(t, 16)
	l := &pattern{table: 1, size: func(n int) int { return []int{256, 700}[n%2] }}
	p := c.NewPages(100, l)
	pins := make([]Pin, 4)
	for n := range pins {
		var err error
		if pins[n], err = p.Pin(n); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 100 {
		get(t, d, p, l, n)
	}
	if m := c.Metrics(); m.FramesPinned != 4 {
		t.Errorf("%d frames pinned, want 4", m.FramesPinned)
	}
	p.Close()
	c.Close()
	d.Drain()
	if m := c.Metrics(); m.FramesPinned != 4 || m.FramesInUse != 4+2*2 {
		t.Errorf("%d frames pinned and %d in use after Close, want 4 and 8", m.FramesPinned, m.FramesInUse)
	}
	for n := range pins {
		if err := l.check(pins[n].Data(), n); err != nil {
			t.Error("after Close:", err)
		}
	}
	for n := range pins {
		pins[n].Unpin()
	}
	if m := c.Metrics(); m.FramesInUse != 0 || m.OversizeBytes != 0 {
		t.Errorf("%+v, want nothing in use after the last Unpin", m)
	}
}

// Upper layers rely on poison to find their own late reads.
func TestPoison_overwritesWhatIsNoLongerValid(t *testing.T) {
	c, d := newCache(t, 8)
	l := &pattern{table: 1, size: func(n int) int { return []int{256, 600, 5000}[n] }} // frame, oversize, uncached
	for n := range 3 {
		p := c.NewPages(3, l)
		g := d.Enter()
		var private Pin
		late, err := p.Get(n, &private)
		if err == nil {
			err = l.check(late, n)
		}
		if err != nil {
			t.Fatal(err)
		}
		private.Unpin()
		g.Exit()
		p.Close()
		d.Drain()
		if want := bytes.Repeat([]byte{0xDD}, len(late)); !bytes.Equal(late, want) {
			t.Errorf("page %d reads %x... after it ceased to be valid", n, late[:8])
		}
	}
	pin, err := c.NewPages(3, l).Pin(2)
	if err != nil {
		t.Fatal(err)
	}
	late := pin.Data()
	pin.Unpin()
	if late[0] != 0xDD {
		t.Error("an uncached page is readable after Unpin")
	}
}

// Oversize pages must be cached like others, and must not make the cache larger than its budget.
func TestOversize_isCachedWithinTheBudget(t *testing.T) {
	c, d := newCache(t, 64)
	l := &pattern{table: 1, size: func(n int) int { return 200 * (1 + n%12) }}
	p := c.NewPages(300, l)
	for range 3 {
		for n := range 4 {
			get(t, d, p, l, n)
		}
	}
	if calls := l.calls.Load(); calls != 4 {
		t.Errorf("the loader was called %d times for 4 pages", calls)
	}
	for n := range 300 {
		get(t, d, p, l, n)
		get(t, d, p, l, max(n-1, 0))
		m := c.Metrics()
		if m.FramesInUse > m.Frames || m.OversizeBytes > int64(m.FramesInUse*m.FrameSize) {
			t.Fatalf("over budget: %+v", m)
		}
	}
	if m := c.Metrics(); m.OversizePages == 0 || m.Uncached > m.Loads/4 {
		t.Errorf("%+v, want most oversize pages in the cache", m)
	}
	p.Close()
	d.Drain()
	if m := c.Metrics(); m.FramesInUse != 0 || m.OversizePages != 0 || m.OversizeBytes != 0 || m.FramesInLimbo != 0 {
		t.Errorf("%+v, want all zero after Close", m)
	}
}

// A page as large as the cache must not throw everything else out.
func TestOversize_leavesOutPagesLargerThanHalfTheCache(t *testing.T) {
	c, d := newCache(t, 16)
	l := &pattern{table: 1, size: func(n int) int { return []int{256, 9 * 256}[n%2] }}
	p := c.NewPages(2, l)
	defer p.Close()
	for range 5 {
		get(t, d, p, l, 0)
		get(t, d, p, l, 1)
	}
	if !p.Resident(0) || p.Resident(1) || l.calls.Load() != 6 {
		t.Errorf("resident %v and %v, %d loads", p.Resident(0), p.Resident(1), l.calls.Load())
	}
}

// A limit of gigabytes must cost a small database nothing: it pays for the frames that it uses.
func TestNew_costsLittleUntilFramesAreUsed(t *testing.T) {
	const frames = 100_000
	c, d := newCache(t, frames)
	if unread := c.Metrics().IndexBytes; unread > 0 {
		t.Errorf("%d bytes before there was a page", unread)
	}
	l := &pattern{table: 1}
	p := c.NewPages(300, l)
	defer p.Close()
	empty := int64(8 * frames)
	for n := range 300 {
		get(t, d, p, l, n)
	}
	slots := int64(300 * slotBytes)
	if used := c.Metrics().IndexBytes - empty - slots; used < 300*recordOverhead || used > 600*recordOverhead {
		t.Errorf("%d bytes for the records of 300 frames of %d", used, recordOverhead)
	}
}

// A read of a closed table must be an error: its file is gone, and its frames belong to others.
func TestClose_refusesLaterReads(t *testing.T) {
	c, d := newCache(t, 8)
	l := &pattern{table: 1}
	p := c.NewPages(4, l)
	get(t, d, p, l, 0)
	inside := d.Enter()
	var private Pin
	defer private.Unpin()
	data, err := p.Get(0, &private)
	if err != nil {
		t.Fatal(err)
	}
	before := c.Metrics().IndexBytes
	p.Close()
	p.Close()
	if err := l.check(data, 0); err != nil {
		t.Error("in a guard entered before Close:", err)
	}
	for n := range 4 {
		if _, err := p.Get(n, &private); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Get(%d) after Close: %v", n, err)
		}
	}
	inside.Exit()
	if _, err := p.Pin(0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Pin after Close: %v", err)
	}
	d.Drain()
	if m := c.Metrics(); m.FramesInUse != 0 || m.IndexBytes != before-16 || l.calls.Load() != 1 {
		t.Errorf("%+v, %d loads; want no frame in use, 16 bytes of slots less, 1 load", m, l.calls.Load())
	}
}

// Tables that are open when the cache closes are read without it, never from unmapped memory.
func TestCacheClose_leavesOpenPagesReadable(t *testing.T) {
	c, d := newCache(t, 8)
	l := &pattern{table: 1}
	p := c.NewPages(4, l)
	get(t, d, p, l, 0)
	c.Close()
	for n := range 4 {
		get(t, d, p, l, n)
	}
	if p.Resident(1) || !p.Resident(0) {
		t.Error("a closed cache took a page in, or lost one in use")
	}
	p.Close()
}

// Without memory for the region the database is slow, not down.
func TestGet_worksWithoutARegion(t *testing.T) {
	c, d := newCache(t, 8)
	c.alloc = func(int) ([]byte, error) { return nil, errors.New("no memory") }
	l := &pattern{table: 1}
	p := c.NewPages(4, l)
	defer p.Close()
	for n := range 4 {
		get(t, d, p, l, n)
	}
	if m := c.Metrics(); m.Uncached != 4 {
		t.Errorf("%+v, want 4 pages outside the cache", m)
	}
}

// Every read of the database is a hit or wants to be: an allocation here would be one for each Get.
func TestGet_hitAllocatesNothing(t *testing.T) {
	c, d := newCache(t, 8)
	l := &pattern{table: 1}
	p := c.NewPages(1, l)
	defer p.Close()
	get(t, d, p, l, 0)
	hit := func() {
		g := d.Enter()
		var private Pin
		if data, err := p.Get(0, &private); err != nil || len(data) != testFrameSize {
			t.Error(len(data), err)
		}
		g.Exit()
		pin, err := p.Pin(0)
		if err != nil {
			t.Error(err)
		}
		pin.Unpin()
	}
	if n := testing.AllocsPerRun(100, hit); n != 0 {
		t.Errorf("%v allocations for a Get and a Pin that hit", n)
	}
}

// Under load every interleaving of hit, miss, eviction, pin, oversize, error and close gets its turn, in a cache so
// small that each frame is recycled hundreds of times; a wrong word would have been a wrong value given to a user.
func TestCache_contentIsRightUnderLoad(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	for _, frames := range []int{1, 5, 24, 200} {
		t.Run(fmt.Sprint(frames), func(t *testing.T) {
			c, d := newCache(t, frames)
			c.withdrawn.chunkFrames = 3
			s := &stress{t: t, cache: c, domain: d, seed: seed}
			for i := range s.tables {
				s.tables[i].Store(s.open(uint64(i)))
			}
			var work sync.WaitGroup
			for n := range uint64(4) {
				work.Go(func() { s.read(rand.New(rand.NewPCG(seed, n))) })
			}
			work.Go(func() { s.reopen(rand.New(rand.NewPCG(seed, 4))) })
			work.Go(func() { s.resize(rand.New(rand.NewPCG(seed, 5)), frames) })
			work.Wait()
			for i := range s.tables {
				s.tables[i].Load().pages.Close()
			}
			d.Drain()
			m := c.Metrics()
			if m.Frames != frames || m.FramesInUse != 0 || m.FramesPinned != 0 || m.FramesInLimbo != 0 || m.OversizeBytes != 0 {
				t.Errorf("%+v, want nothing in use at the end", m)
			}
		})
	}
}

// stress reads, pins and replaces tables at random.
type stress struct {
	t      *testing.T
	cache  *Cache
	domain *epoch.Domain
	seed   uint64
	tables [3]atomic.Pointer[openTable]
}

type openTable struct {
	loader *pattern
	pages  *Pages
}

const stressPages = 60

func (s *stress) open(id uint64) *openTable {
	var loads atomic.Uint64
	l := &pattern{
		table: id,
		size: func(n int) int {
			if n%10 == 9 {
				return 264 + 8*n
			}
			return 256 - 8*(n%10)
		},
		fail: func(n int) error {
			if rand.New(rand.NewPCG(s.seed+id, loads.Add(1))).IntN(50) == 0 {
				return errLoad
			}
			return nil
		},
	}
	return &openTable{loader: l, pages: s.cache.NewPages(stressPages, l)}
}

func (s *stress) read(r *rand.Rand) {
	for range 800 {
		table := s.tables[r.IntN(len(s.tables))].Load()
		n := min(r.IntN(stressPages), r.IntN(stressPages))
		switch r.IntN(4) {
		case 0:
			s.pin(r, table, n)
		default:
			s.get(table, n)
		}
	}
}

// resize gives the cache less and more, and in the end all that it had.
func (s *stress) resize(r *rand.Rand, frames int) {
	for range 300 {
		s.cache.Resize(int64(r.IntN(frames+1)) * testFrameSize)
		s.get(s.tables[0].Load(), r.IntN(stressPages))
	}
	s.cache.Resize(int64(frames) * testFrameSize)
}

// get looks at two pages inside one guard, the first again after the second.
func (s *stress) get(table *openTable, n int) {
	g := s.domain.Enter()
	defer g.Exit()
	var private, others Pin
	defer private.Unpin()
	defer others.Unpin()
	first, err := table.pages.Get(n, &private)
	if !s.expected(err) {
		return
	}
	if second, err := table.pages.Get((n+1)%stressPages, &others); s.expected(err) {
		s.verify(table.loader.check(second, (n+1)%stressPages))
	}
	s.verify(table.loader.check(first, n))
}

// pin holds a page across reads of others.
func (s *stress) pin(r *rand.Rand, table *openTable, n int) {
	pin, err := table.pages.Pin(n)
	if !s.expected(err) {
		return
	}
	for range r.IntN(8) {
		s.get(table, r.IntN(stressPages))
	}
	s.verify(table.loader.check(pin.Data(), n))
	pin.Unpin()
}

// reopen closes tables under their readers and puts others in their place.
func (s *stress) reopen(r *rand.Rand) {
	for id := range uint64(40) {
		for range 30 {
			s.get(s.tables[0].Load(), r.IntN(stressPages))
		}
		s.tables[id%3].Swap(s.open(100 + id)).pages.Close()
	}
}

// expected reports whether there are bytes to look at; any error but the two that the test provokes is a failure.
func (s *stress) expected(err error) bool {
	if err != nil && !errors.Is(err, errLoad) && !errors.Is(err, fs.ErrClosed) {
		s.t.Error(err)
	}
	return err == nil
}

func (s *stress) verify(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

// linked is a Loader that reads another page for each page but the first ones, as a table does to find out where
// a page lies.
type linked struct {
	pattern
	pages *Pages
	heads int // pages that need no other
}

func (l *linked) LoadPage(n int, buf []byte) ([]byte, error) {
	if n >= l.heads {
		pin, err := l.pages.Pin(n % l.heads)
		if err != nil {
			return nil, err
		}
		defer pin.Unpin()
		if err := l.check(pin.Data(), n%l.heads); err != nil {
			return nil, err
		}
	}
	return l.pattern.LoadPage(n, buf)
}

// A read that waits for a frame which it has itself taken for another page would wait for ever.
func TestGet_loaderMayReadOtherPages(t *testing.T) {
	for _, frames := range []int{0, 1, 2, 3, 40} {
		c, d := newCache(t, frames)
		l := &linked{pattern: pattern{table: 1}, heads: 4}
		l.pages = c.NewPages(300, l)
		defer l.pages.Close()
		var group sync.WaitGroup
		for start := range 4 {
			group.Go(func() {
				for i := range 3000 {
					n := (start*71 + i*13) % 300
					get(t, d, l.pages, &l.pattern, n)
					checkPin(t, l.pages, &l.pattern, (n+150)%300)
				}
			})
		}
		group.Wait()
		if m := c.Metrics(); m.FramesPinned > 0 || m.FramesInUse > frames {
			t.Errorf("%d frames: %+v", frames, m)
		}
	}
}

// Reads that find no frame would each leave a page to the garbage collector: gigabytes in seconds, beyond every limit.
func TestGet_withoutAFrameUsesItsMemoryAgain(t *testing.T) {
	c, d := newCache(t, 8)
	l := &pattern{table: 1}
	p := c.NewPages(200, l)
	defer p.Close()
	var pins [8]Pin
	for n := range pins {
		var err error
		if pins[n], err = p.Pin(n); err != nil {
			t.Fatal(err)
		}
		defer pins[n].Unpin()
	}
	n := len(pins)
	read := func() {
		n = len(pins) + n%100
		get(t, d, p, l, n)
		get(t, d, p, l, n+1)
		checkPin(t, p, l, n)
	}
	if allocs := testing.AllocsPerRun(1000, read); allocs > 0 {
		t.Errorf("%v allocations for three reads without a frame", allocs)
	}
	if m := c.Metrics(); m.Uncached < 3000 || m.PrivateBytes != testFrameSize {
		t.Errorf("%d bytes for %d reads without a frame, one at a time, want %d", m.PrivateBytes, m.Uncached, testFrameSize)
	}
	var late [40]Pin
	for n := range late {
		var err error
		if late[n], err = p.Pin(100 + n); err != nil {
			t.Fatal(err)
		}
	}
	for n := range late {
		if err := l.check(late[n].Data(), 100+n); err != nil {
			t.Error(err)
		}
		late[n].Unpin()
	}
	if got := c.Metrics().PrivateBytes; got != maxIdlePrivate*testFrameSize {
		t.Errorf("%d bytes are kept for reads without a frame, want %d", got, maxIdlePrivate*testFrameSize)
	}
}

// A limit beyond the addresses that the system has would leave the database without any cache.
func TestNew_takesWhatThereIs(t *testing.T) {
	c, d := newCache(t, 1<<20)
	alloc := c.alloc
	c.alloc = func(size int) ([]byte, error) {
		if size > 100*testFrameSize {
			return nil, errors.New("no memory")
		}
		return alloc(size)
	}
	l := &pattern{table: 1}
	p := c.NewPages(200, l)
	defer p.Close()
	for n := range 200 {
		get(t, d, p, l, n)
	}
	most := int64(200*slotBytes + 256*(frameOverhead+recordOverhead))
	if m := c.Metrics(); m.Frames != 64 || m.FramesInUse == 0 || m.IndexBytes > most {
		t.Errorf("%d frames of which %d are used, and %d bytes of index", m.Frames, m.FramesInUse, m.IndexBytes)
	}
	c.Resize(math.MaxInt64)
	if got := c.Metrics().Frames; got != 64 {
		t.Errorf("%d frames after Resize, want 64", got)
	}
}
