package locator

// Builder collects hashes and positions and lays them out as pages. It takes 12 bytes a key while it collects and
// about 5 more while it lays out. The zero value is empty. It is not safe for concurrent use.
type Builder struct {
	hashes    []uint64
	positions []uint32
	pages     []byte // the laid out pages, in one piece
}

// maxLayouts bounds how often a layout is tried with more pages because one of them overflowed. With hashes that are
// spread at all the first one succeeds: the mean fill of a page is more than nine standard deviations below full.
const maxLayouts = 8

// Add records that the key of hash is at position, at most MaxPosition.
func (b *Builder) Add(hash uint64, position uint32) {
	b.hashes = append(b.hashes, hash)
	b.positions = append(b.positions, position)
}

// Len is the number of keys added.
func (b *Builder) Len() int { return len(b.hashes) }

// Reset forgets all keys and keeps the memory.
func (b *Builder) Reset() { b.hashes, b.positions = b.hashes[:0], b.positions[:0] }

// EstimatedSize is about how many bytes the pages will take.
func (b *Builder) EstimatedSize() int64 { return int64(b.Len()/keysPerBucket+1) * BucketSize }

// Pages lays out the keys and returns the pages, all of pageSize bytes, one after the other. They borrow the
// builder's memory until its next use. Without keys there are none.
//
// Keys chosen so that their hashes collide can overflow a page, however many pages there are. What does not fit is
// left out: every slot of such a page is used, so no search in it ends at an empty slot, and Probe.Conclusive tells
// the searcher to look elsewhere.
func (b *Builder) Pages() (pages []byte, pageSize int) {
	if b.Len() == 0 {
		return nil, 0
	}
	buckets := (b.Len() + keysPerBucket - 1) / keysPerBucket
	n := (buckets + MaxBuckets - 1) / MaxBuckets
	buckets = min(buckets, MaxBuckets)
	for attempt := 1; !b.layOut(n, buckets*BucketSize) && attempt < maxLayouts; attempt++ {
		n += 1 + n/16
	}
	return b.pages, buckets * BucketSize
}

// layOut fills n pages and reports whether every key found a slot.
func (b *Builder) layOut(n, pageSize int) bool {
	b.pages = cleared(b.pages, n*pageSize)
	fits := true
	for i, hash := range b.hashes {
		start := PageOf(hash, n) * pageSize
		if !insert(b.pages[start:start+pageSize], hash, b.positions[i]) {
			fits = false
		}
	}
	return fits
}

// insert puts a key into the first free slot from its bucket on and reports whether there was one.
func insert(page []byte, hash uint64, position uint32) bool {
	buckets := len(page) / BucketSize
	first := bucketOf(hash, buckets)
	for i := range buckets {
		at := (first + i) % buckets * BucketSize
		bucket := page[at : at+BucketSize]
		for slot := range SlotsPerBucket {
			if bucket[slot] == 0 {
				bucket[slot] = fingerprint(hash)
				p := bucket[SlotsPerBucket+3*slot:]
				p[0], p[1], p[2] = byte(position), byte(position>>8), byte(position>>16)
				return true
			}
		}
	}
	return false
}

// cleared returns n zero bytes, in buf's memory if it suffices.
func cleared(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n)
	}
	buf = buf[:n]
	clear(buf)
	return buf
}
