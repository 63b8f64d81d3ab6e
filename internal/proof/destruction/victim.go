package destruction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs/memfs"
)

// Victim is a database that is to be damaged, and what was ever written to it.
type Victim struct {
	FS      *memfs.FS
	History *oracle.History
	Clean   bool // it was closed, and not killed

	values map[string]bool // the names of its value files
}

// NumbersFrom returns the numbers from n on, for the ids of tables and databases. Several goroutines may ask.
func NumbersFrom(n uint64) func() uint64 {
	var at atomic.Uint64
	at.Store(n)
	return func() uint64 { return at.Add(0x9e3779b97f4a7c15) }
}

// NewVictim makes a database by random commits, flushes and compactions. It may be left as a kill leaves it.
func NewVictim(rng *rand.Rand) (*Victim, error) {
	v := &Victim{FS: memfs.New(), History: new(oracle.History), Clean: rng.IntN(2) == 0, values: map[string]bool{}}
	s := torture.NewSession(engine.Options{FS: v.FS, PageSize: 512, Codec: codec.By(codec.ID(rng.IntN(3))),
		ValueThreshold: []int{200, 400, math.MaxInt}[rng.IntN(3)], MemoryLimit: engine.MinMemoryLimit, Manual: true,
		Followers: true, Random: NumbersFrom(rng.Uint64())}, v.History)
	defer s.Abandon()
	err := s.Open()
	for range 30 + rng.IntN(40) {
		if err == nil {
			err = Live(s, rng)
		}
	}
	if err == nil && rng.IntN(filmShare) == 0 {
		film := Noise(rng, key.ChunkSize+rng.IntN(key.ChunkSize/2))
		err = errors.Join(s.PutReader([]byte(filmKey), torture.NewSource(film), true), Live(s, rng))
	}
	if err != nil {
		return nil, fmt.Errorf("make a database: %w", err)
	}
	for _, f := range s.Engine.Metrics().Version.Values {
		v.values[filename.Make(filename.Table, f.Num)] = true
	}
	if v.Clean {
		err = s.Close()
	}
	v.FS = v.FS.Kill()
	return v, err
}

// Chunked reports whether v has a value in chunks.
func (v *Victim) Chunked() bool {
	_, there := v.History.Get([]byte(filmKey), v.History.Last())
	return there
}

// filmShare is how many victims there are for each one that has a value in chunks, and filmKey is its key.
const (
	filmShare = 12
	filmKey   = "film"
)

// Live does one random thing to the database of s.
func Live(s *torture.Session, rng *rand.Rand) (err error) {
	switch n := rng.IntN(23); {
	case n < 14:
		return s.Write(randomBatch(rng, true), rng.IntN(2) == 0)
	case n < 17:
		return s.Flush()
	case n < 18:
		return s.Ingest(randomBatch(rng, false))
	case n < 19:
		return s.Engine.Compact(context.Background(), nil, nil)
	case n < 20:
		return s.Sync()
	case n < 21:
		_, err = s.Engine.CleanStep()
	default:
		_, err = s.Engine.CompactStep() // which may empty a value file
	}
	return err
}

// randomBatch is a commit of a few operations on few keys; those that begin with m are merged into, and nothing else.
func randomBatch(rng *rand.Rand, merges bool) *batch.Batch {
	var b batch.Batch
	for range 1 + rng.IntN(8) {
		k := fmt.Appendf(nil, "k%03d", rng.IntN(60))
		if merges && rng.IntN(6) == 0 {
			k[0] = 'm'
			b.Merge(operand.Append, k, fmt.Appendf(nil, "+%d", rng.IntN(1000)))
			continue
		}
		switch rng.IntN(6) {
		case 0:
			b.Delete(k)
		case 1:
			b.Put(k, bytes.Repeat(fmt.Appendf(nil, "%d/", rng.IntN(1000)), 100+rng.IntN(200))) // an extent
		case 2:
			// An extent that no codec shortens: it may stay in a value file. Those of one length are at the same places of
			// several files.
			b.Put(k, Noise(rng, []int{usualLength, 200 + rng.IntN(600)}[rng.IntN(2)]))
		default:
			b.Put(k, fmt.Appendf(nil, "v%d", rng.IntN(1000)))
		}
	}
	return &b
}

// usualLength is the length of one long value in two, in bytes.
const usualLength = 450

// Noise is size random bytes.
func Noise(rng *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
