// Package isolation decides from the outside whether transactions were isolated. A workload records what its
// transactions asked for and what they were told; Check then looks for a proof that no serial order explains it.
//
// It owns the recording, the recovery of the order of versions, the graph of dependencies and the names of
// anomalies. It knows nothing of a database and imports nothing of the project: what it says rests on what clients saw.
//
// # Workloads
//
// Two kinds of keys are understood, also in one history and in one transaction. Every value is issued by the Recorder
// and is written once, so that a read tells whose write it saw.
//
//   - A list is appended to and read as a whole. Its versions need no hint: the longest list that was read is their
//     order.
//   - A register is put, deleted and read. Its versions are ordered by the commit sequence numbers that End is
//     given, which reads and real time must agree with, or, without them, by transactions that read one version and
//     wrote the next.
//
// A scan is a read of every key in its range, those that it did not find included. Hence a phantom is an
// anti-dependency on a key like any other, and no reasoning about predicates is needed.
//
// # Check
//
// Some anomalies are seen in one read: see the names in report.go. All others are cycles of a graph whose nodes are the
// transactions that committed, after Adya ("Weak Consistency", 1999) and Elle (Kingsbury and Alvaro, VLDB 2020):
//
//	T -ww-> U   U wrote the version after one of T
//	T -wr-> U   U read a version of T
//	T -rw-> U   T read the version before one of U
//	T -rt-> U   T was acknowledged before U began
//
// For lists, a history without anomaly at StrictSerializable has a serial order, and the other way round: each order
// of the nodes that follows all edges is one. For registers an alarm says that no order agrees with the sequence
// numbers, whatever would without them. A read that found nothing where several deletes may be the reason adds only
// the edges that all of them imply, so some violations stay unseen.
//
// A transaction whose outcome is unknown counts as committed if one of its writes was seen, and not at all otherwise.
// One history may go through crashes: what was in flight is unknown, what was acknowledged must be there afterwards.
//
// A Recorder and its open transactions may be used by any number of goroutines, each transaction by one. A
// History is read only and may be checked at several levels at once.
package isolation
