package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

const (
	keySize      = 24
	valueSize    = 150
	hotValueSize = 100
)

// The numbers of rows. Where nothing else is said they are random keys.
const (
	absentRows     = 1 << 40 // from here on: never written
	sequentialRows = 1 << 41 // from here on: keys in the order of the numbers
	versionShift   = 44      // above it: how often the row's value has been written anew, of value only
)

// afterEveryKey is greater than all keys.
var afterEveryKey = bytes.Repeat([]byte{0xff}, keySize+1)

// data makes rows from their numbers, so that nothing but the keys need be kept.
type data struct {
	pool []byte // random bytes that values are cut from
	size int    // bytes of a value
	hot  uint64 // rows before this one have shorter values
}

const poolSize = 1 << 22

// newData makes values of size bytes that do not compress, or, if they are to, that have each 32 bytes of them twice.
func newData(hot uint64, size int, compressible bool) *data {
	d := &data{pool: make([]byte, poolSize+size), size: size, hot: hot}
	rand.NewChaCha8([32]byte{1}).Read(d.pool)
	if compressible {
		const half = 32
		for twice := range slices.Chunk(d.pool, 2*half) {
			copy(twice[min(half, len(twice)):], twice)
		}
	}
	return d
}

// key writes the key of row i to dst.
func (d *data) key(dst []byte, i uint64) []byte {
	dst = dst[:0]
	if i >= sequentialRows {
		dst = append(dst, "in their order: "...)
		return binary.BigEndian.AppendUint64(dst, i)
	}
	r := rand.NewPCG(i, 0x6b6579)
	for range keySize / 8 {
		dst = binary.BigEndian.AppendUint64(dst, r.Uint64())
	}
	return dst
}

// odd numbers have an inverse modulo 2^64, so that a value tells its row.
const (
	golden        = 0x9e3779b97f4a7c15
	goldenInverse = 0xf1de83e19937733d
)

// value writes the value of row i, in the version that stands above versionShift, to dst: a number of its own, then a
// piece of the pool.
func (d *data) value(dst []byte, i uint64) []byte {
	own := (i + 1) * golden
	dst = binary.LittleEndian.AppendUint64(dst[:0], own)
	size := d.size
	if rowOf(i) < d.hot {
		size = hotValueSize
	}
	at := own >> 42 // poolSize is 1<<22
	return append(dst, d.pool[at:at+uint64(size)-8]...)
}

// rowOf is i without its version.
func rowOf(i uint64) uint64 { return i & (1<<versionShift - 1) }

// numberIn is what value was called with, if v is a value.
func numberIn(v []byte) uint64 {
	if len(v) < 8 {
		return absentRows
	}
	return binary.LittleEndian.Uint64(v)*goldenInverse - 1
}

// isRow reports whether key and value are those of one row, whatever the version, and which.
func (d *data) isRow(key, value []byte, memory *batch) (i uint64, ok bool) {
	i = numberIn(value)
	memory.keys[0], memory.values[0] = d.key(memory.keys[0], rowOf(i)), d.value(memory.values[0], i)
	return i, bytes.Equal(key, memory.keys[0]) && bytes.Equal(value, memory.values[0])
}

// sum adds up the words of v. Every byte of it counts.
func sum(v []byte) uint64 {
	total := uint64(len(v))
	for len(v) >= 8 {
		total += binary.LittleEndian.Uint64(v)
		v = v[8:]
	}
	for _, b := range v {
		total += uint64(b)
	}
	return total
}

// batch is memory for the pairs of one write.
type batch struct{ keys, values [][]byte }

func newBatch(n int) *batch { return &batch{make([][]byte, n), make([][]byte, n)} }

// fill makes the batch n rows from row from on.
func (b *batch) fill(d *data, from uint64, n int) {
	b.keys, b.values = b.keys[:n], b.values[:n]
	for i := range n {
		b.set(d, i, from+uint64(i))
	}
}

// set makes place at of the batch the row and version i.
func (b *batch) set(d *data, at int, i uint64) {
	b.keys[at], b.values[at] = d.key(b.keys[at], rowOf(i)), d.value(b.values[at], i)
}

// probes is a sequence of keys to read, made before the clock runs, and the sums of the values they should give.
type probes struct {
	keys []byte
	sums []uint64 // 0 for an absent row
}

func (p *probes) key(i int) []byte { return p.keys[i*keySize : (i+1)*keySize : (i+1)*keySize] }

// part is the probes [from, to).
func (p *probes) part(from, to int) *probes {
	return &probes{keys: p.keys[from*keySize : to*keySize], sums: p.sums[from:to]}
}

func (d *data) probes(n int, row func() uint64) *probes {
	p := &probes{keys: make([]byte, 0, n*keySize), sums: make([]uint64, 0, n)}
	var k, v []byte
	for range n {
		i := row()
		k = d.key(k, rowOf(i))
		p.keys = append(p.keys, k...)
		want := uint64(0)
		if rowOf(i) < absentRows {
			v = d.value(v, i)
			want = sum(v)
		}
		p.sums = append(p.sums, want)
	}
	return p
}

// ordered is the rows [0, n) in the order of their keys.
type ordered struct {
	rows   []uint32
	before []uint64 // sums of the values before each place, and at the end the sum of all
}

func (d *data) ordered(n int) *ordered {
	type head struct {
		key uint64
		row uint32
	}
	heads := make([]head, n)
	var k, v []byte
	for i := range heads {
		k = d.key(k, uint64(i))
		heads[i] = head{binary.BigEndian.Uint64(k), uint32(i)}
	}
	slices.SortFunc(heads, func(a, b head) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
	o := &ordered{rows: make([]uint32, n), before: make([]uint64, n+1)}
	for at, h := range heads {
		o.rows[at] = h.row
		v = d.value(v, uint64(h.row))
		o.before[at+1] = o.before[at] + sum(v)
	}
	return o
}

// scanned is the sum of what a scan from the key of the place on should give.
func (o *ordered) scanned(place int, d direction, limit int) uint64 {
	if d == backward {
		return o.before[place] - o.before[max(0, place-limit)]
	}
	return o.before[min(place+limit, len(o.rows))] - o.before[place]
}
