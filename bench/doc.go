// Bench measures Lightning DB beside databases that a Go program would use instead: bbolt and Pebble, for transactions
// bbolt, Badger and SQLite, and beside the limit that memory sets, a Go map.
//
//	go run . -quick     a few minutes, fewer rows, one repetition: to look for a change of a factor
//	go run . -bank      transactions only
//	go run .            a million rows, three repetitions; writes docs/benchmarks.md
//
// # How it is made fair
//
// Each engine runs in a process of its own (this program starts itself), never two at once; repetitions are
// interleaved, and the median of them is reported with the spread. All engines get the same keys, values and order of
// operations, the same durability, and no compression. What a timed read returned is summed as it is read, in words of
// eight bytes, by the same code for all; afterwards the sum is compared with that of the rows that should have been
// read. At the end each row is read back once more and compared, the written ones included.
//
// Transactions move money: each reads two random accounts, takes no more than there is, and writes both. Eight goroutines
// do that for the time of a row. At the end one transaction reads every account, and each must have exactly what the
// committed transfers leave in it; none is given up.
//
// # Adding an engine
//
// One file for each: a kind, with open for reads and writes (Engine), bank for transactions (Bank), or both. A kind that
// needs cgo or a library goes into a file with a build tag, which adds it to cgoKinds.
//
// It is a module of its own so that the database does not depend on its rivals.
package main
