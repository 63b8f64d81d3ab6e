//go:build cgo

package main

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/mattn/go-sqlite3"
)

func init() { taggedKinds = append(taggedKinds, sqliteKind()) }

func sqliteKind() kind {
	return kind{
		name:   "sqlite",
		peer:   true,
		module: "github.com/mattn/go-sqlite3",
		config: "github.com/mattn/go-sqlite3, without database/sql; WITHOUT ROWID table, WAL, synchronous FULL when " +
			"durable, else OFF, cache_size as budgeted for each connection, default checkpoints, prepared statements; one " +
			"writing connection, which a mutex passes on (on several, SQLite waits for itself by sleeping), and one for each " +
			"reader; bulk load in one transaction; transfers BEGIN IMMEDIATE and begin again on SQLITE_BUSY",
		open:   openSQLite,
		bank:   openSQLiteBank,
		people: openSQLitePeople,
	}
}

// sqliteConn is a connection and its statements.
type sqliteConn struct {
	*sqlite3.SQLiteConn
	begin, beginView, commit, rollback driver.Stmt
	get, put, remove, up, down, keys   driver.Stmt
	statements                         []driver.Stmt
	row                                [2]driver.Value
}

func connectSQLite(dir string, o options) (*sqliteConn, error) {
	durability := "OFF"
	if o.sync {
		durability = "FULL"
	}
	conn, err := (&sqlite3.SQLiteDriver{}).Open(fmt.Sprintf(
		"file:%s?_journal_mode=WAL&_mutex=no&_synchronous=%s&_cache_size=%d", sqlitePath(dir), durability, -(o.memory >> 10)))
	if err != nil {
		return nil, err
	}
	c := &sqliteConn{SQLiteConn: conn.(*sqlite3.SQLiteConn)}
	return c, c.prepare()
}

func sqlitePath(dir string) string { return filepath.Join(dir, "bench.sqlite") }

func (c *sqliteConn) prepare() error {
	const table = "CREATE TABLE IF NOT EXISTS rows (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID"
	if _, err := c.ExecContext(ctx, table, nil); err != nil {
		return err
	}
	for _, s := range []struct {
		to   *driver.Stmt
		text string
	}{
		{&c.begin, "BEGIN IMMEDIATE"},
		{&c.beginView, "BEGIN"},
		{&c.commit, "COMMIT"},
		{&c.rollback, "ROLLBACK"},
		{&c.get, "SELECT v FROM rows WHERE k = ?"},
		{&c.put, "INSERT OR REPLACE INTO rows VALUES (?, ?)"},
		{&c.remove, "DELETE FROM rows WHERE k = ?"},
		{&c.up, "SELECT k, v FROM rows WHERE k >= ? ORDER BY k LIMIT ?"},
		{&c.down, "SELECT k, v FROM rows WHERE k < ? ORDER BY k DESC LIMIT ?"},
		{&c.keys, "SELECT k FROM rows ORDER BY k"},
	} {
		statement, err := c.Prepare(s.text)
		if err != nil {
			return err
		}
		*s.to = statement
		c.statements = append(c.statements, statement)
	}
	return nil
}

func (c *sqliteConn) close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.Close())...)
}

// inside runs fn in a transaction that begin starts.
func (c *sqliteConn) inside(begin driver.Stmt, fn func() error) error {
	if err := execute(begin); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		err = execute(c.commit)
	}
	if err != nil {
		err = errors.Join(err, execute(c.rollback))
	}
	return err
}

func (c *sqliteConn) change(keys, values [][]byte) error {
	for i, k := range keys {
		var err error
		if values == nil {
			err = execute(c.remove, driver.NamedValue{Ordinal: 1, Value: k})
		} else {
			err = execute(c.put, driver.NamedValue{Ordinal: 1, Value: k}, driver.NamedValue{Ordinal: 2, Value: values[i]})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// query calls use with the rows of a statement, until there are no more.
func (c *sqliteConn) query(s driver.Stmt, columns int, use func([]driver.Value), arguments ...driver.NamedValue) error {
	rows, err := s.(driver.StmtQueryContext).QueryContext(ctx, arguments)
	if err != nil {
		return err
	}
	row := c.row[:columns]
	for {
		if err = rows.Next(row); err != nil {
			break
		}
		use(row)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, rows.Close())
}

// execute runs a statement that returns no rows.
func execute(s driver.Stmt, arguments ...driver.NamedValue) error {
	_, err := s.(driver.StmtExecContext).ExecContext(ctx, arguments)
	return err
}

type sqliteEngine struct {
	dir    string
	o      options
	mu     sync.Mutex // held by whoever writes
	writer *sqliteConn
}

func openSQLite(dir string, o options) (Engine, error) {
	writer, err := connectSQLite(dir, o)
	return &sqliteEngine{dir: dir, o: o, writer: writer}, err
}

func (e *sqliteEngine) Write(keys, values [][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(keys) == 1 {
		return e.writer.change(keys, values)
	}
	return e.writer.inside(e.writer.begin, func() error { return e.writer.change(keys, values) })
}

func (e *sqliteEngine) BulkLoad(next func() (keys, values [][]byte)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.writer.inside(e.writer.begin, func() error {
		for keys, values := next(); len(keys) > 0; keys, values = next() {
			if err := e.writer.change(keys, values); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sync syncs the files: with synchronous OFF SQLite never does.
func (e *sqliteEngine) Sync() error {
	for _, name := range []string{sqlitePath(e.dir), sqlitePath(e.dir) + "-wal"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (e *sqliteEngine) Busy() (bool, error) { return false, nil }

func (e *sqliteEngine) Compact() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err := e.writer.ExecContext(ctx, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", nil)
	return err
}

func (e *sqliteEngine) Close() error { return e.writer.close() }

func (e *sqliteEngine) Reader(shared bool) (Reader, error) {
	conn, err := connectSQLite(e.dir, e.o)
	if err != nil {
		return nil, err
	}
	r := &sqliteReader{conn, shared}
	if shared {
		if err := execute(conn.beginView); err != nil {
			return nil, err
		}
		_, err = r.Get(afterEveryKey, func([]byte) {}) // the first read takes the snapshot
	}
	return r, err
}

type sqliteReader struct {
	conn   *sqliteConn
	shared bool
}

func (r *sqliteReader) Get(key []byte, use func([]byte)) (found bool, err error) {
	err = r.conn.query(r.conn.get, 1, func(row []driver.Value) {
		found = true
		value, _ := row[0].([]byte)
		use(value)
	}, driver.NamedValue{Ordinal: 1, Value: key})
	return found, err
}

func (r *sqliteReader) ScanKeys(use func(k []byte)) error {
	return r.conn.query(r.conn.keys, 1, func(row []driver.Value) {
		k, _ := row[0].([]byte)
		use(k)
	})
}

func (r *sqliteReader) Scan(from []byte, d direction, limit int, use func(k, v []byte)) error {
	statement := r.conn.up
	if d == backward {
		statement = r.conn.down
	}
	return r.conn.query(statement, 2, func(row []driver.Value) {
		k, _ := row[0].([]byte)
		v, _ := row[1].([]byte)
		use(k, v)
	}, driver.NamedValue{Ordinal: 1, Value: bound(from, d)}, driver.NamedValue{Ordinal: 2, Value: int64(limit)})
}

// bound is from, or what is before or after every key.
func bound(from []byte, d direction) []byte {
	switch {
	case from != nil:
		return from
	case d == forward:
		return []byte{}
	}
	return afterEveryKey
}

func (r *sqliteReader) Close() error {
	if r.shared {
		if err := execute(r.conn.commit); err != nil {
			return err
		}
	}
	return r.conn.close()
}

// sqliteBank is one connection.
type sqliteBank struct {
	mu   sync.Mutex // held by the transaction in progress
	conn *sqliteConn
}

func openSQLiteBank(dir string, o options) (Bank, error) {
	conn, err := connectSQLite(dir, o)
	return &sqliteBank{conn: conn}, err
}

func (b *sqliteBank) Update(fn func(BankTx) error) error {
	for {
		err := b.run(b.conn.begin, fn)
		if busy := (sqlite3.Error{}); !errors.As(err, &busy) || busy.Code != sqlite3.ErrBusy {
			return err
		}
	}
}

func (b *sqliteBank) View(fn func(BankTx) error) error { return b.run(b.conn.beginView, fn) }

func (b *sqliteBank) run(begin driver.Stmt, fn func(BankTx) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conn.inside(begin, func() error { return fn(sqliteTx{b.conn}) })
}

func (b *sqliteBank) Close() error { return b.conn.close() }

type sqliteTx struct{ conn *sqliteConn }

func (t sqliteTx) Get(key []byte) ([]byte, error) {
	var value []byte
	err := t.conn.query(t.conn.get, 1, func(row []driver.Value) { value, _ = row[0].([]byte) },
		driver.NamedValue{Ordinal: 1, Value: key})
	if err == nil && value == nil {
		err = errors.New("no such account")
	}
	return value, err
}

func (t sqliteTx) Put(key, value []byte) error {
	return execute(t.conn.put, driver.NamedValue{Ordinal: 1, Value: key}, driver.NamedValue{Ordinal: 2, Value: value})
}
