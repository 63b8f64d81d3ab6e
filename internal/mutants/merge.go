package mutants

// mergeMutants break what becomes of merge operands.
var mergeMutants = []Mutant{
	{
		Name:   "operands are folded across a snapshot",
		Breaks: "a snapshot shows what was merged after it, or not what was there",
		Changes: []Change{{"internal/compaction/retain.go", `	r.stripe, _ = slices.BinarySearch(r.snapshots, k.Trailer.Seq())
`, `	if newUser || r.decided {
		r.stripe, _ = slices.BinarySearch(r.snapshots, k.Trailer.Seq())
	}
`}},
		Killer: test("compaction", "TestRun_foldsWithinAStripe"),
		Quick:  true,
	},
	{
		Name:   "a fold drops what it stands upon",
		Breaks: "a counter begins at zero again with a compaction",
		Changes: []Change{{"internal/compaction/fold.go", `	present := k.Trailer.Kind() == key.KindPut
`, `	present := false
`}},
		Killer: test("compaction", "TestCompaction_neverChangesWhatSnapshotsSee"),
		Quick:  true,
	},
	{
		Name:   "operands are folded onto nothing while the value is further down",
		Breaks: "the value below is hidden for ever",
		Changes: []Change{{"internal/compaction/fold.go", `	g.alone = !r.retain.overlaps.holds(k.User)
`, `	g.alone = true
`}},
		Killer: test("compaction", "TestRun_keepsOperandsOverOlderVersions"),
		Quick:  true,
	},
	{
		Name:   "operands that cannot be folded are dropped",
		Breaks: "what was merged is gone when the function that was missing is there",
		Changes: []Change{{"internal/compaction/fold.go", `	if err := r.keepGathered(); err != nil {
		return err
	}
	return r.write(k, value)
`, `	r.stats.Folded += g.read
	g.read = 0
	g.chain.Reset()
	return r.write(k, value)
`}},
		Killer: test("compaction", "TestRun_foldsWithinAStripe"),
		Quick:  true,
	},
	{
		Name:   "operands are folded from the newest to the oldest",
		Breaks: "what was appended comes in reverse",
		Changes: []Change{{"internal/operand/chain.go", `	for i := len(c.links) - 1; i >= 0; i-- {
`, `	for i := range c.links {
`}},
		Killer: test("operand", "TestChain_foldsAsOneAfterTheOther"),
		Quick:  true,
	},
	{
		Name:   "operands are joined over another between them",
		Breaks: "what was appended last comes before what it was appended to",
		Changes: []Change{{"internal/operand/chain.go",
			`	for i+1 < len(c.links) && Operator(c.at(i + 1)[0]) == Append {`,
			`	for i+1 < len(c.links) && Operator(c.at(i + 1)[0]) >= Append {`}},
		Killer: test("operand", "TestChain_foldsAsOneAfterTheOther"),
		Quick:  true,
	},
	{
		Name:   "a read stops at the first operand",
		Breaks: "a counter shows what was added last",
		Changes: []Change{{"internal/engine/merged.go", `		return m.err != nil
	}
	m.present =`, `		return true
	}
	m.present =`}},
		Killer: test("engine", "TestSnapshot_ofACounter"),
	},
	{
		Name:   "a scan turns round at operands that its snapshot does not see",
		Breaks: "a scan backward shows merges from after its snapshot",
		Changes: []Change{{"internal/merge/visible.go", `			if !v.input.SeekGE(key.SeekTo(v.key, v.seq)) {
				return v.end()`, `			if !v.input.SeekGE(key.SeekTo(v.key, key.MaxSeqNum)) {
				return v.end()`}},
		Killer: test("merge", "TestVisible_equalsModel"),
		Quick:  true,
	},
	{
		Name:   "a memtable folds onto nothing what it cannot read",
		Breaks: "one unreadable page, and a counter begins at zero again",
		Changes: []Change{{"internal/memtable/fold.go", `	return value, present, err == nil
`, `	_ = err
	return value, present, true
`}},
		Killer: test("engine", "TestGet_operandsOverWhatCannotBeReadAreAnError"),
	},
	{
		Name:   "a memtable folds onto what is visible",
		Breaks: "of several merges in one batch, some are lost",
		Changes: []Change{{"internal/memtable/fold.go", `	value, present, err := m.folding.Below(m.folded[:0], user, seq-1)`,
			`	value, present, err := m.folding.Below(m.folded[:0], user, seq-2)`}},
		Killer: test("engine", "TestCommit_foldsWithinABatch"),
	},
	{
		Name:   "a memtable folds without looking for room",
		Breaks: "the process ends for want of a few bytes",
		Changes: []Change{{"internal/memtable/fold.go",
			` || len(value) > limit || roundUp(len(value)-len(op.Value)) > m.spare(m.promised) {`,
			` || len(value) > limit {`}},
		Killer: test("memtable", "TestApply_foldsOnlyInTheRoomThereIs"),
		Quick:  true,
	},
	{
		Name:   "a batch in the log may hold any operand",
		Breaks: "damage that passed for a merge makes its key unreadable, and stops compactions",
		Changes: []Change{{"internal/batch/batch.go", `	if op.Kind == key.KindMerge && operand.Check(op.Value) != nil {`,
			`	if op.Kind == key.KindMerge && len(op.Value) == 0 && operand.Check(op.Value) != nil {`}},
		Killer: test("batch", "TestDecode_refusesOperandsThatCannotBeFolded"),
		Quick:  true,
	},
}
