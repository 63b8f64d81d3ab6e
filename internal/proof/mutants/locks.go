package mutants

// lockMutants break the bounds of waits for locks, and what shows who is waited for.
var lockMutants = []Mutant{
	{
		Name:    "a wait for a lock has no bound",
		Breaks:  "a forgotten transaction blocks writes for ever",
		Changes: []Change{{"internal/log/lock/wait.go", `	if limit <= 0 {`, `	if limit > 0 {`}},
		Killer:  test("log/lock", "TestAcquire_waitsForItsLimit"),
		Hangs:   true,
		Quick:   true,
	},
	{
		Name:    "each lock of a call is waited for as long as if it were the only one",
		Breaks:  "a write of many keys waits many times LockTimeout",
		Changes: []Change{{"internal/engine/write.go", `max(1, o.Limit-e.clock.Now().Since(start))`, `max(1, o.Limit-start.Since(start))`}},
		Killer:  Check{".", "^TestLockTimeout_.*$", ""},
	},
	{
		Name:    "a write outside of transactions waits without a bound",
		Breaks:  "a forgotten transaction blocks Put for ever",
		Changes: []Change{{"internal/engine/write.go", `	c.Owner.Limit, c.Owner.Origin = e.opts.LockTimeout, `, `	c.Owner.Limit, c.Owner.Origin = 0, `}},
		Killer:  Check{".", "^TestLockTimeout_.*$", ""},
		Hangs:   true,
	},
	{
		Name:    "a commit waits without a bound",
		Breaks:  "a forgotten transaction blocks commits for ever",
		Changes: []Change{{"internal/engine/txn.go", `	t.keep, t.owner.Limit = nil, t.engine.opts.LockTimeout`, `	t.keep, t.owner.Limit = nil, 0`}},
		Killer:  Check{".", "^TestLockTimeout_.*$", ""},
		Hangs:   true,
	},
	{
		Name:    "the line for precedence is a wait like any other",
		Breaks:  "under contention an Update fails that had only to wait",
		Changes: []Change{{"internal/log/lock/wait.go", `w.lock == &t.priority && left > 0 {`, `w.lock == &t.priority && left > limit {`}},
		Killer:  test("log/lock", "TestPrioritize_waitsWhilePriorityPassesOn"),
		Quick:   true,
	},
	{
		Name:   "a timeout leaves its place in the line",
		Breaks: "the lock is handed to who has gone, and is never free again",
		Changes: []Change{{"internal/log/lock/wait.go", `	t.endWaitLocked(w, timeout)
`, `	w.err = timeout
	close(w.done)
`}},
		Killer: test("log/lock", "TestAcquire_waitsForItsLimit"),
		Hangs:  true,
		Quick:  true,
	},
	{
		Name:   "locks stay when the context has ended",
		Breaks: "the locks of a client that has gone block others until somebody ends its transaction",
		Changes: []Change{{"internal/engine/txn.go", `	if !t.locked && ctx.Done() != nil {`,
			`	if !t.locked && ctx.Done() == nil {`}},
		Killer: Check{".", "^TestBegin_locksGoWithTheContext$", ""},
	},
	{
		Name:   "an owner that has ended takes free locks",
		Breaks: "a transaction without a context holds a lock that nobody gives back",
		Changes: []Change{{"internal/log/lock/lock.go", `	case o.ended != nil:
		return false
`, ``}},
		Killer: test("log/lock", "TestCancel_.*"),
		Quick:  true,
	},
	{
		Name:   "the end of a context takes the locks of a commit",
		Breaks: "another transaction writes what is locked before the commit is there",
		Changes: []Change{{"internal/engine/txn.go", `	if t.keep != nil && !t.keep() {
		return ctx.Err()
	}
	t.keep,`, `	t.keep,`}},
		Killer: test("engine", "TestTxn_commitKeepsItsLocksWhenTheContextEnds|TestTxn_cannotCommitOnceItsLocksHaveGone"),
	},
	{
		Name:   "a wait that was cancelled gives back what it no longer has",
		Breaks: "a lock is taken from who has it by now",
		Changes: []Change{{"internal/log/lock/wait.go", `	if w.took && w.owner.ended == nil {`,
			`	if w.took && w.owner != nil {`}},
		Killer: test("log/lock", "TestCancel_duringEveryCall"),
	},
	{
		Name:   "the oldest lock is the newest",
		Breaks: "the transaction that holds up the others is not found",
		Changes: []Change{{"internal/log/lock/lock.go", `		s.Oldest = t.now() - t.oldest.held[0].since`,
			`		s.Oldest = t.now() - t.youngest.held[0].since`}},
		Killer: test("log/lock", "TestAcquire_waitsForItsLimit"),
		Quick:  true,
	},
	{
		Name:   "nobody looks at the clock for a reader that comes soon after another",
		Breaks: "a forgotten reader is not found",
		Changes: []Change{{"internal/tree/readers/tend.go", `stampInterval - now.Since(r.stamped); r.stamped != 0 && left > 0 {
`, `stampInterval - now.Since(r.stamped); r.stamped != 0 && left > 0 {
		r.unstamped.Store(false)
`}},
		Killer: test("engine", "TestOldestAge_isRightWithinASecond"),
		Quick:  true,
	},
	{
		Name:    "the oldest reader is that of the oldest state",
		Breaks:  "a forgotten reader is not found",
		Changes: []Change{{"internal/tree/readers/metrics.go", `			age = max(age, reg.age(now))`, `			age = cmp.Or(age, reg.age(now))`}},
		Killer:  Check{".", "^TestMetrics_oldestReaderMayReadTheNewest$", ""},
	},
	{
		Name:   "what only readers hold counts nowhere",
		Breaks: "a disk fills up, and nothing shows why",
		Changes: []Change{{"internal/tree/metrics.go", `	m.Pinned = tr.pinnedLocked(v)
`, ``}},
		Killer: Check{".", "^TestMetrics_showAllThatIsOnTheDisk$", ""},
	},
	{
		Name:    "only the log counts as disk",
		Breaks:  "half of what is on the disk is shown",
		Changes: []Change{{"internal/report/metrics.go", `	out.DiskBytes = m.DiskBytes`, `	out.DiskBytes = m.LogBytes`}},
		Killer:  Check{".", "^TestMetrics_showAllThatIsOnTheDisk$", ""},
	},
}
