package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	lightningdb "lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
	"lightningdb/typed"
)

// A person is stored as its year, the length of its address, that, and the rest.
const personHead = 3

var personIndexes = []lightningdb.Index{
	{Bucket: []string{"people"}, Name: "address", Unique: true, Keys: func(_, v []byte, yield func([]byte)) {
		yield(v[personHead : personHead+int(v[2])])
	}},
	{Bucket: []string{"people"}, Name: "year", Keys: func(_, v []byte, yield func([]byte)) { yield(v[:2]) }},
}

func appendPerson(dst []byte, p *person) []byte {
	dst = append(binary.BigEndian.AppendUint16(dst, p.year), byte(len(p.address)))
	return append(append(dst, p.address...), p.rest...)
}

func restOf(v []byte) []byte { return v[personHead+int(v[2]):] }

type lightningPeople struct {
	db            *lightningdb.DB
	people        *lightningdb.Bucket
	address, year *lightningdb.IndexReader
	value         []byte
}

func openLightningPeople(dir string, o options) (People, error) {
	db, err := openLightningWith(dir, o, personIndexes)
	if err != nil {
		return nil, err
	}
	people, err := db.CreateBucket("people")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &lightningPeople{db: db, people: people, address: people.Index("address"), year: people.Index("year")}, nil
}

func (t *lightningPeople) Put(p *person) error {
	t.value = appendPerson(t.value[:0], p)
	return t.people.Put(p.id, t.value)
}

func (t *lightningPeople) Get(id []byte, use func([]byte)) (bool, error) {
	value, err := t.people.GetAppend(t.value[:0], id)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t.value = value
	use(restOf(value))
	return true, nil
}

func (t *lightningPeople) Find(address []byte, use func([]byte)) (bool, error) {
	_, value, err := t.address.Get(address)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	use(restOf(value))
	return true, nil
}

func (t *lightningPeople) Scan(year uint16, limit int, use func([]byte)) error {
	found := t.year.Range(binary.BigEndian.AppendUint16(nil, year), nil).Limit(limit)
	for _, value := range found.All() {
		use(restOf(value))
	}
	return found.Err()
}

func (t *lightningPeople) Close() error { return t.db.Close() }

// lightningCosts measures what the parts of the data model cost, each next to what it is made of, in turn.
func lightningCosts(r *run) (err error) {
	db, err := openLightningWith(filepath.Join(r.dir, "costs"), r.unsynced(1), personIndexes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	people, err := db.CreateBucket("people")
	if err != nil {
		return err
	}
	plain, err := db.CreateBucket("plain")
	if err != nil {
		return err
	}
	n := uint64(r.Rows / peopleShare)
	if err := errors.Join(r.putAll(db, n), r.putAll(people, n), r.putAll(plain, n)); err != nil {
		return err
	}
	puts, err := r.inTurn(r.replacer(db, n), r.replacer(people, n))
	if err != nil {
		return err
	}
	r.Values["model_put_cost"] = puts[1] / puts[0]
	gets, err := r.inTurn(r.getter(db, n), r.getter(plain, n), r.finder(people.Index("address"), n))
	if err != nil {
		return err
	}
	r.Values["model_bucket_cost"], r.Values["model_find_cost"] = gets[1]/gets[0], gets[2]/gets[0]
	return errors.Join(r.typedCost(db), r.rangeCosts(db, plain, n))
}

// inTurn calls each of ops for as long as a row takes, three times in turn, and returns the shortest times of one call.
func (r *run) inTurn(ops ...func() error) ([]float64, error) {
	best := make([]float64, len(ops))
	for range 3 {
		for i, op := range ops {
			each, err := r.each("model_costs", op)
			if err != nil {
				return nil, err
			}
			if t := float64(each); best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	return best, nil
}

// putter puts the people of the first n, one after the other, again and again.
func (r *run) putter(w kv.Writer, n uint64) func() error {
	var p person
	var value []byte
	next := uint64(0)
	return func() error {
		p.fill(r.data, next%n)
		next++
		value = appendPerson(value[:0], &p)
		return w.Put(p.id, value)
	}
}

// replacer is putter of random people, who are there.
func (r *run) replacer(w kv.Writer, n uint64) func() error {
	draw, value := r.sample(n), []byte(nil)
	return func() error {
		p := draw()
		value = appendPerson(value[:0], p)
		return w.Put(p.id, value)
	}
}

func (r *run) putAll(w kv.Writer, n uint64) error {
	put := r.putter(w, n)
	for range n {
		if err := put(); err != nil {
			return err
		}
	}
	return nil
}

// getter gets random ones of the people that are there.
func (r *run) getter(from kv.Reader, n uint64) func() error {
	draw, value := r.sample(n), []byte(nil)
	return func() (err error) {
		value, err = from.GetAppend(value[:0], draw().id)
		return err
	}
}

func (r *run) finder(from *lightningdb.IndexReader, n uint64) func() error {
	draw := r.sample(n)
	return func() error {
		_, _, err := from.Get(draw().address)
		return err
	}
}

// typedCost measures a get of a typed table, a get of its row's bytes, and what its codecs do.
func (r *run) typedCost(db *lightningdb.DB) error {
	const rows = 1000
	table, err := typed.New("people by number", tuple.Int, typed.Bytes, nil)
	if err != nil {
		return err
	}
	var keys [rows][]byte
	for i := range keys {
		var err error
		if keys[i], err = table.Key(int64(i)); err != nil {
			return err
		}
		if err := table.Put(db, int64(i), r.data.value(nil, uint64(i))); err != nil {
			return err
		}
	}
	next, value := int64(0), []byte(nil)
	times, err := r.inTurn(
		func() error { next++; _, err := table.Get(db, next%rows); return err },
		func() (err error) {
			next++
			if value, err = db.GetAppend(value[:0], keys[next%rows]); err == nil {
				_, err = typed.Bytes.Decode(value)
			}
			return err
		})
	if err != nil {
		return err
	}
	r.Values["model_typed_cost"] = times[0] - times[1]
	return nil
}

// rangeCosts measures deletes of ranges, the scan over what one has deleted, and the drop of a bucket.
func (r *run) rangeCosts(db *lightningdb.DB, rows *lightningdb.Bucket, n uint64) error {
	put := func(prefix string, n uint64) error {
		b := new(lightningdb.Batch)
		for i := range n {
			if err := b.Put(fmt.Appendf(nil, "%s%08d", prefix, i), r.data.value(nil, i)); err != nil {
				return err
			}
			if b.Len() == loadBatch || i == n-1 {
				if err := db.Write(b); err != nil {
					return err
				}
				b.Reset()
			}
		}
		return nil
	}
	if err := errors.Join(put("few/", 100), put("many/", n), put("many/ends/", 100), put("never/ends/", 100)); err != nil {
		return err
	}
	for _, x := range []struct{ name, lo, hi string }{
		{"model_range_few", "few/", "few0"}, {"model_range_many", "many/0", "many/:"},
	} {
		start := time.Now()
		if err := db.DeleteRange([]byte(x.lo), []byte(x.hi)); err != nil {
			return err
		}
		r.Values[x.name] = time.Since(start).Seconds() * 1e6
	}
	scan := func(prefix string) func() error {
		return func() error {
			found := db.Prefix([]byte(prefix))
			shown := 0
			for range found.All() {
				shown++
			}
			if shown != 100 {
				return errors.Join(found.Err(), fmt.Errorf("%d rows of 100 after a delete of a range", shown))
			}
			return nil
		}
	}
	times, err := r.inTurn(scan("never/"), scan("many/"))
	if err != nil {
		return err
	}
	r.Values["model_range_scan"] = times[1] / times[0]
	start := time.Now()
	err = db.DropBucket("plain")
	r.Values["model_drop"] = time.Since(start).Seconds() * 1e6
	return err
}
