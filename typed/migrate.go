package typed

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"lightningdb"
	"lightningdb/kv"
)

// The bounds of a batch of MigrateAll.
const (
	maxBatchRows  = 128     // that are migrated
	maxBatchBytes = 1 << 20 // of these, as they were
	maxBatchSeen  = 4096    // rows that are looked at
)

// Progress is how far a call of MigrateAll has come.
type Progress struct {
	Rows     int64  // that it has looked at
	Migrated int64  // that it has written in the version of the table
	Token    string // where another call goes on; empty as long as there was no row
}

// MigrateAll writes all rows of older versions in that of the table. It goes through the table once, in the order of
// keys, a batch at a time, next to whoever reads and writes: each row is read again in the transaction that writes it,
// and one that was deleted or put meanwhile is left as it is. Programs of the older version may go on writing; what
// they write behind it stays old.
//
// after is where to begin: empty for the beginning, or the Token of an earlier call's Progress; ErrToken if it is
// another table's. progress, which may be nil, is called after each batch is committed; its error ends MigrateAll.
//
// It can end at any time, by ctx or with the process: each row is then old or new, and another call does the rest. A
// row that cannot be migrated ends it with a *RowError; of its batch nothing is written.
func (t *Table[K, V]) MigrateAll(ctx context.Context, db kv.Transactor, after string,
	progress func(Progress) error) error {
	lo, hi := t.bounds()
	all := place{lo: lo, hi: hi}
	last, err := t.readToken(after, all)
	if err != nil {
		return err
	}
	for p := (Progress{Token: after}); ; {
		var b batch
		err := db.View(ctx, func(tx *lightningdb.Tx) (err error) {
			b, err = t.findOlder(tx, all, last)
			return err
		})
		if err != nil {
			return err
		}
		n, err := t.migrateBatch(ctx, db, b.older)
		if err != nil {
			return err
		}
		p.Rows, p.Migrated = p.Rows+b.seen, p.Migrated+n
		if b.seen > 0 {
			last = b.last
			p.Token = t.token(last, all)
		}
		if progress != nil {
			if err := progress(p); err != nil {
				return err
			}
		}
		if b.end {
			return nil
		}
	}
}

// batch is what MigrateAll does at a time.
type batch struct {
	older [][]byte // the stored keys of rows to be migrated
	last  []byte   // the last key that was looked at
	seen  int64    // how many there were
	end   bool     // whether there is no row behind them
}

// findOlder looks for the rows of the next batch behind a key.
func (t *Table[K, V]) findOlder(r kv.Reader, all place, last []byte) (b batch, err error) {
	lo, hi := all.behind(last)
	entries := r.Range(lo, hi)
	size := 0
	for stored, row := range entries.All() {
		if len(b.older) == maxBatchRows || size >= maxBatchBytes || b.seen == maxBatchSeen {
			return b, nil
		}
		older, err := t.isOlder(stored, row)
		if err != nil {
			return b, err
		}
		if b.last = append(b.last[:0], stored...); older {
			b.older, size = append(b.older, bytes.Clone(stored)), size+len(row)
		}
		b.seen++
	}
	b.end = true
	return b, entries.Err()
}

// isOlder reports whether a row is to be migrated. It fails if it should be, and cannot.
func (t *Table[K, V]) isOlder(key, row []byte) (bool, error) {
	if version, _, ok := cutHeader(row); ok && version == t.version {
		return false, nil
	}
	_, _, err := t.older(key, row)
	return err == nil, err
}

// migrateBatch writes the rows at these stored keys in the version of the table, in one transaction, and returns how
// many they were: those that are still there, and still of an older version.
func (t *Table[K, V]) migrateBatch(ctx context.Context, db kv.Transactor, older [][]byte) (n int64, err error) {
	if len(older) == 0 {
		return 0, nil
	}
	s := scratches.Get().(*scratch)
	defer s.free()
	err = db.Update(ctx, func(tx *lightningdb.Tx) error {
		n = 0 // or the rows of an attempt that lost would count
		for _, stored := range older {
			done, err := t.migrateRow(tx, stored, s)
			if err != nil {
				return fmt.Errorf("migrate all: %w", err)
			}
			if done {
				n++
			}
		}
		return nil
	})
	return n, err
}

// migrateRow writes the row at a stored key in the version of the table, unless there is no need.
func (t *Table[K, V]) migrateRow(tx *lightningdb.Tx, stored []byte, s *scratch) (done bool, err error) {
	row, err := tx.GetAppend(s.row[:0], stored)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.row = row
	version, _, ok := cutHeader(row)
	if ok && version == t.version {
		return false, nil
	}
	v, err := t.decodeOther(stored, row)
	if err != nil {
		return false, err
	}
	if err := t.put(tx, stored, v, s); err != nil {
		return false, t.rowError(stored, version, err)
	}
	return true, nil
}
