package mutants

// mergeMutants break what becomes of merge operands.
var mergeMutants = []Mutant{
	{
		Name:   "operands are folded across a snapshot",
		Breaks: "a snapshot shows what was merged after it, or not what was there",
		Changes: []Change{{"internal/tree/compaction/retain.go", `	r.stripe, _ = slices.BinarySearch(r.snapshots, k.Trailer.Seq())
`, `	if newUser || r.decided {
		r.stripe, _ = slices.BinarySearch(r.snapshots, k.Trailer.Seq())
	}
`}},
		Killer: test("tree/compaction", "TestExecute_foldsWithinAStripe"),
		Quick:  true,
	},
	{
		Name:   "a fold drops the value below",
		Breaks: "a counter begins at zero again with a compaction",
		Changes: []Change{{"internal/tree/compaction/fold.go", `	present := effectOf(k) == visible.Show
`, `	present := false
`}},
		Killer: test("tree/compaction", "TestCompaction_neverChangesWhatSnapshotsSee"),
		Quick:  true,
	},
	{
		Name:   "operands are folded onto nothing while the value is further down",
		Breaks: "the value below is hidden for ever",
		Changes: []Change{{"internal/tree/compaction/fold.go", `	o.alone = !e.retain.overlaps.holds(k.User)
`, `	o.alone = true
`}},
		Killer: test("tree/compaction", "TestExecute_keepsOperandsOverOlderVersions"),
		Quick:  true,
	},
	{
		Name:   "operands that cannot be folded are dropped",
		Breaks: "what was merged is gone when the function that was missing is there",
		Changes: []Change{{"internal/tree/compaction/fold.go", `	if err := e.writeOperands(0); err != nil {
		return err
	}
	return e.write(k, value)
`, `	e.stats.Folded += o.open.read
	o.open = stripeOperands{}
	return e.write(k, value)
`}},
		Killer: test("tree/compaction", "TestExecute_foldsWithinAStripe"),
		Quick:  true,
	},
	{
		Name:   "arguments are joined the wrong way round",
		Breaks: "what was merged last is applied first",
		Changes: []Change{{"internal/format/operand/chain.go", `r.partial(user, c.at(i + 1)[1:], newer[1:])`,
			`r.partial(user, newer[1:], c.at(i + 1)[1:])`}},
		Killer: test("format/operand", "TestChain_mergesPartially"),
		Quick:  true,
	},
	{
		Name:   "a joined argument takes the place of the older one",
		Breaks: "a transaction that read the value before does not notice that it changed",
		Changes: []Change{{"internal/format/operand/chain.go", `				next.add(c.links[i].seq, newer[:1], argument)
`, `				next.add(c.links[i+1].seq, newer[:1], argument)
`}},
		Killer: test("tree/compaction", "TestExecute_mergesArgumentsPartially"),
		Quick:  true,
	},
	{
		Name:   "arguments are joined over another operator",
		Breaks: "what was appended in between comes before both, or after",
		Changes: []Change{{"internal/format/operand/chain.go",
			`		if i+1 < len(c.links) && isUser(newer) && isUser(c.at(i+1)) {`,
			`		if i+1 < len(c.links) && isUser(newer) {`}},
		Killer: test("format/operand", "TestChain_mergesPartially"),
		Quick:  true,
	},
	{
		Name:   "operands are folded from the newest to the oldest",
		Breaks: "what was appended comes in reverse",
		Changes: []Change{{"internal/format/operand/chain.go", `	for i := len(c.links) - 1; i >= 0; i-- {
`, `	for i := range c.links {
`}},
		Killer: test("format/operand", "TestChain_foldsAsOneAfterTheOther"),
		Quick:  true,
	},
	{
		Name:   "operands are joined over another between them",
		Breaks: "what was appended last comes before what it was appended to",
		Changes: []Change{{"internal/format/operand/chain.go",
			`	for i+1 < len(c.links) && Operator(c.at(i + 1)[0]) == Append {`,
			`	for i+1 < len(c.links) && Operator(c.at(i + 1)[0]) >= Append {`}},
		Killer: test("format/operand", "TestChain_foldsAsOneAfterTheOther"),
		Quick:  true,
	},
	{
		Name:   "a read stops at the first operand",
		Breaks: "a counter shows what was added last",
		Changes: []Change{{"internal/tree/merged.go", `		return m.err != nil
	case visible.Show:`, `		return true
	case visible.Show:`}},
		Killer: test("engine", "TestSnapshot_ofACounter"),
	},
	{
		Name:   "a scan turns round at operands that its snapshot does not see",
		Breaks: "a scan backward shows merges from after its snapshot",
		Changes: []Change{{"internal/tree/merge/visible.go", `			if !v.input.SeekGE(key.SeekTo(v.key, v.reader.Seq)) {
				return v.end()`, `			if !v.input.SeekGE(key.SeekTo(v.key, key.MaxSeqNum)) {
				return v.end()`}},
		Killer: test("tree/merge", "TestVisible_.*"),
		Quick:  true,
	},
	{
		Name:   "a memtable folds onto nothing what it cannot read",
		Breaks: "one unreadable page, and a counter begins at zero again",
		Changes: []Change{{"internal/tree/memtable/fold.go", `		return m.folding.Below(m.folded[:0], user, maxFoldedBytes)
`, `		value, present, _ = m.folding.Below(m.folded[:0], user, maxFoldedBytes)
		return value, present, true
`}},
		Killer: test("engine", "TestGet_operandsOverWhatCannotBeReadAreAnError"),
	},
	{
		Name:   "a memtable leaves an operand out when it folds",
		Breaks: "of several merges in one batch, some are lost",
		Changes: []Change{{"internal/tree/memtable/fold.go", `	next, e := op.Value, older
`, `	next, e := op.Value, m.older(older)
`}},
		Killer: test("engine", "TestCommit_foldsWithinABatch"),
	},
	{
		Name:   "a memtable folds without looking for room",
		Breaks: "the process ends for want of a few bytes",
		Changes: []Change{{"internal/tree/memtable/fold.go",
			`	if !ok || roundUp(len(value)-len(op.Value)) > m.spare(m.promised) {`,
			`	if !ok {`}},
		Killer: test("tree/memtable", "TestApply_foldsOnlyInTheRoomThereIs"),
		Quick:  true,
	},
	{
		Name:   "a memtable folds long values",
		Breaks: "all commits wait while the merge function makes a long value again and again",
		Changes: []Change{{"internal/tree/memtable/fold.go",
			`	maxFoldedBytes       = 256 `, `	maxFoldedBytes       = 1 << 20 `}},
		Killer: test("tree/memtable", "TestApply_leavesLongValuesAlone"),
	},
	{
		Name:   "a memtable tries to fold all operands at every 16th",
		Breaks: "merges that cannot be folded get slower with each",
		Changes: []Change{{"internal/tree/memtable/fold.go",
			`versions < lookBelowMinVersions || versions&(versions-1) != 0 {`,
			`versions%lookBelowMinVersions != 0 {`}},
		Killer: test("tree/memtable", "TestApply_leavesLongValuesAlone"),
	},
	{
		Name:   "a long value is made to see that it is too long",
		Breaks: "all commits wait while the merge function makes a long value again and again",
		Changes: []Change{{"internal/tree/merged.go", `	m := newMerged(limit, belowMax)
`, `	m := newMerged(key.MaxValueSize, belowMax)
`}},
		Killer: test("engine", "TestCommit_makesNoLongValues"),
	},
	{
		Name:   "a chain is folded in the memory that the merge function returned",
		Breaks: "a later merge changes what the program holds, or the operand of an earlier one",
		Changes: []Change{{"internal/format/operand/operand.go", `	if f.lent {
`, `	if f.lent && f.value == nil {
`}},
		Killer: test("format/operand", "TestChain_changesNothingThatTheFunctionReturned"),
		Quick:  true,
	},
	{
		Name:   "a job that cannot read what lies below takes it for absent",
		Breaks: "one unreadable page, and a row that is merged into loses all it was before",
		Changes: []Change{{"internal/tree/compaction/fold.go", `	return present, known
`, `	return present, true
`}},
		Killer: test("tree/compaction", "TestExecute_foldsOntoWhatLiesBelow"),
		Quick:  true,
	},
	{
		Name:   "a job folds onto what lies below, however long it is",
		Breaks: "a flush of small merges into long values writes all of these",
		Changes: []Change{{"internal/tree/compaction/fold.go",
			`e.deps.Below(o.value[:0], o.user, o.from, parts*maxBelowBytesPerOperand)`,
			`e.deps.Below(o.value[:0], o.user, o.from, key.MaxValueSize)`}},
		Killer: test("tree/compaction", "TestExecute_foldsOntoWhatLiesBelow"),
		Quick:  true,
	},
	{
		Name:   "a job folds onto what came after the operands",
		Breaks: "a row is made of what it became later, and that is merged into twice",
		Changes: []Change{{"internal/tree/compaction/fold.go", `o.user, o.from, parts*maxBelowBytesPerOperand)`,
			`o.user, key.MaxSeqNum, parts*maxBelowBytesPerOperand)`}},
		Killer: test("tree/compaction", "TestExecute_foldsOntoWhatIsOlderOnly"),
		Quick:  true,
	},
	{
		Name:   "what lies below a job is what is newest there",
		Breaks: "a row is made of what it became later, and that is merged into twice",
		Changes: []Change{{"internal/tree/merged.go", `key.Hash(user), v.Cover(before-1).Reader(user))`,
			`key.Hash(user), v.Cover(Latest).Reader(user))`}},
		Killer: test("proof/torture", "TestSimulation_seedsThatHaveFailed"),
	},
	{
		Name:   "what a job folds onto what lies below is dropped",
		Breaks: "a row that was merged into is as it was before",
		Changes: []Change{{"internal/tree/compaction/fold.go", `		e.fold(present)
	}
	return e.writeOperands(0)
`, `		if e.fold(present); e.operands.open.put {
			e.stats.Folded += e.operands.open.read
			e.operands.open = stripeOperands{}
		}
	}
	return e.writeOperands(0)
`}},
		Killer: test("tree/compaction", "TestExecute_foldsOntoWhatLiesBelow"),
		Quick:  true,
	},
	{
		Name:   "operands above a reader are folded onto what the reader does not see",
		Breaks: "a row loses what was merged into it before a snapshot was taken",
		Changes: []Change{{"internal/tree/compaction/fold.go", `bytes.Clone(value), present)
`, `bytes.Clone(o.value[:0]), present)
`}},
		Killer: test("tree/compaction", "TestExecute_foldsWithinAStripe"),
		Quick:  true,
	},
	{
		Name:   "operands above a reader take the entry below along",
		Breaks: "a snapshot shows nothing where there was a row",
		Changes: []Change{{"internal/tree/compaction/fold.go", `		err = e.writeStripe(&o.open, others)
`, `		o.open.put = o.open.put && len(o.above) == 0
		err = e.writeStripe(&o.open, others)
`}},
		Killer: test("tree/compaction", "TestCompaction_neverChangesWhatSnapshotsSee"),
	},
	{
		Name:   "operands above a reader are folded onto a value that failed",
		Breaks: "a merge that the function refuses is left out",
		Changes: []Change{{"internal/tree/compaction/fold.go", `		folded, err := o.open.chain.Fold(o.rules, o.user, value, present)
		if err != nil {
			return
		}
		o.value,`, `		folded, err := o.open.chain.Fold(o.rules, o.user, value, present)
		if err != nil {
			folded = value
		}
		o.value,`}},
		Killer: test("tree/compaction", "TestExecute_foldsWithinAStripe"),
		Quick:  true,
	},
	{
		Name:   "operands are applied in the reverse order within a fold",
		Breaks: "what was merged last comes first",
		Changes: []Change{{"internal/format/operand/chain.go", `		if err := f.apply(c.at(i)); err != nil {
`, `		if err := f.apply(c.at(len(c.links) - 1 - i)); err != nil {
`}},
		Killer: test("tree/compaction", "TestExecute_foldsOntoWhatLiesBelow"),
		Quick:  true,
	},
	{
		Name:   "what an operand leads to is taken for what a newer one does",
		Breaks: "a row shows an earlier state",
		Changes: []Change{{"internal/tree/merged.go", `			if version == known && effect`,
			`			if known.Exists() && t >= known.Trailer() && effect`}},
		Killer: test("engine", "TestGet_foldsOperandsOnce"),
	},
	{
		Name:   "what an operand leads to is told under the wrong one",
		Breaks: "a row shows what was merged into it twice",
		Changes: []Change{{"internal/tree/merged.go", `			if m.taken == 0 {
				m.newest = version
			}
`, `			m.newest = version
`}},
		Killer: test("engine", "TestGet_foldsOperandsOnce"),
	},
	{
		Name:   "readers do not tell each other what they have folded",
		Breaks: "a row that is merged into and read in turn is made from the beginning each time",
		Changes: []Change{{"internal/tree/merged.go", `	if m.taken >= worthTelling && m.newest.Exists() && !m.ending {`,
			`	if m.taken >= worthTelling && !m.newest.Exists() {`}},
		Killer: test("engine", "TestGet_foldsOperandsOnce"),
	},
	{
		Name:   "a memtable that is used again knows what its former operands led to",
		Breaks: "a row has the value of another",
		Changes: []Change{{"internal/tree/memtable/table.go", `	m.known.forget()
`, ``}},
		Killer: test("tree/memtable", "TestReset_forgetsWhatWasKnown"),
		Quick:  true,
	},
	{
		Name:   "a batch in the log may hold any operand",
		Breaks: "damage that passed for a merge makes its key unreadable, and stops compactions",
		Changes: []Change{{"internal/format/batch/batch.go", `	if op.Kind == key.KindMerge && operand.Check(op.Value) != nil {`,
			`	if op.Kind == key.KindMerge && len(op.Value) == 0 && operand.Check(op.Value) != nil {`}},
		Killer: test("format/batch", "TestDecode_refusesOperandsThatCannotBeFolded"),
		Quick:  true,
	},
	{
		Name:   "the merge function is called in the goroutine of others",
		Breaks: "a function that ends its goroutine ends the leader of all commits, or the flusher",
		Changes: []Change{{"internal/format/operand/chain.go", `	if r.apart && c.anyUser() {`,
			`	if r.apart && c.anyUser() && r.User == nil {`}},
		Killer: test("format/operand", "TestApart_theEndOfTheGoroutineIsAnError"),
		Quick:  true,
	},
	{
		Name:   "what is merged into a streamed value is folded",
		Breaks: "a loop reads a gigabyte into memory, to say that the key has no value",
		Changes: []Change{{"internal/tree/merge/visible.go", `outside && x.Raw > key.MaxValueSize {`,
			`outside && x.Raw > 2*key.MaxValueSize {`}},
		Killer: test("tree/merge", "TestVisible_foldsOntoNoStreamedValue"),
		Quick:  true,
	},
}
