//go:build cgo

package main

import (
	"database/sql/driver"
	"errors"
)

// sqlitePeople is a table with two indexes, on one connection.
type sqlitePeople struct {
	conn                 *sqliteConn
	put, get, find, scan driver.Stmt
}

func openSQLitePeople(dir string, o options) (People, error) {
	conn, err := connectSQLite(dir, o)
	if err != nil {
		return nil, err
	}
	t := &sqlitePeople{conn: conn}
	_, err = conn.ExecContext(ctx, "CREATE TABLE people (id BLOB PRIMARY KEY, address BLOB UNIQUE, year INTEGER, "+
		"rest BLOB) WITHOUT ROWID; CREATE INDEX by_year ON people (year)", nil)
	for _, s := range []struct {
		to   *driver.Stmt
		text string
	}{
		{&t.put, "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?)"},
		{&t.get, "SELECT rest FROM people WHERE id = ?"},
		{&t.find, "SELECT rest FROM people WHERE address = ?"},
		{&t.scan, "SELECT rest FROM people WHERE year >= ? ORDER BY year LIMIT ?"},
	} {
		if err != nil {
			break
		}
		var statement driver.Stmt
		if statement, err = conn.Prepare(s.text); err == nil {
			*s.to = statement
			conn.statements = append(conn.statements, statement)
		}
	}
	if err != nil {
		return nil, errors.Join(err, conn.close())
	}
	return t, nil
}

// Put leaves it to SQLite to refuse an address that another person has: OR REPLACE would remove that person, which
// does not happen here, where each has its own.
func (t *sqlitePeople) Put(p *person) error {
	return execute(t.put, driver.NamedValue{Ordinal: 1, Value: p.id}, driver.NamedValue{Ordinal: 2, Value: p.address},
		driver.NamedValue{Ordinal: 3, Value: int64(p.year)}, driver.NamedValue{Ordinal: 4, Value: p.rest})
}

func (t *sqlitePeople) Get(id []byte, use func([]byte)) (bool, error) { return t.one(t.get, id, use) }

func (t *sqlitePeople) Find(address []byte, use func([]byte)) (bool, error) {
	return t.one(t.find, address, use)
}

func (t *sqlitePeople) one(s driver.Stmt, by []byte, use func([]byte)) (found bool, err error) {
	err = t.conn.query(s, 1, func(row []driver.Value) {
		found = true
		rest, _ := row[0].([]byte)
		use(rest)
	}, driver.NamedValue{Ordinal: 1, Value: by})
	return found, err
}

func (t *sqlitePeople) Scan(year uint16, limit int, use func([]byte)) error {
	return t.conn.query(t.scan, 1, func(row []driver.Value) {
		rest, _ := row[0].([]byte)
		use(rest)
	}, driver.NamedValue{Ordinal: 1, Value: int64(year)}, driver.NamedValue{Ordinal: 2, Value: int64(limit)})
}

func (t *sqlitePeople) Close() error { return t.conn.close() }
