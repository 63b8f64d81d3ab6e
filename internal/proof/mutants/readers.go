package mutants

// readerMutants break what readers, snapshots and caches rest on, and the lock of the directory.
var readerMutants = []Mutant{
	// Damage and errors.
	{
		Name:   "the checksum of a table's block is not looked at",
		Breaks: "flipped bits become wrong values",
		Changes: []Change{{"internal/tree/table/block/block.go", `	if at.Checksum(s.ID, payload, head) != StoredChecksum(stored) {`,
			`	if at.Checksum(s.ID, payload, head) == 0 && StoredChecksum(stored) != 0 {`}},
		Killer: test("tree/table", "TestFlip_everyByteIsNoticed"),
	},
	{
		Name:   "the checksum of a table's block leaves out length, codec and role",
		Breaks: "a flipped bit of a trailer changes what a block is",
		Changes: []Change{{"internal/tree/table/block/block.go", `	binary.LittleEndian.PutUint64(rest[0:], head)`,
			`	binary.LittleEndian.PutUint64(rest[0:], head&0)`}},
		Killer: test("tree/table", "TestChecksum_coversTheTrailer"),
	},
	{
		Name:   "the checksum of a table's block leaves out its place",
		Breaks: "a block that the disk put in another's place passes for it",
		Changes: []Change{
			{"internal/tree/table/block/block.go", `	binary.LittleEndian.PutUint64(rest[16:], uint64(p.Number))
	binary.LittleEndian.PutUint64(rest[24:], uint64(p.Offset))
`, ``}},
		Killer: test("tree/table", "TestChecksum_coversIdentityAndPlace"),
		Quick:  true,
	},
	{
		Name:   "a length in a table is trusted before its limit",
		Breaks: "a few damaged bytes make a read allocate without bound",
		Changes: []Change{{"internal/tree/table/block/block.go", `	if c == codec.None || raw > maxRaw {`,
			`	if c == codec.None {`}},
		Killer: test("tree/table", "TestRead_boundsWhatABlockMayBecome"),
		Quick:  true,
	},
	{
		Name:   "an error of a table is an absent key",
		Breaks: "an unreadable page turns into a missing key, or into an older value",
		Changes: []Change{{"internal/tree/read.go", `		case err != nil:
`, `		case err != nil && effect != visible.Skip:
`}},
		Killer: test("engine", "TestGet_errorIsNeverAnAbsentKey"),
	},
	{
		Name:   "an iterator's error is the end of a table",
		Breaks: "a scan leaves out what it could not read",
		Changes: []Change{{"internal/tree/merge/level.go", `	for l.table.Err() == nil && l.open(l.at+1) {`,
			`	for l.open(l.at + 1) {`}},
		Killer: test("tree/merge", "TestLevel_readErrorIsNotTheEndOfATable"),
		Quick:  true,
	},
	{
		Name:   "an iterator's error is the end of a run",
		Breaks: "a scan leaves out what it could not read, and shows what it hid",
		Changes: []Change{{"internal/tree/merge/merging.go", `	return err == nil
}

// exhausted`, `	return true
}

// exhausted`}},
		Killer: test("tree/merge", "TestMerging_errorIsNeverAnEnd"),
		Quick:  true,
	},
	{
		Name:    "an inconclusive search of the locator is an absent key",
		Breaks:  "keys that found no room in the locator are not found",
		Changes: []Change{{"internal/tree/table/reader.go", `	if !probe.Conclusive() {`, `	if !probe.Conclusive() && r.first < 0 {`}},
		Killer:  test("tree/table", "TestGet_keysWithoutRoomInTheLocator"),
		Quick:   true,
	},
	{
		Name:   "the chunks of a value are not verified",
		Breaks: "flipped bits of a long value are shown",
		Changes: []Change{{"internal/tree/table/block/chunk.go", `	value, err := s.Open(out[len(dst):], stored, place, page.ChunkSize)
`, `	_ = place
	value, err := stored[:length-TrailerSize], error(nil)
`}},
		Killer: test("tree/table", "TestChunks_damageIsNoticed"),
		Quick:  true,
	},
	{
		Name:    "a damaged chunk is called the first of its value",
		Breaks:  "who looks for the damaged part of a film looks in the wrong place",
		Changes: []Change{{"internal/tree/table/block/chunk.go", `	place.Nth = n`, `	place.Nth = 0`}},
		Killer:  test("tree/table", "TestChunks_damageIsNoticed"),
		Quick:   true,
	},
	{
		Name:   "a value that is being read holds nothing",
		Breaks: "who watches a film sees it end when another takes its place",
		Changes: []Change{{"internal/transaction/value.go", `		long.Exit()
`, `		long.Exit()
		long.End()
`}},
		Killer: Check{Package: ".", Run: "^TestValueReader_staysWhatItWas$"},
	},
	{
		Name:   "a value is opened in all tables that overlap",
		Breaks: "damage of another table keeps a film from being read that Get finds",
		Changes: []Change{{"internal/tree/value.go", `tr.NewIterator(s, user, []byte{})`,
			`tr.NewIterator(s, user, append(user[:len(user):len(user)], 0))`}},
		Killer: Check{Package: ".", Run: "^TestValueReader_readsPastDamageThatGetDoesNotMeet$"},
	},
	{
		Name:    "Has reads long values",
		Breaks:  "whether a picture is there cannot be told while it is damaged, and takes as long as to read it",
		Changes: []Change{{"internal/tree/read.go", `tr.getWithin(maxHasBytes, room[:0],`, `tr.getWithin(math.MaxInt, room[:0],`}},
		Killer:  Check{Package: ".", Run: "^TestHasAndSize_readNoLongValue$"},
	},
	{
		Name:   "a stream that fails leaves its file",
		Breaks: "the disk fills up with halves of values",
		Changes: []Change{{"internal/transaction/stream.go", `	defer w.Abort() // unless it was committed
`, ``}},
		Killer: Check{Package: ".", Run: "^TestPutReader_failsAsAWhole$"},
	},
	{
		Name:   "an older version of a key ends the search",
		Breaks: "a snapshot misses a key that was written again later",
		Changes: []Change{{"internal/tree/table/reader.go", `			return r.findOlder(e, user, reader, leaf, payload, next, &private.leaf)`,
			`			_ = next
			return visible.Skip, nil`}},
		Killer: test("tree/table", "TestTable_readsWhatWasWritten"),
		Quick:  true,
	},

	{
		Name:    "a search by the heads of keys stops at an equal one",
		Breaks:  "of keys that begin alike some are not found",
		Changes: []Change{{"internal/tree/tables/run.go", `	for i < len(r.heads) && r.heads[i] == head &&`, `	for i < len(r.heads) && r.heads[i] < head &&`}},
		Killer:  test("engine", "TestGet_findsKeysThatBeginAlike"),
	},
	{
		Name:    "a deeper level is asked before a higher one",
		Breaks:  "an older value is returned in place of the newest",
		Changes: []Change{{"internal/tree/read.go", `		t := v.runs[i].Find(user)`, `		t := v.runs[len(v.runs)-1-i].Find(user)`}},
		Killer:  test("engine", "TestGet_newestIsInTheHighestLevel"),
	},

	// Batches: several entries of a run at once.
	{
		Name:   "a batch does not look for older versions",
		Breaks: "a scan shows a key once for each of its versions",
		Changes: []Change{{"internal/tree/merge/visible.go", `		if some && same(e.Key.User, decided) {`,
			`		if some && kept < 0 {`}},
		Killer: test("tree/merge", "TestVisible_batches"),
		Quick:  true,
	},
	{
		Name:   "a batch shows what is newer than its snapshot",
		Breaks: "a scan sees commits from after it began",
		Changes: []Change{{"internal/tree/merge/visible.go", `			continue
		}
		if some && same(e.Key.User, decided) {`, `		}
		if some && same(e.Key.User, decided) {`}},
		Killer: test("tree/merge", "TestVisible_batches"),
		Quick:  true,
	},
	{
		Name:    "keys that end alike are the same to a batch",
		Breaks:  "a scan leaves keys out",
		Changes: []Change{{"internal/tree/merge/visible.go", `a[n-1] == b[n-1] && bytes.Equal(a, b)`, `a[n-1] == b[n-1]`}},
		Killer:  test("tree/merge", "TestVisible_batches"),
	},
	{
		Name:    "a batch backward decides what newer versions may follow",
		Breaks:  "a scan backward shows an overwritten value",
		Changes: []Change{{"internal/tree/merge/visible.go", `	v.batch = v.room[:kept-open]`, `	v.batch = v.room[:kept-open*0]`}},
		Killer:  test("tree/merge", "TestVisible_batches"),
		Quick:   true,
	},
	{
		Name:   "a batch goes on where another source does",
		Breaks: "a scan shows keys out of order, or overwritten values",
		Changes: []Change{{"internal/tree/merge/merging.go", `	if m.second == nil || !end.Zero() &&`,
			`	if m.second == nil || end.Zero() ||`}},
		Killer: test("tree/merge", "TestVisible_batches"),
		Quick:  true,
	},
	{
		Name:   "a merge forgets that its sources are ahead of what it has handed out",
		Breaks: "a scan leaves out an entry where it goes from one source to another",
		Changes: []Change{{"internal/tree/merge/merging.go", `		m.early = false
		return len(m.heap) > 0`, `		m.early = false
		return len(m.heap) > 0 && m.step()`}},
		Killer: test("tree/merge", "TestMerging_conforms"),
		Quick:  true,
	},
	{
		Name:    "a scan turns round where its sources are, not where it is",
		Breaks:  "a cursor that goes back shows an entry twice",
		Changes: []Change{{"internal/tree/merge/merging.go", `		return m.SeekLT(m.last.Key.Clone())`, `		return m.SeekLT(m.heap[0].key.Clone())`}},
		Killer:  test("tree/merge", "TestMerging_conforms"),
	},
	{
		Name:    "a merge goes on although a source takes back what it has lent",
		Breaks:  "a scan shows what another page has left in the memory of an entry",
		Changes: []Change{{"internal/tree/merge/merging.go", ` || !m.heap[0].source.Pinned() {`, ` {`}},
		Killer:  test("tree/merge", "TestMerging_conforms"),
	},
	{
		Name:    "what is lent of a leaf is said to outlive it",
		Breaks:  "a scan shows what another page has left in the memory of an entry",
		Changes: []Change{{"internal/tree/table/iterator.go", `return it.index+1 < it.page.Len() }`, `return it.index < it.page.Len() }`}},
		Killer:  test("tree/table", "TestIterator_conforms"),
	},
	{
		Name:    "a batch of a table goes beyond its end",
		Breaks:  "a scan shows keys out of order, or overwritten values",
		Changes: []Change{{"internal/tree/table/iterator.go", `		to, _ = it.page.SeekAmong(`, `		it.page.SeekAmong(`}},
		Killer:  test("tree/table", "TestIterator_conforms"),
	},
	{
		Name:    "a batch of a table without numbers carries none",
		Breaks:  "a snapshot sees a large commit from after it",
		Changes: []Change{{"internal/tree/table/iterator.go", `	if it.r.seq != 0 {`, `	if it.r.seq > key.MaxSeqNum {`}},
		Killer:  test("tree/table", "TestReader_givesEntriesTheirNumber"),
	},
	{
		Name:    "a batch of a memtable shows the first version of a key",
		Breaks:  "a scan shows an overwritten value",
		Changes: []Change{{"internal/tree/memtable/iterator.go", `	if it.m.newer(e) != 0 {`, `	if it.m.newer(e) == e {`}},
		Killer:  test("tree/memtable", "TestIterator_conforms"),
		Quick:   true,
	},
	{
		Name:    "a loop goes on with what it has at hand",
		Breaks:  "a loop shows entries of a snapshot that was closed or is too old, and holds memtables that are gone",
		Changes: []Change{{"internal/tree/iterator.go", `		if done > 0 && (current.Load() != held || it.hold.Expired() || stop.Load() || interrupt.Load()) {`, `		if done > 0 && (current.Load() != held || it.hold.Expired() || stop.Load() || interrupt.Load()) && done < 0 {`}},
		Killer:  test("tree", "TestEach_noticesWhatAStepWould"),
	},
	{
		Name:    "a leaf index answers where it cannot know",
		Breaks:  "a seek begins behind its key, which a scan then misses",
		Changes: []Change{{"internal/tree/table/leafindex/leafindex.go", `	return leaf, x.heads[leaf] != h`, `	return leaf, true`}},
		Killer:  test("tree/table", "TestLeafIndex_.*"),
	},
	{
		Name:    "tables of a range are looked for from the wrong end",
		Breaks:  "a scan leaves out the table that its first keys are in",
		Changes: []Change{{"internal/tree/tables/run.go", `		first = r.search(s.Lo)`, `		first = r.search(s.Lo) + 1`}},
		Killer:  test("tree/tables", "TestWithin_.*"),
	},

	// Snapshots.
	{
		Name:    "a snapshot is not registered",
		Breaks:  "a compaction drops what the snapshot shows",
		Changes: []Change{{"internal/tree/readers/shard.go", `	s.readers = slices.Insert(s.readers, i, reg)`, `	_ = i`}},
		Killer:  test("engine", "TestSnapshot_keepsWhatItShows"),
	},
	{
		Name:   "a snapshot is registered after its number is read",
		Breaks: "a compaction that looks in between drops what the snapshot shows",
		Changes: []Change{{"internal/tree/readers/readers.go", `	s := r.lockAny()
	defer s.mu.Unlock()
	reg.since = r.opened()
	r.standAtNewest(reg)
`, `	reg.since = r.opened()
	r.standAtNewest(reg)
	s := r.lockAny()
	defer s.mu.Unlock()
`}},
		Killer: test("tree/readers", "TestAdd_numbersAndRegistersInOneStep"),
	},
	{
		Name:   "the oldest snapshot does not count",
		Breaks: "a compaction drops what the oldest snapshot shows",
		Changes: []Change{{"internal/tree/readers/readers.go", `		for _, reg := range s.readers {
			if reg.Seq() < last {`, `		for _, reg := range s.readers[min(1, len(s.readers)):] {
			if reg.Seq() < last {`}},
		Killer: test("engine", "TestSnapshot_keepsWhatItShows"),
	},
	{
		Name:    "closing a snapshot lets go of its equals",
		Breaks:  "a second snapshot of the same state loses what it shows when the first is closed",
		Changes: []Change{{"internal/tree/readers/shard.go", `case reg == of:`, `case reg.Seq() == of.Seq():`}},
		Killer:  test("engine", "TestSnapshot_keepsWhatItShows"),
	},
	{
		Name:    "a reader that leaves lets go of its equals",
		Breaks:  "a snapshot loses what it shows when an iterator at the same state is closed",
		Changes: []Change{{"internal/tree/readers/shard.go", `slices.Delete(s.readers, i, i+1)`, `slices.DeleteFunc(s.readers, func(n *Registration) bool { return i >= 0 && n.Seq() == reg.Seq() })`}},
		Killer:  test("tree/readers", "TestHold_countsEachReader"),
		Quick:   true,
	},
	{
		Name:   "an iterator is kept apart from its snapshot",
		Breaks: "a compaction that looks between the two misses an iterator whose snapshot has left",
		Changes: []Change{{"internal/tree/readers/readers.go", `		s = reg.On.shard
		s.mu.Lock()
`, `		s = r.lockAny()
`}},
		Killer: test("tree/readers", "TestAddIterator_joinsItsSnapshot"),
		Quick:  true,
	},
	{
		Name:   "a reader of the past is let in while a job looks",
		Breaks: "a compaction drops what a snapshot of the past shows",
		Changes: []Change{{"internal/tree/readers/readers.go", `	r.mu.Lock() // no job looks at the registry until reg is in a shard
	defer r.mu.Unlock()
`, ``}},
		Killer: test("tree/readers", "TestHold_keepsWhatComesToShardsWhereItHasBeen"),
	},
	{
		Name:   "a job decides what it keeps after it has looked",
		Breaks: "a compaction drops what a reader shows that came to a shard where it had been",
		Changes: []Change{
			{"internal/tree/readers/readers.go", `	last := min(r.retainedLocked(), newest) // before the shards: who comes to one that was looked at stands higher
`, `	last := newest
`},
			{"internal/tree/readers/readers.go", `	r.horizon = max(r.horizon, last)
`, `	last = min(r.retainedLocked(), newest)
	r.horizon = max(r.horizon, last)
`},
		},
		Killer: test("tree/readers", "TestHold_keepsWhatComesToShardsWhereItHasBeen"),
	},
	{
		Name:   "a reader waits for a shard that is busy",
		Breaks: "a thousand goroutines wait in turn for one that the scheduler has interrupted, a tenth of a second each",
		Changes: []Change{{"internal/tree/readers/shard.go", `	for i := range r.shards {
		if s`, `	for i := range r.shards[:1] {
		if s`}},
		Killer: test("tree/readers", "TestAdd_waitsForNoBusyShard"),
		Quick:  true,
	},
	{
		Name:    "each reader that leaves wakes the compactor",
		Breaks:  "beside many short readers the compactor does nothing but look for work",
		Changes: []Change{{"internal/tree/readers/readers.go", `	case r.opts.AtOnce:`, `	case true:`}},
		Killer:  test("tree/readers", "TestTend_tellsOfManyThatLeftAtOnce"),
		Quick:   true,
	},
	{
		Name:   "nobody is told that a reader has left",
		Breaks: "what an old snapshot has kept stays on disk when it is closed",
		Changes: []Change{{"internal/tree/readers/tend.go", `	r.opts.Dropped()
`, `	_ = r.opts.Dropped
`}},
		Killer: test("tree/readers", "TestTend_tellsOfManyThatLeftAtOnce"),
		Quick:  true,
	},
	{
		Name:    "new tables are opened by their first reader",
		Breaks:  "all readers wait for one that opens a table, after every flush and compaction",
		Changes: []Change{{"internal/tree/tree.go", `tr.tables.OpenAhead(fresh)`, `tr.tables.OpenAhead(fresh[:0])`}},
		Killer:  test("engine", "TestInstall_opensTablesAhead"),
	},
	{
		Name:    "a job lets readers in to what it drops",
		Breaks:  "a snapshot of the past misses what a running compaction drops",
		Changes: []Change{{"internal/tree/readers/readers.go", `	r.horizon = max(r.horizon, last)`, `	r.horizon = max(r.horizon, min(last, 0))`}},
		Killer:  test("engine", "TestSnapshotAt_isRefusedOnceAJobHasBegun"),
	},
	{
		Name:    "the manifest does not know what was dropped",
		Breaks:  "after a restart a snapshot of the past shows a part of its state",
		Changes: []Change{{"internal/engine/flush.go", `	edit.Horizon = held[len(held)-1]`, `	edit.Horizon = 0`}},
		Killer:  test("engine", "TestSnapshotAt_knowsWhatEarlierHandlesDropped"),
	},
	{
		Name:    "a recovery keeps no past",
		Breaks:  "states that are promised for some time are gone after a crash",
		Changes: []Change{{"internal/engine/recover.go", `	if r.engine.opts.Retain > 0 {`, `	if r.engine.opts.Retain < 0 {`}},
		Killer:  test("engine", "TestRetain_outlivesTheProcess"),
	},
	{
		Name:    "an expired snapshot reads on",
		Breaks:  "a reader is shown what is left of its state after a compaction",
		Changes: []Change{{"internal/tree/readers/readers.go", `	if reg.expired.Load() {`, `	if reg.expired.Load() && reg.Seq() == 0 {`}},
		Killer:  test("engine", "TestMaxSnapshotAge_endsReadersWithAnError"),
	},

	// Memory that readers look at.
	{
		Name:    "an epoch ends while its readers are there",
		Breaks:  "a reader follows a pointer into memory that is used again",
		Changes: []Change{{"internal/system/epoch/epoch.go", `!d.quietLocked((e+1)&1) {`, `!d.quietLocked((e+1)&1) && e > 1<<40 {`}},
		Killer:  test("system/epoch", "TestRetire_.*"),
		Quick:   true,
	},
	{
		Name:   "an epoch frees one step too early",
		Breaks: "a reader follows a pointer into memory that is used again",
		Changes: []Change{{"internal/system/epoch/epoch.go", `		list := &d.limbo[(e+2)%3]`,
			`		list := &d.limbo[e%3]`}},
		Killer: test("system/epoch", "TestRetire_.*"),
		Quick:  true,
	},
	{
		Name:   "the cache uses frames again at once",
		Breaks: "a reader sees another page in place of its own",
		Changes: []Change{{"internal/tree/cache/clock.go", `	c.domain.Retire(func() {
		for _, i := range unlinked {
			c.disown(i)
		}
		c.limbo.Add(-weight)
	})`, `	for _, i := range unlinked {
		c.disown(i)
	}
	c.limbo.Add(-weight)`}},
		Killer: test("tree/cache", "TestPoison_.*|TestPin_.*|TestGet_goesOn.*|TestCache_contentIsRightUnderLoad"),
		Quick:  true,
	},
	{
		Name:    "the cache uses pinned frames again",
		Breaks:  "an iterator shows bytes of another page",
		Changes: []Change{{"internal/tree/cache/cache.go", `	if c.record(i).refs.Add(-1) == 0 {`, `	if c.record(i).refs.Add(-1) >= 0 {`}},
		Killer:  test("tree/cache", "TestPin_.*"),
		Quick:   true,
	},
	{
		Name:   "a view is let go while readers are on it",
		Breaks: "a reader follows a memtable or a table that is gone",
		Changes: []Change{{"internal/tree/view.go", `		tr.epochs.Retire(func() { tr.Release(old) })
	}
	return v`, `		tr.Release(old)
	}
	return v`}},
		Killer: test("tree", "TestView_staysWhileAReaderIsInside"),
	},

	{
		Name:   "a memtable is used again while a view names it",
		Breaks: "a scan shows what was written long after it began, or follows pointers into nowhere",
		Changes: []Change{{"internal/tree/view.go", `		if m.views--; m.views == 0 {`,
			`		if m.views--; m.views <= 1 {`}},
		Killer: test("engine", "TestIterator_outlivesTheTreeItBeganOn"),
	},
	{
		Name:    "a table is removed while a view names it",
		Breaks:  "a scan comes to a table that is gone",
		Changes: []Change{{"internal/tree/tables/names.go", `	if f.versions--; f.versions > 0 {`, `	if f.versions--; f.versions > 1 {`}},
		Killer:  test("engine", "TestIterator_outlivesTheTreeItBeganOn"),
	},
	{
		Name:    "the tables of a version go with the first of its views",
		Breaks:  "tables that the current view names are removed",
		Changes: []Change{{"internal/tree/view.go", `v.sortedRuns.views > 0 {`, `v.sortedRuns.views < 0 {`}},
		Killer:  test("engine", "TestSnapshot_keepsWhatItShows"),
	},

	// The lock.
	{
		Name:   "no lock of the kernel",
		Breaks: "two processes write to one database",
		Changes: []Change{{"internal/system/vfs/dir_unix.go",
			`	err = withDescriptor(f, func(fd int) error { return unix.Flock(fd, how|unix.LOCK_NB) })`,
			`	err = withDescriptor(f, func(fd int) error { return unix.Flock(fd, how|unix.LOCK_NB|unix.LOCK_UN) })`}},
		Killer: test("system/vfs", "TestLock_.*"),
		Quick:  true,
	},
	{
		Name:   "the recorded process id decides who holds the lock",
		Breaks: "a dead process blocks the database, or a process id that is used again does",
		Changes: []Change{{"internal/system/vfs/lock.go", `	taken, err := lockFile(f, entry.mode)`,
			`	owner := describeOwner(f, Shared)
	taken, err := owner != "a process that has not said which", error(nil)`}},
		Killer: test("system/vfs", "TestLock_.*"),
		Quick:  true,
	},
	{
		Name:   "one process locks a database twice",
		Breaks: "two handles of one process write to one database, where the kernel's lock belongs to the process",
		Changes: []Change{{"internal/system/vfs/lock.go", `os.SameFile(h.file, file) && (mode == Exclusive || h.mode == Exclusive) {`,
			`os.SameFile(h.file, file) && mode == Exclusive && h.mode > Exclusive {`}},
		Killer: test("system/vfs", "TestLockRegistry_comparesFiles"),
		Quick:  true,
	},
	{
		Name:   "a lock is taken out after its file is closed",
		Breaks: "a new database is locked by nobody, because its file has the inode of one that was removed",
		Changes: []Change{{"internal/system/vfs/lock.go", `	r.mu.Lock()
	defer r.mu.Unlock()
	err := end()`, `	err := end()
	r.mu.Lock()
	defer r.mu.Unlock()`}},
		Killer: test("system/vfs", "TestLockRegistry_aClosedFileExcludesNoNewOne"),
		Quick:  true,
	},
	{
		Name:    "a lock file that was replaced is as good",
		Breaks:  "two processes lock two files of one name",
		Changes: []Change{{"internal/system/vfs/lock.go", `	if IsNotExist(err) || err == nil && !os.SameFile(named, entry.file) {`, `	if IsNotExist(err) && named == nil {`}},
		Killer:  test("system/vfs", "TestLock_noticesThatTheFileWasReplaced"),
		Quick:   true,
	},

	{
		Name:    "what a full disk did not let in is written over",
		Breaks:  "where overwriting takes space, a full disk stops writes for good",
		Changes: []Change{{"internal/format/record/appender.go", `full && a.lacks(data) {`, `full && a.lacks(nil) {`}},
		Killer:  test("log/wal", "TestAppend_fullDiskThatCopiesOnWrite"),
		Quick:   true,
	},
	{
		Name:    "a group of which the first record arrived is left there",
		Breaks:  "a commit that was refused is there after a restart",
		Changes: []Change{{"internal/format/record/appender.go", `full && a.lacks(data) {`, `full {`}},
		Killer:  test("log/wal", "TestAppend_fullDiskTakesTheGroupBack"),
		Quick:   true,
	},
	{
		Name:   "a record whose end was not written is taken for none",
		Breaks: "a commit that was refused is there after a restart, where the file ended as it does before",
		Changes: []Change{{"internal/format/record/appender.go", `full && a.lacks(data) {`,
			`full && a.bufAt < a.first {`}},
		Killer: test("log/wal", "TestAppend_refusedThoughTheFileEndsAlike"),
		Quick:  true,
	},
	{
		Name:   "what a full disk let in stays when writing goes on",
		Breaks: "a power cut completes a commit that was refused with the end of the next",
		Changes: []Change{{"internal/format/record/appender.go", `	a.leftover = true
`, ``}},
		Killer: test("log/wal", "TestAppend_whatFollowsDoesNotCompleteWhatWasRefused"),
		Quick:  true,
	},

	// Writers past the lock.
	{
		Name:   "a sync is believed without looking for a newcomer",
		Breaks: "a commit is acknowledged that the newcomer has not read",
		Changes: []Change{{"internal/log/wal/log.go", `	if err := l.dir.ConfirmOwner(); err != nil {
		return err
	}
	l.NoteDurable(published)`, `	l.NoteDurable(published)`}},
		Killer: takeover,
		Quick:  true,
	},
	{
		Name:    "an edit is believed without looking for a newcomer",
		Breaks:  "an ingest is acknowledged, or a log removed, by an edit that the newcomer has not read",
		Changes: []Change{{"internal/tree/manifest/store.go", `return s.dir.ConfirmOwner()`, `return nil`}},
		Killer:  takeover,
		Quick:   true,
	},
	{
		Name:   "files are removed without looking for a newcomer",
		Breaks: "the newcomer misses what it has read the name of",
		Changes: []Change{{"internal/format/directory/directory.go", `if d.Intact() == nil {
		if err := d.CheckOwner()`, `if false {
		if err := d.CheckOwner()`}},
		Killer: test("engine", "TestTakeover_removesNothingAfterLOCKIsGone"),
		Quick:  true,
	},
	{
		Name:   "CURRENT is switched without looking for a newcomer",
		Breaks: "the manifest of a writer whose time is over comes into force",
		Changes: []Change{{"internal/tree/manifest/current.go", `	if err := alone(); err != nil {
		return err
	}
	err = fs.Rename`,
			`	err = fs.Rename`}},
		Killer: takeover,
		Quick:  true,
	},
	{
		Name:    "a newcomer leaves the CURRENT that another is about to rename",
		Breaks:  "a late rename puts an old manifest into force",
		Changes: []Change{{"internal/format/directory/takeover.go", `kind != filename.NextCurrent && kind`, `kind`}},
		Killer:  takeover,
		Quick:   true,
	},
	{
		Name:   "a newcomer reads before it writes its mark",
		Breaks: "what is acknowledged in between is not found",
		Changes: []Change{{"internal/engine/recover.go", `	if !e.opts.ReadOnly {
		removed, err := e.dir.Claim()
		if err != nil {
			return err
		}
		e.report.FilesRemoved = removed
	}
	version, manifestNum, err := e.store.Recover()
`,
			`	version, manifestNum, err := e.store.Recover()
	if !e.opts.ReadOnly {
		removed, err := e.dir.Claim()
		if err != nil {
			return err
		}
		e.report.FilesRemoved = removed
	}
`}},
		Killer: takeover,
		Quick:  true,
	},
	{
		Name:   "the next CURRENT has a name that another writer may use",
		Breaks: "a writer renames the file of another",
		Changes: []Change{{"internal/tree/manifest/current.go", `	next := filename.Make(filename.NextCurrent, temp)
`,
			`	next := filename.Make(filename.NextCurrent, 0)
	_ = fs.Remove(next)
`}},
		Killer: takeover,
		Quick:  true,
	},
	{
		Name:   "a used log segment takes its name from whoever has it",
		Breaks: "the active segment of the newcomer is replaced",
		Changes: []Change{{"internal/log/wal/segment.go", `	reserved, err := b.fs.Create(b.name)
	if err != nil {
		return err
	}
	if err = reserved.Close(); err == nil {
		err = b.fs.Rename(from, b.name)
	}
`,
			`	err := b.fs.Rename(from, b.name)
`}},
		Killer: test("log/wal", "TestReuse_takesNobodysName"),
		Quick:  true,
	},
	{
		Name:   "the mark is looked for in a file that was opened long ago, where reads lag",
		Breaks: "over FUSE the newcomer is never seen",
		Changes: []Change{{"internal/system/owner/owner.go", `	if m.fs.ReadsLag() {
		return m.Named()
	}
`,
			``}},
		Killer: test("system/owner", "TestMark_.*"),
		Quick:  true,
	},
	{
		Name:   "the end of a writer is written over the mark of another",
		Breaks: "the newcomer stops for nothing",
		Changes: []Change{{"internal/system/owner/owner.go", `	if stands, _ := m.Stands(); stands {
`,
			`	if _, err := m.Stands(); m != nil || err == nil {
`}},
		Killer: test("system/owner", "TestMark_.*"),
		Quick:  true,
	},

	// Rows.
	{
		Name:    "a commit does not tell the row cache",
		Breaks:  "an acknowledged write is not there for the next reader",
		Changes: []Change{{"internal/tree/tree.go", `		tr.rows.Change(key.Hash(user), first)`, `		tr.rows.Change(key.Hash(user)+1, first)`}},
		Killer:  test("engine", "TestGet_rows.*"),
		Quick:   true,
	},
	{
		Name:    "ingested tables do not tell the row cache",
		Breaks:  "a large commit is not there for the next reader",
		Changes: []Change{{"internal/engine/ingest.go", `	e.tree.ForgetRows(seq)`, `	e.tree.ForgetRows(0)`}},
		Killer:  test("engine", "TestGet_rows.*"),
	},
	{
		Name:    "the row cache takes what was read of the past for the newest state",
		Breaks:  "a reader of the past changes the present",
		Changes: []Change{{"internal/tree/tree.go", `	tr.rows.Forget(last)`, `	tr.rows.Forget(0)`}},
		Killer:  test("engine", "TestGet_rows.*"),
	},
	{
		Name:    "a row is kept although a commit has changed its key since it was read",
		Breaks:  "an acknowledged write is not there for the next reader",
		Changes: []Change{{"internal/tree/rowcache/rowcache.go", `	if s[lastChange].Load() > at {`, `	if s[lastChange].Load() > at+1<<60 {`}},
		Killer:  test("tree/rowcache", "TestOffer_noticesAConcurrentCommit"),
		Quick:   true,
	},
	{
		Name:    "a row that is being written is read",
		Breaks:  "a reader gets bytes of two rows",
		Changes: []Change{{"internal/tree/rowcache/rowcache.go", `		if s[latch].Load() != before {`, `		if s[latch].Load()>>63 != before>>63 {`}},
		Killer:  test("tree/rowcache", "TestGet_neverReturnsHalfARow"),
	},
	{
		Name:    "sets that were not watched are believed",
		Breaks:  "a value comes back that was replaced while nobody looked",
		Changes: []Change{{"internal/tree/rowcache/review.go", `	c.Forget(seq)`, ``}},
		Killer:  test("tree/rowcache", "TestCache_neverShowsWhatACommitHasReplaced|TestWatchAll_.*"),
	},

	// The public API, and cursors that are left open.
	{
		Name:   "the bounds of a prefix are of text",
		Breaks: "what begins with other bytes is shown, and removed, with it",
		Changes: []Change{{"internal/format/span/span.go", `	for end > 0 && p[end-1] == 0xff {`,
			`	for end > 0 && p[end-1] >= 0x80 {`}},
		Killer: Check{Package: ".", Run: "^(TestPrefix_bounds)$"},
		Quick:  true,
	},
	{
		Name:    "left open: the end of a snapshot does not end its cursors",
		Breaks:  "a cursor that was forgotten keeps memory and files for ever",
		Changes: []Change{{"internal/tree/readers/shard.go", `		case reg.On == of && reg.Ends.Forbid():`, `		case reg.On == of && reg.Ends.Forbid() && false:`}},
		Killer:  Check{Package: ".", Run: "^(TestReaders_endWhatIsLeftOpen)$"},
	},
	{
		Name:    "left open: Close does not end cursors",
		Breaks:  "a closed database keeps its memory",
		Changes: []Change{{"internal/tree/tree.go", `return tr.readers.EndAll() + int(`, `return int(tr.openIterators.Load()) + int(`}},
		Killer:  test("tree", "TestIterator_endedByOthersGivesBackWhatItHolds"),
	},
	{
		Name:    "left open: a cursor that is being used is given back by others",
		Breaks:  "the program reads memory that is gone",
		Changes: []Change{{"internal/tree/iterator.go", `return e.users.Or(noMore) == 0 }`, `return e.users.Or(noMore)&noMore == 0 }`}},
		Killer:  test("tree", "TestIterator_endedByOthersGivesBackWhatItHolds"),
	},
	{
		Name:    "left open: a cursor shows memory of the engine",
		Breaks:  "the key that it has shown is gone when its transaction ends",
		Changes: []Change{{"cursor.go", `		c.key = c.space.AppendCut(c.key[:0], c.it.Key())`, `		c.key = c.space.Cut(c.it.Key())`}},
		Killer:  Check{Package: ".", Run: "^(TestReaders_endWhatIsLeftOpen)$"},
	},
	{
		Name:   "left open: a loop in pieces is like any other",
		Breaks: "a loop of iter.Pull that was forgotten keeps memory and files for ever",
		Changes: []Change{{"range.go", `func (r *Range) inPieces() bool { return goroutine.Current() != r.owner }`,
			`func (r *Range) inPieces() bool { return goroutine.Current() == 0 }`}},
		Killer: Check{Package: ".", Run: "^(TestReaders_endWhatIsLeftOpen)$"},
	},
	{
		Name:   "left open: a cursor that is too old keeps what it holds",
		Breaks: "old versions stay on disk beyond MaxSnapshotAge, as long as nobody asks the cursor for more",
		Changes: []Change{{"internal/tree/readers/shard.go", `		reg.expired.Store(true)
		if reg.Ends != nil && reg.Ends.Forbid() {`, `		reg.expired.Store(true)
		if false {`}},
		Killer: test("tree", "TestIterator_endedByOthersGivesBackWhatItHolds"),
	},
	{
		Name:    "left open: a transaction that moves forward ends its cursors",
		Breaks:  "a transaction with a cursor fails when it locks a key",
		Changes: []Change{{"internal/engine/txn.go", `	t.snapshot.Leave() //`, `	t.snapshot.Close() //`}},
		Killer:  test("engine", "TestTxn_movingForwardLeavesItsIterators"),
	},
	{
		Name:    "a loop with no entries reads the first",
		Breaks:  "a transaction loses against a commit of what it has not seen",
		Changes: []Change{{"internal/transaction/loop.go", `	case limit == 0: //`, `	case limit == 0 && reverse: //`}},
		Killer:  Check{Package: ".", Run: "^(TestRange_limitZeroReadsNothing)$"},
	},
	{
		Name:   "an empty upper bound is none",
		Breaks: "a program whose bound is empty gets everything in place of nothing",
		Changes: []Change{{"internal/format/span/span.go", `	if s.Hi != nil {
		c.Hi`, `	if len(s.Hi) > 0 {
		c.Hi`}},
		Killer: Check{Package: ".", Run: "^(TestDB_agreesWithASortedList)$", Flags: "-short"},
	},
	{
		Name:    "a loop in reverse from a key leaves that key out",
		Breaks:  "each page misses an entry",
		Changes: []Change{{"range.go", `span.Span{Hi: r.start})`, `span.Span{Hi: r.start[:n:n]})`}},
		Killer:  Check{Package: ".", Run: "^(TestFrom_.*)$"},
	},
	{
		Name:    "a loop from a key before its range leaves the range",
		Breaks:  "a program sees what is not under its prefix",
		Changes: []Change{{"internal/format/span/span.go", `	if bytes.Compare(o.Lo, s.Lo) > 0 {`, `	if len(o.Lo) > 0 {`}},
		Killer:  Check{Package: ".", Run: "^(TestFrom_.*)$"},
	},
	{
		Name:    "a replay passes over what its batch has refused",
		Breaks:  "a transaction commits without a part of what it was given",
		Changes: []Change{{"kv/kv.go", `	if err := b.Err(); err != nil {`, `	if err := b.Err(); err != nil && w == nil {`}},
		Killer:  Check{Package: "./kv", Run: "^(TestReplay_.*)$"},
	},
	// What ends a loop or cursor, and what becomes of it.
	{
		Name:   "a cursor is left only if its move comes back",
		Breaks: "a move whose merge function ends the goroutine keeps its view for ever",
		Changes: []Change{{"cursor.go", `	defer c.it.Exit()
	return c.arrive(step(c.it))`, `	ok := c.arrive(step(c.it))
	c.it.Exit()
	return ok`}},
		Killer: Check{Package: ".", Run: "^(TestGoexit_leavesNothingBehind)$"},
	},
	{
		Name:    "a step waits to be told that the context has ended",
		Breaks:  "a loop that was given up goes on to read large values",
		Changes: []Change{{"internal/tree/iterator.go", `!it.interrupt.Due() {`, `!it.interrupt.Flag().Load() {`}},
		Killer:  Check{Package: ".", Run: "^(TestContext_endsAWalkBeforeTheNextLargeValue)$"},
	},
	{
		Name:   "a database that is only read never closes a table",
		Breaks: "a reader of many tables runs out of file descriptors",
		Changes: []Change{{"internal/tree/tables/set.go", `	s.opts.Epochs.Collect()
	s.Reclaim()
`, ``}},
		Killer: test("engine", "TestReadOnly_keepsFewTablesOpen"),
	},
	{
		Name:   "a row of a view that was left is kept",
		Breaks: "a commit that has reached its durability is not seen by any later read",
		Changes: []Change{{"internal/tree/read.go", `	} else if err == nil && tr.view.Load() == v {`,
			`	} else if err == nil {`}},
		Killer: test("engine", "TestGet_rowsOfAViewThatWasLeftAreNotKept"),
	},
}

// takeover is the test of several writers, in enough games that every hole is met.
var takeover = Check{Package: "./internal/engine", Run: "^TestTakeover_losesNothingAcknowledged$", Flags: "-takeover.runs=4000"}
