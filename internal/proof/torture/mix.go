package torture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/operand/operandtest"
	"lightningdb/internal/format/span"
)

// Mix is one way of using a database: its options, and what its keys and values look like.
type Mix struct {
	Name      string
	Options   engine.Options // FS is set by Run
	Keys      int            // how many different ones
	Style     KeyStyle
	MaxValue  int     // bytes of the usual values
	Huge      float64 // share of values that are up to 100 times larger
	Sync      float64 // share of commits at Sync durability
	Structure float64 // share of operations that are structural steps; after each everything is compared
	MaxBatch  int     // operations
	Load      bool    // begin with all keys present
	Streams   float64 // share of operations that put a stream, or read a value piece by piece
	Ranges    float64 // share of writes that delete a range
	Ends      float64 // share of writes that end, and five times that of operations that set the clock
}

// KeyStyle is the form of keys.
type KeyStyle uint8

const (
	Numbered   KeyStyle = iota // short, in order; the first is the empty key
	LongPrefix                 // equal in the first 40 bytes
	Binary                     // any bytes, up to 12 of them, many prefixes of each other
	Giant                      // numbered, some of them as long as keys may be
)

// Mixes are the ways of the differential test. Between them they use every option that changes what is on disk or
// when it gets there.
func Mixes() []Mix {
	o := func(page int, c codec.ID, logLimit int64, manual bool) engine.Options {
		return engine.Options{PageSize: page, Codec: codec.By(c), LogLimit: logLimit, Manual: manual, Poison: true,
			Rows: true, Gaps: true, MemoryLimit: engine.MinMemoryLimit}
	}
	roomy := o(8<<10, codec.S2, 0, false)
	roomy.MemoryLimit = 64 << 20
	paged := o(1024, codec.S2, 40<<10, true)
	paged.Followers = true
	return []Mix{
		{"hot-keys", o(512, codec.None, 24<<10, true), 12, Numbered, 30, 0, 0.5, 0.02, 6, false, 0, 0, 0},
		{"defaults-small", o(8<<10, codec.S2, 0, true), 300, Numbered, 100, 0.001, 0.5, 0.01, 10, false, 0, 0, 0},
		{"tiny-pages", o(512, codec.S2, 96<<10, true), 400, Numbered, 300, 0.005, 0.2, 0.01, 10, false, 0, 0, 0},
		{"large-pages", o(64<<10, codec.Zstd, 0, true), 400, LongPrefix, 600, 0.005, 0.2, 0.008, 10, false, 0, 0, 0},
		{"binary-keys", o(1024, codec.None, 60<<10, true), 500, Binary, 60, 0.002, 0.3, 0.01, 20, false, 0, 0, 0},
		{"binary-background", o(4096, codec.S2, 60<<10, false), 500, Binary, 60, 0.002, 0.3, 0.01, 20, false, 0, 0, 0},
		{"process-only", o(4096, codec.None, 30<<10, true), 200, Numbered, 80, 0, 0, 0.02, 8, false, 0, 0, 0},
		{"sync-only", o(2048, codec.Zstd, 30<<10, true), 200, LongPrefix, 80, 0, 1, 0.02, 8, false, 0, 0, 0},
		{"giant-keys", o(8<<10, codec.S2, 0, true), 60, Giant, 50, 0.01, 0.5, 0.01, 4, false, 0, 0, 0},
		{"giant-keys-tiny-pages", o(512, codec.Zstd, 0, true), 60, Giant, 50, 0.01, 0.5, 0.01, 4, false, 0, 0, 0},
		{"extents", o(1024, codec.S2, 0, true), 80, Numbered, 4000, 0.05, 0.5, 0.01, 5, false, 0, 0, 0},
		{"extents-background", o(4096, codec.None, 0, false), 80, Numbered, 4000, 0.02, 0.5, 0.01, 5, false, 0, 0, 0},
		{"wide", o(4096, codec.S2, 0, true), 20000, Numbered, 600, 0, 0.1, 0.003, 60, true, 0, 0, 0},
		{"wide-background", roomy, 30000, LongPrefix, 300, 0, 0.1, 0.003, 60, true, 0, 0, 0},
		{"hot-background", o(8<<10, codec.S2, 90<<10, false), 30, Numbered, 200, 0.001, 0.5, 0.02, 10, false, 0, 0, 0},
		{"large-batches", o(8<<10, codec.S2, 0, true), 3000, Binary, 200, 0, 0.5, 0.15, 1500, false, 0, 0, 0},
		{"streams", o(4096, codec.S2, 0, true), 40, Numbered, 200, 0.001, 0.5, 0.02, 6, false, 0.03, 0, 0},
		{"streams-background", o(8<<10, codec.None, 200<<10, false),
			40, LongPrefix, 200, 0.001, 0.5, 0.01, 6, false, 0.03, 0, 0},
		{"ranges", o(512, codec.None, 40<<10, true), 60, Numbered, 60, 0, 0.5, 0.02, 6, false, 0, 0.1, 0},
		{"ranges-binary", o(1024, codec.S2, 0, true), 500, Binary, 200, 0.002, 0.3, 0.01, 20, false, 0.01, 0.03, 0},
		{"ranges-background", o(4096, codec.S2, 60<<10, false),
			400, LongPrefix, 100, 0.002, 0.3, 0.01, 10, false, 0, 0.05, 0},
		{"ends", o(512, codec.None, 30<<10, true), 40, Numbered, 60, 0, 0.5, 0.03, 6, false, 0, 0.02, 0.5},
		{"ends-followed", paged, 60, Binary, 200, 0.002, 0.3, 0.03, 10, false, 0.01, 0.02, 0.4},
		{"ends-background", o(4096, codec.S2, 60<<10, false),
			200, LongPrefix, 100, 0.002, 0.3, 0.01, 10, false, 0, 0.01, 0.3},
	}
}

// key returns a random key of the mix.
func (m *Mix) key(r *rand.Rand) []byte {
	n := r.IntN(m.Keys)
	if r.IntN(3) == 0 {
		n /= 16 // some keys are hot
	}
	return m.keyNumber(n)
}

// keyNumber returns key n of the mix, the same every time.
func (m *Mix) keyNumber(n int) []byte {
	switch m.Style {
	case LongPrefix:
		return spell(fmt.Sprintf("%s%07d", strings.Repeat("prefix/", 6), n))
	case Binary:
		return binaryKey(uint64(n))
	case Giant:
		if n%10 == 0 {
			return append(spell(fmt.Sprintf("%05d", n)), strings.Repeat("\xff", key.MaxUserKeySize-5-n/10)...)
		}
	}
	if n == 0 && m.Style == Numbered {
		return []byte{}
	}
	return spell(fmt.Sprintf("%05d", n))
}

// binaryKey is key number n of a set whose keys have few different bytes, so that many are prefixes of others.
// The first is empty.
func binaryKey(n uint64) []byte {
	if n == 0 {
		return []byte{}
	}
	const alphabet = "\x00\x7f\x80\xfe\xff"
	k := []byte{alphabet[n%uint64(len(alphabet))]}
	for n /= uint64(len(alphabet)); n > 0 && len(k) < 12; n /= uint64(len(alphabet)) {
		k = append(k, alphabet[n%uint64(len(alphabet))])
	}
	return k
}

// change adds a random operation to b: mostly puts, some deletes and merges; on some keys, the hottest among them,
// mostly merges, so that their operands pile up.
func (m *Mix) change(r *rand.Rand, b *batch.Batch) {
	if m.Ranges > 0 && r.Float64() < m.Ranges {
		if s := m.span(r); !s.Empty() {
			b.DeleteRange(s)
		}
	}
	k := m.key(r)
	merges := 0.25
	if (key.Hash(k)^key.Hash(m.keyNumber(0)))&6 == 0 {
		merges = 0.95
	}
	switch {
	case r.Float64() < merges:
		mergeInto(r, b, k)
	case r.IntN(3) == 0:
		b.Delete(k)
	default:
		b.Put(k, m.valueOf(r, k))
	}
}

// span returns a random range of keys, mostly a short one; some have an open end, some no key.
func (m *Mix) span(r *rand.Rand) span.Span {
	n := r.IntN(m.Keys)
	lo, hi := m.keyNumber(n), m.keyNumber(min(n+r.IntN(2+m.Keys/8), m.Keys-1))
	if bytes.Compare(lo, hi) > 0 {
		lo, hi = hi, lo
	}
	switch p := r.IntN(32); {
	case p == 0:
		return span.Span{Lo: lo}
	case p == 1:
		return span.Span{Hi: hi}
	case p == 2:
		return span.Span{}
	case p < 8:
		return span.Prefix(lo[:len(lo)-r.IntN(min(len(lo), 3)+1)])
	case p < 12 && len(hi) < key.MaxUserKeySize:
		return span.Closed(lo, hi)
	case p < 16:
		return span.Closed(lo, lo[:min(len(lo), key.MaxUserKeySize-1)])
	}
	return span.Span{Lo: lo, Hi: hi}
}

// mergeInto adds a random merge that goes with the values of k to b.
func mergeInto(r *rand.Rand, b *batch.Batch, k []byte) {
	switch {
	case isCounter(k):
		o := []operand.Operator{operand.Add, operand.Max, operand.Min}[r.IntN(3)]
		b.Merge(o, k, binary.LittleEndian.AppendUint64(nil, r.Uint64()))
	case r.IntN(2) == 0:
		b.Merge(operand.Append, k, fmt.Append(nil, r.IntN(1e6)))
	default:
		b.Merge(operand.User, k, fmt.Append(nil, r.IntN(1e6)))
	}
}

// isCounter says whether the values of k are integers.
func isCounter(k []byte) bool { return key.Hash(k)&1 == 1 }

// valueOf returns a random value that suits k.
func (m *Mix) valueOf(r *rand.Rand, k []byte) []byte {
	if isCounter(k) {
		return binary.LittleEndian.AppendUint64(nil, r.Uint64())
	}
	return m.value(r)
}

// mergeByDigest is the user's merge function of all tests: the result depends on the operands, their order and their
// grouping, and it does not grow without end.
var mergeByDigest = listed.User

// listed are its rules, by which arguments can be joined.
var listed = operandtest.Lists(func(k, old, argument []byte) ([]byte, error) {
	if old == nil {
		return fmt.Appendf(nil, "none+%s", argument), nil
	}
	digest := key.Hash(k) ^ key.Hash(old)*3
	return fmt.Appendf(bytes.Clone(old[:min(len(old), 100)]), "%016x+%s", digest, argument), nil
})

// value returns a random value, which no other call returns unless it is very short.
func (m *Mix) value(r *rand.Rand) []byte {
	n := 0
	switch {
	case r.Float64() < m.Huge:
		n = r.IntN(100 * m.MaxValue)
	case r.IntN(8) > 0:
		n = r.IntN(m.MaxValue + 1)
	}
	v := make([]byte, n)
	if r.IntN(2) == 0 { // compressible
		text := binary.LittleEndian.AppendUint64(nil, r.Uint64())
		for i := range v {
			v[i] = text[i%len(text)]
		}
		return v
	}
	for i := 0; i < n; i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], r.Uint64())
		copy(v[i:], word[:])
	}
	return v
}
