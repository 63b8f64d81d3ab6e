package docs

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"lightningdb"
	"lightningdb/tuple"
	"lightningdb/typed"
)

// open opens a database for an example. In a program: lightningdb.Open("data", nil), with its error looked at.
func open() *lightningdb.DB {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	return db
}

// orderKey is "order/", the customer, a zero byte, and the number of the order.
func orderKey(customer string, number uint64) []byte {
	k := append([]byte("order/"), customer...)
	return binary.BigEndian.AppendUint64(append(k, 0), number)
}

func Example_keys() {
	db := open()
	defer db.Close()
	for _, n := range []uint64{10, 2, 300} {
		if err := db.Put(orderKey("ann", n), nil); err != nil {
			panic(err)
		}
	}
	if err := db.Put(orderKey("anna", 1), nil); err != nil { // does not begin with "ann" and a zero byte
		panic(err)
	}

	orders := db.Prefix([]byte("order/ann\x00"))
	for k := range orders.Keys() {
		fmt.Print(binary.BigEndian.Uint64(k[len(k)-8:]), " ")
	}
	if err := orders.Err(); err != nil {
		panic(err)
	}
	// Output: 2 10 300
}

// visitKey is the user and the time: the visits of one user are together, in their order.
func visitKey(user string, at time.Time) []byte {
	return tuple.AppendTime(tuple.AppendString(nil, user), at)
}

func Example_tuples() {
	db := open()
	defer db.Close()
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, user := range []string{"ann", "anna", "bob"} {
		for hour := range 3 {
			if err := db.Put(visitKey(user, noon.Add(time.Duration(hour)*time.Hour)), nil); err != nil {
				panic(err)
			}
		}
	}

	// From one o'clock on, and none of anna's.
	_, end := tuple.Prefix(tuple.AppendString(nil, "ann"))
	visits := db.Range(visitKey("ann", noon.Add(time.Hour)), end)
	for k := range visits.Keys() {
		r := tuple.NewReader(k)
		user, at := r.String(), r.Time()
		if err := r.End(); err != nil {
			panic(err)
		}
		fmt.Println(user, at.Format(time.TimeOnly))
	}
	if err := visits.Err(); err != nil {
		panic(err)
	}
	// Output:
	// ann 13:00:00
	// ann 14:00:00
}

// Visitor is a row.
type Visitor struct {
	Mail   string
	Visits int
}

// visitors has a row for each name.
var visitors = typed.Must(typed.New("visitors", tuple.String, typed.JSON[Visitor](), nil))

func Example_rows() {
	db := open()
	defer db.Close()
	for _, name := range []string{"cid", "ann", "bob"} {
		if err := visitors.Put(db, name, Visitor{Mail: name + "@example.org"}); err != nil {
			panic(err)
		}
	}
	err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		return visitors.Update(tx, "bob", func(v *Visitor) error {
			v.Visits++
			return nil
		})
	})
	if err != nil {
		panic(err)
	}

	first, token, err := visitors.All(db).Page("", 2)
	fmt.Println(first, err)
	second, token, err := visitors.All(db).Page(token, 2) // in a server, a later request
	fmt.Printf("%v %q %v\n", second, token, err)
	// Output:
	// [{ann {ann@example.org 0}} {bob {bob@example.org 1}}] <nil>
	// [{cid {cid@example.org 0}}] "" <nil>
}

func Example_counter() {
	db := open()
	defer db.Close()
	for range 3 {
		if err := db.Add([]byte("visits"), 1); err != nil {
			panic(err)
		}
	}
	value, err := db.Get([]byte("visits"))
	if err != nil {
		panic(err)
	}
	n, err := lightningdb.Int64(value)
	fmt.Println(n, err)
	// Output: 3 <nil>
}

var errSoldOut = errors.New("sold out")

func sell(db *lightningdb.DB, article []byte) error {
	return db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		value, err := tx.GetForUpdate(article)
		if err != nil {
			return err // nothing is written
		}
		n, err := lightningdb.Int64(value)
		if err != nil {
			return err
		}
		if n == 0 {
			return errSoldOut
		}
		return tx.Put(article, lightningdb.AppendInt64(nil, n-1))
	})
}

func Example_readAndWrite() {
	db := open()
	defer db.Close()
	if err := db.Put([]byte("lamp"), lightningdb.AppendInt64(nil, 1)); err != nil {
		panic(err)
	}
	fmt.Println(sell(db, []byte("lamp")))
	fmt.Println(sell(db, []byte("lamp")))
	// Output:
	// <nil>
	// sold out
}

func push(tx *lightningdb.Tx, job []byte) error {
	last := uint64(0)
	queue := tx.Prefix([]byte("queue/")).Reverse().Limit(1)
	for k := range queue.Keys() {
		last = binary.BigEndian.Uint64(k[len("queue/"):])
	}
	if err := queue.Err(); err != nil {
		return err
	}
	return tx.Put(binary.BigEndian.AppendUint64([]byte("queue/"), last+1), job)
}

// pop returns nil if the queue is empty.
func pop(tx *lightningdb.Tx) (job []byte, err error) {
	queue := tx.Prefix([]byte("queue/")).Limit(1)
	for k, v := range queue.All() {
		job = bytes.Clone(v) // k and v are valid only within the loop
		if err := tx.Delete(k); err != nil {
			return nil, err
		}
	}
	return job, queue.Err()
}

func Example_queue() {
	db := open()
	defer db.Close()
	ctx := context.Background()
	for _, job := range []string{"first", "second"} {
		err := db.Update(ctx, func(tx *lightningdb.Tx) error { return push(tx, []byte(job)) })
		if err != nil {
			panic(err)
		}
	}
	for range 3 {
		var job []byte
		err := db.Update(ctx, func(tx *lightningdb.Tx) (err error) {
			job, err = pop(tx)
			return err
		})
		fmt.Printf("%q %v\n", job, err)
	}
	// Output:
	// "first" <nil>
	// "second" <nil>
	// "" <nil>
}

// page returns up to n keys that begin with prefix and come after last; nil means from the beginning.
func page(db *lightningdb.DB, prefix, last []byte, n int) (keys [][]byte, err error) {
	c := db.Prefix(prefix).Cursor()
	defer c.Close()
	ok := c.First()
	if last != nil {
		ok = c.Seek(append(bytes.Clone(last), 0))
	}
	for ; ok && len(keys) < n; ok = c.Next() {
		keys = append(keys, bytes.Clone(c.Key()))
	}
	return keys, c.Err()
}

func Example_pages() {
	db := open()
	defer db.Close()
	for _, k := range []string{"city/Bonn", "city/Oslo", "city/Rome"} {
		if err := db.Put([]byte(k), nil); err != nil {
			panic(err)
		}
	}
	first, err := page(db, []byte("city/"), nil, 2)
	fmt.Printf("%s %v\n", first, err)
	second, err := page(db, []byte("city/"), first[len(first)-1], 2)
	fmt.Printf("%s %v\n", second, err)
	// Output:
	// [city/Bonn city/Oslo] <nil>
	// [city/Rome] <nil>
}

var errTaken = errors.New("the address is taken")

func addUser(db *lightningdb.DB, id, mail string) error {
	return db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		taken, err := tx.Has([]byte("mail/" + mail))
		if err != nil {
			return err
		}
		if taken {
			return errTaken
		}
		if err := tx.Put([]byte("user/"+id), []byte(mail)); err != nil {
			return err
		}
		return tx.Put([]byte("mail/"+mail), []byte(id))
	})
}

func Example_index() {
	db := open()
	defer db.Close()
	fmt.Println(addUser(db, "1", "ann@example.org"))
	fmt.Println(addUser(db, "2", "ann@example.org"))
	id, err := db.Get([]byte("mail/ann@example.org"))
	fmt.Printf("%s %v\n", id, err)
	// Output:
	// <nil>
	// the address is taken
	// 1 <nil>
}

// document is what is stored, as JSON: any fields, and perhaps an address.
type document struct {
	Mail string   `json:"mail,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

// indexes of documents. Raise the Version of one when its function changes: Open builds it anew.
var indexes = []lightningdb.Index{
	{Bucket: []string{"documents"}, Name: "mail", Version: 1, Unique: true, Keys: mailOf},
	{Bucket: []string{"documents"}, Name: "tag", Version: 1, Keys: tagsOf},
}

func mailOf(_, value []byte, yield func(indexKey []byte)) {
	var d document
	if json.Unmarshal(value, &d) == nil && d.Mail != "" {
		yield([]byte(strings.ToLower(d.Mail)))
	}
}

func tagsOf(_, value []byte, yield func(indexKey []byte)) {
	var d document
	if json.Unmarshal(value, &d) == nil {
		for _, tag := range d.Tags {
			yield([]byte(tag))
		}
	}
}

func Example_documents() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Indexes: indexes})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	documents, err := db.CreateBucket("documents")
	if err != nil {
		panic(err)
	}
	fmt.Println(documents.Put([]byte("1"), []byte(`{"mail": "Ann@example.org", "tags": ["rome", "sea"]}`)))
	fmt.Println(documents.Put([]byte("2"), []byte(`{"tags": ["sea"]}`)))
	err = documents.Put([]byte("3"), []byte(`{"mail": "ann@example.org"}`))
	fmt.Println(errors.Is(err, lightningdb.ErrUnique))

	id, _, err := documents.Index("mail").Get([]byte("ann@example.org"))
	fmt.Printf("%s %v\n", id, err)
	sea := documents.Index("tag").Equal([]byte("sea"))
	for id := range sea.All() {
		fmt.Printf("%s ", id)
	}
	fmt.Println(sea.Err())
	// Output:
	// <nil>
	// <nil>
	// true
	// 1 <nil>
	// 1 2 <nil>
}

func Example_batch() {
	db := open()
	defer db.Close()
	var b lightningdb.Batch
	for i := range 1000 {
		b.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), []byte("value"))
		if b.Len() == 100 {
			if err := db.Write(&b); err != nil {
				panic(err)
			}
			b.Reset()
		}
	}
	if err := db.Write(&b); err != nil { // what is left, or nothing
		panic(err)
	}
	n := 0
	for range db.Range(nil, nil).Keys() {
		n++
	}
	fmt.Println(n)
	// Output: 1000
}

func Example_film() {
	db := open()
	defer db.Close()
	ctx := context.Background()

	film := io.LimitReader(zeros{}, 3<<20) // any reader: a file, the body of a request
	if err := db.PutReader(ctx, []byte("film/7"), film); err != nil {
		panic(err)
	}
	if err := db.Put([]byte("title/Nosferatu"), []byte("film/7")); err != nil {
		panic(err)
	}

	size, err := db.Size([]byte("film/7")) // without reading it
	fmt.Println(size, err)
	v, err := db.ValueReader(ctx, []byte("film/7"))
	if err != nil {
		panic(err)
	}
	defer v.Close() // until then its version stays on disk
	v.Seek(-5, io.SeekEnd)
	last, err := io.ReadAll(v) // http.ServeContent takes v as it is
	fmt.Println(last, err)
	// Output:
	// 3145728 <nil>
	// [0 0 0 0 0] <nil>
}

// zeros is a film in which nothing happens.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func Example_archive() {
	dir, err := os.MkdirTemp("", "prices")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		panic(err)
	}
	if err := errors.Join(db.Put([]byte("apple"), []byte("0.40")), db.Close()); err != nil { // closed: there is no log
		panic(err)
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close()); err != nil {
		panic(err)
	}

	files, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		panic(err)
	}
	prices, err := lightningdb.OpenFS(files, ".", nil)
	if err != nil {
		panic(err)
	}
	defer prices.Close()
	value, err := prices.Get([]byte("apple"))
	fmt.Println(string(value), err)
	// Output: 0.40 <nil>
}
