package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"lightningdb/internal/engine/scrub"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// openReferring opens an engine with several tables that refer to one value file, whose name and size are returned.
func openReferring(t *testing.T) (e *Engine, disk *memfs.FS, values string, size int64) {
	t.Helper()
	disk = memfs.NewVolatile()
	e, err := Open(Options{FS: disk, Manual: true, PageSize: 512, ValueThreshold: 300})
	if err != nil {
		t.Fatal(err)
	}
	e.budget.Table = 64 << 10 // the flush is one table
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 100 {
		b := make([]byte, 400)
		for j := range b {
			b[j] = byte(rng.Uint32())
		}
		put(t, e, fmt.Sprintf("k%03d", i), string(b))
	}
	err = e.Flush()
	put(t, e, "a", "short")
	put(t, e, "z", "short")
	if err := errors.Join(err, e.Flush()); err != nil {
		t.Fatal(err)
	}
	e.budget.Table = 1 << 10
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	v := e.tree.Acquire()
	defer e.tree.Release(v)
	if files, tables := v.Version().Values, v.Version().Levels[manifest.NumLevels-1]; len(files) != 1 || len(tables) < 2 {
		t.Fatalf("%d value files, %d tables", len(files), len(tables))
	}
	f := v.Version().Values[0]
	return e, disk, filename.Make(filename.Table, f.Num), f.Size
}

// change changes a byte of a file.
func change(t *testing.T, disk *memfs.FS, name string, at int64) {
	t.Helper()
	f, err := disk.OpenReadWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] ^= 1
	if err == nil {
		_, err = f.WriteAt(b[:], at)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lines are the damages that Verify lists.
func lines(t *testing.T, e *Engine) []string {
	t.Helper()
	err := e.Verify(context.Background(), nil)
	if !errors.Is(err, corrupt.ErrCorrupt) {
		t.Fatalf("no damage: %v", err)
	}
	return strings.Split(err.Error(), "\n")
}

// Who reads of a damaged value file must see which file that is, and which keys it costs, and not the same place once
// for each table that refers to it.
func TestVerify_listsDamageOfValueFilesOnce(t *testing.T) {
	e, disk, values, size := openReferring(t)
	defer e.Close()
	if err := e.Verify(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	change(t, disk, values, 5)
	change(t, disk, values, 416+5)
	got := lines(t, e)
	if len(got) != 2 || !strings.HasPrefix(got[0], values+" is damaged at offset 0: ") ||
		!strings.HasSuffix(got[0], `: the value of key "k000"`) || !strings.Contains(got[1], ` offset 416: `) ||
		!strings.HasSuffix(got[1], `"k001"`) {
		t.Errorf("two values: %q", got)
	}
	change(t, disk, values, size-1)
	e.tree.Tables().CloseAll()
	got = lines(t, e)
	if len(got) != 1 || !strings.HasPrefix(got[0], values) ||
		!strings.HasSuffix(got[0], `: the values of 100 keys from "k000" to "k099"`) {
		t.Errorf("the footer: %q", got)
	}
}

// A scrub that takes the work of a compaction for damage calls an operator for nothing.
func TestScrub_valueFilesMayGoWithTheTable(t *testing.T) {
	e, disk, values, _ := openReferring(t)
	defer e.Close()
	env := scrub.Of(e.tree)
	tables := env.Tables()
	if sum := tables[0].Bytes; sum < 2<<10 {
		t.Errorf("a table of %d bytes", sum)
	}
	gone := false
	there, err := env.Verify(context.Background(), tables[0].Num, func(int) error {
		if gone {
			_, err := e.CleanStep()
			return err
		}
		gone = true
		for i := range 100 {
			put(t, e, fmt.Sprintf("k%03d", i), "short")
		}
		err := e.Flush()
		if err == nil {
			err = e.Compact(context.Background(), nil, nil)
		}
		return err
	})
	if there || err == nil || !gone {
		t.Errorf("there %v, %v", there, err)
	}
	if _, err := disk.Open(values); err == nil {
		t.Error("the value file is still there")
	}
}
