package mutants

// rangeReadMutants break what readers make of deletes of ranges.
var rangeReadMutants = []Mutant{
	{
		Name:    "a range tombstone hides nothing",
		Breaks:  "what a delete of a range is over is still there",
		Changes: []Change{{"internal/tree/visible/visible.go", `	case seq < r.Deleted:`, `	case seq > r.Seq && seq < r.Deleted:`}},
		Killer:  test("tree/visible", "TestOf_rangeTombstoneHidesWhatIsOlder"),
		Quick:   true,
	},
	{
		Name:   "a point read does not ask the tombstones of the active memtable",
		Breaks: "what was deleted a moment ago is still there",
		Changes: []Change{{"internal/tree/cover/cover.go", `max(c.active.Covering(user, c.at).Seq, c.rest.Covering(user, c.at).Seq)`,
			`c.rest.Covering(user, c.at).Seq`}},
		Killer: test("engine", "TestDeleteRange_isSeenByEveryReader"),
	},
	{
		Name:    "tombstones that came after a reader are yielded to it",
		Breaks:  "a table is written anew again and again for what an open snapshot keeps in it",
		Changes: []Change{{"internal/tree/ranges/ranges.go", ` && t.Seq <= upTo && `, ` && `}},
		Killer:  test("tree/ranges", "TestSet_isAListOfTombstones"),
		Quick:   true,
	},
	{
		Name:   "the tombstones of frozen memtables are not joined",
		Breaks: "what was deleted comes back until the memtable is flushed",
		Changes: []Change{{"internal/tree/view.go", `		v.ranges = v.ranges.Join(m.Ranges())`,
			`		v.ranges.Join(m.Ranges())`}},
		Killer: test("engine", "TestDeleteRange_isSeenByEveryReader"),
	},
	{
		Name:   "a delete of a range leaves the rows of before",
		Breaks: "the row cache shows what was deleted",
		Changes: []Change{{"internal/tree/tree.go", `		tr.rows.Forget(first + key.SeqNum(b.Count()) - 1)`,
			`		tr.rows.Forget(0)`}},
		Killer: test("engine", "TestGet_rowsFollowDeletesOfRanges"),
	},
	{
		Name:   "a memtable folds across a range tombstone",
		Breaks: "a counter that was deleted with its range goes on from where it was",
		Changes: []Change{{"internal/tree/memtable/fold.go",
			`Deleted: m.Ranges().Covering(op.Key, key.MaxSeqNum).Seq}`, `Deleted: 0}`}},
		Killer: test("engine", "TestDeleteRange_isSeenByEveryReader"),
	},
	{
		Name:   "the result of an operand is shown behind the tombstone over it",
		Breaks: "a key that was deleted with its range shows what was merged into it",
		Changes: []Change{{"internal/tree/merged.go", `			if version == known && effect == visible.Fold {`,
			`			if version == known {`}},
		Killer: test("engine", "TestDeleteRange_endsWhatIsKnownOfOperands"),
	},
	{
		Name:   "a memtable does not note what came after a range tombstone",
		Breaks: "what was put into a range that was deleted is missing from scans",
		Changes: []Change{{"internal/tree/memtable/table.go", `		m.noteSince(op.Key, e)`,
			``}},
		Killer: test("engine", "TestDeleteRange_isSeenByEveryReader"),
	},
	{
		Name:   "a walk does not look for a newer tombstone between two keys",
		Breaks: "a walk backward shows what was deleted",
		Changes: []Change{{"internal/tree/ranges/around.go", `	if end := s.ending(user, at, newest.Seq, nil); end != nil {`,
			`	if end := s.ending(user, at, newest.Seq, nil); false {`}},
		Killer: test("tree/ranges", "TestSet_isAListOfTombstones"),
		Quick:  true,
	},
	{
		Name:   "a batch of a walk runs across the beginning of a range tombstone",
		Breaks: "a scan shows the first keys of what was deleted",
		Changes: []Change{{"internal/tree/cover/iterator.go", `	return it.source.NextBatch(dst, nearer(end, it.within))`,
			`	return it.source.NextBatch(dst, end)`}},
		Killer: test("tree/cover", "TestIterator_endsABatchAtATombstone"),
		Quick:  true,
	},
	{
		Name:   "a walk wades through what was deleted",
		Breaks: "a seek behind a delete of a range takes as long as one over all that it has deleted",
		Changes: []Change{{"internal/tree/cover/iterator.go", `		if it.passed++; it.passed%askEvery == 1 {
			if to`, `		if it.passed++; it.passed < 0 {
			if to`}},
		Killer: test("tree/cover", "TestIterator_wadesThroughNothing"),
		Quick:  true,
	},
	{
		Name:   "a walk jumps over newer entries in the range of a tombstone",
		Breaks: "what was put into a range that was deleted is missing from scans",
		Changes: []Change{{"internal/tree/cover/iterator.go", `	if !some || it.newest.Below(next) {
		return it.newest.Hi, true`, `	if !some || len(next) > 0 {
		return it.newest.Hi, true`}},
		Killer: test("tree/cover", "TestIterator_hidesWhatIsOlder"),
		Quick:  true,
	},
	{
		Name:   "an end of a range that is empty is none",
		Breaks: "a program that computes bounds deletes all of its data",
		Changes: []Change{{"internal/transaction/operation.go", `!s.Empty() {
		o.Batch.DeleteRange(s)`,
			`!s.Empty() || len(s.Hi) == 0 {
		o.Batch.DeleteRange(s)`}},
		Killer: Check{Package: ".", Run: "^(TestDeleteRange_deletesWhatRangeShows)$"},
	},
	{
		Name:   "writers of many ranges are never refused",
		Breaks: "a program that deletes millions of small ranges fills the memory with them",
		Changes: []Change{{"internal/engine/room/ranges.go", `	case r.Count+r.More > MaxRanges, memory >= MaxRanges/slowRanges:`,
			`	case used < 0:`}},
		Killer: test("engine/room", "TestRanges_slowWritersBeforeTheyAreRefused"),
		Quick:  true,
	},
	{
		Name:    "what a commit puts counts as ends of its ranges",
		Breaks:  "one range next to a picture is refused for ever",
		Changes: []Change{{"internal/engine/write.go", `c.Batch.RangeBytes()`, `len(c.Batch.Bytes())`}},
		Killer:  test("engine", "TestDeleteRange_nextToManyBytes"),
		Quick:   true,
	},
	{
		Name:   "a replay of many ranges does not compact",
		Breaks: "a point in time cannot be restored",
		Changes: []Change{{"internal/archive/replay.go", `if errors.Is(err, engine.ErrTooManyRanges) {`,
			`if false {`}},
		Killer: Check{Package: "./backup", Run: "^(TestRestoreTo_ofMoreRangesThanAreRemembered)$"},
	},
	{
		Name:    "a delete of nothing does not meet a range that is written",
		Breaks:  "under snapshot isolation both of two that delete a key win, and one has not seen what the other did next to it",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `s.Seq(), reads.Claimed())`, `s.Seq(), false)`}},
		Killer:  test("engine", "TestTxn_Commit_ofARangeFindsDeletesOfNothing"),
		Quick:   true,
	},
	{
		Name:   "precedence overlooks deletes of nothing in a range that is to be deleted",
		Breaks: "the one transaction that must not lose does, at its commit",
		Changes: []Change{{"internal/engine/txn.go", `		wanted.AddWrittenSpan(s)
	} else {`, `		wanted.AddSpan(s)
	} else {`}},
		Killer: test("engine", "TestTxn_Protect_movesOverDeletesOfNothing"),
		Quick:  true,
	},
	{
		Name:    "a spill does not claim the ranges that it deletes",
		Breaks:  "of two large transactions that write a key both win",
		Changes: []Change{{"internal/transaction/spill.go", `tx.reads.AddWrittenSpan(s)`, `tx.reads.AddSpan(s)`}},
		Killer:  Check{Package: ".", Run: "^(TestSnapshotIsolation_writesConflictWithWrites)$"},
	},
}
