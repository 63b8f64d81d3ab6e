package event

import "time"

// Opening is how far an Open is that takes longer than a second, each second.
type Opening struct {
	Step        string
	Done, Total int64 // bytes of the step; 0 if bytes are not what it takes
}

// Opened is the end of an Open: what the recovery found.
type Opened struct {
	Created      bool
	Records      int64 // commits that were replayed
	LogBytes     int64
	TornBytes    int64 // of a write that was under way at a crash, dropped
	FilesRemoved int
	Sequence     uint64 // of the newest commit
	Duration     time.Duration
}

// Flushed is the end of a flush.
type Flushed struct {
	Tables       int
	BytesWritten int64
	Duration     time.Duration
	Err          error // why it failed; nil if it has succeeded
}

// Compacted is the end of a compaction.
type Compacted struct {
	Reason       string
	Into         int // the level
	BytesRead    int64
	BytesWritten int64
	Duration     time.Duration
	Err          error // why it failed; nil if it has succeeded
}

// StallBegan says that commits wait for background work, or are slowed. StallEnded follows.
type StallBegan struct{ Cause string }

// StallEnded says that for StallPause no commit has waited, or that the database is closed.
type StallEnded struct {
	Cause  string        // of the latest wait
	Waits  uint64        // of single commits
	Waited time.Duration // in which at least one commit waited
}

// StallPause is for how long no commit waits before a stall is over: waits of moments that follow each other are one.
const StallPause = time.Second

// Stopped says that the first failure on the way to durability has ended all writes of this handle.
type Stopped struct{ Cause error }

// Hindered says that a commit, flush or compaction has failed for what passes by itself: a full disk, or no file
// descriptors; or that what was committed does not reach the archive. Resumed follows, unless the database is closed
// before. Full says that there is no space.
type Hindered struct {
	By    string // of commits, of flush and compaction, or of the archive
	Full  bool   // there is no space
	Cause error
}

// Resumed says that what was held up goes on.
type Resumed struct {
	By    string
	After time.Duration
}

// ReserveSpent says that the disk was full, and that the space of the reserve, under Options.DiskLimit, was given back.
type ReserveSpent struct{ DiskFull bool }

// ReserveMissing says that there was no space for the reserve at Open.
type ReserveMissing struct{ Cause error }

// ReserveMade says that there is space for the reserve again.
type ReserveMade struct{}

// Damaged says that a file is damaged: once for each file.
type Damaged struct {
	File   string
	Offset int64 // -1 if it is not known
	By     string
	Err    error // a *lightningdb.CorruptionError, or an error of the medium
}

// BackedUp is the end of a backup.
type BackedUp struct {
	To       string // stream or repository
	Sequence uint64 // of the newest commit in it
	Bytes    int64  // written
	Duration time.Duration
	Err      error // why there is none; nil if there is
}

// Unfollowable says that no process can follow this database until it is opened again.
type Unfollowable struct{ Cause error }

// SlowOperation says that an operation took longer than Options.SlowOperation.
type SlowOperation struct {
	Operation Operation
	At        time.Time // of its end, by the wall clock
	Duration  time.Duration
	Parts     Parts  // where the time went, as far as it was measured
	Bytes     int    // of a commit
	Keys      int    // operations in it
	Key       []byte // see Options.Keys
	Err       error  `json:"-"` // how it ended
	Skipped   uint64 // slow operations before this one that are not told of: see SlowPerSecond
}

// Parts is where the time of an operation went. What is in none of them was computing, or waiting for a processor.
type Parts struct {
	Space time.Duration // of a commit: waiting for space under Options.DiskLimit
	Room  time.Duration // of a commit: slowed, or waiting for a flush or compaction
	Lock  time.Duration // of a commit: waiting for what others have locked
	Queue time.Duration // of a commit: waiting for the commits before it, checked, and applied
	Log   time.Duration // of a commit: written to the log, with its group
	Sync  time.Duration // of a commit: synced, with its group
	Read  time.Duration // of a read: reading from files
	Reads int           // of a read: how often
}

// Operation is what a SlowOperation or a Tracer is about.
type Operation string

// The operations.
const (
	Get        Operation = "get"    // a read of one key, of the database, a snapshot or a transaction
	Commit     Operation = "commit" // Put, Delete, Write and their like, and the commit of a transaction
	View       Operation = "view"
	Update     Operation = "update" // with all its attempts, and the commit
	Flush      Operation = "flush"
	Compaction Operation = "compaction"
	Verify     Operation = "verify"
	Backup     Operation = "backup"
)
