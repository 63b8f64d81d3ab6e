package validate

import (
	"bytes"
	"context"
	"math/rand/v2"

	"lightningdb"
)

// Sizes of the test of mixed readers and writers.
const (
	mixedWriters = 4
	mixedReaders = 4
	mixedKeys    = 400
	scanEvery    = 64 // reads of a reader
)

// runMixed lets writers give new versions to keys, one or several in a commit, while readers check them by key and by
// scans of everything. A check is one value.
func runMixed(ctx context.Context, s *stress) error {
	v := newVersions("key", mixedKeys, s.Seed)
	c := newCrew(ctx, s.Each)
	for w := range mixedWriters {
		rng := rand.New(rand.NewPCG(s.Seed, uint64(w)))
		c.start(func() error { return s.writeVersions(v, rng, w, mixedWriters) })
	}
	for r := range mixedReaders {
		c.start(newReader(s, v, uint64(r)).read)
	}
	if err := c.wait(); err != nil {
		return err
	}
	return newReader(s, v, mixedReaders).scan() // at rest, only one version may be there
}

// writeVersions commits the next version of 1 to 3 of the keys that writer owns, which are every writers-th.
func (s *stress) writeVersions(v *versions, rng *rand.Rand, writer, writers int) error {
	var entries []entry
	var done []func()
	first := rng.IntN(len(v.keys) / writers)
	for i := range 1 + rng.IntN(3) {
		key := (first+i)%(len(v.keys)/writers)*writers + writer
		e, acknowledge := v.next(key)
		entries, done = append(entries, e), append(done, acknowledge)
	}
	if err := s.commit(entries...); err != nil {
		return err
	}
	for _, acknowledge := range done {
		acknowledge()
	}
	return nil
}

// versionReader reads and remembers what it has seen, because time must not run backwards for it.
type versionReader struct {
	*stress
	v     *versions
	rng   *rand.Rand
	seen  []uint64 // by key
	floor []uint64
	space []byte
	n     int
}

func newReader(s *stress, v *versions, id uint64) *versionReader {
	return &versionReader{stress: s, v: v, rng: rand.New(rand.NewPCG(s.Seed, 1000+id)), seen: make([]uint64, len(v.keys))}
}

// read reads one key, or now and then all of them.
func (r *versionReader) read() error {
	if r.n++; r.n%scanEvery == 0 {
		return r.scan()
	}
	i := r.rng.IntN(len(r.v.keys))
	floor := max(r.seen[i], r.v.keys[i].acked.Load())
	value, found, err := r.get(r.space[:0], r.v.keys[i].name)
	if err != nil {
		return err
	}
	r.space = value
	return r.check(i, floor, value, found)
}

func (r *versionReader) check(i int, floor uint64, value []byte, found bool) (err error) {
	r.checks.Add(1)
	r.seen[i], err = r.v.check(i, floor, value, found)
	return err
}

// scan reads all keys in one snapshot.
func (r *versionReader) scan() (err error) {
	r.floor = r.v.floors(r.floor[:0])
	snapshot := r.db.Snapshot()
	defer snapshot.Close()
	i := 0
	all := snapshot.Prefix([]byte(r.v.prefix))
	if err := r.scanEntries(all, &i); err != nil {
		return err
	}
	if err := all.Err(); err != nil {
		return err
	}
	return r.absent(&i, len(r.v.keys))
}

func (r *versionReader) scanEntries(all *lightningdb.Range, i *int) error {
	for key, value := range all.All() {
		before := *i
		for before < len(r.v.keys) && bytes.Compare(r.v.keys[before].name, key) < 0 {
			before++
		}
		if err := r.absent(i, before); err != nil {
			return err
		}
		if *i == len(r.v.keys) || !bytes.Equal(r.v.keys[*i].name, key) {
			return broken("a scan found key %q, which nobody wrote", key)
		}
		if err := r.check(*i, max(r.seen[*i], r.floor[*i]), value, true); err != nil {
			return err
		}
		*i++
	}
	return nil
}

// absent checks that the keys from i to before may be absent, and moves i.
func (r *versionReader) absent(i *int, before int) error {
	for ; *i < before; *i++ {
		if err := r.check(*i, max(r.seen[*i], r.floor[*i]), nil, false); err != nil {
			return err
		}
	}
	return nil
}
