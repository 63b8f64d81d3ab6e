package kv_test

import (
	"context"
	"fmt"

	"lightningdb"
	"lightningdb/kv"
)

// AddTitle adds a title to those of an author: a layer that only writes.
func AddTitle(w kv.Writer, author, title string) error {
	if err := w.Put([]byte("title/"+author+"/"+title), nil); err != nil {
		return err
	}
	return w.Add([]byte("count/"+author), 1)
}

// Titles are the titles of an author: a layer that only reads.
func Titles(r kv.Reader, author string) (titles []string, err error) {
	prefix := []byte("title/" + author + "/")
	loop := r.Prefix(prefix)
	for k := range loop.Keys() {
		titles = append(titles, string(k[len(prefix):]))
	}
	return titles, loop.Err()
}

// One function works on a batch and a transaction, another on a database, a snapshot and a transaction.
func Example() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	var b lightningdb.Batch
	if err := AddTitle(&b, "knuth", "Sorting and Searching"); err != nil {
		panic(err)
	}
	if err := db.Write(&b); err != nil {
		panic(err)
	}
	before := db.Snapshot()
	defer before.Close()
	err = db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		if err := AddTitle(tx, "knuth", "Fundamental Algorithms"); err != nil {
			return err
		}
		titles, err := Titles(tx, "knuth")
		fmt.Println(titles, err)
		return err
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(Titles(before, "knuth"))
	fmt.Println(Titles(db, "knuth"))
	// Output:
	// [Fundamental Algorithms Sorting and Searching] <nil>
	// [Sorting and Searching] <nil>
	// [Fundamental Algorithms Sorting and Searching] <nil>
}

// A batch can be read, and replayed into a transaction, with what else belongs to it.
func ExampleReplay() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	var b lightningdb.Batch
	b.Grow(100)
	b.Put([]byte("stock"), lightningdb.AppendInt64(nil, 3))
	b.Add([]byte("stock"), 4)
	b.Append([]byte("log"), []byte("more stock; "))
	for op := range b.All() {
		fmt.Printf("%s %s, %d bytes\n", op.Kind, op.Key, len(op.Value))
	}
	err = db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		if err := kv.Replay(tx, &b); err != nil {
			return err
		}
		return tx.Put([]byte("by"), []byte("me"))
	})
	if err != nil {
		panic(err)
	}
	stock, err := db.Get([]byte("stock"))
	if err != nil {
		panic(err)
	}
	fmt.Println(lightningdb.Int64(stock))
	// Output:
	// put stock, 8 bytes
	// add stock, 8 bytes
	// append log, 12 bytes
	// 7 <nil>
}
