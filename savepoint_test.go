package lightningdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"

	"runtime"
	"slices"
	"testing"

	"lightningdb/internal/format/span"
)

// What a failed part wrote after it had rolled back to a savepoint from before it would be committed.
func TestTxUpdate_takesBackWhatAFailedPartWroteAfterARollback(t *testing.T) {
	failed := errors.New("the part failed")
	fail := map[string]func(tx *Tx, part func(*Tx) error) error{
		"by an error": func(tx *Tx, part func(*Tx) error) error {
			return tx.Update(func(tx *Tx) error { return errors.Join(part(tx), failed) })
		},
		"by a panic": func(tx *Tx, part func(*Tx) error) (err error) {
			defer func() { err = errors.Join(err, recover().(error)) }()
			return tx.Update(func(tx *Tx) error { panic(errors.Join(part(tx), failed)) })
		},
		"in a part of the part": func(tx *Tx, part func(*Tx) error) error {
			return tx.Update(func(tx *Tx) error {
				return errors.Join(tx.Update(func(tx *Tx) error { return errors.Join(part(tx), failed) }),
					tx.Put([]byte("b"), nil), failed)
			})
		},
	}
	for name, run := range fail {
		t.Run(name, func(t *testing.T) {
			db := openMemory(t)
			err := db.Update(t.Context(), func(tx *Tx) error {
				outside, err := tx.Savepoint()
				if err != nil {
					return err
				}
				err = run(tx, func(tx *Tx) error {
					return errors.Join(tx.Put([]byte("a"), nil), tx.RollbackTo(outside), tx.Put([]byte("b"), nil))
				})
				if !errors.Is(err, failed) || errors.Is(err, ErrSavepointVoid) {
					t.Errorf("the part returned %v", err)
				}
				return errors.Join(tx.Put([]byte("c"), nil), tx.RollbackTo(outside), tx.Put([]byte("d"), nil))
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Collect(keysOf(db.Range(nil, nil))); !slices.Equal(got, []string{"d"}) {
				t.Errorf("committed %q, want only d", got)
			}
		})
	}
}

func keysOf(r *Range) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range r.Keys() {
			if !yield(string(k)) {
				return
			}
		}
	}
}

var partSeeds = flag.Uint64("parts.seeds", 200, "random programs of parts and savepoints")

// Savepoints and parts that are nested, fail, panic and are rolled back past each other would keep or lose a write.
func TestTxUpdate_partsAndSavepointsLikeAModel(t *testing.T) {
	begin := rand.Uint64()
	t.Logf("seeds from %d", begin)
	for i := range *partSeeds {
		newPartsProgram(t, begin+i).run()
		if t.Failed() {
			t.Fatalf("seed %d", begin+i)
		}
	}
}

// partsProgram is a random transaction, and what must come of it.
//
// It cannot draw: two goroutines at once, a commit of others in between, an error of the disk.
type partsProgram struct {
	t      *testing.T
	seed   uint64
	random *rand.Rand
	db     *DB
	keys   [][]byte

	state    partsState
	marks    []partsMark // savepoints that are not void
	void     []Savepoint
	parts    []*partsState // the state that each running part goes back to if it fails
	receipts []int         // what was told to OnCommit
	called   []int
}

// partsState is the content of the database, and how many receipts there are.
type partsState struct {
	values   map[string]string // brokenValue where a merge cannot be applied
	receipts int
	marks    int // savepoints that are older
}

type partsMark struct {
	savepoint Savepoint
	state     partsState
}

const brokenValue = "\x00cannot be told\x00"

var errPart = errors.New("the part fails")

func newPartsProgram(t *testing.T, seed uint64) *partsProgram {
	p := &partsProgram{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0)),
		state: partsState{values: map[string]string{}}}
	p.keys = [][]byte{{}, {0}, {0, 0}, {0x7f}, {0x80}, {0x80, 0xff}, {0xfe}, {0xff}, {0xff, 0xff}, []byte("é"),
		bytes.Repeat([]byte{0xff}, 300)}
	return p
}

func (p *partsProgram) run() {
	db, err := Open("", &Options{InMemory: true, MemoryLimit: 10 << 20,
		Merge: func(_, old, argument []byte) ([]byte, error) {
			if len(argument) > 0 && argument[0] == 0xee {
				return nil, errors.New("refused")
			}
			return append(slices.Clip(argument), old...), nil
		}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.db = db
	defer db.Close()
	for range p.random.IntN(12) { // what the transaction finds
		p.write(p.db)
	}
	found := maps.Clone(p.state.values)
	commit := p.random.IntN(4) > 0
	err = p.db.Update(p.t.Context(), func(tx *Tx) error {
		p.steps(tx, 0)
		if !commit {
			return errPart
		}
		return nil
	})
	if commit && err != nil || !commit && !errors.Is(err, errPart) {
		p.fail("the transaction ended with %v", err)
	}
	if !commit {
		p.state.values, p.receipts = found, nil
	}
	if !slices.Equal(p.called, p.receipts[:min(len(p.receipts), p.state.receipts)]) {
		p.fail("OnCommit called %v, want %v", p.called, p.receipts)
	}
	p.compare(p.db)
}

func (p *partsProgram) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("seed %d: %s", p.seed, fmt.Sprintf(format, args...))
}

func (p *partsProgram) snapshot() partsState {
	return partsState{maps.Clone(p.state.values), p.state.receipts, len(p.marks)}
}

func (p *partsProgram) restore(s partsState) {
	p.state = partsState{maps.Clone(s.values), s.receipts, 0}
}

// steps does some random things to tx.
func (p *partsProgram) steps(tx *Tx, depth int) {
	for range 1 + p.random.IntN(12) {
		switch n := p.random.IntN(20); {
		case n < 8:
			p.write(tx)
		case n < 10:
			p.savepoint(tx)
		case n < 13:
			p.rollback(tx)
		case n < 16 && depth < 5:
			p.part(tx, depth)
		case n == 16:
			p.receipt(tx)
		case n == 17:
			p.lock(tx)
		default:
			p.compare(tx)
		}
		if p.t.Failed() {
			return
		}
	}
}

func (p *partsProgram) savepoint(tx *Tx) {
	s, err := tx.Savepoint()
	if err != nil {
		p.fail("Savepoint: %v", err)
	}
	p.marks = append(p.marks, partsMark{s, p.snapshot()})
}

// cut makes the savepoints from the n-th on void.
func (p *partsProgram) cut(n int) {
	for _, m := range p.marks[n:] {
		p.void = append(p.void, m.savepoint)
	}
	p.marks = p.marks[:n]
}

func (p *partsProgram) rollback(tx *Tx) {
	if len(p.void) > 0 && p.random.IntN(5) == 0 {
		if err := tx.RollbackTo(p.void[p.random.IntN(len(p.void))]); !errors.Is(err, ErrSavepointVoid) {
			p.fail("RollbackTo a void savepoint: %v", err)
		}
	}
	if len(p.marks) == 0 {
		return
	}
	at := p.random.IntN(len(p.marks))
	m := p.marks[at]
	if err := tx.RollbackTo(m.savepoint); err != nil {
		p.fail("RollbackTo: %v", err)
	}
	p.cut(at + 1)
	p.restore(m.state)
	for _, begin := range p.parts {
		if begin.marks > at { // the part began later
			*begin = m.state
			begin.marks = at + 1 // m itself is not the part's
		}
	}
}

// part runs a part of tx, which may fail in several ways.
func (p *partsProgram) part(tx *Tx, depth int) {
	begin := p.snapshot()
	p.parts = append(p.parts, &begin)
	how := p.random.IntN(5)
	err := runPart(tx, how == 4, func(tx *Tx) error {
		p.steps(tx, depth+1)
		switch how {
		case 2:
			return errPart
		case 3:
			panic(errPart)
		case 4:
			runtime.Goexit()
		}
		return nil
	})
	p.parts = p.parts[:len(p.parts)-1]
	p.cut(min(begin.marks, len(p.marks)))
	if how < 2 {
		if err != nil {
			p.fail("the part ended with %v", err)
		}
		return
	}
	if !errors.Is(err, errPart) || errors.Is(err, ErrSavepointVoid) {
		p.fail("the failed part ended with %v", err)
	}
	p.restore(begin)
}

// runPart calls tx.Update, in another goroutine if fn ends that.
func runPart(tx *Tx, exits bool, fn func(tx *Tx) error) (err error) {
	if exits {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = tx.Update(fn)
		}()
		<-done
		return errPart
	}
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	return tx.Update(fn)
}

func (p *partsProgram) receipt(tx *Tx) {
	n := p.random.Int()
	if err := tx.OnCommit(func(uint64) { p.called = append(p.called, n) }); err != nil {
		p.fail("OnCommit: %v", err)
	}
	p.receipts = append(p.receipts[:p.state.receipts], n)
	p.state.receipts++
}

func (p *partsProgram) lock(tx *Tx) {
	k := p.key()
	v, err := tx.GetForUpdate(k)
	p.check(k, v, err)
}

func (p *partsProgram) key() []byte { return p.keys[p.random.IntN(len(p.keys))] }

// writer is what DB and Tx have in common here.
type writer interface {
	Put(key, value []byte) error
	Delete(key []byte) error
	Add(key []byte, n int64) error
	Max(key []byte, n int64) error
	Append(key, tail []byte) error
	Merge(key, argument []byte) error
	DeleteRange(lo, hi []byte) error
	DeletePrefix(p []byte) error
}

// deleteRange deletes a range between any two keys, or a prefix.
func (p *partsProgram) deleteRange(w writer) {
	s := span.Span{Lo: p.key(), Hi: p.key()}
	switch p.random.IntN(6) {
	case 0:
		s.Lo = nil
	case 1:
		s.Hi = nil
	case 2:
		s = span.Prefix(s.Lo)
		p.accept(w.DeletePrefix(s.Lo))
		p.wipe(s)
		return
	}
	p.accept(w.DeleteRange(s.Lo, s.Hi))
	p.wipe(s)
}

func (p *partsProgram) wipe(s span.Span) {
	maps.DeleteFunc(p.state.values, func(k, _ string) bool { return s.Contains([]byte(k)) })
}

func (p *partsProgram) write(w writer) {
	if p.random.IntN(8) == 0 {
		p.deleteRange(w)
		return
	}
	k := p.key()
	argument := p.argument()
	n := p.random.Int64()
	old, present := p.state.values[string(k)]
	set := func(v string) { p.state.values[string(k)] = v }
	switch p.random.IntN(8) {
	case 0, 1:
		p.accept(w.Put(k, argument))
		set(string(argument))
	case 2:
		p.accept(w.Put(k, AppendInt64(nil, n)))
		set(string(AppendInt64(nil, n)))
	case 3:
		p.accept(w.Delete(k))
		delete(p.state.values, string(k))
	case 4:
		p.merged(k, w.Add(k, n), integerAfter(old, present, func(was int64) int64 { return was + n }), set)
	case 5:
		after := integerAfter(old, present, func(was int64) int64 { return max(was, n) })
		if !present {
			after = string(AppendInt64(nil, n))
		}
		p.merged(k, w.Max(k, n), after, set)
	case 6:
		after := old + string(argument)
		if old == brokenValue {
			after = brokenValue
		}
		p.merged(k, w.Append(k, argument), after, set)
	case 7:
		after := string(argument) + old
		if old == brokenValue || len(argument) > 0 && argument[0] == 0xee {
			after = brokenValue
		}
		p.merged(k, w.Merge(k, argument), after, set)
	}
}

// argument draws bytes, sometimes enough to make the transaction spill.
func (p *partsProgram) argument() []byte {
	b := make([]byte, p.random.IntN(12))
	if p.random.IntN(10) == 0 {
		b = make([]byte, 200<<10)
	}
	if len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, p.random.Uint64())
	}
	if len(b) > 0 && p.random.IntN(8) == 0 {
		b[0] = 0xee
	}
	return b
}

func integerAfter(old string, present bool, change func(int64) int64) string {
	if !present {
		return string(AppendInt64(nil, change(0)))
	}
	was, err := Int64([]byte(old))
	if err != nil {
		return brokenValue
	}
	return string(AppendInt64(nil, change(was)))
}

func (p *partsProgram) accept(err error) {
	if err != nil {
		p.fail("a write was refused: %v", err)
	}
}

// merged notes a merge that was accepted. One that cannot be applied may be refused: then nothing must come of it.
func (p *partsProgram) merged(k []byte, err error, after string, set func(string)) {
	switch {
	case err == nil:
		set(after)
	case !errors.Is(err, ErrMerge) || after != brokenValue:
		p.fail("a merge of key %x was refused: %v", k, err)
	}
}

// check compares what was read of k with the model.
func (p *partsProgram) check(k, v []byte, err error) {
	want, present := p.state.values[string(k)]
	switch {
	case want == brokenValue:
		if !errors.Is(err, ErrMerge) {
			p.fail("key %x: %d bytes, %v, want ErrMerge", k, len(v), err)
		}
	case !present:
		if !errors.Is(err, ErrNotFound) {
			p.fail("key %x: %d bytes, %v, want ErrNotFound", k, len(v), err)
		}
	case err != nil || string(v) != want:
		p.fail("key %x: %d bytes, %v, want %d bytes", k, len(v), err, len(want))
	}
}

// reader is what DB and Tx have in common here.
type reader interface {
	Get(key []byte) ([]byte, error)
	Range(lo, hi []byte) *Range
}

// compare reads everything, by keys and in a loop.
func (p *partsProgram) compare(r reader) {
	for _, k := range p.keys {
		v, err := r.Get(k)
		p.check(k, v, err)
	}
	want := slices.Sorted(maps.Keys(p.state.values))
	all := r.Range(nil, nil)
	if got := slices.Collect(keysOf(all)); !slices.Equal(got, want) || all.Err() != nil {
		p.fail("keys %x, %v, want %x", got, all.Err(), want)
	}
	seen := 0
	for k, v := range all.All() {
		p.check(k, v, nil)
		seen++
	}
	broken := slices.IndexFunc(want, func(k string) bool { return p.state.values[k] == brokenValue })
	if err := all.Err(); broken < 0 && (err != nil || seen != len(want)) || broken >= 0 &&
		(!errors.Is(err, ErrMerge) || seen != broken) {
		p.fail("the loop ended after %d of %d with %v; the first that cannot be told is %d", seen, len(want), err, broken)
	}
}

// A transaction that met an ErrMerge could not repair it.
func TestErrMerge_isAResultAndNoFailure(t *testing.T) {
	k := []byte("k")
	reads := map[string]func(tx *Tx) error{
		"Get":          func(tx *Tx) error { _, err := tx.Get(k); return err },
		"GetForUpdate": func(tx *Tx) error { _, err := tx.GetForUpdate(k); return err },
		"Has":          func(tx *Tx) error { _, err := tx.Has(k); return err },
		"a loop": func(tx *Tx) error {
			r := tx.Range(nil, nil)
			for range r.All() {
			}
			return r.Err()
		},
		"a cursor": func(tx *Tx) error {
			c := tx.Prefix(k).Cursor()
			defer c.Close()
			c.First()
			c.Value()
			return c.Err()
		},
	}
	for name, read := range reads {
		for _, own := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, own=%v", name, own), func(t *testing.T) {
				db := openMemory(t)
				if err := errors.Join(db.Put(k, []byte("text")), db.Delete([]byte("z"))); err != nil {
					t.Fatal(err)
				}
				if !own {
					if err := db.Add(k, 1); err != nil {
						t.Fatal(err)
					}
				}
				err := db.Update(t.Context(), func(tx *Tx) error {
					if own {
						if err := tx.Add(k, 1); err != nil {
							return err
						}
					}
					if err := read(tx); !errors.Is(err, ErrMerge) {
						t.Errorf("read: %v", err)
					}
					return tx.Put(k, []byte("repaired"))
				})
				if v, got := db.Get(k); err != nil || got != nil || string(v) != "repaired" {
					t.Errorf("the repair: %v; then %q, %v", err, v, got)
				}
			})
		}
	}
}

// A transaction would commit what it made of a part of a range, because nobody asked how the loop ended.
func TestErrMerge_countsWhereNobodyAsked(t *testing.T) {
	db := openMemory(t)
	if err := errors.Join(db.Put([]byte("k"), []byte("text")), db.Add([]byte("k"), 1)); err != nil {
		t.Fatal(err)
	}
	walk := func(tx *Tx) error {
		r := tx.Range(nil, nil)
		for range r.All() {
		}
		for range r.Keys() { // forgets how the first loop ended
		}
		return r.Err()
	}
	if err := db.View(t.Context(), walk); !errors.Is(err, ErrMerge) {
		t.Errorf("View: %v", err)
	}
	err := db.Update(t.Context(), func(tx *Tx) error { return errors.Join(walk(tx), tx.Put([]byte("sum"), nil)) })
	if !errors.Is(err, ErrMerge) {
		t.Errorf("Update: %v", err)
	}
	if has, err := db.Has([]byte("sum")); has || err != nil {
		t.Errorf("the sum is there: %v, %v", has, err)
	}
}

// A merge that was refused would be there in part, or its refusal would end the transaction.
func TestTx_refusesAMergeForCertain(t *testing.T) {
	db := openMemory(t)
	err := db.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Put([]byte("k"), []byte("text")); err != nil {
			return err
		}
		if err := tx.Add([]byte("k"), 1); !errors.Is(err, ErrMerge) {
			t.Errorf("Add to a text: %v", err)
		}
		return tx.Append([]byte("k"), []byte(", and more"))
	})
	if v, got := db.Get([]byte("k")); err != nil || got != nil || string(v) != "text, and more" {
		t.Errorf("%v; then %q, %v", err, v, got)
	}
}

// A part would commit half of the whole, and then tell its caller that it took back what it wrote.
func TestTxUpdate_refusesToEndTheWhole(t *testing.T) {
	db := openMemory(t)
	tx := beginTx(t, db, TxOptions{})
	failed := errors.New("the part failed")
	err := tx.Update(func(part *Tx) error {
		if err := part.Put([]byte("half"), nil); err != nil {
			return err
		}
		for name, end := range map[string]func() error{"Commit": part.Commit, "Rollback": part.Rollback,
			"the whole's": tx.Commit} {
			if err := end(); !errors.Is(err, ErrManagedTx) {
				t.Errorf("%s in a part: %v", name, err)
			}
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("the part ended with %v", err)
	}
	if err := errors.Join(tx.Put([]byte("whole"), nil), tx.Commit()); err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(keysOf(db.Range(nil, nil))); !slices.Equal(got, []string{"whole"}) {
		t.Errorf("committed %q", got)
	}
}
