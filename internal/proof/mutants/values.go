package mutants

// valueMutants break what keeps values that stay where they were flushed, and those that are streamed.
var valueMutants = []Mutant{
	{
		Name:    "a source that breaks has ended",
		Breaks:  "half of a value is committed, though its source has said that there is more",
		Changes: []Change{{"internal/transaction/stream.go", `		case err == io.EOF:`, `		case err != nil:`}},
		Killer: Check{Package: "./internal/proof/torture", Run: "^TestDifferential_equalsSortedMap$",
			Flags: "-mix streams -seed 1 -ops 54000"},
		Quick: true,
	},
	{
		Name:   "a stream lends the chunk that it is about to read into",
		Breaks: "a value in chunks has bytes of the next chunk",
		Changes: []Change{{"internal/transaction/stream.go", `	s.turn = 1 - s.turn
`, ``}},
		Killer: crash("streams"),
	},
	{
		Name:   "a reference to a value file is not counted",
		Breaks: "the file leaves, and is removed, while tables refer to it",
		Changes: []Change{{"internal/tree/manifest/version.go", `		f := b.values[r.File]
		f.Bytes += r.Bytes
`, `		f := b.values[r.File]
		f.Bytes += min(r.Bytes, f.Bytes)
`}},
		Killer: test("tree/manifest", "TestApply_aValueFileStaysWhileATableRefersToIt"),
		Quick:  true,
	},
	{
		Name:   "a reference that is gone is still counted",
		Breaks: "value files stay for ever, and their space never comes back",
		Changes: []Change{{"internal/tree/manifest/version.go", `		f.Bytes -= r.Bytes
`, `		f.Bytes -= min(r.Bytes, f.Bytes-1)
`}},
		Killer: test("tree/manifest", "TestApply_countsReferencesOverManyEdits"),
		Quick:  true,
	},
	{
		Name:    "tables may refer to more of a value file than it has",
		Breaks:  "references that sum up to nothing take away a file that tables refer to",
		Changes: []Change{{"internal/tree/manifest/version.go", ` || r.Bytes > uint64(f.Size)-f.Bytes || `, ` || `}, {"internal/tree/manifest/version.go", `		f, there := b.values[r.File]`, `		_, there := b.values[r.File]`}},
		Killer:  test("tree/manifest", "TestApply_refusesImpossibleEdits"),
		Quick:   true,
	},
	{
		Name:   "a value file is removed while a view refers to it",
		Breaks: "the values that a compaction has left where they are, are gone",
		Changes: []Change{{"internal/tree/tables/names.go", `	if f.versions--; f.versions > 0 {`,
			`	if f.versions--; f.versions > 0 && f.values == nil {`}},
		Killer: test("engine", "TestValues_.*"),
		Quick:  true,
	},
	{
		Name:    "a table that becomes a value file is not named by the edit",
		Breaks:  "compactions stop, or tables refer to a file that nobody keeps",
		Changes: []Change{{"internal/tree/compaction/execute.go", `	edit.Values = e.job.valueFiles(e.out.done)`, `	edit.Values = e.job.valueFiles(nil)`}},
		Killer:  test("engine", "TestValues_.*"),
		Quick:   true,
	},
	{
		Name:   "a rewriting drops an entry whose value is in a value file",
		Breaks: "keys are gone once their file is emptied",
		Changes: []Change{{"internal/tree/compaction/execute.go", `	if ref, outside := input.Extent(); outside && showsValue(k) {`, `	if ref, outside := input.Extent(); outside && e.job.Emptied[ref.Table] && e.job.Reason == ReasonValues {
		return nil
	} else if outside && showsValue(k) {`}},
		Killer: test("engine", "TestValues_.*"),
		Quick:  true,
	},
	{
		Name:   "an older version's value stands for a newer one's",
		Breaks: "a compaction changes what a key shows",
		Changes: []Change{{"internal/tree/compaction/execute.go", `	return e.out.addReference(k, ref, first)`, `	return e.out.addReference(k, e.earlier(ref), first)`}, {"internal/tree/compaction/execute.go", `// refer appends a put to the output whose value stays at ref.`, `var lastRef page.Reference

func (e *execution) earlier(ref page.Reference) page.Reference {
	before := lastRef
	if lastRef = ref; before.Table == ref.Table {
		return before
	}
	return ref
}

// refer appends a put to the output whose value stays at ref.`}},
		Killer: test("engine", "TestValues_.*"),
		Quick:  true,
	},
	{
		Name:    "references to emptied files are kept",
		Breaks:  "nothing is ever emptied, and the same job is picked for ever",
		Changes: []Change{{"internal/tree/compaction/values.go", ` && !j.Emptied[ref.Table]`, ``}},
		Killer:  test("tree/compaction", "TestPick_settlesAtLittleGarbage"),
		Hangs:   true,
	},
	{
		Name:   "a missing value file is no error of Open",
		Breaks: "the first read of one of its values finds that out, days later",
		Changes: []Change{{"internal/tree/manifest/version.go", `	for num := range v.Files() {
		name := filename.Make(filename.Table, num)
`, `	for num := range v.Files() {
		if v.ValueFile(num) != nil {
			continue
		}
		name := filename.Make(filename.Table, num)
`}},
		Killer: test("tree/manifest", "TestCheckTables_namesTheValueFileThatIsMissing"),
		Quick:  true,
	},
	{
		Name:   "a recovery removes value files",
		Breaks: "every value that a compaction has left where it is, is gone after the next Open",
		Changes: []Change{{"internal/tree/manifest/leftovers.go", `	for num := range version.Files() {
		named[num] = true
`, `	for num := range version.Files() {
		named[num] = version.ValueFile(num) == nil
`}},
		Killer: test("engine", "TestValues_openKeepsWhatIsReferredToAlone"),
		Quick:  true,
	},
	{
		Name:    "values that every compaction copies count as left",
		Breaks:  "levels are never full, and jobs write many times what the disk limit has admitted",
		Changes: []Change{{"internal/tree/tables/output.go", `o.threshold > 0 && n >= o.threshold && `, `o.threshold > 0 && n > 0 && `}},
		Killer:  test("engine", "TestValues_onlyWhatStaysCountsAsLeft"),
		Quick:   true,
	},
	{
		Name:   "a compaction of a range leaves value files as they are",
		Breaks: "whoever compacts before making a copy copies nearly as much garbage as data",
		Changes: []Change{{"internal/tree/compaction/manual.go", `	return pk.pickValuesOf(a)`,
			`	return nil, true`}},
		Killer: test("engine", "TestCompact_emptiesValueFiles"),
		Quick:  true,
	},
	{
		Name:   "a compaction of a range leaves as much garbage as there may be in a burst",
		Breaks: "what Compact leaves depends on who else writes",
		Changes: []Change{{"internal/tree/compaction/values.go", `garbageToLive*float64(pk.liveValues(files, a.Span))`,
			`busyValueGarbage*float64(pk.liveValues(files, a.Span))`}},
		Killer: test("tree/compaction", "TestCompaction_neverChangesWhatSnapshotsSee"),
	},
	{
		Name:    "a compaction of a range takes along the tables that come later",
		Breaks:  "Compact does not end while a program writes as fast as it compacts",
		Changes: []Change{{"internal/tree/compaction/manual.go", `t.SmallestSeq > a.Seq || `, ``}},
		Killer:  test("tree/compaction", "TestPickRange_leavesWhatComesLater"),
		Quick:   true,
	},
	{
		Name:    "a compaction of a range looks for what later commits hide",
		Breaks:  "Compact does not end while a program overwrites",
		Changes: []Change{{"internal/tree/compaction/manual.go", `min(p.OldestSnapshot, a.Seq)`, `p.OldestSnapshot`}},
		Killer:  test("tree/compaction", "TestPickRange_leavesWhatComesLater"),
		Quick:   true,
	},
	{
		Name:    "a compaction of a range empties value files that come later",
		Breaks:  "Compact does not end while a program overwrites large values",
		Changes: []Change{{"internal/tree/compaction/values.go", ` || f.Num >= a.Num`, ``}},
		Killer:  test("tree/compaction", "TestPickRange_leavesWhatComesLater"),
		Quick:   true,
	},
	{
		Name:   "of a file that others refer to, the tables of the range come first",
		Breaks: "a compaction of a range copies values and gives no space back",
		Changes: []Change{{"internal/tree/compaction/values.go", `after != nil && t.Touches(*after)`,
			`after != nil && !t.Touches(*after)`}},
		Killer: test("tree/compaction", "TestPickRange_.*"),
		Quick:  true,
	},
	{
		Name:    "a compaction of a range empties the files of others",
		Breaks:  "who compacts a small range waits for all the garbage there is",
		Changes: []Change{{"internal/tree/compaction/values.go", `return !referred[f.Num]`, `return false`}},
		Killer:  test("tree/compaction", "TestPickRange_.*"),
		Quick:   true,
	},
	{
		Name:   "a compaction of a range is done though a file cannot be emptied",
		Breaks: "Compact says that all is well, and leaves garbage",
		Changes: []Change{{"internal/tree/compaction/values.go", `	return nil, false
}

// pickValuesOf`, `	return nil, true
}

// pickValuesOf`}},
		Killer: test("tree/compaction", "TestPickRange_.*"),
		Quick:  true,
	},
	{
		Name:   "values that tables hold themselves do not count as live when files are emptied",
		Breaks: "each job allows less garbage than the one before, and a burst ends with all values copied three times",
		Changes: []Change{{"internal/tree/compaction/values.go", `			if t.Touches(s) {
				n += `, `			if !t.Touches(s) {
				n += `}},
		Killer: test("tree/compaction", "TestSimulation_longValuesAreSeldomCopied"),
		Quick:  true,
	},
	{
		Name:    "value files are emptied while a quarter of them is garbage, in a burst",
		Breaks:  "overwriting large values writes them three times",
		Changes: []Change{{"internal/tree/compaction/values.go", `busyValueGarbage = 1.0`, `busyValueGarbage = 0.33`}},
		Killer:  test("tree/compaction", "TestSimulation_longValuesAreSeldomCopied"),
		Quick:   true,
	},
	{
		Name:   "garbage of tables and of value files may be as much as both together, each",
		Breaks: "a quiet database takes more than 1.25 times its data",
		Changes: []Change{{"internal/tree/compaction/garbage.go", ` - float64(garbage)
		if job`, `
		if job`}},
		Killer: test("tree/compaction", "TestPick_countsGarbageOfTablesAndValuesTogether"),
		Quick:  true,
	},
	{
		Name:    "garbage of value files makes no garbage of tables too much",
		Breaks:  "a quiet database takes more than 1.25 times its data",
		Changes: []Change{{"internal/tree/compaction/garbage.go", `float64(garbage+inValues) > maxGarbage`, `float64(garbage) > maxGarbage`}},
		Killer:  test("tree/compaction", "TestPick_countsGarbageOfTablesAndValuesTogether"),
		Quick:   true,
	},
	{
		Name:    "value files are emptied that return less than a table",
		Breaks:  "all values are copied for the sake of a little garbage, where a table would have returned as much",
		Changes: []Change{{"internal/tree/compaction/values.go", ` || returns(f) <= least`, ``}},
		Killer:  test("tree/compaction", "TestPick_countsGarbageOfTablesAndValuesTogether"),
		Quick:   true,
	},
	{
		Name:   "value files are emptied for quiet before the levels have been compacted",
		Breaks: "values are copied that level 0 has replaced already",
		Changes: []Change{{"internal/tree/compaction/values.go", `	if pk.p.Short {
		share = shortReturn
	}`, `	if pk.p.Short {
		share = shortReturn
	} else if pk.p.Quiet {
		share = garbageToLive
	}`}},
		Killer: test("tree/compaction", "TestSimulation_longValuesAreSeldomCopied"),
		Quick:  true,
	},
}
