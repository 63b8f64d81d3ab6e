package salvage_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// into salvages v into target.
func (v *victim) into(target vfs.FS, c salvage.Choices) (*salvage.Report, error) {
	return salvage.Run(context.Background(), salvage.Options{Choices: c, Source: v.FS.Image(memfs.All, 0), Target: target,
		Random: destruction.NumbersFrom(7)})
}

// openIn opens a copy of the database in fs, if there is one.
func openIn(fs *memfs.FS) error {
	e, err := engine.Open(engine.Options{FS: fs.Image(memfs.All, 0), MustExist: true, Manual: true,
		Random: destruction.NumbersFrom(8), MemoryLimit: engine.MinMemoryLimit})
	if err != nil {
		return err
	}
	return e.Close()
}

// Whoever opens what a kill left of a salvage would go on with an empty database, or with half of one.
func TestSalvage_whatAKillLeavesIsNoDatabase(t *testing.T) {
	v := made(t, codec.None, true, hundred)
	target := memfs.New()
	calls, refused := uint64(0), 0
	look := func(op errfs.Op) {
		calls++
		names, err := target.List()
		if err != nil {
			t.Fatal(err)
		}
		complete := slices.Contains(names, "CURRENT") && !slices.Contains(names, manifest.Unfinished)
		begun := slices.ContainsFunc(names, func(name string) bool {
			return name != "LOCK" && name != manifest.Unfinished
		})
		for _, policy := range []memfs.Policy{memfs.All, memfs.None, memfs.Random} {
			left := target.Image(policy, calls)
			err := openIn(left)
			switch {
			case err == nil && complete, errors.Is(err, engine.ErrNoDatabase) && !begun:
			case !errors.Is(err, manifest.ErrNotDatabase) || !strings.Contains(err.Error(), "remove the directory"):
				t.Errorf("before %v, with %q: open: %v", op, names, err)
			default:
				refused++
				if _, err := v.into(left, salvage.Choices{}); !errors.Is(err, fs.ErrExist) ||
					!strings.Contains(err.Error(), "remove the directory") {
					t.Errorf("before %v: once more: %v", op, err)
				}
				_, err := (&victim{destruction.Victim{FS: left}}).into(memfs.New(), salvage.Choices{})
				if !errors.Is(err, manifest.ErrNotDatabase) {
					t.Errorf("before %v: from there: %v", op, err)
				}
			}
		}
	}
	if _, err := v.into(errfs.New(target, errfs.On().Call(look)), salvage.Choices{}); err != nil {
		t.Fatal(err)
	}
	if err := openIn(target.Image(memfs.None, 0)); err != nil || refused < 30 {
		t.Errorf("%d images were refused; what is durable in the end: %v", refused, err)
	}
}

// A salvage that has failed must leave nothing that is taken for its result, or that is in the way of the next.
func TestSalvage_leavesNothingBehindAnError(t *testing.T) {
	v := made(t, codec.None, false, hundred)
	failed := 0
	for n := 1; ; n++ {
		target := memfs.New()
		rule := errfs.On(errfs.Create, errfs.Write, errfs.Sync, errfs.Close, errfs.Rename, errfs.Remove, errfs.SyncDir).
			Nth(n).Fail(syscall.EIO)
		_, err := v.into(errfs.New(target, rule), salvage.Choices{})
		if err == nil {
			break
		}
		failed++
		names, listed := target.List()
		if listed != nil || !slices.Equal(names, []string{"LOCK"}) {
			t.Fatalf("error %d (%v): %q is left, %v", n, err, names, listed)
		}
		if err := openIn(target); !errors.Is(err, engine.ErrNoDatabase) {
			t.Errorf("error %d: open: %v", n, err)
		}
		if _, err := v.into(target, salvage.Choices{}); err != nil {
			t.Errorf("error %d: once more: %v", n, err)
		}
	}
	if failed < 8 {
		t.Errorf("%d errors", failed)
	}
}

// A bar that ends before its end looks like work that was given up.
func TestSalvage_progressEndsAtTheTotal(t *testing.T) {
	for _, clean := range []bool{true, false} {
		v := made(t, codec.S2, clean, func(s *torture.Session) error {
			err := hundred(s)
			if err == nil {
				err = write(s, true, func(b *batch.Batch) { b.Put([]byte("more"), []byte("value")) })
			}
			return err
		})
		done, total := int64(0), int64(0)
		report, err := v.into(memfs.New(), salvage.Choices{Progress: func(d, all int64) {
			if d < done || d > all {
				t.Errorf("from %d to %d of %d", done, d, all)
			}
			done, total = d, all
		}})
		if err != nil || done != total || total != 2*report.Bytes {
			t.Errorf("closed %v: %d of %d, %v; %+v", clean, done, total, err, report)
		}
	}
}

// A program that survives the panic of its own function must be able to open its database again.
func TestSalvage_aPanicOfProgressLeavesNothingBehind(t *testing.T) {
	v := made(t, codec.None, true, hundred)
	source, target := v.FS, memfs.New()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = salvage.Run(context.Background(), salvage.Options{Source: source, Target: target,
			Random: destruction.NumbersFrom(7), Choices: salvage.Choices{Progress: func(int64, int64) { panic("progress") }}})
	}()
	if lock, err := source.Lock("LOCK", vfs.Exclusive); err != nil {
		t.Errorf("the source stays locked: %v", err)
	} else if err := lock.Close(); err != nil {
		t.Error(err)
	}
	if _, err := v.into(target, salvage.Choices{}); err != nil {
		t.Errorf("once more: %v", err)
	}
}
