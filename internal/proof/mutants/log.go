package mutants

// crash is the check that cuts the power at every change of one workload.
func crash(workload string) Check {
	return Check{Package: "./internal/proof/torture", Run: "^TestCrash_everyChangeAndPolicy$", Flags: "-workload " + workload}
}

// test is tests of a package, which is given from internal on.
func test(pkg, run string) Check { return Check{Package: "./internal/" + pkg, Run: "^(" + run + ")$"} }

// logMutants break the log, the records that it shares with the manifest, and the commit.
var logMutants = []Mutant{
	{
		Name:    "every published commit counts as durable",
		Breaks:  "a commit that was waited for is lost to a power cut",
		Changes: []Change{{"internal/engine/write.go", `	if w.leader.confirmed {`, `	if w.leader.confirmed || last > 0 {`}},
		Killer:  test("engine", "TestWaitDurable_isTrueAfterAPowerCut"),
	},
	{
		Name:   "a sync covers what was published when it ended",
		Breaks: "a commit that arrived during the sync counts as durable, and is lost to a power cut",
		Changes: []Change{{"internal/log/wal/log.go", `	return true, l.sync(published())`, `	err := l.sync(published())
	l.NoteDurable(published())
	return true, err`}},
		Killer: test("engine", "TestWaitDurable_commitsDuringASyncAreNotCovered"),
	},
	// When a commit is acknowledged.
	{
		Name:   "acknowledge before the log is synced",
		Breaks: "a power cut takes commits that their writers were told are safe",
		Changes: []Change{{"internal/engine/write.go", `	sync := func() error { return w.log.Sync(w.tree.Visible()) }`,
			`	sync := func() error { return w.dir.Writable() }`}},
		Killer: crash("three-commits"),
	},
	{
		Name:   "publish before the sync",
		Breaks: "a reader sees a commit that a power cut then takes",
		Changes: []Change{{"internal/log/commit/commit.go", `	if err := q.syncAndApply(`, `	q.env.Publish(next - 1)
	if err := q.syncAndApply(`}},
		Killer: test("log/commit", "TestCommit_.*"),
		Quick:  true,
	},
	{
		Name:   "publish before the log is written",
		Breaks: "a reader sees a commit that is then refused, or that a kill takes",
		Changes: []Change{{"internal/log/commit/commit.go", `	if err := q.env.Log(group); err != nil {`, `	q.env.Publish(next - 1)
	if err := q.env.Log(group); err != nil {`}},
		Killer: test("log/commit", "TestCommit_.*"),
		Quick:  true,
	},
	{
		Name:   "publish before it is applied",
		Breaks: "a reader that begins in between misses a commit that it should see",
		Changes: []Change{{"internal/log/commit/commit.go", `	for _, r := range group {
		q.env.Apply(r)`, `	q.env.Publish(q.next + key.SeqNum(operations) - 1)
	for _, r := range group {
		q.env.Apply(r)`}},
		Killer: test("log/commit", "TestCommit_.*"),
		Quick:  true,
	},
	{
		Name:   "publish a batch entry by entry",
		Breaks: "a reader sees half a batch",
		Changes: []Change{{"internal/tree/tree.go", `	active.Apply(b, first)
	active.last = last`, `	tr.readers.Publish(last)
	active.Apply(b, first)
	active.last = last`}},
		Killer: test("engine", "TestApply_showsNothingBeforePublish"),
	},
	{
		Name:   "a batch is logged entry by entry",
		Breaks: "a crash leaves half a batch",
		Changes: []Change{{"internal/engine/write.go", `			records = append(records, wal.Record{First: r.First, Count: r.Batch.Count(), Payload: r.Batch.Bytes()})`, `			first := r.First
			for op := range r.Batch.Ops() {
				one := new(batch.Batch)
				if op.Kind == key.KindDelete {
					one.Delete(op.Key)
				} else {
					one.Put(op.Key, op.Value)
				}
				records = append(records, wal.Record{First: first, Count: 1, Payload: one.Bytes()})
				first++
			}`}},
		Killer: crash("large-batch"),
	},
	{
		Name:    "a commit that need not be synced never is",
		Breaks:  "a power cut takes more than the last second of Process commits",
		Changes: []Change{{"internal/engine/write.go", `	} else { // though`, `	} else if w.gate.Closed() { // though`}},
		Killer:  test("engine", "TestCommit_isSyncedWithinTheInterval"),
	},
	{
		Name:   "two commits share a sequence number",
		Breaks: "of two commits of a group one hides the other, or both are seen in part",
		Changes: []Change{{"internal/log/commit/commit.go", `		r.First = next
		next +=`, `		r.First = q.next
		next +=`}},
		Killer: test("log/commit", "TestCommit_membersOfAGroupHaveNumbersOfTheirOwn"),
		Quick:  true,
	},
	{
		Name:   "numbers of a refused commit leave a gap",
		Breaks: "recovery finds a hole in the log where none is",
		Changes: []Change{{"internal/log/commit/commit.go", `	if err := q.env.Log(group); err != nil {
		return err`, `	if err := q.env.Log(group); err != nil {
		q.next = next
		return err`}},
		Killer: test("log/commit", "TestCommit_.*"),
		Quick:  true,
	},
	{
		Name:   "commits go on after a failed sync",
		Breaks: "acknowledged commits stand behind a hole in the log",
		Changes: []Change{{"internal/log/commit/commit.go", `		q.failed = err
		return err`, `		return err`}},
		Killer: test("log/commit", "TestCommit_.*"),
		Quick:  true,
	},

	// What is synced, and when.
	{
		Name:   "no sync of records",
		Breaks: "a power cut takes acknowledged commits and edits",
		Changes: []Change{{"internal/format/record/appender.go", `	if err := a.f.Sync(); err != nil {`,
			`	if _, err := a.f.Size(); err != nil {`}},
		Killer: test("log/wal", "TestLog_survivesPowerCutsAnywhere"),
		Quick:  true,
	},
	{
		Name:   "a failed sync is tried again",
		Breaks: "the second sync succeeds over pages that the first has dropped: commits are lost",
		Changes: []Change{{"internal/format/record/appender.go", `	if err := a.f.Sync(); err != nil {`,
			`	if err := a.f.Sync(); err != nil && a.f.Sync() != nil {`}},
		Killer: test("log/wal", "TestSegment_poisonedByFailures"),
		Quick:  true,
	},
	{
		Name:   "a failed sync is reported once",
		Breaks: "the commit after a failed sync is acknowledged over lost pages",
		Changes: []Change{{"internal/format/record/appender.go", `		return a.poison(fmt.Errorf("sync %s: %w", a.name, err))`,
			`		return fmt.Errorf("sync %s: %w", a.name, err)`}},
		Killer: test("log/wal", "TestSegment_poisonedByFailures"),
		Quick:  true,
	},
	{
		Name:   "what was appended during a sync counts as synced",
		Breaks: "a commit that was written while another was synced is acknowledged and lost",
		Changes: []Change{{"internal/format/record/appender.go", `	end := a.end.Load()
	if err := a.f.Sync(); err != nil {
		return a.poison(fmt.Errorf("sync %s: %w", a.name, err))
	}
	a.synced.Store(end)`, `	if err := a.f.Sync(); err != nil {
		return a.poison(fmt.Errorf("sync %s: %w", a.name, err))
	}
	a.synced.Store(a.end.Load())`}},
		Killer: test("format/record", "TestAppender_syncCoversOnlyWhatWasThere"),
		Quick:  true,
	},
	{
		Name:   "no sync of a segment's header",
		Breaks: "commits that are synced stand in a segment without a header",
		Changes: []Change{{"internal/log/wal/segment.go", `	_, err := b.f.WriteAt(data[:], 0)
	if err == nil {
		err = b.f.Sync()
	}`, `	_, err := b.f.WriteAt(data[:], 0)`}},
		Killer: test("log/wal", "TestLog_survivesPowerCutsAnywhere"),
		Quick:  true,
	},
	{
		Name:    "no sync of the directory after a segment is created",
		Breaks:  "commits that are synced are in a file without a name",
		Changes: []Change{{"internal/log/wal/segment.go", `	return b.fs.SyncDir()`, `	return nil`}},
		Killer:  test("log/wal", "TestLog_survivesPowerCutsAnywhere"),
		Quick:   true,
	},
	{
		Name:   "no sync of a seal",
		Breaks: "a segment follows one whose end a power cut took: acknowledged commits are behind a hole",
		Changes: []Change{{"internal/log/wal/segment.go", `	if err := s.out.Sync(); err != nil {
		return Predecessor{}, err
	}
	return`, `	return`}},
		Killer: test("log/wal", "TestLog_survivesPowerCutsAnywhere"),
		Quick:  true,
	},
	// Segments that are used again, and mappings of them.
	{
		Name:    "a segment that is used again keeps its header",
		Breaks:  "a crash before it is begun leaves a seal that leads to another segment: the database does not open",
		Changes: []Change{{"internal/log/wal/segment.go", `	err = b.clearHeader()`, `	b.size, err = b.f.Size()`}},
		Killer:  test("log/wal", "TestLog_ofUsedSegmentsSurvivesPowerCutsAnywhere"),
		Quick:   true,
	},
	{
		Name:   "the blank header of a segment that is used again is not synced",
		Breaks: "the same, after a power cut",
		Changes: []Change{{"internal/log/wal/segment.go", `	if err := b.f.Sync(); err != nil {
		return err
	}
	var err error
`, `	var err error
`}},
		Killer: test("log/wal", "TestLog_ofUsedSegmentsSurvivesPowerCutsAnywhere"),
	},
	{
		Name:   "the new name of a segment that is used again is not synced",
		Breaks: "commits that are synced are in a file that the log does not lead to",
		Changes: []Change{{"internal/log/wal/segment.go", `		err = b.fs.SyncDir()
	}`, `	}`}},
		Killer: test("log/wal", "TestLog_ofUsedSegmentsSurvivesPowerCutsAnywhere"),
	},
	{
		Name:    "a segment that is ready is begun behind a later one",
		Breaks:  "after a large commit the log goes on in a segment before its beginning: commits are lost",
		Changes: []Change{{"internal/log/wal/log.go", `blank.Num() > l.Num() &&`, `blank.Num()+1000 > l.Num() &&`}},
		Killer:  test("engine", "TestIngest_leavesASegmentThatIsReadyBehind"),
	},
	{
		Name:   "a large group does not wait for its sync",
		Breaks: "a batch is acknowledged that a power cut takes",
		Changes: []Change{{"internal/log/commit/commit.go", `	return wait()`, `	_ = wait
	return nil`}},
		Killer: test("log/commit", "TestCommit_appliesALargeGroupWhileItIsSynced"),
	},
	{
		Name:   "a sync goes on beside the writing out",
		Breaks: "the system reports a failed write once: the sync that is not told acknowledges what is lost",
		Changes: []Change{{"internal/format/record/appender.go", `	a.syncMu.Lock()
	defer a.syncMu.Unlock()
	n, from`, `	n, from`}},
		Killer: test("log/wal", "TestSegment_noSyncPassesAFailedWriteOut"),
	},
	{
		Name:   "a log that could not be written out goes on",
		Breaks: "the system reports a failed write once: the sync that follows succeeds, and acknowledges what is lost",
		Changes: []Change{{"internal/format/record/appender.go",
			`		return a.poison(fmt.Errorf("write out %s: %w", a.name, err))`, `		_ = err`}},
		Killer: test("log/wal", "TestSegment_poisonedByFailures"),
	},
	{
		Name:   "a fault in the mapping is ignored",
		Breaks: "a commit is acknowledged whose bytes the device could not take",
		Changes: []Change{{"internal/system/vfs/window_linux.go",
			`			err = &wrapped{"the mapped file could not be reached", unix.EIO}`, `			err = nil`}},
		Killer: test("system/vfs", "TestStoreAt_aFaultIsAnError"),
		Quick:  true,
	},
	{
		Name:    "a fault in the mapping ends the process",
		Breaks:  "a full disk or a broken device kills the program that the database is part of",
		Changes: []Change{{"internal/system/vfs/window_linux.go", `debug.SetPanicOnFault(true)`, `debug.SetPanicOnFault(false)`}},
		Killer:  test("system/vfs", "TestStoreAt_aFaultIsAnError"),
	},
	{
		Name:    "more is mapped than was allocated",
		Breaks:  "a store behind the end of the file is a fault where a write makes the file longer",
		Changes: []Change{{"internal/system/vfs/dir.go", `	f.window.allow(at)`, `	f.window.allow(at + 1<<20)`}},
		Killer:  test("system/vfs", "TestOpenDir_conforms"),
	},
	{
		Name:   "the error of closing a segment is ignored",
		Breaks: "a file system that reports a lost write at the close is not heard",
		Changes: []Change{{"internal/log/wal/segment.go",
			`	return Predecessor{Num: s.Num(), Length: end, LastSeq: s.lastSeq, Sum: s.out.Sum()}, s.out.Close()`,
			`	s.out.Close()
	return Predecessor{Num: s.Num(), Length: end, LastSeq: s.lastSeq, Sum: s.out.Sum()}, nil`}},
		Killer: test("log/wal", "TestSeal_closeErrorCounts"),
		Quick:  true,
	},

	{
		Name:   "a sync of a file does not reach the system",
		Breaks: "every power cut takes what was acknowledged",
		Changes: []Change{{"internal/system/vfs/dir_linux.go", `withDescriptor(f, unix.Fdatasync)`,
			`withDescriptor(f, func(int) error { _ = unix.Fdatasync; return nil })`}},
		Killer: test("system/vfs", "TestSync_reachesTheSystem"),
		Quick:  true,
	},
	{
		Name:    "a sync of the directory does not reach the system",
		Breaks:  "a power cut takes the names of files that are in use",
		Changes: []Change{{"internal/system/vfs/dir_unix.go", `{ return d.Sync() }`, `{ _, err := d.Stat(); return err }`}},
		Killer:  test("system/vfs", "TestSync_reachesTheSystem"),
		Quick:   true,
	},

	// Writes that fail.
	{
		Name:   "a short write is ignored",
		Breaks: "a commit of which half is in the log is acknowledged",
		Changes: []Change{{"internal/format/record/appender.go", `	_, err = a.f.WriteAt(data, a.bufAt)`,
			`	n := 0
	if n, err = a.f.WriteAt(data, a.bufAt); n > 0 {
		err = nil
	}`}},
		Killer: test("log/wal", "TestAppend_fullDiskTakesTheGroupBack"),
		Quick:  true,
	},
	{
		Name:   "a full disk leaves the tail as it is",
		Breaks: "a refused commit comes back at the next start, in place of the one that took its number",
		Changes: []Change{{"internal/format/record/appender.go", `	if err := a.eraseHeader(); err != nil {`,
			`	if _, err := a.f.Size(); err != nil {`}},
		Killer: test("log/wal", "TestAppend_fullDiskTakesTheGroupBack"),
		Quick:  true,
	},
	{
		Name:   "the tail is restored but not synced",
		Breaks: "a power cut brings back a commit that was refused",
		Changes: []Change{{"internal/format/record/appender.go", `	a.syncMu.Lock()
	defer a.syncMu.Unlock()
	return a.syncLocked()
}

// Sync makes`, `	return nil
}

// Sync makes`}},
		Killer: test("log/wal", "TestAppend_fullDiskTakesTheGroupBack"),
		Quick:  true,
	},
	{
		Name:   "a second attempt looks like the first",
		Breaks: "the rest of a refused group passes for the successor of the same commit, tried again",
		Changes: []Change{{"internal/format/record/appender.go", `	a.attempt++
`, ``}},
		Killer: test("log/wal", "TestAppend_fullDiskTakesTheGroupBack"),
		Quick:  true,
	},
	{
		Name:    "writing goes on after an error of the device",
		Breaks:  "commits are acknowledged by a disk that has failed",
		Changes: []Change{{"internal/format/record/appender.go", `	if !full {`, `	if !full && a.attempt == maxAttempt {`}},
		Killer:  test("log/wal", "TestSegment_poisonedByFailures"),
		Quick:   true,
	},

	// What a record is.
	{
		Name:   "the checksum of a record is not looked at",
		Breaks: "damaged commits are replayed as if nothing had happened",
		Changes: []Change{{"internal/format/record/reader.go",
			`	if data == nil || crc32.Update(r.at.seed, castagnoli, data[4:]) != h.sum {`, `	if data == nil {`}},
		Killer: test("format/record", "TestReader_.*"),
		Quick:  true,
	},
	{
		Name:   "the checksum of a record leaves out length, chain and type",
		Breaks: "a flipped bit of a header changes what a commit is",
		Changes: []Change{
			{"internal/format/record/appender.go", `castagnoli, a.buf[start+4:])`, `castagnoli, a.buf[start+16:])`},
			{"internal/format/record/reader.go", `castagnoli, data[4:]) != h.sum`, `castagnoli, data[16:]) != h.sum`},
			{"internal/format/record/reader.go", `	for at := off + 4; at < end; {`, `	for at := off + 16; at < end; {`},
		},
		Killer: test("log/wal", "TestReplay_everyBitFlipped"),
	},
	{
		Name:   "the checksum of a record leaves out the database",
		Breaks: "the record of another database passes for one of this",
		Changes: []Change{{"internal/format/record/record.go", `	return place{seed: crc32.Checksum(db[:], castagnoli), num: num}`,
			`	return place{seed: crc32.Checksum(db[:0], castagnoli), num: num}`}},
		Killer: test("format/record", "TestReader_recordsAreBoundToTheirPlace"),
		Quick:  true,
	},
	{
		Name:    "a record of another segment is taken",
		Breaks:  "blocks of a deleted segment that came back are replayed",
		Changes: []Change{{"internal/format/record/reader.go", `	case h.num != r.at.num:`, `	case h.num < 0:`}},
		Killer:  test("format/record", "TestReader_recordsAreBoundToTheirPlace"),
		Quick:   true,
	},
	{
		Name:    "a record from another offset is taken",
		Breaks:  "bytes that stand in the wrong place are replayed",
		Changes: []Change{{"internal/format/record/reader.go", `	case h.offset != off:`, `	case h.offset < 0:`}},
		Killer:  test("format/record", "TestReader_recordsAreBoundToTheirPlace"),
		Quick:   true,
	},
	{
		Name:   "the chain of records is not looked at",
		Breaks: "a commit that was refused, and lies behind the one that took its place, comes back",
		Changes: []Change{{"internal/log/wal/replay.go", `		if problem == "" && rec.Chain != chain {`,
			`		if problem == "" && chain == 0 && off < 0 {`}},
		Killer: test("log/wal", "TestAppend_.*|TestReplay_(every|anything|imp|hostile).*"),
	},
	{
		Name:   "a length is trusted before the record is verified",
		Breaks: "a few damaged bytes make the start allocate a gigabyte",
		Changes: []Change{
			{"internal/format/record/reader.go", `	case Size(int(h.length)) > r.size-off:
		return h, "the file ends inside a record", nil
`, ``},
			{"internal/format/record/reader.go", `	if sum, err := r.checksum(off, h); err != nil || sum != h.sum {
		return nil, err
	}
`, ``},
		},
		Killer: test("log/wal", "TestReplay_hostileLengths"),
		Quick:  true,
	},
	{
		Name:   "memory is taken before the checksum is right",
		Breaks: "damaged bytes in a large log make the start take as much memory as they ask for",
		Changes: []Change{{"internal/format/record/reader.go", `	if sum, err := r.checksum(off, h); err != nil || sum != h.sum {
		return nil, err
	}
`, ``}},
		Killer: test("format/record", "TestReader_takesNoMemoryForWhatIsNotVerified"),
		Quick:  true,
	},

	// Where the log ends.
	{
		Name:    "damage in the middle of a log is its end",
		Breaks:  "one bad sector drops every commit behind it without a word",
		Changes: []Change{{"internal/log/wal/replay.go", `	if proof >= 0 {`, `	if proof >= 0 && problem == "" {`}},
		Killer:  test("log/wal", "TestReplay_everyBitFlipped"),
	},
	{
		Name:   "commits do not say what was durable before them",
		Breaks: "damage in the middle of a log cannot be told from its end",
		Changes: []Change{{"internal/log/wal/segment.go", `		putPrefix(&s.prefix, prefix{synced: s.Synced(), seq: r.First`,
			`		putPrefix(&s.prefix, prefix{synced: record.FileHeaderSize, seq: r.First`}},
		Killer: test("log/wal", "TestReplay_everyBitFlipped"),
	},
	{
		Name:   "a first segment without a header is not in use",
		Breaks: "a damaged sector drops the whole log",
		Changes: []Change{{"internal/log/wal/replay.go", `		case s.state == broken && num == r.o.Start:`,
			`		case s.state == broken && num == r.o.Start && num == 0:`}},
		Killer: test("log/wal", "TestReplay_firstSegmentWithoutHeaderIsDamage"),
	},
	{
		Name:   "replay crosses a segment that ends early",
		Breaks: "the log goes on behind a hole",
		Changes: []Change{
			{"internal/log/wal/replay.go", `				return err
			}
			break
		}
		if err := r.replayRecord`, `				return err
			}
			for _, num := range r.o.Segments {
				if num > s.num && (r.next == 0 || num < r.next) {
					r.next = num
				}
			}
			break
		}
		if err := r.replayRecord`},
			{"internal/log/wal/replay.go", `		case s.prev != r.prev:`, `		case s.prev.Num == 0:
			return r.checkUnused(s)
		case s.prev.Num > r.prev.Num:`},
			{"internal/log/wal/replay.go", `	if want := r.report.LastSeq + 1; p.seq != want {`,
				`	if want := r.report.LastSeq + 1; p.seq > want {
		r.report.LastSeq = p.seq - 1
	} else if p.seq < want {`},
		},
		Killer: test("log/wal", "TestReplay_truncatedAtEveryLength"),
	},
	{
		Name:    "a segment need not follow the one before as that is now",
		Breaks:  "a segment of another history, or behind one that was cut, is replayed",
		Changes: []Change{{"internal/log/wal/replay.go", `		case s.prev != r.prev:`, `		case s.prev.Num > r.prev.Num:`}},
		Killer:  test("log/wal", "TestReplay_.*"),
	},
	{
		Name:   "a segment beside the chain is nobody's concern",
		Breaks: "a log that was cut before its last segment opens as if it ended there",
		Changes: []Change{{"internal/log/wal/replay.go", `	if s.state == intact && s.prev.Num != 0 {`,
			`	if s.state == intact && s.prev.Num == s.num {`}},
		Killer: test("log/wal", "TestReplay_emptySegmentProvesItsPredecessor"),
		Quick:  true,
	},
	{
		Name:    "sequence numbers of the log are taken as they come",
		Breaks:  "a hole in the log goes unnoticed",
		Changes: []Change{{"internal/log/wal/replay.go", `p.seq != want {`, `p.seq < want {`}},
		Killer:  test("log/wal", "TestReplay_impossibleContentWithRightChecksums"),
		Quick:   true,
	},
	{
		Name:    "nothing says where a group ends in a segment that is used again",
		Breaks:  "Open reports megabytes as torn that are merely old",
		Changes: []Change{{"internal/format/record/appender.go", `	if a.allocated < math.MaxInt64 {`, `	if a.allocated < 0 {`}},
		Killer:  test("engine", "TestFlush_logSegmentsAreUsedAgain"),
	},
}
