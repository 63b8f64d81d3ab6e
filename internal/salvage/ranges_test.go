package salvage_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs/memfs"
)

// withRange is what is left of a database in which k10 to k19 were deleted, with keys before and after that. flushed
// says how much is in tables: nothing, what is older than the delete, or the delete too.
func withRange(t *testing.T, flushed int) *memfs.FS {
	t.Helper()
	dir := memfs.New()
	e, err := engine.Open(engine.Options{FS: dir, PageSize: 512, Manual: true, MemoryLimit: engine.MinMemoryLimit,
		Random: destruction.NumbersFrom(9)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for step, fill := range []func(b *batch.Batch){
		func(b *batch.Batch) {
			for i := range 30 {
				b.Put(fmt.Appendf(nil, "k%02d", i), []byte("old"))
			}
		},
		func(b *batch.Batch) { b.DeleteRange(span.Span{Lo: []byte("k10"), Hi: []byte("k20")}) },
		func(b *batch.Batch) {
			b.Put([]byte("k12"), []byte("new"))
			b.Merge(operand.Append, []byte("k14"), []byte("-on nothing"))
			b.Merge(operand.Append, []byte("k24"), []byte("-on something"))
		},
	} {
		var b batch.Batch
		fill(&b)
		if _, err := e.Commit(&b, true); err != nil {
			t.Fatal(err)
		}
		if step < flushed {
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir.Kill()
}

// What was deleted by a range would be back, or what a merge has made of nothing would be made of what was deleted:
// whichever of manifest, log and tables are lost, as long as one of them tells of the delete.
func TestSalvage_bringsBackNothingThatARangeHides(t *testing.T) {
	want := map[string]string{"k12": "new", "k14": "-on nothing", "k24": "old-on something"}
	for i := range 30 {
		if name := fmt.Sprintf("k%02d", i); (i < 10 || i >= 20) && i != 24 {
			want[name] = "old"
		}
	}
	for flushed := range 4 {
		for _, lost := range []filename.Kind{filename.Unknown, filename.Current, filename.Manifest} {
			dir := withRange(t, flushed)
			if lost != filename.Unknown {
				for _, name := range filesOf(t, dir, lost) {
					if err := dir.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			report, entries, err := destruction.Salvage(dir, salvage.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, e := range entries {
				got[string(e.Key)] = string(e.Value)
			}
			told := slices.ContainsFunc(report.Losses, func(l salvage.Loss) bool {
				return strings.Contains(l.What, "deletes of ranges may be missing") && l.From == nil && l.To == nil
			})
			if lost == filename.Manifest && flushed >= 2 { // nothing tells of the delete any more, but that something may be
				if !told {
					t.Errorf("flushed %d, without a manifest: losses %v", flushed, report.Losses)
				}
				continue
			}
			if (lost == filename.Manifest) != told {
				t.Errorf("flushed %d, without %v: losses %v", flushed, lost, report.Losses)
			}
			for name, value := range got {
				if want[name] != value && !(report.Operands > 0 && name == "k24" && value == "old") {
					t.Errorf("flushed %d, without %v: %s is %q, want %q", flushed, lost, name, value, want[name])
				}
			}
			if missing := len(want) - len(got); missing != 0 && missing > int(report.Operands) {
				t.Errorf("flushed %d, without %v: %d keys, want %d", flushed, lost, len(got), len(want))
			}
		}
	}
}

// What a merge has made of nothing, because a range had deleted what was there, would be missing when only that is
// lost: nothing below the delete counts any more.
func TestSalvage_operandsAboveARangeStandOnItOverALoss(t *testing.T) {
	v := made(t, codec.None, false, func(s *torture.Session) error {
		return errors.Join(
			write(s, true, func(b *batch.Batch) { b.Put([]byte("a"), []byte("0")); b.Put([]byte("m"), []byte("old")) }),
			s.Flush(),
			write(s, true, func(b *batch.Batch) { // a flush would make a value of them
				b.DeleteRange(span.Prefix([]byte("m")))
				b.Merge(operand.Append, []byte("m"), []byte("1"))
				b.Merge(operand.Append, []byte("m"), []byte("2"))
			}))
	})
	report, got := v.rescued(t, flipLeaf(filesOf(t, v.FS, filename.Table)[0]))
	if len(report.Losses) == 0 || got["m"] != "12" || report.Operands != 0 {
		t.Errorf("m is %q, %d operands left out, losses %v", got["m"], report.Operands, report.Losses)
	}
}
