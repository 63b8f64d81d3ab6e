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
		Changes: []Change{{"internal/tree/visible/visible.go", `	if r.Now < end {
		return Show`, `	if r.Now < end {
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
		Changes: []Change{{"internal/tree/read.go", `		out, found, err = tr.searchAt(tr.opts.Now(), limit, dst, user, hash, Latest)
	} else if err == nil`, `		out, found, err = tr.searchAt(tr.opts.Now(), limit, dst, user, hash, Latest)
	}
	if err == nil`}},
		Killer: test("tree", "TestEnds_everyReaderGoesByItsOwnTime"),
	},
	{
		Name:    "a snapshot goes by the time of each read",
		Breaks:  "a snapshot changes under its reader",
		Changes: []Change{{"internal/tree/snapshot.go", `searchAt(s.now, `, `searchAt(s.tree.opts.Now(), `}},
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
}
