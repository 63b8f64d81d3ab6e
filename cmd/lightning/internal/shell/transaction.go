package shell

import (
	"context"
	"errors"
	"fmt"

	"lightningdb"
)

// The errors of lines that cannot be carried out now.
var (
	errTxOpen = errors.New("a transaction is open: commit or rollback first")
	errNoTx   = errors.New("no transaction is open: begin one first")
)

// savepoint is a place in the transaction with a name.
type savepoint struct {
	name string
	at   lightningdb.Savepoint
}

func (s *Shell) begin(ctx context.Context, args []string, _ options) error {
	switch {
	case s.tx != nil:
		return errTxOpen
	case s.past != nil:
		return errPast
	}
	var options lightningdb.TxOptions
	if len(args) == 1 {
		switch args[0] {
		case "readonly":
			options.ReadOnly = true
		case "snapshot-isolation":
			options.Isolation = lightningdb.SnapshotIsolation
		default:
			return fmt.Errorf("begin: %s is neither readonly nor snapshot-isolation", word(args[0]))
		}
	}
	tx, err := s.DB.Begin(context.WithoutCancel(ctx), options) // it lives longer than this line
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	s.tx = tx
	return nil
}

func (s *Shell) commit(_ context.Context, _ []string, _ options) error {
	if s.tx == nil {
		return errNoTx
	}
	defer s.endTx()
	sequence := s.tx.Sequence()
	err := s.tx.OnCommit(func(seq uint64) { sequence = seq })
	readOnly := errors.Is(err, lightningdb.ErrReadOnlyTx)
	if err != nil && !readOnly {
		return fmt.Errorf("commit: %w", err)
	}
	err = s.tx.Commit()
	switch {
	case err == nil && readOnly:
		return s.note("done; the sequence number it read at is %d", sequence)
	case err == nil:
		return s.note("committed; the sequence number is %d", sequence)
	case errors.Is(err, lightningdb.ErrCommitUnknown):
		return fmt.Errorf("commit: %w", err)
	}
	_ = s.tx.Rollback() // a commit that did not begin leaves it open
	return fmt.Errorf("commit: %w (nothing was written, the transaction is over)", err)
}

// endTx forgets the transaction.
func (s *Shell) endTx() { s.tx, s.savepoints = nil, nil }

func (s *Shell) rollback(_ context.Context, args []string, _ options) error {
	switch {
	case s.tx == nil:
		return errNoTx
	case len(args) == 2 && args[0] == "to":
		return s.rollbackTo(args[1])
	case len(args) > 0:
		return errors.New("use: rollback [to NAME]")
	}
	defer s.endTx()
	if err := s.tx.Rollback(); err != nil {
		return fmt.Errorf("rollback: %w", err)
	}
	return s.note("rolled back")
}

func (s *Shell) savepoint(_ context.Context, args []string, _ options) error {
	if s.tx == nil {
		return errNoTx
	}
	at, err := s.tx.Savepoint()
	if err != nil {
		return about("savepoint", args[0], err)
	}
	s.savepoints = append(s.savepoints, savepoint{args[0], at})
	return nil
}

// rollbackTo returns to the newest savepoint of that name, which stays.
func (s *Shell) rollbackTo(name string) error {
	for i := len(s.savepoints) - 1; i >= 0; i-- {
		if s.savepoints[i].name != name {
			continue
		}
		if err := s.tx.RollbackTo(s.savepoints[i].at); err != nil {
			return about("rollback to", name, err)
		}
		s.savepoints = s.savepoints[:i+1]
		return nil
	}
	return fmt.Errorf("rollback: the transaction has no savepoint %s", word(name))
}
