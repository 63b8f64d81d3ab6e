package mutants

// besideClose is the check that holds the methods whose names begin so against Close.
func besideClose(methods string) Check {
	return Check{Package: ".", Run: "^TestClose_besideEveryCall$", Flags: "-close.rounds 200 -close.method " + methods}
}

// entered is the beginning of a call in the engine, of which out is the result when it is refused.
func entered(engine, out string) string {
	return "	if err := " + engine + ".Enter(); err != nil {\n		return " + out + "\n	}\n	defer " + engine + ".Leave()\n"
}

// closeMutants break what calls during Close, and after a failure, may rely on.
var closeMutants = []Mutant{
	{
		Name:   "Close does not wait for calls",
		Breaks: "whoever works when the database is closed works on what is gone",
		Changes: []Change{{"internal/engine/engine.go", `	e.gate.Wait()
`, ``}},
		Killer: besideClose("DB.Flush"),
		Hangs:  true,
	},
	{
		Name:   "a call comes in after Close has counted",
		Breaks: "whoever works when the database is closed works on what is gone",
		Changes: []Change{{"internal/system/calls/calls.go", `	g.running.Add(1)
	if g.closed.Load() { // in this order: Close sets it, then counts
		g.Leave()
		return ErrClosed
	}
	return nil`, `	if g.closed.Load() {
		return ErrClosed
	}
	time.Sleep(time.Millisecond)
	g.running.Add(1)
	return nil`}, {"internal/system/calls/calls.go", `	"sync/atomic"
`, `	"sync/atomic"
	"time"
`}},
		Killer: besideClose("DB.Verify"),
		Hangs:  true,
	},
	{
		Name:   "Flush is no call",
		Breaks: "Flush panics when the database is closed",
		Changes: []Change{{"internal/engine/engine.go", `func (e *Engine) Flush() error {
` + entered("e", "err"), `func (e *Engine) Flush() error {
`}},
		Killer: besideClose("DB.Flush"),
		Hangs:  true,
	},
	{
		Name:   "the commit of what memory does not hold is no call",
		Breaks: "the commit of a large transaction panics when the database is closed",
		Changes: []Change{{"internal/engine/ingest.go", entered("e", "0, err"), ``},
			{"internal/engine/ingest.go", `	var committed key.SeqNum
`, `	var committed key.SeqNum
	time.Sleep(time.Millisecond)
`},
			{"internal/engine/ingest.go", `	"fmt"
`, `	"fmt"
	"time"
`},
			{"internal/engine/ingest.go", `	if err := e.dir.Writable(); err != nil {
		return err
	}
	if cause, _ := e.lacks(); cause != "" {`, `	if cause, _ := e.lacks(); cause != "" {`},
			{"internal/transaction/spill.go", entered("tx.engine", "0, err"), ``}},
		Killer: besideClose("DB.Update"),
		Hangs:  true,
	},
	{
		Name:    "Verify is no call",
		Breaks:  "Verify tells of a closed directory, or panics, when the database is closed",
		Changes: []Change{{"internal/tree/verify.go", entered("tr.gate", "err"), ``}},
		Killer:  besideClose("DB.Verify"),
		Hangs:   true,
	},
	{
		Name:    "a context that Close has ended shows",
		Breaks:  "Verify and Compact return that a context was cancelled which nobody cancelled",
		Changes: []Change{{"internal/system/calls/calls.go", `err == nil || context.Cause(ctx) != ErrClosed {`, `true {`}},
		Killer:  besideClose("DB.Verify"),
	},

	// After a failure.
	{
		Name:   "an edit is installed after a failure",
		Breaks: "a flush that was in progress when a sync failed has the log removed, and with it the second copy of what was lost",
		Changes: []Change{{"internal/tree/manifest/store.go", `	err := s.dir.Change(func() error {
		if s.log.Size()`, `	err := func(do func() error) error { return do() }(func() error {
		if s.log.Size()`}},
		Killer: test("engine", "TestFail_leavesTheFilesAsTheyAre"),
	},
	{
		Name:    "files are removed after a failure",
		Breaks:  "the second copy of what a failed sync has lost is removed",
		Changes: []Change{{"internal/format/directory/directory.go", `d.Change(func() error { return d.opts.FS.Remove(f.name) })`, `d.opts.FS.Remove(f.name)`}},
		Killer:  test("engine", "TestFail_leavesTheFilesAsTheyAre"),
	},
	{
		Name:    "a log segment is used again after a failure",
		Breaks:  "the second copy of what a failed sync has lost is overwritten",
		Changes: []Change{{"internal/log/wal/log.go", `		err = l.dir.Change(func() (err error) {`, `		err = func(do func() error) error { return do() }(func() (err error) {`}},
		Killer:  test("engine", "TestFail_leavesTheFilesAsTheyAre"),
	},
	{
		Name:   "a failure does not wait for the change that is in progress",
		Breaks: "a writer has been told of the failure, and then a rename makes it a state of the database",
		Changes: []Change{{"internal/format/directory/directory.go", `	d.changing.Lock()
	defer d.changing.Unlock()
`, ``}},
		Killer: test("engine", "TestFail_leavesTheFilesAsTheyAre"),
	},
	{
		Name:    "a flush that fails while the database is closed counts for nothing",
		Breaks:  "Close flushes once more on a medium that has failed, and then removes the log",
		Changes: []Change{{"internal/format/directory/directory.go", `	if Transient(cause) {`, `	if Transient(cause) || d.Closing() {`}},
		Killer:  test("engine", "TestClose_doesNotFlushAgainAfterAFailure"),
	},
	{
		Name:    "the old manifest goes on after a failed takeover",
		Breaks:  "CURRENT may name the new manifest, which lacks what the old one says",
		Changes: []Change{{"internal/tree/manifest/store.go", `err := s.start(next); !tooFull(err) {`, `err := s.start(next); !errors.Is(err, vfs.ErrNoSpace) {`}},
		Killer:  test("engine", "TestManifest_undecidedTakeoverKeepsBoth"),
	},

	// Contexts.
	{
		Name:    "a job reads on after its context",
		Breaks:  "Verify and Compact go on for seconds where a medium is slow",
		Changes: []Change{{"internal/tree/tables/set.go", `	if ctx.Done() != nil {`, `	if false {`}},
		Killer:  test("engine", "TestContext_endsAJobBeforeTheNextRead"),
		Quick:   true,
	},
	{
		Name:   "a walk reads on after the context of its transaction",
		Breaks: "a request that was given up reads on, page after page, past what was deleted",
		Changes: []Change{{"internal/tree/tables/iterator.go", `	l.open.StopBy(l.stop)
`, ``}},
		Killer: Check{Package: ".", Run: "^TestContext_endsAWalkBeforeTheNextPage$"},
	},
}
