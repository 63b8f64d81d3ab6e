package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// film is n bytes that do not compress, the same for the same n.
func film(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

const chunk = 1 << 20 // from which length on a value is stored in chunks

var filmSizes = []int{0, 1, 5000, chunk - 1, chunk, chunk + 1, 3*chunk - 1, 3 * chunk, 3*chunk + 17}

// streamed is what of a DB, Snapshot, Tx and Follower values are read with.
type streamed interface {
	Get(key []byte) ([]byte, error)
	Size(key []byte) (int64, error)
	ValueReader(ctx context.Context, key []byte) (*Value, error)
}

// mustBeFilm reads key in all ways.
func mustBeFilm(t *testing.T, from streamed, key string, want []byte) {
	t.Helper()
	got, err := from.Get([]byte(key))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%T: Get of %d bytes: %d, %v", from, len(want), len(got), err)
	}
	if n, err := from.Size([]byte(key)); err != nil || n != int64(len(want)) {
		t.Errorf("%T: Size of %d bytes: %d, %v", from, len(want), n, err)
	}
	v, err := from.ValueReader(context.Background(), []byte(key))
	if err != nil {
		t.Errorf("%T: ValueReader of %d bytes: %v", from, len(want), err)
		return
	}
	defer v.Close()
	if len(want) < chunk { // which seeks and reads byte by byte
		if err := iotest.TestReader(v, want); err != nil {
			t.Errorf("%T: %d bytes: %v", from, len(want), err)
		}
		v.Seek(0, io.SeekStart)
	}
	if got, err = io.ReadAll(v); err != nil || !bytes.Equal(got, want) || v.Size() != int64(len(want)) {
		t.Errorf("%T: %d bytes are %d as a stream, %v", from, len(want), len(got), err)
	}
	for range 20 {
		at := rand.IntN(len(want) + 1)
		p := make([]byte, rand.IntN(2*chunk))
		n, err := v.ReadAt(p, int64(at))
		if end := min(at+len(p), len(want)); !bytes.Equal(p[:n], want[at:end]) || (err == io.EOF) != (n < len(p)) {
			t.Fatalf("%T: ReadAt %d of %d bytes: %d of %d, %v", from, at, len(want), n, len(p), err)
		}
	}
}

// A film that is cut at its end, or has a piece of another, is worth nothing, wherever it is stored at the time.
func TestPutReader_isRead(t *testing.T) {
	for name, o := range map[string]Options{
		"values stay":  {},
		"values move":  {ValueThreshold: math.MaxInt},
		"uncompressed": {Compression: NoCompression},
	} {
		t.Run(name, func(t *testing.T) {
			db := openTemp(t, &o)
			f := newFollower(t, db.Path())
			key := func(n int) string { return fmt.Sprintf("film %d", n) }
			for _, n := range filmSizes {
				if err := db.PutReader(t.Context(), []byte(key(n)), iotest.HalfReader(bytes.NewReader(film(n)))); err != nil {
					t.Fatal(err)
				}
			}
			check := func(when string) {
				t.Helper()
				if err := f.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				s := db.Snapshot()
				defer s.Close()
				err := db.Update(t.Context(), func(tx *Tx) error {
					for _, n := range filmSizes {
						for _, from := range []streamed{db, s, tx, f} {
							mustBeFilm(t, from, key(n), film(n))
						}
					}
					return nil
				})
				if err != nil || t.Failed() {
					t.Fatalf("%s: %v", when, err)
				}
			}
			check("at first")
			mustPut(t, db, "a", "small")
			if err := errors.Join(db.Flush(), db.Compact(t.Context(), nil, nil)); err != nil {
				t.Fatal(err)
			}
			check("compacted")
			if err := db.Verify(t.Context(), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whoever has opened a film sees it to its end, and the film of that moment: not what was put, removed or compacted
// since.
func TestValueReader_staysWhatItWas(t *testing.T) {
	db := openTemp(t, nil)
	want := film(4*chunk + 99)
	if err := db.PutReader(t.Context(), []byte("film"), bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	v, err := db.ValueReader(t.Context(), []byte("film"))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, chunk/2)
	if _, err := io.ReadFull(v, first); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(db.PutReader(t.Context(), []byte("film"), bytes.NewReader(film(2*chunk))), db.Delete([]byte("film")),
		db.Flush(), db.Compact(t.Context(), nil, nil))
	for range 3 {
		_, clean := db.engine.CleanStep()
		err = errors.Join(err, clean)
	}
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(v)
	if err != nil || !bytes.Equal(append(first, rest...), want) {
		t.Errorf("%d bytes, %v", len(first)+len(rest), err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if _, err := v.ReadAt(first, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A reader that went on after the end of what it reads would show what is no more, or crash.
func TestValueReader_ends(t *testing.T) {
	for _, n := range []int{10, 3 * chunk} {
		db := openTemp(t, nil)
		if err := db.PutReader(t.Context(), []byte("film"), bytes.NewReader(film(n))); err != nil {
			t.Fatal(err)
		}
		read := func(v *Value) error {
			_, err := v.ReadAt(make([]byte, 1), int64(n-1))
			return err
		}
		ctx, cancel := context.WithCancel(t.Context())
		canceled, _ := db.ValueReader(ctx, []byte("film"))
		cancel()
		s := db.Snapshot()
		ofSnapshot, _ := s.ValueReader(t.Context(), []byte("film"))
		tx, _ := db.Begin(t.Context(), TxOptions{})
		ofTx, _ := tx.ValueReader(t.Context(), []byte("film"))
		left, err := db.ValueReader(t.Context(), []byte("film"))
		if err := errors.Join(err, read(ofSnapshot), read(ofTx), read(left)); err != nil {
			t.Fatal(err)
		}
		s.Close()
		tx.Rollback()
		if err := read(canceled); !errors.Is(err, context.Canceled) {
			t.Errorf("%d bytes: after the context: %v", n, err)
		}
		if err := read(ofSnapshot); !errors.Is(err, ErrClosed) {
			t.Errorf("%d bytes: after the snapshot: %v", n, err)
		}
		if err := read(ofTx); !errors.Is(err, ErrTxDone) {
			t.Errorf("%d bytes: after the transaction: %v", n, err)
		}
		canceled.Close()
		if err := db.Close(); (n > chunk) != errors.Is(err, ErrOpenReaders) || n < chunk && err != nil {
			t.Errorf("%d bytes: Close with an open reader: %v", n, err)
		}
		if err := read(left); !errors.Is(err, ErrClosed) {
			t.Errorf("%d bytes: after Close: %v", n, err)
		}
		for _, v := range []*Value{ofSnapshot, ofTx, left} {
			if err := errors.Join(v.Close(), v.Close()); err != nil {
				t.Error(err)
			}
		}
		if _, err := db.ValueReader(t.Context(), []byte("film")); !errors.Is(err, ErrClosed) {
			t.Errorf("ValueReader after Close: %v", err)
		}
	}
}

// A reader that is forgotten must not keep a version on disk for ever.
func TestValueReader_expires(t *testing.T) {
	db := openTemp(t, &Options{MaxSnapshotAge: time.Millisecond})
	if err := db.PutReader(t.Context(), []byte("film"), bytes.NewReader(film(2*chunk))); err != nil {
		t.Fatal(err)
	}
	v, err := db.ValueReader(t.Context(), []byte("film"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	time.Sleep(5 * time.Millisecond)
	if err := errors.Join(db.Put([]byte("film"), nil), db.Flush()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("an expired value gives %v", err)
	}
}

// A stream that ends early must leave nothing: neither half a film nor the space that it took.
func TestPutReader_failsAsAWhole(t *testing.T) {
	db := openTemp(t, nil)
	mustPut(t, db, "film", "before")
	broken := errors.New("the line is dead")
	ctx, cancel := context.WithCancel(t.Context())
	endless := io.MultiReader(bytes.NewReader(film(3*chunk)), readerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	}))
	trickled, stop := context.WithCancel(t.Context())
	late, end := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		ctx  context.Context
		from io.Reader
		want error
	}{
		"short": {t.Context(), iotest.ErrReader(broken), broken},
		"cut off": {t.Context(), io.MultiReader(bytes.NewReader(film(10)),
			iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		"cut off later": {t.Context(), io.MultiReader(bytes.NewReader(film(3*chunk)),
			iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		"with bytes": {t.Context(), readerFunc(func(p []byte) (int, error) { return len(p), broken }), broken},
		"nothing":    {t.Context(), readerFunc(func([]byte) (int, error) { return 0, nil }), io.ErrNoProgress},
		"trickle":    {trickled, readerFunc(func([]byte) (int, error) { stop(); return 1, nil }), context.Canceled},
		"last byte":  {late, readerFunc(func([]byte) (int, error) { end(); return 1, io.EOF }), context.Canceled},
		"long":       {t.Context(), io.MultiReader(bytes.NewReader(film(3*chunk)), iotest.ErrReader(broken)), broken},
		"context":    {ctx, endless, context.Canceled},
		"done":       {doneContext(), bytes.NewReader(film(3 * chunk)), context.Canceled},
	} {
		if err := db.PutReader(c.ctx, []byte("film"), c.from); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	tooLong := make([]byte, MaxKeySize+1)
	if err := db.PutReader(t.Context(), tooLong, bytes.NewReader(nil)); !errors.Is(err, ErrKeyTooLarge) {
		t.Errorf("a key too large: %v", err)
	}
	for name, from := range map[string]io.Reader{
		"no reader": nil,
		"too much":  readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }),
		"less":      readerFunc(func([]byte) (int, error) { return -1, nil }),
	} {
		if err := db.PutReader(t.Context(), []byte("film"), from); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
	mustGet(t, db.Get, "film", "before")
	for db.engine.Metrics().Obsolete > 0 {
		if _, err := db.engine.CleanStep(); err != nil {
			t.Fatal(err)
		}
	}
	if n := directoryBytes(t, db.Path()); n > chunk {
		t.Errorf("%d bytes are left", n)
	}
	if err := db.PutReader(t.Context(), []byte("film"), bytes.NewReader(film(2*chunk))); err != nil {
		t.Errorf("after failures: %v", err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func doneContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A program that waits for its network would keep its database from being closed.
func TestPutReader_doesNotHoldUpClose(t *testing.T) {
	db := openTemp(t, nil)
	reached, goOn := make(chan bool), make(chan bool)
	from := io.MultiReader(bytes.NewReader(film(2*chunk)), readerFunc(func(p []byte) (int, error) {
		close(reached)
		<-goOn
		return 0, io.EOF
	}))
	done := make(chan error)
	go func() { done <- db.PutReader(context.Background(), []byte("film"), from) }()
	<-reached
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	close(goOn)
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("PutReader past Close gives %v", err)
	}
	again, err := Open(db.Path(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if removed := again.Recovery().FilesRemoved; len(removed) == 0 {
		t.Error("the file of the stream is still there")
	}
	if _, err := again.Size([]byte("film")); !errors.Is(err, ErrNotFound) {
		t.Errorf("half a film: %v", err)
	}
}

// Under a limit of disk or length a stream is refused by name, and writes go on.
func TestPutReader_limits(t *testing.T) {
	db := openTemp(t, &Options{DiskLimit: 64 << 20, MemoryLimit: 10 << 20})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	endless := rand.NewChaCha8([32]byte{})
	if err := db.PutReader(ctx, []byte("film"), endless); !errors.Is(err, ErrNoSpace) {
		t.Errorf("an endless stream under a disk limit: %v", err)
	}
	mustPut(t, db, "small", "value")
	if testing.Short() {
		return
	}
	large := openTemp(t, nil)
	zeros := readerFunc(func(p []byte) (int, error) { return len(p), nil })
	if err := large.PutReader(t.Context(), []byte("film"), zeros); !errors.Is(err, ErrValueTooLarge) {
		t.Errorf("an endless stream: %v", err)
	}
	mustPut(t, large, "small", "value")
}

// The length of a value is that of what Get returns, whoever has written it and wherever it is.
func TestSize_isTheLengthOfGet(t *testing.T) {
	db := openTemp(t, nil)
	appended := func(tx *Tx) error { return tx.Append([]byte("merged"), make([]byte, 5000)) }
	err := errors.Join(
		db.Put([]byte("short"), make([]byte, 10)), db.Put([]byte("long"), make([]byte, 2*chunk)),
		db.Put([]byte("removed"), make([]byte, 10)), db.Put([]byte("merged"), make([]byte, 3000)), db.Flush(),
		db.Append([]byte("merged"), make([]byte, 7)), db.Delete([]byte("removed")))
	if err != nil {
		t.Fatal(err)
	}
	check := func(from streamed, key string) {
		t.Helper()
		value, err := from.Get([]byte(key))
		size, sizeErr := from.Size([]byte(key))
		if size != int64(len(value)) || !errors.Is(sizeErr, err) {
			t.Errorf("%T: size of %s is %d, %v; it has %d, %v", from, key, size, sizeErr, len(value), err)
		}
	}
	for range 2 {
		err := db.Update(t.Context(), func(tx *Tx) error {
			err := errors.Join(appended(tx), tx.Put([]byte("own"), make([]byte, 99)), tx.Delete([]byte("short")))
			s := db.Snapshot()
			defer s.Close()
			for _, key := range []string{"short", "long", "removed", "merged", "own", "none"} {
				for _, from := range []streamed{db, s, tx} {
					check(from, key)
				}
			}
			return err
		})
		if err := errors.Join(err, db.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Size(make([]byte, MaxKeySize+1)); !errors.Is(err, ErrKeyTooLarge) {
		t.Errorf("Size of a key too large: %v", err)
	}
	db.Close()
	if _, err := db.Size([]byte("long")); !errors.Is(err, ErrClosed) {
		t.Errorf("Size after Close: %v", err)
	}
}

// Close must end readers of values while they read, and touch no memory that they read.
func TestValueReader_besideClose(t *testing.T) {
	db := openTemp(t, nil)
	want := film(3*chunk + 5)
	if err := db.PutReader(t.Context(), []byte("film"), bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	v, err := db.ValueReader(t.Context(), []byte("film"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p := make([]byte, 1000)
			for {
				at := rand.Int64N(int64(len(want) - len(p)))
				if _, err := v.ReadAt(p, at); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
				if !bytes.Equal(p, want[at:at+int64(len(p))]) {
					t.Errorf("other bytes at %d", at)
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	if err := db.Close(); !errors.Is(err, ErrOpenReaders) {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()
	v.Close()
}

// A kill in the middle of a stream must leave nothing of it but a file that nothing names, and after it all of it.
func TestPutReader_killed(t *testing.T) {
	dir, n := os.Getenv("LIGHTNINGDB_STREAM"), 6*chunk
	if dir != "" {
		streamForever(dir, n)
		return
	}
	for round := range 3 {
		dir := t.TempDir()
		child := exec.Command(os.Args[0], "-test.run=TestPutReader_killed$")
		child.Env = append(os.Environ(), "LIGHTNINGDB_STREAM="+dir)
		out, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		acknowledged := 0
		for buf := make([]byte, 1); acknowledged < 2+round; acknowledged++ {
			if _, err := io.ReadFull(out, buf); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
		child.Process.Kill()
		rest, _ := io.ReadAll(out)
		acknowledged += len(rest)
		child.Wait()
		db, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range acknowledged + 1 {
			size, err := db.Size(fmt.Appendf(nil, "%d", i))
			if whole := err == nil && size == int64(n+i); !whole && (i < acknowledged || !errors.Is(err, ErrNotFound)) {
				t.Errorf("stream %d of %d: %d bytes, %v", i, acknowledged, size, err)
			}
		}
		if err := errors.Join(db.Verify(t.Context(), nil), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// streamForever puts one value after the other, and writes a byte for each that is there.
func streamForever(dir string, n int) {
	db, err := Open(dir, nil)
	for i := 0; err == nil; i++ {
		if err = db.PutReader(context.Background(), fmt.Appendf(nil, "%d", i), bytes.NewReader(film(n+i))); err == nil {
			os.Stdout.Write([]byte{'.'})
		}
	}
	panic(err)
}

// A gigabyte in memory is what streams are there to avoid.
func TestPutReader_takesConstantMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory of its own")
	}
	size := int64(32 << 20)
	if !testing.Short() {
		size = *hugeBytes
	}
	db := openTemp(t, &Options{MemoryLimit: 10 << 20})
	most := uint64(0)
	watch := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapInuse)
	}
	watch()
	before := most
	n := int64(0)
	from := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{}), size), writerFunc(func(p []byte) (int, error) {
		if n += int64(len(p)); n%(4<<20) == 0 {
			watch()
		}
		return len(p), nil
	}))
	if err := db.PutReader(t.Context(), []byte("film"), from); err != nil {
		t.Fatal(err)
	}
	v, err := db.ValueReader(t.Context(), []byte("film"))
	if err != nil || v.Size() != size {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := io.Copy(io.Discard, v); err != nil {
		t.Fatal(err)
	}
	watch()
	if most > before+16<<20 {
		t.Errorf("%d bytes of heap for a stream of %d", most-before, size)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Nothing can be merged into a value that is longer than any that is put: it must stay what it is, through compactions,
// and whoever reads the key must be told.
func TestAppend_toALongStreamIsErrMerge(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 65 MiB")
	}
	for _, threshold := range []int{0, math.MaxInt} {
		db := openTemp(t, &Options{ValueThreshold: threshold})
		key, size := []byte("film"), int64(MaxValueSize+1)
		zeros := readerFunc(func(p []byte) (int, error) { clear(p); return len(p), nil })
		err := db.PutReader(t.Context(), key, io.LimitReader(zeros, size))
		before := db.Snapshot()
		defer before.Close()
		if err = errors.Join(err, db.Append(key, []byte("tail"))); err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"in memory", "in tables"} {
			if _, err := db.Get(key); !errors.Is(err, ErrMerge) {
				t.Errorf("%s: Get gives %v", when, err)
			}
			if _, err := db.Size(key); !errors.Is(err, ErrMerge) {
				t.Errorf("%s: Size gives %v", when, err)
			}
			if _, err := db.ValueReader(t.Context(), key); !errors.Is(err, ErrMerge) {
				t.Errorf("%s: ValueReader gives %v", when, err)
			}
			loop := db.Range(nil, nil)
			for range loop.All() {
			}
			if err := loop.Err(); !errors.Is(err, ErrMerge) || !strings.Contains(err.Error(), `"film"`) {
				t.Errorf("%s: a loop ends with %v, which does not name the key", when, err)
			}
			if n, err := before.Size(key); err != nil || n != size {
				t.Errorf("%s: a snapshot of before has %d bytes, %v", when, n, err)
			}
			if err := errors.Join(db.Flush(), db.Compact(t.Context(), nil, nil)); err != nil {
				t.Fatal(err)
			}
		}
		lengthen := func(tx *Tx) error { // as guarantees.md advises
			n, err := tx.Size([]byte("whole"))
			if err == nil && n+1 > MaxValueSize {
				return ErrValueTooLarge
			}
			return errors.Join(err, tx.Append([]byte("whole"), []byte("x")))
		}
		err = db.PutReader(t.Context(), []byte("whole"), io.LimitReader(zeros, size))
		if refused := db.Update(t.Context(), lengthen); err != nil || !errors.Is(refused, ErrValueTooLarge) {
			t.Errorf("an append that looks at the size first: %v, %v", err, refused)
		}
		before.Close()
		if err := errors.Join(db.Compact(t.Context(), nil, nil), db.Verify(t.Context(), nil)); err != nil {
			t.Error(err)
		}
	}
}

// What is put as a picture must be found in a damaged database as a letter is.
func TestSalvage_findsValuesInChunks(t *testing.T) {
	for _, c := range []Compression{S2, NoCompression} {
		db := openTemp(t, &Options{Compression: c})
		want := append(film(chunk+5), make([]byte, 2*chunk)...)
		err := errors.Join(db.Put([]byte("picture"), want), db.Flush(), db.Close())
		if err != nil {
			t.Fatal(err)
		}
		dst := t.TempDir()
		report, err := Salvage(t.Context(), db.Path(), dst, nil)
		if err != nil {
			t.Fatal(err)
		}
		salvaged, err := Open(dst, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer salvaged.Close()
		if got, err := salvaged.Get([]byte("picture")); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v: %+v", len(got), err, report)
		}
	}
}

// One that is longer than what can be put at once, too; salvage has it in memory for a moment.
func TestSalvage_findsValuesLongerThanAPut(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 200 MB")
	}
	db := openTemp(t, nil)
	want := film(MaxValueSize + 5)
	err := errors.Join(db.PutReader(t.Context(), []byte("film"), bytes.NewReader(want)), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	dst := t.TempDir()
	report, err := Salvage(t.Context(), db.Path(), dst, nil)
	if err != nil {
		t.Fatal(err)
	}
	salvaged, err := Open(dst, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer salvaged.Close()
	if got, err := salvaged.Get([]byte("film")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v: %+v", len(got), err, report)
	}
}

// Levels would be full of what no compaction moves, if a stream counted as pages.
func TestPutReader_countsAsLeftWhereItIs(t *testing.T) {
	db := openTemp(t, nil)
	if err := db.PutReader(t.Context(), []byte("film"), bytes.NewReader(film(2*chunk))); err != nil {
		t.Fatal(err)
	}
	for _, level := range db.engine.Metrics().Version.Levels {
		for _, m := range level {
			if m.ValueBytes < 2*chunk {
				t.Errorf("%d of %d bytes count as left where they are", m.ValueBytes, m.Size)
			}
		}
	}
}

// damageTables flips a byte of each table of a closed database that at knows, by its place in the order of their making
// and its length; -1 for none.
func damageTables(t *testing.T, dir string, at func(n, length int) int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for n, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := at(n, len(content)); i >= 0 {
			content[i] ^= 1
			if err := os.WriteFile(name, content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A film must play, even if a table that overlaps its own is damaged, as long as Get does not come to the damage.
func TestValueReader_readsPastDamageThatGetDoesNotMeet(t *testing.T) {
	want := film(2*chunk + 5)
	for name, damage := range map[string]func(n, length int) int{
		"the file of an older one": func(n, length int) int { return map[bool]int{true: length - 20, false: -1}[n == 0] },
		"a leaf of a newer one":    func(n, _ int) int { return map[bool]int{true: 10, false: -1}[n == 2] },
	} {
		// In a bubble, where it takes no time: at rest a compaction would meet the damage, and stop writes.
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := openTemp(t, nil)
				around := func(n string) error { // with keys of its own: what is overwritten would be compacted, in a while
					return errors.Join(db.Put([]byte("a"+n), nil), db.Put([]byte("z"+n), nil), db.Flush())
				}
				put := func() error { return db.PutReader(t.Context(), []byte("film"), bytes.NewReader(want)) }
				err := errors.Join(around("1"), put(), around("2"), db.Close())
				if err != nil {
					t.Fatal(err)
				}
				damageTables(t, db.Path(), damage)
				if db, err = Open(db.Path(), nil); err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				for range 2 {
					mustBeFilm(t, db, "film", want)
					if err := db.Put([]byte("b"), nil); err != nil { // so that the view is another
						t.Fatal(err)
					}
				}
				if err := db.Verify(t.Context(), nil); !errors.Is(err, ErrCorrupt) {
					t.Errorf("Verify gives %v: nothing was damaged", err)
				}
			})
		})
	}
}

// Whether a picture is there, and how long it is, can be told while it is damaged, and without the time to read it.
func TestHasAndSize_readNoLongValue(t *testing.T) {
	for _, n := range []int{5000, 3 * chunk} {
		db := openTemp(t, nil)
		if err := errors.Join(db.Put([]byte("film"), film(n)), db.Flush(), db.Close()); err != nil {
			t.Fatal(err)
		}
		damageTables(t, db.Path(), func(int, int) int { return 100 })
		db, err := Open(db.Path(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		f := newFollower(t, db.Path())
		s := db.Snapshot()
		defer s.Close()
		check := func(from interface {
			streamed
			Has(key []byte) (bool, error)
		}) {
			t.Helper()
			if found, err := from.Has([]byte("film")); err != nil || !found {
				t.Errorf("%T: Has of %d bytes: %v, %v", from, n, found, err)
			}
			if found, err := from.Has([]byte("none")); err != nil || found {
				t.Errorf("%T: Has of none: %v, %v", from, found, err)
			}
			if size, err := from.Size([]byte("film")); err != nil || size != int64(n) {
				t.Errorf("%T: Size of %d bytes: %d, %v", from, n, size, err)
			}
			if _, err := from.Get([]byte("film")); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%T: Get of a damaged value: %v", from, err)
			}
		}
		check(db)
		check(s)
		check(f)
		db.View(t.Context(), func(tx *Tx) error { check(tx); return nil })
		db.Update(t.Context(), func(tx *Tx) error { check(tx); return nil })
	}
}

// A transaction must find what it has written itself, and what it has removed it must not.
func TestTx_hasWhatItHasWritten(t *testing.T) {
	db := openTemp(t, nil)
	mustPut(t, db, "removed", "value")
	err := db.Update(t.Context(), func(tx *Tx) error {
		err := errors.Join(tx.Put([]byte("put"), nil), tx.Delete([]byte("removed")), tx.Add([]byte("merged"), 1))
		for key, want := range map[string]bool{"put": true, "removed": false, "merged": true, "none": false} {
			if found, err := tx.Has([]byte(key)); found != want || err != nil {
				t.Errorf("Has of %s: %v, %v", key, found, err)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
