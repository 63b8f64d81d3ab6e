// Package lightningdb is an embedded, ordered key-value database, with strictly serializable transactions, that loses
// nothing it acknowledged.
//
//	db, err := lightningdb.Open("data", nil)
//	if err != nil { … }
//	defer db.Close()
//
//	err = db.Put([]byte("greeting"), []byte("hello"))
//	value, err := db.Get([]byte("greeting"))
//
// # Keys and values
//
// Keys are 0 bytes to 64 KiB, values 0 bytes to 64 MiB, both any bytes. Keys are ordered as bytes.Compare orders them.
// The database copies what it is given: the caller may change or reuse keys and values after any call.
//
// # What a commit promises
//
// Put, Delete, Write and merges are commits: atomic, in one order, visible to every read that begins after they
// returned. With the default durability, Sync, a commit that returned nil survives any kill, crash of the system or
// power cut, on storage that honours a sync. With Process it survives any kill of the process, and a power cut once
// it has been synced, at most Options.SyncInterval later. After any crash the database is the commits up to one
// point, at or after the last acknowledged sync, each of them whole.
//
// # Reading
//
// Get reads the newest committed state. View, Snapshot and Range read one unchanging state, however long that takes and
// whatever is written meanwhile. A long-lived reader keeps old versions on disk: Metrics.OldestSequence tells.
//
// # Buckets
//
// CreateBucket makes a named part of the database that has keys of its own; buckets are nested. DropBucket removes one
// with all that is in it, and MoveBucket gives it another path, in one small commit each. A Bucket has the calls of
// what it was opened in: a DB, a Snapshot or a Tx. All keys in no bucket are those of the root, which DB itself has.
//
// # Indexes
//
// Options.Indexes declares indexes of buckets: functions that say under which other keys a row is found. Every write
// of the bucket keeps them, in the same commit; a unique index gives no two rows one key. Bucket.Index reads them. A
// bucket with an index that is not declared any more can be read; DropIndex makes it one that can be written. A merge
// in a bucket with indexes reads the key and puts the result, for good: also where it was to expire. DB.CheckIndexes
// compares indexes with their rows.
//
// # Merges
//
// Add, Max, Min, Append and Merge change a value without reading it. They are commits like any other, in the one
// order, and never conflict. The value is computed when the key is read, and by the database when it gets round to
// it. That a merge does not go with the value it meets (an Add to a text) is found then, not when it is written:
// reading the key gives ErrMerge, until somebody puts or deletes it. Counters are values of 8 bytes: Int64 and
// AppendInt64 convert them.
//
// # Expiry
//
// PutUntil sets a key until a moment: sessions, leases, caches. To the nanosecond no read that begins then or later
// finds it, in any snapshot that begins then, in any state of the past, in any follower whose time it is. It hides what
// was there before. Expiry tells when a value expires.
//
//	err := db.PutUntil([]byte("session/7f3a"), data, db.Now().Add(30*time.Minute))
//
// A time is one of the database, DB.Now: the latest that its clock has shown, and what Open found. If the clock is set
// back it stands still until that has caught up, and so it does while a commit syncs that rests on something which
// expires. A database in which nothing expires has no time: Now is that of the clock, and nothing pays for this.
//
// Snapshots, transactions, loops and cursors have one time, that of their beginning. What a transaction has read and is
// gone when it commits is an ErrConflict, also if it had put that itself; Update runs again and does not find it.
//
// What is merged into an entry that expires, whenever, is merged into its value before that moment, and into no value
// from then on: so a merge outlives it, and does not expire. Times are after 1970 and not beyond April 2262, where 64
// bits of nanoseconds end.
//
// # Transactions
//
// Update runs a function in a transaction that reads and writes, and commits it; Begin, Commit and Rollback do so by
// hand. Transactions are strictly serializable, scans and keys that were not there included: the commits are as if
// each had run alone, in the order in which they returned. Conflicts are found at the commit, and Update repeats what
// lost, until it succeeds or its context ends. GetForUpdate locks, Add and its like never conflict. Nobody waits for
// a lock for longer than Options.LockTimeout. A transaction may be of any size.
//
//	err := db.Update(ctx, func(tx *lightningdb.Tx) error {
//		value, err := tx.Get([]byte("greeting"))
//		if err != nil { return err }
//		return tx.Put([]byte("greeting"), append(value, '!'))
//	})
//
// # Concurrency
//
// A DB, a Snapshot and a read-only Tx may be used by any number of goroutines at once. A Tx that writes belongs to
// one goroutine at a time, a Range loop, a Cursor and a Batch to one. A database directory belongs to one process;
// any number of processes may open it read-only while none writes.
//
// # Other processes
//
// OpenFollower reads a database that another process has open and writes. A Follower shows what that process had
// published when it last refreshed: whole commits, and never less than before.
//
// # Errors
//
// What can go wrong with keys, data, disk and use is one of the Err values of this package as errors.Is sees it;
// other errors come from the operating system with the file they are about, or say which option of Open is
// impossible. Damaged files give a *CorruptionError, never wrong data. After the first failed write or sync the
// handle refuses further writes with ErrReadOnly until the database is reopened; reads go on. A full disk alone is
// different: writes fail with ErrNoSpace and succeed again once there is space.
package lightningdb
