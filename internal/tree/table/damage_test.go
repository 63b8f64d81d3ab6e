package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/epoch"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/directory"
)

// smallRows is a table of several leaves and an inner page, with versions, tombstones, and values outside pages.
func smallRows() []row {
	rows := []row{
		del("account/0000", 3),
		put("account/0000", 2, "old"),
		put("big", 4, strings.Repeat("extent ", 60)),
		put("empty", 5, ""),
		put(strings.Repeat("long key ", 70), 6, "v"),
		put("noise", 7, string(noise(300))),
	}
	for i := range 20 {
		rows = append(rows, put(fmt.Sprintf("user/%04d", i/2), 10+i, fmt.Sprintf("value %d", i)))
	}
	return sortRows(rows)
}

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := 0; len(b) < n; i++ {
		b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64String(fmt.Sprint(i)))
	}
	return b[:n]
}

// shared is one cache for many short-lived readers.
type shared struct {
	domain *epoch.Domain
	cache  *cache.Cache
}

func newShared(t testing.TB) *shared {
	d := epoch.NewDomain()
	s := &shared{d, cache.New(256<<10, DefaultPageSize, d)}
	s.cache.Poison = true
	t.Cleanup(func() { d.Drain(); s.cache.Close() })
	return s
}

func (s *shared) open(data []byte, id uint64, size int) (*opened, error) {
	r, err := Open(&memFile{data: data}, OpenOptions{Name: "000001.tbl", ID: id, Size: int64(size), Cache: s.cache})
	if err != nil {
		return nil, err
	}
	return &opened{r, s.domain, s.cache}, nil
}

// readAll reads a table in every way there is. The error is the first one met; data other than rows fails the test.
func readAll(t *testing.T, o *opened, rows []row) error {
	t.Helper()
	defer o.Close()
	var failed error
	for i := range rows {
		seq := rows[i].key.Trailer.Seq()
		value, effect, err := o.get(rows[i].key.User, seq)
		if err != nil {
			failed = err
		} else if !isRow(value, effect, rows[i]) {
			t.Errorf("get %v: wrong data without an error", rows[i].key)
		}
	}
	for _, it := range []*Iterator{o.NewIterator(), o.NewSequentialIterator()} {
		failed = errors.Join(failed, scan(t, it, rows))
	}
	return failed
}

// scan reads a table forward as far as it goes.
func scan(t *testing.T, it *Iterator, rows []row) error {
	t.Helper()
	n := 0
	for it.First(); it.Valid(); it.Next() {
		value, err := it.Value()
		if err != nil {
			break
		}
		if n >= len(rows) || key.Compare(it.Key(), rows[n].key) != 0 || !bytes.Equal(value, rows[n].value) {
			t.Errorf("scan: wrong data without an error at row %d", n)
		}
		n++
	}
	if it.Err() == nil && n != len(rows) {
		t.Errorf("scan ended after %d of %d rows without an error", n, len(rows))
	}
	return it.Close()
}

// checkDamage fails unless err is damage that names the file.
func checkDamage(t *testing.T, what string, err error) {
	t.Helper()
	var d *corrupt.Error
	if !errors.As(err, &d) || d.File != "000001.tbl" {
		t.Errorf("%s: got %v, want a *corrupt.Error naming the file", what, err)
	}
}

// A flipped bit that passes is wrong data some day; one that Verify misses is a backup of wrong data.
func TestFlip_everyByteIsNoticed(t *testing.T) {
	eachCodec(t, func(t *testing.T, c codec.ID) {
		rows := smallRows()
		f, _ := build(t, Options{ID: testID, Codec: codec.By(c), PageSize: 512}, rows)
		s := newShared(t)
		for i := range f.data {
			f.data[i] ^= 1 << (i % 8)
			what := fmt.Sprintf("byte %d of %d", i, len(f.data))
			o, err := s.open(f.data, testID, len(f.data))
			if err == nil {
				err = o.Verify(context.Background())
				if read := readAll(t, o, rows); read != nil {
					checkDamage(t, "read: "+what, read)
				}
			}
			checkDamage(t, what, err)
			f.data[i] ^= 1 << (i % 8)
		}
	})
}

// A table cut short or grown is another file than the manifest speaks of.
func TestOpen_refusesEveryOtherLength(t *testing.T) {
	f, _ := build(t, Options{ID: testID, PageSize: 512}, smallRows())
	s, size := newShared(t), len(f.data)
	for n := range size {
		_, err := s.open(f.data[:n], testID, size)
		checkDamage(t, fmt.Sprintf("%d of %d bytes", n, size), err)
		_, err = s.open(f.data[:n], testID, n)
		checkDamage(t, fmt.Sprintf("%d of %d bytes, as expected", n, size), err)
	}
	longer := append(bytes.Clone(f.data), make([]byte, 3)...)
	_, err := s.open(longer, testID, size)
	checkDamage(t, "longer", err)
	_, err = s.open(longer, testID, size+3)
	checkDamage(t, "longer, as expected", err)
}

// A file that shrinks while it is open must not read as an end of data.
func TestRead_pastTheEndIsDamage(t *testing.T) {
	f, _ := build(t, Options{ID: testID, PageSize: 512}, smallRows())
	o, err := newShared(t).open(f.data, testID, len(f.data))
	if err != nil {
		t.Fatal(err)
	}
	o.src.File.(*memFile).data = f.data[:100]
	_, _, err = o.get([]byte("empty"), key.MaxSeqNum)
	checkDamage(t, "get", err)
	checkDamage(t, "verify", o.Verify(context.Background()))
}

// A block of another table, or of another place, has a checksum of its own: it must not pass here.
func TestChecksum_coversIdentityAndPlace(t *testing.T) {
	rows := numbered(100)
	one, _ := build(t, Options{ID: 1, PageSize: 512}, rows)
	two, _ := build(t, Options{ID: 2, PageSize: 512}, rows)
	s := newShared(t)
	_, err := s.open(two.data, 1, len(two.data))
	checkDamage(t, "file of another table", err)
	o, err := s.open(bytes.Clone(one.data), 1, len(one.data))
	if err != nil {
		t.Fatal(err)
	}
	l := layoutOf(t, o.Reader)
	offset, length := l.dir.At(3)
	copy(o.src.File.(*memFile).data[offset:], two.data[offset:offset+int64(length)])
	checkDamage(t, "page of another table", o.Verify(context.Background()))
	next, nextLength := l.dir.At(4)
	if length != nextLength {
		t.Fatal("the test needs pages of the same length")
	}
	copy(o.src.File.(*memFile).data[offset:], one.data[next:next+int64(length)])
	checkDamage(t, "page of another place", o.Verify(context.Background()))
	_, err = o.LoadPage(3, make([]byte, 512)) // a point read sees no other page that it could be compared with
	checkDamage(t, "page of another place, alone", err)
}

// A flipped bit of a trailer changes what a block is taken for; that something else notices is luck.
func TestChecksum_coversTheTrailer(t *testing.T) {
	s := block.Source{Name: "000001.tbl", ID: testID, Codec: codec.S2}
	at := block.At(block.Leaf, 3, 700)
	payload := []byte("payload")
	trailer, _ := at.Seal(s.ID, payload, codec.None, len(payload))
	stored := append(payload, trailer[:]...)
	if _, err := s.Open(nil, stored, at, 100); err != nil {
		t.Fatal(err)
	}
	for bit := 8 * len("payload"); bit < 8*len(stored); bit++ {
		stored[bit/8] ^= 1 << (bit % 8)
		if _, err := s.Open(nil, stored, at, 100); err == nil || !strings.Contains(err.Error(), "checksum mismatch") {
			t.Errorf("bit %d: %v", bit, err)
		}
		stored[bit/8] ^= 1 << (bit % 8)
	}
}

// A small file that was made to look right would take all memory of the program that opens it.
func TestRead_boundsWhatABlockMayBecome(t *testing.T) {
	const bomb = 64 << 20
	for _, c := range []codec.ID{codec.S2, codec.Zstd} {
		s := block.Source{Name: "000001.tbl", ID: testID, Codec: c}
		at := block.At(block.Leaf, 0, 0)
		payload := codec.By(c).Encode(nil, make([]byte, bomb))
		trailer, _ := at.Seal(s.ID, payload, c, bomb)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := s.Open(nil, append(payload, trailer[:]...), at, page.MaxSize)
		runtime.ReadMemStats(&after)
		checkDamage(t, c.String(), err)
		if n := after.TotalAlloc - before.TotalAlloc; n > bomb/4 {
			t.Errorf("%v: %d bytes allocated", c, n)
		}
	}
}

// A failing device is not an absent key, and not damage either.
func TestRead_returnsTheDevicesError(t *testing.T) {
	broken := errors.New("input/output error")
	rows := smallRows()
	f, _ := build(t, Options{ID: testID, PageSize: 512}, rows)
	o, err := newShared(t).open(f.data, testID, len(f.data))
	if err != nil {
		t.Fatal(err)
	}
	o.src.File.(*memFile).fail = broken
	for what, read := range map[string]func() error{
		"get":    func() error { _, _, err := o.get([]byte("nothing"), 1); return err },
		"first":  func() error { return scan(t, o.NewIterator(), rows) },
		"ahead":  func() error { return scan(t, o.NewSequentialIterator(), rows) },
		"seek":   func() error { it := o.NewIterator(); it.SeekGE(rows[3].key); return it.Close() },
		"before": func() error { it := o.NewIterator(); it.SeekLT(rows[3].key); return it.Close() },
		"last":   func() error { it := o.NewIterator(); it.Last(); return it.Close() },
		"verify": func() error { return o.Verify(context.Background()) },
		"open": func() error {
			_, err := Open(o.src.File, OpenOptions{ID: testID, Size: o.foot.size, Cache: o.cache})
			return err
		},
	} {
		if err := read(); !errors.Is(err, broken) || errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// reseal makes all checksums of an uncompressed table right again, whatever its bytes are now. layout is the table as
// it was built.
func reseal(data []byte, layout layout) {
	seal := func(at block.Place, end int64) {
		b := data[at.Offset:end]
		payload, head := b[:len(b)-16], binary.LittleEndian.Uint64(b[len(b)-16:])
		binary.LittleEndian.PutUint64(b[len(b)-8:], at.Checksum(layout.src.ID, payload, head))
	}
	for n := range layout.dir {
		seal(block.At(layout.unitOf(n), n, layout.offset(n)), layout.end(n))
	}
	for x := range extents(layout.Reader) {
		seal(block.At(block.Extent, 0, int64(x.Offset)), int64(x.Offset+x.Stored))
	}
	end := layout.foot.size - footerSize
	seal(block.At(block.Properties, 0, layout.foot.properties), layout.foot.directory)
	for i := range layout.layout.Blocks() {
		at := layout.foot.directoryPlace(i)
		_, length := layout.layout.Block(i)
		seal(at, at.Offset+int64(length))
	}
	resealFooter(data[end:])
}

// resealFooter makes the checksum and the magic of a footer right.
func resealFooter(b []byte) {
	copy(b[88:], footerMagic)
	binary.LittleEndian.PutUint64(b[80:], xxhash.Sum64(b[:80]))
}

// extents yields the extents of a table.
func extents(r *Reader) func(func(page.Extent) bool) {
	return func(yield func(page.Extent) bool) {
		it := r.NewIterator()
		defer it.Close()
		for it.First(); it.Valid(); it.Next() {
			if it.entry.IsExtent() && !yield(it.entry.Extent()) {
				return
			}
		}
	}
}

// exercise opens and reads what may be an impossible table, in every way. It fails on errors that are not damage.
func exercise(t *testing.T, s *shared, data []byte) {
	t.Helper()
	check := func(what string, err error) {
		if err != nil && !errors.Is(err, corrupt.ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v", what, err)
		}
	}
	o, err := s.open(data, testID, len(data))
	check("open", err)
	if err != nil {
		return
	}
	defer o.Close()
	for _, row := range smallRows() {
		_, _, err := o.get(row.key.User, row.key.Trailer.Seq())
		check("get", err)
		for _, move := range []func(*Iterator, key.Internal) bool{(*Iterator).SeekGE, (*Iterator).SeekLT} {
			it := o.NewIterator()
			if move(it, row.key) {
				it.Prev()
				it.Next()
			}
			check("seek", it.Close())
		}
	}
	for _, it := range []*Iterator{o.NewIterator(), o.NewSequentialIterator()} {
		for it.First(); it.Valid(); it.Next() {
			it.Value()
		}
		check("forward", it.Close())
	}
	it := o.NewIterator()
	for it.Last(); it.Valid(); it.Prev() {
		it.Value()
	}
	check("backward", it.Close())
	check("verify", o.Verify(context.Background()))
}

// FuzzTable writes bytes of the attacker's choice anywhere into a table and puts all checksums right: only the checks
// of content stand between them and the reader. Each change is 2 bytes of offset and 2 bytes that are written there.
func FuzzTable(f *testing.F) {
	s := newShared(f)
	base, _ := build(f, Options{ID: testID, PageSize: 512}, smallRows())
	o, err := s.open(base.data, testID, len(base.data))
	if err != nil {
		f.Fatal(err)
	}
	layout := layoutOf(f, o.Reader)
	for _, at := range structurePlaces(layout) {
		f.Add([]byte{byte(at), byte(at >> 8), 0xff, 0xff})
		f.Add([]byte{byte(at), byte(at >> 8), 0x01, 0x00})
	}
	f.Fuzz(func(t *testing.T, changes []byte) {
		data := bytes.Clone(base.data)
		for ; len(changes) >= 4; changes = changes[4:] {
			at := int(binary.LittleEndian.Uint16(changes)) % (len(data) - 1)
			copy(data[at:], changes[2:4])
		}
		reseal(data, layout)
		exercise(t, s, data)
	})
}

// structurePlaces are offsets of lengths, counts, page numbers and positions.
func structurePlaces(r layout) (places []int64) {
	for _, n := range []int{0, int(r.foot.leaves), r.first - 1} {
		offset, end := r.offset(n), r.end(n)-block.TrailerSize
		places = append(places, offset, offset+8, offset+9, end-8, end-6, end-4, end, end+2)
	}
	places = append(places, r.offset(r.first-1)+16, r.offset(r.first), r.offset(r.first)+16) // child, slot, position
	places = append(places, r.foot.directory, r.foot.directory+8, r.foot.properties, r.foot.properties+56)
	for at := int64(0); at < 80; at += 2 {
		places = append(places, r.foot.size-footerSize+at)
	}
	return places
}

// Content that is impossible, under right checksums, must never be a panic or a loop, and Verify must refuse it:
// those who can write the file can write the checksums.
func TestVerify_refusesImpossibleContent(t *testing.T) {
	s := newShared(t)
	base, _ := build(t, Options{ID: testID, PageSize: 512}, smallRows())
	whole, err := s.open(base.data, testID, len(base.data))
	if err != nil {
		t.Fatal(err)
	}
	layout := layoutOf(t, whole.Reader)
	codecByte := len(base.data) - footerSize + 4 // any codec is right for a table of which no block is compressed
	for i := range base.data {
		data := bytes.Clone(base.data)
		data[i] ^= []byte{1, 0x80, 0xff}[i%3]
		reseal(data, layout)
		if bytes.Equal(data, base.data) || i == codecByte {
			continue // a byte of a checksum
		}
		exercise(t, s, data)
		o, err := s.open(data, testID, len(data))
		if err == nil {
			err = o.Verify(context.Background())
			o.Close()
		}
		if err == nil {
			t.Errorf("byte %d: not noticed", i)
		}
	}
}

// withHole is the table in data with bytes before page n, which is no leaf, that belong to nothing, and everything else
// as if they had been written there.
func withHole(data []byte, whole layout, n int) []byte {
	const hole = 40
	at := whole.offset(n)
	data = slices.Insert(bytes.Clone(data), int(at), make([]byte, hole)...)
	var entries directory.List
	for i := range whole.dir {
		offset, length := whole.dir.At(i)
		if i >= n {
			offset += hole
		}
		entries.Add(offset, length)
	}
	foot := whole.foot
	foot.size, foot.properties, foot.directory = foot.size+hole, foot.properties+hole, foot.directory+hole
	moved := layout{&Reader{src: whole.src, foot: foot, layout: foot.layout(), first: whole.first,
		pages: whole.pages}, entries} // for the extents, which lie where they were
	for i := range moved.layout.Blocks() {
		from := i * moved.layout.PerBlock()
		to := min(from+moved.layout.PerBlock(), len(entries))
		copy(data[foot.directoryPlace(i).Offset:], entries[from:to].Encode(nil))
	}
	copy(data[foot.size-footerSize:], foot.encode())
	reseal(data, moved)
	digest := uint64(0)
	for i := range entries {
		digest += block.StoredChecksum(data[:moved.end(i)])
	}
	for x := range extents(whole.Reader) {
		digest += block.StoredChecksum(data[:x.Offset+x.Stored])
	}
	binary.LittleEndian.PutUint64(data[foot.properties+48:], digest)
	reseal(data, moved)
	return data
}

// Bytes under no checksum may be anything, and nobody would notice that they have changed. Between two pages of a block
// of the directory its readers see them, between two blocks only Verify does.
func TestVerify_noticesHolesBetweenPages(t *testing.T) {
	rows := numbered(9000)
	base, _ := build(t, Options{ID: testID, PageSize: 512}, rows)
	s := newShared(t)
	o, err := s.open(base.data, testID, len(base.data))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	whole := layoutOf(t, o.Reader)
	per := o.layout.PerBlock()
	seam := (o.layout.Leaves/per + 1) * per
	if seam+per >= o.layout.Pages {
		t.Fatalf("%d pages, %d leaves: no two blocks lie behind the leaves", o.layout.Pages, o.layout.Leaves)
	}
	for n, alone := range map[int]bool{seam: false, seam + 1: true, o.first: true} {
		data := withHole(base.data, whole, n)
		holed, err := s.open(data, testID, len(data))
		if err != nil {
			t.Fatal(err)
		}
		checkDamage(t, fmt.Sprintf("hole before page %d", n), holed.Verify(context.Background()))
		if _, _, err := holed.placeOf(n); (err != nil) != alone {
			t.Errorf("page %d behind a hole: %v", n, err)
		}
		holed.Close()
	}
}

// Of a large table each block of the directory is read for itself: damage of one must be named with its place, and must
// leave the pages of others to their readers.
func TestDirectory_damageOfABlockIsItsPagesAlone(t *testing.T) {
	rows := numbered(3000)
	o := Options{ID: testID, PageSize: 512}
	f, _ := build(t, o, rows)
	s := newShared(t)
	r, err := s.open(f.data, testID, len(f.data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const block = 2
	at := r.foot.directoryPlace(block)
	f.data[at.Offset+100] ^= 1
	for n := range r.layout.Pages {
		_, err := r.LoadPage(n, make([]byte, 512))
		if n/r.layout.PerBlock() != block {
			if err != nil {
				t.Fatalf("page %d: %v", n, err)
			}
			continue
		}
		checkDamage(t, fmt.Sprintf("page %d", n), err)
		var d *corrupt.Error
		if errors.As(err, &d); d.Offset != at.Offset {
			t.Fatalf("page %d: %v", n, err)
		}
	}
	checkDamage(t, "ahead", scanned(r.NewSequentialIterator()))
	f.data[r.foot.directoryPlace(block+1).Offset] ^= 1
	err = r.Verify(context.Background())
	for _, want := range []string{fmt.Sprintf("directory %d", at.Number), fmt.Sprintf("directory %d", at.Number+1)} {
		if err == nil || strings.Count(err.Error(), want) != 1 {
			t.Errorf("verify lists %v, want %q once", err, want)
		}
	}
}

// scanned reads everything forward and returns what ended that.
func scanned(it *Iterator) error {
	for it.First(); it.Valid(); it.Next() {
	}
	return it.Close()
}

// A page that leads to itself, upwards or past a level must end the search with an error, not never.
func TestSeek_refusesCrookedTrees(t *testing.T) {
	rows := numbered(3000)
	o := Options{ID: testID, PageSize: 512}
	base, _ := build(t, o, rows)
	s := newShared(t)
	whole, err := s.open(base.data, testID, len(base.data))
	if err != nil {
		t.Fatal(err)
	}
	layout := layoutOf(t, whole.Reader)
	root := layout.first - 1
	leaves := int(layout.foot.leaves)
	for name, change := range map[string]struct {
		page  int
		child int // of the first entry; -1: unchanged
		level byte
	}{
		"root leads to itself":        {root, root, 3},
		"root leads beyond itself":    {root, root + 1, 3},
		"root leads to a leaf":        {root, 0, 3},
		"root leads past a level":     {root, leaves, 3},
		"level 1 leads to inner page": {leaves, leaves, 1},
		"level 1 says level 2":        {leaves, -1, 2},
		"root says level 4":           {root, -1, 4},
		"inner page says leaf":        {leaves, -1, 0},
		"leaf says level 1":           {0, -1, 1},
	} {
		data := bytes.Clone(base.data)
		payload := data[layout.offset(change.page) : layout.end(change.page)-block.TrailerSize]
		if level := page.Level(payload); change.child >= 0 && level != int(change.level) {
			t.Fatalf("%s: the table has a page of level %d there", name, level)
		}
		payload[len(payload)-6] = change.level
		if change.child >= 0 {
			_, next, _ := page.At(payload, 0)
			e := page.View(payload)
			first := e.Entry(0)
			at := bytes.Index(payload[:next], first.Value())
			binary.LittleEndian.PutUint32(payload[at:], uint32(change.child))
		}
		reseal(data, layout)
		r, err := s.open(data, testID, len(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		it := r.NewIterator()
		it.SeekGE(rows[0].key)
		checkDamage(t, name, it.Close())
		checkDamage(t, name+": verify", r.Verify(context.Background()))
		r.Close()
	}
}

// An inner page that leads a leaf too far, either way, must end the search with damage: an entry on the wrong side of
// the target takes a walk that seeks over deleted keys back to where it was, for ever.
func TestSeek_refusesEntriesOnTheWrongSide(t *testing.T) {
	rows := numbered(3000)
	base, _ := build(t, Options{ID: testID, PageSize: 512}, rows)
	s := newShared(t)
	whole, err := s.open(base.data, testID, len(base.data))
	if err != nil {
		t.Fatal(err)
	}
	layout := layoutOf(t, whole.Reader)
	n := int(layout.foot.leaves) // the first page of level 1
	for name, c := range map[string]struct {
		leads int // by how many leaves further on
		move  func(*Iterator, key.Internal) bool
	}{
		"two leaves back, forward":  {-2, (*Iterator).SeekGE},
		"two leaves on, backward":   {2, (*Iterator).SeekLT},
		"one leaf back is too soon": {-1, (*Iterator).SeekGE}, // and harmless: the next leaf is the right one
	} {
		data := bytes.Clone(base.data)
		payload := data[layout.offset(n) : layout.end(n)-block.TrailerSize]
		_, at, _ := page.At(payload, 0)
		_, at, _ = page.At(payload, at)
		e, next, _ := page.At(payload, at) // of leaf 2
		child := at + bytes.Index(payload[at:next], e.Value())
		binary.LittleEndian.PutUint32(payload[child:], uint32(2+c.leads))
		reseal(data, layout)
		r, err := s.open(data, testID, len(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		target := e.Key.Clone()
		it := r.NewIterator()
		if !c.move(it, target) {
			checkDamage(t, name, it.Close())
		} else if c.leads != -1 || key.Compare(it.Key(), target) < 0 {
			t.Errorf("%s: from %v it came to %v", name, target, it.Key())
		}
		it.Close()
		r.Close()
	}
}
