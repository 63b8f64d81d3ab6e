package mutants

// viewMutants break what keeps the transactions of Views apart, which use one body after the other.
var viewMutants = []Mutant{
	{
		Name:   "a View allocates its body",
		Breaks: "many short Views wait for the garbage collector",
		Changes: []Change{{"tx.go", `		b.views.Put(b)
`, `		_ = b.views
`}},
		Killer: Check{Package: ".", Run: "^(TestView_allocatesNoMoreThanAHandle)$"},
	},
	{
		Name:   "a read does not ask afterwards whether its View has ended",
		Breaks: "who reads while a View ends is shown what another one sees",
		Changes: []Change{{"internal/transaction/reading.go", `	if u.Ended() { // then it may have been another's`,
			`	if u.Ended() && err != nil {`}},
		Killer: Check{Package: ".", Run: "^(TestView_endDuringAReadIsNoticed)$"},
	},
	{
		Name:   "who is let in does not ask whether the View has ended",
		Breaks: "a transaction that a program kept walks through the state of a later View, and makes it fail",
		Changes: []Change{{"internal/transaction/reading.go", `	if u.Ended() { // in this order`,
			`	if u.Ended() && r == nil { // in this order`}},
		Killer: Check{Package: ".", Run: "^(TestView_keptTransactionStaysEnded)$"},
	},
	{
		Name:    "a View that ends does not look at who was let in",
		Breaks:  "a cursor that was left open, or is being opened, is a later View's",
		Changes: []Change{{"internal/transaction/reading.go", `r.entered.Load() == 0`, `r.entered.Load() >= 0`}},
		Killer:  Check{Package: ".", Run: "^(TestView_usesItsBodyAgainOnceNobodyKnowsIt)$"},
	},
	{
		Name:    "a cursor that is closed counts as open",
		Breaks:  "Views with loops and cursors allocate their bodies",
		Changes: []Change{{"cursor.go", `	defer c.from.closed()`, `	defer forgets{}.closed()`}},
		Killer:  Check{Package: ".", Run: "^(TestView_usesItsBodyAgainOnceNobodyKnowsIt)$"},
	},
	{
		Name:   "a body is used again though the end of its context is under way",
		Breaks: "the context of an earlier View ends the loops of a later one",
		Changes: []Change{{"internal/transaction/watch.go", `	if w.stop != nil && !w.stop() {
		return false
	}
`, `	if w.stop != nil {
		w.stop()
	}
`}},
		Killer: Check{Package: ".", Run: "^(TestView_usesItsBodyAgainOnceNobodyKnowsIt)$"},
	},
	{
		Name:   "a body remembers what the loops of an earlier View have met",
		Breaks: "a View fails with the error of another one",
		Changes: []Change{{"internal/transaction/reading.go", `		r.walks.Renew()
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestView_forgetsTheErrorsOfTheOneBefore)$"},
	},
	{
		Name:   "a snapshot that is used again counts as closed",
		Breaks: "no loop runs in a View",
		Changes: []Change{{"internal/tree/readers/readers.go", `		reg.closed.Store(false)
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestView_usesItsBodyAgainOnceNobodyKnowsIt)$"},
	},
	{
		Name:   "who ends a read-only transaction for the second time gives back its body, too",
		Breaks: "two transactions have one body, and each ends the other",
		Changes: []Change{{"internal/transaction/reading.go", `return u.state.Or(useEnded)&useEnded == 0 }`,
			`return u.state.Or(useEnded)&useEnded <= useEnded }`}},
		Killer: Check{Package: ".", Run: "^(TestBegin_readOnlyGivesItsBodyBackOnce)$"},
	},
	{
		Name:   "a closed database keeps the bodies of its Views",
		Breaks: "what a closed database had in memory stays until the garbage collector has run twice",
		Changes: []Change{{"db.go", `	defer db.views.Forget()
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestClose_forgetsTheBodiesOfViews)$"},
	},
}
