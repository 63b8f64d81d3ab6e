package mutants

// archiveMutants break the archive: what is put, what is held for it, with what it goes on, and what is restored.
var archiveMutants = []Mutant{
	{
		Name:    "what a kill left unsynced in the log is held unsynced",
		Breaks:  "after a power cut the archive lacks a commit that the database has",
		Changes: []Change{{"internal/log/wal/hold.go", `err := syncFile(l.dir.FS(), s.name); err != nil`, `err := syncFile(l.dir.FS(), s.name); err != nil && num == 0`}, {"internal/log/wal/hold.go", `	return errors.Join(f.Sync(), f.Close())`, `	return f.Close()`}},
		Killer:  test("archive", "TestArchiver_oneBranchOverCrashesAndRestarts"),
	},
	{
		Name:    "the log is not held over a restart",
		Breaks:  "what was not archived before a crash is a gap",
		Changes: []Change{{"internal/log/wal/hold.go", `bool { return name == s.name })`, `bool { return name == s.name+"?" })`}},
		Killer:  test("archive", "TestArchiver_oneBranchOverCrashesAndRestarts"),
		Quick:   true,
	},
	{
		Name:    "what is not durable is archived",
		Breaks:  "after a power cut the archive has a commit that the database has lost",
		Changes: []Change{{"internal/archive/archiver.go", `durable, now := a.log.Durable(), `, `durable, now := a.engine.Tree().Visible(), `}},
		Killer:  test("archive", "TestArchiver_isNeverAheadOfTheDatabase"),
	},
	{
		Name:    "the place in the log is not compared",
		Breaks:  "commits of a copy of the database are mixed into a branch",
		Changes: []Change{{"internal/log/wal/tail.go", `err == nil && t.behind != at {`, `err == nil && t.behind.LastSeq != at.LastSeq {`}},
		Killer:  test("archive", "TestArchiver_copiesThatLookAlikeAreAFork"),
	},
	{
		Name:    "a copy that finds its name taken tries for ever",
		Breaks:  "of two copies of a database one is never archived",
		Changes: []Change{{"internal/archive/archiver.go", `	if errors.Is(err, status.ErrAhead) {`, `	if errors.Is(err, status.ErrAhead) && tail == nil {`}},
		Killer:  test("archive", "TestArchiver_copiesThatLookAlikeAreAFork"),
	},
	{
		Name:    "the end of a chain of the log is not noticed",
		Breaks:  "after a large transaction nothing is archived any more, and nobody is told",
		Changes: []Change{{"internal/archive/branch.go", `		return nil, cause, nil`, `		return nil, "", nil`}},
		Killer:  test("archive", "TestArchiver_gapsAndLargeTransactionsAreNamed"),
	},
	{
		Name:    "pieces do not follow each other",
		Breaks:  "a piece of another branch, or one that is missing, makes a state that never was",
		Changes: []Change{{"internal/archive/plan.go", `p.before != before.digest || p.first != before.last+1`, `p.first > before.last+1<<40`}, {"internal/archive/plan.go", `			if c.first != next {`, `			if c.first > next+1<<40 {`}},
		Killer:  test("archive", "TestReplay_refusesABrokenChain"),
		Quick:   true,
	},
	{
		Name:    "a piece is missing at the end of the way",
		Breaks:  "a restore ends before its point, and says nothing",
		Changes: []Change{{"internal/archive/plan.go", `(before == nil || before.last < last)`, `before == nil`}},
		Killer:  test("archive", "TestReplay_refusesABrokenChain"),
		Quick:   true,
	},
	{
		Name:    "a time gives the moment after it",
		Breaks:  "what was done by mistake at that time is in the state from before",
		Changes: []Change{{"internal/archive/plan.go", `		if !m.Time.After(t) {`, `		if m.Time.Before(t.AddDate(1, 0, 0)) {`}},
		Killer:  test("archive", "TestFind_atATime"),
		Quick:   true,
	},
	{
		Name:    "of several branches the first is taken",
		Breaks:  "a restore has the commits of a copy, and nobody has chosen them",
		Changes: []Change{{"internal/archive/plan.go", `	case len(found) == 1:`, `	case len(found) >= 1:`}},
		Killer:  test("archive", "TestArchiver_copiesAreAFork"),
	},
	{
		Name:    "the digest of a piece is not compared",
		Breaks:  "a byte that has changed in the repository is restored",
		Changes: []Change{{"internal/archive/piece.go", `	if !bytes.Equal(p.digest[:], text[len(text)-sha256.Size:]) {`, `	if bytes.Equal(nil, text) {`}},
		Killer:  test("archive", "TestPiece_hostileIsRefused"),
		Quick:   true,
	},
	{
		Name:   "a short piece may say that it is long",
		Breaks: "a few bytes in a bucket take a gibibyte of memory",
		Changes: []Change{{"internal/archive/piece.go", ` || size > uint64(len(packed))*maxRatio {`, ` {`}, {"internal/archive/piece.go", `	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadPiece, err)`, `	if err != nil {
		return nil, fmt.Errorf("%w", err)`}},
		Killer: test("archive", "TestPiece_hostileIsRefused"),
	},
	{
		Name:    "prune does not mind the archive",
		Breaks:  "the backup is gone with which a branch begins, and every point of it",
		Changes: []Change{{"backup/prune.go", ` || slices.Contains(needs.Backups, b.ID) {`, ` {`}},
		Killer:  Check{Package: "./backup", Run: "^TestPrune_keepsTheWindowOfAnArchive$"},
	},
	{
		Name:    "prune takes the last piece of a branch",
		Breaks:  "the archive begins anew after a prune, with a gap",
		Changes: []Change{{"internal/archive/prune.go", `	ended := b.isFollowed(all) && b.To.Before(cut)`, `	ended := b.First <= b.Last`}},
		Killer:  Check{Package: "./backup", Run: "^TestPrune_keepsTheWindowOfAnArchive$"},
	},
	{
		Name:    "a copy passes for a log that was given up",
		Breaks:  "who is told of the gap makes the log longer, and the other program goes on",
		Changes: []Change{{"internal/archive/branch.go", `		if a.isForeign(tips[0]) {`, `		if a.isForeign(tips[0]) && cause == Fork {`}},
		Killer:  test("archive", "TestArchiver_tellsWhenAGapWasFound"),
	},
	{
		Name:    "the causes of gaps are exchanged",
		Breaks:  "a planned load is told as a log that was lost, and a lost log as a load",
		Changes: []Change{{"monitor/program.go", `{"gap", last.Lost}, {"transaction", last.Transaction}`, `{"gap", last.Transaction}, {"transaction", last.Lost}`}},
		Killer:  monitorTest("TestMetrics_tellWhenTheArchiveHadAGap"),
		Quick:   true,
	},
	{
		Name:    "followers are not told of the archive",
		Breaks:  "stats and top show nothing of an archive that has stood still for a week",
		Changes: []Change{{"report.go", `metricsOf(m, archiver().Report())`, `metricsOf(m, archive.Metrics{})`}},
		Killer:  Check{Package: "./backup", Run: "^TestArchive_isToldToFollowers$"},
	},
	{
		Name:    "followers are told of the archive by commits alone",
		Breaks:  "while nothing is committed, an archive that hangs looks as it did when it began to",
		Changes: []Change{{"internal/archive/archiver.go", `	if m.LagOperations > 0 {`, `	if m.LagOperations > 1<<60 {`}},
		Killer:  Check{Package: "./backup", Run: "^TestArchive_isToldToFollowers$"},
	},
}
