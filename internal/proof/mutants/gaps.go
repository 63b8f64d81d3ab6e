package mutants

// gapMutants break the gaps that walks jump over, and what makes space return by itself.
var gapMutants = []Mutant{
	{
		Name:    "a put does not end the gap that it is in",
		Breaks:  "a key that was committed is missing from every scan",
		Changes: []Change{{"internal/tree/tree.go", `	tr.endGaps(b)`, ``}},
		Killer:  test("engine", "TestGaps_hideNothingFromAnyReader"),
	},
	{
		Name:   "a gap ends before what ends it is in the tree",
		Breaks: "a gap that is found in between hides a key that was committed",
		Changes: []Change{{"internal/tree/tree.go", `	active.Apply(b, first)
	active.last = last
	tr.endGaps(b)`, `	tr.endGaps(b)
	active.Apply(b, first)
	active.last = last`}},
		Killer: test("engine", "TestGaps_whileCommitsRun"),
	},
	{
		Name:   "a merge does not end the gap that it is in",
		Breaks: "a counter that was raised from nothing is missing from every scan",
		Changes: []Change{{"internal/tree/gaps.go", `		if op.Kind != key.KindRangeDelete && visible.OfKind(op.Kind) != visible.Hide {`,
			`		if visible.OfKind(op.Kind) == visible.Show {`}},
		Killer: test("engine", "TestGaps_hideNothingFromAnyReader"),
	},
	{
		Name:    "ingested tables do not end gaps",
		Breaks:  "what a large transaction has put is missing from every scan",
		Changes: []Change{{"internal/tree/tree.go", `			tr.gaps.PutSpan(t.Smallest, t.Largest)`, `			_ = t`}},
		Killer:  test("engine", "TestGaps_hideNothingFromAnyReader"),
	},
	{
		Name:   "a gap holds for a reader older than it",
		Breaks: "a snapshot misses what was deleted after it",
		Changes: []Change{{"internal/tree/gap/gap.go", `	if gap == nil || gap.Since > seq {`,
			`	if gap == nil {`}},
		Killer: test("tree/gap", "TestGaps_holdNothingThatAReaderSees"),
		Quick:  true,
	},
	{
		Name:   "a gap is noted at the newest sequence number, not where it was found",
		Breaks: "what was put since the reader began is missing from scans",
		Changes: []Change{{"internal/tree/gaps.go", `	claim := tr.gaps.Claim(s, r.Seq())`,
			`	claim := tr.gaps.Claim(s, tr.Visible())`}},
		Killer: test("engine", "TestGaps_hideNothingFromAnyReader"),
	},
	{
		Name:    "a gap is believed without a look at what is newer",
		Breaks:  "what was put since the reader began is missing from scans",
		Changes: []Change{{"internal/tree/gaps.go", `	proven = err == nil && !put && !r.Expired()`, `	proven = err == nil && !r.Expired() || put`}},
		Killer:  test("engine", "TestGaps_hideNothingFromAnyReader"),
	},
	{
		Name:   "a put does not end a claim",
		Breaks: "a key that is put while a gap is being proven is missing from every scan",
		Changes: []Change{{"internal/tree/gap/gap.go", `	if next.claim != nil && next.claim.Overlaps(s) {`,
			`	if next.claim != nil && len(s.Lo) > len(s.Hi) {`}},
		Killer: test("tree/gap", "TestGaps_holdNothingThatAReaderSees"),
	},
	{
		Name:    "joined gaps hold for as many readers as the older one",
		Breaks:  "a snapshot misses what was deleted after it",
		Changes: []Change{{"internal/tree/gap/gap.go", `Hi: gap.Hi}, Since: to}`, `Hi: gap.Hi}, Since: from}`}},
		Killer:  test("tree/gap", "TestGaps_holdNothingThatAReaderSees|TestSettle_.*"),
	},
	{
		Name:   "the check of a commit passes over gaps that are newer than what it read",
		Breaks: "a transaction commits though what it scanned was deleted meanwhile",
		Changes: []Change{{"internal/tree/gap/gap.go", `			if gap.Since > seq {
				continue
			}`, ``}},
		Killer: test("engine", "TestGaps_hideNothingFromAnyReader"),
	},
	{
		Name:   "the check of a commit walks through gaps",
		Breaks: "each commit that has scanned a queue looks at all that was ever taken from it",
		Changes: []Change{{"internal/tree/changes.go", `tr.gaps.Outside(s, since)`, `new(gap.Gaps).Outside(s, since)`},
			importGap},
		Killer: test("engine", "TestQueue_popsLookAtFewDeadRows"),
	},
	{
		Name:    "iterators know no gaps",
		Breaks:  "each look at the head of a queue passes all that was ever taken from it",
		Changes: []Change{{"internal/tree/gap/walk.go", `	if !found {`, `	if !found || w.Known != nil {`}},
		Killer:  test("engine", "TestQueue_popsLookAtFewDeadRows"),
	},
	{
		Name:   "a batch backward is passed up to the key that it leaves open",
		Breaks: "a key that is there is in a gap",
		Changes: []Change{{"internal/tree/merge/visible.go", `			before, passed = user, i`,
			`			before, passed = e.Key.User, i+1`}},
		Killer: test("engine", "TestGaps_hideNothingFromAnyReader"),
	},
	{
		Name:   "a transaction's put does not end its gap",
		Breaks: "a transaction does not see in a scan what it has put",
		Changes: []Change{{"internal/log/txn/writes.go", `	if w.gaps != nil && visible.OfKind(kind) != visible.Hide {`,
			`	if visible.OfKind(kind) == visible.Skip {`}},
		Killer: test("log/txn", "TestOverlay_showsWhatComesBack"),
	},
	{
		Name:    "a rollback leaves a transaction's gaps",
		Breaks:  "what a savepoint brings back is missing from scans",
		Changes: []Change{{"internal/log/txn/writes.go", `	w.gaps, w.spilledGaps = nil, nil`, ``}},
		Killer:  test("log/txn", "TestOverlay_showsWhatComesBack"),
	},
	{
		Name:    "a transaction's gaps outlive its snapshot",
		Breaks:  "a transaction whose snapshot has moved misses what is there now",
		Changes: []Change{{"internal/log/txn/gaps.go", `	if w.gapsSeq != seq {`, `	if w.gapsSeq > seq {`}},
		Killer:  test("log/txn", "TestOverlay_showsWhatComesBack"),
	},
	{
		Name:    "a spill leaves the gaps of what is on disk as they were",
		Breaks:  "a transaction that was spilled again misses what it has put",
		Changes: []Change{{"internal/log/txn/spill.go", `	if w.spilledGaps = w.gaps; w.gaps != nil {`, `	if w.gaps != nil {`}},
		Killer:  test("log/txn", "TestOverlay_showsWhatComesBack"),
	},
	// Space.
	{
		Name:    "a memtable that hides much stays",
		Breaks:  "a program that deletes most of what it has keeps the space for as long as it is quiet",
		Changes: []Change{{"internal/engine/space.go", `	done := !returns`, `	returns, done := false, true`}},
		Killer:  test("engine", "TestSpace_returnsByItselfWhenQuiet"),
	},
	{
		Name:   "compactions know garbage by averages alone",
		Breaks: "the space of one huge value that was deleted never returns",
		Changes: []Change{{"internal/engine/compact.go", `		p.Garbage = e.compactor.Garbage(e.tree, v)`,
			`		p.Garbage = nil`}},
		Killer: test("engine", "TestSpace_returnsByItselfWhenQuiet"),
		Quick:  true,
	},
	{
		Name:   "a memtable is not weighed again when a compaction has changed what it hides",
		Breaks: "what a snapshot pinned, and a memtable hides, stays after the snapshot has gone",
		Changes: []Change{{"internal/engine/compact.go", `	e.lookForSpace()
`, ``}},
		Killer: test("engine", "TestSpace_returnsByItselfWhenQuiet"),
	},
	{
		Name:   "a flush for space need not return anything to speak of",
		Breaks: "a program that writes a little now and then has a table written for it each time",
		Changes: []Change{{"internal/engine/space.go", `		least = promptBytes
`, `		least = 1
`}},
		Killer: test("engine", "TestSpace_littleIsNotFlushed"),
	},
	{
		Name:    "a memtable is weighed only when no commit has come for a while",
		Breaks:  "a program that writes once a second keeps what it has deleted for days",
		Changes: []Change{{"internal/engine/space.go", `first != 0 && !quiet && now.Since(first) < weighInterval`, `first != 0 && !quiet`}},
		Killer:  test("engine", "TestSpace_returnsBesideATrickle"),
	},
	{
		Name:   "an old log stays",
		Breaks: "the log of what was put and deleted again stays for as long as the program is quiet",
		Changes: []Change{{"internal/engine/space.go", `	if quiet && old && e.log.FileBytes() >= oldLogBytes {`,
			`	if quiet && old && e.log.FileBytes() < 0 {`}},
		Killer: test("engine", "TestSpace_anEmptiedDatabaseIsSmall"),
	},
	{
		Name:   "the log goes on in a large file after a flush for space",
		Breaks: "an emptied database keeps the size of a log segment",
		Changes: []Change{{"internal/engine/space.go", `	e.log.DropSpare()
`, ``}},
		Killer: test("engine", "TestSpace_anEmptiedDatabaseIsSmall"),
	},
}

// importGap makes package gap known to the check of commits.
var importGap = Change{"internal/tree/changes.go", `	"lightningdb/internal/tree/merge"`, `	"lightningdb/internal/tree/gap"
	"lightningdb/internal/tree/merge"`}
