package compaction

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/page"
)

// simulation is a load on a world: memtables of entries entries, flushed one after the other, with every due job run
// at once.
type simulation struct {
	params  Params
	flushes int
	entries int
	users   int // number of different user keys; 0 for all new
}

// outcome is the cost of a simulation.
type outcome struct {
	writeAmp float64 // bytes written to tables per byte flushed
	runs     float64 // sorted runs a reader has to look at, averaged over the flushes
	space    float64 // bytes in tables per live byte, when all is quiet
	largest  float64 // largest job, in memtables
}

const simulatedEntry = 100 // bytes

// simulate runs s. The order of user keys is random and always the same.
func simulate(t testing.TB, s simulation) outcome {
	w, random := newWorld(s.params), rand.New(rand.NewPCG(1, 2))
	value := make([]byte, simulatedEntry-8-12)
	memtable := float64(s.entries * simulatedEntry)
	var out outcome
	next := func(quiet bool) func() *Job {
		return func() *Job {
			job := w.pick(quiet)
			if job != nil {
				out.largest = max(out.largest, float64(job.InputBytes())/memtable)
			}
			return job
		}
	}
	for range s.flushes {
		for range s.entries {
			n := random.Uint64() % 1e12
			if s.users > 0 {
				n %= uint64(s.users)
			}
			w.put(fmt.Sprintf("%012d", n), value)
		}
		mustDo(t, w.flush())
		mustDo(t, w.settle(next(false)))
		out.runs += float64(w.runs()) / float64(s.flushes)
	}
	out.writeAmp = 1 + float64(w.written)/(float64(s.flushes)*memtable)
	mustDo(t, w.settle(next(true)))
	out.space = float64(w.bytes()) / float64(w.liveBytes())
	return out
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runs is the number of tables in L0 and of levels with tables.
func (w *world) runs() int {
	n := len(w.v.Levels[0])
	for _, tables := range w.v.Levels[1:] {
		n += min(1, len(tables))
	}
	return n
}

// scaled is a tree for memtables of entries entries, in the proportions of the real one; base is in memtables.
func scaled(entries int, base float64, multiplier int64, trigger int) Params {
	memtable := int64(entries * simulatedEntry)
	return Params{BaseBytes: int64(base * float64(memtable)), Multiplier: multiplier, L0Trigger: trigger,
		L0Bytes: int64(trigger) * memtable, TargetTableBytes: memtable / 8, FullBytes: memtable}
}

// TestSimulation_staysCheap: a picker that merges the same bytes too often makes the disk the limit of all writes.
func TestSimulation_staysCheap(t *testing.T) {
	params := scaled(64, 1, DefaultMultiplier, DefaultL0Trigger)
	out := simulate(t, simulation{params, 64, 64, 0})
	if out.writeAmp > 8 || out.runs > 6 || out.space > 1.01 {
		t.Errorf("new keys: %+v", out)
	}
	out = simulate(t, simulation{params, 64, 64, 1024})
	if out.writeAmp > 8 || out.runs > 6 || out.space > 1.25 {
		t.Errorf("overwrites: %+v", out)
	}
}

// BenchmarkWriteAmplification prints the figures of docs/measurements/0004-compaction.md.
func BenchmarkWriteAmplification(b *testing.B) {
	const entries = 256
	for _, users := range []int{0, 16 * entries} {
		for _, base := range []float64{0.5, 1, 2, 4} {
			for _, multiplier := range []int64{4, 8, 10} {
				for _, trigger := range []int{2, 4, 8} {
					name := fmt.Sprintf("users=%d/base=%v/multiplier=%d/trigger=%d", users, base, multiplier, trigger)
					s := simulation{scaled(entries, base, multiplier, trigger), 64, entries, users}
					b.Run(name, func(b *testing.B) { report(b, s) })
				}
			}
		}
	}
}

func report(b *testing.B, s simulation) {
	for b.Loop() {
		out := simulate(b, s)
		b.ReportMetric(out.writeAmp, "written/flushed")
		b.ReportMetric(out.runs, "runs")
		b.ReportMetric(out.space, "bytes/live")
		b.ReportMetric(out.largest, "largest-job/memtable")
	}
}

// BenchmarkExecute is the cost of an entry in a merge of five runs, one of them a level, apart from reading and writing
// pages.
func BenchmarkExecute(b *testing.B) {
	w, random := newWorld(scaled(4096, 1, DefaultMultiplier, DefaultL0Trigger)), rand.New(rand.NewPCG(1, 2))
	value := make([]byte, simulatedEntry-8-12)
	for range 8 {
		for range 4096 {
			w.put(fmt.Sprintf("%012d", random.Uint64()%1e12), value)
		}
		mustDo(b, w.flush())
		if len(w.v.Levels[lastLevel]) == 0 {
			mustDo(b, w.settle(func() *Job { return w.pick(false) }))
		}
	}
	job := w.picker().lower(0, w.v.Levels[0][0], ReasonL0)
	deps := w.deps()
	deps.Create = func(num filename.Num) (Output, error) { return &tally{num: num}, nil }
	b.ReportAllocs()
	entries := uint64(0)
	for b.Loop() {
		_, stats, err := job.Execute(context.Background(), w.snapshots(), deps)
		mustDo(b, err)
		entries += stats.EntriesIn
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
}

// tally is an output that keeps nothing.
type tally struct {
	num  filename.Num
	meta manifest.TableMeta
	last []byte
}

func (o *tally) Add(k key.Internal, value []byte) error {
	t := &o.meta
	if t.Entries == 0 {
		*t = manifest.TableMeta{Num: o.num, Smallest: bytes.Clone(k.User), SmallestSeq: key.MaxSeqNum}
	}
	t.Entries++
	t.Size += entrySize(k.User, value)
	t.SmallestSeq, t.LargestSeq = min(t.SmallestSeq, k.Trailer.Seq()), max(t.LargestSeq, k.Trailer.Seq())
	o.last = append(o.last[:0], k.User...)
	return nil
}

func (o *tally) AddReference(k key.Internal, ref page.Reference) error { return o.Add(k, nil) }

func (o *tally) AddChunks(k key.Internal, end key.Time, next func() ([]byte, error)) error {
	return o.Add(k, nil)
}

func (o *tally) EstimatedSize() int64 { return o.meta.Size }
func (o *tally) Full() bool           { return false }
func (o *tally) Abort() error         { return nil }

func (o *tally) Finish() (*manifest.TableMeta, error) {
	o.meta.Largest = o.last
	return &o.meta, nil
}
