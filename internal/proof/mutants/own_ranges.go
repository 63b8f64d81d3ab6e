package mutants

// ownRangeMutants break what a transaction makes of the ranges that it deletes.
var ownRangeMutants = []Mutant{
	{
		Name:   "a transaction sees what is in a range that it has deleted",
		Breaks: "it decides on what it has removed",
		Changes: []Change{{"internal/log/txn/writes.go", `	if w.deleted.Covering(k, key.MaxSeqNum).Seq > 0 {
		return removal(k), nil
	}
`, ``}},
		Killer: test("log/txn", "TestWrites_ranges.*"),
		Quick:  true,
	},
	{
		Name:    "a range does not delete what the transaction wrote before",
		Breaks:  "it is committed all the same",
		Changes: []Change{{"internal/log/txn/ranges.go", `	w.drop(s)`, ``}},
		Killer:  test("log/txn", "TestWrites_ranges.*"),
		Quick:   true,
	},
	{
		Name:   "a commit deletes its ranges last",
		Breaks: "what was written over them is lost",
		Changes: []Change{{"internal/log/txn/writes.go", `	for _, s := range w.Deleted() {
		b.DeleteRange(s)
	}
`, `	defer func() {
		for _, s := range w.Deleted() {
			b.DeleteRange(s)
		}
	}()
`}},
		Killer: test("log/txn", "TestWrites_ranges.*"),
		Quick:  true,
	},
	{
		Name:    "a rollback keeps a range",
		Breaks:  "what it has deleted, and the caller took back, is gone",
		Changes: []Change{{"internal/log/txn/writes.go", `	w.deleted = m.deleted`, ``}},
		Killer:  test("log/txn", "TestWrites_ranges.*"),
		Quick:   true,
	},
	{
		Name:    "a rollback to a savepoint on disk keeps a range",
		Breaks:  "what it has deleted, and the caller took back, is gone",
		Changes: []Change{{"internal/log/txn/writes.go", `w.deleted, w.spilledDeleted = nil, m.deleted`, `w.deleted = nil`}},
		Killer:  test("log/txn", "TestWrites_ranges.*"),
		Quick:   true,
	},
	{
		Name:   "a rollback brings nothing back that a range has dropped",
		Breaks: "writes from before the savepoint are lost",
		Changes: []Change{{"internal/log/txn/writes.go", `			w.bringBack(u.write)
`, ``}},
		Killer: test("log/txn", "TestWrites_ranges.*"),
		Quick:  true,
	},
	{
		Name:   "a rollback keeps the write that has replaced a dropped one",
		Breaks: "the key is as it was never",
		Changes: []Change{{"internal/log/txn/ranges.go", `		w.chunks[c][i] = write
`, ``}},
		Killer: test("log/txn", "TestWrites_ranges.*"),
		Quick:  true,
	},
	{
		Name:    "a range is joined with one from before the savepoint",
		Breaks:  "once spilled, it takes what was written between the two",
		Changes: []Change{{"internal/log/txn/ranges.go", `t.Seq > w.newestPoint()`, `t.Seq > 0`}},
		Killer:  test("log/txn", "TestWrites_rangesDoNotReachOverASavepoint"),
		Quick:   true,
	},
	{
		Name:    "each spill deletes the ranges of all before it",
		Breaks:  "it takes what was written over them",
		Changes: []Change{{"internal/log/txn/spill.go", `deletedSince(deleted, m.serial)`, `deletedSince(deleted, 0)`}},
		Killer:  test("log/txn", "TestWrites_ranges.*"),
		Quick:   true,
	},
	{
		Name:   "a range does not hide what is spilled",
		Breaks: "a large transaction sees what it has deleted",
		Changes: []Change{{"internal/log/txn/spill.go", `		if s.seq < over {
			break
		}
`, ``}},
		Killer: test("log/txn", "TestWrites_ranges.*"),
		Quick:  true,
	},
	{
		Name:    "a range is forgotten when the memory is spilled",
		Breaks:  "what was deleted is there again",
		Changes: []Change{{"internal/log/txn/spill.go", `		w.spillDeleted(step.deleted, serial)`, ``}},
		Killer:  test("log/txn", "TestWrites_ranges.*"),
		Quick:   true,
	},
	{
		Name:   "spills are merged with what a range hides",
		Breaks: "the merged spill is newer than the range: what was deleted is committed",
		Changes: []Change{{"internal/log/txn/spill.go", `		if deleted.Covering(k.User, key.MaxSeqNum).Seq > k.Trailer.Seq() {
			continue
		}
`, ``}},
		Killer: test("log/txn", "TestWrites_ranges.*"),
		Quick:  true,
	},
	{
		Name:    "a walk goes through what is spilled in a range",
		Breaks:  "a loop of a large transaction shows what it has deleted",
		Changes: []Change{{"internal/log/txn/spill.go", `over, over.Seq > k.Trailer.Seq()`, `over, false`}},
		Killer:  test("log/txn", "TestWrites_ranges.*"),
		Quick:   true,
	},
	{
		Name:    "a walk forward jumps over what was written after a range",
		Breaks:  "a loop of a large transaction does not show what it wrote",
		Changes: []Change{{"internal/log/txn/spill.go", `		case over.Seq <= l.newest:`, `		case over.Seq == 0:`}},
		Killer:  test("log/txn", "TestWrites_ranges.*"),
		Quick:   true,
	},
	{
		Name:    "a walk backward jumps over what was written after a range",
		Breaks:  "a loop of a large transaction does not show what it wrote",
		Changes: []Change{{"internal/log/txn/spill.go", `		if over.Seq > l.newest {`, `		if over.Seq > 0 {`}},
		Killer:  test("log/txn", "TestWrites_ranges.*"),
		Quick:   true,
	},
	{
		Name:   "a walk steps into a range",
		Breaks: "a loop shows what the transaction has deleted",
		Changes: []Change{{"internal/log/txn/overlay.go", `		o.base.Next()
	}
	o.skipDeleted()`, `		o.base.Next()
	}`}},
		Killer: test("log/txn", "TestWrites_ranges.*|TestOverlay_.*"),
		Quick:  true,
	},
	{
		Name:    "a batch is held against reads without its ranges",
		Breaks:  "a transaction commits on what another member of its group has deleted",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `	return reads.Meets(deletedBy(b))`, `	return false`}},
		Killer:  test("engine/conflict", "TestWrites_.*"),
		Quick:   true,
	},
	{
		Name:    "a delete of a range waits for no lock but that of its lower end",
		Breaks:  "the holder of a lock loses all the same",
		Changes: []Change{{"internal/engine/conflict/conflict.go", ` || r.Batch.Ranges() == 0 {`, ` || r.Batch.Ranges() >= 0 {`}},
		Killer:  test("engine", "TestTxn_locksKeepCommitsWaiting"),
	},
	{
		Name:    "a lock in a range is not looked for once there is a protected one",
		Breaks:  "the holder of a lock loses all the same",
		Changes: []Change{{"internal/log/lock/ranges.go", `(!blocked || l.key < least) && `, `!blocked && `}},
		Killer:  test("log/lock", "TestBlockedIn_.*|TestTable_behavesLikeItsModel"),
		Quick:   true,
	},
	{
		Name:    "a lock is granted before the delete of its range in flight",
		Breaks:  "its holder reads what is about to be gone",
		Changes: []Change{{"internal/log/commit/commit.go", ` || op.Kind == key.KindRangeDelete && op.Span().Contains(user) {`, ` {`}},
		Killer:  test("log/commit", "TestFlight_.*"),
		Quick:   true,
	},
	{
		Name:    "under snapshot isolation only the lower end of a range is claimed",
		Breaks:  "what another has put into it meanwhile is deleted",
		Changes: []Change{{"internal/log/txn/reads.go", `		r.AddWrittenSpan(op.Span())`, `		r.AddKey(op.Key, key.Hash(op.Key))`}},
		Killer:  test("log/txn", "TestReads_takeRanges.*"),
		Quick:   true,
	},
	{
		Name:    "the commit of a large transaction deletes no range",
		Breaks:  "what it has deleted is there",
		Changes: []Change{{"internal/engine/ingest.go", `, RangesAdded: s.Tombstones(seq)`, ``}},
		Killer:  test("engine", "TestTxn_CommitSpill_deletesRangesFirst"),
	},
	{
		Name:    "the check of a commit does not look for ranges that were deleted",
		Breaks:  "a transaction decides on what is gone",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `DeletedSince(s.Seq())`, `DeletedSince(tree.Latest)`}},
		Killer:  test("engine", "TestTxn_Commit_findsRangesDeletedSince"),
	},
	{
		Name:    "a large transaction does not wait for locks in its ranges",
		Breaks:  "the holder of a lock loses all the same",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `Meet(span.Set{held}); meet {`, `Meet(span.Set{held}); meet && len(k) < 0 {`}},
		Killer:  test("engine", "TestTxn_locksKeepCommitsWaiting"),
	},
}
