package mutants

// clockMutants measure an interval by the wall clock, which somebody may set.
var clockMutants = []Mutant{
	{
		Name:    "the monotonic clock is the wall clock",
		Breaks:  "every interval goes wrong when a clock is set",
		Changes: []Change{{"internal/engine/clock.go", `instant(e.opts.Elapsed())`, `instant(e.opts.Wall().UnixNano())`}},
		Killer:  test("engine", "TestClock_.*"),
		Quick:   true,
	},
	{
		Name:   "the age of an unsynced commit is by the wall clock",
		Breaks: "commits at Process durability stay unsynced for as long as the clock was set back",
		Changes: []Change{
			{"internal/engine/write.go", `e.unsyncedSince.Store(int64(e.now()))`, `e.unsyncedSince.Store(e.opts.Wall().UnixNano())`},
			{"internal/engine/background.go", `e.opts.SyncInterval - e.now().since(since)`,
				`e.opts.SyncInterval - instant(e.opts.Wall().UnixNano()).since(since)`},
		},
		Killer: test("engine", "TestClock_mayBeSetUnderEveryTimer"),
		Quick:  true,
	},
	{
		Name:   "the age of a snapshot is by the wall clock",
		Breaks: "young snapshots expire when the clock is set forward, and old ones stay when it is set back",
		Changes: []Change{
			{"internal/engine/readers.go", `		return e.now()
	}
	if !s.unstamped {`, `		return instant(e.opts.Wall().UnixNano())
	}
	if !s.unstamped {`},
			{"internal/engine/snapshot.go", `	oldest := e.now().plus(-s.maxAge)`,
				`	oldest := instant(e.opts.Wall().UnixNano()).plus(-s.maxAge)`},
		},
		Killer: test("engine", "TestClock_mayBeSetUnderEveryTimer"),
	},
	{
		Name:   "what is retained is told by the wall clock",
		Breaks: "states within Options.Retain go when the clock is set forward, and stay for ever when it is set back",
		Changes: []Change{
			{"internal/engine/snapshot.go", `	now := e.now()
	s.timeline.note(now, visible)`, `	now := instant(e.opts.Wall().UnixNano())
	s.timeline.note(now, visible)`},
			{"internal/engine/retain.go", `	s.timeline.note(e.now(), last)`, `	s.timeline.note(instant(e.opts.Wall().UnixNano()), last)`},
			{"internal/engine/retain.go", `	now := e.now()
	if now <`, `	now := instant(e.opts.Wall().UnixNano())
	if now <`},
		},
		Killer: test("engine", "TestClock_mayBeSetUnderEveryTimer"),
	},
	{
		Name:   "the ages of locks are by the wall clock",
		Breaks: "a lock of a second is said to be ten years old, and the line for precedence is given up",
		Changes: []Change{{"internal/engine/engine.go", `	e.locks.Now = e.opts.Elapsed
`, `	e.locks.Now = func() time.Duration { return time.Duration(e.opts.Wall().UnixNano()) }
`}},
		Killer: test("engine", "TestClock_mayBeSetUnderEveryTimer"),
	},
	{
		Name:   "a burst of writes ends by the wall clock",
		Breaks: "compactions begin in the middle of a burst, or not for years",
		Changes: []Change{
			{"internal/engine/write.go", `e.rotated.Store(int64(e.now()))`, `e.rotated.Store(e.opts.Wall().UnixNano())`},
			{"internal/engine/output.go", `burstPause-e.now().since(rotated)`,
				`burstPause-instant(e.opts.Wall().UnixNano()).since(rotated)`},
		},
		Killer: test("engine", "TestClock_mayBeSetUnderEveryTimer"),
	},
}
