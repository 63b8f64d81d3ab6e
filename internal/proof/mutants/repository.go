package mutants

// repositoryMutants break what keeps a backup's files, and what is believed of a repository.
var repositoryMutants = []Mutant{
	{
		Name:   "the checksum of a backup's file is not compared",
		Breaks: "a list that lost a table is taken, and a prune removes that table",
		Changes: []Change{{"backup/description.go", `err == nil && !isSealed(text) {`,
			`err == nil && isSealed(text) && d == nil {`}},
		Killer: Check{Package: "./backup", Run: "^TestDecode_refusesEachLossInTheList$"},
	},
	{
		Name:    "prune does not mind a create that lives",
		Breaks:  "a backup names files that were removed while it was made",
		Changes: []Change{{"backup/prune.go", `	p.report.InUse = len(alive) > 0`, `	p.report.InUse = len(alive) > maxAbandoned`}},
		Killer:  interleavings,
	},
	{
		Name:   "a create that is given up may finish",
		Breaks: "a backup appears whose files a prune has removed",
		Changes: []Change{{"backup/prune.go", `descriptionName(id), []byte(abandoned), OnlyNew)`,
			`beats+id, []byte(abandoned), OnlyNew)`}},
		Killer: interleavings,
	},
	{
		Name:   "create does not wait for a prune",
		Breaks: "a backup names files that a prune is about to remove",
		Changes: []Change{{"backup/create.go", `		if err != nil || len(alive) == 0 {`,
			`		if err != nil || len(alive) >= 0 {`}},
		Killer: interleavings,
	},
	{
		Name:   "create leaves the mark of a prune that passes for dead",
		Breaks: "a prune that stood still goes on, and removes what a backup needs by now",
		Changes: []Change{{"backup/create.go", `				err = removeClaim(ctx, c.r.store, marks+id, id)`,
			`				err = c.r.store.Remove(ctx, beats+id)`}},
		Killer: interleavings,
	},
	{
		Name:    "prune does not look whether its mark is there",
		Breaks:  "a prune that stood still removes what a backup needs by now",
		Changes: []Change{{"backup/prune.go", `	if err == nil && !marked {`, `	if err == nil && !marked && p.r == nil {`}},
		Killer:  interleavings,
	},
	{
		Name:   "create names files in the place where no backup names them",
		Breaks: "a prune that stood still between its look and the removal of such a file removes it from a backup",
		Changes: []Change{{"backup/create.go", `	if orphan, ok := c.orphans[at]; ok {
`, `	if orphan, ok := c.orphans[at]; ok && c.upload != "" {
		return orphan, nil
	}
	if orphan, ok := c.orphans[at]; ok {
`}},
		Killer: interleavings,
	},
	{
		Name:   "prune passes over a backup that it cannot read",
		Breaks: "all files of a backup whose description has one wrong byte are gone",
		Changes: []Change{{"backup/prune.go", `			return err
		}
		backups = append(backups, d.backup())`, `			return nil
		}
		backups = append(backups, d.backup())`}, {"backup/prune.go", `		if err != nil || gone[id] {
			return err
		}`, `		if err != nil || gone[id] {
			return nil
		}`}},
		Killer: Check{Package: "./backup", Run: "^(TestRestore_refusesHostileDescriptions)$"},
		Quick:  true,
	},
	{
		Name:   "a restore believes the names in a backup",
		Breaks: "whoever can write to a repository writes anywhere on the machine that restores",
		Changes: []Change{{"internal/checkpoint/unstream.go", `!ours || filename.Make(kind, num) != name || l[name] {`,
			`!ours && filename.Make(kind, num) == name || l[name] {`}},
		Killer: Check{Package: "./backup", Run: "^(TestRestore_refusesHostileDescriptions)$"},
		Quick:  true,
	},
	{
		Name:   "a restore does not compare digests",
		Breaks: "another file of the same length is restored, or damage is blamed on the database",
		Changes: []Change{{"backup/fetch.go", `	if !isDigest(sum, file) {
`, `	if !isDigest(sum, file) && f.d == nil {
`}},
		Killer: Check{Package: "./backup", Run: "^(TestVerify_namesAllDamage)$"},
	},
	{
		Name:   "a restore believes what an interrupted one has left",
		Breaks: "what a power cut has left of a file is part of a database",
		Changes: []Change{{"backup/fetch.go", `	whole := err == nil && isDigest(sum, file)`,
			`	whole := err == nil && sum != nil`}},
		Killer: Check{Package: "./backup", Run: "^(TestRestore_believesNothingThatIsLeft)$"},
	},
	{
		Name:   "a file that is lost is taken for one that is there",
		Breaks: "each new backup lacks what the one before has lost, though the database still has it",
		Changes: []Change{{"backup/create.go", `	n, ok := c.there[place]
	return ok && n == size`, `	n, ok := c.there[place]
	return !ok || n <= size`}},
		Killer: Check{Package: "./backup", Run: "^(TestVerify_namesAllDamage)$"},
	},
	{
		Name:   "damage is backed up",
		Breaks: "the backups that are whole are pruned in favour of those that are not",
		Changes: []Change{{"backup/create.go", `		if err := c.contents.Check(f); err != nil {`,
			`		if err := c.contents.Check(f); err != nil && f.Size < 0 {`}},
		Killer: Check{Package: "./backup", Run: "^(TestCreate_refusesDamage)$"},
	},
	{
		Name:    "a folder replaces what is to be new",
		Breaks:  "a backup takes the place of the fence that is to keep it out",
		Changes: []Change{{"backup/folder.go", `	if mode == Replace {`, `	if mode <= OnlyNew {`}},
		Killer:  Check{Package: "./backup", Run: "^(TestFolder_isAStore)$"},
		Quick:   true,
	},
	{
		Name:   "a folder does not sync what it stores",
		Breaks: "a power cut leaves the names of pieces and backups, with nothing in them",
		Changes: []Change{{"backup/folder.go", `	if err == nil {
		err = out.Sync()
	}
`, ``}},
		Killer: folderCuts,
	},
	{
		Name:   "a folder does not sync the names that it gives",
		Breaks: "a power cut takes pieces that the log was released for",
		Changes: []Change{{"backup/folder.go", `	return f.sync(path.Dir(name))
}

// make opens`, `	return nil
}

// make opens`}},
		Killer: folderCuts,
	},
	{
		Name:   "a folder does not sync the directories that it makes",
		Breaks: "a power cut takes a whole branch of an archive",
		Changes: []Change{{"backup/folder.go", `	if err := f.sync(path.Dir(dir)); err != nil {
		return err
	}
`, ``}},
		Killer: folderCuts,
	},
	{
		Name:   "the second of two prunes fails as anything else does",
		Breaks: "a script gives up a prune that it has only to do later",
		Changes: []Change{{"cmd/internal/repositories/verbs.go", `errors.Is(err, backup.ErrPruning)`,
			`errors.Is(err, backup.ErrPruneStopped)`}},
		Killer: Check{Package: "./cmd/lightning/internal/cli", Run: "^TestPrune_tellsThatAnotherOneIsAtWork$"},
	},
	{
		Name:    "of the pages that are evicted at once one is counted",
		Breaks:  "a cache that is far too small looks as if it were almost large enough",
		Changes: []Change{{"internal/tree/cache/clock.go", `c.evictions.Add(int64(len(victims)))`, `c.evictions.Add(1)`}},
		Killer:  test("engine", "TestCache_countsMissesAndEvictionsAsTheDiskSeesThem"),
	},
}

// folderCuts cuts the power of a folder in which a database is archived. It needs strace.
var folderCuts = Check{Package: "./internal/proof/blackbox", Run: "^TestFolder_powerCutsKeepWhatIsArchived$"}

// interleavings is the test that lets Create and Prune meet in any order.
var interleavings = Check{Package: "./backup", Run: "^(TestRepository_everyInterleavingKeepsWhatBackupsNeed)$",
	Flags: "-interleavings 2000"}
