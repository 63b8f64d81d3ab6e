package lightningdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// The rows of every benchmark: keys of 24 random bytes, values of 150 bytes that no codec can shrink.
const (
	benchKeySize   = 24
	benchValueSize = 150
	benchBatch     = 1000 // operations in a batch
)

// benchRows is how many rows the database of BenchmarkRead holds.
func benchRows() int {
	if testing.Short() {
		return 50_000
	}
	return 1_000_000
}

// benchKey appends the key of row i to dst. Rows from 1<<40 on are never written.
func benchKey(dst []byte, i uint64) []byte {
	r := rand.NewPCG(i, 0x6b6579)
	for range benchKeySize / 8 {
		dst = binary.BigEndian.AppendUint64(dst, r.Uint64())
	}
	return dst
}

// benchValue appends the value of row i to dst.
func benchValue(dst []byte, i uint64) []byte {
	r, want := rand.NewPCG(i, 0x76616c), len(dst)+benchValueSize
	for len(dst) < want {
		dst = binary.BigEndian.AppendUint64(dst, r.Uint64())
	}
	return dst[:want]
}

// openBench opens a database without compression: the values do not shrink, and trying would be measured.
func openBench(tb testing.TB, dir string) *DB {
	tb.Helper()
	db, err := Open(dir, &Options{Durability: Process, Compression: NoCompression})
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

func closeBench(tb testing.TB, db *DB) {
	tb.Helper()
	if err := db.Close(); err != nil {
		tb.Error(err)
	}
}

// loadBench writes the rows [from, to) in batches.
func loadBench(tb testing.TB, db *DB, from, to int) {
	tb.Helper()
	var batch Batch
	var k, v []byte
	for i := from; i < to; i++ {
		k, v = benchKey(k[:0], uint64(i)), benchValue(v[:0], uint64(i))
		batch.Put(k, v)
		if batch.Len() == benchBatch || i == to-1 {
			if err := db.Write(&batch); err != nil {
				tb.Fatal(err)
			}
			batch.Reset()
		}
	}
}

// settle waits until everything is in tables and no compaction is due, as after a while without writes.
func settle(tb testing.TB, db *DB) {
	tb.Helper()
	if err := db.Flush(); err != nil {
		tb.Fatal(err)
	}
	for quiet := 0; quiet < 5; {
		time.Sleep(10 * time.Millisecond)
		quiet++
		m := db.Metrics()
		if m.BackgroundError != nil {
			tb.Fatal(m.BackgroundError)
		}
		if m.Flush.Running+m.Compaction.Running > 0 {
			quiet = 0
		}
		for _, l := range m.Levels {
			if l.Score >= 1 {
				quiet = 0
			}
		}
	}
}

// BenchmarkWrite commits to a database of its own for each line. ns/op is for a commit, of benchBatch operations where
// the name says batch.
func BenchmarkWrite(b *testing.B) {
	b.Run("put/process", func(b *testing.B) { benchPut(b, Process) })
	b.Run("put/sync", func(b *testing.B) { benchPut(b, Sync) })
	b.Run("put/parallel/process", func(b *testing.B) { benchPutParallel(b, Process, 1) })
	b.Run("put/parallel/sync", func(b *testing.B) { benchPutParallel(b, Sync, 32) })
	b.Run("overwrite/process", benchOverwrite)
	b.Run("add/hot/process", func(b *testing.B) { benchAdd(b, 1) })
	b.Run("add/uniform/process", func(b *testing.B) { benchAdd(b, 100_000) })
	b.Run("batch/process", func(b *testing.B) { benchWriteBatch(b, Process) })
	b.Run("batch/sync", func(b *testing.B) { benchWriteBatch(b, Sync) })
}

func benchPut(b *testing.B, d Durability) {
	db := openBench(b, b.TempDir())
	defer closeBench(b, db)
	db.durability = d
	v := benchValue(nil, 0)
	var k []byte
	b.ReportAllocs()
	b.SetBytes(benchKeySize + benchValueSize)
	for i := uint64(0); b.Loop(); i++ {
		k = benchKey(k[:0], i)
		if err := db.Put(k, v); err != nil {
			b.Fatal(err)
		}
	}
}

// benchPutParallel runs writers goroutines for each processor.
func benchPutParallel(b *testing.B, d Durability, writers int) {
	db := openBench(b, b.TempDir())
	defer closeBench(b, db)
	db.durability = d
	v := benchValue(nil, 0)
	var row atomic.Uint64
	b.ReportAllocs()
	b.SetParallelism(writers)
	b.RunParallel(func(pb *testing.PB) {
		var k []byte
		for pb.Next() {
			k = benchKey(k[:0], row.Add(1))
			if err := db.Put(k, v); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benchOverwrite(b *testing.B) {
	const rows = 10_000
	db := openBench(b, b.TempDir())
	defer closeBench(b, db)
	loadBench(b, db, 0, rows)
	v := benchValue(nil, 0)
	var k []byte
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		k = benchKey(k[:0], i%rows)
		if err := db.Put(k, v); err != nil {
			b.Fatal(err)
		}
	}
}

// benchAdd adds to a number of counters in turn.
func benchAdd(b *testing.B, counters uint64) {
	db := openBench(b, b.TempDir())
	defer closeBench(b, db)
	var k []byte
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		k = benchKey(k[:0], i%counters)
		if err := db.Add(k, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCounter reads one counter in the states it may be in.
func BenchmarkCounter(b *testing.B) {
	db := openBench(b, b.TempDir())
	defer closeBench(b, db)
	k := benchKey(nil, 0)
	add := func(n int) {
		for range n {
			if err := db.Add(k, 1); err != nil {
				b.Fatal(err)
			}
		}
	}
	get := func(name string) {
		b.Run(name, func(b *testing.B) {
			room := make([]byte, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := db.GetAppend(room, k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	add(8)
	get("operands")
	add(1000)
	get("folded")
	settle(b, db)
	get("flushed")
	add(8)
	get("operands over a table")
}

func benchWriteBatch(b *testing.B, d Durability) {
	db := openBench(b, b.TempDir())
	defer closeBench(b, db)
	var batch Batch
	v := benchValue(nil, 0)
	var k []byte
	b.ReportAllocs()
	b.SetBytes(benchBatch * (benchKeySize + benchValueSize))
	for i := uint64(0); b.Loop(); {
		batch.Reset()
		batch.SetDurability(d)
		for range benchBatch {
			k = benchKey(k[:0], i)
			batch.Put(k, v)
			i++
		}
		if err := db.Write(&batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reads from one settled database that all its lines share.
func BenchmarkRead(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "db")
	rows := uint64(benchRows())
	db := openBench(b, dir)
	defer closeBench(b, db)
	loadBench(b, db, 0, int(rows))
	settle(b, db)

	present := func(i uint64) uint64 { return i % rows }
	hot := func(i uint64) uint64 { return i % (rows / 100) }
	absent := func(i uint64) uint64 { return 1<<40 + i }
	b.Run("get/present", func(b *testing.B) { benchGet(b, db, present, nil) })
	b.Run("get/hot", func(b *testing.B) { benchGet(b, db, hot, nil) })
	b.Run("get/absent", func(b *testing.B) { benchGet(b, db, absent, ErrNotFound) })
	b.Run("get/parallel", func(b *testing.B) { benchGetParallel(b, db, rows) })
	b.Run("getappend/present", func(b *testing.B) { benchGetAppend(b, db, present) })
	b.Run("getappend/hot", func(b *testing.B) { benchGetAppend(b, db, hot) })
	b.Run("has/present", func(b *testing.B) { benchHas(b, db, present, true) })
	b.Run("has/absent", func(b *testing.B) { benchHas(b, db, absent, false) })
	b.Run("seek/10", func(b *testing.B) { benchSeek(b, db, rows, 10) })
	b.Run("seek/100", func(b *testing.B) { benchSeek(b, db, rows, 100) })
	b.Run("scan/forward", func(b *testing.B) { benchScan(b, db.Range(nil, nil), rows) })
	b.Run("scan/backward", func(b *testing.B) { benchScan(b, db.Range(nil, nil).Reverse(), rows) })
	b.Run("snapshot", func(b *testing.B) { benchSnapshot(b, db) })
}

// benchProbes is how many keys are made before a read benchmark, so that making them is not measured. They are read in
// random order, over and over.
const benchProbes = 1 << 17

func makeProbes(row func(uint64) uint64) [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	probes := make([][]byte, benchProbes)
	for i := range probes {
		probes[i] = benchKey(nil, row(random.Uint64N(1<<40)))
	}
	return probes
}

func benchGet(b *testing.B, db *DB, row func(uint64) uint64, want error) {
	probes := makeProbes(row)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := db.Get(probes[i%benchProbes]); !errors.Is(err, want) {
			b.Fatalf("Get: %v, want %v", err, want)
		}
	}
}

func benchGetAppend(b *testing.B, db *DB, row func(uint64) uint64) {
	probes := makeProbes(row)
	var v []byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var err error
		if v, err = db.GetAppend(v[:0], probes[i%benchProbes]); err != nil {
			b.Fatal(err)
		}
	}
}

func benchGetParallel(b *testing.B, db *DB, rows uint64) {
	probes := makeProbes(func(i uint64) uint64 { return i % rows })
	var start atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var v []byte
		for i := start.Add(benchProbes / 3); pb.Next(); i++ {
			var err error
			if v, err = db.GetAppend(v[:0], probes[i%benchProbes]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benchHas(b *testing.B, db *DB, row func(uint64) uint64, want bool) {
	probes := makeProbes(row)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if has, err := db.Has(probes[i%benchProbes]); has != want || err != nil {
			b.Fatalf("Has: %v, %v, want %v", has, err, want)
		}
	}
}

// benchSeek walks n entries from a random key on.
func benchSeek(b *testing.B, db *DB, rows uint64, n int) {
	probes := makeProbes(func(i uint64) uint64 { return i % rows })
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := db.Range(probes[i%benchProbes], nil).Limit(n)
		for _, v := range r.All() {
			if len(v) != benchValueSize {
				b.Fatalf("value of %d bytes", len(v))
			}
		}
		if err := r.Err(); err != nil {
			b.Fatal(err)
		}
	}
}

// benchScan walks everything. One op is one whole walk.
func benchScan(b *testing.B, r *Range, rows uint64) {
	b.ReportAllocs()
	b.SetBytes(int64(rows) * (benchKeySize + benchValueSize))
	for b.Loop() {
		n := uint64(0)
		for range r.All() {
			n++
		}
		if n != rows || r.Err() != nil {
			b.Fatalf("%d rows, want %d: %v", n, rows, r.Err())
		}
	}
	b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func benchSnapshot(b *testing.B, db *DB) {
	b.ReportAllocs()
	for b.Loop() {
		if err := db.Snapshot().Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a database and reads one key: after Close, and after a kill that left part of the data in the
// log.
func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "db")
	db := openBench(b, dir)
	rows := benchRows() / 4
	loadBench(b, db, 0, rows)
	settle(b, db)
	loadBench(b, db, rows, rows+rows/10) // stays in the log
	killed := filepath.Join(b.TempDir(), "killed")
	copyLive(b, killed, dir)
	closeBench(b, db)

	b.Run("clean", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			openOnce(b, dir, rows)
		}
	})
	b.Run(fmt.Sprintf("killed/replay=%d", rows/10), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			again := filepath.Join(b.TempDir(), "again") // a new directory at each call
			copyLive(b, again, killed)
			b.StartTimer()
			openOnce(b, again, rows)
		}
	})
}

func openOnce(b *testing.B, dir string, rows int) {
	db := openBench(b, dir)
	last := uint64(rows + rows/10 - 1)
	if v, err := db.Get(benchKey(nil, last)); err != nil || !bytes.Equal(v, benchValue(nil, last)) {
		b.Fatalf("the last row before the end is lost: %v", err)
	}
	b.StopTimer()
	closeBench(b, db)
	b.StartTimer()
}

// copyLive copies the files of a database that is in use but idle: what a kill at this moment leaves behind.
func copyLive(tb testing.TB, to, from string) {
	tb.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		tb.Fatal(err)
	}
}
