package lightningdb

import "context"

// Verify reads every byte of every table and checks it: checksums, order, and that what leads to the data leads to all
// of it. It goes on after damage: the error joins a *CorruptionError for each damaged table. progress, which may be
// nil, is called now and then with the bytes read so far and in all. The manifest and the log have been checked by Open,
// which reads them whole; what has not been flushed yet is in the log. Reads and writes go on meanwhile.
// When ctx is done nothing more is read.
func (db *DB) Verify(ctx context.Context, progress func(done, total int64)) error {
	return db.engine.Verify(orBackground(ctx), progress)
}
