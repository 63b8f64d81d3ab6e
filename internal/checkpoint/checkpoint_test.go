package checkpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/target"
	"lightningdb/internal/tree/manifest"
)

// numbersFrom returns the numbers from n on, for the ids of tables and databases.
func numbersFrom(n uint64) func() uint64 {
	return func() uint64 { n += 0x9e3779b97f4a7c15; return n }
}

// source is a database with tables, value files, and something in memory.
type source struct {
	*engine.Engine
	fs   *memfs.FS
	want map[string]string
}

func newSource(t testing.TB) *source {
	t.Helper()
	s := &source{fs: memfs.New(), want: map[string]string{}}
	var err error
	s.Engine, err = engine.Open(engine.Options{FS: s.fs, PageSize: 512, Manual: true, Random: numbersFrom(1),
		MemoryLimit: engine.MinMemoryLimit, ValueThreshold: 300})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 6 {
		for range 40 {
			var b batch.Batch
			k := fmt.Sprintf("key %02d", rnd.IntN(60))
			if rnd.IntN(4) == 0 {
				b.Delete([]byte(k))
				delete(s.want, k)
			} else {
				v := make([]byte, []int{10, 900}[rnd.IntN(2)])
				for i := range v {
					v[i] = byte(rnd.Uint32())
				}
				b.Put([]byte(k), v)
				s.want[k] = string(v)
			}
			if _, err := s.Commit(&b, false); err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case round < 4:
			err = s.Flush()
		}
		if round == 2 {
			for more := true; more && err == nil; {
				more, err = s.CompactStep()
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// to makes a copy of s in dir.
func (s *source) to(dir vfs.FS) error {
	_, err := checkpoint.Write(context.Background(), s.Tree(), dir, numbersFrom(7), nil)
	return err
}

// content opens what is in fs, or a copy of it, and returns its entries.
func content(fs *memfs.FS, p memfs.Policy, seed uint64) (map[string]string, error) {
	e, err := engine.Open(engine.Options{FS: fs.Image(p, seed), MustExist: true, Manual: true, Random: numbersFrom(8),
		MemoryLimit: engine.MinMemoryLimit})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := e.Verify(context.Background(), nil); err != nil {
		return nil, err
	}
	got := map[string]string{}
	snapshot := e.Snapshot()
	defer snapshot.Close()
	it, err := snapshot.NewIterator(nil, nil)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for k, v := range entries(it) {
		got[k] = v
	}
	return got, it.Err()
}

func entries(it *engine.Iterator) func(yield func(k, v string) bool) {
	return func(yield func(k, v string) bool) {
		for ok := it.First(); ok; ok = it.Next() {
			v, err := it.Value()
			if err != nil || !yield(string(it.Key()), string(v)) {
				return
			}
		}
	}
}

// A power cut at any moment of a copy, or of reading a stream, leaves what nobody takes for a database, or the whole
// one. Each call is one moment, with what may be left there of what was not durable.
func TestWrite_whatAPowerCutLeavesIsNoDatabaseOrWhole(t *testing.T) {
	s := newSource(t)
	stream := s.stream(t)
	for name, make := range map[string]func(dir vfs.FS) error{
		"links": s.to,
		"copies": func(dir vfs.FS) error {
			return s.to(errfs.New(dir, errfs.On(errfs.Link).Fail(errors.ErrUnsupported)))
		},
		"stream": func(dir vfs.FS) error { return target.Make(dir, func() error { return read(stream, dir) }) },
	} {
		t.Run(name, func(t *testing.T) { s.cutEverywhere(t, make) })
	}
}

func (s *source) cutEverywhere(t *testing.T, make func(dir vfs.FS) error) {
	dir := memfs.New()
	calls, refused, whole := uint64(0), 0, 0
	look := func(op errfs.Op) {
		calls++
		names, err := dir.List()
		if err != nil {
			t.Fatal(err)
		}
		begun := slices.ContainsFunc(names, func(name string) bool {
			return name != "LOCK" && name != manifest.Unfinished
		})
		for seed, policy := range []memfs.Policy{memfs.All, memfs.None, memfs.Random, memfs.Random, memfs.Random} {
			got, err := content(dir, policy, calls*8+uint64(seed))
			switch {
			case err == nil && maps.Equal(got, s.want):
				whole++
			case errors.Is(err, manifest.ErrNotDatabase) && strings.Contains(err.Error(), "remove the directory"):
				refused++
			case !(errors.Is(err, engine.ErrNoDatabase) && !begun):
				t.Errorf("before %v, with %q: %d entries, %v", op, names, len(got), err)
			}
		}
	}
	if err := make(errfs.New(dir, errfs.On().Call(look))); err != nil {
		t.Fatal(err)
	}
	if got, err := content(dir, memfs.None, 0); err != nil || !maps.Equal(got, s.want) {
		t.Errorf("what is durable in the end: %d entries, %v", len(got), err)
	}
	if refused < 50 || whole < 3 {
		t.Errorf("%d images were refused, %d whole: it was hardly tried", refused, whole)
	}
}

// Whatever call fails, the directory is empty again, or says that it is no database, and the source is as it was.
func TestWrite_leavesNothingBehindAnError(t *testing.T) {
	s := newSource(t)
	for n := 0; ; n++ {
		dir := memfs.New()
		fs := errfs.New(dir, errfs.On().Nth(n).Fail(syscall.EIO))
		err := s.to(fs)
		if fs.Faults() == 0 {
			if err != nil || n < 30 {
				t.Fatalf("%d calls, %v", n, err)
			}
			break
		}
		if err == nil { // an error of the lock's end, or of a close, may be told or not
			if got, err := content(dir, memfs.All, 0); err != nil || !maps.Equal(got, s.want) {
				t.Errorf("call %d failed, and the copy has %d entries: %v", n, len(got), err)
			}
			continue
		}
		names, _ := dir.List()
		names = slices.DeleteFunc(names, func(name string) bool { return name == "LOCK" })
		if len(names) > 0 && !slices.Contains(names, manifest.Unfinished) {
			if _, err := content(dir, memfs.All, 0); err != nil {
				t.Errorf("call %d failed: %q are left", n, names)
			}
		}
	}
	dir := memfs.New()
	if err := s.to(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := content(dir, memfs.All, 0); err != nil || !maps.Equal(got, s.want) {
		t.Errorf("a copy after all the errors has %d entries, %v", len(got), err)
	}
}

// stream is a backup of s.
func (s *source) stream(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	err := checkpoint.Of(context.Background(), s.Tree(), memfs.New(), numbersFrom(7),
		func(ctx context.Context, c *checkpoint.Copy) error {
			_, err := c.WriteStream(ctx, &out, time.Unix(1, 0), nil)
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(stream []byte, dir vfs.FS) error {
	_, err := checkpoint.ReadStream(context.Background(), bytes.NewReader(stream), dir, nil)
	return err
}

// A stream that lacks its end, or has one byte other than it was, is refused wherever that is.
func TestReadStream_refusesWhatIsCutOrChanged(t *testing.T) {
	whole := newSource(t).stream(t)
	dir := memfs.New()
	if err := read(whole, dir); err != nil {
		t.Fatal(err)
	}
	step := 97
	if testing.Short() {
		step = 997
	}
	for at := 0; at < len(whole); at += step {
		// The last block of zeros and more are what pads a tar.
		if err := read(whole[:at], memfs.NewVolatile()); err == nil && len(bytes.Trim(whole[at:], "\x00")) > 0 {
			t.Errorf("cut at %d of %d: nobody noticed", at, len(whole))
		}
		changed := bytes.Clone(whole)
		changed[at] ^= 0x20
		if err := read(changed, memfs.NewVolatile()); err == nil {
			into := memfs.NewVolatile()
			if err := read(changed, into); err != nil || !sameFiles(t, into, dir) {
				t.Errorf("changed at %d of %d: nobody noticed", at, len(whole))
			}
		}
	}
}

// sameFiles compares directories: a byte of a tar that says nothing of its files, such as its times, may change.
func sameFiles(t *testing.T, a, b vfs.FS) bool {
	t.Helper()
	names, err := a.List()
	others, err2 := b.List()
	if err != nil || err2 != nil || !slices.Equal(names, others) {
		return false
	}
	for _, name := range names {
		if !bytes.Equal(bytesOf(t, a, name), bytesOf(t, b, name)) {
			return false
		}
	}
	return true
}

func bytesOf(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := f.Size()
	p := make([]byte, n)
	if err == nil && n > 0 {
		_, err = f.ReadAt(p, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}
