package mutants

// visibleMutants break what a reader makes of an entry.
var visibleMutants = []Mutant{
	{
		Name:    "a reader sees one commit more",
		Breaks:  "a snapshot shows what was committed after it",
		Changes: []Change{{"internal/tree/visible/visible.go", `	case seq > r.Seq:`, `	case seq > r.Seq+1:`}},
		Killer:  test("tree/visible", "TestOf_everyKindAtEveryPosition"),
		Quick:   true,
	},
	{
		Name:    "a reader does not see the commit that it stands at",
		Breaks:  "a read misses what was committed before it began",
		Changes: []Change{{"internal/tree/visible/visible.go", `	case seq > r.Seq:`, `	case seq >= r.Seq:`}},
		Killer:  test("tree/visible", "TestOf_everyKindAtEveryPosition"),
		Quick:   true,
	},
	{
		Name:    "a tombstone hides nothing",
		Breaks:  "what was deleted is back, as soon as it lies below its tombstone",
		Changes: []Change{{"internal/tree/visible/visible.go", `	key.KindDelete: Hide,`, `	key.KindDelete: Skip,`}},
		Killer:  test("tree/visible", "TestOf_.*|TestOfKind_.*"),
		Quick:   true,
	},
	{
		Name:    "an operand is a value",
		Breaks:  "a counter shows what was added to it last",
		Changes: []Change{{"internal/tree/visible/visible.go", `	key.KindMerge:  Fold,`, `	key.KindMerge:  Show,`}},
		Killer:  test("tree/visible", "TestOf_everyKindAtEveryPosition"),
		Quick:   true,
	},
	{
		Name:   "an entry of an unknown kind is passed over",
		Breaks: "an older program shows what a newer one has replaced, and does not say that it cannot know",
		Changes: []Change{{"internal/tree/visible/visible.go", `func OfKind(k key.Kind) Effect { return effects[k] }`,
			`func OfKind(k key.Kind) Effect { return max(effects[k], Skip) }`}},
		Killer: test("tree/visible", "TestOf_.*|TestOfKind_.*"),
		Quick:  true,
	},
}
