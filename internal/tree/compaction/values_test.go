package compaction

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/merge/mergetest"
)

// valueLoad fills a world with long values and overwrites them at random, by memtables of entries entries each, with
// every due job of a burst run after each flush, and all others at the end.
type valueLoad struct {
	keys, entries int
	rounds        int     // how often each key is overwritten, on average
	hot           float64 // share of the overwrites that go to a tenth of the keys
	manual        bool    // at the end all is compacted by hand
}

// valueOutcome is the cost of a valueLoad, in bytes of values; amplification counts the log and the flush, too.
type valueOutcome struct {
	busy  float64 // bytes written for each put, from the middle of the load to its end
	whole float64 // the same from the end of the fill until all is quiet
	most  float64 // bytes of tables and value files for each live one, while busy
	rest  float64 // the same when all is quiet
}

func (o valueOutcome) String() string {
	return fmt.Sprintf("written %.2f and until quiet %.2f; on disk %.2f, quiet %.2f", o.busy, o.whole, o.most, o.rest)
}

const simulatedValue = 1000 // bytes

func simulateValues(t testing.TB, l valueLoad) (out valueOutcome) {
	p := scaled(l.entries*simulatedValue/simulatedEntry, 1, DefaultMultiplier, 2*DefaultL0Trigger)
	p.TargetTableBytes, p.ValueThreshold, p.Due = p.BaseBytes, simulatedValue/2, 2
	w, random, value, n := newWorld(p), rand.New(rand.NewPCG(1, 2)), make([]byte, simulatedValue), 0
	w.inPage = simulatedValue / 4
	live := float64(l.keys * simulatedValue)
	put := func(i int) {
		w.put(fmt.Sprintf("%05d", i), value)
		if n++; n%l.entries == 0 {
			mustDo(t, w.flush())
			mustDo(t, w.settle(func() *Job { return w.pick(false) }))
			out.most = max(out.most, float64(w.bytes())/live)
		}
	}
	rest := func() {
		w.params.Due, w.params.L0Trigger = 1, DefaultL0Trigger
		if l.manual {
			mustDo(t, w.settle(func() *Job { return w.manual(t) }))
		}
		mustDo(t, w.settle(func() *Job { return w.pick(true) }))
		w.params.Due, w.params.L0Trigger = p.Due, p.L0Trigger
	}
	for _, i := range random.Perm(l.keys) {
		put(i)
	}
	rest()
	filled, half := w.written, int64(0)
	puts := l.rounds * l.keys
	for i := range puts {
		if i == puts/2 {
			half = w.written
		}
		from := l.keys
		if random.Float64() < l.hot {
			from /= 10
		}
		put(random.IntN(from))
	}
	out.busy = 2 + 2*float64(w.written-half)/float64(puts*simulatedValue)
	rest()
	out.whole = 2 + float64(w.written-filled)/float64(puts*simulatedValue)
	out.rest = float64(w.bytes()) / live
	return out
}

// Overwriting long values would wear the medium out, or fill it: each byte is written to the log and by a flush, and
// less than every other one is copied until all is quiet again. Pages take some percent more here than of
// values of 100 KB.
func TestSimulation_longValuesAreSeldomCopied(t *testing.T) {
	for _, l := range []valueLoad{
		{keys: 1500, entries: 64, rounds: 3},
		{keys: 3000, entries: 64, rounds: 3},
		{keys: 1500, entries: 16, rounds: 8},
		{keys: 1500, entries: 16, rounds: 8, hot: 0.9},
		{keys: 1500, entries: 64, rounds: 3, manual: true},
	} {
		out := simulateValues(t, l)
		t.Logf("%+v: %v", l, out)
		if out.busy > 2.4 || out.whole > 2.5 {
			t.Errorf("%+v: %v", l, out)
		}
		if out.most > 2.6 || out.rest > 1.25 { // level 0 hides up to 16 memtables
			t.Errorf("%+v: %v", l, out)
		}
	}
}

// mixed is a world of a table of short values of which a quarter is garbage, and two value files: of the one a half is
// garbage, of the other a fiftieth.
func mixed(t *testing.T) (w *world, bad, good filename.Num) {
	t.Helper()
	p := smallParams()
	p.TargetTableBytes, p.ValueThreshold = 1<<20, 100
	w = newWorld(p)
	w.inPage = 50
	var nums []filename.Num
	for file := range 2 {
		for i := range 50 {
			w.put(fmt.Sprintf("long%d%02d", file, i), make([]byte, 200))
		}
		mustDo(t, w.flush())
		nums = append(nums, w.v.Levels[0][0].Num)
	}
	for i := range 25 {
		w.put(fmt.Sprintf("long0%02d", i), nil)
	}
	w.put("long100", nil)
	mustDo(t, w.flush())
	mustDo(t, w.settle(w.lowered))
	var short []mergetest.Entry
	for i := range 700 {
		k := fmt.Sprintf("short%03d", i)
		short = append(short, mergetest.Entry{Key: key.Make([]byte(k), w.seq+2, key.KindPut), Value: make([]byte, 40)})
		if i%3 == 0 {
			short = append(short, mergetest.Entry{Key: key.Make([]byte(k), w.seq+1, key.KindPut), Value: make([]byte, 40)})
		}
	}
	w.place(lastLevel, short...)
	return w, nums[0], nums[1]
}

// What is garbage in tables and what is in value files would each take as much as both together may, and a database
// would be half as large again as its data.
func TestPick_countsGarbageOfTablesAndValuesTogether(t *testing.T) {
	w, bad, good := mixed(t)
	if job := w.pick(false); job != nil {
		t.Fatalf("a job for %s in a burst", job.Reason)
	}
	job := w.pick(true)
	if job == nil || job.Reason != ReasonValues || !job.Emptied[bad] || job.Emptied[good] {
		t.Fatalf("%+v, where file %d returns most, and file %d less than the table", job, bad, good)
	}
	mustDo(t, w.settle(func() *Job { return w.pick(true) }))
	total := float64(w.bytes())
	_, _, garbage := (&picker{v: w.v, p: w.params, busy: w.busy}).survey()
	_, unused := valueGarbage(w.v.Values)
	if float64(garbage+unused) > maxGarbage*total {
		t.Errorf("%d bytes of garbage in tables and %d in value files, of %.0f", garbage, unused, total)
	}
}
