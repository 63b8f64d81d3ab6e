package resources

import "time"

// transactionBound is shown by tests of the public API, which this package does not repeat.
var transactionBound = Bound{
	Name:    "transaction",
	Says:    "the size of a transaction, with the memory limit kept",
	Option:  "MemoryLimit",
	Metric:  "Transactions.Large",
	Takes:   time.Millisecond,
	measure: nameTransactionTest,
}

// nameTransactionTest says where the bound is measured.
func nameTransactionTest(r *run) error {
	r.show("size of one transaction under a memory limit",
		"go test . -run TestUpdate_ofAnySizeUnderASmallMemoryLimit -huge 5368709120")
	return nil
}
