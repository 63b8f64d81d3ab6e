package table

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/epoch"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/table/directory"
	"lightningdb/internal/tree/visible"
)

// memFile is a file in memory. fail, if set, is what every read and write returns from then on.
type memFile struct {
	data       []byte
	fail       error
	reads      atomic.Int64
	writtenOut [][2]int64 // offset and length
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.reads.Add(1)
	if f.fail != nil {
		return 0, f.fail
	}
	if off < 0 || off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	if f.fail != nil {
		return 0, f.fail
	}
	if need := int(off) + len(b); need > len(f.data) {
		f.data = slices.Grow(f.data, need-len(f.data))[:need]
	}
	return copy(f.data[off:], b), nil
}

func (f *memFile) StoreAt(b []byte, off int64) (int, error) { return f.WriteAt(b, off) }

func (f *memFile) Close() error         { return nil }
func (f *memFile) Size() (int64, error) { return int64(len(f.data)), nil }
func (f *memFile) Sync() error          { return nil }
func (f *memFile) Allocate(int64) error { return nil }

func (f *memFile) WriteOut(off, n int64) error {
	f.writtenOut = append(f.writtenOut, [2]int64{off, n})
	return f.fail
}

// row is one entry of a model.
type row struct {
	key   key.Internal
	value []byte
}

func put(user string, seq int, value string) row {
	return row{key.Make([]byte(user), key.SeqNum(seq), key.KindPut), []byte(value)}
}

func del(user string, seq int) row {
	return row{key: key.Make([]byte(user), key.SeqNum(seq), key.KindDelete)}
}

func sortRows(rows []row) []row {
	slices.SortFunc(rows, func(a, b row) int { return key.Compare(a.key, b.key) })
	return slices.CompactFunc(rows, func(a, b row) bool {
		return bytes.Equal(a.key.User, b.key.User) && a.key.Trailer.Seq() == b.key.Trailer.Seq()
	})
}

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

const testID = 0x1122334455667788

// build writes rows, which are sorted, as a table.
func build(t tb, o Options, rows []row) (*memFile, Properties) {
	t.Helper()
	f := &memFile{}
	w := NewWriter(f, o)
	for _, r := range rows {
		if err := w.Add(r.key, r.value); err != nil {
			t.Fatalf("add %v: %v", r.key, err)
		}
	}
	p, err := w.Finish()
	if err != nil {
		t.Fatalf("finish: %v", err)
	}
	return f, p
}

// opened is a Reader with the cache it reads through.
type opened struct {
	*Reader
	domain *epoch.Domain
	cache  *cache.Cache
}

// open opens a table through a cache of its own.
func open(f *memFile, id uint64, size int64, budget int64) (*opened, error) {
	d := epoch.NewDomain()
	c := cache.New(budget, DefaultPageSize, d)
	c.Poison = true
	r, err := Open(f, OpenOptions{Name: "000001.tbl", ID: id, Size: size, Cache: c, Buffers: piece.NewBuffers(64 << 10)})
	if err != nil {
		return nil, err
	}
	return &opened{r, d, c}, nil
}

func mustOpen(t tb, f *memFile, o Options) *opened {
	t.Helper()
	r, err := open(f, o.ID, int64(len(f.data)), 1<<20)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return r
}

func (o *opened) close(t tb) {
	t.Helper()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	o.domain.Drain()
	o.cache.Close()
	if o.buffers == nil {
		return
	}
	o.buffers.Close()
	if lent := o.buffers.Bytes(); lent > 0 {
		t.Fatalf("%d bytes of buffers were not given back", lent)
	}
}

// layout is an undamaged table with its directory.
type layout struct {
	*Reader
	dir directory.List
}

func layoutOf(t tb, r *Reader) layout {
	t.Helper()
	l := layout{Reader: r}
	places := r.newPlaces(nil)
	if err := r.eachPage(&places, l.dir.Add); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l layout) offset(n int) int64 {
	offset, _ := l.dir.At(n)
	return offset
}

func (l layout) end(n int) int64 {
	offset, length := l.dir.At(n)
	return offset + int64(length)
}

// get is Get inside a guard.
func (o *opened) get(user []byte, seq key.SeqNum) ([]byte, visible.Effect, error) {
	g := o.domain.Enter()
	defer g.Exit()
	return o.Get(nil, user, key.Hash(user), visible.Reader{Seq: seq})
}

// want is what a lookup must find: the model's Get.
func want(rows []row, user []byte, seq key.SeqNum) (row, bool) {
	i, _ := slices.BinarySearchFunc(rows, key.SeekTo(user, seq), func(r row, k key.Internal) int {
		return key.Compare(r.key, k)
	})
	if i < len(rows) && bytes.Equal(rows[i].key.User, user) {
		return rows[i], true
	}
	return row{}, false
}

// isRow reports whether a lookup has found w.
func isRow(got []byte, effect visible.Effect, w row) bool {
	return effect == visible.OfKind(w.key.Trailer.Kind()) && bytes.Equal(got, w.value)
}

// checkGet compares a lookup with the model.
func checkGet(t tb, o *opened, rows []row, user []byte, seq key.SeqNum) {
	t.Helper()
	w, ok := want(rows, user, seq)
	got, effect, err := o.get(user, seq)
	if err != nil {
		t.Fatalf("get %q at %d: %v", user, seq, err)
	}
	if (effect != visible.Skip) != ok || ok && !isRow(got, effect, w) {
		t.Fatalf("get %q at %d: effect %d, %d bytes, want %v %v", user, seq, effect, len(got), ok, w.key)
	}
}

// at says where an iterator stands: the index in rows, or -1. It fails if the iterator stands elsewhere.
func checkAt(t tb, it *Iterator, rows []row, i int) {
	t.Helper()
	if err := it.Err(); err != nil {
		t.Fatalf("iterator: %v", err)
	}
	if i < 0 || i >= len(rows) {
		if it.Valid() {
			t.Fatalf("iterator is at %v beyond the end", it.Key())
		}
		return
	}
	if !it.Valid() {
		t.Fatalf("iterator is at no entry, want %v", rows[i].key)
	}
	if key.Compare(it.Key(), rows[i].key) != 0 {
		t.Fatalf("iterator is at %v, want %v", it.Key(), rows[i].key)
	}
	value, err := it.Value()
	if err != nil || !bytes.Equal(value, rows[i].value) {
		t.Fatalf("value of %v: %d bytes, %v; want %d bytes", it.Key(), len(value), err, len(rows[i].value))
	}
}

// numbered returns n rows of 24 and 150 bytes.
func numbered(n int) []row {
	rows := make([]row, n)
	for i := range rows {
		user := fmt.Appendf(nil, "key-%020d", i*7)
		value := make([]byte, 150)
		for j := range value {
			value[j] = byte(uint32(i+1) * 2654435761 >> (j % 24))
		}
		rows[i] = row{key.Make(user, key.SeqNum(i+1), key.KindPut), value}
	}
	return rows
}

var allCodecs = []codec.ID{codec.None, codec.S2, codec.Zstd}

func eachCodec(t *testing.T, f func(t *testing.T, c codec.ID)) {
	for _, c := range allCodecs {
		t.Run(c.String(), func(t *testing.T) { f(t, c) })
	}
}
