package lightningdb

import "time"

// RecoveryReport says what Open found and did.
type RecoveryReport struct {
	Created      bool          // there was no database; it was created
	Segments     int           // log segments replayed
	Records      int64         // commits replayed
	Operations   int64         // in them
	LogBytes     int64         // bytes of log read
	TornBytes    int64         // bytes at the log's end that were dropped: writes that had not been synced
	LastSequence uint64        // of the newest commit
	FilesRemoved []string      // files that a crash left behind, unused
	Duration     time.Duration // of the whole Open
}

// Recovery says what Open found and did.
func (db *DB) Recovery() RecoveryReport {
	r := db.engine.Report()
	return RecoveryReport{
		Created: r.Created, Segments: r.Segments, Records: r.Records, Operations: r.Operations, LogBytes: r.LogBytes,
		TornBytes: r.TornBytes, LastSequence: uint64(r.LastSequence), FilesRemoved: r.FilesRemoved, Duration: r.Duration,
	}
}
