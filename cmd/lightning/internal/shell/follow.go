package shell

import (
	"context"
	"errors"

	"lightningdb"
)

// Database is what a shell works on: a *lightningdb.DB, or Following.
type Database interface {
	Snapshot() *lightningdb.Snapshot
	At(sequence uint64) (*lightningdb.Snapshot, error)
	Begin(ctx context.Context, o lightningdb.TxOptions) (*lightningdb.Tx, error)
	Update(ctx context.Context, fn func(tx *lightningdb.Tx) error) error
}

// Following is a database that another process writes. Each line that reads the newest state refreshes the follower
// before.
type Following struct{ *lightningdb.Follower }

// The errors of what cannot be done with a database that is followed.
var (
	errFollowed     = errors.New("another process has the database open: here it can only be read")
	errFollowedPast = errors.New("of a database that another process has open there is only the newest state here; " +
		"keep it with snapshot")
)

// At refuses: what the past of the database is, only its writer knows.
func (Following) At(uint64) (*lightningdb.Snapshot, error) { return nil, errFollowedPast }

// Begin refuses.
func (Following) Begin(context.Context, lightningdb.TxOptions) (*lightningdb.Tx, error) {
	return nil, errFollowed
}

// Update refuses.
func (Following) Update(context.Context, func(tx *lightningdb.Tx) error) error { return errFollowed }

// refresh makes the newest state the newest one of a database that is followed, too.
func (s *Shell) refresh(ctx context.Context) error {
	if f, ok := s.DB.(Following); ok {
		return f.Refresh(ctx)
	}
	return nil
}

// newest is a snapshot of the newest state.
func (s *Shell) newest(ctx context.Context) (*lightningdb.Snapshot, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	return s.DB.Snapshot(), nil
}
