package mutants

// keyMutants take the empty key for no key, or for nothing that precedes it, or a batch for more than it is.
var keyMutants = []Mutant{
	{
		Name:    "a bound at the empty key is none",
		Breaks:  "a walk backward that merges sources hands out the empty key before others",
		Changes: []Change{{"internal/format/key/key.go", `return k.Trailer == 0 && len(k.User) == 0`, `return len(k.User) == 0`}},
		Killer:  test("tree/merge", "Test.*"),
	},
	{
		Name:    "a batch that begins with the empty key takes it for an older version",
		Breaks:  "a loop shows nothing of it",
		Changes: []Change{{"internal/tree/merge/visible.go", `		if some && same(`, `		if (some || i == 0) && same(`}},
		Killer:  test("tree/merge", "TestVisible_.*"),
	},
	{
		Name:    "the empty key follows itself in a compaction",
		Breaks:  "the first compaction of a table that begins with it fails, and writes stop",
		Changes: []Change{{"internal/tree/compaction/execute.go", `	if e.stats.EntriesIn == 0 {`, `	if e.stats.EntriesIn == 1<<62 {`}},
		Killer:  test("tree/compaction", "TestCompaction_.*"),
	},
	{
		Name:    "the first entry of an output, of the empty key, is an older version",
		Breaks:  "a compaction holds its output for damaged, and writes stop",
		Changes: []Change{{"internal/tree/compaction/writer.go", `	if t.Entries > 1 && bytes`, `	if bytes`}},
		Killer:  test("tree/compaction", "TestCompaction_.*"),
	},
	{
		Name:    "the empty key that was spilled is an older version of itself",
		Breaks:  "the commit of a transaction larger than memory loses it",
		Changes: []Change{{"internal/log/txn/spill.go", `		if n > 0 && bytes.Equal(k.User, last) {`, `		if bytes.Equal(k.User, last) {`}},
		Killer:  test("log/txn", "TestWrites_.*"),
	},
	{
		Name:    "before the empty key is the end",
		Breaks:  "a walk backward over own writes, of which the empty key is deleted, goes on without end",
		Changes: []Change{{"internal/log/txn/overlay.go", `	if o.from == nil {`, `	if o.from == nil && o.backward {`}},
		Killer:  test("log/txn", "TestOverlay_.*"),
	},
	{
		Name:    "the empty key that was spilled is nil",
		Breaks:  "a loop of a transaction larger than memory yields no key where the empty one is",
		Changes: []Change{{"internal/log/txn/spill.go", `	o.layer.write.Key = []byte{}`, `	o.layer.write.Key = nil`}},
		Killer:  test("log/txn", "TestWrites_spilledAreAsInMemory"),
	},
	{
		Name:    "a Reset ends no loop over its batch",
		Breaks:  "the loop shows operations that nobody has added",
		Changes: []Change{{"internal/transaction/operation.go", ` || o.resets != begun {`, ` || o.resets < begun {`}},
		Killer:  Check{Package: ".", Run: "^(TestBatch_resetEndsALoop)$"},
	},
	{
		Name:    "a batch grows to any size",
		Breaks:  "a program that reckons wrongly panics, or is ended for want of memory",
		Changes: []Change{{"internal/transaction/operation.go", `	if n <= limit-len(o.Batch.Bytes()) {`, `	if n >= 0 {`}},
		Killer:  Check{Package: ".", Run: "^(TestBatch_growsToItsLimitAtMost)$"},
	},
}
