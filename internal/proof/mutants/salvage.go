package mutants

// salvageMutants break what is taken of a damaged database.
var salvageMutants = []Mutant{
	{
		Name:   "salvage passes over tombstones",
		Breaks: "everything that was deleted is back, though nothing is damaged",
		Changes: []Change{{"internal/salvage/merge.go", `	c.based = k.Trailer.Kind() != key.KindMerge
`, `	c.based = k.Trailer.Kind() == key.KindPut
	if k.Trailer.Kind() == key.KindDelete {
		c.versions = c.versions[:n]
	}
`}},
		Killer: test("salvage", "TestSalvage_withoutDamageIsTheDatabase"),
	},
	{
		Name:   "salvage takes obsolete tables for live ones",
		Breaks: "what a compaction has dropped is back, and operands count twice",
		Changes: []Change{{"internal/salvage/merge.go", `	case !live && !losses.Covers(c.covering, k.Trailer.Seq(), k.Trailer.Seq()):`,
			`	case !live && c == nil:`}},
		Killer: test("salvage", "TestSalvage_obsoleteTablesFillOnlyLosses|TestSalvage_withoutDamageIsTheDatabase"),
	},
	{
		Name:   "salvage takes a damaged last edit for one that never was",
		Breaks: "commits that only a table has are missing, and nothing says so",
		Changes: []Change{{"internal/salvage/survey.go", `f.end == 0 || f.end >= f.size {`,
			`f.end == 0 || f.end <= f.size {`}},
		Killer: test("salvage", "TestSalvage_missesTheEndOfTheManifest"),
		Quick:  true,
	},
	{
		Name:   "salvage keeps operands over a loss",
		Breaks: "a key has a value that it never had",
		Changes: []Change{{"internal/salvage/merge.go", `	return losses.Covers(c.covering, oldest+1, newest-1)`,
			`	return oldest > newest`}},
		Killer: test("salvage", "TestSalvage_operandsOverALossAreLeftOut"),
		Quick:  true,
	},
	{
		Name:   "salvage takes the table that comes first for the newest",
		Breaks: "keys have older values than they had",
		Changes: []Change{{"internal/salvage/merge.go", `	c := key.Compare(m[i].at.key(), m[j].at.key())`,
			`	c := bytes.Compare(m[i].at.key().User, m[j].at.key().User)`}},
		Killer: test("salvage", "TestSalvage_withoutDamageIsTheDatabase"),
	},
	{
		Name:   "salvage ends a segment at its first damage",
		Breaks: "all commits behind one damaged record are lost",
		Changes: []Change{{"internal/log/wal/pieces.go", `	if proof >= 0 {
		return next, nil`, `	if proof >= math.MaxInt64 {
		return next, nil`}, {"internal/log/wal/pieces.go", `rec.Attempt >= p.attempt {`, `rec.Attempt > p.attempt {`}},
		Killer: test("salvage", "TestSalvage_goesOnBehindDamagedRecords"),
	},
	{
		Name:    "salvage does not look for leaves",
		Breaks:  "a table without its last bytes is lost as a whole",
		Changes: []Change{{"internal/salvage/leaves/leaves.go", `	for r.at = max(r.at, r.end); r.fill(); {`, `	for r.at = r.size; r.fill(); {`}},
		Killer:  test("salvage", "TestSalvage_findsLeavesWithoutDirectory"),
	},
	{
		Name:   "salvage takes in what was not committed",
		Breaks: "keys have values that were never committed",
		Changes: []Change{{"internal/salvage/tablefile.go", `	if unnamed && !r.Uncommitted {`,
			`	if unnamed && r.Uncommitted {`}},
		Killer: test("salvage", "TestSalvage_leavesOutWhatMayBeUncommitted"),
	},
	{
		Name:   "salvage takes the first commit for a table without its commit's number",
		Breaks: "what a young database has flushed passes for a transaction that was perhaps never committed",
		Changes: []Change{{"internal/tree/table/reader.go", `const LocalSeq = key.MaxSeqNum`,
			`const LocalSeq key.SeqNum = 1`}},
		Killer: test("salvage", "TestSalvage_keepsTheFirstCommitWithoutManifest"),
	},
	{
		Name:   "salvage takes the uncommitted for the newest",
		Breaks: "what was perhaps never committed hides what was, and the new database takes no commit",
		Changes: []Change{{"internal/salvage/tablefile.go", `		t.seq = 1 // if`,
			`		t.seq = 0 // if`}},
		Killer: test("salvage", "TestSalvage_takesTheUncommittedAsTheOldest"),
	},
	{
		Name:   "salvage leaves what it has begun when it fails",
		Breaks: "half of a database stays where the next attempt wants to write",
		Changes: []Change{{"internal/target/target.go", `		if !complete && !(err != nil && stays(err)) {
			err = errors.Join(err, clearOut(dir))`, `		if !complete && lock == nil {
			err = errors.Join(err, clearOut(dir))`}},
		Killer: test("salvage", "TestSalvage_leavesNothingBehindAnError|TestSalvage_aPanicOfProgressLeavesNothingBehind"),
		Quick:  true,
	},
	{
		Name:   "salvage takes its mark away before the rest is gone for good",
		Breaks: "after an error a power cut brings back half of a database, and nothing says what that is",
		Changes: []Change{{"internal/target/target.go", `		return err
	}
	return dir.SyncDir()
}`, `		return err
	}
	return nil
}`}},
		Killer: test("salvage", "TestSalvage_interrupted"),
	},
	{
		Name:   "a loss of some version of a key costs the newest one",
		Breaks: "an older value is there, though the newest is whole",
		Changes: []Change{{"internal/salvage/merge.go", `	n := len(c.versions)
	switch {
`, `	n := len(c.versions)
	switch {
	case n == 0 && len(c.covering) > 0 && k.Trailer.Kind() == key.KindPut && !losses.Covers(c.covering, k.Trailer.Seq(), k.Trailer.Seq()):
		return nil
`}},
		Killer: test("salvage", "TestSalvage_randomDestruction"),
	},
	{
		Name:    "salvage goes on without commits that it has counted",
		Breaks:  "commits are gone, and the report says that nothing is",
		Changes: []Change{{"internal/salvage/segment.go", `		if err == nil && n != s.n {`, `		if err == nil && n > s.n {`}},
		Killer:  test("salvage", "TestSalvage_missesCommitsThatItCannotReadAgain"),
	},
	{
		Name:    "salvage does not mind a segment that it cannot open any more",
		Breaks:  "a report says that a database has changed, and not what is the matter with the device",
		Changes: []Change{{"internal/salvage/segment.go", `	if err != nil && s.n > 0 {`, `	if err != nil && s.n < 0 {`}},
		Killer:  test("salvage", "TestSalvage_namesASegmentThatItCannotOpen"),
		Quick:   true,
	},
	{
		Name:   "what a kill leaves of a salvage passes for a database",
		Breaks: "a program goes on with half of its data",
		Changes: []Change{{"internal/tree/manifest/current.go", `func errUnfinished(fs vfs.FS) error {
`, `func errUnfinished(fs vfs.FS) error {
	if fs != nil {
		return nil
	}
`}},
		Killer: test("salvage", "TestSalvage_whatAKillLeavesIsNoDatabase"),
	},
	{
		Name:   "the mark of a salvage is not durable",
		Breaks: "what a power cut leaves of a salvage passes for a damaged database",
		Changes: []Change{{"internal/target/target.go", `		err = errors.Join(f.Close(), dir.SyncDir())`,
			`		err = f.Close()`}},
		Killer: test("salvage", "TestSalvage_whatAKillLeavesIsNoDatabase"),
	},
	{
		Name:   "salvage does not see where a link leads",
		Breaks: "what is rescued is written into the database that must not be changed",
		Changes: []Change{{"internal/salvage/salvage.go", `	at, err := filepath.EvalSymlinks(to)
`, `	at, err := to, error(nil)
`}},
		Killer: Check{Package: ".", Run: "^TestSalvage_neverWritesIntoItsSource$"},
	},
	{
		Name:   "salvage calls it damage what a kill left of a table",
		Breaks: "whoever looks for what is missing looks for what never was",
		Changes: []Change{{"internal/salvage/tablefile.go", `		if of == num && r.counts(id) {
`, `		if of != num && r.counts(id) {
`}, {"internal/salvage/tablefile.go", `	if r.version == nil || r.counts(t.id) { // nobody misses`, `	if t != nil { // nobody misses`}},
		Killer: test("salvage", "TestSalvage_whatAKillLeftIsNoDamage"),
	},
	{
		Name:   "salvage does not miss the segment that the last seal names",
		Breaks: "the newest commits are gone, and the report says that nothing is",
		Changes: []Change{{"internal/salvage/segment.go", `next != 0 && !r.there[next] && (s == last ||`,
			`next != 0 && !r.there[next] && (s != last &&`}},
		Killer: test("salvage", "TestSalvage_missesSegments"),
		Quick:  true,
	},
	{
		Name:   "salvage does not miss the first segment",
		Breaks: "it is not said which file is gone",
		Changes: []Change{{"internal/salvage/segment.go", `; needed && !nums[r.version.LogStart] {`,
			`; needed && nums[r.version.LogStart] {`}},
		Killer: test("salvage", "TestSalvage_missesSegments"),
		Quick:  true,
	},
	{
		Name:   "salvage takes in records that nothing proves",
		Breaks: "what a commit that failed has left is there",
		Changes: []Change{{"internal/log/wal/pieces.go", `	if proof < 0 && next > off && problem != record.NoRecord {`,
			`	if proof < 0 && next > off {`}},
		Killer: test("salvage", "TestSalvage_goesOnBehindDamagedRecords"),
	},
	{
		Name:   "salvage is silent about records that nothing proves",
		Breaks: "commits are left out, and the report says that nothing is",
		Changes: []Change{{"internal/salvage/segment.go", `		if at := s.pieces.Unproven; at > 0 {`,
			`		if at := s.pieces.Unproven; at < 0 {`}},
		Killer: test("salvage", "TestSalvage_goesOnBehindDamagedRecords"),
	},
	{
		Name:   "salvage gives up a file with a sector that cannot be read",
		Breaks: "512 bytes cost a log, or all tables that a manifest names",
		Changes: []Change{{"internal/salvage/lenient/lenient.go", `	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	for`, `	if err == nil || !errors.Is(err, io.EOF) {
		return n, err
	}
	for`}},
		Killer: test("salvage", "TestSalvage_readsAroundBadSectors"),
	},
	{
		Name:   "salvage is silent about sectors that cannot be read",
		Breaks: "nobody hears that the device fails",
		Changes: []Change{{"internal/salvage/unread.go", `	if !r.unread[unreadSector{name, at.number - 1}] {`,
			`	if r.unread[unreadSector{name, at.number - 1}] {`}},
		Killer: test("salvage", "TestSalvage_readsAroundBadSectors"),
	},
	{
		Name:    "salvage does not miss commits",
		Breaks:  "commits are gone, and the report says that nothing is",
		Changes: []Change{{"internal/salvage/segment.go", `		if n.first > base+1 {`, `		if n.first > key.MaxSeqNum {`}},
		Killer:  test("salvage", "TestSalvage_goesOnBehindDamagedRecords"),
	},
	{
		Name:    "salvage looks for all values in the table itself",
		Breaks:  "every value in a value file is lost",
		Changes: []Change{{"internal/salvage/tablefile.go", `	if x.File != 0 {`, `	if x.File > 1<<20 {`}},
		Killer:  test("salvage", "TestSalvage_findsValuesInOtherFiles"),
		Quick:   true,
	},
	{
		Name:   "salvage finds values by the properties of their table alone",
		Breaks: "32 bytes of a table have it that newer values of all its keys may be missing, and none is",
		Changes: []Change{{"internal/salvage/values.go", `			r.identify()
`, ``}},
		Killer: test("salvage", "TestSalvage_valuesAreOfTheirKey"),
		Quick:  true,
	},
	{
		Name:   "salvage takes what is whole at the place of a value for that value",
		Breaks: "a key has the value of another, from a file that is whole, because its own is lost",
		Changes: []Change{{"internal/salvage/identify.go", `			said.denies = true
			left--
`, `			said.agrees = true
`}},
		Killer: test("salvage", "TestSalvage_valuesAreOfTheirKey"),
		Quick:  true,
	},
	{
		Name:   "salvage lets an operand stand in for all that were folded into it",
		Breaks: "a key has a value of a part of its merges, which it never had",
		Changes: []Change{{"internal/salvage/merge.go", `	if !chain[0].live {
		return oldest+1 < newest`, `	if !chain[0].live && oldest > newest {
		return oldest+1 < newest`}},
		Killer: test("salvage", "TestSalvage_operandsThatWereFoldedAreMissed"),
		Quick:  true,
	},
	{
		Name:   "salvage takes the leaves of value files for live ones",
		Breaks: "what was deleted is back, though nothing is damaged",
		Changes: []Change{{"internal/salvage/tablefile.go", `	t.live = r.version == nil || r.live[t.id]`,
			`	t.live = r.version == nil || r.counts(t.id)`}},
		Killer: test("salvage", "TestSalvage_findsValuesInOtherFiles|TestSalvage_withoutDamageIsTheDatabase"),
		Quick:  true,
	},
	{
		Name:   "salvage names the table for its value file",
		Breaks: "whoever has a copy of the file that is damaged does not know that it is that one",
		Changes: []Change{{"internal/salvage/tablefile.go", `Loss{File: cmp.Or(g.File, s.table.name),`,
			`Loss{File: cmp.Or(s.table.name),`}},
		Killer: test("salvage", "TestSalvage_namesTheValueFileThatIsDamaged"),
		Quick:  true,
	},
	{
		Name:    "salvage misses a table of which only values are lost",
		Breaks:  "the report says that keys between them may be missing, and which table is gone, and neither is so",
		Changes: []Change{{"internal/salvage/tablefile.go", `	r.found[t.id] = true`, `	r.found[t.id] = t.entries > 0`}},
		Killer:  test("salvage", "TestSalvage_namesTheValueFileThatIsDamaged"),
		Quick:   true,
	},
	{
		Name:    "verify lists a damaged value file for each of its tables",
		Breaks:  "one file that is damaged looks like many",
		Changes: []Change{{"internal/format/corrupt/list.go", `	if !known {`, `	if !known || i >= 0 {`}},
		Killer:  test("engine", "TestVerify_listsDamageOfValueFilesOnce"),
		Quick:   true,
	},
	{
		Name:   "verify names the first damage of a table only",
		Breaks: "a table looks better than it is",
		Changes: []Change{{"internal/tree/table/verify.go", `			return fresh.withOthers(ctx, err)`,
			`			return err`}},
		Killer: Check{Package: "./cmd/lightning/internal/cli", Run: "^TestCheck_listsEveryDamagedPageOfATable$"},
	},
	{
		Name:   "inspect looks at the leaves of a table alone",
		Breaks: "a table with a damaged value or locator is called whole",
		Changes: []Change{{"internal/salvage/inspect.go", `	all.Add(frame)
	all.Add(err)
`, `	all.Add(frame)
`}},
		Killer: Check{Package: "./cmd/lightning/internal/cli", Run: "^TestInspect_noticesDamageAnywhereInATable$"},
	},
}
