package mutants

// spanMutants break the bounds of key ranges, and sets of them.
var spanMutants = []Mutant{
	{
		Name:    "a bound that is longer than every key is cut",
		Breaks:  "a delete of a range takes the last key before it as well",
		Changes: []Change{{"internal/format/span/span.go", `if s.Lo = Prefix(s.Lo[:n]).Hi; s.Lo`, `if s.Lo = s.Lo[:n]; s.Lo`}},
		Killer:  Check{Package: ".", Run: "^TestDeleteRange_takesBoundsOfAnyLength$"},
		Quick:   true,
	},
	{
		Name:    "no key is before a bound that is longer than every key",
		Breaks:  "a delete of a range leaves its last key, or removes nothing",
		Changes: []Change{{"internal/format/span/span.go", `s.Hi = Prefix(s.Hi[:n]).Hi`, `s.Hi = s.Hi[:n]`}},
		Killer:  Check{Package: ".", Run: "^TestDeleteRange_takesBoundsOfAnyLength$"},
		Quick:   true,
	},
	{
		Name:    "an empty end of a span is open",
		Breaks:  "a scan backward from the first key blocks, or is in conflict with, every write",
		Changes: []Change{{"internal/format/span/span.go", `return s.Hi != nil && bytes`, `return len(s.Hi) > 0 && bytes`}},
		Killer:  test("format/span", "TestSpan_.*"),
		Quick:   true,
	},
	{
		Name:   "an open end of a span is before every key",
		Breaks: "a scan to the end is forgotten once there is another one",
		Changes: []Change{{"internal/format/span/span.go", `	if s.Hi == nil {
		return 1`, `	if s.Hi == nil {
		return -1`}},
		Killer: test("format/span", "TestSet_.*"),
		Quick:  true,
	},
	{
		Name:    "a span does not hold one that ends where it does",
		Breaks:  "a transaction that deletes the same prefix again and again is refused",
		Changes: []Change{{"internal/format/span/span.go", `CompareEnds(s.Hi, o.Hi) >= 0`, `CompareEnds(s.Hi, o.Hi) > 0`}},
		Killer:  test("format/span", "TestSpan_Holds_everyKeyOfAnother"),
		Quick:   true,
	},
	{
		Name:   "a span holds the key that it ends before",
		Breaks: "writes wait for a lock, or are in conflict with a scan, that is not theirs",
		Changes: []Change{{"internal/format/span/span.go", `bytes.Compare(s.Hi, key) <= 0 }`,
			`bytes.Compare(s.Hi, key) < 0 }`}},
		Killer: test("format/span", "TestSpan_.*"),
		Quick:  true,
	},
	{
		Name:   "a closed span leaves out its last key",
		Breaks: "a transaction misses the update of the entry that its scan stopped at",
		Changes: []Change{{"internal/format/span/span.go", `append(append(hi, last...), 0)`,
			`append(hi, last...)`}},
		Killer: test("format/span", "TestClosed_.*"),
		Quick:  true,
	},
	{
		Name:   "spans overlap only if the second begins before the first",
		Breaks: "a key is put into a gap that stays one, and no scan shows it",
		Changes: []Change{{"internal/format/span/span.go", `	if bytes.Compare(o.Lo, lo) > 0 {
		lo = o.Lo
	}
	return !s.Below(lo) && !o.Below(lo)`, `	return !o.Below(lo) && bytes.Compare(o.Lo, lo) <= 0`}},
		Killer: test("format/span", "TestSpan_.*"),
		Quick:  true,
	},
	{
		Name:   "a span inside of another ends it",
		Breaks: "a small scan after a large one makes the large one forgotten",
		Changes: []Change{{"internal/format/span/span.go", `	if a.Hi != nil && b.compareHi(a.Hi) > 0 {`,
			`	if a.Hi != nil {`}},
		Killer: test("format/span", "TestSet_.*"),
		Quick:  true,
	},
	{
		Name:    "spans that become one begin where the second of them does",
		Breaks:  "what a priority transaction protected first is written by others",
		Changes: []Change{{"internal/format/span/span.go", `		a.Lo = b.Lo`, `		b.Lo = a.Lo`}},
		Killer:  test("format/span", "TestSet_.*"),
		Quick:   true,
	},
	{
		Name:   "an empty span is put into a set",
		Breaks: "keys that nobody asked for are locked",
		Changes: []Change{{"internal/format/span/set.go", `	if added.Empty() {`,
			`	if added.Empty() && len(*s) == 0 {`}},
		Killer: test("format/span", "TestSet_.*"),
		Quick:  true,
	},
	{
		Name:   "an empty span is united with others",
		Breaks: "keys that nobody has read make commits fail",
		Changes: []Change{{"internal/format/span/set.go", `		case s.Empty():
`, ``}},
		Killer: test("format/span", "TestSet_.*"),
		Quick:  true,
	},
	{
		Name:   "spans that touch stay apart",
		Breaks: "a scan in small steps takes memory for each step",
		Changes: []Change{{"internal/format/span/set.go", `added.compareHi((*s)[to].Lo) >= 0 {`,
			`added.compareHi((*s)[to].Lo) > 0 {`}},
		Killer: test("format/span", "TestSet_.*"),
		Quick:  true,
	},
	{
		Name:    "a span that bridges several takes the first of them in",
		Breaks:  "a set is out of order, and what is in it is not found",
		Changes: []Change{{"internal/format/span/set.go", `	for to < len(*s) &&`, `	for to < min(len(*s), from+1) &&`}},
		Killer:  test("format/span", "TestSet_.*"),
		Quick:   true,
	},
	{
		Name:    "a set keeps the bounds of its caller",
		Breaks:  "a protected range moves with the buffer of whoever asked for it",
		Changes: []Change{{"internal/format/span/set.go", `	joined := added.Clone()`, `	joined := added`}},
		Killer:  test("format/span", "TestSet_.*"),
		Quick:   true,
	},
	{
		Name:   "spans are united in the order in which they came",
		Breaks: "a scan that is in the read set is not found there",
		Changes: []Change{{"internal/format/span/set.go", `return bytes.Compare(a.Lo, b.Lo) })
	joined`, `return bytes.Compare(a.Hi, a.Hi) })
	joined`}},
		Killer: test("format/span", "TestSet_.*"),
		Quick:  true,
	},
	{
		Name:   "spans joined end with the first of them",
		Breaks: "a transaction that scans very often misses changes",
		Changes: []Change{{"internal/format/span/set.go", `join(part[0], part[len(part)-1])`,
			`join(part[0], part[0])`}},
		Killer: test("format/span", "TestSet_.*"),
		Quick:  true,
	},
}
