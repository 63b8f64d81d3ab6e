package mutants

// scrubMutants break the scrub: how fast it reads, what it tells, and when it ends.
var scrubMutants = []Mutant{
	{
		Name:    "a scrub reads as fast as it can",
		Breaks:  "the program waits for a medium that is busy with what nobody needs now",
		Changes: []Change{{"internal/engine/scrub/scrub.go", `	if wait := s.free.Since(now); wait > 0 {`, `	if wait := s.free.Since(now); wait > Interval {`}},
		Killer:  test("engine/scrub", "TestRun_readsEachTableOncePerPassWithinTheRate"),
		Quick:   true,
	},
	{
		Name:   "what is looked up in tables is not counted",
		Breaks: "a database that is only written to reads, and no metric says what",
		Changes: []Change{{"internal/tree/tables/set.go", `	if shared {
		file = countedFile{file, &s.read}
	} else {`, `	if !shared {`}},
		Killer: test("engine", "TestSpace_whatItReadsIsInTheMetrics"),
		Quick:  true,
	},
	{
		Name:    "a scrub begins anew at once",
		Breaks:  "a small database is read all the time",
		Changes: []Change{{"internal/engine/scrub/scrub.go", `left > 0 && s.opts.Sleep(`, `left > Interval && s.opts.Sleep(`}},
		Killer:  test("engine/scrub", "TestRun_readsEachTableOncePerPassWithinTheRate"),
		Quick:   true,
	},
	{
		Name:    "a scrub always begins with the oldest table",
		Breaks:  "a program that is started often never reads the last ones",
		Changes: []Change{{"internal/engine/scrub/scrub.go", `int(s.opts.Random() % uint64(n))`, `int(0 * s.opts.Random() % uint64(n))`}},
		Killer:  test("engine/scrub", "TestRun_readsEachTableOncePerPassWithinTheRate"),
		Quick:   true,
	},
	{
		Name:    "a scrub finds damage in what compactions have removed",
		Breaks:  "an operator is called for nothing, and then not any more",
		Changes: []Change{{"internal/engine/scrub/scrub.go", `		if there && err != nil {`, `		if there || err != nil {`}},
		Killer:  test("engine/scrub", "TestRun_passesOverTablesThatAreGone"),
		Quick:   true,
	},
	{
		Name:    "damage is told of in every pass",
		Breaks:  "one table looks like many",
		Changes: []Change{{"internal/engine/scrub/scrub.go", `		s.told[file] = true`, `		s.told[file] = false`}},
		Killer:  test("engine/scrub", "TestRun_tellsOfEachDamagedTableOnce"),
		Quick:   true,
	},
	{
		Name:   "a table that is read by a scrub may go before it is open",
		Breaks: "a compaction looks like damage",
		Changes: []Change{{"internal/engine/scrub/tables.go", `	file, err := t.Tree.Tables().OpenApart(ctx, meta, pace)
	t.Release(v)
`, `	t.Release(v)
	if err := pace(int(meta.Size)); err != nil {
		return false, err
	}
	file, err := t.Tree.Tables().OpenApart(ctx, meta, nil)
`}},
		Killer: Check{Package: ".", Run: "^(TestScrub_findsNothingDuringCompactions)$"},
	},
	{
		Name:   "a scrub reads tables and does not look at them",
		Breaks: "damage is found by who needs what is damaged",
		Changes: []Change{{"internal/engine/scrub/tables.go", `	err = file.Verify(ctx)
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestScrub_findsDamage)$"},
	},
	{
		Name:    "a scrub looks for value files that are gone",
		Breaks:  "an operator is called for what a compaction did",
		Changes: []Change{{"internal/engine/scrub/tables.go", `	return err == nil || t.names(num), err`, `	return true, err`}},
		Killer:  test("engine", "TestScrub_valueFilesMayGoWithTheTable"),
		Quick:   true,
	},
	{
		Name:   "a scrub tells of a value file under the names of tables",
		Breaks: "the file that is to be replaced is named nowhere, and others are many times",
		Changes: []Change{{"internal/engine/scrub/scrub.go", `	if errors.As(err, &damage) && damage.File != "" {`,
			`	if errors.As(err, &damage) && damage.File == "" {`}},
		Killer: test("engine/scrub", "TestRun_tellsOfAValueFileByItsName"),
		Quick:  true,
	},
	{
		Name:   "Close waits for a scrub's turn",
		Breaks: "a program ends when a table of gigabytes has been read, slowly",
		Changes: []Change{{"internal/system/calls/sleep.go", `	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:`, `	case <-timer.C:`}},
		Killer: Check{Package: ".", Run: "^(TestScrub_endsWithItsDatabase)$"},
	},
}
