package mutants

// copyMutants break checkpoints and backups: what is in them, when they are there, and what is taken for one.
var copyMutants = []Mutant{
	{
		Name:   "a copy has what was committed after it",
		Breaks: "half of a commit is in a backup",
		Changes: []Change{{"internal/checkpoint/checkpoint.go", `for ok && u.Key().Trailer.Seq() > u.seq {`,
			`for ok && u.Key().Trailer.Seq() > u.seq+100 {`}},
		Killer: Check{Package: ".", Run: "^TestCheckpoint_underLoadIsAPrefixOfTheCommits$"},
	},
	{
		Name:    "a copy leaves out what is in memory",
		Breaks:  "a backup lacks what was acknowledged before it was begun",
		Changes: []Change{{"internal/checkpoint/checkpoint.go", `n > 0 || deleted`, `n > 1<<62 || deleted`}},
		Killer:  Check{Package: ".", Run: "^TestCheckpoint_ofWhatCannotFlush$"},
	},
	{
		Name:    "a copy is cut while a commit is in the tables and not published",
		Breaks:  "a backup has a commit that nobody was told of",
		Changes: []Change{{"internal/tree/cut.go", ` && v.version.LastSeq <= seq {`, ` {`}},
		Killer:  test("tree", "TestCut_waitsForWhatIsInTheTables"),
		Quick:   true,
	},
	{
		Name:   "a copy has the id of its parent",
		Breaks: "what is archived of one is replayed into the other",
		Changes: []Change{{"internal/checkpoint/checkpoint.go",
			`manifest.NewVersion(c.random).Apply(withoutLog(shared.Edit()))`,
			`(&manifest.Version{DatabaseID: c.Source, NextNum: 1}).Apply(withoutLog(shared.Edit()))`}},
		Killer: Check{Package: ".", Run: "^TestCheckpoint_andItsParentGoDifferentWays$"},
	},
	{
		Name:    "the names of a copy are not durable when its mark goes",
		Breaks:  "what a power cut leaves of a checkpoint passes for a database",
		Changes: []Change{{"internal/target/target.go", "	err := dir.SyncDir()\n	if err == nil {\n		err = dir.Remove(manifest.Unfinished)\n	}", "	err := dir.Remove(manifest.Unfinished)"}},
		Killer:  test("checkpoint", "TestWrite_whatAPowerCutLeavesIsNoDatabaseOrWhole"),
		Quick:   true,
	},
	{
		Name:   "what is copied in place of a link is not synced",
		Breaks: "a power cut takes tables of a checkpoint that was reported as made",
		Changes: []Change{{"internal/system/vfs/link.go", `		err = target.Sync()`,
			`		err = nil`}},
		Killer: test("checkpoint", "TestWrite_whatAPowerCutLeavesIsNoDatabaseOrWhole"),
		Quick:  true,
	},
	{
		Name:    "a backup hands damage on",
		Breaks:  "the last backup that was whole is replaced by one that nobody can restore",
		Changes: []Change{{"internal/checkpoint/stream.go", `	if err := s.copy.Check(f); err != nil {`, `	if err := s.copy.Check(f); err != nil && f.Size < 0 {`}},
		Killer:  Check{Package: ".", Run: "^TestBackup_refusesDamage$"},
	},
	{
		Name:    "digests of a backup are not compared",
		Breaks:  "what was changed on its way is restored",
		Changes: []Change{{"internal/checkpoint/unstream.go", `		if sum != is {`, `		if len(sum) != len(is) {`}},
		Killer:  test("checkpoint", "TestReadStream_refusesWhatIsCutOrChanged"),
		Quick:   true,
	},
	{
		Name:    "a backup may lack digests",
		Breaks:  "what was changed on its way is restored",
		Changes: []Change{{"internal/checkpoint/unstream.go", "	for name := range u.sums {", "	for name := range map[string]string{} {"}},
		Killer:  test("checkpoint", "TestReadStream_refusesHostileStreams"),
		Quick:   true,
	},
	{
		Name:   "a name of a backup is taken as it is",
		Breaks: "a hostile backup replaces the lock or the log",
		Changes: []Change{{"internal/checkpoint/unstream.go",
			`ours := kind == filename.Table || kind == filename.Manifest || kind == filename.Current`,
			`ours := kind != filename.Unknown`}},
		Killer: test("checkpoint", "TestReadStream_refusesHostileStreams"),
		Quick:  true,
	},
	{
		Name:    "what is restored is not verified",
		Breaks:  "a restore reports success, and the damage is found when it is needed",
		Changes: []Change{{"backup/restore.go", `errors.Join(db.Verify(ctx, progress), db.Close())`, `errors.Join(db.Close())`}},
		Killer:  Check{Package: "./backup", Run: "^TestRestore_refusesDamageThatWasBackedUp$"},
		Quick:   true,
	},
	{
		Name:   "a follower's copy is made of tables that are newer than it",
		Breaks: "a checkpoint by a follower fails next to a large transaction, and says that data is damaged",
		Changes: []Change{{"internal/tree/cut.go", `tr.view.Load() == v && v.version.LastSeq <= seq {`,
			`tr.view.Load() == v && (tr.opts.Follow || v.version.LastSeq <= seq) {`}},
		Killer: test("tree", "TestCut_ofAFollowerWaitsForTheNextView"),
		Quick:  true,
	},
	{
		Name:   "a restore removes whatever is where it writes",
		Breaks: "somebody's database is gone because of its name",
		Changes: []Change{{"internal/target/staging.go", `	if s.checkEmpty(dir) != nil {`, `	if s.checkEmpty(dir) == fs.ErrInvalid {`},
			{"internal/target/staging.go", `		if empty = err == nil && len(names) == 1; empty {
			err = left.Remove(lockName)`, `		if empty = err == nil && len(names) < 1<<20; empty {
			err = Remove(left)`}},
		Killer: Check{Package: "./backup", Run: "^TestRestore_removesOnlyWhatARestoreLeft$"},
		Quick:  true,
	},
	{
		Name:   "what a restore has left complete passes for somebody's",
		Breaks: "a restore that is killed while it verifies is in the way of the next one",
		Changes: []Change{{"internal/target/staging.go", `		if err == nil && len(names) > 0 {`,
			`		if err == nil && len(names) > 1<<20 {`}},
		Killer: Check{Package: "./backup", Run: "^TestRestore_killedAtAnyMoment$"},
		Quick:  true,
	},
	{
		Name:    "the mark goes though there is a database inside",
		Breaks:  "what a restore has left, and could not rename, is in the way of the next one",
		Changes: []Change{{"internal/target/target.go", `!(marked && inside) {`, `!(marked && inside && dir == nil) {`}},
		Killer:  Check{Package: "./backup", Run: "^TestRestore_whenTheTargetIsTakenMeanwhile$"},
		Quick:   true,
	},
	{
		Name:   "a restore that is refused clears away what another one makes",
		Breaks: "of two restores to one target none wins, and what they report is not what is there",
		Changes: []Change{{"internal/target/staging.go", `		empty, err := s.removeLock(dir)
`, `		names, err := s.Disk.List(dir)
		if len(names) < 2 {
			return s.remove(dir)
		}
		empty := false
`}},
		Killer: Check{Package: "./backup", Run: "^TestRestore_besideAnother$"},
	},
	{
		Name:    "a restore adds a LOCK to what is somebody's",
		Breaks:  "a directory that only has the name of what a restore leaves is changed",
		Changes: []Change{{"internal/target/staging.go", `	if s.checkEmpty(dir) != nil {`, `	if s.checkEmpty(dir) == fs.ErrInvalid {`}},
		Killer:  Check{Package: "./backup", Run: "^TestRestore_removesOnlyWhatARestoreLeft$"},
		Quick:   true,
	},
	{
		Name:   "a restore is not begun again where another one has cleared away",
		Breaks: "it fails for a directory that nobody has heard of",
		Changes: []Change{{"internal/target/staging.go", `if begun || !vfs.IsNotExist(err) {`,
			`if begun || err != nil {`}},
		Killer: Check{Package: "./backup", Run: "^TestRestore_besideAnother$"},
	},
	{
		Name:   "a restore does not look at its target again once it may begin",
		Breaks: "all is copied and verified before it is refused, and stays there",
		Changes: []Change{{"internal/target/staging.go", `	if err := s.checkTarget(dir); err != nil { // somebody was faster`,
			`	if err := s.checkTarget(dir); false {`}},
		Killer: Check{Package: "./backup", Run: "^TestRestore_besideAnother$"},
	},
	{
		Name:    "the files of a backup are read without bound",
		Breaks:  "a few megabytes of a hostile backup take gigabytes of memory",
		Changes: []Change{{"internal/checkpoint/stream.go", `len(*list) == MaxFiles {`, `len(*list) == MaxFiles<<10 {`}},
		Killer:  test("checkpoint", "TestReadStream_boundsTheNumberOfFiles"),
		Quick:   true,
	},
	{
		Name:   "a source that ends early is copied",
		Breaks: "a file that was cut on its way passes for whole",
		Changes: []Change{{"internal/system/vfs/link.go", `			return n, io.ErrUnexpectedEOF`,
			`			return n, nil`}},
		Killer: test("system/vfs", "TestCopyTo_endsAsItsSourceDoes"),
		Quick:  true,
	},
	{
		Name:    "a drill leaves what it has copied",
		Breaks:  "the disk is full after some drills",
		Changes: []Change{{"backup/fetch.go", `	return !o.VerifyOnly && !errors.Is(err, ErrBadBackup)`, `	return !errors.Is(err, ErrBadBackup)`}},
		Killer:  Check{Package: "./backup", Run: "^TestRestore_keepsWhatWasCopiedIfTheVerificationIsInterrupted$"},
		Quick:   true,
	},
	{
		Name:   "backups of one second are listed in any order",
		Breaks: "who takes the last line for the newest backup restores an older one",
		Changes: []Change{{"backup/repository.go", `cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Sequence, b.Sequence))`,
			`cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))`}},
		Killer: Check{Package: "./backup", Run: "^TestList_isInTheOrderOfTheCommits$"},
		Quick:  true,
	},
	{
		Name:    "prune does not take the window to the archive",
		Breaks:  "who asks for the last fourteen days of commits finds the last backup only",
		Changes: []Change{{"cmd/internal/repositories/prune.go", `f.Var((*window)(&o.Window), "window"`, `f.Var(new(window), "window"`}},
		Killer:  Check{Package: "./cmd/lightning/internal/cli", Run: "^TestPrune_keepsTheWindowOfAnArchive$"},
		Quick:   true,
	},
	{
		Name:    "a restore takes the newest backup of any database",
		Breaks:  "an application starts with the data of another one",
		Changes: []Change{{"cmd/internal/repositories/restore.go", `	case len(newest) > 1:`, `	case len(newest) > 1<<20:`}},
		Killer:  Check{Package: "./cmd/lightning/internal/cli", Run: "^TestRestore_asksWhichBackupIsMeant$"},
		Quick:   true,
	},
	{
		Name:   "a restore takes a directory whose lock is held",
		Breaks: "a restore removes the lock of a checkpoint that has just begun there",
		Changes: []Change{{"internal/target/staging.go", `		if err != nil {
			return err
		}
		names, err := left.List()`, `		if err != nil {
			return left.Remove(lockName)
		}
		names, err := left.List()`}},
		Killer: Check{Package: "./backup", Run: "^TestRestore_whereSomethingHasFailed$"},
		Quick:  true,
	},
}
