package lightningdb

import (
	"lightningdb/internal/engine/state"
	"lightningdb/internal/report"
	"lightningdb/metrics"
)

type (
	// Metrics is the state of a database at one moment, and what it did since Open. Package metrics has its parts.
	Metrics = metrics.Metrics

	// WriterStatus is what the writer of a database has told last about itself: see Follower.Writer.
	WriterStatus = metrics.Writer

	// RecoveryReport says what Open found and did: it has Created (bool) the database, because there was none; replayed
	// Segments (int) of the log, with Records (int64), which are commits, and Operations in them; read LogBytes, and
	// dropped TornBytes at the log's end, of writes that had not been synced. LastSequence (uint64) is of the newest
	// commit, FilesRemoved ([]string) are what a crash had left behind, unused, and Duration is that of the whole Open.
	RecoveryReport = state.Report
)

// Metrics returns the metrics of this moment. It asks the file system for the size of each file, which takes a
// microsecond or a few for each. Those of a closed database say with BackgroundError that it is, and tell what it did,
// and nothing of what it had.
func (db *DB) Metrics() Metrics { return report.Of(db.engine.Metrics(), db.archiver.Metrics()) }

// Recovery says what Open found and did.
func (db *DB) Recovery() RecoveryReport { return db.engine.Report() }
