package typed

import (
	"testing"
	"time"

	"lightningdb"
	"lightningdb/tuple"
)

// The table of the benchmarks. Those whose names end in plain do the same by the database and the codecs alone.
var benchTable = Must(New("counts", tuple.Pair(tuple.String, tuple.Int), String, nil))

const (
	benchRows = 1000
	benchText = "a text of some length, as rows have"
)

func benchKey(i int) tuple.Two[string, int64] {
	return tuple.Two[string, int64]{A: "customer", B: int64(i%benchRows) << 20}
}

func benchDB(b *testing.B) *lightningdb.DB {
	db := open(b)
	b.Cleanup(func() { db.Close() })
	for i := range benchRows {
		if err := benchTable.Put(db, benchKey(i), benchText); err != nil {
			b.Fatal(err)
		}
	}
	return db
}

func BenchmarkGet(b *testing.B) {
	db := benchDB(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if v, err := benchTable.Get(db, benchKey(i)); v != benchText || err != nil {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkGet_plain(b *testing.B) {
	db := benchDB(b)
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var err error
		if buf, err = benchTable.keys.Append(append(buf[:0], benchTable.prefix...), benchKey(i)); err != nil {
			b.Fatal(err)
		}
		row, err := db.Get(buf)
		if err != nil {
			b.Fatal(err)
		}
		if v, err := String.Decode(row[2:]); v != benchText || err != nil {
			b.Fatal(v, err)
		}
	}
}

// What a typed get costs over the plain one, by the fastest of many turns of each: it stands still while other programs
// take the machine, as the two above do not.
func BenchmarkGet_inTurns(b *testing.B) {
	db := benchDB(b)
	const gets = 100
	turn := func(get func(i int) error) time.Duration {
		begin := time.Now()
		for i := range gets {
			if err := get(i); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(begin) / gets
	}
	buf := make([]byte, 0, 64)
	typed, plain := time.Hour, time.Hour
	for b.Loop() {
		typed = min(typed, turn(func(i int) error {
			_, err := benchTable.Get(db, benchKey(i))
			return err
		}))
		plain = min(plain, turn(func(i int) (err error) {
			if buf, err = benchTable.keys.Append(append(buf[:0], benchTable.prefix...), benchKey(i)); err != nil {
				return err
			}
			row, err := db.Get(buf)
			if err != nil {
				return err
			}
			_, err = String.Decode(row[2:])
			return err
		}))
	}
	b.ReportMetric(float64(typed), "ns/typed")
	b.ReportMetric(float64(plain), "ns/plain")
	b.ReportMetric(float64(typed-plain), "ns/more")
}

func BenchmarkWalk(b *testing.B) {
	db := benchDB(b)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range benchTable.All(db).All() {
			n++
		}
		if n != benchRows {
			b.Fatal(n)
		}
	}
}

func BenchmarkWalk_plain(b *testing.B) {
	db := benchDB(b)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for k, row := range db.Range(benchTable.bounds()).All() {
			if _, err := tuple.Decode(benchTable.keys, k[len(benchTable.prefix):]); err != nil {
				b.Fatal(err)
			}
			if _, err := String.Decode(row[2:]); err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchRows {
			b.Fatal(n)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	db := benchDB(b)
	b.ReportAllocs()
	for b.Loop() {
		token := ""
		for range 10 {
			page, next, err := benchTable.All(db).Page(token, 20)
			if len(page) != 20 || err != nil {
				b.Fatal(len(page), err)
			}
			token = next
		}
	}
}

func BenchmarkPut(b *testing.B) {
	var batch lightningdb.Batch
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			batch.Reset()
		}
		if err := benchTable.Put(&batch, benchKey(i), benchText); err != nil {
			b.Fatal(err)
		}
	}
}
