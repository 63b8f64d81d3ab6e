package lightningdb

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	isolationSchedules = flag.Int("isolation.schedules", 120,
		"random interleavings of each script and setting; 0 for all there are")
	isolationScripts = flag.Int("isolation.scripts", 1500, "random scripts")
	isolationSeed    = flag.Uint64("isolation.seed", 0, "seed of random scripts and schedules; 0 for one from the clock")
)

func isolationRand(t *testing.T) *rand.Rand {
	seed := *isolationSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-isolation.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// step is one call of a transaction: against the database, and against a map that is all it should see.
type step struct {
	name  string
	locks *string // the key that run locks, or nil
	run   func(*actor) (string, error)
	model func(*replica) string
}

// script is a small number of transactions, and what is in the database before.
type script struct {
	name   string
	actors [][]step
	skew   bool // under snapshot isolation some commits are not as if one had run after the other
}

// actor is a transaction of a script on its way.
type actor struct {
	steps   []step
	blind   bool // one Batch outside all transactions
	aborts  bool // ends in Rollback
	tx      *Tx
	cursor  *Cursor
	batch   Batch
	written map[string]bool           // true: put or deleted, false: only merged into
	effects []func(map[string]string) // what its writes do to a state

	at         int // steps done, the end included
	seen       []string
	began, end int // how many states there were
	committed  bool
	err        error
}

// replica is the transaction of an actor, played again on a state.
type replica struct {
	rows     map[string]string
	position string // of the cursor
	standing bool
}

// recording is one interleaving.
type recording struct {
	db       *DB
	isolated Isolation
	actors   []*actor
	states   []map[string]string
	locked   map[string]*actor // by GetForUpdate
	order    []string
}

var isolationStart = map[string]string{"b": "10", "d": "20", "f": "30"}

// The anomalies of Hermitage, Fekete and Jepsen: whoever sees one of them acts on a state that never was.
func TestIsolation_namedAnomalies(t *testing.T) {
	rng := isolationRand(t)
	for _, s := range anomalies() {
		t.Run(s.name, func(t *testing.T) {
			for name, between := range settings() {
				for _, level := range []Isolation{Serializable, SnapshotIsolation} {
					skewed := s.explore(t, rng, name, level, between)
					if level == SnapshotIsolation && (skewed > 0) != s.skew && name == "memory" {
						t.Errorf("under snapshot isolation %d interleavings are not serial; some should be: %v", skewed, s.skew)
					}
				}
			}
		})
	}
}

// Nobody thinks of every anomaly: whatever a few transactions do, an order must explain it.
func TestIsolation_randomScripts(t *testing.T) {
	rng := isolationRand(t)
	db := openMemory(t)
	between := settings()
	for i := range *isolationScripts {
		s := randomScript(rng)
		name := []string{"memory", "memory", "memory", "memory", "memory", "mixed"}[rng.IntN(6)]
		level := Isolation(rng.IntN(2))
		for range 3 {
			runSchedule(t, db, s, level, randomTurn(rng), func(db *DB) error { return between[name](db, rng) })
		}
		if t.Failed() {
			t.Fatalf("script %d", i)
		}
	}
}

// settings are what happens to the tree between any two steps, so that what a check looks for is in all places.
func settings() map[string]func(*DB, *rand.Rand) error {
	flush := func(db *DB, _ *rand.Rand) error { return db.Flush() }
	compact := func(db *DB, _ *rand.Rand) error {
		return errors.Join(db.Flush(), db.Compact(context.Background(), nil, nil))
	}
	nothing := func(*DB, *rand.Rand) error { return nil }
	return map[string]func(*DB, *rand.Rand) error{
		"memory": nothing, "flushed": flush, "compacted": compact,
		"mixed": func(db *DB, rng *rand.Rand) error {
			choice := []func(*DB, *rand.Rand) error{nothing, nothing, nothing, nothing, nothing, nothing, flush, compact}
			return choice[rng.IntN(len(choice))](db, rng)
		},
	}
}

// explore runs interleavings of s and returns how many of them are not as if the transactions had run in the order of
// their commits.
func (s script) explore(t *testing.T, rng *rand.Rand, setting string, level Isolation,
	between func(*DB, *rand.Rand) error) (skewed int) {
	t.Helper()
	db := openMemory(t)
	defer db.Close()
	most, schedules := *isolationSchedules, s.schedules()
	if setting != "memory" { // whose steps take a thousand times as long
		most = max(most/8, 15)
	}
	if most > 0 {
		schedules = randomSchedules(rng, most)
	}
	ran := 0
	for next := range schedules {
		legal, serial := runSchedule(t, db, s, level, next, func(db *DB) error { return between(db, rng) })
		if legal {
			ran++
		}
		if legal && !serial {
			skewed++
		}
	}
	if ran == 0 {
		t.Errorf("no interleaving is legal")
	}
	return skewed
}

// turns counts the steps of each actor, its end included.
func (s script) turns() []int {
	turns := make([]int, len(s.actors))
	for i, steps := range s.actors {
		turns[i] = len(steps) + 1
	}
	return turns
}

// schedules yields all orders in which the actors can take their steps.
func (s script) schedules() iter.Seq[turn] {
	return func(yield func(turn) bool) {
		extend(nil, s.turns(), func(schedule []int) bool {
			at := -1
			return yield(func([]int) int { at++; return schedule[at] })
		})
	}
}

// extend yields all schedules that begin with done and go on with the turns that are left, until yield returns false.
func extend(done, left []int, yield func([]int) bool) bool {
	more := false
	for i := range left {
		if left[i] == 0 {
			continue
		}
		more = true
		left[i]--
		goOn := extend(append(done, i), left, yield)
		left[i]++
		if !goOn {
			return false
		}
	}
	return more || yield(done)
}

// randomSchedules yields n random orders, in which nobody has to wait but for deadlocks.
func randomSchedules(rng *rand.Rand, n int) iter.Seq[turn] {
	return func(yield func(turn) bool) {
		for range n {
			if !yield(randomTurn(rng)) {
				return
			}
		}
	}
}

func randomTurn(rng *rand.Rand) turn {
	return func(ready []int) int { return ready[rng.IntN(len(ready))] }
}

// turn chooses which of the actors that need not wait takes the next step.
type turn func(ready []int) int

// runSchedule runs one interleaving and checks what it gave. It is not legal if a step would have to wait for another
// actor, and then it is broken off.
func runSchedule(t *testing.T, db *DB, s script, level Isolation, next turn,
	between func(*DB) error) (legal, serial bool) {
	t.Helper()
	r := &recording{db: db, isolated: level, locked: map[string]*actor{}}
	if err := r.begin(s); err != nil {
		t.Fatal(err)
	}
	defer r.abandon()
	for !r.done() {
		ready := r.ready()
		if len(ready) == 0 {
			return false, false
		}
		i := next(ready)
		if !slices.Contains(ready, i) {
			return false, false
		}
		a := r.actors[i]
		if err := errors.Join(r.advance(a, i), between(db)); err != nil {
			t.Fatalf("%s: %v\n%s", s.name, err, strings.Join(r.order, "\n"))
		}
	}
	problem, serial := r.check()
	if problem != "" {
		t.Errorf("%s at level %d: %s\n%s", s.name, level, problem, strings.Join(r.order, "\n"))
	}
	return true, serial
}

// begin brings the database back to where every script starts. The first key is the empty one.
func (r *recording) begin(s script) error {
	var b Batch
	for _, k := range strings.Split(" a b c d e f g", " ") {
		if v, ok := isolationStart[k]; ok {
			b.Put([]byte(k), []byte(v))
		} else {
			b.Delete([]byte(k))
		}
	}
	r.states = []map[string]string{isolationStart}
	for _, steps := range s.actors {
		a := &actor{steps: steps, began: -1, written: map[string]bool{}}
		switch last := steps[len(steps)-1].name; last {
		case "rollback":
			a.aborts = true
		case "write":
			a.blind = true
		}
		r.actors = append(r.actors, a)
	}
	return r.db.Write(&b)
}

// ready returns the actors that have steps left and need not wait.
func (r *recording) ready() (ready []int) {
	for i, a := range r.actors {
		if a.at <= len(a.steps) && !r.waits(a) {
			ready = append(ready, i)
		}
	}
	return ready
}

// done reports whether all actors have ended.
func (r *recording) done() bool {
	return !slices.ContainsFunc(r.actors, func(a *actor) bool { return a.at <= len(a.steps) })
}

// waits reports whether a's next step would wait for another actor's lock.
func (r *recording) waits(a *actor) bool {
	if a.err != nil || a.aborts && a.at >= len(a.steps)-1 {
		return false
	}
	if a.at < len(a.steps) {
		k := a.steps[a.at].locks
		return k != nil && r.locked[*k] != nil && r.locked[*k] != a
	}
	for k, holder := range r.locked {
		if _, writes := a.written[k]; writes && holder != a {
			return true
		}
	}
	return false
}

// advance takes a's next step, of which the last is its end.
func (r *recording) advance(a *actor, number int) (err error) {
	if a.began < 0 {
		a.began = len(r.states) - 1
		if a.tx, err = r.db.Begin(context.Background(), TxOptions{Isolation: r.isolated}); err != nil {
			return err
		}
	}
	defer func() { a.at++ }()
	if a.at == len(a.steps) {
		return r.finish(a, number)
	}
	if a.err != nil {
		return nil
	}
	s := a.steps[a.at]
	got, err := s.run(a)
	r.order = append(r.order, fmt.Sprintf("  T%d %s = %s %v", number, s.name, got, err))
	if errors.Is(err, ErrConflict) {
		a.err = err
		return r.drop(a)
	}
	a.seen = append(a.seen, got)
	if s.locks != nil {
		r.locked[*s.locks] = a
	}
	return err
}

// finish ends a.
func (r *recording) finish(a *actor, number int) error {
	if a.err != nil {
		return nil
	}
	switch {
	case a.aborts:
		a.err = a.tx.Rollback()
	case a.blind:
		a.err = errors.Join(a.tx.Rollback(), r.db.Write(&a.batch))
	default:
		a.err = a.tx.Commit()
	}
	r.unlock(a)
	a.end = len(r.states) - 1
	a.committed = a.err == nil && !a.aborts
	r.order = append(r.order, fmt.Sprintf("  T%d ends: %v", number, a.err))
	if a.err != nil && !errors.Is(a.err, ErrConflict) {
		return a.err
	}
	if a.committed && len(a.written) > 0 {
		next := maps.Clone(r.states[a.end])
		for _, effect := range a.effects {
			effect(next)
		}
		r.states = append(r.states, next)
	}
	return nil
}

// drop ends a, which has lost.
func (r *recording) drop(a *actor) error {
	a.end = len(r.states) - 1
	r.unlock(a)
	return a.tx.Rollback()
}

func (r *recording) unlock(a *actor) {
	maps.DeleteFunc(r.locked, func(_ string, holder *actor) bool { return holder == a })
}

// abandon ends what is still open.
func (r *recording) abandon() {
	for _, a := range r.actors {
		if a.cursor != nil {
			a.cursor.Close()
		}
		if a.tx != nil {
			a.tx.Rollback()
		}
	}
}

// check explains the recording: every transaction saw one state, of a time while it ran; a serializable one that
// wrote saw the state that it changed, so that the order of the commits is the serial one. Under snapshot isolation
// it is enough that nobody has changed meanwhile what it wrote. It also reports whether all are serial.
func (r *recording) check() (problem string, serial bool) {
	serial = true
	for i, a := range r.actors {
		wrote := a.committed && len(a.written) > 0
		explained := false
		for at := a.began; at <= a.end; at++ {
			isLast := maps.Equal(r.states[at], r.states[a.end])
			if wrote && r.isolated == Serializable && !isLast || wrote && !isLast && r.overwritten(a, at) {
				continue
			}
			explained = explained || a.explainedBy(r.states[at])
		}
		if !explained {
			return fmt.Sprintf("T%d saw %q, which no state explains", i, a.seen), false
		}
		serial = serial && (!wrote || a.explainedBy(r.states[a.end]))
	}
	if got, want := contents(r.db), r.states[len(r.states)-1]; !maps.Equal(got, want) {
		return fmt.Sprintf("the database ends as %v, not %v", got, want), false
	}
	if lost := r.needlesslyLost(); lost >= 0 {
		return fmt.Sprintf("T%d lost, though nobody committed while it ran", lost), false
	}
	return "", serial
}

// overwritten reports whether a writes what another has changed since state at.
func (r *recording) overwritten(a *actor, at int) bool {
	for k, replaced := range a.written {
		if !replaced {
			continue
		}
		before, was := r.states[at][k]
		after, is := r.states[a.end][k]
		if before != after || was != is {
			return true
		}
	}
	return false
}

// needlesslyLost returns an actor that failed without any reason, or -1.
func (r *recording) needlesslyLost() int {
	return slices.IndexFunc(r.actors, func(a *actor) bool { return a.err != nil && a.began == a.end })
}

func (a *actor) explainedBy(state map[string]string) bool {
	return slices.Equal(a.replayOn(maps.Clone(state)), a.seen)
}

// replayOn plays the steps that a has made on rows and returns what they see.
func (a *actor) replayOn(rows map[string]string) (seen []string) {
	p := &replica{rows: rows}
	for _, s := range a.steps[:len(a.seen)] {
		seen = append(seen, s.model(p))
	}
	return seen
}

func contents(db *DB) map[string]string {
	rows := map[string]string{}
	for k, v := range db.Range(nil, nil).All() {
		rows[string(k)] = string(v)
	}
	return rows
}

// value turns the outcome of a read into text.
func value(v []byte, err error) (string, error) {
	if errors.Is(err, ErrNotFound) {
		return "-", nil
	}
	return string(v), err
}

func (p *replica) get(k string) string {
	if v, ok := p.rows[k]; ok {
		return v
	}
	return "-"
}

func (a *actor) put(k, v string) error {
	a.written[k] = true
	a.effects = append(a.effects, func(rows map[string]string) { rows[k] = v })
	if a.blind {
		a.batch.Put([]byte(k), []byte(v))
		return nil
	}
	return a.tx.Put([]byte(k), []byte(v))
}

func (a *actor) remove(k string) error {
	a.written[k] = true
	a.effects = append(a.effects, func(rows map[string]string) { delete(rows, k) })
	if a.blind {
		a.batch.Delete([]byte(k))
		return nil
	}
	return a.tx.Delete([]byte(k))
}

// isolationKeys are all keys of scripts.
var isolationKeys = []string{"", "a", "b", "c", "d", "e", "f", "g"}

// wipe deletes the range of s. It writes every key in it, whether that is there or not.
func (a *actor) wipe(s scanBounds) error {
	for _, k := range isolationKeys {
		if s.has(k) {
			a.written[k] = true
		}
	}
	a.effects = append(a.effects, s.wipe)
	if a.blind {
		return a.batch.DeleteRange(bound(s.lo), bound(s.hi))
	}
	return a.tx.DeleteRange(bound(s.lo), bound(s.hi))
}

func sGet(k string) step {
	return step{
		name:  "get " + k,
		run:   func(a *actor) (string, error) { return value(a.tx.Get([]byte(k))) },
		model: func(p *replica) string { return p.get(k) },
	}
}

func sLock(k string) step {
	return step{
		name: "get for update " + k, locks: &k,
		run:   func(a *actor) (string, error) { return value(a.tx.GetForUpdate([]byte(k))) },
		model: func(p *replica) string { return p.get(k) },
	}
}

func sPut(k, v string) step {
	return step{
		name:  "put " + k + " " + v,
		run:   func(a *actor) (string, error) { return "", a.put(k, v) },
		model: func(p *replica) string { p.rows[k] = v; return "" },
	}
}

func sDelete(k string) step {
	return step{
		name:  "delete " + k,
		run:   func(a *actor) (string, error) { return "", a.remove(k) },
		model: func(p *replica) string { delete(p.rows, k); return "" },
	}
}

// sIncrement adds 1 to what it reads.
func sIncrement(k string) step {
	return step{
		name: "increment " + k,
		run: func(a *actor) (string, error) {
			v, err := value(a.tx.Get([]byte(k)))
			if err != nil {
				return v, err
			}
			return v, a.put(k, incremented(v))
		},
		model: func(p *replica) string {
			v := p.get(k)
			p.rows[k] = incremented(v)
			return v
		},
	}
}

func incremented(v string) string {
	n, _ := strconv.Atoi(v)
	return strconv.Itoa(n + 1)
}

// sAppend merges.
func sAppend(k string) step {
	return step{
		name: "append " + k,
		run: func(a *actor) (string, error) {
			if _, before := a.written[k]; !before {
				a.written[k] = false
			}
			a.effects = append(a.effects, func(rows map[string]string) { rows[k] += "1" })
			return "", a.tx.Append([]byte(k), []byte("1"))
		},
		model: func(p *replica) string { p.rows[k] += "1"; return "" },
	}
}

// scanBounds is the bounds of a scan, "" meaning none.
type scanBounds struct {
	lo, hi  string
	reverse bool
	limit   int // 0: none
}

func (s scanBounds) String() string {
	return fmt.Sprintf("[%s,%s) %v %d", s.lo, s.hi, s.reverse, s.limit)
}

func bound(k string) []byte {
	if k == "" {
		return nil
	}
	return []byte(k)
}

func (s scanBounds) has(k string) bool { return k >= s.lo && (s.hi == "" || k < s.hi) }

// wipe deletes the range of s, whatever its limit is.
func (s scanBounds) wipe(rows map[string]string) {
	maps.DeleteFunc(rows, func(k, _ string) bool { return s.has(k) })
}

// of returns the rows of s as text.
func (s scanBounds) of(rows map[string]string) string {
	keys := slices.Sorted(maps.Keys(rows))
	keys = slices.DeleteFunc(keys, func(k string) bool { return !s.has(k) })
	if s.reverse {
		slices.Reverse(keys)
	}
	if s.limit > 0 && len(keys) > s.limit {
		keys = keys[:s.limit]
	}
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%s=%s ", k, rows[k])
	}
	return b.String()
}

func (s scanBounds) in(tx *Tx) (string, error) {
	r := tx.Range(bound(s.lo), bound(s.hi))
	if s.reverse {
		r.Reverse()
	}
	if s.limit > 0 {
		r.Limit(s.limit)
	}
	var b strings.Builder
	for k, v := range r.All() {
		fmt.Fprintf(&b, "%s=%s ", k, v)
	}
	return b.String(), r.Err()
}

func sScan(s scanBounds) step {
	return step{
		name:  "scan " + s.String(),
		run:   func(a *actor) (string, error) { return s.in(a.tx) },
		model: func(p *replica) string { return s.of(p.rows) },
	}
}

// sClear deletes what a scan shows.
func sClear(s scanBounds) step {
	return step{
		name: "clear " + s.String(),
		run: func(a *actor) (string, error) {
			saw, err := s.in(a.tx)
			for _, row := range strings.Fields(saw) {
				err = errors.Join(err, a.remove(row[:1]))
			}
			return saw, err
		},
		model: func(p *replica) string {
			saw := s.of(p.rows)
			for _, row := range strings.Fields(saw) {
				delete(p.rows, row[:1])
			}
			return saw
		},
	}
}

// sWipe deletes a range without looking at it.
func sWipe(s scanBounds) step {
	return step{
		name:  "wipe " + s.String(),
		run:   func(a *actor) (string, error) { return "", a.wipe(s) },
		model: func(p *replica) string { s.wipe(p.rows); return "" },
	}
}

// sSum puts the number of rows that a scan shows.
func sSum(s scanBounds, into string) step {
	return step{
		name: "sum " + s.String() + " into " + into,
		run: func(a *actor) (string, error) {
			saw, err := s.in(a.tx)
			return saw, errors.Join(err, a.put(into, strconv.Itoa(len(saw))))
		},
		model: func(p *replica) string {
			saw := s.of(p.rows)
			p.rows[into] = strconv.Itoa(len(saw))
			return saw
		},
	}
}

// moveNames are the moves of the one cursor of a transaction, which is over everything.
var moveNames = []string{"first", "last", "next", "prev", "seek c", "seek e", "before c", "before g"}

// sMove moves the cursor, which stays open over other steps.
func sMove(name string) step {
	return step{
		name: "cursor " + name,
		run: func(a *actor) (string, error) {
			if a.cursor == nil {
				a.cursor = a.tx.Range(nil, nil).Cursor()
			}
			if !moveCursor(a.cursor, name) {
				return "end", a.cursor.Err()
			}
			return fmt.Sprintf("%s=%s", a.cursor.Key(), a.cursor.Value()), a.cursor.Err()
		},
		model: func(p *replica) string { return p.move(name) },
	}
}

func moveCursor(c *Cursor, name string) bool {
	verb, k, _ := strings.Cut(name, " ")
	switch verb {
	case "first":
		return c.First()
	case "last":
		return c.Last()
	case "next":
		return c.Next()
	case "prev":
		return c.Prev()
	case "seek":
		return c.Seek([]byte(k))
	}
	return c.SeekBefore([]byte(k))
}

func (p *replica) move(name string) string {
	verb, k, _ := strings.Cut(name, " ")
	if (verb == "next" || verb == "prev") && !p.standing {
		return "end"
	}
	keys := slices.Sorted(maps.Keys(p.rows))
	at, found := slices.BinarySearch(keys, map[bool]string{true: p.position, false: k}[k == ""])
	switch verb {
	case "first":
		at = 0
	case "last":
		at = len(keys) - 1
	case "next":
		if found {
			at++
		}
	case "prev", "before":
		at--
	}
	if p.standing = at >= 0 && at < len(keys); !p.standing {
		return "end"
	}
	p.position = keys[at]
	return p.position + "=" + p.rows[p.position]
}

func sEnd(name string) step {
	return step{
		name:  name,
		run:   func(*actor) (string, error) { return "", nil },
		model: func(*replica) string { return "" },
	}
}

var (
	sRollback = sEnd("rollback")
	sBlind    = sEnd("write")
	all       = scanBounds{}
)

func anomalies() []script {
	front, back := scanBounds{hi: "d"}, scanBounds{lo: "d"}
	return []script{
		{name: "dirty write", actors: [][]step{
			{sPut("b", "1"), sPut("d", "1")},
			{sPut("b", "2"), sPut("d", "2")},
		}},
		{name: "aborted read", actors: [][]step{
			{sPut("b", "101"), sRollback},
			{sGet("b"), sScan(all), sGet("b")},
		}},
		{name: "intermediate read", actors: [][]step{
			{sPut("b", "101"), sPut("b", "11")},
			{sGet("b"), sGet("b")},
		}},
		{name: "circular information", skew: true, actors: [][]step{
			{sPut("b", "11"), sGet("d")},
			{sPut("d", "22"), sGet("b")},
		}},
		{name: "observed transaction vanishes", actors: [][]step{
			{sPut("b", "11"), sPut("d", "19")},
			{sPut("b", "12"), sPut("d", "18")},
			{sGet("b"), sGet("d"), sGet("b")},
		}},
		{name: "predicate with many preceders", actors: [][]step{
			{sScan(all), sScan(scanBounds{reverse: true})},
			{sPut("c", "3"), sBlind},
			{sDelete("f")},
		}},
		{name: "lost update", actors: [][]step{{sIncrement("b")}, {sIncrement("b")}, {sIncrement("b")}}},
		{name: "lost update of an absent key", actors: [][]step{{sIncrement("c")}, {sIncrement("c")}}},
		{name: "read skew", actors: [][]step{
			{sGet("b"), sGet("d")},
			{sPut("b", "12"), sPut("d", "18")},
		}},
		{name: "read skew and a blind write", actors: [][]step{
			{sGet("b"), sGet("d")},
			{sPut("b", "12"), sPut("d", "18"), sBlind},
		}},
		{name: "read skew with a write by predicate", actors: [][]step{
			{sGet("b"), sClear(back)},
			{sPut("b", "12"), sPut("d", "18")},
		}},
		{name: "write skew", skew: true, actors: [][]step{
			{sGet("b"), sGet("d"), sPut("b", "0")},
			{sGet("b"), sGet("d"), sPut("d", "0")},
		}},
		{name: "write skew by predicate", skew: true, actors: [][]step{
			{sScan(all), sPut("c", "1")},
			{sScan(scanBounds{reverse: true}), sPut("e", "1")},
		}},
		{name: "sums of disjoint spans", skew: true, actors: [][]step{
			{sSum(front, "g")},
			{sSum(back, "a")},
		}},
		{name: "absent keys", skew: true, actors: [][]step{
			{sGet("c"), sPut("e", "1")},
			{sGet("e"), sPut("c", "1")},
		}},
		{name: "first and last row", skew: true, actors: [][]step{
			{sScan(scanBounds{limit: 1}), sPut("g", "1")},
			{sScan(scanBounds{reverse: true, limit: 1}), sPut("a", "1")},
		}},
		{name: "deleted rows", skew: true, actors: [][]step{
			{sScan(front), sDelete("d")},
			{sScan(back), sDelete("b")},
		}},
		{name: "read-only transaction sees the order", skew: true, actors: [][]step{
			{sGet("b"), sGet("d"), sPut("b", "-11")},
			{sIncrement("d")},
			{sGet("b"), sGet("d")},
		}},
		{name: "long fork", actors: [][]step{
			{sPut("b", "1"), sBlind}, {sPut("d", "1")},
			{sGet("b"), sGet("d")}, {sGet("d"), sGet("b")},
		}},
		{name: "own writes", skew: true, actors: [][]step{
			{sPut("c", "1"), sDelete("d"), sScan(all), sScan(scanBounds{reverse: true}), sGet("d"), sPut("d", "2"), sScan(back)},
			{sPut("e", "1")},
		}},
		{name: "lost update of a wiped range", actors: [][]step{
			{sIncrement("b")},
			{sWipe(front), sPut("c", "1")},
			{sWipe(all), sBlind},
		}},
		{name: "read skew of a wiped range", actors: [][]step{
			{sGet("b"), sScan(back), sGet("c")},
			{sWipe(all), sPut("b", "1"), sPut("e", "1")},
		}},
		{name: "write skew by wiped ranges", skew: true, actors: [][]step{
			{sGet("b"), sWipe(back)},
			{sGet("d"), sWipe(front)},
		}},
		{name: "phantoms in a wiped range", skew: true, actors: [][]step{
			{sScan(front), sPut("e", "1")},
			{sWipe(front), sGet("e")},
			{sWipe(back)},
		}},
		{name: "own writes over and under wiped ranges", actors: [][]step{
			{sPut("c", "1"), sWipe(all), sScan(all), sPut("d", "2"), sAppend("b"), sScan(scanBounds{reverse: true}),
				sWipe(front), sScan(all), sGet("b"), sGet("d")},
			{sGet("d"), sPut("e", "1")},
		}},
		{name: "locks in a wiped range", actors: [][]step{
			{sLock("b"), sIncrement("b")},
			{sWipe(front)},
			{sLock("b"), sGet("c"), sIncrement("b")},
		}},
		{name: "cursor over a wiped range", skew: true, actors: [][]step{
			{sMove("first"), sWipe(scanBounds{lo: "c", hi: "f"}), sMove("next"), sPut("d", "1"), sMove("prev"),
				sMove("prev")},
			{sGet("d"), sPut("b", "2")},
		}},
		{name: "cursor", skew: true, actors: [][]step{
			{sMove("first"), sMove("next"), sPut("g", "1")},
			{sMove("last"), sMove("prev"), sPut("a", "1"), sMove("prev")},
		}},
		{name: "cursor that seeks", skew: true, actors: [][]step{
			{sMove("seek c"), sPut("a", "1")},
			{sMove("before c"), sMove("prev"), sPut("c", "1")},
		}},
		{name: "locked counters", actors: [][]step{
			{sLock("b"), sIncrement("b")},
			{sLock("b"), sIncrement("b")},
			{sGet("d"), sLock("b"), sIncrement("b")},
		}},
		{name: "snapshot that moves past a key read", actors: [][]step{
			{sGet("b"), sLock("d"), sPut("d", "0")},
			{sPut("b", "1"), sPut("d", "1")},
		}},
		{name: "snapshot that moves past a scan", actors: [][]step{
			{sScan(front), sLock("d"), sPut("e", "0")},
			{sPut("c", "1"), sPut("d", "1"), sBlind},
		}},
		{name: "snapshot that moves under an open cursor", actors: [][]step{
			{sMove("first"), sLock("d"), sMove("next"), sPut("e", "0")},
			{sPut("a", "1"), sPut("d", "1"), sBlind},
		}},
		{name: "snapshot that moves under a cursor going back", actors: [][]step{
			{sMove("last"), sMove("prev"), sLock("b"), sMove("prev"), sPut("a", "0")},
			{sPut("e", "1"), sPut("b", "1")},
		}},
		{name: "merges", skew: true, actors: [][]step{
			{sAppend("b"), sAppend("c")},
			{sGet("b"), sAppend("b"), sGet("b")},
			{sAppend("b")},
		}},
	}
}

func randomScript(rng *rand.Rand) script {
	s := script{name: "random"}
	for range 2 + rng.IntN(2) {
		var steps []step
		blind := rng.IntN(6) == 0
		for range 1 + rng.IntN(4) {
			steps = append(steps, randomStep(rng, blind))
		}
		switch {
		case blind:
			steps = append(steps, sBlind)
		case rng.IntN(8) == 0:
			steps = append(steps, sRollback)
		}
		s.actors = append(s.actors, steps)
	}
	return s
}

func randomStep(rng *rand.Rand, blind bool) step {
	k := isolationKeys[rng.IntN(len(isolationKeys))]
	v := strconv.Itoa(rng.IntN(100))
	sp := scanBounds{reverse: rng.IntN(2) == 0, limit: max(0, rng.IntN(5)-2)}
	if rng.IntN(2) == 0 {
		sp.lo = k
	}
	if rng.IntN(2) == 0 {
		sp.hi = string("bcdefg"[rng.IntN(6)])
	}
	if blind {
		return []step{sPut(k, v), sDelete(k), sWipe(sp)}[rng.IntN(3)]
	}
	move := sMove(moveNames[rng.IntN(len(moveNames))])
	choice := []step{sGet(k), sGet(k), sPut(k, v), sPut(k, v), sDelete(k), sIncrement(k), sLock(k), sLock(k), sAppend(k),
		sScan(sp), sScan(sp), sClear(sp), sWipe(sp), sWipe(sp), sSum(sp, k), move, move, move, move}
	return choice[rng.IntN(len(choice))]
}
