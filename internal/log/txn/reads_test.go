package txn

import (
	"bytes"
	"fmt"
	"testing"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"

	"pgregory.net/rapid"
)

func addKey(r *Reads, k string) { r.AddKey([]byte(k), key.Hash([]byte(k))) }

// Two transactions that raise a counter would conflict, or two that put the same key would not.
func TestReads_takeWritesButNoOperands(t *testing.T) {
	for kind, want := range map[key.Kind]bool{key.KindPut: true, key.KindDelete: true, key.KindMerge: false} {
		var r Reads
		r.AddWrite([]byte("k"), kind)
		if got := r.Has([]byte("k")); got != want {
			t.Errorf("%v: remembered %v, want %v", kind, got, want)
		}
	}
}

// A read that the read set forgets is a lost update that nobody notices.
func TestReads_forgetNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Reads
		var spans []span.Span
		keys := map[string]bool{}
		word := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0x7f, 0x80, 0xff}), 1, 4)
		for range rapid.IntRange(0, 40).Draw(t, "reads") {
			if rapid.Bool().Draw(t, "key") {
				k := word.Draw(t, "k")
				r.AddKey(k, key.Hash(k))
				keys[string(k)] = true
				continue
			}
			s := span.Span{}
			if rapid.Bool().Draw(t, "from") {
				s.Lo = word.Draw(t, "lo")
			}
			if rapid.Bool().Draw(t, "bounded") {
				s.Hi = word.Draw(t, "hi")
			}
			r.AddSpan(s)
			spans = append(spans, s)
		}
		exact := rapid.Bool().Draw(t, "exact")
		if !exact {
			r.joinKeys()
			r.spans = r.Spans().Coarsen(3)
		}
		for range 50 {
			k := word.Draw(t, "probe")
			want := keys[string(k)]
			for _, s := range spans {
				want = want || s.Contains(k)
			}
			if got := r.Has(k); got != want && (exact || !got) {
				t.Fatalf("Has(%q) = %v, want %v (exact: %v)", k, got, want, exact)
			}
		}
	})
}

// A transaction that reads very much must neither exceed its memory nor forget what it read first.
func TestReads_stayBoundedAndCoverEverything(t *testing.T) {
	var r Reads
	const n = 5 * maxKeys / 2
	for i := range n {
		addKey(&r, fmt.Sprintf("key %09d", i*7919%n))
		lo := fmt.Appendf(nil, "span %09d", i)
		r.AddSpan(span.Closed(lo, lo))
	}
	if len(r.keys) > maxKeys || len(r.spans) > maxSpans+joinedSpans || len(r.text) > maxKeyBytes {
		t.Errorf("%d keys, %d spans, %d bytes", len(r.keys), len(r.spans), len(r.text))
	}
	for i := range n {
		if k := fmt.Appendf(nil, "key %09d", i); !r.Has(k) {
			t.Fatalf("%q is forgotten", k)
		}
		if k := fmt.Appendf(nil, "span %09d", i); !r.Has(k) {
			t.Fatalf("%q is forgotten", k)
		}
	}
	if r.Has([]byte("a key before all")) {
		t.Error("joining covers what lies before every key read")
	}
}

// Two keys of one hash must not hide each other.
func TestReads_keepsKeysOfEqualHashApart(t *testing.T) {
	var r Reads
	for i := range 3 * fewKeys {
		r.AddKey([]byte{byte(i + 1)}, 42)
	}
	for i := range 3 * fewKeys {
		if !r.find([]byte{byte(i + 1)}, 42) {
			t.Errorf("key %d is not found", i)
		}
	}
	if r.find([]byte{0}, 42) {
		t.Error("a key that was never read is found")
	}
	n := 0
	for k := range r.Keys() {
		n++
		if k.Hash != 42 || !bytes.Equal(k.User, []byte{byte(n)}) {
			t.Errorf("key %d is %x", n, k.User)
		}
	}
	if r.Reset(); n != 3*fewKeys || !r.Empty() {
		t.Errorf("%d keys; empty after Reset: %v", n, r.Empty())
	}
}

func BenchmarkReads(b *testing.B) {
	keys := make([][]byte, 4)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "account %06d", i)
	}
	var r Reads
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		for _, k := range keys {
			r.AddKey(k, key.Hash(k))
		}
		if r.Has([]byte("account 999999")) {
			b.Fatal("found")
		}
	}
}
