package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
)

// TestMain lets this program be the process that measures.
func TestMain(m *testing.M) {
	if text, ok := jobArgument(os.Args[1:]); ok {
		if err := measure(text, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// What is measured is worth nothing if a driver does something else than its peers'.
func TestEngines_conform(t *testing.T) {
	for _, k := range kinds() {
		if k.open == nil {
			continue
		}
		for _, sync := range []bool{false, true} {
			if k.volatile && sync {
				continue
			}
			t.Run(fmt.Sprintf("%s/sync=%v", k.name, sync), func(t *testing.T) {
				o := options{sync: sync, writers: 1, memory: 32 << 20}
				c := &conformance{t: t, kind: k, dir: t.TempDir(), options: o, data: newData(10, valueSize, false)}
				c.open()
				defer func() { c.close() }()
				c.writesAreRead()
				c.removedIsGone()
				c.snapshotStays()
				c.outlivesReopening()
				c.outlivesCompaction()
			})
		}
	}
}

// conformance is a database with the rows [0, conformingRows), written in several ways.
type conformance struct {
	t       *testing.T
	kind    kind
	dir     string
	options options
	data    *data
	engine  Engine
	rows    []uint64 // in the order of their keys
}

const conformingRows = 500

func (c *conformance) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *conformance) open() {
	c.t.Helper()
	e, err := c.kind.open(c.dir, c.options)
	c.must(err)
	c.engine = e
}

func (c *conformance) close() {
	c.t.Helper()
	c.must(c.engine.Close())
}

func (c *conformance) writesAreRead() {
	c.t.Helper()
	c.bulkLoad(100)
	b := newBatch(100)
	b.fill(c.data, 100, 1)
	c.must(c.engine.Write(b.keys, b.values))
	for from := uint64(101); from < conformingRows; from += 100 {
		b.fill(c.data, from, int(min(100, conformingRows-from)))
		c.must(c.engine.Write(b.keys, b.values))
	}
	c.must(c.engine.Sync())
	if _, err := c.engine.Busy(); err != nil {
		c.t.Fatal(err)
	}
	for _, i := range c.data.ordered(conformingRows).rows {
		c.rows = append(c.rows, uint64(i))
	}
	c.check()
}

func (c *conformance) bulkLoad(n int) {
	c.t.Helper()
	b, from := newBatch(30), 0
	next := func() (keys, values [][]byte) {
		b.fill(c.data, uint64(from), min(30, n-from))
		from += len(b.keys)
		return b.keys, b.values
	}
	if e, ok := c.engine.(bulkLoader); ok {
		c.must(e.BulkLoad(next))
		return
	}
	for keys, values := next(); len(keys) > 0; keys, values = next() {
		c.must(c.engine.Write(keys, values))
	}
}

// removedIsGone removes one row, then several, and changes one.
func (c *conformance) removedIsGone() {
	c.t.Helper()
	var keys [][]byte
	for i := uint64(0); i < conformingRows; i += 7 {
		keys = append(keys, c.data.key(nil, i))
	}
	c.must(c.engine.Write(keys[:1], nil))
	c.must(c.engine.Write(keys[1:], nil))
	c.rows = slices.DeleteFunc(c.rows, func(i uint64) bool { return i%7 == 0 })
	b := newBatch(1)
	changed := c.rows[len(c.rows)/2]
	c.rows[len(c.rows)/2] = changed | 1<<versionShift
	b.set(c.data, 0, c.rows[len(c.rows)/2])
	c.must(c.engine.Write(b.keys, b.values))
	c.check()
}

// snapshotStays writes under a shared reader, which must not see it; one that is not shared must.
func (c *conformance) snapshotStays() {
	c.t.Helper()
	if c.kind.volatile {
		return // its readers see one state because nobody writes meanwhile
	}
	shared, own := c.reader(true), c.reader(false)
	b := newBatch(1)
	b.fill(c.data, 0, 1)
	c.must(c.engine.Write(b.keys, b.values))
	for at, reader := range []Reader{shared, own} {
		if found, err := reader.Get(b.keys[0], func([]byte) {}); err != nil || found != (at == 1) {
			c.t.Errorf("a row that was written later, reader %d: found %v, %v", at, found, err)
		}
	}
	c.must(errors.Join(shared.Close(), own.Close()))
	c.must(c.engine.Write(b.keys, nil))
}

func (c *conformance) outlivesReopening() {
	c.t.Helper()
	if c.kind.volatile {
		return
	}
	c.close()
	c.open()
	c.check()
}

func (c *conformance) outlivesCompaction() {
	c.t.Helper()
	err := c.engine.Compact()
	if errors.Is(err, errUnsupported) {
		return
	}
	c.must(err)
	c.check()
	c.outlivesReopening()
}

func (c *conformance) reader(shared bool) Reader {
	c.t.Helper()
	r, err := c.engine.Reader(shared)
	c.must(err)
	return r
}

// check reads and scans everything, in all ways.
func (c *conformance) check() {
	c.t.Helper()
	for _, shared := range []bool{true, false} {
		r := c.reader(shared)
		c.gets(r)
		for _, d := range []direction{forward, backward} {
			c.scan(r, nil, d, -1, c.walk(0, len(c.rows), d))
			c.scan(r, nil, d, 3, c.walk(0, len(c.rows), d)[:3])
			middle := len(c.rows) / 2
			c.scan(r, c.data.key(nil, rowOf(c.rows[middle])), d, 130, c.expected(middle, d, 130))
			c.scan(r, c.data.key(nil, absentRows), d, 10, c.expected(c.place(absentRows), d, 10))
			c.scan(r, afterEveryKey, d, 2, c.expected(len(c.rows), d, 2))
			c.scan(r, []byte{0}, d, 2, c.expected(0, d, 2))
		}
		c.scanKeys(r)
		c.must(r.Close())
	}
}

func (c *conformance) gets(r Reader) {
	c.t.Helper()
	var want []byte
	for _, i := range c.rows {
		want = c.data.value(want, i)
		same := false
		found, err := r.Get(c.data.key(nil, rowOf(i)), func(v []byte) { same = string(v) == string(want) })
		if err != nil || !found || !same {
			c.t.Fatalf("row %d: found %v, equal %v, %v", i, found, same, err)
		}
	}
	for _, absent := range []uint64{absentRows, 7 * conformingRows} {
		found, err := r.Get(c.data.key(nil, absent), func([]byte) {})
		if err != nil || found {
			c.t.Fatalf("row %d, which is absent: found %v, %v", absent, found, err)
		}
	}
}

// place is where the row would be in the order.
func (c *conformance) place(row uint64) int {
	key := string(c.data.key(nil, row))
	at := slices.IndexFunc(c.rows, func(i uint64) bool { return string(c.data.key(nil, rowOf(i))) >= key })
	if at < 0 {
		return len(c.rows)
	}
	return at
}

// expected are the rows that a scan from the place finds.
func (c *conformance) expected(place int, d direction, limit int) []uint64 {
	if d == backward {
		return c.walk(max(0, place-limit), place, d)
	}
	return c.walk(place, min(place+limit, len(c.rows)), d)
}

func (c *conformance) walk(from, to int, d direction) []uint64 {
	rows := slices.Clone(c.rows[from:to])
	if d == backward {
		slices.Reverse(rows)
	}
	return rows
}

func (c *conformance) scan(r Reader, from []byte, d direction, limit int, want []uint64) {
	c.t.Helper()
	var got []uint64
	memory := newBatch(1)
	err := r.Scan(from, d, limit, func(k, v []byte) {
		i, ok := c.data.isRow(k, v, memory)
		if !ok {
			c.t.Errorf("%x: %x is no row", k, v)
		}
		got = append(got, i)
	})
	if errors.Is(err, errUnsupported) {
		return
	}
	c.must(err)
	if !slices.Equal(got, want) {
		c.t.Errorf("scan from %x, direction %d, limit %d: rows %v, want %v", from, d, limit, got, want)
	}
}

func (c *conformance) scanKeys(r Reader) {
	c.t.Helper()
	n := 0
	err := r.ScanKeys(func(k []byte) {
		if n >= len(c.rows) || string(k) != string(c.data.key(nil, rowOf(c.rows[n]))) {
			c.t.Errorf("key %d is %x", n, k)
		}
		n++
	})
	if errors.Is(err, errUnsupported) {
		return
	}
	c.must(err)
	if n != len(c.rows) {
		c.t.Errorf("%d keys of %d", n, len(c.rows))
	}
}

// A bank that loses money, or commits half a transfer, is faster.
func TestBanks_conform(t *testing.T) {
	for _, k := range kinds() {
		for mode, open := range map[string]openBank{"": k.bank, "locking": k.lockingBank} {
			if open == nil {
				continue
			}
			t.Run(k.name+mode, func(t *testing.T) {
				bank, err := open(t.TempDir(), options{writers: tellers, memory: 32 << 20})
				if err != nil {
					t.Fatal(err)
				}
				key := []byte("account")
				put := func(value string) func(BankTx) error {
					return func(tx BankTx) error { return tx.Put(key, []byte(value)) }
				}
				failure := errors.New("changed its mind")
				if err := bank.Update(put("12345678")); err != nil {
					t.Fatal(err)
				}
				err = bank.Update(func(tx BankTx) error { return errors.Join(put("87654321")(tx), failure) })
				if !errors.Is(err, failure) {
					t.Errorf("a failed transaction returned %v", err)
				}
				err = bank.View(func(tx BankTx) error {
					value, err := tx.Get(key)
					if string(value) != "12345678" {
						t.Errorf("read %q", value)
					}
					return err
				})
				if err := errors.Join(err, bank.Close()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
