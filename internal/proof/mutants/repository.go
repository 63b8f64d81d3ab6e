package mutants

// repositoryMutants break what keeps a backup's files, and what is believed of a repository.
var repositoryMutants = []Mutant{
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
}

// interleavings is the test that lets Create and Prune meet in any order.
var interleavings = Check{Package: "./backup", Run: "^(TestRepository_everyInterleavingKeepsWhatBackupsNeed)$",
	Flags: "-interleavings 2000"}
