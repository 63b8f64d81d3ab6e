package locator

import (
	"errors"
	"math/rand/v2"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"lightningdb/internal/format/corrupt"
)

// candidates returns all positions that a search yields, and whether it was conclusive.
func candidates(pages []byte, size int, hash uint64) (positions []uint32, conclusive bool) {
	n := PageOf(hash, len(pages)/size)
	probe := Search(pages[n*size:(n+1)*size], hash)
	for {
		p, ok := probe.Next()
		if !ok {
			return positions, probe.Conclusive()
		}
		positions = append(positions, p)
	}
}

func contains(positions []uint32, p uint32) bool {
	for _, q := range positions {
		if p == q {
			return true
		}
	}
	return false
}

// A key that its table's locator does not lead to is lost to every point lookup.
func TestSearch_yieldsEveryKeyAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		sizes := []int{1, 2, 13, 14, 15, 16, 100, 101, 102, 103, 1651, 1652, 2200}
		hashes := make([]uint64, rapid.SampledFrom(sizes).Draw(t, "n"))
		// A mask takes away bits of the hash: fingerprints collide, or buckets, or pages.
		masks := []uint64{^uint64(0), ^uint64(0xff), ^uint64(0xffff_ff00), 0xffff_ffff, 0xff, 0}
		mask := rapid.SampledFrom(masks).Draw(t, "mask")
		var b Builder
		for i := range hashes {
			hashes[i] = rng.Uint64() & mask
			b.Add(hashes[i], uint32(MaxPosition-i))
		}
		pages, size := b.Pages()
		for at := 0; at < len(pages); at += size {
			if err := Check(pages[at : at+size]); err != nil {
				t.Fatalf("check: %v", err)
			}
		}
		for i := 0; i < len(hashes); i += 1 + len(hashes)/200 {
			h := hashes[i]
			found, conclusive := candidates(pages, size, h)
			if conclusive && !contains(found, uint32(MaxPosition-i)) {
				t.Fatalf("key %d of %d is not found", i, len(hashes))
			}
		}
	})
}

// Hashes that are spread always fit: only a table under attack may pay for searches elsewhere.
func TestPages_leavesNoSpreadKeyOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b Builder
	for _, n := range []int{1, 10, 1_000, 100_000} {
		b.Reset()
		hashes := make([]uint64, n)
		for i := range hashes {
			hashes[i] = rng.Uint64()
			b.Add(hashes[i], uint32(i))
		}
		pages, size := b.Pages()
		used := 0
		for at := 0; at < len(pages); at += size {
			used += Used(pages[at : at+size])
		}
		if used != n {
			t.Errorf("%d slots for %d keys", used, n)
		}
		if perKey := float64(len(pages)) / float64(n); n >= 1000 && perKey > 5.2 {
			t.Errorf("%d keys take %.2f bytes each", n, perKey)
		}
	}
}

// One probe in 13 to 20 may lead to a wrong entry; more would cost absent keys their speed.
func TestSearch_seldomYieldsOtherKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var b Builder
	for i := range 50_000 {
		b.Add(rng.Uint64(), uint32(i))
	}
	pages, size := b.Pages()
	wrong := 0
	const tries = 20_000
	for range tries {
		found, conclusive := candidates(pages, size, rng.Uint64())
		if !conclusive {
			t.Fatal("an absent key needs a search elsewhere")
		}
		wrong += len(found)
	}
	if wrong > tries/13 {
		t.Errorf("%d false candidates in %d searches", wrong, tries)
	}
}

// When colliding hashes fill a page, what did not fit must be searched elsewhere, not declared absent.
func TestSearch_isInconclusiveInAFullPage(t *testing.T) {
	var b Builder
	for i := range 3 * MaxBuckets * SlotsPerBucket {
		b.Add(0xabcd, uint32(i))
	}
	pages, size := b.Pages()
	if _, conclusive := candidates(pages, size, 0xabcd); conclusive {
		t.Error("a search in a full page is conclusive")
	}
	if len(pages) > 200*size {
		t.Errorf("colliding hashes make %d pages", len(pages)/size)
	}
}

// Damaged fingerprints or sizes must not pass for a locator.
func TestCheck_refusesImpossiblePages(t *testing.T) {
	bucket := func(at ...int) []byte {
		b := make([]byte, BucketSize)
		for _, i := range at {
			b[i] = 1
		}
		return b
	}
	for name, page := range map[string][]byte{
		"empty":                {},
		"half a bucket":        make([]byte, BucketSize/2),
		"too many buckets":     make([]byte, (MaxBuckets+1)*BucketSize),
		"gap at the start":     bucket(1),
		"gap in the middle":    bucket(0, 1, 2, 4),
		"gap in second half":   bucket(0, 1, 2, 3, 4, 5, 6, 7, 9),
		"gap in first half":    bucket(0, 1, 2, 3, 4, 5, 6, 8),
		"second half only":     bucket(8),
		"gap in second bucket": append(bucket(0), bucket(5)...),
	} {
		if err := Check(page); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for n := range SlotsPerBucket + 1 {
		page := make([]byte, BucketSize)
		for i := range n {
			page[i] = 0x80
		}
		if err := Check(page); err != nil || Used(page) != n {
			t.Errorf("%d slots: used %d, %v", n, Used(page), err)
		}
	}
}

// FuzzSearch lets no page make a search read outside of it or go on for ever.
func FuzzSearch(f *testing.F) {
	f.Fuzz(func(t *testing.T, page []byte, hash uint64) {
		if err := Check(page); err != nil {
			if !errors.Is(err, corrupt.ErrCorrupt) {
				t.Fatalf("check: %v", err)
			}
			return
		}
		probe := Search(page, hash)
		for n := 0; ; n++ {
			if _, ok := probe.Next(); !ok {
				break
			}
			if n > Used(page) {
				t.Fatalf("more than the %d candidates in the page", n)
			}
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	var builder Builder
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 350_000 {
		builder.Add(rng.Uint64(), uint32(i))
	}
	pages, size := builder.Pages()
	if uintptr(unsafe.Pointer(&pages[0]))%BucketSize != 0 {
		b.Fatal("pages are not aligned")
	}
	n := len(pages) / size
	x := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		x = x*6364136223846793005 + 1442695040888963407
		at := PageOf(x, n) * size
		probe := Search(pages[at:at+size], x*0x9e3779b97f4a7c15)
		for _, ok := probe.Next(); ok; _, ok = probe.Next() {
		}
	}
}
