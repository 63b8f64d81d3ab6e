package salvage_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs/memfs"
)

// referring is a database with one table, which refers to values in a value file. Its keys are k0 to k9 and w, k3 was
// deleted, and, if mixed, k4 and x have short values in the table itself.
func referring(t *testing.T, mixed bool) (v *victim, values, table string) {
	t.Helper()
	v = &victim{destruction.Victim{FS: memfs.New(), History: new(oracle.History), Clean: true}}
	rng := rand.New(rand.NewPCG(11, 11))
	s := v.session(1, engine.Options{ValueThreshold: 300})
	defer s.Abandon()
	compacted := func() error {
		err := s.Engine.Compact(context.Background(), nil, nil)
		if err == nil {
			_, err = s.Engine.CleanStep()
		}
		return err
	}
	for _, do := range []func() error{
		s.Open,
		func() error {
			return write(s, true, func(b *batch.Batch) {
				for i := range 10 {
					b.Put(fmt.Append(nil, "k", i), destruction.Noise(rng, 400+i))
				}
				b.Put([]byte("w"), destruction.Noise(rng, 20_000)) // so that few of them are garbage
			})
		},
		s.Flush,
		func() error {
			return write(s, true, func(b *batch.Batch) {
				b.Delete([]byte("k3"))
				if mixed {
					b.Put([]byte("k4"), []byte("short"))
					b.Put([]byte("x"), []byte("y"))
				}
			})
		},
		s.Flush, compacted, s.Close,
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	v.FS = v.FS.Kill()
	tables := filesOf(t, v.FS, filename.Table)
	if len(tables) != 2 {
		t.Fatalf("tables %q", tables)
	}
	return v, tables[0], tables[1]
}

// flipProperties damages the properties of a table, at whose end stands where they are.
func flipProperties(fs *memfs.FS, name string) error {
	data, err := torture.Contents(fs, name)
	if err != nil {
		return err
	}
	return torture.Flip(fs, name, int64(binary.LittleEndian.Uint64(data[len(data)-96+40:])), 1)
}

// cutEnd cuts the last bytes of a file off.
func cutEnd(fs *memfs.FS, name string) error {
	data, err := torture.Contents(fs, name)
	if err != nil {
		return err
	}
	return torture.Replace(fs, name, data[:len(data)-7])
}

// swap exchanges the names of two files.
func swap(fs *memfs.FS, one, other string) error {
	first, err := torture.Contents(fs, one)
	if err != nil {
		return err
	}
	second, err := torture.Contents(fs, other)
	return errors.Join(err, torture.Replace(fs, one, second), torture.Replace(fs, other, first))
}

// A value that lies in another file must be found there, whatever is missing of what says where it is. A key that was
// deleted must not come back from that file as long as a manifest is whole.
func TestSalvage_findsValuesInOtherFiles(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		v, values, table := referring(t, mixed)
		without := func(what string, do ...func(*memfs.FS) error) {
			t.Helper()
			report, got := v.rescued(t, func(fs *memfs.FS) (err error) {
				for _, f := range do {
					err = errors.Join(err, f(fs))
				}
				return err
			})
			for _, k := range v.History.Keys() {
				want, exists := v.History.Get([]byte(k), v.History.Last())
				if value, there := got[k]; exists && (!there || value != string(want)) {
					t.Errorf("without %s: %s is %.10q (%v); %v", what, k, value, there, report.Losses)
				}
			}
			_, back := got["k3"]
			if whole := report.Manifest != ""; back == whole || whole && len(report.Losses) > 0 {
				t.Errorf("without %s: k3 is back: %v; losses %v", what, back, report.Losses)
			}
		}
		cut := func(fs *memfs.FS) error { return cutEnd(fs, values) }
		cutTable := func(fs *memfs.FS) error { return cutEnd(fs, table) }
		properties := func(fs *memfs.FS) error { return flipProperties(fs, table) }
		without("damage")
		without("its names", func(fs *memfs.FS) error { return swap(fs, values, table) })
		without("the manifest", removeManifests)
		without("properties", properties)
		without("properties and manifest", properties, removeManifests)
		without("the value file's end", cut)
		without("the value file's end and the manifest", cut, removeManifests)
		without("the value file's end and properties", cut, properties)
		without("the table's end", cutTable)
		without("both ends", cut, cutTable)
	}
}

// What is lost with a value file is to be looked for in that file, under the keys that it was lost of.
func TestSalvage_namesTheValueFileThatIsDamaged(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		v, values, _ := referring(t, mixed)
		lost := map[bool]int{false: 10, true: 9}[mixed]
		kept := map[bool]int{false: 0, true: 2}[mixed]
		report, got := v.rescued(t, func(fs *memfs.FS) error { return fs.Remove(values) })
		if len(got) != kept || len(report.Losses) != lost || len(report.Damage) != 1 || report.Damage[0].File != values {
			t.Errorf("without %s: %d keys, losses %v, damage %v", values, len(got), report.Losses, report.Damage)
		}
		for _, l := range report.Losses {
			if l.File != values || string(l.From) != string(l.To) || l.Spans([]byte("k3")) {
				t.Errorf("without %s: %+v", values, l)
			}
		}
		report, got = v.rescued(t, func(fs *memfs.FS) error { return torture.Flip(fs, values, 5, 1) })
		if len(got) != kept+lost-1 || len(report.Losses) != 1 || len(report.Damage) != 1 ||
			report.Damage[0].File != values || report.Damage[0].Offset != 0 {
			t.Fatalf("without a value: %d keys, losses %v, damage %v", len(got), report.Losses, report.Damage)
		}
		if l := report.Losses[0]; l.File != values || l.Offset != 0 || l.Length != 416 || string(l.From) != "k0" {
			t.Errorf("without a value: %+v", l)
		}
	}
}

// The leaves that stand behind the extents of a value file are all that is left when the tables that refer to it are
// gone.
func TestSalvage_valueFilesStandInForTheirTable(t *testing.T) {
	v, _, table := referring(t, true)
	report, got := v.rescued(t, func(fs *memfs.FS) error { return fs.Remove(table) })
	if len(got) != 11 || len(report.Losses) != 1 || !report.Losses[0].Spans([]byte("k3")) {
		t.Errorf("%d keys, losses %v", len(got), report.Losses)
	}
	for i := range 10 {
		k := fmt.Append(nil, "k", i)
		if want, _ := v.History.Get(k, 10); got[string(k)] != string(want) {
			t.Errorf("%s is %.10q", k, got[string(k)])
		}
	}
}

// A value that is older than the one that is lost is better than none, and must not pass for the newest.
func TestSalvage_olderValuesInOtherFilesCount(t *testing.T) {
	v, values, _ := referring(t, false)
	s := v.session(2, engine.Options{ValueThreshold: 300})
	defer s.Abandon()
	for _, do := range []func() error{s.Open, func() error {
		return write(s, true, func(b *batch.Batch) { b.Put([]byte("k5"), []byte(strings.Repeat("new ", 100))) })
	}, s.Flush, s.Close} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	v.FS = v.FS.Kill()
	tables := filesOf(t, v.FS, filename.Table)
	newest := tables[len(tables)-1]
	if len(tables) != 3 || slices.Index(tables, values) != 0 {
		t.Fatalf("tables %q", tables)
	}
	report, got := v.rescued(t, func(fs *memfs.FS) error { return torture.Flip(fs, newest, 5, 1) })
	if want, _ := v.History.Get([]byte("k5"), 10); got["k5"] != string(want) || report.Older != 1 {
		t.Errorf("k5 is %.10q, %d older; losses %v", got["k5"], report.Older, report.Losses)
	}
}

// Who looks for a value must see in which file it is, and which tables hold a file that is none any more.
func TestInspect_showsValueFiles(t *testing.T) {
	v, values, table := referring(t, true)
	c, err := salvage.InspectIn(v.FS, table, salvage.View{Keys: true})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(c.Fields); !strings.Contains(text, "value_file 1 "+values) {
		t.Errorf("%s", text)
	}
	k := c.Parts[0].Keys[0]
	if k.Value == nil || k.Value.File != values || k.Value.Offset != 0 || k.Value.Bytes != 416 {
		t.Errorf("%+v, %+v", k, k.Value)
	}
	if last := c.Parts[0].Keys[len(c.Parts[0].Keys)-1]; string(last.Key) != "x" || last.Value != nil {
		t.Errorf("%+v", last)
	}
	manifests := filesOf(t, v.FS, filename.Manifest)
	c, err = salvage.InspectIn(v.FS, manifests[len(manifests)-1], salvage.View{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(c.Parts); !strings.Contains(text, "{value_file "+values) ||
		!strings.Contains(text, "refers to 2") {
		t.Errorf("%s", text)
	}
}
