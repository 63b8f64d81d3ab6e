package mutants

// archiveMutants break the archive: what is put, what is held for it, with what it goes on, and what is restored.
var archiveMutants = []Mutant{
	{
		Name:    "a base was there only when it was done",
		Breaks:  "a restore to a time in which a base was made is refused",
		Changes: []Change{{"internal/archive/branch.go", `	moments := momentsOf(times, last, last)`, `	moments := momentsOf(times[:0], last, last)`}},
		Killer:  test("archive", "TestArchiver_notesMomentsWhileABaseTakesLong"),
	},
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
		Name:    "a piece that is full waits for the interval",
		Breaks:  "a burst of commits is lost with the disk, for a second of it instead of 1 MiB",
		Changes: []Change{{"internal/archive/archiver.go", `>= pieceBytes && pause == a.opts.Interval`, `>= 64*pieceBytes && pause == a.opts.Interval`}},
		Killer:  test("archive", "TestArchiver_putsEachSecondAndEachMebibyte"),
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
		Changes: []Change{{"internal/report/report.go", `Of(m, archiver().Report())`, `Of(m, metrics.Archive{})`}},
		Killer:  Check{Package: "./backup", Run: "^TestArchive_isToldToFollowers$"},
	},
	{
		Name:    "followers are told of the archive by commits alone",
		Breaks:  "while nothing is committed, an archive that hangs looks as it did when it began to",
		Changes: []Change{{"internal/archive/archiver.go", `	if m.LagOperations > 0 {`, `	if m.LagOperations > 1<<60 {`}},
		Killer:  Check{Package: "./backup", Run: "^TestArchive_isToldToFollowers$"},
	},
	{
		Name:   "moments are noted between pieces alone",
		Breaks: "a restore to a time while the store was slow gives an older state, without a word",
		Changes: []Change{{"internal/archive/archiver.go", `		a.running.Go(func() { a.observe(ctx) })
`, ``}},
		Killer: test("archive", "TestArchiver_notesMomentsWhileAPutTakesLong"),
	},
	{
		Name:   "verify leaves the archive out",
		Breaks: "what was committed since the last backup cannot be restored, and nobody knew",
		Changes: []Change{{"backup/verify.go", `		v.damage = append(v.damage, damage...)
	}
	return errors.Join(v.damage...)`, `		_ = damage
	}
	return errors.Join(v.damage...)`}},
		Killer: Check{Package: "./backup", Run: "^TestVerify_readsTheArchive$"},
	},
	{
		Name:    "verify takes pieces of two branches for one",
		Breaks:  "a piece is missing, and nobody knew",
		Changes: []Change{{"internal/archive/check.go", `		if err := p.follows(before); err != nil {`, `		if err := p.follows(nil); err != nil {`}},
		Killer:  test("archive", "TestReplay_refusesABrokenChain"),
	},
	{
		Name:   "nobody is told that the archive stands still",
		Breaks: "the disk is lost, and the newest backup is a week old",
		Changes: []Change{{"internal/archive/archiver.go", `		a.engine.NoteArchive(err)
`, `		_ = err
`}},
		Killer: test("archive", "TestArchiver_tellsThatItStandsStill"),
	},
	{
		Name:    "the name of what was restored is not made durable",
		Breaks:  "a power cut takes a database that was reported as restored",
		Changes: []Change{{"internal/target/staging.go", `	return s.Disk.Sync(filepath.Dir(dir))`, `	return nil`}},
		Killer:  Check{Package: "./backup", Run: "^TestRestoreTo_powerCutsAndKillsAnywhere$"},
	},
	{
		Name:    "what an interrupted replay has left is not removed",
		Breaks:  "the next restore begins with commits that it applies again, or does not go through",
		Changes: []Change{{"backup/fetch.go", `kind == filename.Unknown || kind == filename.Lock || ours[name] {`, `kind == filename.Unknown || f.d != nil {`}},
		Killer:  Check{Package: "./backup", Run: "^TestRestoreTo_powerCutsAndKillsAnywhere$"},
	},
	{
		Name:   "a replay that fails passes for one that has ended",
		Breaks: "a restore makes another state than that of its point",
		Changes: []Change{{"backup/archive.go", `			done.Sequence, done.Commits = reached.Sequence, reached.Commits
			return err`, `			done.Sequence, done.Commits = reached.Sequence, reached.Commits
			return errors.Join(ctx.Err(), errors.Unwrap(err))`}},
		Killer: Check{Package: "./backup", Run: "^TestRestoreTo_faultsAnywhere$"},
	},
	{
		Name:   "what was restored is named before it is a database",
		Breaks: "a kill during a restore leaves a directory that looks complete and is refused",
		Changes: []Change{{"internal/target/staging.go", `	if err := s.write(ctx, inside, fill); err != nil {`, `	if err := s.write(ctx, inside, fill); err != nil && !s.Drill {
		_ = s.rename(inside, dir)`}},
		Killer: Check{Package: "./backup", Run: "^TestRestoreTo_faultsAnywhere$"},
	},
	{
		Name:    "the segment in which the archive stands is not held",
		Breaks:  "what is behind the last piece in that segment is a gap",
		Changes: []Change{{"internal/log/wal/log.go", `f.num >= l.hold.from:`, `f.num > l.hold.from:`}},
		Killer:  test("log/wal", "TestHold_agreesWithAModel"),
		Quick:   true,
	},
	{
		Name:    "the segment in which the archive stands is released",
		Breaks:  "what is behind the last piece in that segment is a gap",
		Changes: []Change{{"internal/log/wal/hold.go", `l.hold.held[0].num < num {`, `l.hold.held[0].num <= num {`}},
		Killer:  test("log/wal", "TestHold_keepsWhatIsNotArchived"),
		Quick:   true,
	},
	{
		Name:    "segments that were given up are not counted",
		Breaks:  "nobody is told that the archive has a gap before it is needed",
		Changes: []Change{{"internal/log/wal/hold.go", `		l.hold.lost++`, `		l.hold.lost += 0`}},
		Killer:  test("log/wal", "TestHold_givesUpTheOldestBeyondItsLimit"),
		Quick:   true,
	},
	{
		Name:    "more is held than the retention says",
		Breaks:  "a store that is gone fills the disk",
		Changes: []Change{{"internal/log/wal/log.go", `	l.limitHoldLocked(l.opts.HoldLimit)`, `	l.limitHoldLocked(1 << 60)`}},
		Killer:  test("log/wal", "TestHold_givesUpTheOldestBeyondItsLimit"),
		Quick:   true,
	},
	{
		Name:   "an Open holds more than the retention says",
		Breaks: "a store that is gone fills the disk, one Open after the other",
		Changes: []Change{{"internal/log/wal/hold.go", `	l.limitHoldLocked(l.opts.HoldLimit)`,
			`	l.limitHoldLocked(1 << 60)`}},
		Killer: test("log/wal", "TestHoldOld_keepsItsLimit"),
		Quick:  true,
	},
	{
		Name:    "space that is short is not given back",
		Breaks:  "writes end on a full disk, because of segments that only an archive wants",
		Changes: []Change{{"internal/log/wal/hold.go", `	l.limitHoldLocked(0)`, `	l.limitHoldLocked(l.opts.HoldLimit)`}},
		Killer:  test("log/wal", "TestHold_givesUpTheOldestBeyondItsLimit"),
		Quick:   true,
	},
	{
		Name:    "an answer that comes late takes the archive back",
		Breaks:  "segments are held that are archived",
		Changes: []Change{{"internal/log/wal/hold.go", `l.hold.from = max(l.hold.from, num)`, `l.hold.from = num`}},
		Killer:  test("log/wal", "TestHold_endsWithTheArchive"),
		Quick:   true,
	},
	{
		Name:    "a large commit that was interrupted begins a chain",
		Breaks:  "the archive makes a gap of what did not happen",
		Changes: []Change{{"internal/log/wal/hold.go", `		if r.LastSeq <= last {`, `		if r.LastSeq <= last+1 {`}},
		Killer:  test("log/wal", "TestHold_rootsOfChains"),
		Quick:   true,
	},
	{
		Name:    "what is no segment of this log is held",
		Breaks:  "the file of the next segment, or one of another database, stays for ever",
		Changes: []Change{{"internal/log/wal/hold.go", `if err != nil || s.state != intact {`, `if err != nil || s.num == 0 {`}},
		Killer:  test("log/wal", "TestHoldOld_takesOverWhatWasBegun"),
		Quick:   true,
	},
	{
		Name:    "the segment before a large commit counts nothing",
		Breaks:  "more is held than the retention says",
		Changes: []Change{{"internal/log/wal/hold.go", `f.bytes == 0 && seg != nil {`, `f.bytes < 0 && seg != nil {`}},
		Killer:  test("log/wal", "TestHold_rootsOfChains"),
		Quick:   true,
	},
	{
		Name:    "an Open that has something to archive begins anew",
		Breaks:  "each kill makes a gap, and a new backup",
		Changes: []Change{{"internal/archive/branch.go", `		if p.last > a.log.Durable() {`, `		if p.last != a.log.Durable() {`}},
		Killer:  Check{Package: "./internal/proof/torture", Run: "^TestProcess_archivesThroughKills$"},
	},
}
