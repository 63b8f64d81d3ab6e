package torture

import (
	"hash/fnv"
	"math/rand/v2"
)

// valueWorkloads are those about values that stay where they are, and about the files that hold them.
func valueWorkloads() []Workload {
	values := small
	values.LogLimit, values.ValueThreshold = 0, 2500
	return []Workload{
		{Name: "values", Stride: 2, Options: values, Prepare: steps(bulk(1, 9, 7000, true), many("k", 0, 12, 40, true),
			(*Session).Flush, bulk(0, 3, 9000, true), put("k003", 30, true), (*Session).Flush, compact),
			Run: steps((*Session).Open, read("v01"), bulk(2, 7, 3000, false), remove("v07"), (*Session).Flush,
				putBulk("v08", 40<<10, true), look, underSnapshot(steps(bulk(0, 5, 4000, false), put("v05", 20, false),
					remove("v01"), compact, look, cleanStep, compactSteps, look, verify)), cleanStep, look, put("v08", 30, true),
				compact, compactSteps, verify, cleanStep, look, read("v03"), read("v01"))},
		{Name: "values-shrink", Stride: 2, Options: values, Prepare: steps(bulk(0, 12, 4000, true), (*Session).Flush,
			bulk(4, 6, 3000, true), (*Session).Flush, compact, look), Run: steps((*Session).Open,
			bulk(0, 7, 2600, true), compact, look, removeBulk(7, 10), (*Session).Flush, compactSteps, look, cleanStep,
			look, read("v07"), removeBulk(0, 5), (*Session).Flush, compactSteps, compact, compactSteps, look,
			put("v08", 30, false), removeBulk(10, 11), compact, compactSteps, cleanStep, look, verify, read("v09"),
			read("v08"), removeBulk(0, 12), compact, cleanStep, look, read("v11"))},
		{Name: "values-reopened", Stride: 2, Options: values, Prepare: steps(bulk(0, 4, 5000, true), (*Session).Flush,
			bulk(2, 6, 3000, true), compact, (*Session).Close), Run: steps(
			leaving(1<<20), cycle(steps(bulk(1, 3, 4000, true), compact, look, cleanStep)),
			leaving(100), cycle(steps(bulk(3, 5, 2600, false), compact, look, removeBulk(0, 2), cleanStep)),
			leaving(2500), (*Session).Open, compactSteps, compact, compactSteps, cleanStep, look, read("v01"), read("v04"))},
		{Name: "streams", Stride: 20, Options: values, Prepare: steps(stream("film", filmSize), bulk(0, 3, 3000, true),
			(*Session).Flush, bulk(2, 3, 3000, true), compact), Run: steps((*Session).Open, brokenStream("other", filmSize),
			whileViewed("film", steps(streamMeanwhile("film", filmSize+5000, put("a", 700, false)), bulk(0, 2, 2600, true),
				(*Session).Flush, compact, look, compactSteps, look, remove("film"), (*Session).Flush, compact, compactSteps,
				cleanStep, look)), stream("short", 30<<10), brokenStream("film", 400<<10), compactSteps, cleanStep, look,
			noLeftovers)},
	}
}

func look(s *Session) error { s.lookAtValues(); return nil }

// leaving changes from how many bytes on the next Open leaves values where they are.
func leaving(threshold int) step {
	return func(s *Session) error { s.opts.ValueThreshold = threshold; return nil }
}

// underSnapshot does a step while a snapshot shows what was before it.
func underSnapshot(do step) step {
	return func(s *Session) error {
		snapshot := s.Engine.Snapshot()
		defer snapshot.Close()
		return steps(do, func(s *Session) error { return s.Compare(snapshot) })(s)
	}
}

// putBulk puts n bytes that no codec makes shorter.
func putBulk(k string, n int, sync bool) step {
	return func(s *Session) error { return s.Put(k, string(noise(k, uint64(s.History.Last()), n)), sync) }
}

// noise is n bytes that belong to key k and to one moment of the history.
func noise(k string, moment uint64, n int) []byte {
	h := fnv.New64a()
	h.Write([]byte(k))
	var seed [32]byte
	for i := range 8 {
		seed[i], seed[8+i] = byte(h.Sum64()>>(8*i)), byte(moment>>(8*i))
	}
	b := make([]byte, n)
	rand.NewChaCha8(seed).Read(b)
	return b
}

// bulkName is the key of bulk n.
func bulkName(n int) string { return "v" + string([]byte{'0' + byte(n/10), '0' + byte(n%10)}) }

// bulk puts the keys v<from> up to v<to>, one by one: n bytes and more, some of them few.
func bulk(from, to, n int, sync bool) step {
	return func(s *Session) error {
		for i := from; i < to; i++ {
			size := n + 100*i
			if i%6 == 5 {
				size = 30
			}
			if err := putBulk(bulkName(i), size, sync)(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// removeBulk removes the keys v<from> up to v<to>, one by one.
func removeBulk(from, to int) step {
	return func(s *Session) error {
		for i := from; i < to; i++ {
			if err := s.Delete(bulkName(i), true); err != nil {
				return err
			}
		}
		return nil
	}
}
