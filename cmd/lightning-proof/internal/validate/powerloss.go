package validate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning-proof/internal/content"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/vfs/memfs"
)

// The power losses. Writers run on a directory in memory that knows what was synced. At a random change of it the
// machine dies, and every state that a power cut may leave there is recovered.
const (
	minChanges      = 200 // of the directory before a crash, at least
	moreChanges     = 2500
	imagesPerPolicy = 4         // with different seeds; the policies none and all have one image each
	powerLogLimit   = 300 << 10 // small, so that a crash falls into flushes and changes of segment too
)

// powerLosses runs one machine per round. The next one goes on with one of the images.
func (r *crash) powerLosses(ctx context.Context) error {
	r.say.title("Crash: power cuts, simulated")
	r.say.line("seed %d, %d writers, %s durability, %d cuts, up to %d images of each of %d policies", r.Seed, r.Writers,
		r.report.Durability, r.Rounds, imagesPerPolicy, len(memfs.Policies))
	fs := memfs.New()
	for n := 1; n <= r.Rounds; n++ {
		w := Workload{Seed: r.Seed, Round: n, Writers: r.Writers, Sync: r.Sync}
		crashed, err := r.cutPower(ctx, fs, w)
		if err != nil {
			return err
		}
		if fs, err = r.examineImages(ctx, crashed, n); err != nil {
			return err
		}
		if r.report.Findings.err() != nil {
			break
		}
	}
	return nil
}

// cutPower runs w on fs until the machine crashes, and enters into the ledger what was acknowledged.
func (r *crash) cutPower(ctx context.Context, fs *memfs.FS, w Workload) (crashed *memfs.FS, err error) {
	s, err := openEngine(fs)
	if err != nil {
		return nil, broken("open: %v", err)
	}
	s.committed = s.throughEngine
	if r.commits != nil {
		s.committed = r.commits(s.committed)
	}
	tally := &fuse{tally: newTally(w), light: func() {
		fs.CrashDuring(fs.Ops() + minChanges + int(content.Mix(r.Seed, uint64(w.Round))%moreChanges))
	}}
	err = w.run(ctx, s, tally)
	closeErr := s.engine.Close() // it fails, as the directory is gone
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case !fs.Crashed() || errors.Is(err, ErrBroken):
		return nil, errors.Join(err, closeErr)
	}
	r.report.Kills++
	r.report.Unsynced += fs.Unsynced()
	tally.requireDurable(w)
	r.enter(tally.tally)
	return fs, nil
}

// fuse is a tally that decides on the crash once something has been read: a machine that dies earlier shows less.
type fuse struct {
	*tally
	lit   sync.Once
	light func()
}

func (f *fuse) read(entries int) error {
	f.lit.Do(f.light)
	return f.tally.read(entries)
}

// requireDurable sets what a power cut may not take: everything up to the last acknowledged commit that asked for Sync.
func (t *tally) requireDurable(w Workload) {
	durable := uint64(0)
	for i := range t.fates {
		for n, last := range t.fates[i].last {
			if w.syncs(uint64(n) + 1) {
				durable = max(durable, last)
			}
		}
	}
	for i := range t.fates {
		f := &t.fates[i]
		f.must = f.upTo(durable)
		if !w.Sync {
			f.seen = 0 // what was only visible may go with the power
		}
	}
}

// upTo is how many of the acknowledged commits are at or before the sequence number.
func (f *fate) upTo(seq uint64) (n uint64) {
	for n < uint64(len(f.last)) && f.last[n] <= seq {
		n++
	}
	return n
}

// examineImages recovers and judges what a power cut may have left of fs. It returns the last image and makes its
// state the certain one.
func (r *crash) examineImages(ctx context.Context, fs *memfs.FS, round int) (next *memfs.FS, err error) {
	var upTo []uint64
	var seed uint64
	var last memfs.Policy
	for _, policy := range memfs.Policies {
		images := imagesPerPolicy
		if policy == memfs.None || policy == memfs.All {
			images = 1
		}
		r.report.Policies = max(r.report.Policies, int(policy)+1)
		for i := range images {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			seed, last = content.Mix(r.Seed, uint64(round), uint64(policy), uint64(i)), policy
			where := fmt.Sprintf("round %d, image %v:%d", round, policy, seed)
			if upTo, err = r.examine(fs.Image(policy, seed), where); err != nil {
				return nil, err
			}
		}
	}
	r.say.line("round %d: power cut; %s recovered so far, %s entries in the last", round,
		units.Plural(r.report.Images, "image"), units.Count(r.report.Plain+r.report.Transactional))
	r.ledger.settle(upTo)
	return fs.Image(last, seed), nil
}

// examine recovers one image and judges it.
func (r *crash) examine(image *memfs.FS, where string) (upTo []uint64, err error) {
	r.report.Images++
	s, err := openEngine(image)
	if err != nil {
		return nil, broken("%s: open: %v", where, err)
	}
	defer func() { err = errors.Join(err, s.engine.Close()) }()
	report := s.engine.Report()
	r.report.TornLogBytes += report.TornBytes
	r.report.RecoverySecs = max(r.report.RecoverySecs, report.Duration.Seconds())
	found, upTo, err := r.ledger.judge(s)
	if err != nil {
		return nil, broken("%s: %v", where, err)
	}
	r.ledger.judgePrefix(&found, report.LastSequence, upTo)
	if found.Problem != "" {
		found.Problem = where + ": " + found.Problem
	}
	r.report.Findings.add(found)
	return upTo, nil
}

// judgePrefix compares what is there with the sequence number the database ends with: of the acknowledged commits all
// up to it must be there, and none behind it.
func (l *ledger) judgePrefix(found *Findings, last uint64, upTo []uint64) {
	round := l.rounds[len(l.rounds)-1]
	for w := range round {
		want := round[w].upTo(last)
		inFlight := want == round[w].acked // then the one that was not acknowledged may be there
		if upTo[w] == want || inFlight && upTo[w] == want+1 {
			continue
		}
		j := judge{found: *found}
		j.note(&j.found.Counts.Holes, "writer %d: %d commits are there, but up to sequence number %d it made %d", w, upTo[w],
			last, want)
		*found = j.found
	}
}

// engineStore is a store on a simulated machine.
type engineStore struct {
	engine    *engine.Engine
	committed commitFunc
}

func openEngine(fs *memfs.FS) (*engineStore, error) {
	e, err := engine.Open(engine.Options{FS: fs, MemoryLimit: crashMemoryLimit, LogLimit: powerLogLimit})
	return &engineStore{engine: e}, err
}

func (s *engineStore) commit(reads [][]byte, write writeFunc, sync bool) (uint64, error) {
	return s.committed(reads, write, sync)
}

// throughEngine repeats a transaction until it does not conflict. That ends, because one of those that conflict
// commits.
func (s *engineStore) throughEngine(reads [][]byte, write writeFunc, sync bool) (uint64, error) {
	for {
		last, err := s.commitOnce(reads, write, sync)
		if !errors.Is(err, engine.ErrConflict) {
			return uint64(last), err
		}
	}
}

func (s *engineStore) commitOnce(reads [][]byte, write writeFunc, sync bool) (last key.SeqNum, err error) {
	var t engine.Txn
	s.engine.Begin(&t, new(txn.Reads), 0)
	defer t.Close()
	values := make([][]byte, len(reads))
	for i, k := range reads {
		t.Reads.AddKey(k, key.Hash(k))
		if values[i], _, err = s.engine.Get(nil, k, t.Seq()); err != nil {
			return 0, err
		}
	}
	entries, err := write(values)
	if err != nil {
		return 0, err
	}
	var b batch.Batch
	for _, e := range entries {
		b.Put(e.key, e.value)
	}
	if len(reads) == 0 {
		return s.engine.Commit(&b, sync)
	}
	return t.Commit(context.Background(), &b, sync)
}

func (s *engineStore) get(key []byte) ([]byte, bool, error) {
	return s.engine.Get(nil, key, engine.Latest)
}

func (s *engineStore) each(visit func(key, value []byte)) (err error) {
	it, err := s.engine.NewIterator(nil, nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.Value()
		if err != nil {
			return err
		}
		visit(it.Key(), value)
	}
	return it.Err()
}
