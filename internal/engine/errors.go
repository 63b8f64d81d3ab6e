package engine

import (
	"errors"

	"lightningdb/internal/engine/conflict"
	"lightningdb/internal/engine/state"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/readers"
	"lightningdb/internal/tree/tables"
)

// What callers branch on. The root package publishes them under the same names.
var (
	ErrClosed          = calls.ErrClosed
	ErrConflict        = conflict.ErrConflict
	ErrReadOnly        = directory.ErrReadOnly
	ErrCommitUnknown   = errors.New("fate of the commit is unknown until the database is reopened")
	ErrNoDatabase      = errors.New("there is no database here")
	ErrTakenOver       = owner.ErrTakenOver
	ErrSnapshotExpired = readers.ErrExpired
	ErrFutureSequence  = readers.ErrFuture
	ErrOpenReaders     = readers.ErrOpen
)

// Types of what is below, of which callers know through the engine only.
type (
	Iterator    = tree.Iterator
	Snapshot    = tree.Snapshot
	Interrupt   = calls.Interrupt
	Spill       = tables.Spill
	SpillWriter = tables.SpillWriter
	Reader      = readers.Reader
	Direction   = tree.Direction
	TreeMetrics = tree.Metrics
	LevelState  = compaction.LevelState
	Work        = stats.Work
	Metrics     = state.Metrics
	Report      = state.Report
)

// Directions of Iterator.Each, and the newest published state.
const (
	Forward  = tree.Forward
	Backward = tree.Backward
	Latest   = tree.Latest
)

// ValueFiles is compaction.ValueFiles.
var ValueFiles = compaction.ValueFiles
