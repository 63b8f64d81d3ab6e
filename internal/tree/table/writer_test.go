package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"syscall"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/locator"
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/visible"
)

// An entry out of place would be found by a scan and not by a search; the writer must not take it, and go on as if it
// had not come.
func TestAdd_refusesWhatATableCannotHold(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{ID: testID})
	good := put("m", 5, "v")
	if err := w.Add(good.key, good.value); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]row{
		"same":              good,
		"newer version":     put("m", 6, "v"),
		"same seq, delete":  del("m", 5),
		"smaller":           put("a", 9, "v"),
		"empty key after":   put("", 1, "v"),
		"key too long":      {key.Make(make([]byte, key.MaxUserKeySize+1), 1, key.KindPut), nil},
		"value too long":    {put("z", 1, "").key, make([]byte, key.MaxValueSize+1)},
		"unknown kind":      {key: key.Make([]byte("z"), 1, 9)},
		"delete with value": {del("z", 1).key, []byte("v")},
		"no operator":       {key: key.Make([]byte("z"), 1, key.KindMerge)},
		"no end":            {key.Make([]byte("z"), 1, key.KindPutUntil), []byte("short")},
		"unknown operator":  {key.Make([]byte("z"), 1, key.KindMerge), []byte("\x09")},
	} {
		if err := w.Add(r.key, r.value); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	rows := []row{good, put("m", 4, ""), put("n", 1, "w")}
	for _, r := range rows[1:] {
		if err := w.Add(r.key, r.value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(put("zz", 1, "").key, nil); err == nil {
		t.Error("an entry is taken after Finish")
	}
	o := mustOpen(t, f, Options{ID: testID})
	defer o.close(t)
	checkWalk(t, o.NewIterator(), rows)
}

// An operand that came out as a value would be a wrong value; one that is long must come back whole.
func TestGet_findsMergesWithoutAValue(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{ID: testID})
	long := append([]byte{byte(operand.Append)}, make([]byte, 3*DefaultPageSize)...)
	rows := []row{
		{key.Make([]byte("long"), 3, key.KindMerge), long},
		put("long", 2, "below"),
		{key.Make([]byte("short"), 1, key.KindMerge), []byte("\x04x")},
	}
	for _, r := range rows {
		if err := w.Add(r.key, r.value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	o := mustOpen(t, f, Options{ID: testID})
	defer o.close(t)
	for _, user := range []string{"long", "short"} {
		out, effect, err := o.Get([]byte("dst"), []byte(user), key.Hash([]byte(user)), visible.Reader{Seq: 9})
		if string(out) != "dst" || effect != visible.Fold || err != nil {
			t.Errorf("%s: %d bytes, effect %d, %v", user, len(out), effect, err)
		}
	}
	checkWalk(t, o.NewIterator(), rows)
	if err := o.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// Who asks whether something has ended would have to read it, or would take the wrong one of its parts for the value.
func TestGet_findsTheEndBeforeTheValue(t *testing.T) {
	f := &memFile{}
	o := Options{ID: testID}
	w := NewWriter(f, o)
	const end key.Time = 1 << 60
	values := map[string][]byte{
		"chunks": bytes.Repeat([]byte("c"), 5<<19), "extent": bytes.Repeat([]byte("e"), DefaultPageSize),
		"inline": bytes.Repeat([]byte("i"), DefaultPageSize/4), "none": {},
	}
	var rows []row
	for _, user := range slices.Sorted(maps.Keys(values)) {
		k := key.Make([]byte(user), 3, key.KindPutUntil)
		rows = append(rows, row{k, key.WithEnd(nil, end, values[user])})
		if err := w.Add(k, rows[len(rows)-1].value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	r := mustOpen(t, f, o)
	defer r.close(t)
	for user, value := range values {
		hash := key.Hash([]byte(user))
		out, effect, err := r.Get([]byte("dst"), []byte(user), hash, visible.Reader{Seq: 9})
		if err != nil || effect != visible.Until || !bytes.Equal(out, key.WithEnd([]byte("dst"), end, value)) {
			t.Errorf("%s: %d bytes, effect %d, %v", user, len(out), effect, err)
		}
		x, effect, err := r.Locate([]byte(user), hash, visible.Reader{Seq: 9})
		if err != nil || effect != visible.Until || x.End != end || int(x.Raw) != len(value) {
			t.Errorf("%s lies at %+v, effect %d, %v", user, x, effect, err)
		}
		if outside := len(value) > DefaultPageSize/4; outside != (x.Stored > 0) {
			t.Errorf("%s lies at %+v", user, x)
		}
	}
	checkWalk(t, r.NewIterator(), rows)
	if err := r.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	left, p := leave(t, r.Reader, o)
	if len(p.ValueFiles) != 1 || p.RawBytes != r.Properties().RawBytes || p.ExtentBytes != 0 {
		t.Errorf("left where they are: %d bytes, %+v", len(left.data), p)
	}
}

// A table without entries, or with options that no reader takes, must not come into being.
func TestWriter_refusesImpossibleTables(t *testing.T) {
	if _, err := NewWriter(&memFile{}, Options{}).Finish(); err == nil {
		t.Error("an empty table was written")
	}
	impossible := []Options{
		{PageSize: 256}, {PageSize: 1 << 17}, {PageSize: 5000}, {PageSize: -1}, {Codec: codec.Compressor{ID: 9}},
	}
	for _, o := range impossible {
		if err := NewWriter(&memFile{}, o).Add(put("a", 1, "").key, nil); err == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
}

// A write that fails must fail the table: a caller that goes on would install a file with a hole.
func TestWriter_keepsTheFirstError(t *testing.T) {
	broken := errors.New("no space")
	f := &memFile{fail: broken}
	w := NewWriter(f, Options{ID: testID})
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		r := put(fmt.Sprintf("%08d", i), 1, string(make([]byte, 1000)))
		err = w.Add(r.key, r.value)
	}
	if !errors.Is(err, broken) {
		t.Fatalf("add: %v", err)
	}
	f.fail = nil
	if _, err := w.Finish(); !errors.Is(err, broken) {
		t.Errorf("finish: %v", err)
	}
}

// Commits that are synced would wait behind a whole table.
func TestWriter_handsOutPieceByPiece(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{ID: testID})
	value := make([]byte, 100_000)
	for i := range 100 {
		if err := w.Add(put(fmt.Sprintf("key %03d", i), 1, "").key, value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for _, out := range f.writtenOut {
		if out[0] != end || out[1] < piece.WriteOutBytes || out[1] > 2*piece.WriteOutBytes {
			t.Errorf("%d bytes at %d, want a piece at %d", out[1], out[0], end)
		}
		end = out[0] + out[1]
	}
	if rest := int64(len(f.data)) - end; rest >= piece.WriteOutBytes || end == 0 {
		t.Errorf("%d of %d bytes are left to the sync", rest, len(f.data))
	}
}

// A table with a hole would take the place of the log that it was made from.
func TestWriter_shortWriteIsAnError(t *testing.T) {
	disk := errfs.New(memfs.New(), errfs.On(errfs.Write).Short(100, syscall.EIO))
	f, err := disk.Create("table")
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(f, Options{ID: testID})
	r := put("key", 1, string(make([]byte, 1000)))
	if err := w.Add(r.key, r.value); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Finish: %v", err)
	}
}

// Positions have 24 bits. A table that goes on beyond them would lead lookups to other entries.
func TestFull_endsATableBeforePositionsDo(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{ID: testID, PageSize: MaxPageSize, Codec: codec.By(codec.S2)})
	value := make([]byte, 16<<10)
	var rows []row
	for i := 0; !w.Full(); i++ {
		r := row{key.Make(fmt.Appendf(nil, "%08d", i), 9, key.KindPut), value}
		if err := w.Add(r.key, r.value); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if w.leaves < locator.MaxPosition>>(maxPageBits-3)-2 {
		t.Errorf("full after %d leaves", w.leaves)
	}
	if err := w.Add(put("z", 1, "").key, nil); !errors.Is(err, ErrFull) {
		t.Errorf("a new key in a full table: %v", err)
	}
	user := rows[len(rows)-1].key.User
	for seq := key.SeqNum(8); seq > 0; seq-- { // more than the rest of a page
		r := row{key.Make(user, seq, key.KindPut), value}
		if err := w.Add(r.key, r.value); err != nil {
			t.Fatalf("an older version in a full table: %v", err)
		}
		rows = append(rows, r)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	o := mustOpen(t, f, Options{ID: testID})
	defer o.close(t)
	for i := len(rows) - 1; i >= 0; i -= 1 + i/50 {
		checkGet(t, o, rows, rows[i].key.User, rows[i].key.Trailer.Seq())
	}
}

// What the manifest records of a table comes from these numbers.
func TestFinish_countsWhatWasAdded(t *testing.T) {
	rows := smallRows()
	f, p := build(t, Options{ID: testID, PageSize: 512}, rows)
	var want Properties
	for i, r := range rows {
		want.RawBytes += uint64(len(r.key.User) + len(r.value))
		if r.key.Trailer.Kind() == key.KindDelete {
			want.Tombstones++
		}
		if i > 0 && bytes.Equal(rows[i-1].key.User, r.key.User) {
			want.Shadowed++
		}
	}
	if p.Entries != uint64(len(rows)) || p.RawBytes != want.RawBytes || p.Tombstones != want.Tombstones ||
		p.Shadowed != want.Shadowed || p.FileSize != int64(len(f.data)) ||
		p.SmallestSeq != 2 || p.LargestSeq != 29 || string(p.Smallest) != "account/0000" || string(p.Largest) != "user/0009" {
		t.Errorf("properties %+v", p)
	}
}

// The memory limit counts what an open table keeps outside the cache: were it more, the process would outgrow its limit
// with every table that is opened.
func TestResidentBytes_countsWhatStaysInMemory(t *testing.T) {
	f, _ := build(t, Options{ID: testID}, numbered(100_000))
	r := mustOpen(t, f, Options{ID: testID})
	defer r.close(t)
	grown := int64(0)
	r.grown = func(bytes int64) { grown += bytes }
	pages, before := int64(len(f.data)/DefaultPageSize), r.ResidentBytes()
	if before < 4*pages || before > 5*pages+readerBytes {
		t.Errorf("%d bytes for %d pages", before, pages)
	}
	it := r.NewIterator()
	defer it.Close()
	for range r.foot.inners {
		it.SeekGE(key.SeekTo([]byte("key-1"), key.MaxSeqNum))
	}
	if after := r.ResidentBytes(); grown < 7*pages || after != before+grown {
		t.Errorf("%d bytes, and %d with a leaf index of %d", before, after, grown)
	}
	small, _ := build(t, Options{ID: testID}, numbered(1))
	const tables = 256
	var readers [tables]*Reader
	heap := heapUse(func() {
		for i := range readers {
			copied := memFile{data: small.data}
			readers[i] = must(Open(&copied, OpenOptions{ID: testID, Size: int64(len(small.data)), Cache: r.cache}))
		}
	})
	if heap/tables > readerBytes {
		t.Errorf("to open a table takes %d bytes", heap/tables)
	}
}

// Compaction cuts its output by this estimate.
func TestEstimatedSize_isNearTheFile(t *testing.T) {
	w := NewWriter(&memFile{}, Options{ID: testID})
	for _, r := range numbered(20_000) {
		if err := w.Add(r.key, r.value); err != nil {
			t.Fatal(err)
		}
	}
	estimate := float64(w.EstimatedSize())
	p, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if ratio := estimate / float64(p.FileSize); ratio < 0.98 || ratio > 1.02 {
		t.Errorf("estimated %.0f bytes, the file has %d", estimate, p.FileSize)
	}
}

// Values far beyond a page, and beyond the pieces of a sequential iterator, must come back whole.
func TestExtent_anySize(t *testing.T) {
	eachCodec(t, func(t *testing.T, c codec.ID) {
		var rows []row
		const most = piece.MaxBytes
		for i, n := range []int{0, 1, 2047, 2048, 2049, 8 << 10, most - 17, most - 16, most, most + 1, 3 << 20} {
			value := noise(n)
			if i%2 == 0 {
				value = make([]byte, n)
			}
			rows = append(rows, row{key.Make(fmt.Appendf(nil, "%02d", i), 1, key.KindPut), value})
		}
		o := Options{ID: testID, Codec: codec.By(c)}
		f, _ := build(t, o, rows)
		r := mustOpen(t, f, o)
		defer r.close(t)
		checkWalk(t, r.NewIterator(), rows)
		checkWalk(t, r.NewSequentialIterator(), rows)
		for _, row := range rows {
			checkGet(t, r, rows, row.key.User, 1)
		}
		if err := r.Verify(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// Get appends: what the caller has in dst before must stay, also when the value is read straight from the file.
func TestGet_appendsToDst(t *testing.T) {
	eachCodec(t, func(t *testing.T, c codec.ID) {
		rows := smallRows()
		o := Options{ID: testID, Codec: codec.By(c), PageSize: 512}
		f, _ := build(t, o, rows)
		r := mustOpen(t, f, o)
		defer r.close(t)
		g := r.domain.Enter()
		defer g.Exit()
		for _, row := range rows {
			for _, room := range []int{0, 64, 4096} {
				dst := append(make([]byte, 0, 4+room), "head"...)
				reader := visible.Reader{Seq: row.key.Trailer.Seq()}
				out, effect, err := r.Get(dst, row.key.User, key.Hash(row.key.User), reader)
				if err != nil || effect == visible.Skip || !bytes.Equal(out, append([]byte("head"), row.value...)) {
					t.Fatalf("get %v with room %d: %d bytes, effect %d, %v", row.key, room, len(out), effect, err)
				}
			}
		}
	})
}

// An allocation per lookup costs more than the lookup.
func TestGet_allocatesNothingWhenCached(t *testing.T) {
	rows := numbered(5000)
	o := Options{ID: testID}
	f, _ := build(t, o, rows)
	r, err := open(f, o.ID, int64(len(f.data)), 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close(t)
	absent := []byte("nothing of that name here")
	dst, newest := make([]byte, 0, 256), visible.Reader{Seq: key.MaxSeqNum}
	i := 0
	read := func() {
		g := r.domain.Enter()
		defer g.Exit()
		user := rows[i*37%len(rows)].key.User
		if _, effect, err := r.Get(dst, user, key.Hash(user), newest); effect == visible.Skip || err != nil {
			t.Fatal(effect, err)
		}
		if _, effect, err := r.Get(dst, absent, key.Hash(absent)+uint64(i), newest); effect != visible.Skip || err != nil {
			t.Fatal(effect, err)
		}
		i++
	}
	for range rows {
		read() // every page is cached now
	}
	if n := testing.AllocsPerRun(1000, read); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A key with the hash of another must be told from it by its bytes.
func TestGet_otherKeyOfTheSameHash(t *testing.T) {
	rows := numbered(1000)
	o := Options{ID: testID}
	f, _ := build(t, o, rows)
	r := mustOpen(t, f, o)
	defer r.close(t)
	g := r.domain.Enter()
	defer g.Exit()
	for _, row := range rows {
		_, effect, err := r.Get(nil, []byte("another key"), key.Hash(row.key.User), visible.Reader{Seq: key.MaxSeqNum})
		if effect != visible.Skip || err != nil {
			t.Fatalf("another key of the hash of %v: effect %d, %v", row.key, effect, err)
		}
	}
}

// Keys that found no room in the locator, because their hashes collide, must be found all the same.
func TestGet_keysWithoutRoomInTheLocator(t *testing.T) {
	const colliding = 0x77
	rows := numbered(3 * locator.MaxBuckets * locator.SlotsPerBucket)
	f := &memFile{}
	w := NewWriter(f, Options{ID: testID})
	for _, r := range rows {
		if err := w.Add(r.key, r.value); err != nil {
			t.Fatal(err)
		}
	}
	w.locator.Reset()
	for range rows { // as if all keys had one hash, of which most found the page full
		w.locator.Add(colliding, 0)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	r := mustOpen(t, f, Options{ID: testID})
	defer r.close(t)
	g := r.domain.Enter()
	defer g.Exit()
	newest := visible.Reader{Seq: key.MaxSeqNum}
	for i := 0; i < len(rows); i += 97 {
		out, effect, err := r.Get(nil, rows[i].key.User, colliding, newest)
		if err != nil || effect == visible.Skip || !bytes.Equal(out, rows[i].value) {
			t.Fatalf("get %v: effect %d, %v", rows[i].key, effect, err)
		}
	}
	if _, effect, err := r.Get(nil, []byte("absent"), colliding, newest); effect != visible.Skip || err != nil {
		t.Errorf("absent key: effect %d, %v", effect, err)
	}
}

// An iterator in use after Close, or a table after Close, must say so instead of reading another's memory.
func TestClose_endsEverything(t *testing.T) {
	f, _ := build(t, Options{ID: testID}, smallRows())
	r := mustOpen(t, f, Options{ID: testID})
	for _, it := range []*Iterator{r.NewIterator(), r.NewSequentialIterator()} {
		it.First()
		if err := it.Close(); err != nil {
			t.Error(err)
		}
		target := smallRows()[3].key
		if it.First() || it.Last() || it.SeekGE(target) || it.SeekLT(target) || it.Next() || it.Prev() || it.Valid() {
			t.Error("a closed iterator moves")
		}
		if !errors.Is(it.Err(), fs.ErrClosed) {
			t.Errorf("err of a closed iterator: %v", it.Err())
		}
		if err := it.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
	}
	r.close(t)
	if _, _, err := r.get([]byte("big"), 9); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("get from a closed table: %v", err)
	}
}

// Verify of a large table must stop when its caller has stopped waiting.
func TestVerify_endsWithItsContext(t *testing.T) {
	f, _ := build(t, Options{ID: testID}, numbered(1000))
	r := mustOpen(t, f, Options{ID: testID})
	defer r.close(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
}
