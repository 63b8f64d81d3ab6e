package mutants

// transactionMutants break transactions: what they have read and written, the check of their commits, locks, and what
// may be waited for.
var transactionMutants = []Mutant{
	// What a transaction has read.
	{
		Name:    "a scan is not in the read set",
		Breaks:  "phantoms: two transactions each miss what the other inserts",
		Changes: []Change{{"internal/transaction/iterator.go", `	it.tx.reads.AddSpan(walked)`, `	_ = walked`}},
		Killer:  Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:   "a scan that came to its end is not in the read set",
		Breaks: "a key that is appended behind a scan goes unnoticed",
		Changes: []Change{{"internal/transaction/iterator.go", `	it.tx.reads.AddSpan(walked)`, `	if it.overlay.Valid() {
		it.tx.reads.AddSpan(walked)
	}`}},
		Killer: Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:    "the last entry of a scan is not in the read set",
		Breaks:  "a scan with a limit loses the update of the entry it stopped at",
		Changes: []Change{{"internal/transaction/iterator.go", `			return span.Closed(it.from, it.overlay.Key())`, `			return span.Span{Lo: it.from, Hi: it.overlay.Key()}`}},
		Killer:  Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:    "the last entry of a scan backward is not in the read set",
		Breaks:  "the greatest keys, with a limit, lose the update of the least of them",
		Changes: []Change{{"internal/transaction/iterator.go", `		walked.Lo = it.overlay.Key()`, `		walked.Lo = append(bytes.Clone(it.overlay.Key()), 0)`}},
		Killer:  Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:    "a scan from the end begins at the last entry",
		Breaks:  "two transactions append behind the same last key",
		Changes: []Change{{"internal/transaction/iterator.go", `it.walk, it.toEnd = walk, walk == backward && from == nil`, `it.walk, it.toEnd = walk, false`}},
		Killer:  Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:   "what a seek passed over is not in the read set",
		Breaks: "a key that appears before the one that was found goes unnoticed",
		Changes: []Change{{"internal/transaction/iterator.go", `	return move()`, `	ok := move()
	if ok && walk == forward {
		it.from = append(it.from[:0], it.overlay.Key()...)
	}
	return ok`}},
		Killer: Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:   "a seek forgets the walk before it",
		Breaks: "of a cursor that is used twice, only the last walk counts",
		Changes: []Change{{"internal/transaction/iterator.go", `	defer it.tx.Leave()
	it.report()
	if !it.renew()`, `	defer it.tx.Leave()
	if !it.renew()`}},
		Killer: Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:   "a cursor that turns round forgets how it came",
		Breaks: "what was read before the turn may change",
		Changes: []Change{{"internal/transaction/iterator.go", `	it.at = append(it.at[:0], it.overlay.Key()...)
	it.report()`, `	it.at = append(it.at[:0], it.overlay.Key()...)`}},
		Killer: Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:   "open cursors are not in the read set",
		Breaks: "a function that leaves a cursor open has read nothing",
		Changes: []Change{{"internal/transaction/tx.go", `	tx.endIterators() // now the read set is complete
`, ""}},
		Killer: Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:   "a key that was looked up is not in the read set",
		Breaks: "lost updates",
		Changes: []Change{{"internal/transaction/tx.go", `	if tx.keepsReads() {
		tx.reads.AddKey(k, key.Hash(k))
`, `	if tx.keepsReads() {
		_ = key.Hash(k)
`}},
		Killer: Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:   "a miss is not in the read set",
		Breaks: "two transactions insert what each did not find",
		Changes: []Change{{"internal/transaction/tx.go", `	if tx.keepsReads() {
		tx.reads.AddKey(k, key.Hash(k))
`, `	if tx.keepsReads() {
`}, {"internal/transaction/tx.go", `	out, found, err := tx.txn.Snapshot().Get(dst, k)
`, `	out, found, err := tx.txn.Snapshot().Get(dst, k)
	if found {
		tx.reads.AddKey(k, key.Hash(k))
	}
`}},
		Killer: Check{Package: ".", Run: "^(TestCommit_conflictsWithWritesWhereItRead)$"},
	},
	{
		Name:   "keys joined to a span leave out the last",
		Breaks: "a transaction that reads very much misses changes",
		Changes: []Change{{"internal/log/txn/reads.go", `		r.addSpan(span.Closed(first, last))`,
			`		r.addSpan(span.Span{Lo: first, Hi: last})`}},
		Killer: test("log/txn", "TestReads_.*"),
		Quick:  true,
	},
	{
		Name:   "a read set made coarse cuts the ends of its spans short",
		Breaks: "a transaction that reads long keys while memory is scarce misses changes",
		Changes: []Change{{"internal/log/txn/budget.go", `			s.Hi = span.Prefix(s.Hi[:maxBoundBytes]).Hi`,
			`			s.Hi = bytes.Clone(s.Hi[:maxBoundBytes])`}},
		Killer: test("log/txn", "TestReads_coarseSpansHoldWhatTheyHeld"),
		Quick:  true,
	},
	{
		Name:   "a read set made coarse is not joined",
		Breaks: "what transactions have read takes memory without a bound",
		Changes: []Change{{"internal/log/txn/budget.go", `r.bytes > most && len(r.spans) > 1;`,
			`r.bytes > most && len(r.spans) < 1;`}},
		Killer: test("log/txn", "TestReads_shareABudget"),
		Quick:  true,
	},
	{
		Name:   "of keys with one hash the read set knows the last",
		Breaks: "a key hides another one, which may change",
		Changes: []Change{{"internal/log/txn/reads.go", `		k.next = before
`, `		_ = before
`}},
		Killer: test("log/txn", "TestReads_.*"),
		Quick:  true,
	},
	{
		Name:   "many spans are searched before they are in order",
		Breaks: "a scan that is in the read set is not found there",
		Changes: []Change{{"internal/log/txn/reads.go", `	return r.Spans().Contains(user)`,
			`	return r.spans.Contains(user)`}},
		Killer: test("log/txn", "TestReads_.*"),
		Quick:  true,
	},

	// The check of a commit.
	{
		Name:   "a commit is not checked",
		Breaks: "lost updates",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `	return c.hold(c.Reads(r.ReadPoint, r.Reads), r.Reads)`,
			`	return nil`}},
		Killer: test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "the first commit after a snapshot is no conflict in memory",
		Breaks:  "a lost update, whenever two meet exactly",
		Changes: []Change{{"internal/tree/changes.go", `newest.Trailer().Seq() > since, nil`, `newest.Trailer().Seq() > since+1, nil`}},
		Killer:  test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "the first commit after a snapshot is no conflict in a scan",
		Breaks:  "a phantom, whenever two meet exactly",
		Changes: []Change{{"internal/tree/tables/meets.go", `k.Trailer.Seq() > since &&`, `k.Trailer.Seq() > since+1 &&`}},
		Killer:  test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "what the snapshot itself has is a conflict",
		Breaks:  "transactions are repeated for nothing, some for ever",
		Changes: []Change{{"internal/tree/changes.go", `newest.Trailer().Seq() > since, nil`, `newest.Trailer().Seq() >= since, nil`}},
		Killer:  test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "a table that the snapshot saw a part of is not looked at",
		Breaks:  "a write is missed once it is flushed",
		Changes: []Change{{"internal/tree/changes.go", `t == nil || t.Meta().LargestSeq <= since {`, `t == nil || t.Meta().LargestSeq <= since+1 {`}},
		Killer:  test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "a scan does not look at a table that the snapshot saw a part of",
		Breaks:  "a phantom is missed once it is flushed",
		Changes: []Change{{"internal/tree/changes.go", `			if t.Meta().LargestSeq <= since {`, `			if t.Meta().LargestSeq <= since+1 {`}},
		Killer:  test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:   "the check of a key skips frozen memtables",
		Breaks: "a write is missed once its memtable is full",
		Changes: []Change{{"internal/tree/changes.go", `	for _, m := range v.mems {
		if newest`, `	for _, m := range v.mems[:1] {
		if newest`}},
		Killer: test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:   "the check of a scan skips frozen memtables",
		Breaks: "a phantom is missed once its memtable is full",
		Changes: []Change{{"internal/tree/changes.go", `	for _, m := range v.mems {
		if m.Count`, `	for _, m := range v.mems[:1] {
		if m.Count`}},
		Killer: test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:   "the check of a key skips level 0",
		Breaks: "a write is missed once it is flushed",
		Changes: []Change{{"internal/tree/changes.go", `	for i := range v.runs {`,
			`	for i := v.level0; i < len(v.runs); i++ {`}},
		Killer: test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "the check of a key skips deeper levels",
		Breaks:  "a write is missed once it is compacted",
		Changes: []Change{{"internal/tree/changes.go", `	for i := range v.runs {`, `	for i := range v.level0 {`}},
		Killer:  test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "the check of a scan skips level 0",
		Breaks:  "a phantom is missed once it is flushed",
		Changes: []Change{{"internal/tree/changes.go", `	for _, r := range v.runs {`, `	for _, r := range v.runs[v.level0:] {`}},
		Killer:  test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "the check of a scan skips deeper levels",
		Breaks:  "a phantom is missed once it is compacted",
		Changes: []Change{{"internal/tree/changes.go", `	for _, r := range v.runs {`, `	for _, r := range v.runs[:v.level0] {`}},
		Killer:  test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:   "scans are not checked",
		Breaks: "phantoms",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `	for _, r := range reads.Spans() {`,
			`	for _, r := range reads.Spans()[:0] {`}},
		Killer: test("engine", "TestTxn_Commit_.*"),
	},
	{
		Name:    "the check does not see its own group",
		Breaks:  "of two transactions that commit together, both win",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `	for _, b := range before {`, `	for _, b := range before[:0] {`}},
		Killer:  test("engine", "TestCheck_comparesWithEarlierMembersOfTheGroup"),
	},
	{
		Name:    "the check of a group looks for keys only",
		Breaks:  "of two transactions that commit together, one is a phantom to the other",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `		if reads.Has(op.Key) {`, `		if reads.Has(op.Key) && len(reads.Spans()) == 0 {`}},
		Killer:  test("engine", "TestCheck_comparesWithEarlierMembersOfTheGroup"),
	},
	{
		Name:    "an expired snapshot passes the check",
		Breaks:  "a deletion that a compaction has dropped is not noticed",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `	return s.Check()`, `	return nil`}},
		Killer:  test("engine", "TestTxn_Commit_refusesWhatAnExpiredSnapshotRead"),
	},
	{
		Name:   "the queue keeps the group from the check",
		Breaks: "of two transactions that commit together, both win",
		Changes: []Change{{"internal/log/commit/commit.go", `			r.err = q.env.Check(r, q.accepted)`,
			`			r.err = q.env.Check(r, nil)`}},
		Killer: test("log/commit", "TestCommit_.*"),
		Quick:  true,
	},
	{
		Name:   "a refused member of a group is written all the same",
		Breaks: "a commit that its caller was told has failed is there",
		Changes: []Change{{"internal/log/commit/commit.go", `		if r.err == nil {
			q.accepted = append`,
			`		if r.Batch != nil {
			q.accepted = append`}},
		Killer: test("log/commit", "TestCommit_.*"),
		Quick:  true,
	},
	{
		Name:   "a commit is visible before it is checked",
		Breaks: "a reader sees what is then refused",
		Changes: []Change{{"internal/log/commit/commit.go", `			r.err = q.env.Check(r, q.accepted)`,
			`			q.env.Apply(r)
			r.err = q.env.Check(r, q.accepted)`}},
		Killer: test("log/commit", "TestCommit_.*"),
		Quick:  true,
	},
	{
		Name:   "a run takes no number",
		Breaks: "two commits have the same sequence number",
		Changes: []Change{{"internal/log/commit/commit.go", `		q.next++
`, ""}},
		Killer: test("log/commit", "TestExclusiveNumbered_.*"),
		Quick:  true,
	},
	{
		Name:   "a large transaction is not checked",
		Breaks: "lost updates, of those who write most",
		Changes: []Change{{"internal/engine/txn.go", `func() error {
			return t.engine.conflicts().Spill(s, &t.owner, t.snapshot, t.Reads)
		})`, `nil)`}},
		Killer: test("engine", "TestTxn_CommitSpill_.*"),
	},
	{
		Name:   "the check of an ingest does not count",
		Breaks: "lost updates, of those who write most",
		Changes: []Change{{"internal/engine/ingest.go", `		if err := check(); err != nil {`,
			`		if err := check(); err != nil && seq == 0 {`}},
		Killer: test("engine", "TestIngest_checkDecidesInCommitOrder"),
	},
	{
		Name:   "a run is numbered as the commit before it",
		Breaks: "an older version hides the newest one",
		Changes: []Change{{"internal/engine/ingest.go", `		return e.ingest(s, next, check)`,
			`		return e.ingest(s, next-1, check)`}},
		Killer: test("engine", "TestIngest_isNewerThanEverything"),
	},
	{
		Name:   "commits go on beside an ingest",
		Breaks: "a commit that was made meanwhile hides it, or is hidden",
		Changes: []Change{{"internal/log/commit/commit.go", `	q.pipelineMu.Lock()
	defer q.pipelineMu.Unlock()
	if q.failed != nil {`,
			`	q.pipelineMu.Lock()
	q.pipelineMu.Unlock()
	if q.failed != nil {`}},
		Killer: test("log/commit", "TestExclusive_keepsCommitsOut"),
		Quick:  true,
	},

	// Locks, and the snapshot that moves with them.
	{
		Name:   "a snapshot moves forward over a change",
		Breaks: "a transaction acts on two states",
		Changes: []Change{{"internal/engine/txn.go", `		next.Close()
		return err
`, `		_ = err
`}},
		Killer: test("engine", "TestTxn_Lock_.*"),
	},
	{
		Name:   "a snapshot moves that must not",
		Breaks: "a transaction under snapshot isolation acts on two states",
		Changes: []Change{{"internal/engine/txn.go", `!errors.Is(err, ErrConflict) || !mayMove {`,
			`!errors.Is(err, ErrConflict) {`}},
		Killer: test("engine", "TestTxn_Lock_.*"),
	},
	{
		Name:   "the snapshot to move to is taken after the check",
		Breaks: "what is committed in between is passed over",
		Changes: []Change{
			{"internal/engine/txn.go", `	t.engine.tree.HoldAs(next, t.first.Origin) // it is still the same transaction
`, ``},
			{"internal/engine/txn.go", `		next.Close()
		return err
	}
`,
				`		return err
	}
	t.engine.tree.HoldAs(next, nil)
`},
		},
		Killer: test("engine", "TestTxn_Lock_.*"),
	},
	{
		Name:    "a lock does not wait for commits in progress",
		Breaks:  "the holder of a lock misses what was committed before it",
		Changes: []Change{{"internal/engine/txn.go", `	t.engine.queue.SettleKey(user)`, `	_ = t.engine.queue.SettleKey`}},
		Killer:  test("engine", "TestTxn_Lock_.*"),
	},
	{
		Name:    "a protected range does not wait for commits in progress",
		Breaks:  "the holder of a lock misses what was committed before it",
		Changes: []Change{{"internal/engine/txn.go", `	t.engine.queue.Settle()`, `	_ = t.engine.queue.Settle`}},
		Killer:  test("engine", "TestTxn_Lock_.*"),
	},
	{
		Name:    "a lock does not look for what is newer",
		Breaks:  "GetForUpdate reads what is over already",
		Changes: []Change{{"internal/engine/txn.go", `	return t.catchUp(&wanted, mayMove)`, `	return nil`}},
		Killer:  test("engine", "TestTxn_Lock_.*"),
	},
	{
		Name:    "commits do not wait for locks",
		Breaks:  "the holder of a lock loses all the same",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `	if c.Locks.Any() {`, `	if c.Locks.Any() && r.Reads == nil && r.Owner != nil {`}},
		Killer:  test("engine", "TestTxn_locksKeepCommitsWaiting"),
	},
	{
		Name:   "large transactions do not wait for locks",
		Breaks: "the holder of a lock loses all the same",
		Changes: []Change{{"internal/engine/conflict/conflict.go", ` && held.Contains(it.Key().User) {`,
			` && held.Contains(it.Key().User) && s == nil {`}},
		Killer: test("engine", "TestTxn_locksKeepCommitsWaiting"),
	},
	{
		Name:   "large transactions do not wait for ranges",
		Breaks: "a transaction with precedence loses all the same",
		Changes: []Change{{"internal/log/lock/lock.go", `	if t.priority.holder != o {
		for`,
			`	if t.priority.holder == nil {
		for`}},
		Killer: test("engine", "TestTxn_locksKeepCommitsWaiting"),
	},
	{
		Name:   "the end of a transaction leaves its locks",
		Breaks: "the key can never be written again",
		Changes: []Change{{"internal/engine/txn.go", `	if t.locked {
`, `	if t.locked && t.snapshot == nil {
`}},
		Killer: test("engine", "TestTxn_locksKeepCommitsWaiting"),
	},
	{
		Name:   "a commit that waited keeps its lock",
		Breaks: "the key can never be locked again",
		Changes: []Change{{"internal/engine/write.go", `	defer e.locks.Release(c.Owner)
`, ""}},
		Killer: test("engine", "TestTxn_locksKeepCommitsWaiting"),
	},
	{
		Name:   "a transaction forgets that its commit waited",
		Breaks: "the key can never be locked again",
		Changes: []Change{{"internal/engine/txn.go", `	t.locked = true
	acquire := func() error { return t.engine.acquire(ctx, &t.owner, blocked.Key) }`,
			`	acquire := func() error { return t.engine.acquire(ctx, &t.owner, blocked.Key) }`}},
		Killer: test("engine", "TestTxn_locksKeepCommitsWaiting"),
	},
	{
		Name:   "a write beside a transaction does not say whose goroutine it is",
		Breaks: "it waits for itself, for ever",
		Changes: []Change{{"internal/engine/write.go", `lock.NewOwner(uintptr(goroutine.Current()))`,
			`lock.NewOwner(uintptr(goroutine.Current() &^ goroutine.Current()))`}},
		Killer: test("engine", "TestCommit_refusesToWaitForItsOwnGoroutine"),
	},
	{
		Name:   "Close leaves those who wait for locks",
		Breaks: "a program hangs at its end",
		Changes: []Change{{"internal/system/calls/calls.go", `	defer context.AfterFunc(g.ctx, func() { cancel(ErrClosed) })()
`, ""}},
		Killer: test("engine", "TestClose_endsWaitsForLocks"),
	},
	{
		Name:   "who comes last is served first",
		Breaks: "an unlucky transaction never gets its lock",
		Changes: []Change{{"internal/log/lock/wait.go", `	at := len(l.queue)
`, `	at := 0
`}},
		Killer: test("log/lock", "TestAcquire_servesInOrderOfArrival"),
		Quick:  true,
	},
	{
		Name:   "a deadlock is not looked for",
		Breaks: "transactions wait for each other for ever",
		Changes: []Change{{"internal/log/lock/deadlock.go", `	if cycle == nil {
		return nil
	}`,
			`	if len(cycle) >= 0 {
		return nil
	}`}},
		Killer: test("log/lock", "TestAcquire_failsWhereItWouldCloseACircle"),
		Hangs:  true,
		Quick:  true,
	},
	{
		Name:   "a deadlock through a range is not seen",
		Breaks: "transactions wait for each other for ever",
		Changes: []Change{{"internal/log/lock/deadlock.go", `	return [2]step{held, {wait: w, obstacle: ProtectedRange, holder: t.protectorLocked(w.lock)}}`,
			`	return [2]step{held}`}},
		Killer: test("log/lock", "TestDeadlock_neverFailsTheOwnerWithPriority"),
		Hangs:  true,
		Quick:  true,
	},
	{
		Name:   "a deadlock is broken at the owner with priority",
		Breaks: "a transaction that keeps losing loses once more",
		Changes: []Change{{"internal/log/lock/deadlock.go", `	if w.owner != t.priority.holder || nested {`,
			`	if w.owner != nil || nested {`}},
		Killer: test("log/lock", "TestDeadlock_neverFailsTheOwnerWithPriority"),
		Quick:  true,
	},
	{
		Name:   "several have priority",
		Breaks: "two transactions that must not lose stop each other",
		Changes: []Change{{"internal/log/lock/lock.go", `	if l.holder != nil && l.holder != o {
		return true
	}
	p :=`,
			`	if l.holder != nil && l.holder != o && l != &t.priority {
		return true
	}
	p :=`}},
		Killer: test("log/lock", "TestPrioritize_servesOneAtATimeInOrder"),
		Quick:  true,
	},
	{
		Name:   "keys in a protected range are locked",
		Breaks: "a transaction that keeps losing loses once more",
		Changes: []Change{{"internal/log/lock/lock.go", `	return p != nil && p != o
`, `	return p == nil && p != nil
`}},
		Killer: test("log/lock", "TestProtect_keepsOthersOutUntilRelease"),
		Quick:  true,
	},
	{
		Name:   "keys in a protected range are written",
		Breaks: "a transaction that keeps losing loses once more",
		Changes: []Change{{"internal/log/lock/lock.go", `		if protected && t.ranges.Contains(key) {`,
			`		if protected && len(t.ranges) == 0 {`}},
		Killer: test("log/lock", "TestProtect_keepsOthersOutUntilRelease"),
		Quick:  true,
	},
	{
		Name:   "ranges are not seen by commits that look in passing",
		Breaks: "a transaction that keeps losing loses once more",
		Changes: []Change{{"internal/log/lock/lock.go", `t.any.Store(len(t.locks) > 0 || len(t.ranges) > 0)`,
			`t.any.Store(len(t.locks) > 0)`}},
		Killer: test("log/lock", "TestAny_followsLocksAndRanges"),
		Quick:  true,
	},
	{
		Name:   "the end of a range wakes nobody",
		Breaks: "who waited for it waits for ever",
		Changes: []Change{{"internal/log/lock/lock.go", `		for l := range t.contended {
			t.advanceLocked(l)
		}
`, ""}},
		Killer: test("log/lock", "TestProtect_keepsOthersOutUntilRelease"),
		Hangs:  true,
		Quick:  true,
	},
	{
		Name:   "a lock that is handed to who gave up is nobody's",
		Breaks: "the key can never be locked again",
		Changes: []Change{{"internal/log/lock/wait.go", `		w.lock.holder = nil
		t.advanceLocked(w.lock)`,
			`		w.lock.holder = nil`}},
		Killer: test("log/lock", "TestAbandon_passesOnWhatWasHandedOver"),
		Hangs:  true,
		Quick:  true,
	},
	{
		Name:   "a transaction waits for one of its own goroutine",
		Breaks: "a program waits for itself, for ever",
		Changes: []Change{{"internal/log/lock/lock.go", `	return o == p || o.goroutine != 0 && o.goroutine == p.goroutine`,
			`	return o == p`}},
		Killer: test("log/lock", "TestAcquire_refusesToWaitForItsOwnGoroutine"),
		Hangs:  true,
		Quick:  true,
	},

	// A transaction and its function.
	{
		Name:    "a cursor stays behind when the snapshot moves",
		Breaks:  "it shows what is over, and nobody notices",
		Changes: []Change{{"internal/transaction/iterator.go", `	return it.seq == it.tx.txn.Seq() && it.spills`, `	return it.seq <= it.tx.txn.Seq() && it.spills`}},
		Killer:  Check{Package: ".", Run: "^(TestGetForUpdate_movesOpenCursors)$"},
	},
	{
		Name:   "the snapshot moves past what a cursor has walked through",
		Breaks: "a transaction acts on two states",
		Changes: []Change{{"internal/transaction/tx.go", `	tx.reportWalks()
	err :=`, "	err :="}},
		Killer: Check{Package: ".", Run: "^(TestGetForUpdate_movesNotPastWhatACursorHasRead)$"},
	},
	{
		Name:    "a cursor stays behind when the writes are spilled",
		Breaks:  "it passes over what the transaction wrote",
		Changes: []Change{{"internal/transaction/iterator.go", ` && it.spills == it.tx.writes.SpillChanges()`, ` && it.spills <= it.tx.writes.SpillChanges()`}},
		Killer:  Check{Package: ".", Run: "^(TestCursor_followsASpill)$"},
	},
	{
		Name:    "an operand is joined with one on disk",
		Breaks:  "what was merged before a spill counts twice",
		Changes: []Change{{"internal/transaction/tx.go", `	if w.Folds() && !w.Spilled {`, `	if w.Folds() {`}},
		Killer:  Check{Package: ".", Run: "^(TestAdd_overASpillCountsOnce)$"},
	},
	{
		Name:   "snapshot isolation does not check writes",
		Breaks: "lost updates",
		Changes: []Change{{"internal/transaction/tx.go", `		tx.claimWrites(b)
`, ""}},
		Killer: Check{Package: ".", Run: "^(TestSnapshotIsolation_writesConflictWithWrites)$"},
	},
	{
		Name:   "snapshot isolation does not check large transactions",
		Breaks: "lost updates",
		Changes: []Change{{"internal/transaction/spill.go", `		if err := tx.claimSpill(spill); err != nil {`, `		if n := spill.Entries(); n == 0 {
			return 0, tx.claimSpill(spill)
		}
		if err := tx.ctx.Err(); err != nil {`}},
		Killer: Check{Package: ".", Run: "^(TestSnapshotIsolation_writesConflictWithWrites)$"},
	},
	{
		Name:   "operands conflict under snapshot isolation",
		Breaks: "counters make transactions fail that have nothing to do with each other",
		Changes: []Change{{"internal/log/txn/reads.go", `	if visible.OfKind(kind) != visible.Fold {`,
			`	if visible.OfKind(kind) != visible.Skip {`}},
		Killer: Check{Package: ".", Run: "^(TestSnapshotIsolation_writesConflictWithWrites)$"},
	},
	{
		Name:    "a failed call is forgotten at the commit",
		Breaks:  "what a function decided without it is committed",
		Changes: []Change{{"internal/transaction/tx.go", `cmp.Or(tx.err, tx.walks.Err())`, `cmp.Or(nil, tx.walks.Err())`}},
		Killer:  Check{Package: ".", Run: "^(TestCommit_refusesAfterAFailedCall)$"},
	},
	{
		Name:   "an error of the function is ignored, and committed",
		Breaks: "half of what was meant is written",
		Changes: []Change{{"update.go", `	if err := fn(tx); err != nil {
		return nil, err
	}
	return tx, tx.commit()`, `	if err := fn(tx); errors.Is(err, ErrConflict) {
		return nil, err
	}
	return tx, tx.commit()`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_whatDoesNotReturnNilWritesNothing)$"},
	},
	{
		Name:   "a panic in the function commits",
		Breaks: "half of what was meant is written",
		Changes: []Change{{"update.go", `	if err := fn(tx); err != nil {
		return nil, err
	}
	return tx, tx.commit()`, `	panicked := true
	defer func() {
		if panicked {
			_ = tx.commit()
		}
	}()
	err = fn(tx)
	if panicked = false; err != nil {
		return nil, err
	}
	return tx, tx.commit()`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_whatDoesNotReturnNilWritesNothing)$"},
	},
	{
		Name:    "a cancelled transaction commits",
		Breaks:  "what its caller was told did not happen is there",
		Changes: []Change{{"internal/transaction/tx.go", `	if err := tx.ctx.Err(); err != nil {`, `	if err := tx.ctx.Err(); err != nil && !tx.busy.Load() {`}},
		Killer:  Check{Package: ".", Run: "^(TestUpdate_whatDoesNotReturnNilWritesNothing)$"},
	},
	{
		Name:   "the end of a transaction keeps its snapshot",
		Breaks: "old versions fill the disk, and its locks stay",
		Changes: []Change{{"internal/transaction/tx.go", `	tx.txn.Close()
`, ""}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_whatDoesNotReturnNilWritesNothing)$"},
		Hangs:  true,
	},
	{
		Name:   "a conflict is not repeated",
		Breaks: "every caller has to repeat by himself",
		Changes: []Change{{"internal/transaction/retry.go",
			`		if !errors.Is(err, engine.ErrConflict) && !errors.Is(err, lock.ErrDeadlock) {`,
			`		if !errors.Is(err, lock.ErrDeadlock) || err == engine.ErrConflict {`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_repeatsWhatLost)$"},
	},
	{
		Name:   "a deadlock is not repeated",
		Breaks: "every caller has to repeat by himself",
		Changes: []Change{{"internal/transaction/retry.go",
			`		if !errors.Is(err, engine.ErrConflict) && !errors.Is(err, lock.ErrDeadlock) {`,
			`		if !errors.Is(err, engine.ErrConflict) || err == lock.ErrDeadlock {`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_repeatsADeadlock)$"},
	},
	{
		Name:   "OnCommit is called for what was not committed",
		Breaks: "a caller believes in an attempt that lost",
		Changes: []Change{{"update.go", `	return tx, tx.commit()`, `	err = tx.commit()
	tx.body.Writer.Announce()
	return tx, err`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_repeatsWhatLost)$"},
	},
	{
		Name:   "who keeps losing gets no precedence",
		Breaks: "a transaction that others always overtake is never done",
		Changes: []Change{{"update.go", `	if attempt > priorityAfter {`,
			`	if attempt > priorityAfter && o.ReadOnly {`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_thatKeepsLosingGetsPrecedence)$"},
	},
	{
		Name:   "precedence does not lock what it reads",
		Breaks: "a transaction that others always overtake is never done",
		Changes: []Change{{"internal/transaction/tx.go", `	if tx.priority {
		if err := tx.Lock(k); err != nil {
			return err
		}
	}
	tx.hasRead`, `	if tx.priority && tx.done {
		if err := tx.Lock(k); err != nil {
			return err
		}
	}
	tx.hasRead`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_thatKeepsLosingGetsPrecedence)$"},
	},
	{
		Name:   "precedence does not protect what it scans",
		Breaks: "a transaction that others always overtake is never done",
		Changes: []Change{{"internal/transaction/iterator.go", `tx.txn.Protect(bounds, false)`,
			`tx.txn.Protect(span.Span{Lo: bounds.Lo, Hi: bounds.Lo}, false)`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_thatKeepsLosingGetsPrecedence)$"},
	},
	{
		Name:   "an Update inside an Update is let through",
		Breaks: "the outer one loses against the inner one for ever, or takes nothing back",
		Changes: []Change{{"internal/system/goroutine/nesting.go", `		return false
`, `		return true
`}},
		Killer: Check{Package: ".", Run: "^(TestUpdate_refusesToBeNested)$"},
	},
	{
		Name:    "a part that failed is kept",
		Breaks:  "what its caller took back is committed",
		Changes: []Change{{"internal/transaction/part.go", `	if !keep {`, `	if !keep && p.borrowed {`}},
		Killer:  Check{Package: ".", Run: "^(TestTxUpdate_takesBackWhatFailed)$"},
	},
	{
		Name:    "a part that panicked is kept",
		Breaks:  "what its caller took back is committed",
		Changes: []Change{{"update.go", `rw.EndPart(p, keep)`, `rw.EndPart(p, keep || err == nil)`}},
		Killer:  Check{Package: ".", Run: "^(TestTxUpdate_takesBackWhatFailed)$"},
	},
	{
		Name:   "OnCommit of a part that failed is kept",
		Breaks: "a caller believes in what was taken back",
		Changes: []Change{{"internal/transaction/savepoint.go", `	tx.onCommit = tx.onCommit[:s.onCommit]
`, ""}},
		Killer: Check{Package: ".", Run: "^(TestTxUpdate_takesBackWhatFailed)$"},
	},
	{
		Name:    "a part that has rolled back past its beginning keeps it",
		Breaks:  "what a failed part wrote after that is committed",
		Changes: []Change{{"internal/transaction/savepoint.go", `			p.start, p.borrowed = s, true`, `			continue`}},
		Killer:  Check{Package: ".", Run: "^(TestTxUpdate_takesBackWhatAFailedPartWroteAfterARollback)$"},
	},
	{
		Name:   "a part takes the savepoint from before it along",
		Breaks: "after a part the transaction can no longer return to its own savepoint",
		Changes: []Change{{"internal/transaction/part.go", `	if p.borrowed {
		oldest++
	}
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestTxUpdate_partsAndSavepointsLikeAModel)$"},
	},
	{
		Name:   "a merge that cannot be applied spoils the transaction that reads it",
		Breaks: "such a key cannot be repaired in a transaction",
		Changes: []Change{{"internal/transaction/tx.go", `	case err != nil && !errors.Is(err, operand.ErrMerge): // which`,
			`	case err != nil && !(errors.Is(err, operand.ErrMerge) && err == nil): // which`}},
		Killer: Check{Package: ".", Run: "^(TestErrMerge_isAResultAndNoFailure)$"},
	},
	{
		Name:    "a loop's ErrMerge counts though the program has asked for it",
		Breaks:  "such a key cannot be repaired in a transaction that found it in a loop",
		Changes: []Change{{"internal/transaction/walks.go", `		w.unasked--`, `		_ = w`}},
		Killer:  Check{Package: ".", Run: "^(TestErrMerge_isAResultAndNoFailure)$"},
	},
	{
		Name:    "a loop's ErrMerge is forgotten",
		Breaks:  "what is made of a part of a range is committed",
		Changes: []Change{{"internal/transaction/walks.go", `		w.unasked++`, `		_ = w`}},
		Killer:  Check{Package: ".", Run: "^(TestErrMerge_countsWhereNobodyAsked)$"},
	},
	{
		Name:    "a savepoint that is void is taken for another",
		Breaks:  "a state that never was is committed",
		Changes: []Change{{"internal/transaction/savepoint.go", ` || tx.savepoints[s.number] != s.serial {`, ` {`}},
		Killer:  Check{Package: ".", Run: "^(TestRollbackTo_refusesSavepointsThatAreVoid)$"},
	},
	{
		Name:    "the durability of a transaction does not count",
		Breaks:  "a commit that was to survive power cuts does not",
		Changes: []Change{{"tx.go", `b.db.admit(size, b.durability)`, `b.db.admit(size, DefaultDurability)`}},
		Killer:  Check{Package: ".", Run: "^(TestSetDurability_.*)$"},
	},

	// What a transaction has written.
	{
		Name:    "a scan shows what the transaction deleted",
		Breaks:  "the function acts on what it removed",
		Changes: []Change{{"internal/log/txn/overlay.go", `		if !o.own.Hides() {`, `		if o.own != nil {`}},
		Killer:  test("log/txn", "TestOverlay_showsWritesOverSnapshot"),
		Quick:   true,
	},
	{
		Name:   "a scan shows the old value of what the transaction wrote",
		Breaks: "the function acts on what it replaced",
		Changes: []Change{{"internal/log/txn/overlay.go", `	return c == 0 || (c < 0) != o.backward`,
			`	return (c < 0) != o.backward`}},
		Killer: test("log/txn", "TestOverlay_showsWritesOverSnapshot"),
		Quick:  true,
	},
	{
		Name:   "a scan backward forgets an own write at its lower bound",
		Breaks: "the function misses what it wrote",
		Changes: []Change{{"internal/log/txn/overlay.go", `bytes.Compare(o.own.Key, o.bounds.Lo) < 0 {
			o.own`,
			`bytes.Compare(o.own.Key, o.bounds.Lo) <= 0 {
			o.own`}},
		Killer: test("log/txn", "TestOverlay_keepsWritesWithinBounds"),
		Quick:  true,
	},
	{
		Name:   "a scan goes on with an own write beyond its upper bound",
		Breaks: "the function sees what it did not ask for",
		Changes: []Change{{"internal/log/txn/overlay.go", `o.own != nil && o.bounds.Below(o.own.Key) {`,
			`o.own != nil && o.bounds.Below(o.own.Key) && !bytes.Equal(o.own.Key, o.bounds.Hi) {`}},
		Killer: test("log/txn", "TestOverlay_keepsWritesWithinBounds"),
		Quick:  true,
	},
	{
		Name:   "a scan does not see what is written while it runs",
		Breaks: "the function misses what it wrote",
		Changes: []Change{{"internal/log/txn/overlay.go", `	if o.backward || o.change != o.writes.changes() {`,
			`	if o.backward {`}},
		Killer: test("log/txn", "TestOverlay_showsWhatIsWrittenMeanwhile"),
		Quick:  true,
	},
	{
		Name:   "a scan backward does not see what is written while it runs",
		Breaks: "the function misses what it wrote",
		Changes: []Change{{"internal/log/txn/overlay.go", `	if !o.backward || o.change != o.writes.changes() {`,
			`	if !o.backward {`}},
		Killer: test("log/txn", "TestOverlay_showsWhatIsWrittenMeanwhile"),
		Quick:  true,
	},
	{
		Name:   "a scan shows an operand as a value",
		Breaks: "a counter that was added to shows what was added",
		Changes: []Change{{"internal/log/txn/overlay.go", `	case o.own.Folds():
		return o.fold()`,
			`	case o.own == nil:
		return o.fold()`}},
		Killer: test("log/txn", "TestOverlay_showsWritesOverSnapshot"),
		Quick:  true,
	},
	{
		Name:   "a rollback to a savepoint keeps a value",
		Breaks: "what was taken back is committed",
		Changes: []Change{{"internal/log/txn/writes.go", `		*u.write = u.was
`, `		u.write.Live = u.was.Live
`}},
		Killer: test("log/txn", "TestWrites_rollBackToSavepoints"),
		Quick:  true,
	},
	{
		Name:   "a rollback to a savepoint takes changes back in their order",
		Breaks: "of a key that was written twice since, the first value stays",
		Changes: []Change{{"internal/log/txn/writes.go", `	for i := len(w.undo) - 1; i >= length; i-- {`,
			`	for i := length; i < len(w.undo); i++ {`}},
		Killer: test("log/txn", "TestWrites_rollBackKeysWrittenTwice"),
		Quick:  true,
	},
	{
		Name:   "releasing a savepoint forgets those before it",
		Breaks: "an outer part can no longer be taken back",
		Changes: []Change{{"internal/log/txn/writes.go", `	if savepoint == 0 {
`, `	if savepoint >= 0 {
`}},
		Killer: test("log/txn", "TestWrites_rollBackToSavepoints"),
		Quick:  true,
	},
	{
		Name:   "writes on disk are read oldest first",
		Breaks: "a transaction reads what it has replaced",
		Changes: []Change{{"internal/log/txn/spill.go", `	for _, s := range slices.Backward(w.spills) {`,
			`	for _, s := range w.spills {`}},
		Killer: test("log/txn", "TestWrites_spilled.*"),
		Quick:  true,
	},
	{
		Name:   "writes on disk hide those in memory",
		Breaks: "a transaction reads what it has replaced",
		Changes: []Change{{"internal/log/txn/writes.go", `	if w.count > 0 {
		c, i, found`,
			`	if w.count > 0 && len(w.spills) == 0 {
		c, i, found`}},
		Killer: test("log/txn", "TestWrites_spilled.*"),
		Quick:  true,
	},
	{
		Name:   "a commit takes the oldest of what was spilled",
		Breaks: "what was replaced is committed",
		Changes: []Change{
			{"internal/log/txn/spill.go", `	for _, s := range slices.Backward(spills) {`,
				`	for _, s := range spills {`},
			{"internal/log/txn/spill.go", `	w.serial++
`, ""},
		},
		Killer: test("log/txn", "TestWrites_spilled.*"),
		Quick:  true,
	},
	{
		Name:   "a spill keeps what was there before the last savepoint",
		Breaks: "the newest writes of a transaction are lost",
		Changes: []Change{{"internal/log/txn/spill.go", `w.changedSince(m.undo)})`,
			`w.changedSince(len(w.undo))})`}},
		Killer: test("log/txn", "TestWrites_spilled.*"),
		Quick:  true,
	},
	{
		Name:   "a spill writes its savepoints newest first",
		Breaks: "a rollback brings back another state, and the oldest writes are committed",
		Changes: []Change{{"internal/log/txn/spill.go", `	slices.Reverse(steps)
`, `	_ = slices.Reverse[[][]Write]
`}},
		Killer: test("log/txn", "TestWrites_spilled.*"),
		Quick:  true,
	},
	{
		Name:   "a rollback leaves what was spilled",
		Breaks: "what was taken back is committed",
		Changes: []Change{{"internal/log/txn/writes.go", `		w.dropSpills(m.spills)
`, ""}},
		Killer: test("log/txn", "TestWrites_spilled.*"),
		Quick:  true,
	},
	{
		Name:   "runs are merged over a savepoint",
		Breaks: "a rollback behind many spills brings back another state",
		Changes: []Change{{"internal/log/txn/spill.go", `		if n < fanIn || len(w.savepoints) > 0 && w.savepoints[len(w.savepoints)-1].spills > n-fanIn {`,
			`		if n < fanIn {`}},
		Killer: test("log/txn", "TestWrites_rollBackBehindManySpills"),
		Quick:  true,
	},
	{
		Name:   "a merge of runs forgets deletions",
		Breaks: "what the transaction removed comes back",
		Changes: []Change{{"internal/log/txn/spill.go", `		if n > 0 && bytes.Equal(k.User, last) {`,
			`		if n > 0 && bytes.Equal(k.User, last) || k.Trailer.Kind() == key.KindDelete {`}},
		Killer: test("log/txn", "TestWrites_spilled.*"),
		Quick:  true,
	},

	// What can be waited for, and what is kept.
	{
		Name:   "WaitDurable returns at once",
		Breaks: "what was waited for is lost to a power cut",
		Changes: []Change{{"internal/engine/write.go", `	if seq <= e.log.Durable() {`,
			`	if seq <= e.tree.Visible() {`}},
		Killer: test("engine", "TestWaitDurable_.*"),
	},
	{
		Name:    "the states that are kept begin too late",
		Breaks:  "a state within Options.Retain is gone",
		Changes: []Change{{"internal/tree/readers/readers.go", `	return r.timeline.visibleAt(now.Plus(-r.opts.Retain))`, `	return r.timeline.visibleAt(now.Plus(-r.opts.Retain / 2))`}},
		Killer:  test("engine", "TestRetain_.*"),
	},
	{
		Name:   "a moment shows what became visible after it",
		Breaks: "the oldest state within Options.Retain is gone",
		Changes: []Change{{"internal/tree/readers/timeline.go", `	for n < len(t.samples) && t.samples[n].at <= moment {
		t.start = t.samples[n].seq
		n++
	}`, `	for n < len(t.samples) && t.samples[n].at <= moment {
		n++
	}
	if n < len(t.samples) {
		t.start = t.samples[n].seq
	}`}},
		Killer: test("engine", "TestRetain_.*"),
	},
	{
		Name:   "no state of the past is too old",
		Breaks: "a state of which a part was dropped is shown as if it were whole",
		Changes: []Change{{"internal/tree/readers/readers.go", `	if seq < r.horizon && !r.standsLocked(seq, seq+1) {`,
			`	if seq < r.horizon && !r.standsLocked(seq, seq+1) && r.horizon == 0 {`}},
		Killer: test("engine", "TestRetain_.*|TestSnapshotAt_.*"),
	},
}
