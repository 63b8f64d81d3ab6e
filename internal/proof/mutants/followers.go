package mutants

// followed is the model of a writer and its followers, with as many worlds as it takes.
func followed(worlds string) Check {
	c := test("follower", "TestFollower_showsWhatWasPublished")
	c.Flags = "-follower.worlds=" + worlds
	return c
}

// followerMutants break what a writer tells other processes, what it keeps for them, and what they make of it.
var followerMutants = []Mutant{
	// Leases.
	{
		Name:   "the hold of a lease is ignored",
		Breaks: "a follower loses the tables of the version that it shows",
		Changes: []Change{{"internal/format/lease/lease.go", `		lowest = min(lowest, decode([]byte(text)))
`, `		lowest = min(lowest, max(decode([]byte(text)), All))
`}},
		Killer: test("format/lease", "TestLowest_isThatOfAllLeases"),
		Quick:  true,
	},
	{
		Name:    "a lease never ends",
		Breaks:  "a follower that was killed keeps its files for ever",
		Changes: []Change{{"internal/format/lease/lease.go", `		if now.Since(s.since) > Term {`, `		if now.Since(s.since) < 0 {`}},
		Killer:  test("format/lease", "TestLowest_aLeaseLivesWhileItsTextChanges"),
		Quick:   true,
	},
	{
		Name:   "a lease that does not change its hold ends",
		Breaks: "a follower that reads one version for long loses its files, though it is alive",
		Changes: []Change{{"internal/format/lease/lease.go", `		if !known || err == nil && s.text != text {
`, `		if !known || decode([]byte(s.text)) != decode([]byte(text)) {
`}},
		Killer: test("format/lease", "TestLowest_aLeaseLivesWhileItsTextChanges"),
		Quick:  true,
	},
	{
		Name:   "a lease that cannot be read holds nothing",
		Breaks: "a writer that looks while a lease is written removes what its follower reads",
		Changes: []Change{
			{"internal/format/lease/lease.go", `	if len(text) != leaseBytes {
		return 0
`, `	if len(text) != leaseBytes {
		return All
`},
			{"internal/format/lease/lease.go", `crc32.ChecksumIEEE(front)) {
		return 0
`, `crc32.ChecksumIEEE(front)) {
		return All
`},
		},
		Killer: test("format/lease", "TestLowest_whatIsNoLeaseHoldsEverythingForATerm"),
		Quick:  true,
	},
	{
		Name:   "leases that cannot be looked at hold nothing",
		Breaks: "one error of the device, and a follower loses what it reads",
		Changes: []Change{{"internal/format/lease/lease.go", `		return 0, fmt.Errorf("look for leases: %w", err)
`, `		return All, fmt.Errorf("look for leases: %w", err)
`}},
		Killer: test("format/directory", "TestRemoveObsolete_removesNothingWhenItCannotLook"),
		Quick:  true,
	},
	{
		Name:    "the hold is raised to the newest version that is read",
		Breaks:  "a snapshot of a follower loses its tables",
		Changes: []Change{{"internal/tree/follow.go", `	return tr.stand.views[0].version.NextNum`, `	return tr.stand.views[len(tr.stand.views)-1].version.NextNum`}},
		Killer:  test("tree", "TestOldestVersion_isThatOfTheOldestReader"),
		Quick:   true,
	},
	{
		Name:   "a lease is taken after the first refresh",
		Breaks: "what the first refresh has read of the manifest is removed before its tables are opened",
		Changes: []Change{{"internal/follower/follower.go", `	if err := f.Refresh(context.Background()); err != nil {
		return err
	}
	f.tree.ShareMemory()
`, `	f.tree.ShareMemory()
`}, {"internal/follower/follower.go", `	var err error
	if f.lease, err`, `	if err := f.Refresh(context.Background()); err != nil {
		return err
	}
	var err error
	if f.lease, err`}},
		Killer: test("follower", "TestOpen_holdsWhatItReadsFromItsFirstCall"),
		Quick:  true,
	},
	{
		Name:   "the next file number does not rise with an edit that makes no file",
		Breaks: "two versions have one number, and the hold of the later one does not keep what the earlier one names",
		Changes: []Change{{"internal/tree/manifest/store.go", `max(s.dir.PeekNum(), s.version.NextNum+1)`,
			`max(s.dir.PeekNum(), s.version.NextNum)`}},
		Killer: test("tree/manifest", "TestStore_namesOnlyDurableEdits"),
		Quick:  true,
	},
	{
		Name:    "Open removes files while there are leases",
		Breaks:  "a follower that has outlived its writer loses the tables and segments of its version",
		Changes: []Change{{"internal/tree/manifest/leftovers.go", `	followed := s.dir.HasFollowers()`, `	followed := s.dir.HasFollowers() && s.dir.Closing()`}},
		Killer:  followed("300"),
	},
	{
		Name:    "what Open keeps for followers stays without rights",
		Breaks:  "after a kill under a umask a salvage fails at a table that nobody can read",
		Changes: []Change{{"internal/tree/manifest/leftovers.go", "			s.openOnce(name)\n", ""}},
		Killer:  test("proof/environment", "TestOpen_givesRightsBackToWhatAFollowerKeeps"),
	},
	{
		Name:   "a retired segment is used again while it is held",
		Breaks: "a follower finds its place in the log gone, again and again, under a writer that is busy",
		Changes: []Change{{"internal/log/wal/log.go", `len(old) > 0 && l.dir.MayReuse(old[0].since) {`,
			`len(old) > 0 && l.dir.MayReuse(0) {`}},
		Killer: test("log/wal", "TestRecycle_waitsForFollowers"),
		Quick:  true,
	},

	{
		Name:    "what no version has named is held",
		Breaks:  "what a failed compaction leaves stays until the last follower goes",
		Changes: []Change{{"internal/format/directory/followers.go", `		return lowest < since && (`, `		return lowest <= since && (`}},
		Killer:  test("format/directory", "TestDiscard_isNeverHeld"),
		Quick:   true,
	},
	{
		Name:   "followers hold files for longer than MaxSnapshotAge",
		Breaks: "a follower that lives on an old state fills the disk",
		Changes: []Change{{"internal/format/directory/followers.go", `now.Since(at) <= d.opts.MaxHold`,
			`now.Since(at) >= 0`}},
		Killer: test("format/directory", "TestRemoveObsolete_holdsNothingForLongerThanMaxHold"),
		Quick:  true,
	},
	{
		Name:   "who only reads a directory retires files",
		Breaks: "a follower removes tables of the writer",
		Changes: []Change{{"internal/format/directory/directory.go", `	if d.opts.ReadOnly {
		return
	}
`, ``}},
		Killer: test("format/directory", "TestRetire_whoDoesIt"),
		Quick:  true,
	},

	// The page.
	{
		Name:    "visible is read before the manifest's place",
		Breaks:  "a version has dropped what the follower shows over it",
		Changes: []Change{{"internal/format/status/status.go", `decode(pages[0][:], pages[1][:])`, `decode(pages[1][:], pages[0][:])`}},
		Killer:  test("format/status", "TestRead_visibleIsReadAfterTheManifest"),
		Quick:   true,
	},
	{
		Name:   "a torn word of the page is taken",
		Breaks: "a follower shows what was never published",
		Changes: []Change{{"internal/format/status/status.go", `	return w, binary.LittleEndian.Uint64(data[8:]) == ^w
`, `	return w, binary.LittleEndian.Uint64(data[8:]) != 0
`}},
		Killer: test("format/status", "TestRead_neverSeesATornWord"),
		Quick:  true,
	},
	{
		Name:   "the manifest's place is not checked",
		Breaks: "a follower reads one manifest up to the length of another",
		Changes: []Change{{"internal/format/status/status.go", `s.Manifest.check() == le.Uint64(before[manifestAt+16:])`,
			`le.Uint64(before[manifestAt+16:]) != 0`}},
		Killer: test("format/status", "TestRead_neverSeesATornWord"),
		Quick:  true,
	},
	{
		Name:   "a page that could not be written to stays",
		Breaks: "followers take what is partly right, and show the same state for ever",
		Changes: []Change{{"internal/format/status/status.go", `p.warn(errors.Join(err, p.remove()))`,
			`p.warn(err)`}},
		Killer: test("format/status", "TestPage_isRemovedWhenItCannotBeWritten"),
		Quick:  true,
	},
	{
		Name:   "a page that could not be made leaves the one before",
		Breaks: "a follower shows the last state of the writer before, for as long as this one lives",
		Changes: []Change{{"internal/format/status/status.go", `	p.check(p.make(filename.Make(filename.NextStatus, filename.Num(random>>1)), db, m, visible))
`, `	if err := p.make(filename.Make(filename.NextStatus, filename.Num(random>>1)), db, m, visible); err != nil {
		p.failed.Store(true)
		warn(err)
	}
`}},
		Killer: test("format/status", "TestCreate_failsWhole"),
		Quick:  true,
	},
	{
		Name:   "a page that could not be removed stays",
		Breaks: "after two errors of the device a follower shows an old state as long as the writer lives",
		Changes: []Change{{"internal/format/status/status.go", `	p.stands.Store(err != nil)
`, ``}},
		Killer: test("format/status", "TestPage_isRemovedAsSoonAsItCanBe"),
		Quick:  true,
	},
	{
		Name:   "the page is made in place",
		Breaks: "followers find none, or one that says nothing, while a writer opens",
		Changes: []Change{{"internal/format/status/status.go", `	if err = p.fill(db, m, visible); err == nil {
		err = p.fs.Rename(next, filename.Make(filename.Status, 0))
	}
`, `	if err = p.fs.Rename(next, filename.Make(filename.Status, 0)); err == nil {
		err = p.fill(db, m, visible)
	}
`}},
		Killer: test("format/status", "TestCreate_replacesThePageInOneStep"),
		Quick:  true,
	},
	{
		Name:   "the page names an edit before that is durable",
		Breaks: "a follower shows tables that a power cut takes back, or is ahead of the manifest",
		Changes: []Change{{"internal/tree/manifest/manifest.go", `	if _, err := l.out.Flush(); err != nil {
		return err
	}
	return l.out.Sync()
`, `	if _, err := l.out.Flush(); err != nil {
		return err
	}
	if l.written != nil {
		l.written()
	}
	return l.out.Sync()
`}, {"internal/tree/manifest/manifest.go", `	out *record.Appender
	buf []byte
`, `	out *record.Appender
	buf []byte

	written func()
`}, {"internal/tree/manifest/store.go", `		return s.log.Append(edit)
`, `		s.log.written = func() { s.dir.Page().SetManifest(s.Place()) }
		return s.log.Append(edit)
`}},
		Killer: test("tree/manifest", "TestStore_namesOnlyDurableEdits"),
		Quick:  true,
	},
	{
		Name:   "visible is published before the commit is applied",
		Breaks: "a follower looks for a commit in the log that is not there, or shows what is refused",
		Changes: []Change{{"internal/engine/write.go", `	undecided := false
`, `	newest := records[len(records)-1]
	w.dir.Page().SetVisible(newest.First + key.SeqNum(newest.Count) - 1)
	undecided := false
`}},
		Killer: followed("300"),
	},

	{
		Name:   "more is published than is visible",
		Breaks: "a follower looks for a commit that is not there, and shows nothing new until it is",
		Changes: []Change{{"internal/engine/write.go", `	w.dir.Page().SetVisible(last)
`, `	w.dir.Page().SetVisible(last + 1)
`}},
		Killer: crash("one-commit"),
	},
	{
		Name:   "a writer publishes less than it has recovered, and followers take it",
		Breaks: "a follower that outlives its writer goes back",
		Changes: []Change{{"internal/engine/recover.go", `	e.dir.Publish(version.DatabaseID, e.opened, last)
`, `	e.dir.Publish(version.DatabaseID, e.opened, max(last, 1)-1)
`}, {"internal/follower/refresh.go", `	case page.Visible < seq:
`, `	case page.Visible < seq && page.Visible > seq:
`}},
		Killer: crash("recovery-kill"),
	},

	// The log.
	{
		Name:   "a tail applies a commit behind what is published",
		Breaks: "a follower shows what is taken back",
		Changes: []Change{
			{"internal/log/wal/tail.go", `		for t.at.LastSeq < last && t.next == 0 {
`, `		for t.next == 0 {
`},
			{"internal/log/wal/tail.go", `			if problem != "" {
				return t.missing(`, `			if problem != "" && t.at.LastSeq >= last {
				return nil
			}
			if problem != "" {
				return t.missing(`},
			{"internal/log/wal/tail.go", `; end > last {
`, `; end < first {
`},
		},
		Killer: test("log/wal", "TestTail_.*"),
		Quick:  true,
	},
	{
		Name:   "a tail takes a record of another chain",
		Breaks: "a follower shows a group that was taken back",
		Changes: []Change{{"internal/log/wal/tail.go", `problem == "" && rec.Chain != t.at.Sum {`,
			`problem == "" && rec.Chain != t.at.Sum && rec.End < rec.Offset {`}},
		Killer: test("log/wal", "TestTail_takesNothingOfAnotherHistory"),
		Quick:  true,
	},
	{
		Name:    "a tail takes any segment for the next one",
		Breaks:  "a follower shows commits of another log",
		Changes: []Change{{"internal/log/wal/tail.go", `s.state != intact || s.prev != t.at {`, `s.state != intact {`}},
		Killer:  test("log/wal", "TestTail_takesNothingOfAnotherHistory"),
		Quick:   true,
	},
	{
		Name:   "a tail does not come back to a seal",
		Breaks: "after one error at the end of a segment, a follower is ahead until the writer flushes",
		Changes: []Change{{"internal/log/wal/tail.go", `			err = t.follow()
`, `			err = t.follow()
			t.next = 0
`}},
		Killer: test("log/wal", "TestTail_goesOnAfterAnError"),
		Quick:  true,
	},

	{
		Name:   "a follower reads the manifest to its end",
		Breaks: "an edit counts that is not durable, or is half written",
		Changes: []Change{{"internal/tree/manifest/recover.go", `readManifest(fs, place.Num, db, place.Length)`,
			`readManifest(fs, place.Num, db, max(place.Length, wholeFile))`}},
		Killer: test("tree/manifest", "TestReadTo_returnsTheVersionOfEachPlace"),
		Quick:  true,
	},

	// The follower.
	{
		Name:   "a view is shown before the log has been read",
		Breaks: "a follower shows tables of the new version without the commits above them",
		Changes: []Change{{"internal/follower/refresh.go", `	if err := f.readLog(c.read.version, page.Visible); err != nil {
		return err
	}
	f.show(page)
	return nil
`, `	f.show(page)
	return f.readLog(c.read.version, page.Visible)
`}},
		Killer: crash("one-commit"),
	},
	{
		Name:   "rows are not forgotten at a jump",
		Breaks: "a follower reads from the row cache what was replaced in a part of the log that it has not seen",
		Changes: []Change{{"internal/follower/refresh.go", `	f.tree.ForgetRows(max(visible, version.LastSeq))
`, ``}},
		Killer: followed("300"),
	},
	{
		Name:   "rows are forgotten up to what is visible only",
		Breaks: "a row is kept that a table of the version has replaced",
		Changes: []Change{{"internal/follower/refresh.go", `f.tree.ForgetRows(max(visible, version.LastSeq))`,
			`f.tree.ForgetRows(visible)`}},
		Killer: test("follower", "TestFollower_withinEveryCallOfTheWriter"),
	},
	{
		Name:   "memtables of flushed segments are kept",
		Breaks: "a follower shows what a later version has dropped, and its memory grows for ever",
		Changes: []Change{{"internal/follower/refresh.go", `		flushed := version.LogEmpty() || m.Segment() < version.LogStart
`, `		flushed := version.LogEmpty() && m.Segment() < version.LogStart
`}},
		Killer: followed("300"),
	},
	{
		Name:   "a snapshot of a follower is not pinned",
		Breaks: "an iterator of a snapshot reads a later version, which has dropped what it shows",
		Changes: []Change{{"internal/tree/iterator.go", `			it.current = &s.pinned
`, `			it.current = &tr.view
`}},
		Killer: followed("300"),
	},
	{
		Name:   "the newest state of a follower is read at what is published",
		Breaks: "a read on the view of before shows a part of the commits that are being read",
		Changes: []Change{{"internal/tree/read.go", `	if v.seq != 0 {
		return v.seq
	}
`, ``}},
		Killer: test("tree", "TestShow_aReaderStaysAtTheNumberOfItsView"),
		Quick:  true,
	},
}
