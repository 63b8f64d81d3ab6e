package mutants

// typedMutants break tables of rows: what is taken for a row or a page token, versions, pages, and migrations.
var typedMutants = []Mutant{
	{
		Name:    "a row has any first byte",
		Breaks:  "what other code has put there is taken for a row",
		Changes: []Change{{"typed/row.go", `len(row) < 2 || row[0] != rowMark`, `len(row) < 2`}},
		Killer:  typedTest("TestRow_damagedOrForeignNamesTableAndKey"),
		Quick:   true,
	},
	{
		Name:    "a version has several forms",
		Breaks:  "bytes that no program of this package writes are a row",
		Changes: []Change{{"typed/row.go", ` || row[n] == 0 {`, ` {`}},
		Killer:  typedTest("TestRow_damagedOrForeignNamesTableAndKey"),
		Quick:   true,
	},
	{
		Name:    "newer rows are migrated",
		Breaks:  "a program of before reads what it does not know, and drops it",
		Changes: []Change{{"typed/row.go", `case version > t.version:`, `case version > t.version && t.migrate == nil:`}},
		Killer:  typedTest("TestVersion_newerRowsAreLeftAlone"),
		Quick:   true,
	},
	{
		Name:   "what Migrate returns with an error is a row",
		Breaks: "half a row is read",
		Changes: []Change{{"typed/row.go", `		return none, t.rowError(key, version, fmt.Errorf("migrate: %w", err))`,
			`		return v, t.rowError(key, version, fmt.Errorf("migrate: %w", err))`}},
		Killer: typedTest("TestVersion_whatCannotBeMigratedIsAnError"),
		Quick:  true,
	},
	{
		Name:    "the error of a row keeps the key that was read",
		Breaks:  "it names another row after the next step of the loop",
		Changes: []Change{{"typed/row.go", `append([]byte(nil), key...)`, `key`}},
		Killer:  typedTest("TestRowError_ownsItsKey"),
		Quick:   true,
	},
	{
		Name:    "a codec of keys may write elsewhere",
		Breaks:  "a codec that does not append writes over rows of other tables",
		Changes: []Change{{"typed/table.go", `case !bytes.HasPrefix(dst, t.prefix):`, `case dst == nil:`}},
		Killer:  typedTest("TestTable_refusesWhatItsCodecsCannotWrite"),
		Quick:   true,
	},
	{
		Name:    "a codec of values may leave the header out",
		Breaks:  "a codec that does not append writes what cannot be read again",
		Changes: []Change{{"typed/table.go", `case !bytes.HasPrefix(dst, t.header):`, `case dst == nil:`}},
		Killer:  typedTest("TestTable_refusesWhatItsCodecsCannotWrite"),
		Quick:   true,
	},
	{
		Name:    "Insert does not mind what is there",
		Breaks:  "two users get one name",
		Changes: []Change{{"typed/table.go", `	case found:`, `	case found && false:`}},
		Killer:  typedTest("TestVersion_newerRowsAreLeftAlone"),
		Quick:   true,
	},
	{
		Name:   "Update writes although its function failed",
		Breaks: "what was refused is stored",
		Changes: []Change{{"typed/table.go", `	if err := fn(&v); err != nil {
		return err
	}
	return t.put(tx, s.key, v, s)`, `	err = fn(&v)
	if failed := t.put(tx, s.key, v, s); failed != nil {
		return failed
	}
	return err`}},
		Killer: typedTest("TestTable_agreesWithAMap"),
		Quick:  true,
	},
	{
		Name:   "Get allocates its memory",
		Breaks: "each row that is read costs three allocations more",
		Changes: []Change{{"typed/table.go", `	s := scratches.Get().(*scratch)
	stored`, `	s := new(scratch)
	stored`}},
		Killer: typedTest("TestTable_allocatesWhatItReturns"),
		Quick:  true,
	},
	{
		Name:    "memory of large rows is kept",
		Breaks:  "each goroutine that has read a large row holds one",
		Changes: []Change{{"typed/table.go", `if cap(s.key)+cap(s.row) <= maxScratch {`, `if cap(s.key) <= maxScratch {`}},
		Killer:  typedTest("TestScratch_ofALargeRowIsNotKept"),
		Quick:   true,
	},
	{
		Name:   "a table keeps the secret that it is given",
		Breaks: "the program clears its buffer, and every token is another",
		Changes: []Change{{"typed/table.go", `slices.Clone(o.Secret)`, `o.Secret`}, {"typed/table.go", `	"slices"
`, ``}},
		Killer: typedTest("TestNew_keepsACopyOfTheSecret"),
		Quick:  true,
	},
	{
		Name:    "a prefix may end within an element",
		Breaks:  "rows of other users are in the prefix of one",
		Changes: []Change{{"typed/rows.go", `if err := elements.Err(); err != nil {`, `if err := elements.Err(); err != nil && false {`}},
		Killer:  typedTest("TestPrefix_isATuple"),
		Quick:   true,
	},
	{
		Name:    "a page in reverse leaves out where it begins",
		Breaks:  "the first row of From is in no page",
		Changes: []Change{{"typed/rows.go", `if end := successor(r.start); `, `if end := r.start; `}},
		Killer:  typedTest("TestPage_neitherRepeatsNorSkips"),
		Quick:   true,
	},
	{
		Name:    "a page begins with the last row of the one before",
		Breaks:  "a row is shown twice",
		Changes: []Change{{"typed/page.go", `	return successor(last), p.hi`, `	return bytes.Clone(last), p.hi`}},
		Killer:  typedTest("TestPage_neitherRepeatsNorSkips"),
		Quick:   true,
	},
	{
		Name:    "a page in reverse begins with the last row of the one before",
		Breaks:  "a row is shown twice",
		Changes: []Change{{"typed/page.go", `		return p.lo, bytes.Clone(last)`, `		return p.lo, successor(last)`}},
		Killer:  typedTest("TestPage_neitherRepeatsNorSkips"),
		Quick:   true,
	},
	{
		Name:   "the last page has a next one",
		Breaks: "readers turn to a page without a row",
		Changes: []Change{{"typed/page.go", `	return rows, "", nil`, `	if len(rows) == n {
		return rows, r.table.token(last, place), nil
	}
	return rows, "", nil`}},
		Killer: typedTest("TestPage_neitherRepeatsNorSkips"),
		Quick:  true,
	},
	{
		Name:   "a token has several texts",
		Breaks: "a token that was altered is taken",
		Changes: []Change{{"typed/page.go", ` ||
		base64.RawURLEncoding.EncodeToString(raw) != token {`, ` {`}},
		Killer: typedTest("TestToken_alteredIsRefused"),
		Quick:  true,
	},
	{
		Name:    "a token forgets the end of its range",
		Breaks:  "a token of other rows is taken",
		Changes: []Change{{"typed/page.go", `{t.prefix, p.lo, p.hi}`, `{t.prefix, p.lo}`}},
		Killer:  typedTest("TestToken_isOfItsRowsAlone"),
		Quick:   true,
	},
	{
		Name:    "a token forgets its direction",
		Breaks:  "a token of rows in reverse is taken for one of rows in order",
		Changes: []Change{{"typed/page.go", `		direction = 1`, `		direction = 0`}},
		Killer:  typedTest("TestToken_isOfItsRowsAlone"),
		Quick:   true,
	},
	{
		Name:    "tokens are not signed",
		Breaks:  "anybody makes a token of a table with a secret",
		Changes: []Change{{"typed/page.go", `hmac.New(sha256.New, t.secret)`, `hmac.New(sha256.New, nil)`}},
		Killer:  typedTest("TestToken_isOfItsRowsAlone"),
		Quick:   true,
	},
	{
		Name:    "a token may lead out of its range",
		Breaks:  "who makes a token sees rows that were not for him",
		Changes: []Change{{"typed/page.go", ` || !p.has(last) {`, ` {`}},
		Killer:  typedTest("TestToken_madeByOthersStaysWithinItsRows"),
		Quick:   true,
	},
	{
		Name:    "a migration does not look again",
		Breaks:  "what was put meanwhile is taken for what was there before",
		Changes: []Change{{"typed/migrate.go", `	if ok && version == t.version {`, `	if ok && version == t.version && false {`}},
		Killer:  typedTest("TestMigrateAll_keepsWhatOthersWriteMeanwhile"),
		Quick:   true,
	},
	{
		Name:   "a row that goes ends its migration",
		Breaks: "a table in which rows are deleted is never migrated",
		Changes: []Change{{"typed/migrate.go", `	if errors.Is(err, lightningdb.ErrNotFound) {`,
			`	if errors.Is(err, lightningdb.ErrNotFound) && len(row) > 0 {`}},
		Killer: typedTest("TestMigrateAll_keepsWhatOthersWriteMeanwhile"),
		Quick:  true,
	},
	{
		Name:   "rows of attempts that lost are counted",
		Breaks: "the progress of a migration is more than the whole",
		Changes: []Change{{"typed/migrate.go", `		n = 0 // or the rows of an attempt that lost would count
`, ``}},
		Killer: typedTest("TestMigrateAll_keepsWhatOthersWriteMeanwhile"),
		Quick:  true,
	},
	{
		Name:    "a batch of a migration has no bound in bytes",
		Breaks:  "it takes as much memory as a hundred of the largest rows",
		Changes: []Change{{"typed/migrate.go", ` || size >= maxBatchBytes`, ``}},
		Killer:  typedTest("TestMigrateAll_boundsABatchByBytes"),
		Quick:   true,
	},
	{
		Name:    "a migration begins anew",
		Breaks:  "after each end it looks at all that is done",
		Changes: []Change{{"typed/migrate.go", `		b, err = t.findOlder(tx, all, last)`, `		b, err = t.findOlder(tx, all, nil)`}},
		Killer:  typedTest("TestMigrateAll_goesOnWhereItWas"),
		Quick:   true,
	},
	{
		Name:    "gob reads what is behind a value",
		Breaks:  "a damaged row is read as some value",
		Changes: []Change{{"typed/codec.go", `err == nil && r.Len() > 0 {`, `err == nil && r.Len() > len(raw) {`}},
		Killer:  typedTest("TestCodec_refusesWhatItDidNotWrite"),
		Quick:   true,
	},
	{
		Name:    "the codec of bytes keeps what it reads from",
		Breaks:  "a row changes when the next one is read",
		Changes: []Change{{"typed/codec.go", `append([]byte{}, raw...)`, `raw`}},
		Killer:  typedTest("TestCodec_valuesComeBack"),
		Quick:   true,
	},
}

func typedTest(run string) Check { return Check{Package: "./typed", Run: "^(" + run + ")$"} }
