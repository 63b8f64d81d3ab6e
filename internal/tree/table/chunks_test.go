package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
)

// chunkedRows are values around the length from which on they are stored in chunks.
func chunkedRows() (rows []row) {
	for i, n := range []int{page.ChunkSize - 1, page.ChunkSize, page.ChunkSize + 1, 2 * page.ChunkSize, 5<<19 + 7} {
		value := noise(n)
		if i%2 == 1 {
			copy(value[n/2:], make([]byte, n/2)) // one chunk is compressed, another is not
		}
		rows = append(rows, put(fmt.Sprintf("%02d", i), 1, string(value)))
	}
	return rows
}

// A film of which a chunk is missing, or stands in another's place, is lost.
func TestChunks_areTheValue(t *testing.T) {
	eachCodec(t, func(t *testing.T, c codec.ID) {
		rows := chunkedRows()
		o := Options{ID: testID, Codec: codec.By(c)}
		f, _ := build(t, o, rows)
		r := mustOpen(t, f, o)
		defer r.close(t)
		checkWalk(t, r.NewIterator(), rows)
		checkWalk(t, r.NewSequentialIterator(), rows)
		it := r.NewIterator()
		defer it.Close()
		it.First()
		for _, row := range rows {
			checkGet(t, r, rows, row.key.User, 1)
			x, _ := it.Extent()
			if want := (len(row.value) - 1) / page.ChunkSize; want > 0 && x.Chunks() != want+1 || want == 0 && x.Chunks() != 0 {
				t.Errorf("%d chunks of %d bytes", x.Chunks(), len(row.value))
			}
			for n := x.Chunks() - 1; n >= 0; n-- {
				got, err := it.Chunk([]byte("before"), n)
				end := min((n+1)*page.ChunkSize, len(row.value))
				if err != nil || !bytes.Equal(got[6:], row.value[n*page.ChunkSize:end]) {
					t.Errorf("chunk %d of %d bytes: %d bytes, %v", n, len(row.value), len(got)-6, err)
				}
			}
			it.Next()
		}
		if err := r.Verify(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// What is written as a stream must be what is written at once, byte by byte of the file: nobody tells them apart.
func TestAddChunks_writesWhatAddDoes(t *testing.T) {
	rows := chunkedRows()[2:]
	o := Options{ID: testID, Codec: codec.By(codec.S2)}
	want, _ := build(t, o, rows)
	got := &memFile{}
	w := NewWriter(got, o)
	for _, r := range rows {
		if err := w.AddChunks(r.key, 0, block.InChunks(r.value)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil || !bytes.Equal(got.data, want.data) {
		t.Errorf("another file, %v", err)
	}
}

// A stream that ends in an error must leave no table: half a value would be taken for one.
func TestAddChunks_failsForGood(t *testing.T) {
	broken := errors.New("the reader is broken")
	chunk := make([]byte, page.ChunkSize)
	for name, next := range map[string]func(n int) ([]byte, error){
		"error":        func(n int) ([]byte, error) { return chunk, map[int]error{2: broken}[n] },
		"short":        func(n int) ([]byte, error) { return chunk, map[int]error{1: io.EOF}[n] },
		"empty chunk":  func(n int) ([]byte, error) { return chunk[:page.ChunkSize*(1-n/2)], nil },
		"after a last": func(n int) ([]byte, error) { return chunk[:page.ChunkSize-n], nil },
		"too long":     func(int) ([]byte, error) { return chunk, nil },
	} {
		w := NewWriter(&discard{}, Options{ID: testID})
		n := -1
		err := w.AddChunks(put("k", 1, "").key, 0, func() ([]byte, error) { n++; return next(n) })
		if err == nil || (name == "error") != errors.Is(err, broken) ||
			(name == "too long") != errors.Is(err, ErrStreamTooLong) {
			t.Errorf("%s: %v", name, err)
		}
		if again := w.Add(put("l", 1, "").key, nil); again != err {
			t.Errorf("%s: the next Add gives %v", name, again)
		}
		if _, finished := w.Finish(); finished != err {
			t.Errorf("%s: Finish gives %v", name, finished)
		}
	}
}

// discard is a file of which nothing is kept.
type discard struct{}

func (*discard) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (*discard) StoreAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (*discard) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (*discard) Close() error                           { return nil }
func (*discard) Size() (int64, error)                   { return 0, nil }
func (*discard) Sync() error                            { return nil }
func (*discard) Allocate(int64) error                   { return nil }
func (*discard) WriteOut(int64, int64) error            { return nil }

// chunkTable is a table of one chunked value of three chunks, and where they are.
func chunkTable(t *testing.T) (data []byte, rows []row, c block.Chunks, x page.Extent) {
	rows = []row{put("film", 1, string(noise(5<<19)))}
	f, _ := build(t, Options{ID: testID}, rows)
	r := mustOpen(t, f, Options{ID: testID})
	defer r.close(t)
	for found := range extents(r.Reader) {
		x = found
	}
	if err := r.src.ReadChunks(&c, x); err != nil {
		t.Fatal(err)
	}
	return f.data, rows, c, x
}

// A flipped bit in any chunk is damage of that chunk, and the others can be read.
func TestChunks_damageIsNoticed(t *testing.T) {
	data, rows, _, x := chunkTable(t)
	s := newShared(t)
	length := page.ChunkSize + block.TrailerSize
	for name, change := range map[string]func(b []byte) (broken int){
		"first":         func(b []byte) int { b[10] ^= 1; return 0 },
		"last":          func(b []byte) int { b[2*length+9] ^= 1; return 2 },
		"trailer":       func(b []byte) int { b[2*length-9] ^= 1; return 1 },
		"lengths":       func(b []byte) int { b[x.Stored-20] ^= 1; return -1 },
		"other's place": func(b []byte) int { copy(b, b[length:2*length]); return 0 },
	} {
		damaged := bytes.Clone(data)
		broken := change(damaged[x.Offset:])
		o, err := s.open(damaged, testID, len(data))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = o.get([]byte("film"), 1)
		checkDamage(t, name+": get", err)
		checkDamage(t, name+": verify", o.Verify(context.Background()))
		for n := range 3 {
			it := o.NewIterator()
			it.First()
			chunk, err := it.Chunk(nil, n)
			if n == broken || broken < 0 {
				checkDamage(t, name, err)
				checkDamage(t, name, it.Err())
				if named := fmt.Sprintf("in chunk %d", n); broken >= 0 && !strings.Contains(fmt.Sprint(err), named) {
					t.Errorf("%s: %v; it is %s", name, err, named)
				}
			} else if want := rows[0].value[n<<20:]; err != nil || !bytes.Equal(chunk, want[:min(len(want), 1<<20)]) {
				t.Errorf("%s: chunk %d: %d bytes, %v", name, n, len(chunk), err)
			}
			it.Close()
		}
		o.Close()
	}
}

// Lengths that are impossible, under right checksums, are damage, and lead to no read beyond the extent.
func TestChunks_refusesImpossibleLengths(t *testing.T) {
	data, _, _, x := chunkTable(t)
	s := newShared(t)
	full := uint32(page.ChunkSize + block.TrailerSize)
	rest := uint32(x.Stored) - 2*full - uint32(block.LengthsSize(3))
	for _, lengths := range [][3]uint32{
		{full, full, rest + 1}, {full, full - 1, rest}, {2*full + rest, 0, 0}, {0, full + rest, full}, {1 << 31, 1 << 31, 1},
		{full + 1, full - 1, rest}, {full - 1, full + 1, rest}, {full - 20, full + 20, rest},
	} {
		crafted := bytes.Clone(data)
		at := int64(x.Offset+x.Stored) - block.LengthsSize(3)
		b := crafted[at : x.Offset+x.Stored]
		for i, n := range lengths {
			binary.LittleEndian.PutUint32(b[4*i:], n)
		}
		head := binary.LittleEndian.Uint64(b[12:])
		binary.LittleEndian.PutUint64(b[20:], block.At(block.Lengths, 0, at).Checksum(testID, b[:12], head))
		o, err := s.open(crafted, testID, len(data))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = o.get([]byte("film"), 1)
		checkDamage(t, fmt.Sprint(lengths), err)
		checkDamage(t, fmt.Sprint(lengths), o.Verify(context.Background()))
		o.Close()
	}
}
