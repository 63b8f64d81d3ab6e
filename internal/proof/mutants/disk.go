package mutants

// diskMutants break the disk limit: its bound, who may still write, how space returns, and the reserve.
var diskMutants = []Mutant{
	// The bound.
	{
		Name:    "a file under a quota grows past the limit",
		Breaks:  "a database fills the disk that its limit was to keep free",
		Changes: []Change{{"internal/system/vfs/quota/file.go", `	if !f.fs.take(end - before) {`, `	if !f.fs.take(end-before) && f.fs.used.Add(end-before) < 0 {`}},
		Killer:  test("system/vfs/quota", "TestQuota_countsWhatTheMediumHas"),
		Quick:   true,
	},
	{
		Name:    "a removed file that is open counts no more",
		Breaks:  "what cursors hold on the disk comes on top of the limit",
		Changes: []Change{{"internal/system/vfs/quota/quota.go", `	if n.links == 0 && n.handles == 0 {`, `	if n.links == 0 && n.handles >= 0 {`}},
		Killer:  test("system/vfs/quota", "TestQuota_countsWhatTheMediumHas"),
		Quick:   true,
	},
	{
		Name:   "a failed write counts what it was to write",
		Breaks: "errors of the device use up the limit",
		Changes: []Change{{"internal/system/vfs/quota/file.go", `		n.size.Store(size)
		f.fs.give(end - size)
`, `		n.size.Store(end)
`}},
		Killer: test("system/vfs/quota", "TestQuota_countsWhatAFailedWriteLeaves"),
		Quick:  true,
	},
	{
		Name:    "a limit that was passed at Open is never held again",
		Breaks:  "a database whose limit was lowered stays above it for ever",
		Changes: []Change{{"internal/system/vfs/quota/quota.go", `	if q.bound.Load() > q.opts.Limit && q.used.Load() <= q.opts.Limit {`, `	if q.bound.Load() > q.opts.Limit && q.used.Load() < 0 {`}},
		Killer:  test("system/vfs/quota", "TestQuota_boundFallsToTheLimit"),
		Quick:   true,
	},
	// Who may still write.
	{
		Name:    "memtables are not counted before their flush",
		Breaks:  "a flush finds no space for what was acknowledged",
		Changes: []Change{{"internal/engine/disk/disk.go", `	return d.Unflushed + d.Unflushed/unflushedShare +`, `	return 0*d.Unflushed +`}},
		Killer:  test("engine/disk", "TestAdmit_roomIsWhatNothingElseNeeds"),
		Quick:   true,
	},
	{
		Name:   "no space is kept for a compaction",
		Breaks: "a full database cannot be compacted, and so never gets its space back",
		Changes: []Change{{"internal/engine/disk/disk.go", `	kept := max(d.compactionLocked(), d.job) + d.bounds.Deletes + above
	if spent {`, `	kept := d.bounds.Deletes + above
	if spent {`}},
		Killer: test("engine/disk", "TestAdmit_roomIsWhatNothingElseNeeds"),
		Quick:  true,
	},
	{
		Name:    "what a commit has claimed it claims for ever",
		Breaks:  "after some days everything is refused",
		Changes: []Change{{"internal/engine/disk/disk.go", `func (d *Disk) Finish(need int64) { d.finished.Add(need) }`, `func (d *Disk) Finish(need int64) { d.finished.Add(need / 2) }`}},
		Killer:  test("engine/disk", "TestAdmit_finishedCommitsClaimNothing"),
		Quick:   true,
	},
	{
		Name:   "deletes are refused at the limit",
		Breaks: "a full database can only be thrown away",
		Changes: []Change{{"internal/engine/disk/disk.go", `	if adds {
		d.refused.Add(1)`, `	if adds || need > 0 {
		d.refused.Add(1)`}},
		Killer: test("engine/disk", "TestAdmit_deletesAreNeverRefused"),
		Quick:  true,
	},
	{
		Name:   "deletes are refused on a full disk",
		Breaks: "a disk that others have filled stays full",
		Changes: []Change{{"internal/engine/disk/disk.go", `	} else if d.full() {
		return false`, `	}
	if d.full() {
		return false`}, {"internal/engine/disk/disk.go", `		if adds && d.full() || !d.env.SpaceComes() {`, `		if d.full() || !d.env.SpaceComes() {`},
			{"internal/engine/disk/disk.go", `	if adds {
		d.refused.Add(1)`, `			if adds || d.full() {
				d.refused.Add(1)`}},
		Killer: test("engine", "TestDiskLimit_reserveServesDeletesAndOpenOnAFullMedium"),
		Quick:  true,
	},
	{
		Name:   "what was allowed before the reserve was spent stays allowed",
		Breaks: "puts take the reserve, and nothing is left to deletes",
		Changes: []Change{{"internal/engine/disk/reserve.go", `	d.allowed.Store(0)
	d.tell`, `	d.tell`}},
		Killer: test("engine/disk", "TestAdmit_aSpentReserveTakesTheAllowanceBack"),
		Quick:  true,
	},
	{
		Name:    "a commit does not wait for space that comes",
		Breaks:  "writes are refused for the time of each compaction",
		Changes: []Change{{"internal/engine/disk/disk.go", `		if adds && d.full() || !d.env.SpaceComes() {`, `		if adds || !d.env.SpaceComes() {`}},
		Killer:  test("engine/disk", "TestAdmit_waitsWhileSpaceComes"),
		Quick:   true,
	},
	{
		Name:    "a commit that waits for space does not know that the database closes",
		Breaks:  "Close is told of a full disk that nobody has",
		Changes: []Change{{"internal/engine/disk/disk.go", `	if err != nil && d.gate.Closed() {`, `	if err == nil && d.gate.Closed() {`}},
		Killer:  test("engine", "TestDiskLimit_waitEndsWithContextAndClose"),
	},
	{
		Name:   "what is above a lowered limit may be written again",
		Breaks: "a database whose limit was lowered stays above it for ever",
		Changes: []Change{{"internal/engine/disk/disk.go", `d.bounds.Deletes + above
	if spent`, `d.bounds.Deletes + 0*above
	if spent`}},
		Killer: test("engine/disk", "TestAdmit_onlyDeletesUntilThereIsLessThanTheLimit"),
		Quick:  true,
	},
	{
		Name:    "the reserve is made above a lowered limit",
		Breaks:  "what deletes have returned is taken by the reserve, and the database stays above its limit",
		Changes: []Change{{"internal/engine/disk/reserve.go", `	return d.underLimitLocked() >=`, `	return d.underLimitLocked()+d.above() >=`}},
		Killer:  test("engine/disk", "TestAdmit_onlyDeletesUntilThereIsLessThanTheLimit"),
		Quick:   true,
	},
	{
		Name:   "a refusal does not count the reserve that is to be made again",
		Breaks: "an operator is told that a commit needs less than there is, and is refused",
		Changes: []Change{{"internal/engine/disk/disk.go", `	if d.quota.Spent() {
		kept += d.bounds.Reserve
	}
	reader`, `	if d.quota.Spent() {
		kept += 0
	}
	reader`}},
		Killer: test("engine/disk", "TestAdmit_refusalsTellWhyThereIsNoRoom"),
		Quick:  true,
	},
	{
		Name:    "a refusal does not name a follower",
		Breaks:  "an operator looks for data that fills the disk, and it is held by another process",
		Changes: []Change{{"internal/engine/limit.go", ` || l.dir.Held(), l.tree`, ` || l.dir == nil, l.tree`}},
		Killer:  Check{Package: ".", Run: "^TestDiskLimit_namesTheFollowerThatKeepsSpace$"},
	},
	{
		Name:   "the medium is asked for its free bytes under the mutex of the disk",
		Breaks: "all commits wait for a slow file system when one of them is large",
		Changes: []Change{{"internal/engine/disk/disk.go", `func (d *Disk) take(need int64, adds bool) bool {
	if adds`, `func (d *Disk) take(need int64, adds bool) bool {
	d.mu.Lock()
	if adds`}, {"internal/engine/disk/disk.go", `			return false
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()`, `			d.mu.Unlock()
			return false
		}
	}
	defer d.mu.Unlock()`}},
		Killer: test("engine/disk", "TestAdmit_asksTheMediumBeforeALargeCommit"),
		Quick:  true,
	},
	{
		Name:    "a large commit is tried on a disk that has no room for it",
		Breaks:  "the reserve is spent on a commit that fails all the same",
		Changes: []Change{{"internal/engine/disk/disk.go", `err == nil && uint64(need) > free {`, `err == nil && need < 0 && free > 0 {`}},
		Killer:  test("engine/disk", "TestAdmit_asksTheMediumBeforeALargeCommit"),
		Quick:   true,
	},
	{
		Name:    "large transactions do not ask for space",
		Breaks:  "a transaction larger than memory takes what flushes and compactions need",
		Changes: []Change{{"internal/tree/tables/spill.go", `	if w.claim == nil || w.claimed != nil {`, `	if w.claim != nil || w.claimed != nil {`}},
		Killer:  test("engine", "TestDiskLimit_spillsAskForSpace"),
		Quick:   true,
	},
	// How space returns.
	{
		Name:    "a compaction is picked though its output does not fit",
		Breaks:  "the largest jobs fail at the limit again and again, and no smaller one is tried",
		Changes: []Change{{"internal/tree/compaction/pick.go", `	if pk.p.MaxBytes > 0 && j.OutputBytes() > pk.p.MaxBytes {`, `	if pk.p.MaxBytes > 0 && j.OutputBytes() < 0 {`}},
		Killer:  test("tree/compaction", "TestPieces_takeLevel0DownInSmallJobs"),
		Quick:   true,
	},
	{
		Name:   "a table of level 0 goes down without older ones that it overlaps",
		Breaks: "an old version stands above a newer one, and comes back",
		Changes: []Change{{"internal/tree/compaction/pieces.go", `		if len(wider) == len(tables) {`, `		if len(wider) >= len(tables) {
			wider = tables`}},
		Killer: test("tree/compaction", "TestPieces_takeLevel0DownInSmallJobs"),
		Quick:  true,
	},
	{
		Name:   "level 0 is not cut where it is too large",
		Breaks: "at half the limit nothing can be compacted any more",
		Changes: []Change{{"internal/tree/compaction/pieces.go", `	return pk.cut(reason)
}`, `	return nil
}`}},
		Killer: test("tree/compaction", "TestPieces_takeLevel0DownInSmallJobs"),
		Quick:  true,
	},
	{
		Name:    "what a memtable hides is not flushed for writers that wait",
		Breaks:  "who deletes half and writes on at once is refused",
		Changes: []Change{{"internal/engine/limit.go", `	return err == nil && err2 == nil && l.freezeWhatHides()`, `	return err == nil && err2 != nil && l.freezeWhatHides()`}},
		Killer:  test("engine", "TestDiskLimit_deletesInMemoryBringRoomBack"),
		Quick:   true,
	},
	// The reserve.
	{
		Name:    "a call that finds the medium full is not made again",
		Breaks:  "the reserve is given back, and what needed it fails all the same",
		Changes: []Change{{"internal/system/vfs/quota/quota.go", `	return q.Spend() || q.given.Load() != given`, `	return q.Spend() && q.given.Load() == given`}},
		Killer:  test("system/vfs/quota", "TestReserve_servesTheCallThatFindsNoSpace"),
		Quick:   true,
	},
	{
		Name:    "the second of two calls that find the medium full gets nothing of the reserve",
		Breaks:  "a commit fails though the reserve was there",
		Changes: []Change{{"internal/system/vfs/quota/quota.go", `	return q.Spend() || q.given.Load() != given`, `	return q.Spend()`}},
		Killer:  test("system/vfs/quota", "TestReserve_servesAllThatWaitForIt"),
		Quick:   true,
	},
	{
		Name:   "the reserve is not synced before it gets its name",
		Breaks: "after a power cut there is a reserve without blocks",
		Changes: []Change{{"internal/system/vfs/quota/reserve.go", `	if err = f.Allocate(q.opts.ReserveBytes); err == nil {
		err = f.Sync()
	}`, `	err = f.Allocate(q.opts.ReserveBytes)`}},
		Killer: test("system/vfs/quota", "TestReserve_isWholeAfterEveryCrash"),
		Quick:  true,
	},
	{
		Name:    "half made reserves stay",
		Breaks:  "each crash leaves one more file on the disk",
		Changes: []Change{{"internal/system/vfs/quota/quota.go", `		if isNextReserve(name) {`, `		if isNextReserve(name) && name == q.opts.Reserve {`}},
		Killer:  test("system/vfs/quota", "TestReserve_isWholeAfterEveryCrash"),
		Quick:   true,
	},
	{
		Name:    "a reserve without a limit stays",
		Breaks:  "space that nobody ever gets back",
		Changes: []Change{{"internal/engine/disk/reserve.go", `		return removeReserves(fs)`, `		return nil`}},
		Killer:  test("engine", "TestDiskLimit_openWithoutItRemovesTheReserve"),
		Quick:   true,
	},
	{
		Name:   "the reserve is made in what deletes have just freed",
		Breaks: "compactions have no space, and writes never go on",
		Changes: []Change{{"internal/engine/disk/reserve.go", `	return d.underLimitLocked() >= max(d.compactionLocked(), d.job)+d.bounds.Deletes+d.bounds.Reserve`,
			`	return d.underLimitLocked() >= d.bounds.Reserve`}},
		Killer: test("engine/disk", "TestRemake_onlyWhereThereIsRoom"),
		Quick:  true,
	},
}
