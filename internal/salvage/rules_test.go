package salvage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// session is one with the database, which has pages of 512 bytes, little memory, and o besides; its random numbers
// follow from seed.
func (v *victim) session(seed uint64, o engine.Options) *torture.Session {
	o.FS, o.PageSize, o.Manual, o.MemoryLimit = v.FS, 512, true, engine.MinMemoryLimit
	o.Random = destruction.NumbersFrom(seed)
	return torture.NewSession(o, v.History)
}

// made is a database that f makes, as a kill leaves it, or closed.
func made(t *testing.T, c codec.ID, clean bool, f func(s *torture.Session) error) *victim {
	t.Helper()
	v := &victim{destruction.Victim{FS: memfs.New(), History: new(oracle.History), Clean: clean}}
	s := v.session(uint64(c), engine.Options{Codec: codec.By(c)})
	defer s.Abandon()
	err := s.Open()
	if err == nil {
		err = f(s)
	}
	if err == nil && clean {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	v.FS = v.FS.Kill()
	return v
}

// rescued salvages v, whose files do has damaged, and judges the result.
func (v *victim) rescued(t *testing.T, do func(fs *memfs.FS) error) (*salvage.Report, map[string]string) {
	t.Helper()
	fs := v.FS.Kill()
	if err := do(fs); err != nil {
		t.Fatal(err)
	}
	report, entries, err := destruction.Salvage(fs, salvage.Options{})
	if err == nil {
		err = v.judge(report, entries)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		got[string(e.Key)] = string(e.Value)
	}
	return report, got
}

// write commits one batch.
func write(s *torture.Session, sync bool, fill func(b *batch.Batch)) error {
	var b batch.Batch
	fill(&b)
	return s.Write(&b, sync)
}

// hundred commits a hundred keys, and flushes them.
func hundred(s *torture.Session) error {
	err := write(s, true, func(b *batch.Batch) {
		for i := range 100 {
			size := 1 + i%30
			if i%10 == 9 {
				size = 60 // an extent
			}
			b.Put(fmt.Appendf(nil, "k%03d", i), bytes.Repeat(fmt.Appendf(nil, "%d;", i), size))
		}
	})
	if err != nil {
		return err
	}
	return s.Flush()
}

// Whoever loses the end of a table must not lose its beginning: leaves are found without footer and directory.
func TestSalvage_findsLeavesWithoutDirectory(t *testing.T) {
	for _, c := range []codec.ID{codec.None, codec.S2, codec.Zstd} {
		v := made(t, c, true, hundred)
		table := filesOf(t, v.FS, filename.Table)[0]
		for _, lost := range []int{1, 90, 97, 200} {
			report, got := v.rescued(t, func(fs *memfs.FS) error {
				data, err := torture.Contents(fs, table)
				if err != nil {
					return err
				}
				return torture.Replace(fs, table, data[:len(data)-lost])
			})
			if len(got) != 100 || len(report.Losses) > 0 || len(report.Damage) == 0 {
				t.Errorf("codec %v, %d bytes cut: %d keys; %+v", c, lost, len(got), report)
			}
		}
		report, got := v.rescued(t, func(fs *memfs.FS) error { // the directory, and a leaf in the middle
			data, err := torture.Contents(fs, table)
			if err != nil {
				return err
			}
			data[len(data)-100] ^= 1
			clear(data[1500:1600])
			return torture.Replace(fs, table, data)
		})
		if len(got) < 60 || len(got) == 100 || len(report.Losses) == 0 {
			t.Errorf("codec %v: %d keys without directory and a leaf; %+v", c, len(got), report)
		}
	}
}

// Without its manifest a database is what its tables and its log say.
func TestSalvage_needsNoManifest(t *testing.T) {
	v := made(t, codec.S2, false, func(s *torture.Session) error {
		if err := hundred(s); err != nil {
			return err
		}
		return write(s, true, func(b *batch.Batch) { b.Put([]byte("k000"), []byte("new")); b.Delete([]byte("k001")) })
	})
	for _, gone := range [][]string{{"CURRENT"}, {"CURRENT", "MANIFEST"}} {
		report, got := v.rescued(t, func(fs *memfs.FS) error {
			names, err := fs.List()
			for _, name := range names {
				if slices.ContainsFunc(gone, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
					err = fs.Remove(name)
				}
			}
			return err
		})
		if len(got) != 99 || got["k000"] != "new" || (report.Manifest == "") != (len(gone) == 2) {
			t.Errorf("%q gone: %d keys, k000 is %q; %+v", gone, len(got), got["k000"], report)
		}
		if certain := len(report.Losses) == 0; certain != (len(gone) == 1) {
			t.Errorf("%q gone: %d losses", gone, len(report.Losses))
		}
	}
}

// flipLeaf damages the first leaf of a table.
func flipLeaf(table string) func(fs *memfs.FS) error {
	return func(fs *memfs.FS) error { return torture.Flip(fs, table, 20, 1) }
}

// A page that is lost must not take the older values of its keys along, and nobody may take them for the newest.
func TestSalvage_olderVersionsComeBackAndAreNamed(t *testing.T) {
	v := made(t, codec.None, true, func(s *torture.Session) error {
		err := hundred(s)
		if err == nil {
			err = write(s, true, func(b *batch.Batch) {
				b.Put([]byte("k010"), []byte("new"))
				b.Delete([]byte("k011"))
				b.Merge(operand.Append, []byte("k012"), []byte("+"))
			})
		}
		return err
	})
	tables := filesOf(t, v.FS, filename.Table)
	if len(tables) != 2 {
		t.Fatalf("tables %q", tables)
	}
	intact, before := v.rescued(t, func(*memfs.FS) error { return nil })
	if _, there := before["k011"]; there || before["k010"] != "new" || intact.Older != 0 {
		t.Fatalf("without damage: %q, %+v", before["k010"], intact)
	}
	report, got := v.rescued(t, flipLeaf(tables[1]))
	if got["k010"] != strings.Repeat("10;", 11) || got["k011"] != strings.Repeat("11;", 12) || len(got) != 100 {
		t.Errorf("k010 is %.20q, k011 is %.20q", got["k010"], got["k011"])
	}
	if len(report.Losses) != 1 || report.Older != 3 || string(report.Losses[0].From) != "k010" ||
		string(report.Losses[0].To) != "k012" || report.Losses[0].Spans([]byte("k013")) {
		t.Errorf("%d older; %v", report.Older, report.Losses)
	}
}

// An operand that is applied to another value than it was made for gives a value that nobody has ever written.
func TestSalvage_operandsOverALossAreLeftOut(t *testing.T) {
	v := made(t, codec.None, true, func(s *torture.Session) error {
		for i := range 3 {
			err := write(s, true, func(b *batch.Batch) {
				if i == 0 {
					b.Put([]byte("m"), []byte("0"))
				} else {
					b.Merge(operand.Append, []byte("m"), fmt.Append(nil, i))
				}
			})
			if err == nil {
				err = s.Flush()
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	tables := filesOf(t, v.FS, filename.Table)
	for i, want := range []struct {
		value    string
		operands uint64
	}{{"", 2}, {"0", 1}, {"01", 0}} {
		report, got := v.rescued(t, flipLeaf(tables[i]))
		if got["m"] != want.value || report.Operands != want.operands {
			t.Errorf("without table %d: %q, %d operands left out; want %+v", i, got["m"], report.Operands, want)
		}
	}
}

// What a compaction has dropped must stay dropped while its output is whole, though its inputs are still there.
func TestSalvage_obsoleteTablesFillOnlyLosses(t *testing.T) {
	v := made(t, codec.None, false, func(s *torture.Session) error {
		err := hundred(s)
		if err == nil {
			err = write(s, true, func(b *batch.Batch) { b.Delete([]byte("k050")); b.Delete([]byte("k099")) })
		}
		if err == nil {
			err = s.Flush()
		}
		if err == nil {
			err = s.Engine.Compact(context.Background(), nil, nil)
		}
		return err
	})
	tables := filesOf(t, v.FS, filename.Table)
	if len(tables) != 3 {
		t.Fatalf("tables %q", tables)
	}
	_, got := v.rescued(t, func(fs *memfs.FS) error { return fs.Remove(tables[1]) }) // with the tombstones
	if len(got) != 98 {
		t.Errorf("%d keys with a whole table", len(got))
	}
	report, got := v.rescued(t, func(fs *memfs.FS) error {
		if err := fs.Remove(tables[1]); err != nil {
			return err
		}
		return flipLeaf(tables[2])(fs)
	})
	_, first := got["k000"]
	_, last := got["k099"]
	if !first || last || report.Losses[0].Spans([]byte("k099")) {
		t.Errorf("k000 %v, k099 %v; %v", first, last, report.Losses)
	}
}

// A record that cannot be read must cost one commit, and not all behind it.
func TestSalvage_goesOnBehindDamagedRecords(t *testing.T) {
	for _, sync := range []bool{true, false} {
		v := made(t, codec.None, false, func(s *torture.Session) error {
			for i := range 20 {
				err := write(s, sync, func(b *batch.Batch) {
					b.Put(fmt.Appendf(nil, "a%02d", i), []byte("1"))
					b.Put(fmt.Appendf(nil, "b%02d", i), []byte("2"))
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		segment := filesOf(t, v.FS, filename.Log)[0]
		data, err := torture.Contents(v.FS, segment)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, []byte("a07"))
		report, got := v.rescued(t, func(fs *memfs.FS) error { return torture.Flip(fs, segment, int64(at), 4) })
		_, a := got["a07"]
		_, b := got["b07"]
		if len(got) != 38 || a || b || len(report.Losses) != 1 || report.Losses[0].First != 15 ||
			report.Losses[0].Last != 16 {
			t.Errorf("sync %v: %d keys; %v", sync, len(got), report.Losses)
		}
		report, got = v.rescued(t, func(fs *memfs.FS) error { return torture.Flip(fs, segment, 20, 4) }) // the header
		if len(got) != 40 || len(report.Damage) == 0 {
			t.Errorf("sync %v, without header: %d keys, %v", sync, len(got), report.Damage)
		}
		at = bytes.Index(data, []byte("a15"))
		report, got = v.rescued(t, func(fs *memfs.FS) error { // as a group that was taken back
			changed := bytes.Clone(data)
			clear(changed[at-59 : at-27])
			return torture.Replace(fs, segment, changed)
		})
		if proven := len(got) == 38 && len(report.LeftOut) == 0 && len(report.Losses) == 1; proven != sync {
			t.Errorf("sync %v, a header of zeros: %d keys, %v, %v", sync, len(got), report.LeftOut, report.Losses)
		}
		if leftOut := len(got) == 30 && len(report.LeftOut) == 1; leftOut == sync {
			t.Errorf("sync %v, a header of zeros: %d keys, %v, %v", sync, len(got), report.LeftOut, report.Losses)
		}
	}
}

// A single changed bit must cost what is in its page or record, and no more.
func TestSalvage_everyFlippedByteCostsLittle(t *testing.T) {
	stride := 41
	if testing.Short() {
		stride = 331
	}
	rng := rand.New(rand.NewPCG(3, 3))
	v := newVictim(t, rng)
	for v.Chunked() { // its megabytes would take minutes, and have tests of their own
		v = newVictim(t, rng)
	}
	intact := v.FS.Kill()
	names, err := intact.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		kind, _ := filename.Parse(name)
		if kind != filename.Table && kind != filename.Log {
			continue
		}
		data, err := torture.Contents(intact, name)
		if err != nil {
			t.Fatal(err)
		}
		for at := rng.IntN(stride); at < len(data); at += stride {
			report, got := v.rescued(t, func(fs *memfs.FS) error { return torture.Flip(fs, name, int64(at), 1<<(at%8)) })
			wrong := 0
			for _, k := range v.History.Keys() {
				want, exists := v.History.Get([]byte(k), v.History.Last())
				if value, there := got[k]; there != exists || value != string(want) {
					wrong++
				}
			}
			if len(report.Losses) > 2 || wrong > 25 || report.Manifest == "" {
				t.Fatalf("byte %d of %s: %d keys are wrong, %v", at, name, wrong, report.Losses)
			}
		}
	}
}

// Files may hold anything: a rescue that panics, hangs or swallows the memory rescues nothing.
func FuzzSalvage(f *testing.F) {
	v := newVictim(f, rand.New(rand.NewPCG(5, 5)))
	names, err := v.FS.List()
	if err != nil {
		f.Fatal(err)
	}
	for i, name := range names {
		data, err := torture.Contents(v.FS, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), bytes.TrimRight(data, "\x00")) // logs are allocated ahead
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		fs := v.FS.Kill()
		if err := torture.Replace(fs, names[int(which)%len(names)], data); err != nil {
			t.Fatal(err)
		}
		for view := range 2 {
			c, err := salvage.InspectIn(fs, names[int(which)%len(names)], salvage.View{Keys: true, Part: view})
			if err == nil && (view == 1 && len(c.Parts) > 1 || c.Bytes != int64(len(data))) {
				t.Fatalf("%+v", c)
			}
		}
		report, entries, err := destruction.Salvage(fs, salvage.Options{})
		if err != nil {
			if !strings.Contains(err.Error(), "newer version") {
				t.Fatal(err)
			}
			return
		}
		if uint64(len(entries)) != report.Keys {
			t.Fatalf("%d keys, and the report says %d", len(entries), report.Keys)
		}
	})
}

// uncommitted is a hundred keys, and a table that a transaction has written with others and not committed.
func uncommitted(keys ...string) func(*torture.Session) error {
	return func(s *torture.Session) error {
		if err := hundred(s); err != nil {
			return err
		}
		w := s.Engine.NewIngest()
		for _, k := range keys {
			if err := w.Add([]byte(k), key.KindPut, []byte("uncommitted")); err != nil {
				return err
			}
		}
		_, err := w.Finish()
		return err
	}
}

// A table that a transaction wrote before it was rolled back looks like one that it has committed.
func TestSalvage_leavesOutWhatMayBeUncommitted(t *testing.T) {
	v := made(t, codec.None, false, uncommitted("k000", "never"))
	for _, names := range [][]string{{"LOCK"}, {"CURRENT", filesOf(t, v.FS.Kill(), filename.Manifest)[0]}} {
		report, got := v.rescued(t, func(fs *memfs.FS) error {
			for _, name := range names {
				if err := fs.Remove(name); err != nil {
					return err
				}
			}
			return nil
		})
		if len(got) != 100 || got["k000"] == "uncommitted" || len(report.LeftOut) != len(names)-1 {
			t.Errorf("without %q: %d keys, %+v", names, len(got), report.LeftOut)
		}
	}
}

// Who reads of damage looks for what is missing: what a kill left half done is no damage.
func TestSalvage_whatAKillLeftIsNoDamage(t *testing.T) {
	v := made(t, codec.S2, false, hundred)
	other := made(t, codec.None, false, hundred) // whose table has another id
	data, err := torture.Contents(other.FS, filesOf(t, other.FS, filename.Table)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 700, len(data) - 1} {
		report, got := v.rescued(t, func(fs *memfs.FS) error {
			return torture.Replace(fs, filename.Make(filename.Table, 99), data[:size])
		})
		if len(got) != 100 || len(report.Damage) > 0 || len(report.Losses) > 0 {
			t.Errorf("%d bytes of a table: %d keys, damage %v, losses %v", size, len(got), report.Damage, report.Losses)
		}
	}
}

// A list that names each place several times looks like a disk that is beyond saving.
func TestSalvage_listsEachDamageOnce(t *testing.T) {
	v := made(t, codec.None, true, func(s *torture.Session) error {
		err := hundred(s)
		if err == nil {
			err = write(s, true, func(b *batch.Batch) { b.Put([]byte("k010"), []byte("new")) })
		}
		return err
	})
	tables := filesOf(t, v.FS, filename.Table)
	cut := func(from, to int) func(fs *memfs.FS) error {
		return func(fs *memfs.FS) error {
			data, err := torture.Contents(fs, tables[1])
			if err != nil {
				return err
			}
			return torture.Replace(fs, tables[1], data[from:len(data)-to])
		}
	}
	for what, do := range map[string]func(fs *memfs.FS) error{
		"the only leaf":  flipLeaf(tables[1]),
		"a leaf of many": flipLeaf(tables[0]),
		"the footer":     cut(0, 1),
		"the beginning":  cut(8, 0),
		"the table":      func(fs *memfs.FS) error { return fs.Remove(tables[1]) },
	} {
		report, _ := v.rescued(t, do)
		if len(report.Damage) != 1 || what != "the footer" && len(report.Losses) != 1 {
			t.Errorf("%s: damage %v, losses %v", what, report.Damage, report.Losses)
		}
	}
	for kind, damages := range map[errfs.Kind]int{errfs.Open: 1, errfs.Read: 2} {
		bad := errfs.New(v.FS.Kill(), errfs.On(kind).Named(tables[0]).Fail(syscall.EACCES))
		report, _, err := destruction.Salvage(bad, salvage.Options{})
		if err != nil || len(report.Damage) > damages || len(report.Losses) != 1 {
			t.Errorf("no %v: damage %v, losses %v, %v", kind, report.Damage, report.Losses, err)
		}
	}
}

// What a young database has flushed has sequence number 1, as its only commit: it must not pass for a transaction that
// was perhaps never committed.
func TestSalvage_keepsTheFirstCommitWithoutManifest(t *testing.T) {
	v := made(t, codec.None, false, func(s *torture.Session) error {
		err := write(s, true, func(b *batch.Batch) { b.Put([]byte("first"), []byte("value")) })
		if err != nil {
			return err
		}
		return s.Flush()
	})
	report, got := v.rescued(t, removeManifests)
	if got["first"] != "value" || len(report.LeftOut) > 0 || len(report.Losses) != 1 {
		t.Errorf("%q; %+v", got, report)
	}
}

// Who asks for what may not have been committed gets it below everything that was: a new database that counted on from
// the number in its entries could take no commit.
func TestSalvage_takesTheUncommittedAsTheOldest(t *testing.T) {
	v := made(t, codec.None, false, uncommitted("k000", "perhaps"))
	fs := v.FS.Kill()
	if err := removeManifests(fs); err != nil {
		t.Fatal(err)
	}
	report, entries, err := destruction.Salvage(fs, salvage.Options{Choices: salvage.Choices{Uncommitted: true}})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 101 || report.LastSequence != 100 || len(report.LeftOut) > 0 {
		t.Fatalf("%d keys; %+v", len(entries), report)
	}
	for _, e := range entries {
		if own := string(e.Value) == "uncommitted"; own != (string(e.Key) == "perhaps") {
			t.Errorf("%q is %.20q", e.Key, e.Value)
		}
	}
}

// What the last edits have named, nothing names if they are damaged: what is in such a table must not be missing
// without a word. If the table is whole, it must be there, unless it may be of a transaction that was never committed.
func TestSalvage_missesTheEndOfTheManifest(t *testing.T) {
	var b batch.Batch
	b.Put([]byte("k000"), []byte("new"))
	flushed := made(t, codec.None, true, func(s *torture.Session) error {
		if err := hundred(s); err != nil {
			return err
		}
		if err := s.Write(&b, true); err != nil {
			return err
		}
		return s.Flush()
	})
	ingested := made(t, codec.None, false, func(s *torture.Session) error {
		if err := hundred(s); err != nil {
			return err
		}
		return s.Ingest(&b)
	})
	if believed := flushed.withoutItsEnd(t, true) + ingested.withoutItsEnd(t, false); believed < 200 {
		t.Errorf("only %d of the cuts left a manifest that can be believed", believed)
	}
}

// withoutItsEnd salvages v with each possible end of its manifest gone, and counts how often that was believed. There
// says that the last table is to be found.
func (v *victim) withoutItsEnd(t *testing.T, there bool) (believed int) {
	name, tables := filesOf(t, v.FS, filename.Manifest)[0], filesOf(t, v.FS, filename.Table)
	whole, err := torture.Contents(v.FS, name)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		for _, rest := range [][]byte{{1}, make([]byte, len(whole)-n)} {
			cut := append(whole[:n:n], rest...)
			if bytes.Equal(cut, whole) {
				continue
			}
			for _, lost := range []bool{false, true} {
				report, got := v.rescued(t, func(fs *memfs.FS) error {
					err := torture.Replace(fs, name, cut)
					if err == nil && lost {
						err = flipLeaf(tables[1])(fs)
					}
					return err
				})
				if len(report.Damage) == 0 || len(report.Losses) == 0 || there && !lost && got["k000"] != "new" {
					t.Errorf("manifest with %d of %d bytes, table lost: %v: k000 %q, damage %v, losses %v", n, len(whole),
						lost, got["k000"], report.Damage, report.Losses)
				}
				if report.Manifest != "" {
					believed++
				}
			}
		}
	}
	return believed
}

// removeManifests removes CURRENT and all manifests.
func removeManifests(fs *memfs.FS) error {
	names, err := fs.List()
	for _, name := range names {
		if kind, _ := filename.Parse(name); err == nil && (kind == filename.Current || kind == filename.Manifest) {
			err = fs.Remove(name)
		}
	}
	return err
}

// A segment that cannot be opened any more, when it has been looked at, must cost its commits and not the program; and
// when they have been counted, they must not be missing without a word.
func TestSalvage_namesASegmentThatItCannotOpen(t *testing.T) {
	v := made(t, codec.None, false, func(s *torture.Session) error {
		return write(s, true, func(b *batch.Batch) { b.Put([]byte("k"), []byte("value")) })
	})
	segment := filesOf(t, v.FS.Kill(), filename.Log)[0]
	for opened, fails := range []bool{false, false, true} {
		var rules []*errfs.Rule
		for n := opened + 1; n < 9; n++ {
			rules = append(rules, errfs.On(errfs.Open).Named(segment).Nth(n).Fail(syscall.EMFILE))
		}
		bad := errfs.New(v.FS.Kill(), rules...)
		report, entries, err := destruction.Salvage(bad, salvage.Options{})
		switch {
		case fails && errors.Is(err, syscall.EMFILE):
		case fails || err != nil || len(entries) > 0 || len(report.Losses) == 0 || report.Damage[0].File != segment:
			t.Errorf("after it was opened %d times: %v; %d entries, %+v", opened, err, len(entries), report)
		}
	}
}

// A device that reads a segment once, and then not again, must not cost commits of which the report says that they are
// there.
func TestSalvage_missesCommitsThatItCannotReadAgain(t *testing.T) {
	v := made(t, codec.None, false, func(s *torture.Session) error {
		return write(s, true, func(b *batch.Batch) { b.Put([]byte("k"), []byte("value")) })
	})
	segment := filesOf(t, v.FS.Kill(), filename.Log)[0]
	changed := 0
	for from := 1; from < 2000; from++ {
		broken := errfs.On(errfs.Read).Named(segment).From(from).Fail(syscall.EIO)
		report, entries, err := destruction.Salvage(errfs.New(v.FS.Kill(), broken), salvage.Options{})
		switch {
		case errors.Is(err, salvage.ErrChanged):
			changed++
		case err != nil:
			t.Errorf("without its reads from the %dth on: %v", from, err)
		case len(entries) == 0 && len(report.Losses) == 0:
			t.Errorf("without its reads from the %dth on: the commit is gone, and no loss says so", from)
		case len(entries) == 1 && changed > 0:
			return
		}
	}
	t.Errorf("it was read in vain %d times, and never to its end", changed)
}

// badFS is a directory on a device that cannot read some bytes.
type badFS struct {
	*memfs.FS
	name     string
	from, to int64
}

func (b badFS) Open(name string) (vfs.File, error) {
	f, err := b.FS.Open(name)
	if err == nil && name == b.name {
		return badFile{f, b}, nil
	}
	return f, err
}

type badFile struct {
	vfs.File
	bad badFS
}

func (b badFile) ReadAt(p []byte, off int64) (int, error) {
	if off < b.bad.to && off+int64(len(p)) > b.bad.from {
		return 0, syscall.EIO
	}
	return b.File.ReadAt(p, off)
}

// A sector that the device cannot read must cost what is in it, and not the file.
func TestSalvage_readsAroundBadSectors(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for range 6 {
		v := newVictim(t, rng)
		names, err := v.FS.Kill().List()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			fs := v.FS.Kill()
			size, err := fs.FileSize(name)
			if err != nil || size == 0 {
				continue
			}
			at := rng.Int64N(min(size, 8<<10)) &^ 511
			report, entries, err := destruction.Salvage(badFS{fs, name, at, at + 512}, salvage.Options{})
			if err == nil {
				err = v.judge(report, entries)
			}
			if err != nil {
				t.Fatalf("sector at %d of %s: %v", at, name, err)
			}
			kind, _ := filename.Parse(name)
			if kind == filename.Log && len(report.Losses) > 0 && len(entries) == 0 {
				t.Errorf("sector at %d of %s: nothing is left; %v", at, name, report.Losses)
			}
			if (kind == filename.Table || kind == filename.Log) && len(report.Damage) == 0 {
				t.Errorf("sector at %d of %s: no damage", at, name)
			}
		}
	}
}
