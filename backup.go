package lightningdb

import (
	"context"
	"io"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/system/calls"
)

// Checkpoint makes a copy of the database in directory dir, which must be new or empty, and returns the sequence number
// of the newest commit in it: everything up to that is there, and nothing after. Reads and writes go on meanwhile. The
// copy is a database of its own: it may be opened, written to and removed, and so may the one it was made of.
//
// The tables of both are the same files with two names (hard links), where the file system has such: then it takes the
// time of a Flush, and space only as far as the two differ later. Otherwise they are copied; progress, which may be
// nil, is told of the bytes. It is no backup: damage of a shared file is that of both. Until the copy is complete
// nobody takes dir for a database. After an error it is empty, or has a file LOCK. The error is fs.ErrExist if dir is
// not empty, and ErrNoSpace, that of ctx, or ErrClosed.
func (db *DB) Checkpoint(ctx context.Context, dir string, progress func(done, total int64)) (uint64, error) {
	return db.Copies().Checkpoint(calls.OrBackground(ctx), dir, progress)
}

// Checkpoint makes a copy of the newest state that the follower shows; see DB.Checkpoint. The error is
// ErrSnapshotExpired if the writer has removed meanwhile what the follower could not keep.
func (f *Follower) Checkpoint(ctx context.Context, dir string, progress func(done, total int64)) (uint64, error) {
	return f.Copies().Checkpoint(calls.OrBackground(ctx), dir, progress)
}

// Backup writes a copy of the database to w: a tar with its files, a description before them and SHA-256 digests after
// them, which package backup restores, or tar. It is one state, as that of Checkpoint is, whose sequence number it
// returns. Reads and writes go on, but files that compactions replace stay until it ends. Each table is verified before
// it is written: damage (a *CorruptionError) ends it. After an error what w has is no backup. progress, which may be
// nil, is told of the bytes.
func (db *DB) Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) (uint64, error) {
	return db.Copies().Backup(calls.OrBackground(ctx), w, progress)
}

// Backup writes a copy of the newest state that the follower shows; see DB.Backup.
func (f *Follower) Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) (uint64, error) {
	return f.Copies().Backup(calls.OrBackground(ctx), w, progress)
}

// Copies is what package backup copies from.
func (db *DB) Copies() checkpoint.Source {
	return checkpoint.Source{Tree: db.engine.Tree(), Flush: db.engine.Flush, Begin: db.engine.BeginBackup}
}

// Copies is what package backup copies from.
func (f *Follower) Copies() checkpoint.Source { return checkpoint.Source{Tree: f.follower.Tree()} }
