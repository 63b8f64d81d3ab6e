package mutants

// byWallClock makes what follows field in a file measure by the wall clock, which somebody may set.
func byWallClock(file, field, was, wall string) []Change {
	return []Change{{file, field + was + ",", field + "func() time.Duration { return time.Duration(" + wall + "().UnixNano()) },"}}
}

// importTime makes package time known to the engine's constructor.
var importTime = Change{"internal/engine/engine.go", `	"fmt"

	"lightningdb/event"
`, `	"fmt"
	"time"

	"lightningdb/event"
`}

// clockMutants measure an interval by the wall clock.
var clockMutants = []Mutant{
	{
		Name:    "the monotonic clock is the wall clock",
		Breaks:  "every interval goes wrong when a clock is set",
		Changes: append(byWallClock("internal/engine/engine.go", "clock:      ", "opts.Elapsed", "opts.Wall"), importTime),
		Killer:  test("engine", "TestClock_.*"),
		Quick:   true,
	},
	{
		Name:    "the age of an unsynced commit is by the wall clock",
		Breaks:  "commits at Process durability stay unsynced for as long as the clock was set back",
		Changes: append(byWallClock("internal/engine/engine.go", "SyncInterval: opts.SyncInterval, Clock: ", "e.clock", "opts.Wall"), importTime),
		Killer:  test("engine", "TestClock_mayBeSetUnderEveryTimer"),
		Quick:   true,
	},
	{
		Name: "ages of readers and what is retained are by the wall clock",
		Breaks: "young snapshots and states within Options.Retain go when the clock is set forward, and old ones stay when it is " +
			"set back",
		Changes: byWallClock("internal/tree/tree.go", "			Clock:   ", "o.Clock", "o.Wall"),
		Killer:  test("engine", "TestClock_mayBeSetUnderEveryTimer"),
	},
	{
		Name:    "a burst of writes ends by the wall clock",
		Breaks:  "compactions begin in the middle of a burst, or not for years; spare memory is held",
		Changes: byWallClock("internal/tree/tree.go", "		clock:  ", "o.Clock", "o.Wall"),
		Killer:  test("engine", "TestClock_mayBeSetUnderEveryTimer"),
	},
	{
		Name:   "the ages of locks are by the wall clock",
		Breaks: "a lock of a second is said to be ten years old, and the line for precedence is given up",
		Changes: []Change{{"internal/engine/engine.go", `	e.locks.Now = opts.Elapsed
`, `	e.locks.Now = func() time.Duration { return time.Duration(opts.Wall().UnixNano()) }
`}, importTime},
		Killer: test("engine", "TestClock_mayBeSetUnderEveryTimer"),
	},
}
