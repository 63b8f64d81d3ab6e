package mutants

// roomMutants break how commits wait for room, how writers are slowed, what an idle database takes, and what an Open that
// takes long tells.
var roomMutants = []Mutant{
	{
		Name:   "a flush that finds no descriptors is not told of",
		Breaks: "nothing is flushed, and the metrics say that all is well",
		Changes: []Change{{"internal/engine/write.go", `		e.noteRotation(err)
`, ``}},
		Killer: test("engine", "TestFlush_isBegunAgainWhenThereAreDescriptors"),
	},
	{
		Name:   "an archive that lags has a gap when descriptors run out",
		Breaks: "what was committed in between cannot be restored, for want of a descriptor for a moment",
		Changes: []Change{{"internal/engine/background.go", `	if e.room.DiskFull() || e.disk.Short() {`,
			`	if e.room.BackgroundError() != nil || e.disk.Short() {`}},
		Killer: test("engine", "TestClean_givesUpWhatAnArchiveNeedsForSpaceAlone"),
	},
	{
		Name:   "an archive that lags keeps its log on a full disk",
		Breaks: "an archive that is away for long fills the disk, and writes stop",
		Changes: []Change{{"internal/engine/background.go", `	if e.room.DiskFull() || e.disk.Short() {`,
			`	if e.disk.Short() {`}},
		Killer: test("engine", "TestClean_givesUpWhatAnArchiveNeedsForSpaceAlone"),
	},
	{
		Name:   "a flush that found no descriptors is not begun again",
		Breaks: "the alert rings until somebody flushes",
		Changes: []Change{{"internal/engine/room.go", `		if !e.background.rotation.Swap(true) {`,
			`		if !e.background.rotation.Load() {`}},
		Killer: test("engine", "TestFlush_isBegunAgainWhenThereAreDescriptors"),
	},
	{
		Name:   "a flush that finds no descriptors wakes its own flusher",
		Breaks: "a program that has run out of descriptors spends its processor on trying again",
		Changes: []Change{{"internal/engine/room.go", `		if !e.background.rotation.Swap(true) {`,
			`		if !e.background.rotation.Swap(true) || err != nil {`}},
		Killer: test("engine", "TestFlush_isBegunAgainWhenThereAreDescriptors"),
	},
	{
		Name:   "a commit that waits for room does not ask its context",
		Breaks: "a write with a deadline waits for a flush of others, however long that takes",
		Changes: []Change{{"internal/engine/room/room.go", `	case <-ctx.Done():`,
			`	case <-context.Background().Done():`}},
		Killer: test("engine", "TestRoom_theWaitEndsWithTheContext"),
	},
	{
		Name:   "a commit that waits for room does not notice Close",
		Breaks: "Close waits for a commit that waits for a flush",
		Changes: []Change{{"internal/engine/room/room.go", `	case <-closed.Done():`,
			`	case <-context.Background().Done():`}, {"internal/engine/background.go", `	e.room.Changed()
`, ``}},
		Killer: test("engine", "TestRoom_theWaitEndsWithTheEngine"),
	},
	{
		Name:   "a change before the look is missed",
		Breaks: "a commit waits for room that there is already",
		Changes: []Change{{"internal/engine/room/room.go", `		close(r.next)
		r.next = nil
`, `		close(r.next)
		r.next = make(chan struct{})
`}, {"internal/engine/room/room.go", `	if r.next == nil {
		r.next = make(chan struct{})
	}
	return r.next
`, `	r.next = make(chan struct{})
	return r.next
`}},
		Killer: test("engine/room", "TestRoom_tellsOfEachChange"),
	},
	{
		Name:    "writers are slowed as if the compaction of level 0 had begun",
		Breaks:  "level 0 is full before a compaction has made it shorter: writes stop for a second",
		Changes: []Change{{"internal/engine/room/pace.go", `	if !p.Shortens {`, `	if false {`}},
		Killer:  test("engine/room", "TestPace_letsTheRoomLast"),
	},
	{
		Name:   "writers stop when no room is left",
		Breaks: "the pace falls to nothing, and no write comes for a second",
		Changes: []Change{{"internal/engine/room/pace.go", `	return max(float64(p.Left)*speed/max(rest, float64(p.Memtable)), slowestPace)`,
			`	return float64(p.Left) * speed / max(rest, float64(p.Memtable))`}},
		Killer: test("engine/room", "TestPace_letsTheRoomLast"),
	},
	{
		Name:    "each writer is slowed for itself",
		Breaks:  "many writers bring many times what level 0 has room for",
		Changes: []Change{{"internal/engine/room/room.go", `max(r.paced, now).Plus(`, `max(0, now).Plus(`}},
		Killer:  test("engine/room", "TestRoom_reservesOneAfterTheOther"),
	},
	{
		Name:    "a new memtable comes in huge pages",
		Breaks:  "a thousand open databases of a few entries take gigabytes",
		Changes: []Change{{"internal/tree/memtable/table.go", `	offheap.SmallPages(memory[:m.small])`, ``}},
		Killer:  test("proof/resources", "TestDatabases_manyAreOpenInOneProcess"),
	},
	{
		Name:    "an Open that takes long tells nothing",
		Breaks:  "a program that replays its log is taken for dead, and killed again",
		Changes: []Change{{"internal/engine/recover.go", `			r.progress.Reach(bytes)`, ``}},
		Killer:  test("engine", "TestOpen_tellsEachSecondWhatItDoes"),
	},
	{
		Name:    "an Open tells of each piece of its log",
		Breaks:  "the log of a program is flooded at every start",
		Changes: []Change{{"internal/engine/opening/opening.go", `	if now.Since(p.told) < Interval {`, `	if now.Since(p.told) < 0 {`}},
		Killer:  test("engine/opening", "TestProgress_.*"),
	},
}
