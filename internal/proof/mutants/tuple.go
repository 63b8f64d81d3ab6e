package mutants

// tupleMutants break keys that are made of values: their order, what is read of them, and what is refused.
var tupleMutants = []Mutant{
	{
		Name:    "negative integers are not inverted",
		Breaks:  "-2 comes behind -1",
		Changes: []Change{{"tuple/integer.go", `zeroCode-byte(n)), ^magnitude, n)`, `zeroCode-byte(n)), magnitude, n)`}},
		Killer:  tupleTest("TestPack_ordersKeysAsValues"),
		Quick:   true,
	},
	{
		Name:   "an integer has a byte more than it needs",
		Breaks: "256 comes before 255, or has another key than the same number of another type",
		Changes: []Change{{"tuple/integer.go", `int { return (bits.Len64(v) + 7) / 8 }`,
			`int { return (bits.Len64(v) + 8) / 8 }`}},
		Killer: tupleTest("TestPack_agreesWithFoundationDB"),
		Quick:  true,
	},
	{
		Name:    "the length of a large negative integer is not inverted",
		Breaks:  "of two large negative numbers the smaller one comes behind",
		Changes: []Change{{"tuple/integer.go", `negativeBigCode, ^n)`, `negativeBigCode, n)`}},
		Killer:  tupleTest("TestInteger_everySize"),
		Quick:   true,
	},
	{
		Name:   "an integer may begin with zero bytes",
		Breaks: "one tuple has many keys",
		Changes: []Change{{"tuple/integer.go", `if head == 2 && n <= 8 || n > 0 && (digits[0] == 0 && !negative || ` +
			`digits[0] == 0xff && negative) {`, `if n > maxBigBytes {`}},
		Killer: tupleTest("TestUnpack_refusesWhatIsMalformed"),
		Quick:  true,
	},
	{
		Name:   "an integer that is too large is cut",
		Breaks: "a number is read as another one",
		Changes: []Change{{"tuple/integer.go", `	case fits && !negative && magnitude <= math.MaxInt64:
		return int64(magnitude)
	case fits && negative && magnitude <= -math.MinInt64:
		return -int64(magnitude)
	}
	r.fail(ErrRange)`, `	case fits && !negative:
		return int64(magnitude)
	case fits && negative && magnitude <= -math.MinInt64:
		return -int64(magnitude)
	}
	r.fail(ErrRange)`}},
		Killer: tupleTest("TestInteger_everySize"),
		Quick:  true,
	},
	{
		Name:    "zero bytes of strings are not escaped",
		Breaks:  "a string ends at its first zero byte, and the rest is taken for other elements",
		Changes: []Change{{"tuple/append.go", `		dst = append(append(dst, s[:i+1]...), escape)`, `		dst = append(dst, s[:i+1]...)`}},
		Killer:  tupleTest("TestUnpack_returnsWhatWasPacked"),
		Quick:   true,
	},
	{
		Name:   "a null within a tuple is written as one outside",
		Breaks: "a tuple ends at its first null",
		Changes: []Change{{"tuple/tuple.go", `			dst = append(dst, nullCode, escape)`,
			`			dst = append(dst, nullCode)`}},
		Killer: tupleTest("TestPack_agreesWithFoundationDB"),
		Quick:  true,
	},
	{
		Name:   "negative floats keep their order",
		Breaks: "-1 comes before -2",
		Changes: []Change{{"tuple/append.go", `b^(uint64(int64(b)>>63)|1<<63)`,
			`b^1<<63`}},
		Killer: tupleTest("TestPack_ordersKeysAsValues"),
		Quick:  true,
	},
	{
		Name:   "a prefix is the bytes of a tuple",
		Breaks: "a walk over the keys of one name meets those of another one",
		Changes: []Change{{"tuple/tuple.go", `	return slices.Concat(packed, nil), slices.Concat(packed, []byte{escape})`,
			`	return slices.Concat(packed, nil), slices.Concat(packed, []byte{escape, escape})`}},
		Killer: tupleTest("TestPack_ordersKeysAsValues"),
		Quick:  true,
	},
	{
		Name:    "a subspace is the bytes of its prefix",
		Breaks:  "a key of another part of the database is taken for one of this",
		Changes: []Change{{"tuple/subspace.go", ` && (len(rest) == 0 || rest[0] != escape)`, ` && len(rest) >= 0`}},
		Killer:  tupleTest("TestSubspace_knowsItsKeys"),
		Quick:   true,
	},
	{
		Name:   "strings of any bytes are read",
		Breaks: "what other programs cannot read is taken for text",
		Changes: []Change{{"tuple/reader.go", `	if !utf8.Valid(raw) {`,
			`	if !utf8.Valid(raw) && raw == nil {`}},
		Killer: tupleTest("TestUnpack_refusesWhatIsMalformed"),
		Quick:  true,
	},
	{
		Name:   "strings of any bytes are written by a codec",
		Breaks: "a row is stored that no scan can read",
		Changes: []Change{{"tuple/codec.go", `	if !utf8.ValidString(s) {`,
			`	if !utf8.ValidString(s) && s == "" {`}},
		Killer: tupleTest("TestCodec_refusesWhatItCannotWrite"),
		Quick:  true,
	},
	{
		Name:    "elements behind the last one are not noticed",
		Breaks:  "a key with more parts is taken for one with fewer",
		Changes: []Change{{"tuple/reader.go", `		r.fail(ErrTrailing)`, `		r.off = len(r.key)`}},
		Killer:  tupleTest("TestReader_endIsTheEndOfTheKey"),
		Quick:   true,
	},
	{
		Name:   "the latest error is told",
		Breaks: "an error of reading hides the one that it came from",
		Changes: []Change{{"tuple/reader.go", `	if r.err != nil || err == nil {
		return
	}
	e := `, `	if err == nil {
		return
	}
	e := `}},
		Killer: tupleTest("TestReader_firstErrorStays"),
		Quick:  true,
	},
	{
		Name:   "tuples are read at any depth",
		Breaks: "a value of some megabytes makes a stack of gigabytes",
		Changes: []Change{{"tuple/reader.go", `	if depth == MaxDepth {
		r.fail(ErrDepth)`, `	if depth < 0 {
		r.fail(ErrDepth)`}},
		Killer: tupleTest("TestUnpack_refusesWhatIsMalformed"),
		Quick:  true,
	},
	{
		Name:    "times before 1970 are taken for their distance",
		Breaks:  "1969 is read as 1970, and is behind it",
		Changes: []Change{{"tuple/time.go", `	return appendMagnitude(dst, sec < 0, `, `	return appendMagnitude(dst, sec < math.MinInt64, `}},
		Killer:  tupleTest("TestTime_comesBack"),
		Quick:   true,
	},
	{
		Name:   "a time is an int64 of nanoseconds",
		Breaks: "the zero time becomes one of the year 1754",
		Changes: []Change{{"tuple/time.go", `	if math.MinInt64/perSecond < sec && sec < math.MaxInt64/perSecond {`,
			`	if math.MinInt64/perSecond < sec || sec <= math.MaxInt64/perSecond {`}},
		Killer: tupleTest("TestTime_ofEveryYear"),
		Quick:  true,
	},
	{
		Name:   "a number that is no time becomes one",
		Breaks: "a key of another program is read as some instant",
		Changes: []Change{{"tuple/time.go", `	if len(digits) > 16 || hi >= perSecond {`,
			`	if hi >= perSecond {`}},
		Killer: tupleTest("TestTime_refusesWhatIsNone"),
		Quick:  true,
	},
	{
		Name:   "descending order without the zero byte",
		Breaks: "a string comes before a longer one that begins with it and a zero byte",
		Changes: []Change{{"tuple/desc.go", `	dst = append(dst, terminator)
	plain`, `	dst = append(dst, escape)
	plain`}, {"tuple/desc.go", `plain[last] == terminator`, `plain[last] == escape`}},
		Killer: tupleTest("TestDesc_turnsTheOrderOfAnyCodec"),
		Quick:  true,
	},
	{
		Name:   "a subspace keeps the prefix that it is given",
		Breaks: "the program changes its buffer, and all keys of a table with it",
		Changes: []Change{{"tuple/subspace.go", `return Subspace{slices.Concat(prefix, nil)}`,
			`return Subspace{prefix[:len(prefix):len(prefix)]}`}, {"tuple/subspace.go", `	"slices"
`, ``}},
		Killer: tupleTest("TestSubspace_doesNotChange"),
		Quick:  true,
	},
	{
		Name:   "a Decode allocates a reader",
		Breaks: "each row of a scan costs an allocation",
		Changes: []Change{{"tuple/codec.go", `	r := readers.Get().(*Reader)
`, `	r := new(Reader)
`}},
		Killer: tupleTest("TestKeys_allocateNothing"),
		Quick:  true,
	},
}

func tupleTest(run string) Check { return Check{Package: "./tuple", Run: "^(" + run + ")$"} }
