package mutants

// catalogMutants take a bucket's keys for another's, or a bucket that is gone for one that is there.
var catalogMutants = []Mutant{
	{
		Name:    "a commit of a bucket's handle does not carry its row",
		Breaks:  "keys are written under an id that nobody has, and nobody can remove them",
		Changes: []Change{{"internal/transaction/guarded.go", `	reads.AddKey(row, key.Hash(row))`, `	_ = key.Hash(row)`}},
		Killer:  Check{Package: ".", Run: "^(TestBucket_oldHandlesBesideChanges)$"},
	},
	{
		Name:    "the escape is forgotten at a bound",
		Breaks:  "a range shows, and a delete removes, keys beyond its end",
		Changes: []Change{{"internal/format/space/space.go", `		stored.Hi = s.Key(keys.Hi)`, `		stored.Hi = keys.Hi`}},
		Killer:  test("format/space", "TestSpace_spansHoldWhatTheyHeld"),
	},
	{
		Name:    "a drop forgets the rows of nested buckets",
		Breaks:  "handles of buckets that are gone go on writing",
		Changes: []Change{{"internal/model/catalog/catalog.go", `	for _, e := range all {`, `	for _, e := range all[:1] {`}},
		Killer:  Check{Package: ".", Run: "^(TestBucket_.*)$"},
	},
	{
		Name:   "a drop forgets the keys of nested buckets",
		Breaks: "they take space for ever",
		Changes: []Change{{"internal/model/catalog/catalog.go", `dropKeys(w, buckets, space.Of, 0)`,
			`dropKeys(w, buckets[:1], space.Of, 0)`}},
		Killer: Check{Package: ".", Run: "^(TestBucket_.*)$"},
	},
	{
		Name:   "an id is used again",
		Breaks: "two buckets have the same keys",
		Changes: []Change{{"internal/model/catalog/catalog.go", `	if id, err = take(w, []byte{nextRow}); err != nil {`,
			`	if id, err = take(w, []byte{nextRow, byte(parent)}); err != nil {`}},
		Killer: Check{Package: ".", Run: "^(TestBucket_.*)$"},
	},
	{
		Name:   "under snapshot isolation a row of the catalogue was not read",
		Breaks: "a transaction writes into a bucket that another one has dropped",
		Changes: []Change{{"internal/transaction/tx.go", `		tx.claims = append(tx.claims, s.Clone())`,
			`		_ = append(tx.claims, s.Clone())`}},
		Killer: Check{Package: ".", Run: "^(TestBucket_aDropIsAConflict)$"},
	},
	{
		Name:   "keys that are dropped one by one were not read",
		Breaks: "what is written meanwhile stays, and nobody can remove it",
		Changes: []Change{{"internal/model/rows/rows.go", `	if err := r.claim(stored); err != nil {
		return err
	}
	return r.each(stored, func(it transaction.Walker) (more bool, err error) {
		k `, `	return r.each(stored, func(it transaction.Walker) (more bool, err error) {
		k `}},
		Killer: Check{Package: ".", Run: "^(TestBucket_dropsWhatIsScattered)$"},
	},
	{
		Name:   "a handle outlives what RollbackTo has taken back",
		Breaks: "a transaction writes under an id that the next one gives to another bucket",
		Changes: []Change{{"internal/transaction/savepoint.go", `	tx.Revise()
	tx.writes`, `	tx.writes`}},
		Killer: Check{Package: ".", Run: "^(TestBucket_followsItsTransaction)$"},
	},
	{
		Name:   "a bucket may move into itself",
		Breaks: "a ring of buckets that no path leads to",
		Changes: []Change{{"internal/model/catalog/catalog.go", `	if len(to) > len(from) && slices`,
			`	if len(to) < len(from) && slices`}},
		Killer: Check{Package: ".", Run: "^(TestBucket_refusesNames)$"},
	},
	{
		Name:    "a batch of a bucket is used again with its prefix",
		Breaks:  "a put of the root goes into a bucket",
		Changes: []Change{{"batch.go", `		b.ops.Space = space.Space{}`, `		_ = space.Space{}`}},
		Killer:  Check{Package: ".", Run: "^(TestBucket_agreesWithNestedMaps)$"},
	},
	{
		Name:   "a slash in the name of a bucket is shown as one between two names",
		Breaks: "a path that was listed leads to another bucket, which is dropped",
		Changes: []Change{{"cmd/lightning/internal/text/path.go", `strings.ReplaceAll(escaped, "/", `,
			`strings.ReplaceAll(escaped, "//", `}},
		Killer: Check{Package: "./cmd/lightning/internal/text", Run: "^(TestPath_isReadAsItIsShown)$"},
	},
	{
		Name:    "an export leaves out the sequence of a bucket",
		Breaks:  "the copy gives numbers to its program that it has used",
		Changes: []Change{{"cmd/lightning/internal/exchange/jsonl.go", `	if sequence > 0 {`, `	if sequence > 1<<63 {`}},
		Killer:  Check{Package: "./cmd/lightning/internal/exchange", Run: "^(TestJSONLines_bucketsComeBack)$"},
	},
	{
		Name:   "an import turns a sequence back",
		Breaks: "a database that is there gives the same numbers again",
		Changes: []Change{{"cmd/lightning/internal/entries/change.go", `	if err != nil || is >= e.Sequence {`,
			`	if err != nil || is == e.Sequence {`}},
		Killer: Check{Package: "./cmd/lightning/internal/cli", Run: "^(TestBucket_transcripts)$"},
	},
	{
		Name:   "an export to CSV leaves out buckets without a word",
		Breaks: "what was in them is found missing when the original is gone",
		Changes: []Change{{"cmd/lightning/internal/cli/export.go", `	if nested && err == nil {`,
			`	if nested && err != nil {`}},
		Killer: Check{Package: "./cmd/lightning/internal/cli", Run: "^(TestBucket_transcripts)$"},
	},
	{
		Name:    "the old index key is not deleted",
		Breaks:  "a row is found under what it was",
		Changes: []Change{{"internal/model/index/write.go", `if _, stays := after[row]; stays {`, `if _, stays := after[row]; stays || x.in.Writer != nil {`}},
		Killer:  Check{Package: ".", Run: "^(TestIndex_isAlwaysWhatItsFunctionGives)$"},
	},
	{
		Name:   "uniqueness is looked up outside of the read set",
		Breaks: "under snapshot isolation two rows get one key",
		Changes: []Change{{"internal/model/index/write.go", `		if err := x.in.Claim(stored); err != nil {
			return err
		}
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestIndex_ofTwentyWritersOneHasTheKey)$"},
	},
	{
		Name:   "under snapshot isolation an old row was not read",
		Breaks: "two merges of a key leave the index keys of neither",
		Changes: []Change{{"internal/model/index/write.go", `	if err := w.in.Claim(span.Closed(stored, stored)); err != nil {
		return err
	}
`, `	_ = stored
`}},
		Killer: Check{Package: ".", Run: "^(TestIndex_.*)$"},
	},
	{
		Name:    "a handle commits past an index that is new",
		Breaks:  "the row is in no index",
		Changes: []Change{{"internal/transaction/guarded.go", `!found || !bytes.Equal(now, is)`, `!found || !bytes.Equal(now, is) && len(is) == 0`}},
		Killer:  Check{Package: ".", Run: "^(TestIndex_aHandleSeesANewDefinition)$"},
	},
	{
		Name:    "index rows do not end with their row",
		Breaks:  "a unique key that nobody has any more is taken for ever",
		Changes: []Change{{"internal/model/index/write.go", `	if until.IsZero() {`, `	if until.IsZero() || x.Index != nil {`}},
		Killer:  Check{Package: ".", Run: "^(TestIndex_aKeyIsFreeWhenItsRowHasEnded)$"},
	},
	{
		Name:   "the end of the old row is not looked at",
		Breaks: "a row that was put for good leaves its index when the one before it would have ended",
		Changes: []Change{{"internal/model/index/write.go", `		s.until, s.turns = m.End.Moment(), m.End == 0`,
			`		s.turns = m.End == 0`}},
		Killer: Check{Package: ".", Run: "^(TestIndex_aKeyIsFreeWhenItsRowHasEnded)$"},
	},
	{
		Name:   "a violation of uniqueness writes something",
		Breaks: "a transaction that goes on commits an index key that leads to no row",
		Changes: []Change{{"internal/model/index/write.go", `		if err := x.checkUnique(key, before[i], after[i]); err != nil {
			return err`, `		if err := x.checkUnique(key, before[i], after[i]); err != nil {
			x.replace(before[i], after[i], false, to.until)
			return err`}},
		Killer: Check{Package: ".", Run: "^(TestIndex_whatIsRefusedWritesNothing)$"},
	},
	{
		Name:   "what is covered until a time is not checked before",
		Breaks: "a put that was refused leaves its keys in some of the indexes",
		Changes: []Change{{"internal/model/index/write.go", `	if err == nil && !has.until.IsZero() {`,
			`	if err == nil && !has.until.IsZero() && covered == nil {`}},
		Killer: Check{Package: ".", Run: "^(TestIndex_whatIsRefusedWritesNothing)$"},
	},
	{
		Name:    "half a delete of a range may be committed",
		Breaks:  "who recovers from the panic of a function keeps a part of what was to be one",
		Changes: []Change{{"internal/model/index/write.go", `		if n > 0 && !whole {`, `		if n > 0 && !whole && w == nil {`}},
		Killer:  Check{Package: ".", Run: "^(TestIndex_halfADeleteIsNotCommitted)$"},
	},
	{
		Name:    "a loop over an index does not look what its body has written",
		Breaks:  "it shows rows that are gone, or takes them for damage",
		Changes: []Change{{"internal/model/index/read.go", `			if after != before {`, `			if after < before {`}},
		Killer:  Check{Package: ".", Run: "^(TestIndex_aLoopSeesWhatItsBodyWrites)$"},
	},
	{
		Name:    "a build leaves rows that turn into others by themselves",
		Breaks:  "their index keys are stale from then on",
		Changes: []Change{{"internal/model/index/build.go", `		if has.turns {`, `		if has.turns && len(key) == 0 {`}},
		Killer:  Check{Package: ".", Run: "^(TestIndex_buildSettlesWhatTurns)$"},
	},
	{
		Name:   "a build rests on what ends while it runs",
		Breaks: "a bucket in which a row ends each second never gets an index",
		Changes: []Change{{"index.go", `with(SnapshotIsolation), with(Serializable)`,
			`with(Serializable), with(Serializable)`}},
		Killer: Check{Package: ".", Run: "^(TestIndex_buildGoesOnWhileRowsEnd)$"},
	},
	{
		Name:    "CheckIndexes finds nothing",
		Breaks:  "an index that is wrong is taken for a right one",
		Changes: []Change{{"internal/model/index/check.go", `	if len(*c.faults) == MaxFaults {`, `	if len(*c.faults) < MaxFaults {`}},
		Killer:  Check{Package: ".", Run: "^(TestCheckIndexes_findsWhatIsWrong)$"},
	},
}
