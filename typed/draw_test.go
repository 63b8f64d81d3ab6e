package typed

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lightningdb"
	"lightningdb/tuple"
)

// open opens a database in memory for a test.
func open(t interface{ Fatal(args ...any) }) *lightningdb.DB {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, MemoryLimit: 10 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// anyTuple is a codec of keys of any elements, in any number.
type anyTuple struct{}

func (anyTuple) Append(dst []byte, v tuple.Tuple) ([]byte, error) { return v.Append(dst) }

func (anyTuple) Read(r *tuple.Reader) tuple.Tuple {
	v := tuple.Tuple{}
	for r.More() {
		v = append(v, r.Any())
	}
	return v
}

// Values at which encodings change, or that are no numbers like others.
var (
	drawInt = rapid.OneOf(rapid.SampledFrom([]int64{0, -1, 1, 255, 256, -255, -256, math.MinInt64, math.MaxInt64}),
		rapid.Int64())
	drawUint = rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 255, 256, math.MaxUint64}), rapid.Uint64())
	drawBits = rapid.OneOf(rapid.SampledFrom([]uint64{0, 1 << 63, 0x7ff8000000000000, 0xfff8000000000000,
		0x7ff0000000000001, 0x7ff0000000000000, 0xfff0000000000000, 0x3ff0000000000000, 0xbff0000000000000}), rapid.Uint64())
	drawFloat  = rapid.Map(drawBits, math.Float64frombits)
	drawFloat3 = rapid.Map(rapid.OneOf(rapid.SampledFrom([]uint32{0, 1 << 31, 0x7fc00000, 0xffc00000}), rapid.Uint32()),
		math.Float32frombits)
	drawBytes  = rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom([]byte{0, 0xff, 'a', 1}), rapid.Byte()), 0, 5)
	drawString = rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 'a', 'b', 0xff, 0x10ffff}), 0, 5, -1)
	drawTime   = rapid.Map(rapid.SampledFrom([]int64{0, -1, 1, 1 << 40, math.MinInt32, -62135596800}),
		func(s int64) time.Time { return time.Unix(s, s&1023) })
	drawBig = rapid.Map(rapid.IntRange(-300, 300), func(n int) *big.Int {
		v := new(big.Int).Lsh(big.NewInt(1), uint(max(n, -n)))
		return v.Add(v.Mul(v, big.NewInt(int64(min(1, max(n, -1))))), big.NewInt(int64(n%2)))
	})
	drawUUID = rapid.Map(rapid.SampledFrom([]byte{0, 1, 0xff}), func(b byte) [16]byte { return [16]byte{b, 15: b} })
)

// drawElement draws an element of any kind.
func drawElement(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return drawBytes.Draw(t, "bytes")
	case 2:
		return drawString.Draw(t, "string")
	case 3:
		return drawInt.Draw(t, "int")
	case 4:
		return drawUint.Draw(t, "uint")
	case 5:
		return drawBig.Draw(t, "big")
	case 6:
		return drawFloat.Draw(t, "float64")
	case 7:
		return drawFloat3.Draw(t, "float32")
	case 8:
		return rapid.Bool().Draw(t, "bool")
	case 9:
		return drawUUID.Draw(t, "uuid")
	case 10:
		return drawTime.Draw(t, "time")
	}
	nested := tuple.Tuple{}
	for range rapid.IntRange(0, max(0, 2-depth)).Draw(t, "elements") {
		nested = append(nested, drawElement(t, depth+1))
	}
	return nested
}

var drawTuple = rapid.Custom(func(t *rapid.T) tuple.Tuple {
	v := tuple.Tuple{}
	for range rapid.IntRange(0, 3).Draw(t, "elements") {
		v = append(v, drawElement(t, 0))
	}
	return v
})

func drawPair[A, B any](a *rapid.Generator[A], b *rapid.Generator[B]) *rapid.Generator[tuple.Two[A, B]] {
	return rapid.Custom(func(t *rapid.T) tuple.Two[A, B] {
		return tuple.Two[A, B]{A: a.Draw(t, "first"), B: b.Draw(t, "second")}
	})
}

// checkKinds runs a check for tables of every kind of key, each with a database of its own that it may leave full.
func checkKinds(t *testing.T, check func(m maker, t *rapid.T, db *lightningdb.DB)) {
	of := func(m maker) func(t *testing.T) {
		return func(t *testing.T) {
			db := open(t)
			defer db.Close()
			rapid.Check(t, func(t *rapid.T) { check(m, t, db) })
		}
	}
	for name, test := range map[string]func(t *testing.T){
		"int":     of(kind[int64]{tuple.Int, drawInt}),
		"uint":    of(kind[uint64]{tuple.Uint, drawUint}),
		"big":     of(kind[*big.Int]{tuple.Big, drawBig}),
		"float32": of(kind[float32]{tuple.Float32, drawFloat3}),
		"float64": of(kind[float64]{tuple.Float64, drawFloat}),
		"bool":    of(kind[bool]{tuple.Bool, rapid.Bool()}),
		"string":  of(kind[string]{tuple.String, drawString}),
		"bytes":   of(kind[[]byte]{tuple.Bytes, drawBytes}),
		"time":    of(kind[time.Time]{tuple.Time, drawTime}),
		"uuid":    of(kind[[16]byte]{tuple.UUID, drawUUID}),
		"tuple":   of(kind[tuple.Tuple]{anyTuple{}, drawTuple}),
		"pair":    of(kind[tuple.Two[string, int64]]{tuple.Pair(tuple.String, tuple.Int), drawPair(drawString, drawInt)}),
		"descending": of(kind[tuple.Two[string, float64]]{tuple.Pair(tuple.String, tuple.Desc(tuple.Float64)),
			drawPair(drawString, drawFloat)}),
	} {
		t.Run(name, test)
	}
}

// kind is a kind of key.
type kind[K any] struct {
	keys tuple.Codec[K]
	draw *rapid.Generator[K]
}

// maker is what a kind does, whatever its type.
type maker interface {
	model(t *rapid.T, db *lightningdb.DB)
	pages(t *rapid.T, db *lightningdb.DB)
}
