package page

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
)

func drawKeys(t *rapid.T) []key.Internal {
	prefix := rapid.SampledFrom([]string{"", "x", "a common prefix/", "\xff\xff\xff\xff"}).Draw(t, "prefix")
	users := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0x80, 0xff}), 0, 8), 1, 40).Draw(t, "users")
	var keys []key.Internal
	for _, u := range users {
		seq := key.SeqNum(rapid.IntRange(1, 3).Draw(t, "seq"))
		keys = append(keys, key.Make(append([]byte(prefix), u...), seq, key.KindPut))
	}
	slices.SortFunc(keys, key.Compare)
	return slices.CompactFunc(keys, func(a, b key.Internal) bool { return key.Compare(a, b) == 0 })
}

func buildPage(keys []key.Internal) []byte {
	var b Builder
	b.Reset(0)
	for i, k := range keys {
		if i%7 == 3 {
			b.AddExtent(k, Extent{Offset: uint64(i), Stored: 1 << 40, Raw: 1 << 41})
		} else {
			b.Add(k, bytes.Repeat([]byte{byte(i)}, i*5))
		}
	}
	return b.Finish()
}

// A search that misses its target makes a key go missing.
func TestSeek_findsTheFirstNotBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := drawKeys(t)
		payload := buildPage(keys)
		if err := Check(payload); err != nil {
			t.Fatalf("check: %v", err)
		}
		p := View(payload)
		for _, target := range append(drawKeys(t), keys...) {
			want, there := slices.BinarySearchFunc(keys, target, key.Compare)
			if got, exact := p.Seek(target); got != want || exact != there {
				t.Fatalf("seek %v: %d %v, want %d %v of %d", target, got, exact, want, there, len(keys))
			}
			low := rapid.IntRange(0, len(keys)-1).Draw(t, "low")
			high := rapid.IntRange(low, len(keys)).Draw(t, "high")
			known := rapid.IntRange(0, len(keys)-1).Draw(t, "known")
			among := min(max(want, low), high)
			got, exact := p.SeekAmong(target, low, high, known)
			if got != among || exact != (there && low <= want && want < high) {
				t.Fatalf("seek %v among %d to %d: %d %v, want %d", target, low, high, got, exact, among)
			}
		}
	})
}

// What is read from a page must be what was put there, inline or by reference.
func TestEntry_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := drawKeys(t)
		payload := buildPage(keys)
		p := View(payload)
		if p.Len() != len(keys) || Level(payload) != 0 {
			t.Fatalf("%d entries of level %d, want %d", p.Len(), Level(payload), len(keys))
		}
		at := 0
		for i, k := range keys {
			e, next, ok := At(payload, at)
			if !ok || key.Compare(e.Key, k) != 0 || key.Compare(p.Entry(i).Key, k) != 0 {
				t.Fatalf("entry %d at %d: %v %v, want %v", i, at, ok, e.Key, k)
			}
			switch {
			case i%7 == 3:
				if !e.IsExtent() || e.Extent() != (Extent{Offset: uint64(i), Stored: 1 << 40, Raw: 1 << 41}) || e.Size() != 1<<41 {
					t.Fatalf("entry %d: extent %+v", i, e.Extent())
				}
			case e.IsExtent() || !bytes.Equal(e.Value(), bytes.Repeat([]byte{byte(i)}, i*5)):
				t.Fatalf("entry %d: value of %d bytes", i, len(e.Value()))
			}
			at = next
		}
		if at != EntriesEnd(payload) {
			t.Fatalf("entries end at %d, not %d", at, EntriesEnd(payload))
		}
	})
}

// The writer trusts these sizes to keep pages within their frames.
func TestSize_boundsGrowth(t *testing.T) {
	for _, n := range []int{1, 100, 127, 128, 16383, 16384, key.MaxUserKeySize} {
		for _, v := range []int{0, 1, 63, 64, 8191, 8192} {
			k := key.Make(make([]byte, n), 1, key.KindPut)
			var b Builder
			b.Reset(0)
			before := b.Size()
			b.Add(k, make([]byte, v))
			if grown := b.Size() - before; grown > InlineSize(k, v) {
				t.Errorf("key of %d, value of %d bytes: grew by %d > %d", n, v, grown, InlineSize(k, v))
			}
			size := b.Size()
			if got := len(b.Finish()); got != size {
				t.Errorf("payload of %d bytes, size says %d", got, size)
			}
			b.Reset(0)
			before = b.Size()
			b.AddExtent(k, Extent{Raw: 1<<63 - 1})
			if grown := b.Size() - before; grown > ExtentSize(k) {
				t.Errorf("key of %d bytes, extent: grew by %d > %d", n, grown, ExtentSize(k))
			}
		}
	}
}

// An inner page leads to children; anything else in it is damage.
func TestChild_roundTrip(t *testing.T) {
	var b Builder
	b.Reset(2)
	for i := range 100 {
		b.AddChild(key.Make(fmt.Appendf(nil, "%03d", i), 1, key.KindMax), uint32(1000+i))
	}
	payload := b.Finish()
	if err := Check(payload); err != nil || Level(payload) != 2 {
		t.Fatalf("level %d, %v", Level(payload), err)
	}
	p := View(payload)
	for i := range 100 {
		if got := p.Child(i); got != uint32(1000+i) {
			t.Fatalf("child %d is %d", i, got)
		}
	}
}

// Each of these pages would have its reader search wrongly or read outside of it.
func TestCheck_refusesWhatSearchCannotTrust(t *testing.T) {
	k := func(s string, seq key.SeqNum, kind key.Kind) key.Internal { return key.Make([]byte(s), seq, kind) }
	add := func(level int, keys ...key.Internal) []byte {
		var b Builder
		b.Reset(level)
		for _, k := range keys {
			b.Add(k, []byte("v"))
		}
		return b.Finish()
	}
	changed := func(at int, to byte) []byte {
		p := add(0, k("aaaa1", 1, key.KindPut), k("aaaa2", 1, key.KindPut))
		if at < 0 {
			at += len(p)
		}
		p[at] = to
		return p
	}
	for name, payload := range map[string][]byte{
		"empty":            {},
		"footer only":      make([]byte, footerSize),
		"no entry":         make([]byte, 64),
		"too large":        make([]byte, MaxSize+1),
		"descending":       add(0, k("b", 1, key.KindPut), k("a", 1, key.KindPut)),
		"equal":            add(0, k("a", 1, key.KindPut), k("a", 1, key.KindPut)),
		"older first":      add(0, k("a", 1, key.KindPut), k("a", 2, key.KindPut)),
		"unknown kind":     add(0, k("a", 1, 7)),
		"delete and value": add(0, k("a", 1, key.KindDelete)),
		"unknown operator": add(0, k("a", 1, key.KindMerge)),
		"child of 1 byte":  add(1, k("a", 1, key.KindPut)),
		"head":             changed(-footerSize-2*indexSize, 9),
		"slot":             changed(-footerSize-2*slotSize, 1),
		"prefix too long":  changed(-4, 6),
		"prefix of first":  changed(-4, 5),
		"count":            changed(-footerSize, 3),
		"reserved":         changed(-footerSize+3, 1),
		"key length":       changed(8, 0x7f),
		"value length":     changed(9, 0x7e),
	} {
		if err := Check(payload); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzCheck lets no payload pass that a search, an entry or a child of it could not be read from without fault.
func FuzzCheck(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte, user []byte) {
		for at := -1; at <= len(payload); at++ {
			At(payload, at)
		}
		if err := Check(payload); err != nil {
			if !errors.Is(err, corrupt.ErrCorrupt) {
				t.Fatalf("check: %v", err)
			}
			return
		}
		p := View(payload)
		for i := range p.Len() {
			e := p.Entry(i)
			if got, exact := p.Seek(e.Key); got != i || !exact {
				t.Fatalf("entry %d is found at %d", i, got)
			}
			if Level(payload) > 0 {
				p.Child(i)
			} else if e.IsExtent() {
				e.Extent()
			}
		}
		target := key.Make(user, 1, key.KindPut)
		if i, _ := p.Seek(target); i < p.Len() && key.Compare(p.Entry(i).Key, target) < 0 {
			t.Fatalf("seek %v: %d", target, i)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []int{0, 150} {
		b.Run(fmt.Sprintf("value=%d", size), func(b *testing.B) {
			var page Builder
			page.Reset(0)
			value := make([]byte, size)
			for i := 0; ; i++ {
				k := key.Make(fmt.Appendf(nil, "key-%020d", i), key.SeqNum(i+1), key.KindPut)
				if !page.Fits(InlineSize(k, size), 8<<10) {
					break
				}
				page.Add(k, value)
			}
			payload := page.Finish()
			b.ReportAllocs()
			for b.Loop() {
				if err := Check(payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(page.Len()), "entries")
		})
	}
}

// A crafted length would be a count of chunks that no integer of 32 bits holds.
func TestChunks_ofAnImpossibleLength(t *testing.T) {
	for raw, want := range map[uint64]int{0: 0, ChunkSize: 0, ChunkSize + 1: 2, MaxChunked: 1024, 1<<63 - 1: 1024} {
		if n := (Extent{Raw: raw}).Chunks(); n != want {
			t.Errorf("%d bytes are in %d chunks, not %d", raw, n, want)
		}
	}
}
