package disk

// Bounds are what follows from a disk limit, in bytes.
type Bounds struct {
	Limit      int64
	Log        int64 // the limit of the log
	Table      int64 // at which a table is complete
	Compaction int64 // kept for a compaction, at least
	Deletes    int64 // kept for deletes besides
	Short      int64 // compactions return space first while there is less room than this
	Reserve    int64 // length of the reserve
}

// The shares of the limit. At half the limit of live data they leave a seventh of it to garbage, and more where the log
// takes less than its share:
//
//	1/2 live, 1/8 reserve, 1/16 compaction, 1/32 deletes, 1/32 memtables, 5/48 files of the log
//
// A segment is a third of the log; with the active one there are two that wait for their flush, one that waits to be
// used again and one that is ready, and each is allocated ahead.
const (
	reserveShare    = 8
	compactionShare = 16
	deletesShare    = 32
	shortShare      = 16
	logShare        = 32
	tableShare      = 128

	minTableBytes = 64 << 10
	minLogBytes   = 12 << 10

	// largestTables is how many of the largest table a compaction has room for: a piece of level 0, one table that ends
	// in it, one that begins in it, and what lies between them.
	largestTables = 4
)

// BoundsFor returns the bounds for a limit above 0, where the log would be limited to log without it, and a table be
// complete at table.
func BoundsFor(limit, log, table int64) Bounds {
	b := Bounds{
		Limit:      limit,
		Log:        min(log, max(limit/logShare, minLogBytes)),
		Table:      min(table, max(limit/tableShare, minTableBytes)),
		Compaction: limit / compactionShare,
		Deletes:    limit / deletesShare,
		Short:      limit / shortShare,
	}
	b.Reserve = min(limit/reserveShare, recoveryBytes(b.Log, b.Table))
	return b
}

// recoveryBytes is what a full disk has to give so that a database can be opened and deletes return space: tables of a
// whole log, which may be longer than the log; a segment, with what is allocated ahead; a manifest; and one compaction.
func recoveryBytes(log, table int64) int64 {
	return log + log/2 + log/3 + 4<<20 + largestTables*table
}
