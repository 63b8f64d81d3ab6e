package lightningdb_test

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/kv"
)

// open opens a database in memory; the examples that follow work on a directory just the same.
func open() *lightningdb.DB {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		log.Fatal(err)
	}
	return db
}

func Example() {
	dir, err := os.MkdirTemp("", "lightning")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	db, err := lightningdb.Open(filepath.Join(dir, "data"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	// Once Put has returned nil, the value survives a power cut.
	if err := db.Put([]byte("greeting"), []byte("hello")); err != nil {
		log.Fatal(err)
	}
	value, err := db.Get([]byte("greeting"))
	fmt.Printf("%s %v\n", value, err)

	_, err = db.Get([]byte("farewell"))
	fmt.Println(errors.Is(err, lightningdb.ErrNotFound))
	// Output:
	// hello <nil>
	// true
}

func ExampleOpen() {
	// Opening a database that must exist already, without writing anything, not even a lock file's content.
	_, err := lightningdb.Open("no-such-directory", &lightningdb.Options{ReadOnly: true})
	fmt.Println(errors.Is(err, lightningdb.ErrNoDatabase))
	// Output: true
}

// words is a database that is part of this program. It was made once, by Open, Put and Close.
//
//go:embed testdata/shipped
var words embed.FS

func ExampleOpenFS() {
	db, err := lightningdb.OpenFS(words, "testdata/shipped", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for k, v := range db.Prefix([]byte("key001")).Limit(2).All() {
		fmt.Printf("%s: %s\n", k, v)
	}
	fmt.Println(errors.Is(db.Put([]byte("key"), nil), lightningdb.ErrReadOnly))
	// Output:
	// key0010: value 10
	// key0011: value 11
	// true
}

func ExampleDB_GetAppend() {
	db := open()
	defer db.Close()
	db.Put([]byte("a"), []byte("apple"))
	db.Put([]byte("b"), []byte("banana"))

	// One buffer for many reads: no allocation once it is large enough.
	var buf []byte
	for _, key := range []string{"a", "b"} {
		var err error
		if buf, err = db.GetAppend(buf[:0], []byte(key)); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", buf)
	}
	// Output:
	// apple
	// banana
}

func ExampleDB_Has() {
	db := open()
	defer db.Close()
	db.Put([]byte("a"), nil) // an empty value is a value
	present, _ := db.Has([]byte("a"))
	absent, _ := db.Has([]byte("b"))
	fmt.Println(present, absent)
	// Output: true false
}

func ExampleDB_Size() {
	db := open()
	defer db.Close()

	if err := db.Put([]byte("picture"), make([]byte, 100_000)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Size([]byte("picture")))
	// Output: 100000 <nil>
}

func ExampleDB_PutReader() {
	db := open()
	defer db.Close()

	var body io.Reader = strings.NewReader("a file, a request, whatever can be read")
	if err := db.PutReader(context.Background(), []byte("document"), body); err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Size([]byte("document")))
	// Output: 39 <nil>
}

func ExampleDB_ValueReader() {
	db := open()
	defer db.Close()

	if err := db.Put([]byte("document"), []byte("a long text, and its end")); err != nil {
		log.Fatal(err)
	}
	v, err := db.ValueReader(context.Background(), []byte("document"))
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	if err := db.Delete([]byte("document")); err != nil { // v stays what it was
		log.Fatal(err)
	}
	v.Seek(-7, io.SeekEnd)
	end, err := io.ReadAll(v)
	fmt.Printf("%d bytes, at the end: %s %v\n", v.Size(), end, err)
	// Output: 24 bytes, at the end: its end <nil>
}

func ExampleDB_Delete() {
	db := open()
	defer db.Close()
	db.Put([]byte("a"), []byte("apple"))
	db.Delete([]byte("a"))
	_, err := db.Get([]byte("a"))
	fmt.Println(err)
	// Output: key not found
}

func ExampleDB_Write() {
	db := open()
	defer db.Close()
	db.Put([]byte("balance/alice"), []byte("100"))

	// All of the batch or nothing of it, also after a crash.
	var b lightningdb.Batch
	b.Put([]byte("balance/alice"), []byte("70"))
	b.Put([]byte("balance/bob"), []byte("30"))
	if err := db.Write(&b); err != nil {
		log.Fatal(err)
	}
	for k, v := range db.Prefix([]byte("balance/")).All() {
		fmt.Printf("%s = %s\n", k, v)
	}
	// Output:
	// balance/alice = 70
	// balance/bob = 30
}

func ExampleBatch_SetDurability() {
	db := open()
	defer db.Close()

	// A cache entry need not wait for the disk: it survives a kill of the process at once, and a power cut within
	// Options.SyncInterval.
	var b lightningdb.Batch
	b.SetDurability(lightningdb.Process)
	b.Put([]byte("cache/1"), []byte("…"))
	fmt.Println(db.Write(&b))

	// Everything so far survives a power cut once Sync has returned.
	fmt.Println(db.Sync())
	// Output:
	// <nil>
	// <nil>
}

func ExampleDB_Update_contention() {
	db := open()
	defer db.Close()
	db.Put([]byte("stock"), lightningdb.AppendInt64(nil, 7))

	// Ten customers at once, seven pieces. Each transaction reads, decides and writes as if it were alone.
	errSoldOut := errors.New("sold out")
	buy := func(customer int) error {
		return db.Update(context.Background(), func(tx *lightningdb.Tx) error {
			value, err := tx.Get([]byte("stock"))
			if err != nil {
				return err
			}
			n, err := lightningdb.Int64(value)
			if err != nil {
				return err
			}
			if n == 0 {
				return errSoldOut // nothing is written
			}
			return errors.Join(
				tx.Put([]byte("stock"), lightningdb.AppendInt64(nil, n-1)),
				tx.Put(fmt.Appendf(nil, "order/%d", customer), nil))
		})
	}
	var customers sync.WaitGroup
	var refused atomic.Int64
	for i := range 10 {
		customers.Go(func() {
			if err := buy(i); errors.Is(err, errSoldOut) {
				refused.Add(1)
			}
		})
	}
	customers.Wait()

	orders := 0
	for range db.Prefix([]byte("order/")).Keys() {
		orders++
	}
	fmt.Println(orders, "sold,", refused.Load(), "refused")
	// Output: 7 sold, 3 refused
}

func ExampleDB_View() {
	db := open()
	defer db.Close()
	db.Put([]byte("x"), []byte("1"))
	db.Put([]byte("y"), []byte("2"))

	// Everything inside sees one state, whatever is written meanwhile.
	err := db.View(context.Background(), func(tx *lightningdb.Tx) error {
		x, err := tx.Get([]byte("x"))
		if err != nil {
			return err
		}
		db.Put([]byte("y"), []byte("changed"))
		y, err := tx.Get([]byte("y"))
		fmt.Printf("%s %s\n", x, y)
		return err
	})
	fmt.Println(err)
	// Output:
	// 1 2
	// <nil>
}

func ExampleDB_Snapshot() {
	db := open()
	defer db.Close()
	db.Put([]byte("page"), []byte("first version"))

	snap := db.Snapshot()
	defer snap.Close()
	db.Put([]byte("page"), []byte("second version"))

	old, _ := snap.Get([]byte("page"))
	newest, _ := db.Get([]byte("page"))
	fmt.Printf("%s, %s\n", old, newest)
	// Output: first version, second version
}

func ExampleDB_WaitDurable() {
	db := open()
	defer db.Close()

	var b lightningdb.Batch
	b.SetDurability(lightningdb.Process) // do not wait for the disk
	b.Put([]byte("job"), []byte("done"))
	if err := db.Write(&b); err != nil {
		log.Fatal(err)
	}
	// Other work goes here. Before the answer leaves the house:
	err := db.WaitDurable(context.Background(), b.Sequence())
	fmt.Println(b.Sequence(), err)
	// Output: 1 <nil>
}

func ExampleDB_At() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Retain: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.Put([]byte("page"), []byte("first version"))
	before := db.Metrics().Sequence
	db.Delete([]byte("page")) // by mistake

	past, err := db.At(before)
	if err != nil {
		log.Fatal(err)
	}
	defer past.Close()
	old, _ := past.Get([]byte("page"))
	db.Put([]byte("page"), old)
	fmt.Printf("%s\n", old)
	// Output: first version
}

func ExampleDB_Range() {
	db := open()
	defer db.Close()
	for _, k := range []string{"a", "b", "c", "d"} {
		db.Put([]byte(k), []byte("value of "+k))
	}
	r := db.Range([]byte("b"), []byte("d"))
	for k, v := range r.All() {
		fmt.Printf("%s: %s\n", k, v)
	}
	if err := r.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// b: value of b
	// c: value of c
}

func ExampleRange_Reverse() {
	db := open()
	defer db.Close()
	for _, k := range []string{"event/1", "event/2", "event/3"} {
		db.Put([]byte(k), nil)
	}
	// The two newest events, newest first.
	for k := range db.Prefix([]byte("event/")).Reverse().Limit(2).Keys() {
		fmt.Printf("%s\n", k)
	}
	// Output:
	// event/3
	// event/2
}

func ExampleRange_Cursor() {
	db := open()
	defer db.Close()
	for _, k := range []string{"ant", "bee", "cat"} {
		db.Put([]byte(k), nil)
	}
	c := db.Range(nil, nil).Cursor()
	defer c.Close()
	if c.Seek([]byte("b")) {
		fmt.Printf("first at or after b: %s\n", c.Key())
	}
	if c.Prev() {
		fmt.Printf("before it: %s\n", c.Key())
	}
	fmt.Println(c.Prev(), c.Err())
	// Output:
	// first at or after b: bee
	// before it: ant
	// false <nil>
}

func ExampleDB_Compact() {
	db := open()
	defer db.Close()
	for i := range 1000 {
		db.Put(fmt.Appendf(nil, "%04d", i), []byte("value"))
	}
	for i := range 990 {
		db.Delete(fmt.Appendf(nil, "%04d", i))
	}
	// The space of what was deleted returns by itself; this is for wanting it now.
	if err := db.Compact(context.Background(), nil, nil); err != nil {
		log.Fatal(err)
	}
	entries := uint64(0)
	for _, level := range db.Metrics().Levels {
		entries += level.Entries
	}
	fmt.Println(entries)
	// Output: 10
}

func ExampleDB_Recovery() {
	db := open()
	defer db.Close()
	r := db.Recovery()
	fmt.Println(r.Created, r.Operations, r.TornBytes)
	// Output: true 0 0
}

func ExampleDB_Verify() {
	db := open()
	defer db.Close()
	db.Put([]byte("a"), []byte("1"))
	db.Flush()
	fmt.Println(db.Verify(context.Background(), nil))
	// Output: <nil>
}

func ExampleDB_Metrics() {
	db := open()
	defer db.Close()
	db.Put([]byte("a"), []byte("1"))
	m := db.Metrics()
	fmt.Println(m.Commits, m.Operations, m.MemoryUsed <= m.MemoryLimit, m.BackgroundError)
	// Output: 1 1 true <nil>
}

func ExampleDB_Flush() {
	db := open()
	defer db.Close()
	db.Put([]byte("a"), []byte("1"))
	fmt.Println(db.Flush(), db.Metrics().Memtable.Entries)
	// Output: <nil> 0
}

func ExampleDB_Add() {
	db := open()
	defer db.Close()
	// Any number of goroutines may do this at once: nothing is read, so nothing can conflict.
	for range 3 {
		if err := db.Add([]byte("visits"), 1); err != nil {
			log.Fatal(err)
		}
	}
	value, err := db.Get([]byte("visits"))
	if err != nil {
		log.Fatal(err)
	}
	n, err := lightningdb.Int64(value)
	fmt.Println(n, err)

	// Setting a counter to a value is a put.
	err = db.Put([]byte("visits"), lightningdb.AppendInt64(nil, 100))
	fmt.Println(err)
	// Output:
	// 3 <nil>
	// <nil>
}

func ExampleBatch_Append() {
	db := open()
	defer db.Close()
	var b lightningdb.Batch
	b.Append([]byte("log"), []byte("started;"))
	b.Max([]byte("latest"), 1700000000)
	if err := db.Write(&b); err != nil {
		log.Fatal(err)
	}
	db.Append([]byte("log"), []byte("stopped;"))
	value, err := db.Get([]byte("log"))
	fmt.Printf("%s %v\n", value, err)
	// Output: started;stopped; <nil>
}

func ExampleOptions_merge() {
	// A set of single letters, kept sorted: an argument is a letter to put in.
	insert := func(_, old, letter []byte) ([]byte, error) {
		if bytes.Contains(old, letter) {
			return old, nil
		}
		set := append(bytes.Clone(old), letter...)
		slices.Sort(set)
		return set, nil
	}
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Merge: insert})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for _, letter := range "mississippi" {
		if err := db.Merge([]byte("letters"), []byte(string(letter))); err != nil {
			log.Fatal(err)
		}
	}
	letters, err := db.Get([]byte("letters"))
	fmt.Printf("%s %v\n", letters, err)
	// Output: imps <nil>
}

// Arguments are sets here too, so two of them are as good as their union.
func ExampleOptions_partialMerge() {
	union := func(a, b []byte) []byte {
		set := slices.Concat(a, b)
		slices.Sort(set)
		return slices.Compact(set)
	}
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true,
		Merge:        func(_, old, argument []byte) ([]byte, error) { return union(old, argument), nil },
		PartialMerge: func(_, older, newer []byte) ([]byte, bool) { return union(older, newer), true },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for _, word := range []string{"missis", "sippi"} {
		if err := db.Merge([]byte("letters"), []byte(word)); err != nil {
			log.Fatal(err)
		}
	}
	letters, err := db.Get([]byte("letters"))
	fmt.Printf("%s %v\n", letters, err)
	// Output: imps <nil>
}

func ExampleErrMerge() {
	db := open()
	defer db.Close()
	db.Put([]byte("name"), []byte("Ada"))
	fmt.Println(db.Add([]byte("name"), 1)) // it is not read now

	_, err := db.Get([]byte("name"))
	fmt.Println(errors.Is(err, lightningdb.ErrMerge))
	fmt.Println(err)
	// Output:
	// <nil>
	// true
	// get: merge cannot be applied: key "name": add on a value of 3 bytes, which is no integer
}

func ExampleDB_Update() {
	db := open()
	defer db.Close()
	db.Put([]byte("alice"), []byte("10"))
	db.Put([]byte("bob"), []byte("5"))

	// Both accounts change or none does, and nobody changes them in between: then the function runs again.
	err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		from, err := tx.Get([]byte("alice"))
		if err != nil {
			return err
		}
		to, err := tx.Get([]byte("bob"))
		if err != nil {
			return err
		}
		a, _ := strconv.Atoi(string(from))
		b, _ := strconv.Atoi(string(to))
		if a < 7 {
			return errors.New("not enough money") // nothing is written
		}
		return errors.Join(
			tx.Put([]byte("alice"), []byte(strconv.Itoa(a-7))),
			tx.Put([]byte("bob"), []byte(strconv.Itoa(b+7))),
		)
	})
	if err != nil {
		log.Fatal(err)
	}
	for k, v := range db.Range(nil, nil).All() {
		fmt.Printf("%s has %s\n", k, v)
	}
	// Output:
	// alice has 3
	// bob has 12
}

func ExampleDB_UpdateWith() {
	db := open()
	defer db.Close()

	// A report over many rows does not lose against those who write the rows: only "report" may not be written by another.
	o := lightningdb.TxOptions{Isolation: lightningdb.SnapshotIsolation, Durability: lightningdb.Process}
	err := db.UpdateWith(context.Background(), o, func(tx *lightningdb.Tx) error {
		rows, n := tx.Prefix([]byte("row/")), 0
		for range rows.Keys() {
			n++
		}
		return errors.Join(rows.Err(), tx.Put([]byte("report"), fmt.Append(nil, n)))
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleDB_Begin() {
	db := open()
	defer db.Close()

	tx, err := db.Begin(context.Background(), lightningdb.TxOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback() // after a Commit it does nothing

	_, err = tx.Get([]byte("leader"))
	fmt.Println("nobody leads:", errors.Is(err, lightningdb.ErrNotFound))
	db.Put([]byte("leader"), []byte("another")) // somebody is faster
	tx.Put([]byte("leader"), []byte("me"))

	// What was looked for in vain must still not be there.
	fmt.Println("too late:", errors.Is(tx.Commit(), lightningdb.ErrConflict))
	// Output:
	// nobody leads: true
	// too late: true
}

func ExampleTx_GetForUpdate() {
	db := open()
	defer db.Close()
	db.Put([]byte("next"), []byte("1"))

	// Many goroutines draw numbers. With the lock they take turns; with Get they would run again and again.
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
				v, err := tx.GetForUpdate([]byte("next"))
				if err != nil {
					return err
				}
				n, _ := strconv.Atoi(string(v))
				return tx.Put([]byte("next"), []byte(strconv.Itoa(n+1)))
			})
			if err != nil {
				log.Print(err)
			}
		})
	}
	wg.Wait()
	next, _ := db.Get([]byte("next"))
	fmt.Printf("%s\n", next)
	// Output: 11
}

func ExampleTx_Savepoint() {
	db := open()
	defer db.Close()
	err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		tx.Put([]byte("order"), []byte("one book"))
		before, err := tx.Savepoint()
		if err != nil {
			return err
		}
		tx.Put([]byte("order"), []byte("two books"))
		return tx.RollbackTo(before) // as if the second Put had not been
	})
	order, _ := db.Get([]byte("order"))
	fmt.Printf("%s, %v\n", order, err)
	// Output: one book, <nil>
}

func ExampleTx_Update() {
	db := open()
	defer db.Close()

	// An import that skips bad rows: what a row wrote before it failed is taken back, the others are committed together.
	err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		for _, row := range []string{"ann=1", "bad", "bob=2"} {
			err := tx.Update(func(tx *lightningdb.Tx) error {
				k, v, found := strings.Cut(row, "=")
				if err := tx.Put([]byte(k), []byte(v)); err != nil {
					return err
				}
				if !found {
					return errors.New("a row has no value")
				}
				return nil
			})
			if err != nil {
				fmt.Printf("skipped %q: %v\n", row, err)
			}
		}
		return nil
	})
	for k := range db.Range(nil, nil).Keys() {
		fmt.Printf("%s\n", k)
	}
	fmt.Println(err)
	// Output:
	// skipped "bad": a row has no value
	// ann
	// bob
	// <nil>
}

func ExampleTx_OnCommit() {
	db := open()
	defer db.Close()

	// The function may run several times. What must happen once belongs here.
	err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		return errors.Join(
			tx.Put([]byte("mail"), []byte("sent")),
			tx.OnCommit(func(uint64) { fmt.Println("sending the mail") }),
		)
	})
	fmt.Println(err)
	// Output:
	// sending the mail
	// <nil>
}

func ExampleTx_SetDurability() {
	db := open()
	defer db.Close()

	// Only this transaction finds out whether it is worth a sync.
	err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		if _, err := tx.Get([]byte("paid")); errors.Is(err, lightningdb.ErrNotFound) {
			if err := tx.SetDurability(lightningdb.Process); err != nil {
				return err
			}
		}
		return tx.Put([]byte("seen"), []byte("now"))
	})
	fmt.Println(err)
	// Output: <nil>
}

// A report reads the database of a service that is running; here both are one process.
func ExampleOpenFollower() {
	dir, err := os.MkdirTemp("", "lightning")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	service, err := lightningdb.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	if err := service.Put([]byte("visitors"), []byte("41")); err != nil {
		log.Fatal(err)
	}

	report, err := lightningdb.OpenFollower(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer report.Close()
	if err := service.Put([]byte("visitors"), []byte("42")); err != nil {
		log.Fatal(err)
	}
	if err := report.Refresh(context.Background()); err != nil { // by itself it would do so within a second
		log.Fatal(err)
	}
	value, err := report.Get([]byte("visitors"))
	fmt.Printf("%s at %d, %v\n", value, report.Sequence(), err)
	// Output: 42 at 2, <nil>
}

// A cache keeps what fits: it deletes its oldest entries when the disk limit refuses the newest.
func ExampleOptions_diskLimit() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, DiskLimit: 64 << 20,
		Compression: lightningdb.NoCompression, Durability: lightningdb.Process})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	page := make([]byte, 100<<10)
	key := func(n int) []byte { return fmt.Appendf(nil, "page%06d", n) }
	oldest := 0
	for n := range 2000 {
		err := db.Put(key(n), page)
		for errors.Is(err, lightningdb.ErrNoSpace) && oldest < n { // a delete is accepted all the same
			if err := db.Delete(key(oldest)); err != nil {
				log.Fatal(err)
			}
			oldest++
			err = db.Put(key(n), page)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	m := db.Metrics()
	_, err = db.Get(key(1999))
	fmt.Println(oldest > 0, m.DiskBytes <= m.Disk.Limit, err)
	// Output: true true <nil>
}

// A monitor asks a running database how it is.
func ExampleFollower_Writer() {
	dir, err := os.MkdirTemp("", "lightning")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	service, err := lightningdb.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	monitor, err := lightningdb.OpenFollower(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer monitor.Close()
	writer, err := monitor.Writer()
	for errors.Is(err, lightningdb.ErrNoWriter) { // it tells something within a second of Open
		time.Sleep(time.Millisecond)
		writer, err = monitor.Writer()
	}
	fmt.Println(writer.Pid == os.Getpid(), writer.Metrics.Stall.Count, writer.Metrics.BackgroundError, err)
	// Output: true 0 <nil> <nil>
}

// A copy before something risky; both go on by themselves.
func ExampleDB_Checkpoint() {
	dir, err := os.MkdirTemp("", "lightning")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := lightningdb.Open(filepath.Join(dir, "orders"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if err := db.Put([]byte("format"), []byte("1")); err != nil {
		log.Fatal(err)
	}
	before := filepath.Join(dir, "before-the-migration")
	seq, err := db.Checkpoint(context.Background(), before, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := db.Put([]byte("format"), []byte("2")); err != nil {
		log.Fatal(err)
	}
	old, err := lightningdb.Open(before, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer old.Close()
	format, err := old.Get([]byte("format"))
	fmt.Printf("commit %d: format %s, %v\n", seq, format, err)
	// Output: commit 1: format 1, <nil>
}

// A page of a prefix begins where the last one ended, in either direction.
func ExampleRange_From() {
	db := open()
	defer db.Close()
	for _, k := range []string{"fruit/apple", "fruit/cherry", "fruit/plum", "vegetable/leek"} {
		if err := db.Put([]byte(k), nil); err != nil {
			fmt.Println(err)
		}
	}
	for k := range db.Prefix([]byte("fruit/")).From([]byte("fruit/banana")).Keys() {
		fmt.Printf("%s ", k)
	}
	for k := range db.Prefix([]byte("fruit/")).Reverse().From([]byte("fruit/banana")).Keys() {
		fmt.Printf("%s ", k)
	}
	// Output: fruit/cherry fruit/plum fruit/apple
}

// What a batch collects can be read, in its order.
func ExampleBatch_All() {
	var b lightningdb.Batch
	b.Grow(64) // about what follows takes: no growth in steps
	b.Put([]byte("name"), []byte("Ada"))
	b.Add([]byte("visits"), 2)
	b.Delete([]byte(""))
	for op := range b.All() {
		fmt.Printf("%s %q %d bytes\n", op.Kind, op.Key, len(op.Value))
	}
	var again lightningdb.Batch
	fmt.Println(b.Err(), kv.Replay(&again, &b), again.Len())
	// Output:
	// put "name" 3 bytes
	// add "visits" 8 bytes
	// delete "" 0 bytes
	// <nil> <nil> 3
}

// Buckets have keys of their own, are nested, and go with all that is in them.
func ExampleDB_CreateBucket() {
	db := open()
	defer db.Close()
	for _, path := range [][]string{{"app"}, {"app", "users"}, {"app", "sessions"}} {
		if _, err := db.CreateBucket(path...); err != nil {
			log.Fatal(err)
		}
	}
	users, err := db.Bucket("app", "users")
	if err != nil {
		log.Fatal(err)
	}
	if err := users.Put([]byte("17"), []byte("Ada")); err != nil {
		log.Fatal(err)
	}
	_, err = db.Get([]byte("17")) // the key of a bucket is no key of the root
	fmt.Println(errors.Is(err, lightningdb.ErrNotFound))
	if err := db.DropBucket("app", "sessions"); err != nil { // a gigabyte or nothing: one small commit
		log.Fatal(err)
	}
	if err := db.MoveBucket([]string{"app", "users"}, []string{"users"}); err != nil {
		log.Fatal(err)
	}
	name, err := users.Get([]byte("17")) // a handle goes with its bucket
	fmt.Printf("%s %v\n", name, err)
	for name, err := range db.Buckets() {
		fmt.Println(name, err)
	}
	// Output:
	// true
	// Ada <nil>
	// app <nil>
	// users <nil>
}

// Of a transaction, a bucket is part of it: the number and the row under it are one commit.
func ExampleBucket_NextSequence() {
	db := open()
	defer db.Close()
	if _, err := db.CreateBucket("orders"); err != nil {
		log.Fatal(err)
	}
	for _, what := range []string{"tea", "milk"} {
		err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
			orders, err := tx.Bucket("orders")
			if err != nil {
				return err
			}
			n, err := orders.NextSequence()
			if err != nil {
				return err
			}
			return orders.Put(fmt.Appendf(nil, "%08d", n), []byte(what))
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	orders, err := db.Bucket("orders")
	if err != nil {
		log.Fatal(err)
	}
	all := orders.Range(nil, nil)
	for k, v := range all.All() {
		fmt.Printf("%s %s\n", k, v)
	}
	fmt.Println(all.Err())
	// Output:
	// 00000001 tea
	// 00000002 milk
	// <nil>
}

// A session ends by itself, unless it is renewed.
func ExampleDB_PutUntil() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	session := []byte("session/7f3a")
	if err := db.PutUntil(session, []byte("ada"), db.Now().Add(30*time.Minute)); err != nil {
		panic(err)
	}
	err = db.Update(context.Background(), func(tx *lightningdb.Tx) error { // each request renews it
		who, err := tx.Get(session)
		if err != nil {
			return err // lightningdb.ErrNotFound: it has ended
		}
		return tx.PutUntil(session, who, db.Now().Add(time.Hour))
	})
	if err != nil {
		panic(err)
	}
	end, err := db.Expiry(session)
	fmt.Println(end.Sub(db.Now()) > 59*time.Minute, err)
	err = db.PutUntil(session, nil, db.Now()) // which is over at once
	if err != nil {
		panic(err)
	}
	_, err = db.Get(session)
	fmt.Println(errors.Is(err, lightningdb.ErrNotFound))
	// Output:
	// true <nil>
	// true
}

// No two users have one e-mail address, and a user is found by it.
func ExampleBucket_Index() {
	byMail := lightningdb.Index{Bucket: []string{"users"}, Name: "mail", Version: 1, Unique: true,
		Keys: func(_, value []byte, yield func(indexKey []byte)) {
			if mail, _, ok := bytes.Cut(value, []byte(" ")); ok {
				yield(mail)
			}
		}}
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Indexes: []lightningdb.Index{byMail}})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	users, err := db.CreateBucket("users")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(users.Put([]byte("1"), []byte("ann@example.org Ann")))
	err = users.Put([]byte("2"), []byte("ann@example.org Bob"))
	var unique *lightningdb.UniqueError
	if errors.As(err, &unique) {
		fmt.Printf("user %s has %s\n", unique.Key, unique.IndexKey)
	}
	id, user, err := users.Index("mail").Get([]byte("ann@example.org"))
	fmt.Printf("%s: %s %v\n", id, user, err)
	// Output:
	// <nil>
	// user 1 has ann@example.org
	// 1: ann@example.org Ann <nil>
}

// A row has as many index keys as its function yields.
func ExampleBucket_Index_tags() {
	byTag := lightningdb.Index{Bucket: []string{"notes"}, Name: "tag", Version: 1,
		Keys: func(_, value []byte, yield func(indexKey []byte)) {
			for _, word := range strings.Fields(string(value)) {
				if tag, ok := strings.CutPrefix(word, "#"); ok {
					yield([]byte(tag))
				}
			}
		}}
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Indexes: []lightningdb.Index{byTag}})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	notes, err := db.CreateBucket("notes")
	if err != nil {
		log.Fatal(err)
	}
	for id, note := range []string{"bread #shop", "call Ann #phone #work", "milk #shop"} {
		if err := notes.Put(fmt.Append(nil, id), []byte(note)); err != nil {
			log.Fatal(err)
		}
	}
	shop := notes.Index("tag").Equal([]byte("shop"))
	for id, note := range shop.All() {
		fmt.Printf("%s: %s\n", id, note)
	}
	tags := notes.Index("tag").Range(nil, nil)
	for tag, id := range tags.Keys() {
		fmt.Printf("%s/%s ", tag, id)
	}
	fmt.Println(errors.Join(shop.Err(), tags.Err()))
	// Output:
	// 0: bread #shop
	// 2: milk #shop
	// phone/1 shop/0 shop/2 work/1 <nil>
}

// What an index covers is read without the rows, however long these are.
func ExampleBucket_Index_covering() {
	byAuthor := lightningdb.Index{Bucket: []string{"books"}, Name: "author", Version: 1,
		Keys: func(_, value []byte, yield func(indexKey []byte)) {
			author, _, _ := bytes.Cut(value, []byte("\n"))
			yield(author)
		},
		Cover: func(_, value []byte) []byte { // the title
			return bytes.SplitN(value, []byte("\n"), 3)[1]
		}}
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Indexes: []lightningdb.Index{byAuthor}})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	books, err := db.CreateBucket("books")
	if err != nil {
		log.Fatal(err)
	}
	text := strings.Repeat("words ", 1000)
	for id, head := range []string{"Woolf\nOrlando\n", "Defoe\nRoxana\n", "Woolf\nThe Waves\n"} {
		if err := books.Put(fmt.Append(nil, id), []byte(head+text)); err != nil {
			log.Fatal(err)
		}
	}
	woolf := books.Index("author").Equal([]byte("Woolf"))
	for id, title := range woolf.Covers() {
		fmt.Printf("%s: %s\n", id, title)
	}
	fmt.Println(woolf.Err())
	// Output:
	// 0: Orlando
	// 2: The Waves
	// <nil>
}
