package archive

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs/memfs"
)

// shelf is a Store in memory, which may fail, lose answers, and have its effects late.
type shelf struct {
	files   map[string][]byte
	backups map[string]*memfs.FS
	known   []Backup
	rng     *rand.Rand
	faults  int      // of a hundred calls, how many fail or lose their answers
	faulty  bool     // some did
	late    []func() // Puts whose effect is to come
}

var errNoAnswer = errors.New("no answer")

func newShelf(rng *rand.Rand) *shelf {
	return &shelf{files: make(map[string][]byte), backups: make(map[string]*memfs.FS), rng: rng}
}

func (s *shelf) PutPiece(_ context.Context, name string, content []byte) error {
	fault := s.rng.IntN(100) < s.faults
	do := func() error {
		if _, ok := s.files[name]; ok {
			return fs.ErrExist
		}
		s.files[name] = bytes.Clone(content)
		return nil
	}
	s.faulty = s.faulty || fault
	switch how := s.rng.IntN(3); {
	case !fault:
		return do()
	case how == 0:
		_ = do()
	case how == 1:
		s.late = append(s.late, func() { _ = do() })
	}
	return errNoAnswer
}

func (s *shelf) ReadPiece(_ context.Context, name string, limit int64) ([]byte, error) {
	content, ok := s.files[name]
	switch {
	case s.rng.IntN(100) < s.faults:
		return nil, errNoAnswer
	case !ok:
		return nil, fs.ErrNotExist
	case int64(len(content)) > limit:
		return nil, ErrBadPiece
	}
	return bytes.Clone(content), nil
}

func (s *shelf) ListPieces(_ context.Context, prefix string) (names []string, sizes []int64, err error) {
	if s.rng.IntN(100) < s.faults {
		return nil, nil, errNoAnswer
	}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if strings.HasPrefix(name, prefix) {
			names, sizes = append(names, name), append(sizes, int64(len(s.files[name])))
		}
	}
	return names, sizes, nil
}

func (s *shelf) Base(ctx context.Context, from checkpoint.Source) (id string, seq uint64, err error) {
	if s.rng.IntN(100) < s.faults {
		return "", 0, errNoAnswer
	}
	if err := from.Flush(); err != nil {
		return "", 0, err
	}
	dir := memfs.New()
	n, err := checkpoint.Write(ctx, from.Tree, dir, s.rng.Uint64, nil)
	if err != nil {
		return "", 0, err
	}
	id = fmt.Sprintf("backup %d", len(s.known))
	s.backups[id] = dir
	database := from.Tree.Current().Version().DatabaseID
	s.known = append(s.known, Backup{ID: id, Database: fmt.Sprintf("%x", database), Sequence: uint64(n)})
	return id, uint64(n), nil
}

// settle has what is late happen, and ends the faults.
func (s *shelf) settle() {
	s.faults = 0
	for _, do := range s.late {
		do()
	}
	s.late = nil
}

// world is a database that is archived, and what is known of it.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	disk    *memfs.FS
	shelf   *shelf
	options engine.Options
	e       *engine.Engine
	a       *Archiver
	clock   time.Time
	now     map[string]string
	states  map[key.SeqNum]map[string]string
}

func newWorld(t *testing.T, rng *rand.Rand) *world {
	w := &world{t: t, rng: rng, disk: memfs.New(), shelf: newShelf(rng), now: make(map[string]string),
		states: make(map[key.SeqNum]map[string]string), clock: time.Unix(1_700_000_000, 0),
		options: engine.Options{Manual: true, MemoryLimit: engine.MinMemoryLimit, LogLimit: 24 << 10, HoldLog: 1 << 30}}
	w.open()
	return w
}

// fork is a copy of the directory of w, as a power cut would leave it, which is opened and archived in the same store.
func (w *world) fork() *world {
	f := *w
	f.disk, f.now, f.states = w.disk.Image(memfs.All, 0), maps.Clone(w.now), maps.Clone(w.states)
	f.open()
	return &f
}

func (w *world) open() {
	w.t.Helper()
	o := w.options
	o.FS, o.Random = w.disk, w.rng.Uint64
	e, err := engine.Open(o)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	w.e = e
	w.a = Start(e, Options{Store: w.shelf, Manual: true, Wall: func() time.Time { return w.clock }})
	w.recovered()
}

// recovered forgets the states that a power cut has taken.
func (w *world) recovered() {
	last := w.e.Tree().Visible()
	maps.DeleteFunc(w.states, func(seq key.SeqNum, _ map[string]string) bool { return seq > last })
	w.now = maps.Clone(w.states[last])
	if w.now == nil {
		w.now = make(map[string]string)
		w.states[last] = w.now
	}
}

func (w *world) close() {
	w.t.Helper()
	w.a.Stop()
	if err := w.e.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.disk = w.disk.Kill()
}

// crash cuts the power, or kills the process.
func (w *world) crash() {
	if w.rng.IntN(2) == 0 {
		w.disk = w.disk.Kill()
	} else {
		w.disk = w.disk.Image(memfs.Policies[w.rng.IntN(len(memfs.Policies))], w.rng.Uint64())
	}
	w.e.Close() // of the process that is no more: it frees the memory
	w.open()
}

func (w *world) commit() {
	w.t.Helper()
	var b batch.Batch
	next := maps.Clone(w.now)
	for range 1 + w.rng.IntN(6) {
		k := fmt.Sprintf("key %02d", w.rng.IntN(40))
		if w.rng.IntN(4) == 0 {
			b.Delete([]byte(k))
			delete(next, k)
			continue
		}
		next[k] = fmt.Sprintf("%d %0*d", w.rng.Uint32(), w.rng.IntN(500), 0)
		b.Put([]byte(k), []byte(next[k]))
	}
	seq, err := w.e.Commit(&b, w.rng.IntN(3) == 0)
	if err != nil {
		w.t.Fatalf("commit: %v", err)
	}
	w.now, w.states[seq] = next, next
}

// ingest commits a large transaction.
func (w *world) ingest() {
	w.t.Helper()
	s := w.e.NewIngest()
	next := maps.Clone(w.now)
	for i := range 5 {
		k, v := fmt.Sprintf("key %02d", i*8), fmt.Sprintf("large %d", w.rng.Uint32())
		if err := s.Add([]byte(k), key.KindPut, []byte(v)); err != nil {
			w.t.Fatal(err)
		}
		next[k] = v
	}
	spill, err := s.Finish()
	if err != nil {
		w.t.Fatal(err)
	}
	seq, err := w.e.Ingest(spill, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.now, w.states[seq] = next, next
}

// step does anything that may happen, but for large transactions.
func (w *world) step() {
	w.t.Helper()
	w.clock = w.clock.Add(time.Second)
	var err error
	switch w.rng.IntN(40) {
	case 0:
		w.close()
		w.open()
	case 1:
		w.crash()
	case 2:
		err = w.e.Flush()
	case 3:
		_, err = w.e.FlushStep()
	case 4:
		_, err = w.e.CompactStep()
	case 5, 6:
		_, err = w.e.CleanStep()
	case 7:
		_, err = w.e.SyncStep()
	case 8, 9, 10:
		_, _ = w.a.Step(context.Background())
	default:
		w.commit()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// catchUp archives all there is.
func (w *world) catchUp() {
	w.t.Helper()
	w.clock = w.clock.Add(time.Second)
	if err := w.e.Sync(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.a.catchUp(context.Background()); err != nil {
		w.t.Fatalf("archive: %v", err)
	}
	if m := w.a.Metrics(); m.Sequence != uint64(w.e.Tree().Visible()) || m.Lag != 0 || m.LagOperations != 0 {
		w.t.Errorf("of %d is archived: %+v", w.e.Tree().Visible(), m)
	}
}

// restore restores a point, and returns what is there.
func (w *world) restore(p Point, c Choice) (map[string]string, Reached, error) {
	plan, err := Find(context.Background(), w.shelf, w.shelf.known, p, c)
	if err != nil {
		return nil, Reached{}, err
	}
	dir := w.shelf.backups[plan.Backup.ID].Image(memfs.All, 0)
	r, err := plan.Replay(context.Background(), w.shelf, dir, func(uint64) {})
	if err != nil {
		return nil, r, err
	}
	return contentOf(w.t, dir), r, nil
}

func contentOf(t *testing.T, dir *memfs.FS) map[string]string {
	t.Helper()
	e, err := engine.Open(engine.Options{FS: dir, ReadOnly: true, Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	it, err := e.NewIterator(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	all := make(map[string]string)
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.Value()
		if err != nil {
			t.Fatal(err)
		}
		all[string(it.Key())] = string(v)
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return all
}

// branches lists the archive, but for bases of which nobody goes on, because their Put had its effect when the process
// that made it was no more.
func (w *world) branches() []Branch {
	w.t.Helper()
	all, err := List(context.Background(), w.shelf)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range all {
		if b.Damage != nil {
			w.t.Errorf("branch %s: %v", b.ID, b.Damage)
		}
	}
	return slices.DeleteFunc(all, func(b Branch) bool {
		followed := slices.ContainsFunc(all, func(c Branch) bool { return c.After == b.ID })
		return w.shelf.faulty && b.Pieces == 1 && b.ID != w.a.Metrics().Branch && !followed
	})
}

// check restores n of the states that were, and compares them: all of them are in a branch, or in a gap between two.
func (w *world) check(n int) {
	w.t.Helper()
	all := w.branches()
	seqs := slices.Sorted(maps.Keys(w.states))
	for range n {
		seq := seqs[w.rng.IntN(len(seqs))]
		in := slices.IndexFunc(all, func(b Branch) bool { return b.First <= uint64(seq) && uint64(seq) <= b.Last })
		got, r, err := w.restore(Sequence(uint64(seq)), Choice{})
		switch {
		case in < 0 && errors.Is(err, ErrNoPoint):
		case err != nil:
			w.t.Errorf("%d, which is in branch %d of %+v: %v", seq, in, all, err)
		case r.Sequence != uint64(seq) || !maps.Equal(got, w.states[seq]):
			w.t.Errorf("the state after %d is that after %d, with %d keys of %d", seq, r.Sequence, len(got),
				len(w.states[seq]))
		}
	}
	slices.SortFunc(all, func(a, b Branch) int { return cmp.Compare(a.First, b.First) })
	for i, b := range all[1:] {
		if b.Cause == Begin || b.Ended != all[i].Last || b.After != all[i].ID {
			w.t.Errorf("branch %+v follows %+v", b, all[i])
		}
	}
}
