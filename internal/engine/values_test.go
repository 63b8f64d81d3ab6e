package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
)

// valued is a database whose steps the test decides, with values that stay where they are.
type valued struct {
	t      *testing.T
	fs     *memfs.FS
	e      *Engine
	values map[string]string
}

func newValued(t *testing.T, fs *memfs.FS) *valued {
	t.Helper()
	w := &valued{t: t, fs: fs, values: map[string]string{}}
	w.open()
	return w
}

func valuedOptions(fs vfs.FS) Options {
	return Options{FS: fs, Manual: true, PageSize: 512, ValueThreshold: 200, MemoryLimit: MinMemoryLimit, Poison: true}
}

func (w *valued) open() {
	w.t.Helper()
	e, err := Open(valuedOptions(w.fs))
	w.must(err)
	w.e = e
}

func (w *valued) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// put puts values of n bytes, of which none is like another.
func (w *valued) put(n int, keys ...string) {
	w.t.Helper()
	for _, k := range keys {
		var seed [32]byte
		copy(seed[:], fmt.Sprint(k, n))
		v := make([]byte, n)
		rand.NewChaCha8(seed).Read(v)
		put(w.t, w.e, k, string(v))
		w.values[k] = string(v)
	}
}

func (w *valued) remove(k string) {
	w.t.Helper()
	var b batch.Batch
	b.Delete([]byte(k))
	_, err := w.e.Commit(&b, true)
	w.must(err)
	delete(w.values, k)
}

func (w *valued) compact() { w.t.Helper(); w.must(w.e.Compact(context.Background(), nil, nil)) }

// lower flushes and takes all tables to the last level, as Compact does, but empties no value file.
func (w *valued) lower() {
	w.t.Helper()
	w.must(w.e.Flush())
	for worked := true; worked; {
		var err error
		worked, err = w.e.compactOnce(context.Background(), func(v *tree.View, p compaction.Params) *compaction.Job {
			return compaction.PickForScans(v.Version(), p, noneBusy, math.MaxUint64)
		})
		w.must(err)
	}
}

// emptyAll takes compaction steps until there is none, and cleans up.
func (w *valued) emptyAll() {
	w.t.Helper()
	for {
		worked, err := w.e.CompactStep()
		w.must(err)
		if !worked {
			break
		}
	}
	w.clean()
}

func (w *valued) clean() {
	w.t.Helper()
	for range 3 {
		w.e.MemoryStep()
		_, err := w.e.CleanStep()
		w.must(err)
	}
}

func (w *valued) version() *manifest.Version { return w.e.tree.Current().Version() }

// valueFiles are the names of the value files.
func (w *valued) valueFiles() (names []string) {
	for _, f := range w.version().Values {
		names = append(names, filename.Make(filename.Table, f.Num))
	}
	return names
}

func (w *valued) isThere(name string) bool {
	w.t.Helper()
	names, err := w.fs.List()
	w.must(err)
	return slices.Contains(names, name)
}

func (w *valued) check() {
	w.t.Helper()
	for k, want := range w.values {
		if got, found, err := w.e.Get(nil, []byte(k), Latest); err != nil || !found || string(got) != want {
			w.t.Errorf("%s: %d bytes, %v, %v; want %d bytes", k, len(got), found, err, len(want))
		}
	}
	w.must(w.e.Verify(context.Background(), nil))
}

// withValueFiles leaves two value files behind: one with a, b and c, one with d and e.
func withValueFiles(t *testing.T, fs *memfs.FS) *valued {
	t.Helper()
	w := newValued(t, fs)
	w.put(2000, "a", "b", "c")
	w.put(20, "small")
	w.must(w.e.Flush())
	w.put(3000, "d", "e")
	w.put(21, "small")
	w.must(w.e.Flush())
	w.lower()
	w.clean()
	if len(w.valueFiles()) != 2 {
		t.Fatalf("value files %v", w.valueFiles())
	}
	return w
}

// A reader would find the file gone that its value is in; or the space of what nobody reads would never come back.
func TestValues_aFileStaysWhileAnOlderViewRefersToIt(t *testing.T) {
	w := withValueFiles(t, memfs.NewVolatile())
	defer w.e.Close()
	w.check()
	first := w.valueFiles()[0]
	w.put(620, "a", "b") // c alone is left in the first file
	w.lower()
	want := w.values["c"]
	it, err := w.e.NewIterator(nil, nil, nil)
	w.must(err)
	if !it.SeekGE([]byte("c")) {
		t.Fatal(it.Err())
	}
	w.emptyAll()
	if slices.Contains(w.valueFiles(), first) {
		t.Fatalf("%s is a value file still", first)
	}
	if !w.isThere(first) {
		t.Errorf("%s is gone while an iterator may read it", first)
	}
	if got, err := it.Value(); err != nil || string(got) != want {
		t.Errorf("the iterator reads %d bytes, %v", len(got), err)
	}
	w.must(it.Close())
	w.clean()
	if w.isThere(first) {
		t.Errorf("%s is kept though nobody needs it", first)
	}
	w.check()
}

// A recovery would remove a file that only references lead to, or keep one that nothing leads to.
func TestValues_openKeepsWhatIsReferredToAlone(t *testing.T) {
	w := withValueFiles(t, memfs.New())
	files := w.valueFiles()
	w.put(620, "a", "b")
	w.lower()
	for worked := true; worked; {
		var err error
		worked, err = w.e.CompactStep()
		w.must(err)
	}
	if !w.isThere(files[0]) || slices.Contains(w.valueFiles(), files[0]) || !slices.Contains(w.valueFiles(), files[1]) {
		t.Fatalf("value files %v, before %v", w.valueFiles(), files)
	}
	w.fs = w.fs.Kill()
	w.e.Close()
	w.open()
	if w.isThere(files[0]) {
		t.Errorf("%s is kept by Open", files[0])
	}
	w.check()
	w.must(w.e.Close())
	w.fs = w.fs.Kill()
	w.must(w.fs.Remove(files[1]))
	var damage *corrupt.Error
	if e, err := Open(valuedOptions(w.fs)); !errors.As(err, &damage) || damage.File != files[1] {
		t.Errorf("open without %s: %v", files[1], err)
		if err == nil {
			e.Close()
		}
	}
}

// Damage in a value file would cost more than the values it is in, be blamed on another file, or be served.
func TestValues_damageCostsTheValuesItIsIn(t *testing.T) {
	w := withValueFiles(t, memfs.New())
	files := w.valueFiles()
	holds := map[string]string{"a": files[0], "b": files[0], "c": files[0], "d": files[1], "e": files[1]}
	w.must(w.e.Close())
	intact := w.fs.Kill()
	sizes := map[string]int{}
	for _, name := range files {
		sizes[name] = len(readFile(t, intact, name))
	}
	damaged, step := 0, 7
	if testing.Short() {
		step = 31
	}
	for _, name := range files {
		for at := rand.IntN(step); at < sizes[name]; at += step {
			w.fs = intact.Kill()
			flipByte(t, w.fs, name, int64(at))
			w.open()
			damaged += w.checkDamaged(name, at, holds)
			w.e.Close()
		}
	}
	if damaged < 6000/step {
		t.Errorf("only %d values were damaged", damaged)
	}
}

// checkDamaged reads everything after a byte of file name was changed, and returns how many values were damaged.
func (w *valued) checkDamaged(name string, at int, holds map[string]string) (damaged int) {
	w.t.Helper()
	for k, want := range w.values {
		got, found, err := w.e.Get(nil, []byte(k), Latest)
		var damage *corrupt.Error
		switch {
		case err == nil && found && string(got) == want:
		case err != nil && errors.As(err, &damage) && damage.File == name && holds[k] == name:
			damaged++
		default:
			w.t.Errorf("byte %d of %s: %s: %d bytes, %v, %v", at, name, k, len(got), found, err)
		}
	}
	var damage *corrupt.Error
	if err := w.e.Verify(context.Background(), nil); damaged > 0 && (!errors.As(err, &damage) || damage.File != name) ||
		damaged == 0 && err != nil {
		w.t.Errorf("byte %d of %s: %d values are damaged, and Verify says: %v", at, name, damaged, err)
	}
	w.checkKeys(at, name)
	return damaged
}

// checkKeys walks over all keys, which no damage of a value may prevent.
func (w *valued) checkKeys(at int, name string) {
	w.t.Helper()
	it, err := w.e.NewIterator(nil, nil, nil)
	w.must(err)
	defer it.Close()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	if n != len(w.values) || it.Err() != nil {
		w.t.Errorf("byte %d of %s: %d of %d keys, %v", at, name, n, len(w.values), it.Err())
	}
}

func flipByte(t *testing.T, fs vfs.FS, name string, at int64) {
	t.Helper()
	data := readFile(t, fs, name)
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{data[at] ^ 0x40}, at); err != nil {
		t.Fatal(err)
	}
}

// Values that every compaction copies would count as if none did: levels would never be full, and jobs would write many
// times what the disk limit has admitted.
func TestValues_onlyWhatStaysCountsAsLeft(t *testing.T) {
	w := newValued(t, memfs.NewVolatile())
	defer w.e.Close()
	w.put(150, "a", "b", "c") // in extents, and below the threshold
	w.must(w.e.Flush())
	w.put(151, "b", "d")
	w.put(300, "e")
	w.must(w.e.Flush())
	w.lower()
	v := w.version()
	kept := uint64(0)
	for _, level := range v.Levels {
		for _, m := range level {
			if m.ValueBytes > 0 {
				t.Errorf("table %d: %d of %d bytes count as left", m.Num, m.ValueBytes, m.Size)
			}
			for _, r := range m.Values {
				kept += r.Bytes
			}
		}
	}
	if kept < 300 || kept >= 150+300 {
		t.Errorf("%d bytes are left where they are", kept)
	}
	w.check()
}

// A file that is emptied next to a delete would bring back what was deleted, or show an older version.
func TestValues_emptyingBringsNothingBack(t *testing.T) {
	w := withValueFiles(t, memfs.NewVolatile())
	defer w.e.Close()
	w.put(620, "a", "b")
	w.lower()
	for _, k := range []string{"c", "d"} {
		w.remove(k)
	}
	w.put(640, "e")
	w.must(w.e.Flush())
	before := w.e.Metrics().Compaction.Count
	w.emptyAll()
	if w.e.Metrics().Compaction.Count == before {
		t.Fatal("nothing was emptied")
	}
	for range 2 {
		for _, k := range []string{"c", "d"} {
			if _, found, err := w.e.Get(nil, []byte(k), Latest); found || err != nil {
				t.Errorf("%s is back: %v", k, err)
			}
		}
		w.check()
		w.compact()
	}
}

// Two versions of a key that a snapshot keeps apart would become one, or change places, when their file is emptied.
func TestValues_emptyingKeepsEveryVersion(t *testing.T) {
	w := withValueFiles(t, memfs.NewVolatile())
	defer w.e.Close()
	snapshots := map[*Snapshot]string{}
	for n := 601; n < 604; n++ {
		s := w.e.Snapshot()
		defer s.Close()
		snapshots[s] = w.values["c"]
		w.put(n, "a", "b", "c")
		w.must(w.e.Flush())
		w.lower()
	}
	w.put(650, "a", "b", "d", "e")
	w.lower()
	w.emptyAll()
	for s, want := range snapshots {
		if got, _, err := w.e.Get(nil, []byte("c"), s.Seq()); err != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("at %d: %d bytes, %v; want %d", s.Seq(), len(got), err, len(want))
		}
	}
	w.check()
	if v := w.version(); v.LastSeq < key.SeqNum(20) || len(v.Values) == 0 {
		t.Errorf("%d value files at %d: nothing was tested", len(v.Values), v.LastSeq)
	}
}

// Who compacts before making a copy would copy garbage, and the space of what was overwritten would come back only once
// all is quiet.
func TestCompact_emptiesValueFiles(t *testing.T) {
	for name, bounds := range map[string][2][]byte{"everything": {}, "a range": {[]byte("b"), []byte("c\x00")}} {
		t.Run(name, func(t *testing.T) {
			w := withValueFiles(t, memfs.NewVolatile())
			defer w.e.Close()
			files := w.valueFiles()
			w.put(620, "a", "b")
			w.must(w.e.Compact(context.Background(), bounds[0], bounds[1]))
			w.clean()
			if w.isThere(files[0]) || !slices.Contains(w.valueFiles(), files[1]) {
				t.Errorf("value files %v, before %v", w.valueFiles(), files)
			}
			_, total, garbage := compaction.ValueFiles(w.version())
			if garbage*100 > total*18 {
				t.Errorf("%d of %d bytes of value files are garbage", garbage, total)
			}
			w.check()
		})
	}
}

// closesAt begins the close of an engine when a file is opened.
type closesAt struct {
	vfs.FS
	name  string
	begin func()
}

func (c *closesAt) Open(name string) (vfs.File, error) {
	if name == c.name {
		c.begin()
	}
	return c.FS.Open(name)
}

// A Close while a value file is emptied would end with an error, as if a compaction had failed.
func TestClose_whileAValueFileIsEmptied(t *testing.T) {
	w := withValueFiles(t, memfs.New())
	first := w.valueFiles()[0]
	w.put(620, "a", "b") // c alone is left in the first file
	w.lower()
	w.must(w.e.Close())
	fs := &closesAt{FS: w.fs.Kill()}
	e, err := Open(valuedOptions(fs))
	w.must(err)
	fs.name, fs.begin = first, func() { e.gate.Close() }
	for worked := true; worked && err == nil; {
		worked, err = e.CompactStep()
	}
	if !errors.Is(err, ErrClosed) || e.dir.Cause() != nil {
		t.Errorf("the compaction gives %v, and writes have ended with %v", err, e.dir.Cause())
	}
	if !e.gate.Closed() {
		t.Error("no value file was read")
	}
}
