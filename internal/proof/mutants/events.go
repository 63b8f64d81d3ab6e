package mutants

// eventMutants break what people are told of.
var eventMutants = []Mutant{
	{
		Name:   "nobody is told of the damage that a read meets",
		Breaks: "a program goes on with half of its data, and whoever watches it learns of that from its users",
		Changes: []Change{{"internal/tree/tables/set.go", `, Damaged: s.opts.Damaged}, nil`,
			`}, nil`}},
		Killer: Check{Package: ".", Run: "^TestEvents_tellOfDamageThatAReadMeets$"},
	},
	{
		Name:    "the queue of events has no bound",
		Breaks:  "a listener that hangs takes all memory",
		Changes: []Change{{"internal/engine/events/events.go", `b.closed || len(b.queue) >= places`, `b.closed`}},
		Killer:  test("engine/events", "TestBus_dropsAndCountsWhatASlowListenerLeaves"),
		Quick:   true,
	},
	{
		Name:   "no place is kept for what is urgent",
		Breaks: "a program is told of a thousand flushes, and not that writes have stopped",
		Changes: []Change{{"internal/engine/events/events.go", `		places -= urgentPlaces
`, `		places += 0
`}},
		Killer: test("engine/events", "TestBus_dropsAndCountsWhatASlowListenerLeaves"),
		Quick:  true,
	},
	{
		Name:    "a listener that closes the database waits for itself",
		Breaks:  "Close takes a second longer, each time",
		Changes: []Change{{"internal/engine/events/events.go", `b.running && b.deliverer != goroutine.Current()`, `b.running`}},
		Killer:  test("engine/events", "TestBus_aListenerMayClose"),
		Quick:   true,
	},
	{
		Name:   "each read of a damaged file is told of",
		Breaks: "a thousand calls at night for one file",
		Changes: []Change{{"internal/engine/events/events.go", `	again := b.damaged[file]
`, `	again := false
`}},
		Killer: test("engine/events", "TestBus_tellsOfADamagedFileOnce"),
		Quick:  true,
	},
	{
		Name:    "every slow operation is told of",
		Breaks:  "the log is full when the disk is slow",
		Changes: []Change{{"internal/engine/events/slow.go", `	if b.slow.told == event.SlowPerSecond {`, `	if b.slow.told < 0 {`}},
		Killer:  test("engine/events", "TestBus_tellsOfAFewSlowOperationsASecond"),
		Quick:   true,
	},
	{
		Name:   "keys are told without being asked for",
		Breaks: "names of customers are in logs",
		Changes: []Change{{"internal/engine/events/operations.go", `	if !b.opts.Keys {
		return nil
	}
`, ``}},
		Killer: Check{Package: ".", Run: "TestEvents_tellNoKeysUnlessAllowed"},
	},
	{
		Name:   "each wait of a writer is a stall",
		Breaks: "two events for each millisecond that a writer is slowed",
		Changes: []Change{{"internal/engine/events/episodes.go", `	case left > 0:
		return left
`, `	case left > event.StallPause:
		return left
`}},
		Killer: test("engine/events", "TestStalls_joinWaitsThatFollowEachOther"),
		Quick:  true,
	},
	{
		Name:    "reads of a tree that is traced go the short way",
		Breaks:  "a request whose reads have no spans seems to have done nothing while it waited for the disk",
		Changes: []Change{{"internal/tree/timing/timing.go", `g.apart.Store(o.Trace != nil)`, `g.apart.Store(false)`}},
		Killer:  Check{Package: "./event", Run: "^TestTracer_isToldOfEveryRead$"},
	},
	{
		Name:   "a panic during Open leaves the directory locked",
		Breaks: "a program that goes on after it can never open its database again",
		Changes: []Change{{"internal/engine/engine.go", `		if !open { // also`,
			`		if !open && e.opts.ReadOnly { // also`}},
		Killer: Check{Package: "./event", Run: "^TestListener_thatPanicsDuringOpen$"},
	},
	{
		Name:   "a stall that Close ends has no end",
		Breaks: "whoever watches is rung for a database that is closed",
		Changes: []Change{{"internal/engine/engine.go", `	e.background.stalls.Close(e.opts.bus, e.stats.Stall(e.clock.Now()))
`, ``}},
		Killer: Check{Package: "./event", Run: "^TestDatabase_endsAStallWithClose$"},
	},
	{
		Name:    "the end of a Has that reads no long value is an error",
		Breaks:  "an alarm on errors rings for values that are there",
		Changes: []Change{{"internal/engine/events/operations.go", `Err: endOfRead(r.Err),`, `Err: r.Err,`}},
		Killer:  Check{Package: "./event", Run: "^TestSlowOperation_ofHasIsNoError$"},
	},
}
