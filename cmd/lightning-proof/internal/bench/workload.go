package bench

import "strings"

// workload is one line of the table.
type workload struct {
	name    string
	noun    string // what is counted
	mix     string // what a worker does: one of these operations at random, again and again
	from    choice // of the rows that operations read, update or begin at
	workers int    // 0 means 1
	size    int    // entries of a commit or a scan, or accounts
	sync    bool   // commits survive a power cut when they return
	own     bool   // has a database of its own, which it fills itself
	fast    bool   // operations are so short that only the latencies of some of them are taken
	long    int    // times the time of a workload; 0 means 1
}

// The operations. Rows are those that the workload chooses from.
const (
	opRead     = 'r' // read a row
	opAbsent   = 'a' // look for a row that is not there
	opLatest   = 'l' // read a row, rather one that was inserted lately by the same worker
	opUpdate   = 'u' // overwrite a row
	opModify   = 'm' // read a row and overwrite it, in a transaction
	opInsert   = 'i' // insert rows in a commit
	opAscend   = 'n' // insert rows in a commit, in the order of their keys
	opDelete   = 'd' // delete rows in a commit, the first half of those that were loaded
	opScan     = 's' // read entries from a row on
	opBack     = 'z' // the same, backwards
	opShort    = 'e' // read 1 to 100 entries from a row on
	opAll      = 'S' // read everything
	opAllBack  = 'Z' // the same, backwards
	opTransfer = 't' // move money between two accounts, in a transaction
	opReopen   = 'o' // close, open and read a row
	opCompact  = 'c' // compact everything
	opAppend   = 'w' // append 4 KiB to a file and sync it
	opRewrite  = 'W' // overwrite 4 KiB of a file that were written, and sync it
)

// choice is how rows are chosen.
type choice byte

const (
	nothing choice = iota // no row is needed
	uniform
	zipfian // the n-th with a likelihood of 1/n
	hot     // one of a tenth
	absent  // one that is not there
)

// loadName and checkName are workloads that are run if any other needs rows.
const (
	loadName  = "load"
	checkName = "check"
)

// Mixes of YCSB, Cooper and others, 2010.
const (
	nineteenReads = "rrrrrrrrrrrrrrrrrrr"
	nineteenLate  = "lllllllllllllllllll"
	nineteenScans = "eeeeeeeeeeeeeeeeeee"
)

var workloads = []workload{
	{name: "disk-append", noun: "syncs", mix: "w"},
	{name: "disk-overwrite", noun: "syncs", mix: "W"},
	{name: "fill", noun: "entries", mix: "n", size: 100, own: true},
	{name: loadName, noun: "entries", mix: "i", size: 1000},
	{name: "open", noun: "opens", mix: "o", from: uniform},
	{name: "uniform-1", noun: "reads", mix: "r", from: uniform, fast: true},
	{name: "uniform-2", noun: "reads", mix: "r", from: uniform, workers: 2, fast: true},
	{name: "zipfian-1", noun: "reads", mix: "r", from: zipfian, fast: true},
	{name: "zipfian-2", noun: "reads", mix: "r", from: zipfian, workers: 2, fast: true},
	{name: "hot-1", noun: "reads", mix: "r", from: hot, fast: true},
	{name: "hot-2", noun: "reads", mix: "r", from: hot, workers: 2, fast: true},
	{name: "absent-1", noun: "reads", mix: "a", from: absent, fast: true},
	{name: "absent-2", noun: "reads", mix: "a", from: absent, workers: 2, fast: true},
	{name: "scan-10", noun: "scans", mix: "s", from: uniform, size: 10},
	{name: "scan-10-back", noun: "scans", mix: "z", from: uniform, size: 10},
	{name: "scan-100", noun: "scans", mix: "s", from: uniform, size: 100},
	{name: "scan-100-back", noun: "scans", mix: "z", from: uniform, size: 100},
	{name: "scan-all", noun: "entries", mix: "S"},
	{name: "scan-all-back", noun: "entries", mix: "Z"},
	{name: "durable-1", noun: "commits", mix: "i", size: 1, sync: true},
	{name: "durable-64", noun: "commits", mix: "i", size: 1, sync: true, workers: 64},
	{name: "durable-batch", noun: "entries", mix: "i", size: 1000, sync: true},
	{name: "process-1", noun: "commits", mix: "i", size: 1},
	{name: "process-2", noun: "commits", mix: "i", size: 1, workers: 2},
	{name: "ycsb-a", noun: "operations", mix: "ru", from: zipfian, workers: 2, fast: true},
	{name: "ycsb-b", noun: "operations", mix: nineteenReads + "u", from: zipfian, workers: 2, fast: true},
	{name: "ycsb-c", noun: "operations", mix: "r", from: zipfian, workers: 2, fast: true},
	{name: "ycsb-d", noun: "operations", mix: nineteenLate + "i", from: zipfian, size: 1, workers: 2, fast: true},
	{name: "ycsb-e", noun: "operations", mix: nineteenScans + "i", from: zipfian, size: 1, workers: 2},
	{name: "ycsb-f", noun: "operations", mix: "rm", from: zipfian, workers: 2, fast: true},
	{name: "sustained", noun: "commits", mix: "u", from: uniform, workers: 2, long: 5},
	{name: "remove", noun: "entries", mix: "d", size: 1000},
	{name: "compact", noun: "entries", mix: "c"},
	{name: "bank", noun: "transfers", mix: "t", size: 100, workers: 8, own: true},
	{name: "bank-durable", noun: "transfers", mix: "t", size: 100, sync: true, workers: 8, own: true},
	{name: checkName, noun: "entries", mix: "S"},
}

// Names are those of the workloads, in the order in which they run.
func Names() (names []string) {
	for i := range workloads {
		names = append(names, workloads[i].name)
	}
	return names
}

// named reports whether word is the name of the workload, or the first words of it: "ycsb" and "scan-10" name
// several. An empty word names all.
func (w *workload) named(word string) bool {
	return word == "" || w.name == word || strings.HasPrefix(w.name, word+"-")
}

// needsRows reports whether the workload works on the rows that the load has put.
func (w *workload) needsRows() bool {
	return !w.own && w.mix != string(opAppend) && w.mix != string(opRewrite)
}
