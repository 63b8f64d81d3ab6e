package metrics

import "time"

// Memtables describes what has not been flushed.
type Memtables struct {
	Active, Frozen int   // memtables
	Entries        int   // in them
	Bytes          int64 // written to them
	HeldBytes      int64 // memory they take, spare ones included
}

// Log describes the write-ahead log.
type Log struct {
	Segments     int
	Bytes        int64  // in all of them
	Appends      uint64 // writes since Open; one may carry many commits
	Syncs        uint64 // since Open: how often commits or the interval asked for a sync
	BytesWritten uint64 // since Open: batches, without the framing of records
}

// Transactions counts, since Open, what became of transactions apart from their commits. Many conflicts mean that the
// same keys are read and written all the time: GetForUpdate, or Add and its like, spare the repetitions.
type Transactions struct {
	Conflicts uint64 // commits refused with ErrConflict; Update runs them again
	LockWaits uint64 // times that a transaction or a write found a key locked, and waited
	Deadlocks uint64 // of them, those refused with ErrDeadlock
	Timeouts  uint64 // of them, those ended with ErrLockTimeout
	Large     uint64 // commits that did not fit into memory

	Waiting    int           // transactions and writes that wait for a lock at present
	OldestLock time.Duration // for how long the lock that is held longest has been held; 0 if none is
}

// Level describes one level of the tree. Level 0 receives flushes, the last level holds most of the data.
type Level struct {
	Level      int
	Tables     int
	Bytes      int64
	Values     int64 // bytes of value files that its tables refer to
	Entries    uint64
	Tombstones uint64
	Target     int64   // bytes above which the level is compacted; 0 if it is not in use
	Score      float64 // how urgent its compaction is: from 1 on it is due, in a burst of writes from 2 on
}

// Stall sums up how writers waited for flushes and compactions since Open, also for the space that these return under
// Options.DiskLimit.
type Stall struct {
	Count    uint64        // waits of single commits
	Duration time.Duration // in which at least one commit waited
	Cause    string        // of the latest
}

// Work sums up the flushes or compactions that have succeeded since Open, and tells how far the next one is.
type Work struct {
	Count        uint64
	BytesRead    int64 // of tables; a flush reads none
	BytesWritten int64 // of tables
	Duration     time.Duration
	Running      int   // 0 or 1
	Done, Total  int64 // about how many bytes of keys and values the one in progress has read, and will; 0 without one
}

// Disk describes what Options.DiskLimit makes of the disk. Without that option it is zero, but for Refused.
type Disk struct {
	Limit    int64
	Reserve  int64  // bytes of the file RESERVE; 0 while it is spent
	Refusing string // why writes that add anything are refused, or wait, at present; empty if they are not
	Refused  uint64 // how many were, or met a full disk
}

// Scrub describes what Options.ScrubRate has read since Open. Without that option it is zero.
type Scrub struct {
	Passes      uint64        // that came to their end
	Done, Total int64         // bytes of tables in the present pass, or the last one; Done has what is being read
	Damaged     uint64        // tables and value files in which something was wrong
	Found       []ScrubDamage // of the first four; DB.Verify finds all
}

// ScrubDamage is a table or value file with damage, which a scrub has found.
type ScrubDamage struct {
	File   string
	Damage string    // the text of the *CorruptionError, or of the error of the medium
	At     time.Time // when it was found
}

// Archive describes what Options.Archive has done since Open.
type Archive struct {
	Sequence      uint64        // the newest commit that is archived, with everything before it
	Lag           time.Duration // for how long the oldest durable commit has waited that is not
	LagOperations uint64        // how many operations were committed and are not archived
	Pieces        uint64        // that were put
	Bytes         uint64        // in them
	Failures      uint64        // of the store, or of reading the log; each is tried again
	Gaps          uint64        // how often the log did not lead on, and a new branch was begun
	LastGap       ArchiveGaps   // when it did not, the last time
	HeldBytes     int64         // of the log, which no recovery needs, and the archive does
	Branch        string        // the id of the branch that it goes on with; empty before that is known
	LastError     string        // why it cannot go on at present; empty if it can
}

// ArchiveGaps are times of the archiver's clock, by the cause of a gap, in UTC; zero if there was none since Open.
type ArchiveGaps struct {
	Lost        time.Time // what follows was not archived in time, and the log has given it up
	Transaction time.Time // a transaction larger than memory, or a streamed value
	Fork        time.Time // a copy of the database goes on with the branch
}

// Writer is what the writer of a database has told last about itself: within a second of the last commit, sync,
// flush or compaction, as long as a flush or compaction is in progress or somebody waits for a lock or commits for the
// archive, and after a failure. Of readers that came since, while none of this happened, it does not tell.
type Writer struct {
	Pid     int       // of the process; another container may count differently
	Program string    // its name, as far as it is printable, at most 19 bytes
	Opened  time.Time // when it opened the database
	At      time.Time // when it told this
	Metrics Metrics   // as DB.Metrics gave them then; of many readers with deep stacks the oldest
}
