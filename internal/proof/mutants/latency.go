package mutants

// latencyMutants break what is told of how long calls took.
var latencyMutants = []Mutant{
	{
		Name:   "a commit that waits for room is timed like others",
		Breaks: "of sixteen commits that a stall holds up, fifteen are not seen",
		Changes: []Change{{"internal/engine/write.go", `		e.stats.CommitWaits(t)
		if err := e.stats.Part(t, stats.Room, func() error { return e.waitForRoom(ctx) }); err != nil {`, `		if err := e.stats.Part(t, stats.Room, func() error { return e.waitForRoom(ctx) }); err != nil {`}},
		Killer: test("engine", "TestLatency_hasTheWaitForRoom"),
	},
	{
		Name:   "a write that waits for a lock is timed like others",
		Breaks: "of sixteen writes that a lock holds up, fifteen are not seen",
		Changes: []Change{{"internal/engine/write.go", `	e.stats.CommitWaits(t)
	c.Owner =`, `	c.Owner =`}},
		Killer: test("engine", "TestLatency_hasTheWaitForALock"),
	},
	{
		Name:   "a commit that waits counts for those that do not",
		Breaks: "one slow commit is told as sixteen",
		Changes: []Change{{"internal/engine/stats/timer.go", `	t.times = 1
`, ``}},
		Killer: test("engine/stats", "TestTimer_missesNoneThatWaits"),
	},
	{
		Name:    "syncs in the background count",
		Breaks:  "syncs that nobody waits for are told as what commits wait for",
		Changes: []Change{{"internal/log/wal/log.go", `	return true, l.sync(published())`, `	return true, l.Sync(published())`}},
		Killer:  test("engine", "TestLatency_ofCommitsAndSyncsIsExact"),
	},
	{
		Name:   "syncs that have nothing to do count",
		Breaks: "an idle program that asks for syncs is told that the disk is fast",
		Changes: []Change{{"internal/log/wal/log.go", `	waits := seg.Synced() < seg.Size()
`, `	waits := seg.Synced() <= seg.Size()
`}},
		Killer: test("engine", "TestLatency_ofCommitsAndSyncsIsExact"),
	},
	{
		Name:   "a timed read counts for itself",
		Breaks: "a program that reads all the time is told that it does not",
		Changes: []Change{{"internal/tree/timing/timing.go", `Since(start), PerTimed)`,
			`Since(start), 1)`}, {"internal/tree/timing/timing.go", `g.times.Add(took, PerTimed)`, `g.times.Add(took, 1)`}},
		Killer: test("engine", "TestLatency_ofReadsIsSampled"),
	},
	{
		Name:    "a quantile is the bucket before",
		Breaks:  "a quantile is lower than what it is a quantile of",
		Changes: []Change{{"internal/system/latency/latency.go", `		if rank <= b.Count {`, `		if rank <= b.Count+1 {`}},
		Killer:  Check{Package: "./internal/system/latency", Run: "TestQuantile_isThatOfTheSortedLatencies"},
	},
	{
		Name:    "the buckets of a report are those of nobody",
		Breaks:  "who watches another process sees no latencies of the last second",
		Changes: []Change{{"internal/report/latency.go", `b.Sync.Give(`, `b.Commit.Give(`}},
		Killer:  Check{Package: ".", Run: "TestFollower_tellsHowLongCallsTake"},
	},
}
