package tree

// noteSwitches adds what a scan of v has spent because there are several runs. Switches to a memtable do not count:
// no compaction can remove them.
func (tr *Tree) noteSwitches(v *View, switches int) {
	if switches == 0 || len(v.runs) < 2 {
		return
	}
	tr.debt.Add(int64(switches))
	if tr.DebtIsDue(v) && tr.IsIdle(v) {
		tr.opts.Compact() // otherwise it is asked for after the burst
	}
}

// DebtIsDue reports whether the read debt covers the cost of a compaction of v.
func (tr *Tree) DebtIsDue(v *View) bool { return len(v.runs) > 1 && tr.debt.Load() >= v.limit }

// Debt is the number of switches that no compaction has paid for.
func (tr *Tree) Debt() int64 { return tr.debt.Load() }

// PayDebt subtracts the cost of a compaction of level 0 of v; the rest stays.
func (tr *Tree) PayDebt(v *View) { tr.debt.Add(-v.limit) }

// ForgiveDebt forgets the debt if it would cover a compaction of v: it is called when no compaction can make v
// cheaper to scan.
func (tr *Tree) ForgiveDebt(v *View, debt int64) {
	if debt >= v.limit {
		tr.debt.Store(0)
	}
}
