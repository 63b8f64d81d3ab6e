package mutants

// treeMutants break the manifest, the tables, flush, compaction and recovery: what is on the disk besides the log.
var treeMutants = []Mutant{
	// Seeks.
	{
		Name:   "a seek believes an inner page that leads too far back",
		Breaks: "a walk over a damaged table goes round for ever",
		Changes: []Change{{"internal/tree/table/iterator.go", `it.nextLeaf() && it.reached(key.Compare(it.page.Entry(0).Key, k) >= 0)`,
			`it.nextLeaf()`}},
		Killer: test("tree/table", "TestSeek_refusesEntriesOnTheWrongSide"),
	},
	{
		Name:   "a seek believes an inner page that leads too far on",
		Breaks: "a walk backward over a damaged table goes round for ever",
		Changes: []Change{{"internal/tree/table/iterator.go", `it.previousLeaf() && it.reached(key.Compare(it.page.Entry(it.index).Key, k) < 0)`,
			`it.previousLeaf()`}},
		Killer: test("tree/table", "TestSeek_refusesEntriesOnTheWrongSide"),
	},
	{
		Name:   "a seek takes the next table from its beginning",
		Breaks: "a walk over a damaged table goes round for ever",
		Changes: []Change{{"internal/tree/merge/level.go", `	for ; l.open(i); i++ {
		if l.table.SeekGE(k) {`, `	for ; l.open(i); i++ {
		if l.table.SeekGE(k) || l.table.Err() == nil && l.forward() {`}},
		Killer: test("tree/merge", "TestLevel_seeksPastTablesThatDoNotKeepTheirBounds"),
	},
	// Ingest.
	{
		Name:    "memtables are not flushed before tables are ingested",
		Breaks:  "an older version in a memtable, or in the log, hides the newest one",
		Changes: []Change{{"internal/engine/ingest.go", `	if err := e.emptyMemtables(); err != nil {`, `	if err := e.log.Sync(e.tree.Visible()); err != nil {`}},
		Killer:  test("engine", "TestIngest_afterALateCommit"),
	},
	{
		Name:   "ingested tables are published before their edit is durable",
		Breaks: "a snapshot changes under its reader, or shows what a power cut takes back",
		Changes: []Change{{"internal/engine/ingest.go", `	entries := s.Entries()
`, `	entries := s.Entries()
	e.tree.Publish(seq)
`}},
		Killer: test("engine", "TestIngest_isNotSeenBeforeItIsDurable"),
	},
	{
		Name:    "the log goes on behind ingested tables",
		Breaks:  "a recovery finds a gap in the log, or replays what was overwritten",
		Changes: []Change{{"internal/engine/ingest.go", `LogStart: logStart, LastSeq: seq`, `LogStart: min(logStart, 0), LastSeq: seq`}},
		Killer:  crash("ingest"),
	},
	{
		Name:   "a lookup compares an ingested entry by the number that it carries",
		Breaks: "a snapshot shows what was committed after it",
		Changes: []Change{{"internal/tree/table/reader.go", `		effect := reader.Of(r.trailer(e.Key.Trailer))
`, `		effect := reader.Of(e.Key.Trailer)
`}},
		Killer: test("tree/table", "TestReader_givesEntriesTheirNumber"),
		Quick:  true,
	},
	{
		Name:    "an ingested table goes into the level of what it overlaps",
		Breaks:  "the newest version lies below an older one, or two tables of a level overlap",
		Changes: []Change{{"internal/tree/compaction/levels.go", `			return max(level-1, 0)`, `			return max(level, 0)`}},
		Killer:  test("tree/compaction", "TestDeepestLevel_isAboveAllThatOverlaps"),
		Quick:   true,
	},

	// The manifest.
	{
		Name:    "no sync of an edit",
		Breaks:  "files are removed that the manifest still names after a power cut",
		Changes: []Change{{"internal/tree/manifest/manifest.go", `	return l.out.Sync()`, `	return nil`}},
		Killer:  test("tree/manifest", "TestManifest_survivesPowerCutsAnywhere"),
		Quick:   true,
	},
	{
		Name:   "no sync of the directory after a manifest is created",
		Breaks: "CURRENT names a manifest without a name",
		Changes: []Change{{"internal/tree/manifest/manifest.go", `	if err := fs.SyncDir(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
`, ``}},
		Killer: test("tree/manifest", "TestManifest_survivesPowerCutsAnywhere"),
		Quick:  true,
	},
	{
		Name:   "CURRENT is renamed before it is synced",
		Breaks: "CURRENT is empty after a power cut",
		Changes: []Change{{"internal/tree/manifest/current.go", `	if _, err = f.WriteAt(data[:], 0); err == nil {
		err = f.Sync()
	}`, `	_, err = f.WriteAt(data[:], 0)`}},
		Killer: test("tree/manifest", "TestManifest_survivesPowerCutsAnywhere"),
		Quick:  true,
	},
	{
		Name:   "no sync of the directory after CURRENT is renamed",
		Breaks: "files are removed that the manifest before names, and that manifest is back after a power cut",
		Changes: []Change{{"internal/tree/manifest/current.go", `	if err == nil {
		err = fs.SyncDir()
	}
`, ``}},
		Killer: test("tree/manifest", "TestManifest_survivesPowerCutsAnywhere"),
		Quick:  true,
	},
	{
		Name:   "CURRENT is removed before its successor is in place",
		Breaks: "a crash in between leaves a database without CURRENT",
		Changes: []Change{{"internal/tree/manifest/current.go", `	err = fs.Rename(next, nameCurrent)`,
			`	_ = fs.Remove(nameCurrent)
	err = fs.Rename(next, nameCurrent)`}},
		Killer: test("tree/manifest", "TestManifest_survivesPowerCutsAnywhere"),
		Quick:  true,
	},
	{
		Name:    "damage in the middle of a manifest is its end",
		Breaks:  "tables vanish with the edits behind one bad sector",
		Changes: []Change{{"internal/tree/manifest/recover.go", `	if later >= 0 {`, `	if later >= 0 && problem == "" {`}},
		Killer:  test("tree/manifest", "TestRecover_everyDamageOfTheManifest"),
		Quick:   true,
	},
	{
		Name:   "a lost CURRENT is a new database",
		Breaks: "Open begins anew over the tables and the log of a database",
		Changes: []Change{{"internal/tree/manifest/recover.go", `		if used {
			return corrupt.New(`, `		if used && kind == filename.Unknown {
			return corrupt.New(`}},
		Killer: test("tree/manifest", "TestRecover_withoutCurrent"),
		Quick:  true,
	},
	{
		Name:   "an old manifest is removed before the new one is in force",
		Breaks: "a crash in between leaves no manifest",
		Changes: []Change{{"internal/tree/manifest/store.go", `	log, err := create(s.dir.FS(), num, version, `, `	if s.log != nil {
		_ = s.dir.FS().Remove(filename.Make(filename.Manifest, s.log.Num()))
	}
	log, err := create(s.dir.FS(), num, version, `}},
		Killer: test("engine", "TestManifest_takeoverSurvivesPowerCutsAnywhere"),
	},
	{
		Name:    "an edit whose sync failed for want of space never happened",
		Breaks:  "the tables of an edit that is in the manifest are removed",
		Changes: []Change{{"internal/tree/manifest/store.go", `tooFull(err) && s.log.Err() == nil {`, `tooFull(err) {`}},
		Killer:  test("engine", "TestFlush_keepsTablesOfAnUndecidedEdit"),
	},

	// Tables and flush.
	{
		Name:   "no sync of a table",
		Breaks: "the manifest names a table that a power cut emptied",
		Changes: []Change{{"internal/tree/tables/output.go", `	if err == nil && !o.temporary {
		err = o.file.Sync()
	}
`, ``}},
		Killer: crash("flush"),
	},
	{
		Name:    "no sync of the directory after a table is created",
		Breaks:  "the manifest names a table without a name",
		Changes: []Change{{"internal/engine/flush.go", `		if err = e.dir.FS().SyncDir(); err != nil {`, `		if _, err = e.opts.FS.List(); err != nil {`}},
		Killer:  crash("flush"),
	},
	{
		Name:   "a short write of a table is ignored",
		Breaks: "a table with a hole takes the place of the log",
		Changes: []Change{{"internal/tree/table/block/piece/output.go", `	if _, err := o.file.WriteAt(b, o.written); err != nil {`,
			`	if n, err := o.file.WriteAt(b, o.written); err != nil && n == 0 {`}},
		Killer: test("tree/table", "TestWriter_shortWriteIsAnError"),
		Quick:  true,
	},
	{
		Name:   "the error of closing a table is ignored",
		Breaks: "a file system that reports a lost write at the close is not heard",
		Changes: []Change{{"internal/tree/tables/output.go", `	if err = errors.Join(err, o.file.Close()); err != nil {
		return nil, err`, `	_ = o.file.Close()
	if err = errors.Join(err); err != nil {
		return nil, err`}},
		Killer: test("engine", "TestFlush_closeErrorOfATableCounts"),
	},
	{
		Name:   "a segment is removed before the edit is durable",
		Breaks: "a crash in between loses the commits of a memtable",
		Changes: []Change{{"internal/engine/flush.go", `	return e.store.Commit(edit, func(next *manifest.Version) {
`, `	e.log.RetireBefore(edit.LogStart, 0, e.keepsLogs())
	_, _ = e.CleanStep()
	return e.store.Commit(edit, func(next *manifest.Version) {
`}},
		Killer: crash("log-deletion"),
	},
	{
		Name:    "a flush moves the start of the log too far",
		Breaks:  "a crash loses the memtables that are frozen but not flushed",
		Changes: []Change{{"internal/tree/view.go", `v.mems[len(v.mems)-1], v.mems[len(v.mems)-2].segment`, `v.mems[len(v.mems)-1], v.mems[0].segment`}},
		Killer:  test("engine", "TestFlush_keepsTheOtherMemtables"),
	},
	{
		Name:   "a flush drops the newest memtable",
		Breaks: "commits vanish from the running database",
		Changes: []Change{{"internal/tree/tree.go", `		mems = mems[: len(mems)-1 : len(mems)-1]`,
			`		mems = mems[1:len(mems):len(mems)]`}},
		Killer: test("engine", "TestFlush_keepsTheOtherMemtables"),
	},
	{
		Name:   "a flush forgets the last sequence number",
		Breaks: "numbers are used again after a restart: old versions hide new ones",
		Changes: []Change{{"internal/engine/flush.go", `		edit.LastSeq = max(edit.LastSeq, flushed.Last())`,
			`		edit.LastSeq = max(edit.LastSeq, flushed.Last()-1)`}},
		Killer: crash("flush"),
	},

	{
		Name:   "a table that could not be written out is taken for good",
		Breaks: "the system reports a failed write once: the sync that follows succeeds, and the log of the entries goes",
		Changes: []Change{{"internal/tree/table/block/piece/output.go",
			`		return fmt.Errorf("write out %d bytes of a table at offset %d: %w", n, o.leaving, err)`, `		_ = err`}},
		Killer: test("engine", "TestFail_stopsWrites"),
	},
	{
		Name:   "two take the housekeeper's step at once",
		Breaks: "a file is forgotten, or the process ends",
		Changes: []Change{{"internal/engine/background.go", `	e.background.house.Lock()
	defer e.background.house.Unlock()
	waiting :=`, `	waiting :=`}},
		Killer: test("engine", "TestClean_besideItself"),
	},
	{
		Name:   "a failed flush lets writes go on",
		Breaks: "a database goes on writing to a device that has failed",
		Changes: []Change{{"internal/format/directory/directory.go", `	return d.Fail(operation, cause)`,
			`	return fmt.Errorf("%s: %w", operation, cause)`}},
		Killer: test("engine", "TestFail_.*"),
	},
	{
		Name:    "a failed edit lets writes go on",
		Breaks:  "a database goes on although nobody knows which tables make it up",
		Changes: []Change{{"internal/tree/manifest/store.go", `	return s.dir.Fail("append to manifest", err)`, `	return err`}},
		Killer:  test("engine", "TestFail_stopsWrites"),
	},
	{
		Name:    "a failed sync of the log lets writes go on",
		Breaks:  "nobody hears that the commits of the last second are not durable",
		Changes: []Change{{"internal/log/wal/log.go", `		return l.dir.Fail("sync log", err)`, `		return err`}},
		Killer:  test("engine", "TestFail_.*"),
	},
	{
		Name:   "the tables of an edit that failed are removed",
		Breaks: "the edit may be in the manifest, and then names tables that are gone",
		Changes: []Change{
			{"internal/tree/manifest/store.go", `		if directory.Transient(err) && s.dir.Cause() == nil {`, `		if errors.Is(err, vfs.ErrNoSpace) {`},
			// What is discarded after a failure stays all the same, unless removals go past Change, too.
			{"internal/format/directory/directory.go", `d.Change(func() error { return d.opts.FS.Remove(f.name) })`, `d.opts.FS.Remove(f.name)`},
		},
		Killer: test("engine", "TestFlush_keepsTablesOfAnUndecidedEdit"),
	},
	{
		Name:    "a takeover that failed half way never happened",
		Breaks:  "the manifest that may be in force is removed",
		Changes: []Change{{"internal/tree/manifest/store.go", `	return errors.Is(err, vfs.ErrNoSpace) && !errors.Is(err, errUndecided)`, `	return errors.Is(err, vfs.ErrNoSpace)`}},
		Killer:  test("engine", "TestManifest_.*"),
	},
	{
		Name:   "Close says nothing of what it could not write",
		Breaks: "a program ends in the belief that everything is safe",
		Changes: []Change{{"internal/engine/engine.go", `return nil // the log has everything, and it is synced
		}
		return err`, `return nil // the log has everything, and it is synced
		}
		return nil`}},
		Killer: test("engine", "TestClose_.*"),
	},
	{
		Name:   "a clean close is not noted",
		Breaks: "the next Open misses a log that nobody needs",
		Changes: []Change{{"internal/engine/flush.go", `		edit.LogEnd = logStart
`, `		edit.LogEnd = 0
`}},
		Killer: test("engine", "TestClose_leavesNoLog"),
	},
	{
		Name:    "a close behind a flush is not noted",
		Breaks:  "a log is left that holds nothing, and a salvage cannot say that nothing is missing",
		Changes: []Change{{"internal/engine/engine.go", ` && e.store.Place() == e.opened {`, ` {`}},
		Killer:  test("engine", "TestClose_leavesNoLogBehindAFlush"),
	},
	{
		Name:   "a log that was never begun is looked for nowhere",
		Breaks: "a log that was lost after a crash is taken for one that a clean close left empty",
		Changes: []Change{{"internal/tree/manifest/version.go", `return v.LogEnd != 0 && v.LogEnd == v.LogStart`,
			`return v.LogEnd != 0`}},
		Killer: test("engine", "TestOpen_missesALogThatBeganAfterACleanClose"),
	},
	{
		Name:    "a table is not compared with what the manifest says of it",
		Breaks:  "a table of the right name and another content is served",
		Changes: []Change{{"internal/tree/tables/set.go", `	if !describes(meta, o.Properties()) {`, `	if !describes(meta, o.Properties()) && meta.Entries == 0 {`}},
		Killer:  test("engine", "TestOpen_.*|TestGet_.*"),
	},
	{
		Name:    "the blocks of a table's directory are not held against one another",
		Breaks:  "bytes under no checksum may lie between two pages, and Verify says that all is well",
		Changes: []Change{{"internal/tree/table/directory.go", `		if offset < end || n >= r.layout.Leaves && offset != end {`, `		if end < 0 {`}},
		Killer:  test("tree/table", "TestVerify_noticesHolesBetweenPages"),
		Quick:   true,
	},
	{
		Name:    "a block of a table's directory is believed",
		Breaks:  "a crafted directory makes a reader read and allocate what it likes",
		Changes: []Change{{"internal/tree/table/directory.go", `r.src.Located(at.Offset, "directory", r.layout.Check(i, entries))`, `nil`}},
		Killer:  test("tree/table", "TestVerify_noticesHolesBetweenPages"),
		Quick:   true,
	},
	{
		Name:    "a directory may lead behind the pages",
		Breaks:  "a crafted directory makes a reader allocate for what the file does not have",
		Changes: []Change{{"internal/tree/table/directory/directory.go", ` || offset+int64(length) > l.Limit {`, ` {`}},
		Killer:  test("tree/table/directory", "TestCheck_refusesImpossibleEntries"),
		Quick:   true,
	},
	{
		Name:   "a block of the directory that cannot be read leaves the one before in its place",
		Breaks: "a merge reads wrong pages, and calls them damaged",
		Changes: []Change{{"internal/tree/table/directory/cursor.go", `	c.held = nil
`, `	c.first = n
`}},
		Killer: test("tree/table/directory", "TestCursor_failsForAllPagesOfABlock"),
		Quick:  true,
	},
	{
		Name:    "what a table takes when it is read more does not count",
		Breaks:  "the process outgrows its memory limit with the seeks in many tables",
		Changes: []Change{{"internal/tree/tables/set.go", `func(bytes int64) { s.grow(o, bytes) }`, `nil`}},
		Killer:  test("tree/tables", "TestSize_countsLeafIndexes"),
		Quick:   true,
	},
	{
		Name:    "what a closed table takes more counts",
		Breaks:  "fewer and fewer tables may be open, until each read opens one",
		Changes: []Change{{"internal/tree/tables/set.go", `		if counted == notCounted {`, `		if counted == notCounted-1 {`}},
		Killer:  test("tree/tables", "TestSize_countsLeafIndexes"),
		Quick:   true,
	},
	{
		Name:    "the range that the manifest gives a table is not compared with the table's",
		Breaks:  "a key outside of a range that is too small is silently missing",
		Changes: []Change{{"internal/tree/tables/set.go", `bytes.Equal(p.Smallest, meta.Smallest) && bytes.Equal(p.Largest, meta.Largest)`, `len(bytes.TrimSpace(nil)) == 0`}},
		Killer:  test("engine", "TestOpenTable_holdsItAgainstEveryWordOfTheManifest"),
		Quick:   true,
	},

	{
		Name:    "the cache keeps the memory that memtables need",
		Breaks:  "the process outgrows its memory limit as soon as it is written to",
		Changes: []Change{{"internal/tree/memory.go", `others := memtables + tr`, `others := memtables*0 + tr`}},
		Killer:  test("engine", "TestMemoryStep_lendsTheCacheWhatMemtablesDoNotUse"),
		Quick:   true,
	},
	{
		Name:    "what is on the heap counts once",
		Breaks:  "the process outgrows its memory limit by the garbage, as soon as many tables are open",
		Changes: []Change{{"internal/tree/memory.go", ` + 2*onHeap`, ` + onHeap`}},
		Killer:  test("tree", "TestShareMemory_leavesTheHeapTwiceWhatIsOnIt"),
		Quick:   true,
	},
	{
		Name:    "pages without a frame are not used again",
		Breaks:  "each read that finds no frame takes a page more, gigabytes in seconds",
		Changes: []Change{{"internal/tree/cache/pin.go", `		c.returnPrivate(p.data)`, `		_ = p.data`}},
		Killer:  test("tree/cache", "TestGet_withoutAFrameUsesItsMemoryAgain"),
		Quick:   true,
	},
	{
		Name:    "a merge reads every input in large pieces",
		Breaks:  "a compaction or transaction of many runs takes as much as the smallest limit beside it",
		Changes: []Change{{"internal/tree/table/block/piece/buffers.go", `max((b.budget-b.lent)/4, 4*int64(pageSize))`, `max(MaxBytes, 4*int64(pageSize))`}},
		Killer:  test("tree/table/block/piece", "TestBuffers_boundWhatAMergeTakes"),
		Quick:   true,
	},
	{
		Name:    "a compaction that fails keeps its buffers",
		Breaks:  "memory that nobody uses is missing until the database is closed",
		Changes: []Change{{"internal/tree/table/writer.go", `	w.out.Release()`, `	_ = w.out.Release`}},
		Killer:  test("tree/table", "TestRelease_givesBackWhatAnUnfinishedWriterHolds"),
		Quick:   true,
	},
	{
		Name:    "large values are read and written on the heap",
		Breaks:  "a value of 20 MiB takes many times its size, as the collector comes to it late",
		Changes: []Change{{"internal/tree/table/block/piece/scratch.go", `	if n > MaxBytes {`, `	if n > 1<<40 {`}},
		Killer:  test("tree/table", "TestExtent_largeValuesLeaveNothingOnTheHeap"),
		Quick:   true,
	},
	{
		Name:    "the cache makes room when the housekeeper comes to it",
		Breaks:  "a memtable and the pages in its place are in memory at the same time",
		Changes: []Change{{"internal/tree/tree.go", `	tr.yieldCache(need)`, `	_ = tr.yieldCache`}},
		Killer:  test("engine", "TestFreeze_hasTheCacheMakeRoomFirst"),
		Quick:   true,
	},
	{
		Name:    "writers do not wait for readers of flushed memtables",
		Breaks:  "beside slow scans there are more memtables than the limit has room for",
		Changes: []Change{{"internal/tree/memtable/pool.go", `		wait = max(wait, readerWait-now.Since(h.since))`, `		wait = max(wait, now.Since(h.since)*0)`}},
		Killer:  test("tree", "TestPool_crowdedWaitsForReadersOnTheirWay"),
		Quick:   true,
	},
	{
		Name:    "memory is given back under a pinned page",
		Breaks:  "an iterator reads another page, or nothing",
		Changes: []Change{{"internal/tree/cache/resize.go", `	if int(w.counts[n]) == high-low && c.region != nil {`, `	if c.region != nil {`}},
		Killer:  test("tree/cache", "TestResize_waitsForPins|TestCache_contentIsRightUnderLoad"),
		Quick:   true,
	},

	{
		Name:    "the last leaf takes keys that come before it",
		Breaks:  "keys are out of order: a scan, a flush and a search pass them over",
		Changes: []Change{{"internal/tree/memtable/insert.go", `		(p.leaf.low == 0 || bytes.Compare(user, m.userKey(p.leaf.low)) >= 0)`, `		bytes.Compare(user, nil) >= 0`}},
		Killer:  test("tree/memtable", "TestTable_behavesLikeASortedList|TestFits_.*"),
		Quick:   true,
	},

	{
		Name:    "a memtable does not count how near its leaves are to being split",
		Breaks:  "a batch is taken that does not fit",
		Changes: []Change{{"internal/tree/memtable/insert.go", `		m.tree.splitPotential += 2`, `		m.tree.splitPotential += 0`}},
		Killer:  test("tree/memtable", "TestTable_behavesLikeASortedList|TestFits_.*"),
		Quick:   true,
	},
	{
		Name:   "divided leaves still count as full",
		Breaks: "a memtable is flushed half empty",
		Changes: []Change{{"internal/tree/memtable/insert.go", `	m.tree.leaves--
	m.tree.splitPotential -= splitPotentialOf(l.state)
`, `	m.tree.leaves--
`}},
		Killer: test("tree/memtable", "TestFits_.*"),
		Quick:  true,
	},

	// Compaction.
	{
		Name:   "a burst of writes ends when its last memtable is full",
		Breaks: "compactions begin while writers fill the next memtable",
		Changes: []Change{{"internal/tree/burst/burst.go", `max(memtables*now.Since(last), shortestPause)`,
			`max(now.Since(last), 0)`}},
		Killer: test("tree/burst", "TestBurst_isOverAfterAPauseInProportion"),
	},
	{
		Name:   "Open is not the beginning of a burst",
		Breaks: "the first commits after an Open share the medium with a compaction",
		Changes: []Change{{"internal/engine/engine.go", `		e.tree.Rotated() // what is due waits for a burst that may follow
`, ``}},
		Killer: test("engine", "TestCompaction_waitsForTheEndOfABurst"),
	},
	{
		Name:    "what a burst of writes has put off is never done",
		Breaks:  "level 0 stays as long as the burst has left it, and reads as slow",
		Changes: []Change{{"internal/engine/background.go", `			e.background.compactor.Wake() // what had to wait is due`, ``}},
		Killer:  test("engine", "TestCompaction_waitsForTheEndOfABurst"),
		Quick:   true,
	},
	{
		Name:    "scans pay for many runs for ever",
		Breaks:  "a database that is only read stays as slow as its last writes have left it",
		Changes: []Change{{"internal/tree/compaction/scans.go", `	if debt < MinReadDebt(v) {`, `	if debt < MinReadDebt(v)+1<<60 {`}},
		Killer:  test("engine", "TestCompact_makesOneRunWhenScansHavePaidForIt"),
	},
	{
		Name:    "runs are merged although nobody scans",
		Breaks:  "each trickle of writes has the whole database written anew",
		Changes: []Change{{"internal/tree/compaction/scans.go", `	if debt < MinReadDebt(v) {`, `	if debt < 0 {`}},
		Killer:  test("engine", "TestCompact_makesOneRunWhenScansHavePaidForIt"),
	},
	{
		Name:    "everything is merged when the debt covers level 0",
		Breaks:  "few scans have the whole database written anew",
		Changes: []Change{{"internal/tree/compaction/scans.go", `	if debt < entriesOf(v.Levels[:]) {`, `	if debt < 0 {`}},
		Killer:  test("tree/compaction", "TestPickForScans_mergesWhatTheDebtCovers"),
	},
	{
		Name:    "a verification does not look at ages",
		Breaks:  "a table in the wrong level hides what is newer, and nobody learns of it",
		Changes: []Change{{"internal/tree/tables/verify.go", `		if same && at < above {`, `		if same && at < above-99 {`}},
		Killer:  test("engine", "TestVerify_noticesAgeThatDoesNotFollowDepth"),
	},
	{
		Name:   "tables that touch are one run of level 0",
		Breaks: "a key at their seam is looked for in one of them only",
		Changes: []Change{{"internal/tree/manifest/version.go", `	if i < len(run) && bytes.Compare(run[i].Smallest, t.Largest) <= 0 {`,
			`	if i < len(run) && bytes.Compare(run[i].Smallest, t.Largest) < 0 {`}},
		Killer: test("tree/manifest", "TestRuns_chainWhatDoesNotOverlap"),
		Quick:  true,
	},
	{
		Name:   "a tombstone is dropped one level early",
		Breaks: "a removed key comes back",
		Changes: []Change{{"internal/tree/compaction/retain.go", `	for i, level := range c.levels {`,
			`	for i, level := range c.levels[:len(c.levels)-1] {`}},
		Killer: test("tree/compaction", "TestExecute_keepsTombstoneOverOlderVersion"),
		Quick:  true,
	},
	{
		Name:    "a tombstone ignores older tables of level 0",
		Breaks:  "a removed key comes back",
		Changes: []Change{{"internal/tree/compaction/retain.go", `unordered: tables[0],`, `unordered: nil,`}},
		Killer:  test("tree/compaction", "TestExecute_keepsTombstoneOverOlderL0"),
		Quick:   true,
	},
	{
		Name:   "garbage collection ignores the oldest snapshot",
		Breaks: "a snapshot loses the versions that it shows",
		Changes: []Change{{"internal/tree/compaction/retain.go",
			`	r.stripe, _ = slices.BinarySearch(r.snapshots, k.Trailer.Seq())`,
			`	r.stripe, _ = slices.BinarySearch(r.snapshots, k.Trailer.Seq())
	r.stripe = max(r.stripe, min(1, len(r.snapshots)-1))`}},
		Killer: test("tree/compaction", "TestExecute_snapshotRule"),
		Quick:  true,
	},
	{
		Name:   "the newest versions count as shadowed",
		Breaks: "a reader that comes during a compaction loses what it sees",
		Changes: []Change{{"internal/tree/compaction/retain.go", `	inStripe := r.stripe < len(r.snapshots)`,
			`	inStripe := r.stripe <= len(r.snapshots)`}},
		Killer: test("tree/compaction", "TestExecute_snapshotRule"),
		Quick:  true,
	},
	{
		Name:   "compaction drops the last key of a file",
		Breaks: "one key for each table vanishes",
		Changes: []Change{
			{"internal/tree/compaction/writer.go", `		if err := w.finish(); err != nil {
			return err
		}
	}
	if w.out == nil {`, `		return w.finish()
	}
	if w.out == nil {`},
			{"internal/tree/compaction/execute.go", `	if s.EntriesIn != written+s.Shadowed+s.Tombstones+s.Folded {`,
				`	if s.EntriesIn < written+s.Shadowed+s.Tombstones+s.Folded {`},
		},
		Killer: test("tree/compaction", "TestCompaction_neverChangesWhatSnapshotsSee"),
	},
	{
		Name:   "compaction does not count what it wrote",
		Breaks: "an entry that was lost on the way is not noticed before the inputs are gone",
		Changes: []Change{{"internal/tree/compaction/execute.go", `	if s.EntriesIn != written+s.Shadowed+s.Tombstones+s.Folded {`,
			`	if s.EntriesIn < written {`}},
		Killer: test("tree/compaction", "TestExecute_countsWhatItWrote"),
		Quick:  true,
	},
	{
		Name:   "compaction does not count what it read",
		Breaks: "a part of a table that was passed over is lost with the inputs",
		Changes: []Change{{"internal/tree/compaction/input.go", `		if c.got != c.want && c.Iterator.Err() == nil {`,
			`		if c.got > c.want && c.Iterator.Err() == nil {`}},
		Killer: test("tree/compaction", "TestExecute_damagedInputIsCorrupt|TestExecute_wrongMemtableCountAborts"),
		Quick:  true,
	},
	{
		Name:   "an error of the input ends a compaction as its end does",
		Breaks: "everything behind an unreadable page is lost with the inputs",
		Changes: []Change{
			{"internal/tree/compaction/execute.go", `	if err := input.Err(); err != nil {
		return err
	}
`, ``},
			{"internal/tree/compaction/input.go", `		if c.got != c.want && c.Iterator.Err() == nil {`, `		if c.got > c.want {`},
		},
		Killer: test("tree/compaction", "TestExecute_inputErrorAborts"),
		Quick:  true,
	},

	{
		Name:   "a job leaves older tables of level 0 behind",
		Breaks: "an older version is found before the newer one",
		Changes: []Change{{"internal/tree/compaction/pick.go", `		tables = connected(pk.v, t)`,
			`		tables = tables[:1]`}},
		Killer: test("tree/compaction", "TestPick_takesOlderL0Along"),
		Quick:  true,
	},

	// Recovery.
	{
		Name:   "recovery serves before it is durable",
		Breaks: "what a reader saw after a restart is gone after the next power cut",
		Changes: []Change{
			{"internal/engine/recover.go", `	if err == nil {
		err = r.flush()
	}
`, ``},
			{"internal/engine/recover.go", `	edit := &manifest.Edit{LogStart: e.log.Num(), NextNum`, `	edit := &manifest.Edit{LogStart: r.from, NextNum`},
		},
		Killer: crash("recovery-kill"),
	},
	{
		Name:   "recovery removes the log before the new manifest is in force",
		Breaks: "a crash during recovery loses everything in the log",
		Changes: []Change{{"internal/engine/recover.go", `	if err := e.store.Begin(version); err != nil {`, `	for _, name := range names {
		if kind, num := filename.Parse(name); kind == filename.Log && num < version.LogStart {
			_ = e.opts.FS.Remove(name)
		}
	}
	if err := e.store.Begin(version); err != nil {`}},
		Killer: crash("recovery-kill"),
	},
	{
		Name:   "file numbers are used again",
		Breaks: "a new segment or table meets the file of an earlier life",
		Changes: []Change{{"internal/engine/recover.go", `	e.dir.NumberFrom(max(version.NextNum, filename.Above(names)))`,
			`	e.dir.NumberFrom(version.NextNum)`}},
		Killer: crash("recovery-kill"),
	},
	{
		Name:   "a file that exists is created anew",
		Breaks: "recovery goes on in a segment that it read: bytes of an earlier life stand behind its end",
		Changes: []Change{{"internal/system/vfs/dir.go", `os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)`,
			`os.O_RDWR|os.O_CREATE, fileMode)`}},
		Killer: test("system/vfs", "TestOpenDir_conforms"),
		Quick:  true,
	},
	{
		Name:   "recovery forgets a memtable that is full",
		Breaks: "of a long log only the end is there after a restart",
		Changes: []Change{{"internal/engine/recover.go", `		} else if err := r.flush(); err != nil {
			return err
		}
		if err := r.newMemtable(`, `		}
		if err := r.newMemtable(`}},
		Killer: test("engine", "TestOpen_replaysMoreThanAMemtable"),
	},
	{
		Name:   "recovery removes files that are not its own",
		Breaks: "what somebody else keeps in the directory is gone",
		Changes: []Change{{"internal/tree/manifest/leftovers.go", `		default:
			continue
		}
		if followed`, `		case filename.Current, filename.Lock:
			continue
		}
		if followed`}},
		Killer: Check{Package: ".", Run: "^TestOpen_leavesForeignFilesAlone$"},
	},
	{
		Name:    "a database begins among the files of somebody else",
		Breaks:  "a mistyped path mixes a database with other files",
		Changes: []Change{{"internal/tree/manifest/leftovers.go", `	case foreign != "":`, `	case foreign == "lost+found":`}},
		Killer:  Check{Package: ".", Run: "^TestOpen_.*"},
	},
	{
		Name:   "a missing table is found when it is read",
		Breaks: "a database that lost a table opens as if it were whole",
		Changes: []Change{{"internal/engine/recover.go", `	if err := version.CheckTables(names); err != nil {
		return err
	}
	e.dir.NumberFrom(`, `	e.dir.NumberFrom(`}},
		Killer: test("engine", "TestOpen_refusesWhenATableIsMissing"),
	},
}
