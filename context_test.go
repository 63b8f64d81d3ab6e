package lightningdb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/transaction"
)

// A request that was given up would go on to read a slow medium, page after page, for all that it was asked for: or for
// nothing but what was deleted.
func TestContext_endsAWalkBeforeTheNextPage(t *testing.T) {
	disk := memfs.New()
	fillPages(t, disk)
	for name, walk := range contextWalks {
		for _, run := range []struct {
			name string
			do   func(*DB, context.Context, func(*Tx) error) error
		}{{"View", (*DB).View}, {"Update", (*DB).Update}} {
			t.Run(name+" in "+run.name, func(t *testing.T) {
				ended := 0
				for n := 1; ; n += 1 + n/16 {
					left, err := walkUntil(t, disk.Kill(), n, run.do, walk)
					if left < 0 {
						break
					}
					ended++
					if left > opening-1 || !errors.Is(err, context.Canceled) {
						t.Errorf("ended at read %d: %d more reads, %v", n, left, err)
					}
				}
				if ended < 3 {
					t.Errorf("it was ended %d times", ended)
				}
			})
		}
	}
}

// A program that opens a cursor or loop with a context that has ended would get an error of something inside.
func TestContext_endedBeforeAWalkSaysSo(t *testing.T) {
	db := openMemory(t)
	for range 3 { // each a run of its own
		if err := errors.Join(db.Put([]byte{0x80}, []byte("value")), db.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	for _, run := range []func(context.Context, func(*Tx) error) error{db.View, db.Update} {
		for name, walk := range contextWalks {
			ctx, cancel := context.WithCancel(t.Context())
			err := run(ctx, func(tx *Tx) error {
				cancel()
				if err := walk(tx); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", name, err)
				}
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the transaction ended with %v", name, err)
			}
		}
	}
}

// lateContext has ended before anybody who waits for that is told: on a busy machine any context may seem so.
type lateContext struct {
	context.Context
	ended atomic.Bool
}

func (c *lateContext) Err() error {
	if c.ended.Load() {
		return context.Canceled
	}
	return c.Context.Err()
}

// A request that was given up in the middle of a loop would go on to read large values, of which a leaf names many.
func TestContext_endsAWalkBeforeTheNextLargeValue(t *testing.T) {
	files := errfs.New(memfs.New())
	db, err := Open("", &Options{fs: files, MemoryLimit: 10 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range 50 {
		mustPut(t, db, fmt.Sprintf("large/%03d", i), string(make([]byte, 64<<10)))
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	var reads atomic.Int32
	files.SetRules(errfs.On(errfs.Read).Named("*.tbl").Call(func(errfs.Op) { reads.Add(1) }))
	for name, walk := range map[string]func(tx *Tx, each func()) error{
		"All":  func(tx *Tx, each func()) error { return loopOver(tx.Range(nil, nil), each) },
		"back": func(tx *Tx, each func()) error { return loopOver(tx.Range(nil, nil).Reverse(), each) },
		"Cursor": func(tx *Tx, each func()) error {
			c := tx.Range(nil, nil).Cursor()
			defer c.Close()
			for ok := c.First(); ok; ok = c.Next() {
				if c.Value() != nil {
					each()
				}
			}
			return c.Err()
		},
		"Value of a cursor that stands": func(tx *Tx, each func()) error {
			c := tx.Range(nil, nil).Cursor()
			defer c.Close()
			for ok := c.First(); ok; ok = c.Next() {
				each()
				c.Value()
			}
			return c.Err()
		},
	} {
		for _, run := range []func(context.Context, func(*Tx) error) error{db.View, db.Update} {
			ctx := &lateContext{}
			var cancel context.CancelFunc
			ctx.Context, cancel = context.WithCancel(t.Context())
			shown, before := 0, int32(-1)
			err := run(ctx, func(tx *Tx) error {
				return walk(tx, func() {
					if shown++; shown == 3 {
						ctx.ended.Store(true)
						before = reads.Load()
					}
				})
			})
			if !errors.Is(err, context.Canceled) || shown != 3 || reads.Load() != before {
				t.Errorf("%s: %d entries, %d reads after the end, %v", name, shown, reads.Load()-before, err)
			}
			cancel()
		}
	}
}

func loopOver(r *Range, each func()) error {
	for range r.All() {
		each()
	}
	return r.Err()
}

// opening is how many reads it takes to open a table. A reader that has begun finishes it: others may be waiting for
// the table.
const opening = 3

// contextWalks walk everything. After them the error of the transaction says whether they came to the end.
var contextWalks = map[string]func(*Tx) error{
	"All":  func(tx *Tx) error { return walkAll(tx.Range(nil, nil)) },
	"back": func(tx *Tx) error { return walkAll(tx.Range(nil, nil).Reverse()) },
	"Cursor": func(tx *Tx) error {
		c := tx.Range(nil, nil).Cursor()
		defer c.Close()
		for ok := c.First(); ok; ok = c.Next() {
			c.Value()
		}
		return c.Err()
	},
	"Seek": func(tx *Tx) error {
		c := tx.Range(nil, nil).Cursor()
		defer c.Close()
		for i := 0; i < 3000 && c.Err() == nil; i += 50 {
			c.Seek(fmt.Appendf(nil, "live/%06d", i))
		}
		return c.Err()
	},
}

func walkAll(r *Range) error { return loopOver(r, func() {}) }

// fillPages writes tables of many pages: of entries, and of tombstones over what was deleted.
func fillPages(t *testing.T, disk *memfs.FS) {
	db, err := Open("", &Options{fs: disk, MemoryLimit: 10 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, 200)
	for _, step := range []func(*Batch, int){
		func(b *Batch, i int) { b.Put(fmt.Appendf(nil, "dead/%06d", i), value) },
		func(b *Batch, i int) { b.Delete(fmt.Appendf(nil, "dead/%06d", i)) },
		func(b *Batch, i int) { b.Put(fmt.Appendf(nil, "live/%06d", i), value) },
	} {
		var b Batch
		for i := range 3000 {
			step(&b, i)
		}
		if err := errors.Join(db.Write(&b), db.Flush()); err != nil {
			t.Fatal(err)
		}
		defer db.Snapshot().Close() // or a flush would drop what is deleted
	}
}

// walkUntil opens the database and walks in a transaction whose context ends at the nth read of a table. left is how
// many reads came after it, -1 if there were fewer.
func walkUntil(t *testing.T, disk *memfs.FS, n int,
	run func(*DB, context.Context, func(*Tx) error) error, walk func(*Tx) error) (left int, err error) {
	files := errfs.New(disk)
	db, err := Open("", &Options{fs: files, MemoryLimit: 10 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var tx *Tx
	var reads atomic.Int32
	at := -1
	files.SetRules(errfs.On(errfs.Read).Named("*.tbl").Call(func(errfs.Op) { reads.Add(1) }),
		errfs.On(errfs.Read).Named("*.tbl").Nth(n).Call(func(errfs.Op) {
			at = int(reads.Load())
			cancel()
			interrupt := tx.watchOf()
			for interrupt.Err() == nil { // the context tells of its end in another goroutine
				runtime.Gosched()
			}
		}))
	err = run(db, ctx, func(t *Tx) error { tx = t; return walk(t) })
	if at < 0 {
		return -1, err
	}
	return int(reads.Load()) - at, err
}

func (tx *Tx) watchOf() *transaction.Watch {
	if tx.body.Writer != nil {
		return tx.body.Writer.Watch()
	}
	return tx.body.Reader.Watch()
}
