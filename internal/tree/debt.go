package tree

// A scan pays for each sorted run: a seek in each, and switches from one to the other. A database that is written to pays
// less by having several; one that is scanned by having one. So scans count their switches as read debt, and when that has
// come to one for each entry, about what it costs to merge them, they are merged, if there is nothing more urgent and no
// burst of writes: level 0 into one run, and after that all into one. RocksDB and Pebble call it read-triggered compaction.

// noteSwitches adds what a scan of v has spent because there are several runs. Switches to a memtable do not count: no
// compaction can remove them.
func (tr *Tree) noteSwitches(v *View, switches int) {
	if switches == 0 || len(v.runs) < 2 {
		return
	}
	tr.debt.Add(int64(switches))
	if tr.DebtIsDue(v) && tr.IsIdle(v) {
		tr.opts.Compact() // else it is called for after the burst
	}
}

// DebtIsDue reports whether scans have spent enough on the runs of v to pay for a compaction.
func (tr *Tree) DebtIsDue(v *View) bool { return len(v.runs) > 1 && tr.debt.Load() >= v.limit }

// Debt is how many switches scans have made that no compaction was run for.
func (tr *Tree) Debt() int64 { return tr.debt.Load() }

// PayDebt takes off what a compaction of level 0 of v costs; the rest stays to be paid.
func (tr *Tree) PayDebt(v *View) { tr.debt.Add(-v.limit) }

// ForgiveDebt forgets the debt if it is as large as v, which no compaction can make cheaper to scan.
func (tr *Tree) ForgiveDebt(v *View, debt int64) {
	if debt >= v.limit {
		tr.debt.Store(0)
	}
}
