package table

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/epoch"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/visible"
)

// benchRows is a table of 64 MiB.
const benchRows = 340_000

var benchPageSizes = []int{4 << 10, 8 << 10, 16 << 10}

// benchTable opens a table of n rows of which every page is in the cache.
func benchTable(b *testing.B, pageSize, n int) (*opened, []row) {
	b.Helper()
	rows := numbered(n)
	o := Options{ID: testID, PageSize: pageSize}
	f, _ := build(b, o, rows)
	d := epoch.NewDomain()
	c := cache.New(128<<20, pageSize, d)
	r, err := Open(f, OpenOptions{Name: "000001.tbl", ID: o.ID, Size: int64(len(f.data)), Cache: c})
	if err != nil {
		b.Fatal(err)
	}
	for n := range r.layout.Pages {
		g := d.Enter()
		var private cache.Pin
		if _, err := r.pages.Get(n, &private); err != nil {
			b.Fatal(err)
		}
		private.Unpin()
		g.Exit()
	}
	t := &opened{r, d, c}
	b.Cleanup(func() { t.close(b) })
	return t, rows
}

func eachPageSize(b *testing.B, f func(b *testing.B, pageSize int)) {
	for _, size := range benchPageSizes {
		b.Run(fmt.Sprintf("page=%dK", size>>10), func(b *testing.B) { f(b, size) })
	}
}

// shuffledKeys returns copies of the rows' keys in random order and in one piece of memory: walking them costs no
// misses of its own.
func shuffledKeys(rows []row, change func(user []byte)) (users [][]byte) {
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(rows))
	arena := make([]byte, 0, len(rows)*24)
	for _, i := range order {
		at := len(arena)
		arena = append(arena, rows[i].key.User...)
		user := arena[at:]
		if change != nil {
			change(user)
		}
		users = append(users, user)
	}
	return users
}

func benchGet(b *testing.B, t *opened, users [][]byte, present bool) {
	var dst [256]byte
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		g := t.domain.Enter()
		_, effect, err := t.Get(dst[:0], users[i], key.Hash(users[i]), visible.Reader{Seq: key.MaxSeqNum})
		g.Exit()
		if err != nil || (effect == visible.Show) != present {
			b.Fatal(effect, err)
		}
		if i++; i == len(users) {
			i = 0
		}
	}
}

func BenchmarkGet_present(b *testing.B) {
	eachPageSize(b, func(b *testing.B, size int) {
		t, rows := benchTable(b, size, benchRows)
		users := shuffledKeys(rows, nil)
		benchGet(b, t, users, true)
	})
}

func BenchmarkGet_absent(b *testing.B) {
	eachPageSize(b, func(b *testing.B, size int) {
		t, rows := benchTable(b, size, benchRows)
		users := shuffledKeys(rows, func(user []byte) { user[10] = 'x' })
		benchGet(b, t, users, false)
	})
}

// BenchmarkGet_byTree is the lookup that the locator replaces: down the inner pages, then a binary search.
func BenchmarkGet_byTree(b *testing.B) {
	eachPageSize(b, func(b *testing.B, size int) {
		t, rows := benchTable(b, size, benchRows)
		users := shuffledKeys(rows, nil)
		var dst [256]byte
		i, newest := 0, visible.Reader{Seq: key.MaxSeqNum}
		b.ReportAllocs()
		for b.Loop() {
			g := t.domain.Enter()
			var e page.Entry
			var private privatePages
			effect, err := t.findBySearch(&e, users[i], newest, &private.leaf)
			if err == nil {
				_, _, err = t.appendValue(math.MaxInt, dst[:0], &e, effect)
			}
			private.unpin()
			g.Exit()
			if err != nil || effect != visible.Show {
				b.Fatal(effect, err)
			}
			if i++; i == len(users) {
				i = 0
			}
		}
	})
}

func BenchmarkIterator_seek(b *testing.B) {
	eachPageSize(b, func(b *testing.B, size int) {
		t, rows := benchTable(b, size, benchRows)
		users := shuffledKeys(rows, nil)
		it := t.NewIterator()
		defer it.Close()
		i := 0
		b.ReportAllocs()
		for b.Loop() {
			if !it.SeekGE(key.SeekTo(users[i], key.MaxSeqNum)) {
				b.Fatal(it.Err())
			}
			if i++; i == len(users) {
				i = 0
			}
		}
	})
}

func benchScan(b *testing.B, it *Iterator) {
	defer it.Close()
	sum := 0
	it.First()
	b.ReportAllocs()
	for b.Loop() {
		if !it.Next() && !it.First() {
			b.Fatal(it.Err())
		}
		value, _ := it.Value()
		sum += len(it.Key().User) + len(value)
	}
	b.SetBytes(174)
}

func BenchmarkIterator_next(b *testing.B) {
	eachPageSize(b, func(b *testing.B, size int) {
		t, _ := benchTable(b, size, benchRows)
		benchScan(b, t.NewIterator())
	})
}

func BenchmarkSequentialIterator_next(b *testing.B) {
	for _, c := range allCodecs {
		b.Run(c.String(), func(b *testing.B) {
			o := Options{ID: testID, Codec: codec.By(c)}
			f, _ := build(b, o, numbered(100_000))
			r := mustOpen(b, f, o)
			defer r.close(b)
			benchScan(b, r.NewSequentialIterator())
		})
	}
}

// BenchmarkLoadPage is the cost of a miss without the device: read, checksum, decompress, check.
func BenchmarkLoadPage(b *testing.B) {
	for _, c := range allCodecs {
		b.Run(c.String(), func(b *testing.B) {
			o := Options{ID: testID, Codec: codec.By(c)}
			f, _ := build(b, o, numbered(10_000))
			r := mustOpen(b, f, o)
			defer r.close(b)
			buf := make([]byte, DefaultPageSize)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.LoadPage(i%int(r.foot.leaves), buf); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkWriter builds tables into memory that is allocated already.
func BenchmarkWriter(b *testing.B) {
	for _, c := range []codec.ID{codec.None, codec.S2, codec.Zstd} {
		b.Run(c.String(), func(b *testing.B) {
			rows := numbered(100_000)
			f, p := build(b, Options{ID: testID, Codec: codec.By(c)}, rows)
			b.SetBytes(int64(p.RawBytes))
			b.ReportMetric(float64(p.FileSize)/float64(p.RawBytes), "file/raw")
			for b.Loop() {
				w := NewWriter(f, Options{ID: testID, Codec: codec.By(c)})
				for _, r := range rows {
					if err := w.Add(r.key, r.value); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := w.Finish(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
