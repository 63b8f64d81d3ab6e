package mutants

// endMutants break entries that end.
var endMutants = []Mutant{
	{
		Name:    "an entry is there at the moment of its end",
		Breaks:  "a lease has two holders",
		Changes: []Change{{"internal/tree/visible/visible.go", `	if r.Now < end {`, `	if r.Now <= end {`}},
		Killer:  test("tree/visible", "TestUntilEnd_toTheNanosecond"),
		Quick:   true,
	},
	{
		Name:   "an end is compared the wrong way round",
		Breaks: "what has ended is there, and what has not is gone",
		Changes: []Change{{"internal/tree/visible/visible.go", `			r.Seen.Note(end)
		}
		return Show`, `			r.Seen.Note(end)
		}
		return Hide`}},
		Killer: test("tree/visible", "TestUntilEnd_toTheNanosecond"),
		Quick:  true,
	},
	{
		Name:   "what has ended shows what is older",
		Breaks: "an overwritten value comes back when the newer one ends",
		Changes: []Change{{"internal/tree/visible/visible.go", `		return Show
	}
	return Hide`, `		return Show
	}
	return Skip`}},
		Killer: test("tree", "TestEnds_everyReaderGoesByItsOwnTime"),
	},
	{
		Name:   "the row cache keeps what ends",
		Breaks: "a session is found after its end",
		Changes: []Change{{"internal/tree/read.go", `		out, found, err = tr.searchNewest(limit, dst, user, hash)
	} else if err == nil`, `		out, found, err = tr.searchNewest(limit, dst, user, hash)
	}
	if err == nil`}},
		Killer: test("tree", "TestEnds_everyReaderGoesByItsOwnTime"),
	},
	{
		Name:    "a snapshot goes by the time of each read",
		Breaks:  "a snapshot changes under its reader",
		Changes: []Change{{"internal/tree/snapshot.go", `.At(s.Now())`, `.At(s.tree.Time().Now())`}},
		Killer:  test("tree", "TestEnds_everyReaderGoesByItsOwnTime"),
	},
	{
		Name:    "what a counter that ends comes to is told to other readers",
		Breaks:  "the counter is found after its end",
		Changes: []Change{{"internal/tree/merged.go", ` && m.newest.Exists() && !m.ending {`, ` && m.newest.Exists() {`}},
		Killer:  test("tree", "TestEnds_mergesStandOnWhatIsThere"),
	},
	{
		Name:   "a memtable folds operands onto what ends as onto nothing",
		Breaks: "a counter loses what it had before its end",
		Changes: []Change{{"internal/tree/memtable/fold.go", `	case m.effect(e, reader) == visible.Until: // to some readers it has ended, and to some not
		return nil, false, false
`, ``}},
		Killer: test("tree", "TestEnds_mergesStandOnWhatIsThere"),
	},
	{
		Name:   "a compaction folds operands onto what ends",
		Breaks: "what was added to a counter ends with it, or it does not end",
		Changes: []Change{{"internal/tree/compaction/retain.go", `	case follows && r.decided && effect != visible.Until:`,
			`	case follows && r.decided:`}},
		Killer: test("tree/compaction", "TestCompaction_neverChangesWhatSnapshotsSee"),
	},
	{
		Name:   "a gap goes over what has ended",
		Breaks: "what ends is gone for a snapshot from before its end",
		Changes: []Change{{"internal/tree/merge/visible.go", `	if v.reader.Of(k.Trailer) == visible.Until {
		v.Walk.End()
		return
	}
`, ``}},
		Killer: test("tree/merge", "TestVisible_jumpsOverNothingThatIsThere"),
	},
	{
		Name:   "a gap goes over what has ended, backward",
		Breaks: "what ends is gone for a snapshot from before its end",
		Changes: []Change{{"internal/tree/merge/visible.go", `		if v.ended {
			v.Walk.End()
		}
`, ``}, {"internal/tree/merge/visible.go", `	if v.ended {
		return
	}
`, ``}},
		Killer: test("tree", "TestEnds_areInNoGap"),
	},
	{
		Name:   "the end of a long value is lost where it is referred to",
		Breaks: "a compaction takes a value for one that ended in 1970, or cannot go on",
		Changes: []Change{{"internal/tree/page/builder.go", `		b.buf = key.WithEnd(b.buf, x.End, nil)`,
			`		b.buf = key.WithEnd(b.buf, 1, nil)`}},
		Killer: test("tree/table", "TestGet_findsTheEndBeforeTheValue"),
	},
	{
		Name:    "a log record with an end of 0 is taken",
		Breaks:  "damage is taken for a put that nobody sees",
		Changes: []Change{{"internal/format/batch/batch.go", `	if op.Kind == key.KindPutUntil && !key.HasEnd(op.Value) {`, `	if op.Kind == key.KindPutUntil && len(op.Value) < key.EndSize {`}},
		Killer:  test("format/batch", "TestDecode_refusesEndsThatAreNone"),
		Quick:   true,
	},
	{
		Name:   "a transaction does not look at what has ended",
		Breaks: "a lease has two holders",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `	return c.hold(c.Reads(r.ReadPoint, r.Reads), r.Reads)`,
			`	return c.Reads(r.ReadPoint, r.Reads)`}},
		Killer: test("engine", "TestTime_hasChangedWhatATransactionRead"),
	},
	{
		Name:    "the latest end of what was read counts",
		Breaks:  "a transaction commits what it has made of a lease that has ended",
		Changes: []Change{{"internal/tree/visible/visible.go", `before <= int64(end)`, `before >= int64(end)`}},
		Killer:  test("tree/visible", "TestEarliest_isThatOfAllThatIsShown"),
		Quick:   true,
	},
	{
		Name:   "a transaction that moves forward forgets the ends of what it has read",
		Breaks: "it commits what it has made of a lease that has ended",
		Changes: []Change{{"internal/engine/txn.go", `	next.NoteEnds(&t.Reads.Ends)
`, ``}},
		Killer: test("engine", "TestTime_stopsATransactionFromMovingForward"),
	},
	{
		Name:   "the time goes on during a commit that rests on an end",
		Breaks: "a reader sees the end, and misses the commit that saw what ended live",
		Changes: []Change{{"internal/tree/readers/time.go", `	t.held = true
	return true`, `	return true`}},
		Killer: test("engine", "TestTime_standsStillForACommit"),
	},
	{
		Name:   "the time stands still after a commit that failed",
		Breaks: "nothing ends any more",
		Changes: []Change{{"internal/engine/write.go", `		w.tree.Time().Release()
`, ``}},
		Killer: test("engine", "TestTime_standsStillForACommit"),
	},
	{
		Name:   "the time goes back with the clock",
		Breaks: "what has ended is there again",
		Changes: []Change{{"internal/tree/readers/time.go", `	for now > told {
		if`, `	for now != told {
		if`}},
		Killer: test("tree/readers", "TestTime_neverGoesBack"),
		Quick:  true,
	},
	{
		Name:   "a commit is published while a reader takes its time",
		Breaks: "the reader sees what a commit has made of an end, and what ended live",
		Changes: []Change{{"internal/tree/readers/time.go", `	t.mu.Lock()
	defer t.mu.Unlock()
	store()
	t.held = false`, `	store()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = false`}},
		Killer: test("tree/readers", "TestMoment_isOneStep"),
		Quick:  true,
	},
	{
		Name:   "a reader takes its time and its sequence number apart",
		Breaks: "it sees what a commit has made of an end, and what ended live",
		Changes: []Change{{"internal/tree/readers/time.go", `	r.Time.mu.RLock()
	defer r.Time.mu.RUnlock()
	before()`, `	before()`}},
		Killer: test("tree/readers", "TestMoment_isOneStep"),
		Quick:  true,
	},
	{
		Name:   "an edit of the manifest has no time",
		Breaks: "what has ended is there again after a restart with a clock that is behind",
		Changes: []Change{{"internal/engine/flush.go", `	edit.Time = e.tree.Time().Told()
`, ``}},
		Killer: test("engine", "TestTime_goesOnAfterAnOpen"),
	},
	{
		Name:    "a close in which only time has passed leaves no trace",
		Breaks:  "what has ended is there again after a restart with a clock that is behind",
		Changes: []Change{{"internal/engine/engine.go", `told == e.tree.Current().Version().Time && `, `true && `}},
		Killer:  test("engine", "TestTime_isKeptByACloseWithoutWrites"),
	},
	{
		Name:   "Open does not ask what the writer before has told",
		Breaks: "what has ended is there again after a kill",
		Changes: []Change{{"internal/engine/recover.go", `		e.tree.Time().Begin(status.LastTime(e.opts.FS, version.DatabaseID))`,
			`		_ = status.LastTime`}},
		Killer: test("engine", "TestTime_goesOnAfterAnOpen"),
	},
	{
		Name:   "a replay does not look for what ends",
		Breaks: "nothing ends after a crash",
		Changes: []Change{{"internal/engine/recover.go", `	r.engine.tree.NoteEnds(b)
`, ``}},
		Killer: test("engine", "TestTime_isKeptByCrashes"),
	},
	{
		Name:   "every reader asks for the time",
		Breaks: "each View costs a call of the clock in a database in which nothing ends",
		Changes: []Change{{"internal/tree/readers/time.go", `	if r.Time.on.Load() {
		seq, now = r.Moment`, `	if r.Time.on.Load(); true {
		seq, now = r.Moment`}},
		Killer: test("tree/readers", "TestTime_isAskedForByNobodyIfNothingEnds"),
		Quick:  true,
	},
	{
		Name:   "a long value is there after its end",
		Breaks: "Has finds a session that has ended",
		Changes: []Change{{"internal/tree/table/reader.go", `		effect = reader.UntilEnd(e.End())
`, ``}},
		Killer: test("engine", "TestTime_hasChangedWhatATransactionRead"),
	},
	{
		Name:    "the earlier of two edits decides when it is",
		Breaks:  "what has ended is there again after a restart",
		Changes: []Change{{"internal/tree/manifest/version.go", `	v.Time = max(v.Time, e.Time)`, `	v.Time = e.Time`}},
		Killer:  test("tree/manifest", "TestApply_keepsTheLatestTime"),
		Quick:   true,
	},
	{
		Name:    "a transaction moves forward past the end of what it has read",
		Breaks:  "what it has read and what it reads are of two states",
		Changes: []Change{{"internal/engine/conflict/conflict.go", `	if reads.Ends.Passed(now) {`, `	if false {`}},
		Killer:  test("engine", "TestTime_stopsATransactionFromMovingForward"),
	},
	{
		Name:   "a follower goes by its own clock alone",
		Breaks: "it shows a commit and what that saw ended",
		Changes: []Change{{"internal/follower/refresh.go", `		f.tree.Time().Begin(told) // before`,
			`		f.tree.Time().Begin(0) // before`}},
		Killer: test("follower", "TestTime_ofTheWriterOrOfTheFollower"),
	},
	{
		Name:    "an own write that ends does not count as read",
		Breaks:  "a transaction commits what it has made of a lease of its own that is over",
		Changes: []Change{{"internal/log/txn/ends.go", `visible.Reader{Seen: w.Seen}`, `visible.Reader{}`}},
		Killer:  Check{Package: ".", Run: "^(TestTx_whatExpiresBeforeTheCommitIsAConflict)$"},
	},
	{
		Name:   "a merge over an own write that ends is applied at once",
		Breaks: "a session becomes one that never ends",
		Changes: []Change{{"internal/transaction/tx.go", `	if w.Ends() {
		return tx.writes.MergeOver(w, by)
	}
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestTx_ownWritesEnd)$"},
	},
	{
		Name:    "a spill leaves out what is merged over a write that ends",
		Breaks:  "merges are lost",
		Changes: []Change{{"internal/log/txn/spill.go", `		if len(write.Merged) > 0 {`, `		if false {`}},
		Killer:  Check{Package: ".", Run: "^(TestTx_largerThanMemoryRefusesMergesOverWhatEnds)$"},
	},
	{
		Name:    "a merge is joined with one that a savepoint has",
		Breaks:  "a rollback brings back what was merged after it",
		Changes: []Change{{"internal/log/txn/ends.go", `	case alone:`, `	case alone || true:`}},
		Killer:  Check{Package: ".", Run: "^(TestTx_ownWritesEnd)$"},
	},
	{
		Name:   "a transaction that was begun before anything ended has no time",
		Breaks: "what it has put until now is there",
		Changes: []Change{{"internal/tree/snapshot.go", `		s.tree.Time().Begin(0)
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestTx_takesItsTimeWithTheFirstEnd)$"},
	},
	{
		Name:    "an end in 1970 is one",
		Breaks:  "the zero time, of what does not end, is taken for an end",
		Changes: []Change{{"internal/format/key/end.go", `	return at, at > 0`, `	return at, at >= 0`}},
		Killer:  Check{Package: ".", Run: "^(TestPutUntil_refusesWhatIsNoMoment)$"},
	},
	{
		Name:    "a batch that is read does not tell when its puts end",
		Breaks:  "a copy of it cannot be made",
		Changes: []Change{{"internal/transaction/operation.go", `, Until: end.Moment()}`, `, Until: key.Time(0*end).Moment()}`}},
		Killer:  Check{Package: "./kv", Run: "^(TestReplay_isWhatWasCollected)$"},
	},
}
