package lightningdb

import (
	"fmt"

	"lightningdb/internal/engine"
	"lightningdb/internal/follower"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/index"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/transaction"
	"lightningdb/internal/tree/manifest"
)

// Errors that callers branch on, with errors.Is. What is returned adds the operation and the place.
var (
	// ErrNotFound: the key is not in the database (or was not, at the snapshot).
	ErrNotFound = transaction.ErrNotFound

	// ErrClosed: the database, snapshot, transaction or cursor was used after its end.
	ErrClosed = engine.ErrClosed

	// ErrLocked: another process, or another handle in this one, has the database open. Close that one first, or read
	// with OpenFollower what it writes. errors.As finds a *LockedError with who it is.
	ErrLocked = vfs.ErrLocked

	// ErrReadOnly: the database was opened read-only, or a write, a sync, or reading for a compaction has failed before;
	// the cause is wrapped. After a failure, mend the cause and reopen the database: everything acknowledged is there.
	// Close returns it too, because commits at Process durability may not have been synced.
	ErrReadOnly = engine.ErrReadOnly

	// ErrCommitUnknown: the write or sync of this very commit failed. It may or may not be there after reopening.
	ErrCommitUnknown = engine.ErrCommitUnknown

	// ErrTakenOver: another writer has come past the lock, as it can where the directory is seen through two mounts
	// (FUSE and directly, an overlay and its upper directory), or somebody has changed the files of the open database by
	// hand. It is the cause of an ErrReadOnly or ErrCommitUnknown: this handle has stopped, and has neither written over
	// nor removed anything that the other one needs. Close it, have one process open the directory through one mount,
	// and open it again.
	ErrTakenOver = engine.ErrTakenOver

	// ErrNoSpace: the disk or a quota is full, or Options.DiskLimit is reached; the text says which. Nothing is lost;
	// writes succeed again once there is space. With DiskLimit deletes go on meanwhile. Where it comes together with
	// ErrReadOnly or ErrCommitUnknown, a sync met the full disk, and the database must be reopened.
	ErrNoSpace = vfs.ErrNoSpace

	// ErrCorrupt: data read from a file is not what was written. errors.As finds a *CorruptionError with the place.
	ErrCorrupt = corrupt.ErrCorrupt

	// ErrNotDatabase: the directory holds files of another program and no database. Name an empty directory, or a new one.
	ErrNotDatabase = manifest.ErrNotDatabase

	// ErrConflict: between the snapshot and the commit of a transaction, another commit changed what it had read. Run it
	// again; Update does so by itself.
	ErrConflict = engine.ErrConflict

	// ErrDeadlock: transactions wait for each other's locks in a circle; the error names them and the keys. Run this one
	// again, as Update does by itself, and lock keys in the same order everywhere to avoid it.
	ErrDeadlock = lock.ErrDeadlock

	// ErrLockTimeout: a key has been locked by another transaction for longer than Options.LockTimeout lets a call wait.
	// errors.As finds a *LockTimeoutError with the key and the holder. Nothing was written. End the holder, which may have
	// been forgotten, or begin it with a context that ends: then its locks go by themselves. Update returns the error, and
	// does not run again.
	ErrLockTimeout = lock.ErrTimeout

	// ErrTxDone: the transaction is over. Use it only inside the function that it was given to, or before its Commit.
	ErrTxDone = transaction.ErrDone

	// ErrSavepointVoid: RollbackTo of a savepoint of another transaction, or one that is no more because the transaction
	// was rolled back to before it or because the Tx.Update that made it has ended.
	ErrSavepointVoid = transaction.ErrVoid

	// ErrTxInUse: two goroutines used one read-write transaction at the same time. Give each its own.
	ErrTxInUse = transaction.ErrInUse

	// ErrReadOnlyTx: in View, or in a transaction begun read-only, a call that is for writers: a write, GetForUpdate,
	// Update, a savepoint, OnCommit or SetDurability. Use DB.Update.
	ErrReadOnlyTx = transaction.ErrReadOnly

	// ErrManagedTx: Commit or Rollback inside View or Update, which end their transaction themselves, or inside Tx.Update,
	// whose part is not the whole. Return nil or an error.
	ErrManagedTx = transaction.ErrManaged

	// ErrNested: inside Update, the same goroutine called Update of the same database, or wrote, past its transaction,
	// what the transaction has locked. Use Tx.Update for a part of a transaction, and the Tx for what belongs to it. A
	// transaction of Begin belongs to no goroutine: whoever waits for it in vain gets ErrLockTimeout.
	ErrNested = lock.ErrNested

	// ErrNoDatabase: there is no database in the directory, and the options say not to create one.
	ErrNoDatabase = engine.ErrNoDatabase

	// ErrNoWriter: what OpenFollower or Refresh is to show was never published, or is not there: a power cut has ended the
	// last writer, STATUS was removed, or the file system does not show at once what another process writes. If no program
	// has the database open, open it with Options.ReadOnly; otherwise have that program close and open it.
	ErrNoWriter = follower.ErrNoWriter
	// ErrVersionTooNew: the database was written by a newer version of Lightning DB. Use that version.
	ErrVersionTooNew = manifest.ErrVersionTooNew

	// ErrOpenReaders: Close found cursors or snapshots that were still open. They have stopped working; nothing is lost.
	ErrOpenReaders = engine.ErrOpenReaders

	// ErrSnapshotExpired: the state asked of At is older than what Options.Retain keeps, or the snapshot, transaction or
	// cursor has become older than Options.MaxSnapshotAge. Read a newer state.
	ErrSnapshotExpired = engine.ErrSnapshotExpired

	// ErrFutureSequence: nothing has been committed with the sequence number that At or WaitDurable was asked for.
	ErrFutureSequence = engine.ErrFutureSequence

	// ErrMerge: the value of a key cannot be told, because something was merged into it that does not go with what was
	// there, or makes it longer than MaxValueSize, or because Options.Merge failed, panicked or was not given. Nothing is
	// lost: with the right Options.Merge the value may be there, and a put or delete of the key ends it. The message names
	// key and cause. It is the answer of a read of the key, and so keeps no transaction from committing. But a loop or
	// cursor that ended with it has not shown the keys behind, so View and Update return it unless the function has asked
	// Range.Err or Cursor.Err.
	ErrMerge = operand.ErrMerge

	// ErrTooManyRanges: more deletes of ranges are remembered than the database keeps in memory, because readers hold what
	// they remove, or because they come too fast; or one transaction deletes more than Tx.DeleteRange allows. Nothing was
	// written. Close old snapshots, or call Compact; rather delete one large range than many small ones.
	ErrTooManyRanges = engine.ErrTooManyRanges

	// ErrNoBucket: there is no bucket at the path, or the bucket was dropped. Create it.
	ErrNoBucket = catalog.ErrNoBucket

	// ErrBucketExists: CreateBucket or MoveBucket to where there is a bucket.
	ErrBucketExists = catalog.ErrExists

	// ErrBucketName: a name is empty, longer than 255 bytes or not UTF-8, a path has none, or a bucket was to move into
	// itself.
	ErrBucketName = catalog.ErrName

	// ErrTooDeep: a bucket would have a path of more than 32 names.
	ErrTooDeep = catalog.ErrTooDeep

	// ErrExpiry: the time of a PutUntil is not after 1970, or beyond 2262. Put what is to stay for good.
	ErrExpiry = transaction.ErrExpiry

	// ErrUnique: a write, of which nothing was written, would give a row the index key of another one in a unique index;
	// see UniqueError. From Open: rows break the rule of an index that is new.
	ErrUnique = index.ErrUnique

	// ErrNoIndex: the bucket has no index of that name.
	ErrNoIndex = catalog.ErrNoIndex

	// ErrIndexFunc: a bucket was to be written that has an index which Options.Indexes does not declare, or not as it is.
	// Declare it, or remove it with DropIndex.
	ErrIndexFunc = index.ErrFunc

	// ErrIndexKey: an index key and its row's key, each 00 of the former counted twice, are longer than MaxKeySize less 2,
	// or the index keys of a row have more than 1 MiB in one index. Nothing was written.
	ErrIndexKey = index.ErrKey

	// ErrIndexDeclared: Open refuses an index of Options.Indexes; the text says which, and why.
	ErrIndexDeclared = index.ErrDeclared

	// ErrKeyTooLarge, ErrValueTooLarge and ErrBatchTooLarge refuse a write before anything of it is written; the first
	// refuses reads of a key as well. Bounds, prefixes and targets of Seek may be of any length.
	ErrKeyTooLarge   = transaction.ErrKeyTooLarge
	ErrValueTooLarge = transaction.ErrValueTooLarge
	ErrBatchTooLarge = fmt.Errorf("batch is larger than %d bytes", MaxBatchSize)
)

// CorruptionError says which file is damaged, where and how: File (string) in the directory of the database, Offset
// (int64) in bytes, -1 if not known, and What (string). errors.Is(err, ErrCorrupt) holds for it.
type CorruptionError = corrupt.Error

// LockedError says who has the database open, as far as it is known: Owner is a text like "process 4711 (myprogram)".
// errors.Is(err, ErrLocked) holds for it.
type LockedError = vfs.LockedError

// LockTimeoutError says which Key ([]byte) was waited for, nil for precedence, the Age of the lock, for how long it was
// Waited (time.Duration), and who its Holder is: its number and, with Options.TraceReaders, when and where it began.
// errors.Is(err, ErrLockTimeout) holds for it.
type LockTimeoutError = lock.TimeoutError
