// Bench measures Lightning DB and the databases that a Go program would use instead: bbolt, Pebble, Badger, goleveldb,
// SQLite, LMDB and RocksDB, and the limit that memory sets, a Go map.
//
//	make bench          an hour at most: a million rows, three repetitions; writes docs/benchmarks.md with its charts
//	make bench-quick    under five minutes: fewer rows, one repetition, to look for a change of a factor
//	go run . -brief     less than a minute: a few rows of a few engines
//	go run . -h         everything else: single engines and sets of workloads, profiles, other sizes
//
// SQLite needs cgo; LMDB and RocksDB need cgo, the build tags lmdb and rocksdb, and Debian's liblmdb-dev and
// librocksdb-dev, which make bench installs. The report says which engines it is without.
//
// # How it is made fair
//
// Each set of workloads of each engine runs in a process of its own (this program starts itself), never two at once.
// Repetitions are interleaved, so that a disturbance meets all engines; the median is reported, and the spread. All
// engines get the same keys, values and order of operations, the same budget of memory, the same durability, and no
// compression. Their settings are those that their authors, or well-known users of theirs, advise: the report has them.
//
// Where engines cannot be had alike, the report says so. Three are worth knowing. Engines that map their files have
// the operating system's page cache on top of any budget. Engines that count memtables apart from their cache get the
// budget for the cache alone; Lightning's limit is for everything. And a commit that is not durable is in the hands
// of the kernel with all engines but Pebble, which keeps it in the process; the set kill counts what that loses.
//
// What a timed read returned is summed as it is read, in words of eight bytes, by the same code for all; after the
// clock has stopped the sum is compared with that of the rows that should have been read. A value tells which row it
// belongs to and how often that has been written, so that at the end of each set the whole database is read once more
// and every byte compared: nothing that was acknowledged may be missing, and nothing else may be there.
//
// Point reads, scans and mixes go on for a while before they are timed, the engine ends what it makes of that, and
// they go on for a little longer: so that no row is that of a cold cache, nor one during the work that an earlier row
// has left.
//
// Scans have an iterator or cursor each, from a snapshot that they share, as a range query would have. Point reads come
// in two ways: from one snapshot or transaction, and with a Get or transaction each.
//
// Transactions move money: each reads two random accounts, takes no more than there is, and writes both. Eight
// goroutines do that for the time of a row. At the end one transaction reads every account, and each must have exactly
// what the committed transfers leave in it; none is given up.
//
// # Sets
//
//	table      bulk load, restart, point reads, scans, removal, compaction, writes of all durabilities
//	ycsb       the six mixes of the Yahoo! Cloud Serving Benchmark
//	bank       transfers
//	kill       open after the writing process was killed
//	sustained  overwriting single rows for a minute: the rate and latency of each second
//	large      ten times as much data as memory
//	model      a table with two indexes, and what buckets, indexes, typed tables and deletes of ranges cost
//	values1    values of 1 KB: writes, overwrites, reads, keys alone; values10 and values100 with 10 and 100 KB
//
// From sustained on they run once, not in each repetition.
//
// # Adding an engine
//
// One file for each: a kind, with open for reads and writes (Engine), bank for transactions (Bank), or both. A kind
// that needs cgo or a library goes into a file with a build tag, which adds it to taggedKinds. TestEngines_conform and
// TestBanks_conform hold it to what the others do. What an engine cannot do returns errUnsupported, and its cells stay
// empty.
//
// It is a module of its own so that the database does not depend on its rivals.
package main
