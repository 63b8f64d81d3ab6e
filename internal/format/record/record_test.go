package record_test

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

var testDB = [16]byte{1, 2, 3}

const testNum filename.Num = 5

// newAppender returns an appender to a new file, and its header.
func newAppender(t testing.TB, dir *memfs.FS) (*record.Appender, record.FileHeader) {
	t.Helper()
	f, err := dir.Create("data")
	if err != nil {
		t.Fatal(err)
	}
	h := record.FileHeader{Magic: record.MagicLog, DB: testDB, Num: testNum}
	data := h.Encode()
	if _, err := f.WriteAt(data[:], 0); err != nil {
		t.Fatal(err)
	}
	return record.NewAppender(f, "data", &h), h
}

// open returns a reader of the file "data" of dir.
func open(t testing.TB, dir recordtest.Dir) *record.Reader {
	t.Helper()
	f, err := dir.Open("data")
	if err != nil {
		t.Fatal(err)
	}
	r := new(record.Reader)
	if err := r.Open(f, "data", testDB, testNum); err != nil {
		t.Fatal(err)
	}
	return r
}

// Whatever its size, and wherever it falls in the reader's buffer, a record must be read as it was written.
func TestReader_readsWhatAppenderWrote(t *testing.T) {
	dir := memfs.NewVolatile()
	a, h := newAppender(t, dir)
	var want [][]byte
	for i, size := range []int{0, 1, 7, 8, 9, 100_000, 250_000, 262_112, 262_113, 300_000, 1 << 20, 3, 5 << 20, 2} {
		body := bytes.Repeat([]byte{byte(i + 1)}, size)
		want = append(want, body)
		if err := errors.Join(a.Begin(record.Written), a.Add(record.Type(i+1), body[:size/3], body[size/3:])); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, recordtest.Contents(t, dir))
	off, chain := int64(record.FileHeaderSize), h.Sum()
	for i, body := range want {
		rec, problem, err := r.At(off)
		if err != nil || problem != "" {
			t.Fatalf("record %d: %q, %v", i, problem, err)
		}
		if !bytes.Equal(rec.Body, body) || rec.Type != record.Type(i+1) || rec.Chain != chain || rec.Offset != off {
			t.Errorf("record %d differs", i)
		}
		off, chain = rec.End, rec.Sum
	}
	if off != a.Size() || off != r.Size() {
		t.Errorf("records end at %d, appender at %d, file at %d", off, a.Size(), r.Size())
	}
	if _, problem, err := r.At(off); problem != record.NoRecord || err != nil {
		t.Errorf("behind the last record: %q, %v", problem, err)
	}
}

// A record that is valid anywhere but where it was written could be replayed twice, or in another's place.
func TestReader_recordsAreBoundToTheirPlace(t *testing.T) {
	header := record.FileHeader{Magic: record.MagicLog, DB: testDB, Num: testNum}
	encoded := header.Encode()
	good := recordtest.AppendRecord(encoded[:], testDB, uint64(testNum), header.Sum(), 1, []byte("body"))
	cases := map[string][]byte{
		"other database": recordtest.AppendRecord(encoded[:], [16]byte{9}, uint64(testNum), header.Sum(), 1, []byte("body")),
		"other file":     recordtest.AppendRecord(encoded[:], testDB, 6, header.Sum(), 1, []byte("body")),
		"other offset":   slices.Concat(encoded[:], make([]byte, 8), good[record.FileHeaderSize:]),
	}
	if _, problem, err := open(t, recordtest.Dir{"data": good}).At(record.FileHeaderSize); problem != "" || err != nil {
		t.Fatalf("in its place: %q, %v", problem, err)
	}
	for name, data := range cases {
		r := open(t, recordtest.Dir{"data": data})
		for off := int64(record.FileHeaderSize); off < r.Size(); off += 8 {
			if _, problem, err := r.At(off); problem == "" || err != nil {
				t.Errorf("%s: valid at offset %d, %v", name, off, err)
			}
		}
	}
}

// A few damaged bytes in a large file would make the start take as much memory as they ask for.
func TestReader_takesNoMemoryForWhatIsNotVerified(t *testing.T) {
	const size = 32 << 20
	header := record.FileHeader{Magic: record.MagicLog, DB: testDB, Num: testNum}
	encoded := header.Encode()
	data := recordtest.AppendRecord(encoded[:], testDB, uint64(testNum), header.Sum(), 1, make([]byte, size))
	data[len(data)-1] ^= 1
	r := open(t, recordtest.Dir{"data": data})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, problem, err := r.At(record.FileHeaderSize)
	runtime.ReadMemStats(&after)
	if problem == "" || err != nil {
		t.Errorf("a damaged record: %q, %v", problem, err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > size/8 {
		t.Errorf("%d bytes allocated for a record that is not valid", n)
	}
}

// The search decides between a torn tail and damage: it must look at every place and believe only whole records.
func TestReader_findsValidRecordsOnly(t *testing.T) {
	const gap = 600_000 // more than two buffers
	header := record.FileHeader{Magic: record.MagicLog, DB: testDB, Num: testNum}
	encoded := header.Encode()
	any := func(record.Record) bool { return true }
	for _, shift := range []int{0, 8, 504, 262_144 - 80, 262_144 - 88, 262_144 - 104} {
		data := slices.Concat(encoded[:], bytes.Repeat([]byte{7}, gap), make([]byte, shift))
		off := int64(len(data))
		data = recordtest.AppendRecord(data, testDB, uint64(testNum), 0, 1, bytes.Repeat([]byte("x"), 1000))
		if at, err := open(t, recordtest.Dir{"data": data}).Find(80, any); at != off || err != nil {
			t.Errorf("shift %d: found at %d, want %d, %v", shift, at, off, err)
		}
		data[len(data)-9]++
		if at, err := open(t, recordtest.Dir{"data": data}).Find(80, any); at != -1 || err != nil {
			t.Errorf("shift %d, damaged: found at %d, %v", shift, at, err)
		}
	}
}

// lateFile runs after once its sync has taken effect and before the caller knows.
type lateFile struct {
	vfs.File
	after func()
}

func (f *lateFile) Sync() error {
	err := f.File.Sync()
	if f.after != nil {
		f.after()
	}
	return err
}

// What is appended while a sync runs is not durable by it: acknowledging it would be a lie.
func TestAppender_syncCoversOnlyWhatWasThere(t *testing.T) {
	f, err := memfs.New().Create("data")
	if err != nil {
		t.Fatal(err)
	}
	late := &lateFile{File: f}
	a := record.NewAppender(late, "data", &record.FileHeader{Magic: record.MagicLog, DB: testDB, Num: testNum})
	add := func() {
		if err := errors.Join(a.Begin(record.Written), a.Add(1, nil, []byte("body"))); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	add()
	before := a.Size()
	late.after = add
	if err := a.Sync(); err != nil || a.Synced() != before || a.Size() == before {
		t.Errorf("synced %d of %d, before the sync there were %d: %v", a.Synced(), a.Size(), before, err)
	}
}

// FuzzReader gives the reader any bytes as a file, behind a right header if fix is set.
func FuzzReader(f *testing.F) {
	header := record.FileHeader{Magic: record.MagicLog, DB: testDB, Num: testNum}
	encoded := header.Encode()
	good := recordtest.AppendRecord(encoded[:], testDB, uint64(testNum), header.Sum(), 1, []byte("some body"))
	f.Add(good, int64(80))
	f.Add(good[:100], int64(80))
	f.Add(slices.Concat(good, good), int64(88))
	f.Fuzz(func(t *testing.T, data []byte, off int64) {
		r := open(t, recordtest.Dir{"data": data})
		if _, err := r.FileHeader(record.MagicLog); err != nil && !errors.Is(err, record.ErrBadHeader) &&
			!errors.Is(err, record.ErrVersionTooNew) {
			t.Fatal(err)
		}
		off = max(0, off)
		rec, problem, err := r.At(off)
		if err != nil {
			t.Fatal(err)
		}
		if problem == "" && (rec.End > r.Size() || record.Size(len(rec.Body)) != rec.End-rec.Offset) {
			t.Fatalf("record %+v in a file of %d bytes", rec, r.Size())
		}
		at, err := r.Find(min(off, r.Size()), func(record.Record) bool { return true })
		if err != nil && !errors.Is(err, corrupt.ErrCorrupt) {
			t.Fatal(err)
		}
		if at >= 0 {
			if _, problem, err := r.At(at); problem != "" || err != nil {
				t.Fatalf("found at %d: %q, %v", at, problem, err)
			}
		}
	})
}

// FuzzFileHeader checks that what decodes is what would be encoded: no byte of a header is without meaning.
func FuzzFileHeader(f *testing.F) {
	header := record.FileHeader{Magic: record.MagicManifest, DB: testDB, Num: testNum}
	encoded := header.Encode()
	f.Add(encoded[:])
	f.Add(encoded[:79])
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= record.FileHeaderSize {
			data = slices.Clone(data)
			recordtest.FixFileHeader(data)
		}
		h, err := record.DecodeFileHeader(record.MagicManifest, data)
		if err != nil {
			return
		}
		if again := h.Encode(); !bytes.Equal(again[:], data[:record.FileHeaderSize]) {
			t.Fatalf("decoded %x, encodes as %x", data, again)
		}
	})
}
