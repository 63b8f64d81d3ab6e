// Package rowcache keeps the newest values of keys that are read over and over, so that such a read costs two cache
// misses instead of a search of the tree. It owns the memory of the rows and decides which stay. It knows nothing of
// the tree: the engine offers it what a read has found, tells it what a commit is about to change, and trusts what
// it returns.
//
// # Shape
//
// The memory, outside the Go heap, is cut into sets of 1 KiB. A key's hash selects its set, and an operation on the
// key touches no other:
//
//	word of 8 bytes   meaning
//	              0   latch: number of changes << 16 | word at which the next row goes << 8 | 1 while a row is written
//	              1   lastChange: the newest sequence number that has changed any key of the set
//	         2 to 7   tags, one for each row, 0: none. Upper 48 bits of the hash << 16 | word at which the row is << 8
//	                  | its words
//	       8 to 127   rows; a new one takes the place of the oldest
//
//	word of a row   meaning
//	            0   the sequence number at which the row was read << 1 | 1 if the key has a value
//	            1   length of the key << 32 | length of the value
//	            2.. key, then value, each padded with zeros to whole words
//
// All words are read and written atomically. The latch is a sequence lock: a reader that finds the same even latch
// before and after it reads a row has read a whole row. Readers write nothing.
//
// # Why no reader sees a value that a commit has replaced
//
// A row is the state of its key at the sequence number at which it was read (at). It is the newest state as long as
// no later commit changes the key. Before a commit is published, the leader of the commit queue calls Change for
// each of its keys. Change raises lastChange of the set, and then clears the tag of the key. Offer stores a tag, and
// then looks at lastChange; if it is above at, Offer clears the tag again. All these accesses are sequentially
// consistent, so either Change sees the tag, or Offer sees the raised lastChange; and no reader looks at the row
// until Offer has released the latch. Hence a tag that is found after a commit was published belongs to a row that
// the commit did not change. A reader that found it earlier began before the commit was acknowledged, and may see
// the state before it.
//
// A snapshot may use a row if the snapshot is not older than at: nothing has changed the key since.
//
// # When it is worth while
//
// A read that does not find its row has paid a cache miss for nothing, and so has a commit. So at first, and
// whenever less than a quarter of the reads find their row, only one set in sixteen is watched; keys of the other
// sets are neither looked for nor kept. When half of the reads of the watched sets find their row, all sets are
// watched. The reads are sampled; Review decides.
package rowcache

import (
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"
	"unsafe"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/offheap"
)

const (
	setWords   = 128
	latch      = 0
	lastChange = 1
	firstTag   = 2
	firstRow   = 8

	headWords   = 2  // of a row
	maxRowWords = 60 // half a set: two rows fit, whatever their sizes

	tagHash = 0xffff_ffff_ffff_0000

	// SetBytes is the memory of a set.
	SetBytes = setWords * 8
)

type set [setWords]atomic.Uint64

// Cache is a cache of rows. Any number of goroutines may call Get and Offer at a time, but only one Change, and only
// one Review.
type Cache struct {
	eager bool

	region  []byte
	sets    []set
	watched atomic.Uint64 // sets[:watched] are in use
	since   atomic.Uint64 // rows that were read before this sequence number are not used

	_ [128]byte // every read loads what is above; sample is written

	sample
}

// Options say how a cache works.
type Options struct {
	Bytes int64  // of memory; below SetBytes nothing is ever kept
	Wake  func() // called by a reader when Review is due; it must be short
	Eager bool   // keep every row that is offered: for tests
}

// maxHalvings bounds how often New tries with half as much memory.
const maxHalvings = 16

// New returns an empty cache. Its memory is touched when rows are kept, and given back by Free. If the system has
// less address space than asked for, the cache is smaller; with none it stays empty.
func New(o Options) *Cache {
	c := &Cache{eager: o.Eager, sample: sample{wake: o.Wake}}
	n := int(min(max(0, o.Bytes)/SetBytes, math.MaxInt/SetBytes, 1<<32))
	region, err := offheap.Alloc(n * SetBytes)
	for halvings := 0; err != nil && halvings < maxHalvings; halvings++ {
		n /= 2
		region, err = offheap.Alloc(n * SetBytes)
	}
	if err != nil || n == 0 {
		return c
	}
	c.region, c.sets = region, unsafe.Slice((*set)(unsafe.Pointer(unsafe.SliceData(region))), n)
	c.watched.Store(c.fewSets())
	if c.eager {
		c.watched.Store(uint64(n))
	}
	return c
}

// Free gives back the memory. No other method may be running, nor be called later.
func (c *Cache) Free() {
	offheap.Free(c.region)
	c.region, c.sets = nil, nil
	c.watched.Store(0)
}

// find returns the set of hash, nil if it is not watched.
func (c *Cache) find(hash uint64) *set {
	n := (hash & 0xffff_ffff) * uint64(len(c.sets)) >> 32
	if n >= c.watched.Load() {
		return nil
	}
	return &c.sets[n]
}

// Get appends the value that user has at seq (key.MaxSeqNum for the newest) to dst. hash is key.Hash of user; tick
// is a different number at each call and decides whether the read is sampled. ok is false, and out is dst, if the
// row is not there; present is false if the key has no value. Get allocates nothing if dst has room.
func (c *Cache) Get(dst, user []byte, hash uint64, seq key.SeqNum, tick uint32) (out []byte, present, ok bool) {
	s := c.find(hash)
	if s == nil {
		return dst, false, false
	}
	out, at, present, ok := s.get(dst, user, hash)
	if ok && (at < c.since.Load() || at > uint64(seq)) {
		out, present, ok = dst, false, false
	}
	if oneIn(readsPerSample, tick) {
		c.count(ok)
	}
	return out, present, ok
}

func (s *set) get(dst, user []byte, hash uint64) (out []byte, at uint64, present, ok bool) {
	before := s[latch].Load()
	if before&1 != 0 {
		return dst, 0, false, false
	}
	for i := firstTag; i < firstRow; i++ {
		tag := s[i].Load()
		if (tag^hash<<16)&tagHash != 0 || tag == 0 {
			continue
		}
		row := int(tag >> 8 & 0xff)
		if row > setWords-headWords { // the row is being written
			return dst, 0, false, false
		}
		head, lengths := s[row].Load(), s[row+1].Load()
		keySize, valueSize := int(lengths>>32), int(lengths&0xffff_ffff)
		from := row + headWords
		to := from + words(keySize)
		if keySize != len(user) || to+words(valueSize) > setWords || !s.equal(from, user) {
			continue // another key of this hash, or the row is being written
		}
		out = s.appendTo(dst, to, valueSize)
		if s[latch].Load() != before {
			return dst, 0, false, false
		}
		return out, head >> 1, head&1 != 0, true
	}
	return dst, 0, false, false
}

// words is how many words n bytes take.
func words(n int) int { return int(uint(n)+7) / 8 }

// equal reports whether the words from i on hold b, padded with zeros.
func (s *set) equal(i int, b []byte) bool {
	for ; len(b) >= 8; i, b = i+1, b[8:] {
		if s[i&(setWords-1)].Load() != binary.LittleEndian.Uint64(b) {
			return false
		}
	}
	return len(b) == 0 || s[i&(setWords-1)].Load() == partial(b)
}

// partial is the word of up to 7 bytes, padded with zeros.
func partial(b []byte) uint64 {
	var w [8]byte
	copy(w[:], b)
	return binary.LittleEndian.Uint64(w[:])
}

// appendTo appends the n bytes that begin at word i.
func (s *set) appendTo(dst []byte, i, n int) []byte {
	dst = slices.Grow(dst, n)
	out := dst[len(dst) : len(dst)+n]
	for ; len(out) >= 32 && i <= setWords-4; i, out = i+4, out[32:] { // a loop of single words takes half as long again
		w := s[i : i+4 : i+4]
		binary.LittleEndian.PutUint64(out, w[0].Load())
		binary.LittleEndian.PutUint64(out[8:], w[1].Load())
		binary.LittleEndian.PutUint64(out[16:], w[2].Load())
		binary.LittleEndian.PutUint64(out[24:], w[3].Load())
	}
	for ; len(out) >= 8; i, out = i+1, out[8:] {
		binary.LittleEndian.PutUint64(out, s[i&(setWords-1)].Load())
	}
	if len(out) > 0 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], s[i&(setWords-1)].Load())
		copy(out, w[:])
	}
	return dst[:len(dst)+n]
}

// Offer tells the cache what a read at the sequence number at has found: value, or nothing if present is false. at
// was loaded before the read began, and every commit up to it had been published. The cache keeps a copy of one
// offer in offersPerRow, chosen by tick, which is a different number at each call.
func (c *Cache) Offer(user, value []byte, hash uint64, present bool, at key.SeqNum, tick uint32) {
	s := c.find(hash)
	size := headWords + words(len(user)) + words(len(value))
	if s == nil || size > maxRowWords || !c.eager && !oneIn(offersPerRow, tick) {
		return
	}
	before := s[latch].Load()
	if before&1 != 0 || !s[latch].CompareAndSwap(before, before|1) {
		return
	}
	row := max(int(before>>8&0xff), firstRow)
	if row+size > setWords {
		row = firstRow
	}
	s.put(user, value, hash, present, uint64(at), row, size)
	s[latch].Store((before>>16+1)<<16 | uint64(row+size)<<8)
}

// put writes a row of size words at the word row of the set, whose latch the caller holds. It leaves the row there
// only if no commit has changed a key of the set since at.
func (s *set) put(user, value []byte, hash uint64, present bool, at uint64, row, size int) {
	tag := s.makeRoom(hash, row, size)
	head := at << 1
	if present {
		head |= 1
	}
	s[row].Store(head)
	s[row+1].Store(uint64(len(user))<<32 | uint64(len(value)))
	s.store(row+headWords, user)
	s.store(row+headWords+words(len(user)), value)
	s[tag].Store(hash<<16 | uint64(row)<<8 | uint64(size))
	if s[lastChange].Load() > at {
		s[tag].Store(0)
	}
}

func (s *set) store(i int, b []byte) {
	for ; len(b) >= 8; i, b = i+1, b[8:] {
		s[i].Store(binary.LittleEndian.Uint64(b))
	}
	if len(b) > 0 {
		s[i].Store(partial(b))
	}
}

// makeRoom clears the tags of the rows that a row of size words at row would overwrite, and those of the hash, and
// returns a free tag. If there is none it takes that of the oldest row: the one that the next rows will overwrite
// first.
func (s *set) makeRoom(hash uint64, row, size int) (tag int) {
	oldest, distance := 0, setWords
	for i := firstTag; i < firstRow; i++ {
		t := s[i].Load()
		at, words := int(t>>8&0xff), int(t&0xff)
		if at < row+size && row < at+words || (t^hash<<16)&tagHash == 0 {
			s[i].Store(0)
			t = 0
		}
		if t == 0 {
			tag = i
		} else if d := (at - row + setWords) % setWords; d < distance {
			oldest, distance = i, d
		}
	}
	if tag == 0 {
		tag = oldest
		s[tag].Store(0)
	}
	return tag
}

// Change says that the commit of seq changes the key of hash. It must return before the commit is published.
func (c *Cache) Change(hash uint64, seq key.SeqNum) {
	s := c.find(hash)
	if s == nil {
		return
	}
	s[lastChange].Store(uint64(seq))
	for i := firstTag; i < firstRow; i++ {
		if t := s[i].Load(); t != 0 && (t^hash<<16)&tagHash == 0 {
			s[i].CompareAndSwap(t, 0)
		}
	}
}

// Forget says that commits up to seq may have changed any key: rows that were read before seq are no longer used. It
// must return before the change is published, or be called while no commit is in progress.
func (c *Cache) Forget(seq key.SeqNum) { c.since.Store(max(uint64(seq), c.since.Load())) }
