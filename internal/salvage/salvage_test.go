package salvage_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "the one seed to run; 0 for seeds from 1 on")
	countFlag = flag.Int("destructions", 0, "how many random destructions; 0 for few")
)

// victim is a database that is to be damaged, and what was ever written to it.
type victim struct {
	fs      *memfs.FS
	history *oracle.History
	clean   bool
}

// numbersFrom returns the numbers from n on, for the ids of tables and databases.
func numbersFrom(n uint64) func() uint64 {
	return func() uint64 { n += 0x9e3779b97f4a7c15; return n }
}

// newVictim makes a database by random commits, flushes and compactions. It may be left as a kill leaves it.
func newVictim(t testing.TB, rng *rand.Rand) *victim {
	t.Helper()
	v := &victim{fs: memfs.New(), history: new(oracle.History), clean: rng.IntN(2) == 0}
	s := torture.NewSession(engine.Options{FS: v.fs, PageSize: 512, Codec: codec.By(codec.ID(rng.IntN(3))),
		ValueThreshold: []int{200, 400, math.MaxInt}[rng.IntN(3)], MemoryLimit: engine.MinMemoryLimit, Manual: true,
		Followers: true, Random: numbersFrom(rng.Uint64())}, v.history)
	defer s.Abandon()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	must(s.Open())
	for range 30 + rng.IntN(40) {
		switch n := rng.IntN(23); {
		case n < 14:
			must(s.Write(randomBatch(rng, true), rng.IntN(2) == 0))
		case n < 17:
			must(s.Flush())
		case n < 18:
			must(s.Ingest(randomBatch(rng, false)))
		case n < 19:
			must(s.Engine.Compact(context.Background(), nil, nil))
		case n < 20:
			must(s.Sync())
		case n < 21:
			_, err := s.Engine.CleanStep()
			must(err)
		default:
			_, err := s.Engine.CompactStep() // which may empty a value file
			must(err)
		}
	}
	if v.clean {
		must(s.Close())
	}
	v.fs = v.fs.Kill()
	return v
}

// randomBatch is a commit of a few operations on few keys; those that begin with m are merged into.
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
			b.Put(k, noise(rng, 200+rng.IntN(600))) // an extent that no codec shortens: it may stay in a value file
		default:
			b.Put(k, fmt.Appendf(nil, "v%d", rng.IntN(1000)))
		}
	}
	return &b
}

// noise is size random bytes.
func noise(rng *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// salvage salvages fs, and returns the report and what the new database holds.
func (v *victim) rescue(fs *memfs.FS, o salvage.Options) (*salvage.Report, []oracle.Entry, error) {
	return v.rescueFrom(fs, o)
}

// rescueFrom is rescue for any directory.
func (v *victim) rescueFrom(fs vfs.FS, o salvage.Options) (*salvage.Report, []oracle.Entry, error) {
	target := memfs.New()
	o.Source, o.Target, o.Random = fs, target, numbersFrom(7)
	report, err := salvage.Run(context.Background(), o)
	if err != nil {
		return nil, nil, err
	}
	e, err := engine.Open(engine.Options{FS: target, MustExist: true, Manual: true, Random: numbersFrom(8),
		MemoryLimit: engine.MinMemoryLimit})
	if err != nil {
		return nil, nil, fmt.Errorf("open what was salvaged: %w", err)
	}
	entries, err := torture.Content(e, nil)
	if err == nil {
		err = e.Verify(context.Background(), nil)
	}
	if err == nil && uint64(len(entries)) != report.Keys {
		err = fmt.Errorf("the report says %d keys and there are %d", report.Keys, len(entries))
	}
	return report, entries, errors.Join(err, e.Close())
}

// judge compares what was salvaged with what was written.
func (v *victim) judge(report *salvage.Report, entries []oracle.Entry) error {
	h := v.history
	got := map[string][]byte{}
	for _, e := range entries {
		got[string(e.Key)] = e.Value
		once := false
		for seq := h.Last(); seq > 0 && !once; seq-- {
			value, found := h.Get(e.Key, seq)
			once = found && bytes.Equal(value, e.Value)
		}
		if !once {
			return fmt.Errorf("key %q has %.40q, which it never had", e.Key, e.Value)
		}
	}
	for _, k := range h.Keys() {
		value, there := got[k]
		want, exists := h.Get([]byte(k), h.Last())
		if there == exists && bytes.Equal(value, want) {
			continue
		}
		if !report.Closed {
			if want, exists := h.Get([]byte(k), key.SeqNum(report.LastSequence)); there == exists && bytes.Equal(value, want) {
				continue // commits behind the last one are cut off
			}
		}
		covered := false
		for _, l := range report.Losses {
			covered = covered || l.Spans([]byte(k))
		}
		if !covered {
			return fmt.Errorf("key %q has %.40q (%v) instead of %.40q (%v), and no loss spans it", k, value, there, want,
				exists)
		}
	}
	return nil
}

// destroy does one random damage to one file, or to two.
func destroy(rng *rand.Rand, fs *memfs.FS) (what string, err error) {
	all, err := fs.List()
	if err != nil || len(all) == 0 {
		return "", err
	}
	name := all[rng.IntN(len(all))]
	data, err := torture.Contents(fs, name)
	if err != nil {
		return "", err
	}
	at, n := 0, 0
	if len(data) > 0 {
		at = rng.IntN(len(data))
		n = 1 + rng.IntN(min(len(data)-at, 1<<rng.IntN(16)))
	}
	switch kind := rng.IntN(7); {
	case kind == 0:
		return "remove " + name, fs.Remove(name)
	case kind == 1:
		other := all[rng.IntN(len(all))]
		there, err := torture.Contents(fs, other)
		if err == nil {
			err = errors.Join(torture.Replace(fs, name, there), torture.Replace(fs, other, data))
		}
		return "swap " + name + " and " + other, err
	case kind == 2:
		return fmt.Sprintf("cut %s at %d", name, at), torture.Replace(fs, name, data[:at])
	case kind == 3:
		clear(data[at : at+n])
	case kind == 4:
		for i := range n {
			data[at+i] = byte(rng.Uint32())
		}
	case kind == 5 && len(data) > 0:
		data[at] ^= 1 << rng.IntN(8)
	default:
		data = append(data, bytes.Repeat([]byte{byte(rng.IntN(2))}, n)...)
	}
	return fmt.Sprintf("change %d of %s at %d", n, name, at), torture.Replace(fs, name, data)
}

// What cannot be got out of a damaged database is lost for ever; what was never in it would be believed.
func TestSalvage_randomDestruction(t *testing.T) {
	victims, each := 40, 25
	if testing.Short() {
		victims = 10
	}
	if *countFlag > 0 {
		victims = (*countFlag + each - 1) / each
	}
	first := uint64(1)
	if *seedFlag > 0 {
		first, victims = *seedFlag, 1
	}
	keys, lost, refused := 0, 0, 0
	for seed := first; seed < first+uint64(victims); seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		v := newVictim(t, rng)
		for i := range each {
			fs := v.fs.Kill()
			var done []string
			for range 1 + rng.IntN(1+i/4) {
				what, err := destroy(rng, fs)
				if err != nil {
					t.Fatal(err)
				}
				done = append(done, what)
			}
			report, entries, err := v.rescue(fs, salvage.Options{MaxRuns: rng.IntN(5),
				Choices: salvage.Choices{Uncommitted: rng.IntN(2) == 0}})
			if err == nil {
				err = v.judge(report, entries)
				keys += len(entries)
				lost += len(report.Losses)
			} else if strings.Contains(err.Error(), "no database") && len(done) > 3 {
				refused++
				continue
			}
			if err != nil {
				t.Fatalf("-seed %d, destruction %d (%s): %v", seed, i, strings.Join(done, "; "), err)
			}
		}
	}
	t.Logf("%d keys, %d losses, %d without a database", keys, lost, refused)
	if keys == 0 || lost == 0 {
		t.Error("nothing was salvaged, or nothing was lost")
	}
}

// A repair that loses what was whole is worse than none, and so is one that cries wolf.
func TestSalvage_withoutDamageIsTheDatabase(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		rng := rand.New(rand.NewPCG(seed, 1))
		v := newVictim(t, rng)
		report, entries, err := v.rescue(v.fs.Kill(), salvage.Options{MaxRuns: int(seed % 4)})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(report.Losses) > 0 || len(report.Damage) > 0 || len(report.LeftOut) > 0 || report.Older > 0 {
			t.Fatalf("seed %d: %+v", seed, report)
		}
		if err := v.judge(report, entries); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if report.LastSequence != uint64(v.history.Last()) || report.Closed && !v.clean {
			t.Errorf("seed %d: ends at %d, closed %v; want %d, %v", seed, report.LastSequence, report.Closed,
				v.history.Last(), v.clean)
		}
	}
}

// filesOf are the names of fs of one kind.
func filesOf(t *testing.T, fs *memfs.FS, want filename.Kind) (names []string) {
	t.Helper()
	all, err := fs.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if kind, _ := filename.Parse(name); kind == want {
			names = append(names, name)
		}
	}
	return names
}
