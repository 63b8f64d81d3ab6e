package quota

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/system/vfs/vfstest"
)

func all(string) bool         { return true }
func isNext(name string) bool { return strings.HasPrefix(name, "RESERVE-") }
func under(fs vfs.FS, limit, reserve int64) *FS {
	n := 0
	return New(fs, Options{Limit: limit, Reserve: "RESERVE", ReserveBytes: reserve, NextReserve: func() string {
		n++
		return fmt.Sprintf("RESERVE-%d", n)
	}})
}

func counted(t *testing.T, fs vfs.FS, limit, reserve int64) *FS {
	t.Helper()
	q := under(fs, limit, reserve)
	if err := q.Count(all, isNext); err != nil {
		t.Fatal(err)
	}
	return q
}

// What the engine relies on would not hold under a limit.
func TestQuota_isADirectory(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) vfs.FS { return counted(t, memfs.New(), 1<<40, 1) })
}

// A count that drifts from what is there refuses what fits, or lets through what does not.
func TestQuota_countsWhatTheMediumHas(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		const limit = 40_000
		medium := memfs.NewVolatile()
		medium.SetCapacity(1 << 40)
		q := counted(t, medium, limit, 3000)
		var open []vfs.File
		for step := range 2000 {
			name := fmt.Sprint("file", r.IntN(6))
			var err error
			switch r.IntN(10) {
			case 0:
				var f vfs.File
				if f, err = q.Create(name); err == nil {
					open = append(open, f)
				}
			case 1:
				err = q.Remove(name)
			case 2:
				err = q.Rename(name, fmt.Sprint("file", r.IntN(6)))
			case 3:
				var f vfs.File
				if f, err = q.OpenReadWrite(name); err == nil {
					open = append(open, f)
				}
			case 4:
				if len(open) > 0 {
					err = open[0].Close()
					open = open[1:]
				}
			case 5:
				err = q.Make()
			default:
				if len(open) > 0 {
					f, off, n := open[r.IntN(len(open))], r.Int64N(9000), r.IntN(4000)
					switch r.IntN(3) {
					case 0:
						_, err = f.WriteAt(make([]byte, n), off)
					case 1:
						_, err = f.StoreAt(make([]byte, n), off)
					default:
						err = f.Allocate(off)
					}
				}
			}
			free, _ := medium.FreeBytes()
			if used := 1<<40 - int64(free); used != q.Used() || used > limit {
				t.Fatalf("seed %d, step %d: the medium has %d bytes, %d are counted (%v)", seed, step, used, q.Used(), err)
			}
			if err != nil && errors.Is(err, vfs.ErrNoSpace) != errors.Is(err, ErrLimit) {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
	}
}

// A write that fails in the middle would be counted for ever, or not at all.
func TestQuota_countsWhatAFailedWriteLeaves(t *testing.T) {
	medium := memfs.NewVolatile()
	fs := errfs.New(medium)
	q := counted(t, fs, 1<<20, 1)
	f, err := q.Create("file")
	if err != nil {
		t.Fatal(err)
	}
	fs.SetRules(errfs.On(errfs.Write).Nth(1).Short(700, syscall.EIO))
	if _, err := f.WriteAt(make([]byte, 5000), 0); !errors.Is(err, syscall.EIO) {
		t.Fatalf("write: %v", err)
	}
	if size, _ := f.Size(); size != q.Used() {
		t.Errorf("the file has %d bytes, %d are counted", size, q.Used())
	}
}

// A call that finds the medium full would fail though there is a reserve, or would be made again after a sync.
func TestReserve_servesTheCallThatFindsNoSpace(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(q *FS, f vfs.File) error
		kind errfs.Kind
		ok   bool
	}{
		{"write", func(_ *FS, f vfs.File) error { _, err := f.WriteAt([]byte("x"), 9); return err }, errfs.Write, true},
		{"overwrite", func(_ *FS, f vfs.File) error { _, err := f.WriteAt([]byte("x"), 0); return err }, errfs.Write, true},
		{"store", func(_ *FS, f vfs.File) error { _, err := f.StoreAt([]byte("x"), 0); return err }, errfs.Write, true},
		{"allocate", func(_ *FS, f vfs.File) error { return f.Allocate(100) }, errfs.Allocate, true},
		{"create", func(q *FS, _ vfs.File) error { _, err := q.Create("other"); return err }, errfs.Create, true},
		{"rename", func(q *FS, _ vfs.File) error { return q.Rename("file", "other") }, errfs.Rename, true},
		{"sync", func(_ *FS, f vfs.File) error { return f.Sync() }, errfs.Sync, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := errfs.New(memfs.New())
			q := counted(t, fs, 1<<20, 5000)
			f, err := q.Create("file")
			if err != nil {
				t.Fatal(err)
			}
			f.WriteAt([]byte("content"), 0)
			if err := q.Make(); err != nil || q.Spent() {
				t.Fatal(err)
			}
			fs.SetRules(errfs.On(c.kind).Nth(1).Fail(syscall.ENOSPC))
			if err := c.do(q, f); (err == nil) != c.ok {
				t.Errorf("with a reserve: %v", err)
			}
			if q.Spent() != c.ok || q.MediumFull() != c.ok {
				t.Errorf("spent %v, the medium is full %v", q.Spent(), q.MediumFull())
			}
			if _, err := fs.FileSize("RESERVE"); vfs.IsNotExist(err) != c.ok {
				t.Errorf("the reserve: %v", err)
			}
		})
	}
}

// Of two calls that find the medium full at the same time, the second would fail though the first has just made room.
func TestReserve_servesAllThatWaitForIt(t *testing.T) {
	for range 400 { // in most rounds they come one after the other
		medium := memfs.NewVolatile()
		q := counted(t, medium, 1<<30, 1<<20)
		if err := q.Make(); err != nil {
			t.Fatal(err)
		}
		var files []vfs.File
		for i := range 8 {
			f, err := q.Create(fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		medium.SetCapacity(q.Used())
		var wg sync.WaitGroup
		start := make(chan struct{})
		for _, f := range files {
			wg.Go(func() {
				<-start
				if _, err := f.WriteAt(make([]byte, 1000), 0); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		if wg.Wait(); t.Failed() {
			return
		}
	}
}

// A reserve that a crash has left half made would pass for a whole one, or half made ones would fill the disk.
func TestReserve_isWholeAfterEveryCrash(t *testing.T) {
	for at, made := 0, false; !made; at++ {
		medium := memfs.New()
		q := counted(t, medium, 1<<20, 5000)
		medium.CrashDuring(at)
		made = q.Make() == nil
		for seed := range uint64(40) {
			policy := memfs.Random
			if seed < 2 {
				policy = []memfs.Policy{memfs.None, memfs.All}[seed]
			}
			checkReserve(t, fmt.Sprintf("crash at %d, %v:%d", at, policy, seed), medium.Image(policy, seed))
		}
	}
}

// checkReserve looks at what a crash has left of a reserve of 5000 bytes.
func checkReserve(t *testing.T, where string, image *memfs.FS) {
	t.Helper()
	q := counted(t, image, 1<<20, 5000)
	names, _ := image.List()
	size, err := image.FileSize("RESERVE")
	if err == nil && size != 5000 || q.Spent() == (err == nil) || len(names) > 1 {
		t.Errorf("%s: spent %v, with %v, %d bytes", where, q.Spent(), names, size)
	}
	if err := q.Make(); err != nil || q.Spent() || q.Used() != 5000 {
		t.Errorf("%s: made again, %d bytes: %v", where, q.Used(), err)
	}
}

// Without room for it the reserve would take what others need, and leave what it has got so far.
func TestReserve_withoutRoomLeavesNothing(t *testing.T) {
	medium := memfs.NewVolatile()
	medium.SetCapacity(3000)
	q := counted(t, medium, 1<<20, 5000)
	if err := q.Make(); !errors.Is(err, vfs.ErrNoSpace) || !q.Spent() || !q.MediumFull() || q.Used() != 0 {
		t.Errorf("%v; spent %v, full %v, %d bytes", err, q.Spent(), q.MediumFull(), q.Used())
	}
	medium.SetCapacity(9000)
	if err := q.Make(); err != nil || q.Spent() || q.MediumFull() {
		t.Errorf("with room: %v; spent %v, full %v", err, q.Spent(), q.MediumFull())
	}
}

// A directory that had more than the limit when it was opened would never be held to it again.
func TestQuota_boundFallsToTheLimit(t *testing.T) {
	medium := memfs.NewVolatile()
	f, err := medium.Create("large")
	if err != nil || f.Allocate(10_000) != nil {
		t.Fatal(err)
	}
	f.Close()
	q := counted(t, medium, 4000, 1000)
	g, err := q.Create("more")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Allocate(1000); err != nil {
		t.Errorf("above the limit the reserve's length cannot be used: %v", err)
	}
	if err := g.Allocate(1001); !errors.Is(err, ErrLimit) {
		t.Errorf("more than the reserve's length: %v", err)
	}
	if err := q.Remove("large"); err != nil {
		t.Fatal(err)
	}
	if err := g.Allocate(4001); !errors.Is(err, ErrLimit) {
		t.Errorf("above the limit, when less was there: %v", err)
	}
}
