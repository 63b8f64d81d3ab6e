package main

import (
	"encoding/binary"
	"math/rand/v2"
	"sort"
)

const (
	keySize   = 24
	valueSize = 150
)

// data makes rows from their numbers, so that nothing but the keys need be kept.
type data struct {
	pool []byte // random bytes that values are cut from
}

const poolSize = 1 << 22

func newData() *data {
	d := &data{pool: make([]byte, poolSize+valueSize)}
	rand.NewChaCha8([32]byte{1}).Read(d.pool)
	return d
}

// key writes the key of row i to dst.
func (d *data) key(dst []byte, i uint64) []byte {
	r := rand.NewPCG(i, 0x6b6579)
	dst = dst[:0]
	for range keySize / 8 {
		dst = binary.BigEndian.AppendUint64(dst, r.Uint64())
	}
	return dst
}

// value writes the value of row i to dst: a number of its own, then a piece of the pool.
func (d *data) value(dst []byte, i uint64) []byte {
	own := (i + 1) * 0x9e3779b97f4a7c15
	dst = binary.LittleEndian.AppendUint64(dst[:0], own)
	at := own >> 42 // poolSize is 1<<22
	return append(dst, d.pool[at:at+valueSize-8]...)
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

// probes is a sequence of keys to read, made before the clock runs, and the sums of the values they should give.
type probes struct {
	keys []byte
	sums []uint64 // 0 for an absent row
}

func (p *probes) key(i int) []byte { return p.keys[i*keySize : (i+1)*keySize : (i+1)*keySize] }

// absentRows is where the numbers of rows begin that are never written.
const absentRows = 1 << 40

func (d *data) probes(n int, row func() uint64) *probes {
	p := &probes{}
	var k, v []byte
	for range n {
		i := row()
		k = d.key(k, i)
		p.keys = append(p.keys, k...)
		want := uint64(0)
		if i < absentRows {
			v = d.value(v, i)
			want = sum(v)
		}
		p.sums = append(p.sums, want)
	}
	return p
}

// sortedRows are the numbers of the rows [0, n) in the order of their keys.
func (d *data) sortedRows(n int) []uint32 {
	heads, rows := make([]uint64, n), make([]uint32, n)
	var k []byte
	for i := range rows {
		k = d.key(k, uint64(i))
		heads[i], rows[i] = binary.BigEndian.Uint64(k), uint32(i)
	}
	sort.Slice(rows, func(a, b int) bool { return heads[rows[a]] < heads[rows[b]] })
	return rows
}
