package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/ranges"
)

var testDB = [16]byte{0xd8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// createAlone is create for a writer that has no rival.
func createAlone(dir vfs.FS, num filename.Num, v *Version) (*log, error) {
	return create(dir, num, v, 8161727, func() error { return nil })
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// table returns a possible table of ten entries, the newest with sequence number seq.
func table(num filename.Num, seq key.SeqNum, smallest, largest string) *TableMeta {
	return &TableMeta{
		Num: num, ID: uint64(num) * 1_000_003, Size: 4096, Digest: 200,
		Entries: 10, Tombstones: 2, Shadowed: 3, RawBytes: 999,
		SmallestSeq: max(seq, 10) - 9, LargestSeq: seq, Smallest: []byte(smallest), Largest: []byte(largest),
	}
}

// ingested is t with one sequence number for all its entries.
func ingested(t *TableMeta) *TableMeta {
	t.Seq, t.SmallestSeq, t.Shadowed = t.LargestSeq, t.LargestSeq, 0
	return t
}

// emptyVersion is the version that a new database begins with.
func emptyVersion() *Version { return &Version{DatabaseID: testDB, LogStart: 2, NextNum: 3} }

// referring is t with references to value files.
func referring(t *TableMeta, refs ...ValueRefs) *TableMeta {
	t.ValueBytes, t.Values = 500, refs
	return t
}

// asValues is the value file that table num becomes.
func asValues(num filename.Num) ValueFile {
	t := table(num, 10, "a", "b")
	return ValueFile{Num: num, ID: t.ID, Size: t.Size}
}

// sampleEdits is a short history: three flushes, a compaction that also moves a table, one that leaves values where
// they are, one that refers to less of them, deletes of ranges, a clean close.
func sampleEdits() []*Edit {
	return []*Edit{
		{Added: []Placed{{0, table(4, 10, "a", "m")}}, LogStart: 3, NextNum: 5, LastSeq: 10},
		{Added: []Placed{{0, table(5, 30, "c", "z")}}, LogStart: 5, NextNum: 6, LastSeq: 30},
		{Added: []Placed{{0, ingested(table(6, 40, "n", "p"))}}, NextNum: 7, LastSeq: 41, Horizon: 30},
		{
			Deleted: []Removed{{0, 4}, {0, 5}, {0, 6}},
			Added:   []Placed{{6, table(8, 30, "a", "f")}, {6, table(9, 30, "g", "m\xff")}, {5, table(6, 40, "n", "p")}},
			NextNum: 10,
		},
		{
			Deleted: []Removed{{6, 8}, {6, 9}},
			Values:  []ValueFile{asValues(8), asValues(9)},
			Added: []Placed{{6, referring(table(10, 30, "a", "f"), ValueRefs{8, 900}, ValueRefs{9, 100})},
				{6, referring(table(11, 30, "g", "m\xff"), ValueRefs{9, 3000})}},
			NextNum: 12,
		},
		{
			Deleted: []Removed{{6, 10}},
			Added:   []Placed{{6, cleared(referring(table(12, 30, "a", "f"), ValueRefs{9, 50}), 35)}},
			NextNum: 13,
		},
		{LogStart: 9, LogEnd: 9, Time: 1 << 60},
		{RangesAdded: []ranges.Tombstone{over("x", "z", 40), over("c", "e", 41), over("", "", 41)}, Time: 1<<60 - 1},
		{RangesRemoved: []ranges.Tombstone{over("x", "z", 40)}},
	}
}

// history returns the versions before, between and after the edits.
func history(t testing.TB, edits []*Edit) []*Version {
	versions := []*Version{emptyVersion()}
	for _, e := range edits {
		v, err := versions[len(versions)-1].Apply(e)
		versions = append(versions, must(t, v, err))
	}
	return versions
}

// writeSample writes a manifest with the sample edits and returns where each record ends.
func writeSample(t testing.TB, dir vfs.FS, num filename.Num) (ends []int64) {
	l, err := createAlone(dir, num, emptyVersion())
	must(t, l, err)
	ends = append(ends, l.Size())
	for _, e := range sampleEdits() {
		must(t, l, l.Append(e))
		ends = append(ends, l.Size())
	}
	must(t, l, l.Close())
	return ends
}

// What the manifest forgets is lost with its tables, whatever the tables hold.
func TestRecover_returnsWhatWasAppended(t *testing.T) {
	dir := memfs.New()
	writeSample(t, dir, 1)
	versions := history(t, sampleEdits())
	want := versions[len(versions)-1]
	v, num, err := Recover(dir)
	if err != nil || num != 1 {
		t.Fatalf("manifest %d, %v", num, err)
	}
	if diff := differs(want, v); diff != "" {
		t.Errorf("recovered (-want +got)\n%s", diff)
	}
	l, err := createAlone(dir, 12, v)
	must(t, l, err)
	again, num, err := Recover(dir)
	if err != nil || num != 12 {
		t.Fatalf("manifest %d, %v", num, err)
	}
	if diff := differs(want, again); diff != "" {
		t.Errorf("recovered from a snapshot (-want +got)\n%s", diff)
	}
}

// Readers go through level 0 in this order and stop at the first hit: a wrong order is an old value.
func TestApply_ordersLevelZeroNewestFirst(t *testing.T) {
	v := must(t, emptyVersion(), nil)
	for _, step := range []struct {
		num filename.Num
		seq key.SeqNum
	}{{5, 20}, {4, 40}, {7, 30}, {6, 30}} {
		next, err := v.Apply(&Edit{Added: []Placed{{0, table(step.num, step.seq, "a", "b")}}, NextNum: 9, LastSeq: 40})
		v = must(t, next, err)
	}
	var got []filename.Num
	for _, t := range v.Levels[0] {
		got = append(got, t.Num)
	}
	if !slices.Equal(got, []filename.Num{4, 7, 6, 5}) {
		t.Errorf("level 0 is %v", got)
	}
}

// A run is read as one, with one table open: of two that overlap, one would not be read. Runs in the wrong order
// give old values.
func TestRuns_chainWhatDoesNotOverlap(t *testing.T) {
	level0 := []*TableMeta{
		table(9, 90, "m", "p"), table(8, 80, "a", "c"), table(7, 70, "q", "z"), table(6, 60, "d", "l"),
		table(5, 50, "c", "d"), table(4, 40, "e", "f"),
		table(3, 30, "a", "c"),
		table(2, 20, "a", "z"),
		table(1, 10, "k", "k"),
	}
	var got []string
	for _, run := range Runs(level0) {
		var nums []filename.Num
		for _, t := range run {
			nums = append(nums, t.Num)
		}
		got = append(got, fmt.Sprint(nums))
	}
	if want := []string{"[8 6 9 7]", "[5 4]", "[3]", "[2]", "[1]"}; !slices.Equal(got, want) {
		t.Errorf("runs are %v, want %v", got, want)
	}
}

// An impossible set of tables would be read as if it were right: keys would go missing without an error.
func TestApply_refusesImpossibleEdits(t *testing.T) {
	versions := history(t, sampleEdits())
	v := versions[len(versions)-1]
	changed := func(change func(*TableMeta)) *Edit {
		m := table(20, 40, "q", "r")
		change(m)
		return &Edit{Added: []Placed{{6, m}}, NextNum: 30}
	}
	if _, err := v.Apply(changed(func(*TableMeta) {})); err != nil {
		t.Fatal(err)
	}
	cases := map[string]*Edit{
		"number taken":           {Added: []Placed{{0, table(11, 40, "q", "r")}}},
		"number added twice":     {Added: []Placed{{0, table(14, 9, "q", "r")}, {1, table(14, 9, "q", "r")}}, NextNum: 15},
		"number of a value file": changed(func(m *TableMeta) { m.Num = 9 }),
		"id of a value file":     changed(func(m *TableMeta) { m.ID = asValues(9).ID }),
		"number not handed out":  {Added: []Placed{{0, table(13, 40, "q", "r")}}},
		"number zero":            changed(func(m *TableMeta) { m.Num = 0 }),
		"id taken":               changed(func(m *TableMeta) { m.ID = table(11, 1, "a", "b").ID }),
		"level too deep":         {Added: []Placed{{7, table(14, 40, "q", "r")}}, NextNum: 15},
		"negative level":         {Added: []Placed{{-1, table(14, 40, "q", "r")}}, NextNum: 15},
		"overlap":                changed(func(m *TableMeta) { m.Smallest = []byte("f") }),
		"shared key":             changed(func(m *TableMeta) { m.Smallest = []byte("m\xff") }),
		"deleted elsewhere":      {Deleted: []Removed{{0, 11}}},
		"deleted twice":          {Deleted: []Removed{{6, 11}, {6, 11}}},
		"deleted never there":    {Deleted: []Removed{{6, 7}}},
		"keys reversed":          changed(func(m *TableMeta) { m.Smallest, m.Largest = m.Largest, m.Smallest }),
		"no smallest key":        changed(func(m *TableMeta) { m.Smallest = nil }),
		"key too long": changed(func(m *TableMeta) {
			m.Largest = bytes.Repeat(m.Largest, key.MaxStoredKeySize+1)
		}),
		"sequence zero":            changed(func(m *TableMeta) { m.SmallestSeq = 0 }),
		"sequences reversed":       changed(func(m *TableMeta) { m.SmallestSeq = m.LargestSeq + 1 }),
		"sequence beyond the last": changed(func(m *TableMeta) { m.LargestSeq = 42 }),
		"one number for several":   changed(func(m *TableMeta) { m.Seq, m.SmallestSeq, m.Shadowed = 40, 40, 1 }),
		"one number, a range":      changed(func(m *TableMeta) { m.Seq, m.Shadowed = 40, 0 }),
		"one number, another":      changed(func(m *TableMeta) { m.Seq, m.SmallestSeq, m.Shadowed = 39, 40, 0 }),
		"no entries":               changed(func(m *TableMeta) { m.Entries = 0 }),
		"too many tombstones":      changed(func(m *TableMeta) { m.Tombstones = 11 }),
		"all shadowed":             changed(func(m *TableMeta) { m.Shadowed = 10 }),
		"empty file":               changed(func(m *TableMeta) { m.Size = 0 }),
		"more values than bytes":   changed(func(m *TableMeta) { m.ValueBytes = uint64(m.Size) + 1 }),
		"next number falls":        {NextNum: 12},
		"last sequence falls":      {LastSeq: 40},
		"last sequence too large":  {LastSeq: key.MaxSeqNum},
		"horizon falls":            {Horizon: 29},
		"horizon beyond the last":  {Horizon: 42},
		"log start falls":          {LogStart: 4},
		"log start not handed out": {LogStart: 13},
		"log end falls":            {LogEnd: 8},
		"log end behind the start": {LogStart: 9, LogEnd: 10},
	}
	maps.Copy(cases, impossibleValues(changed))
	maps.Copy(cases, impossibleRanges(changed))
	for name, e := range cases {
		before := *v
		if _, err := v.Apply(e); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := differs(&before, v); diff != "" {
			t.Errorf("%s: the version changed", name)
		}
	}
}

// impossibleValues are edits that contradict sampleEdits in what they say of value files. changed adds a table.
func impossibleValues(changed func(change func(*TableMeta)) *Edit) map[string]*Edit {
	refer := func(refs ...ValueRefs) *Edit { return changed(func(m *TableMeta) { m.Values = refs }) }
	value := func(f ValueFile) *Edit { // that table 20 refers to
		e := refer(ValueRefs{f.Num, 10})
		e.Values = []ValueFile{f}
		return e
	}
	other := func(change func(*ValueFile)) *Edit {
		f := asValues(3)
		change(&f)
		return value(f)
	}
	return map[string]*Edit{
		"reference to nothing":           refer(ValueRefs{3, 10}),
		"reference to a value file gone": refer(ValueRefs{8, 10}),
		"reference to a table":           refer(ValueRefs{11, 10}),
		"reference to itself":            refer(ValueRefs{20, 10}),
		"reference to number zero":       refer(ValueRefs{0, 10}),
		"reference to no bytes":          refer(ValueRefs{9, 0}),
		"reference twice":                refer(ValueRefs{9, 10}, ValueRefs{9, 10}),
		"reference to too many bytes":    refer(ValueRefs{9, 4096 - 3050 + 1}),
		"references that sum up to none": refer(ValueRefs{9, 1<<64 - 3050}),
		"value file of a table":          value(asValues(11)),
		"value file twice":               value(asValues(9)),
		"value file not handed out":      value(asValues(30)),
		"value file number zero":         other(func(f *ValueFile) { f.Num = 0 }),
		"value file with a table's id":   other(func(f *ValueFile) { f.ID = table(11, 1, "a", "b").ID }),
		"value file with another's id":   other(func(f *ValueFile) { f.ID = asValues(9).ID }),
		"value file with the table's id": other(func(f *ValueFile) { f.ID = table(20, 1, "a", "b").ID }),
		"value file without bytes":       other(func(f *ValueFile) { f.Size = 0 }),
		"value file of negative bytes":   other(func(f *ValueFile) { f.Size = -1 }),
	}
}

// What has ended would be there again after an Open: of two edits the one with the earlier time may be written last. A
// time that is none would be taken for the beginning of all times.
func TestApply_keepsTheLatestTime(t *testing.T) {
	v := emptyVersion()
	for _, step := range []struct{ told, want key.Time }{{0, 0}, {70, 70}, {60, 70}, {0, 70}, {71, 71}} {
		next, err := v.Apply(&Edit{Time: step.told})
		if err != nil || next.Time != step.want {
			t.Fatalf("told %d: the time is %d, %v, want %d", step.told, next.Time, err, step.want)
		}
		v = next
	}
	if again, err := emptyVersion().Apply(v.Edit()); err != nil || again.Time != 71 {
		t.Errorf("a manifest that begins with the version has the time %d, %v", again.Time, err)
	}
	over := append(append([]byte{26, 10}, bytes.Repeat([]byte{0xff}, 9)...), 1)
	for _, bad := range [][]byte{{26, 1, 0}, over, {26, 2, 1, 1}} {
		if e, err := decodeEdit(bad); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("% x: %+v, %v", bad, e, err)
		}
	}
}

// An edit that reads back differently changes the set of tables at the next start.
func TestEdit_roundTrip(t *testing.T) {
	number := func(t *rapid.T) uint64 {
		return rapid.Uint64().Draw(t, "n") >> rapid.IntRange(0, 63).Draw(t, "shift")
	}
	rapid.Check(t, func(t *rapid.T) {
		e := &Edit{
			LogStart: filename.Num(number(t)), NextNum: filename.Num(number(t)), LastSeq: key.SeqNum(number(t)),
			Horizon: key.SeqNum(number(t)), Time: key.Time(number(t) >> 1),
			LogEnd: filename.Num(number(t)),
		}
		for range rapid.IntRange(0, 3).Draw(t, "deleted") {
			e.Deleted = append(e.Deleted, Removed{rapid.IntRange(0, 255).Draw(t, "level"), filename.Num(number(t))})
		}
		for range rapid.IntRange(0, 3).Draw(t, "added") {
			e.Added = append(e.Added, Placed{rapid.IntRange(0, 255).Draw(t, "level"), &TableMeta{
				Num: filename.Num(number(t)), ID: number(t), Size: int64(number(t) >> 1), Digest: number(t), Entries: number(t),
				Tombstones: number(t), Shadowed: number(t), RawBytes: number(t),
				SmallestSeq: key.SeqNum(number(t)), LargestSeq: key.SeqNum(number(t)),
				Smallest: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "smallest"),
				Largest:  rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "largest"),
			}})
		}
		for range rapid.IntRange(0, 3).Draw(t, "value files") {
			e.Values = append(e.Values, ValueFile{Num: filename.Num(number(t)), ID: number(t), Size: int64(number(t) >> 1)})
		}
		for _, p := range e.Added {
			p.Table.ValueBytes = number(t)
			for range rapid.IntRange(0, 3).Draw(t, "references") {
				p.Table.Values = append(p.Table.Values, ValueRefs{filename.Num(number(t)), number(t)})
			}
			if rapid.Bool().Draw(t, "one sequence number") {
				p.Table.Seq = p.Table.LargestSeq
			}
			p.Table.Cleared = key.SeqNum(number(t))
		}
		bound := rapid.SliceOfN(rapid.Byte(), 1, 300)
		for _, all := range []*[]ranges.Tombstone{&e.RangesRemoved, &e.RangesAdded} {
			for range rapid.IntRange(0, 3).Draw(t, "range tombstones") {
				lo := append([]byte{}, bound.Draw(t, "lo")[1:]...)
				ts := ranges.Tombstone{Span: span.Span{Lo: lo}, Seq: key.SeqNum(number(t))}
				if rapid.Bool().Draw(t, "upper end") {
					ts.Hi = bound.Draw(t, "hi")
				}
				*all = append(*all, ts)
			}
		}
		got, err := decodeEdit(appendEdit(nil, e))
		if err != nil {
			t.Fatal(err)
		}
		if diff := differs(e, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A program that skipped what it must understand would lose it; one that refused what it may skip could not be
// downgraded to.
func TestEdit_fieldsOfLaterVersions(t *testing.T) {
	known := appendEdit(nil, sampleEdits()[0])
	if _, err := decodeEdit(appendField(known, 100, []byte("x"))); !errors.Is(err, ErrVersionTooNew) {
		t.Errorf("unknown even tag: %v", err)
	}
	e, err := decodeEdit(appendField(known, 101, []byte("x")))
	if diff := differs(sampleEdits()[0], e); err != nil || diff != "" {
		t.Errorf("unknown odd tag: %v %s", err, diff)
	}
	for name, data := range map[string][]byte{
		"tag cut":        {0x80},
		"no length":      {6},
		"value cut":      {6, 2, 1},
		"value too long": {6, 2, 1, 1},
		"field twice":    {6, 1, 1, 6, 1, 1},
		"huge length":    binary.AppendUvarint([]byte{6}, 1<<63),
		"level 256":      appendField(nil, tagDeleted, appendUvarints(nil, 256, 1)),
	} {
		if _, err := decodeEdit(data); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// manifestTest damages MANIFEST-000001 of the sample and checks the outcome.
type manifestTest struct {
	files    recordtest.Dir
	ends     []int64
	versions []*Version
}

func newManifestTest(t testing.TB) *manifestTest {
	dir := memfs.NewVolatile()
	m := &manifestTest{ends: writeSample(t, dir, 1), versions: history(t, sampleEdits())}
	m.files = recordtest.Contents(t, dir)
	return m
}

// check expects the version up to the first damaged record, and an error if a valid record follows it.
func (m *manifestTest) check(t *testing.T, what string, data []byte) {
	t.Helper()
	original := m.files["MANIFEST-000001"]
	intact := func(from, to int64) bool {
		return to <= int64(len(data)) && bytes.Equal(data[from:to], original[from:to])
	}
	whole := 0
	for whole < len(m.ends) && intact(0, m.ends[whole]) {
		whole++
	}
	damage := whole == 0
	for i := whole + 1; i < len(m.ends); i++ {
		damage = damage || intact(m.ends[i-1], m.ends[i])
	}
	v, _, err := Recover(m.files.With("MANIFEST-000001", data))
	switch {
	case err != nil && !errors.Is(err, corrupt.ErrCorrupt):
		t.Fatalf("%s: error is not about damage: %v", what, err)
	case (err != nil) != damage:
		t.Fatalf("%s: error %v, want damage %v", what, err, damage)
	case err == nil:
		if diff := differs(m.versions[whole-1], v); diff != "" {
			t.Fatalf("%s: (-want +got)\n%s", what, diff)
		}
	}
}

// A damaged manifest must give the state before the torn edit or an error, never an invented set of tables.
func TestRecover_everyDamageOfTheManifest(t *testing.T) {
	m := newManifestTest(t)
	original := m.files["MANIFEST-000001"]
	for n := range len(original) {
		m.check(t, fmt.Sprintf("truncation to %d", n), original[:n])
	}
	data := slices.Clone(original)
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			m.check(t, fmt.Sprintf("flip of bit %d of byte %d", bit, i), data)
			data[i] ^= 1 << bit
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	noise := make([]byte, 512)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for at := 0; at < len(original); at += 64 {
		for _, pattern := range [][]byte{make([]byte, 64), bytes.Repeat([]byte{0xff}, 64), noise[:64]} {
			data := slices.Clone(original)
			copy(data[at:], pattern)
			m.check(t, fmt.Sprintf("overwriting offset %d", at), data)
		}
	}
	old := slices.Repeat(original[record.FileHeaderSize:], 2)
	for n := range noise {
		m.check(t, fmt.Sprintf("%d bytes of noise appended", n), slices.Concat(original, noise[:n]))
		m.check(t, fmt.Sprintf("%d zeros appended", n), slices.Concat(original, make([]byte, n)))
		m.check(t, fmt.Sprintf("%d old bytes appended", n), slices.Concat(original, old[:n]))
	}
}

// A damaged CURRENT must never make a full directory look like a place for a new, empty database.
func TestRecover_everyDamageOfCurrent(t *testing.T) {
	m := newManifestTest(t)
	current := m.files["CURRENT"]
	expect := func(what string, data []byte, want error) {
		t.Helper()
		if _, _, err := Recover(m.files.With("CURRENT", data)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	for n := range len(current) {
		expect(fmt.Sprintf("truncation to %d", n), current[:n], corrupt.ErrCorrupt)
		expect(fmt.Sprintf("zeros of length %d", n), make([]byte, n), corrupt.ErrCorrupt)
		for bit := range 8 {
			data := slices.Clone(current)
			data[n] ^= 1 << bit
			expect(fmt.Sprintf("flip of bit %d of byte %d", bit, n), data, corrupt.ErrCorrupt)
		}
	}
	expect("longer", append(slices.Clone(current), 0), corrupt.ErrCorrupt)
	expect("of another program", []byte("MANIFEST-000005\n"), ErrNotDatabase)
	expect("extra bytes with a right checksum", rewrite(current, func(d []byte) { d[50] = 1 }), corrupt.ErrCorrupt)
	expect("newer version", rewrite(current, func(d []byte) { d[8] = 2 }), ErrVersionTooNew)
	expect("another database", rewrite(current, func(d []byte) { d[16]++ }), corrupt.ErrCorrupt)
	expect("a manifest that is missing", rewrite(current, func(d []byte) { d[32] = 7 }), corrupt.ErrCorrupt)

	newer := rewrite(m.files["MANIFEST-000001"], func(d []byte) { d[8] = 2 })
	if _, _, err := Recover(m.files.With("MANIFEST-000001", newer)); !errors.Is(err, ErrVersionTooNew) {
		t.Errorf("manifest of a newer version: %v", err)
	}
}

// rewrite changes a file header and gives it a right checksum.
func rewrite(data []byte, change func([]byte)) []byte {
	data = slices.Clone(data)
	change(data)
	recordtest.FixFileHeader(data)
	return data
}

// Creating a database over the remains of one would bury them.
func TestRecover_withoutCurrent(t *testing.T) {
	manifestOnly := func(t *testing.T, v *Version) []byte {
		dir := memfs.NewVolatile()
		l, err := createAlone(dir, 1, v)
		must(t, l, err)
		return recordtest.Contents(t, dir)["MANIFEST-000001"]
	}
	segment := func(t *testing.T, commits int) []byte {
		dir := memfs.NewVolatile()
		s, err := wal.Create(dir, 2, testDB, wal.Root(0))
		must(t, s, err)
		for i := range commits {
			end, err := s.Append(wal.Record{First: key.SeqNum(i + 1), Count: 1, Payload: []byte{1, 1, 0, 'k'}})
			must(t, end, err)
		}
		return recordtest.Contents(t, dir)["000002.wal"]
	}
	full := newManifestTest(t).files["MANIFEST-000001"]
	cases := map[string]struct {
		files recordtest.Dir
		want  error
	}{
		"nothing":       {nil, ErrNoDatabase},
		"foreign files": {recordtest.Dir{"notes.txt": []byte("x"), "LOCK": nil}, ErrNoDatabase},
		"interrupted": {recordtest.Dir{
			"MANIFEST-000001": manifestOnly(t, emptyVersion()), "000002.wal": segment(t, 0), "CURRENT-8161727": nil,
		}, ErrNoDatabase},
		"interrupted earlier": {recordtest.Dir{
			"MANIFEST-000001": nil, "000002.wal": bytes.Repeat([]byte{9}, 5000),
		}, ErrNoDatabase},
		"table":              {recordtest.Dir{"000004.tbl": nil}, corrupt.ErrCorrupt},
		"commits":            {recordtest.Dir{"000002.wal": segment(t, 1)}, corrupt.ErrCorrupt},
		"manifest of tables": {recordtest.Dir{"MANIFEST-000001": full}, corrupt.ErrCorrupt},
		"newer manifest": {recordtest.Dir{
			"MANIFEST-000001": rewrite(full, func(d []byte) { d[8] = 2 }),
		}, ErrVersionTooNew},
	}
	for name, c := range cases {
		_, _, err := Recover(c.files)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		var none *NoDatabaseError
		if errors.As(err, &none) && strings.HasPrefix(name, "interrupted") && len(none.Leftovers) != len(c.files) {
			t.Errorf("%s: leftovers %v", name, none.Leftovers)
		}
	}
}

// A device error must never pass for the end of the manifest, or for a directory without a database.
func TestRecover_returnsDeviceErrors(t *testing.T) {
	m := newManifestTest(t)
	for _, files := range []recordtest.Dir{m.files, m.files.Without("CURRENT")} {
		count := errfs.New(files)
		_, _, _ = Recover(count)
		for n := range count.Ops() {
			faulty := errfs.New(files, errfs.On().At(n).Fail(syscall.EIO))
			if _, _, err := Recover(faulty); !errors.Is(err, syscall.EIO) {
				t.Errorf("call %d failed: %v", n, err)
			}
		}
	}
}

// A full disk while an edit is written must leave the edit out for good, and the manifest in working order.
func TestAppend_fullDiskLeavesTheEditOut(t *testing.T) {
	edits := sampleEdits()
	size := int(record.Size(len(appendEdit(nil, edits[1]))))
	versions := history(t, edits)
	for kept := range size {
		dir := memfs.New()
		full := errfs.New(dir)
		l, err := createAlone(full, 1, emptyVersion())
		must(t, l, err)
		must(t, l, l.Append(edits[0]))
		full.SetRules(errfs.On(errfs.Write).Times(1).Short(kept, syscall.ENOSPC))
		if err := l.Append(edits[1]); !errors.Is(err, vfs.ErrNoSpace) || l.Err() != nil {
			t.Fatalf("%d bytes kept: %v, %v", kept, err, l.Err())
		}
		v, _, err := Recover(dir.Image(memfs.Policy(kept%10), uint64(kept)))
		if diff := differs(versions[1], v); err != nil || diff != "" {
			t.Fatalf("%d bytes kept: %v %s", kept, err, diff)
		}
		must(t, l, l.Append(edits[1]))
		v, _, err = Recover(dir.Image(memfs.None, 0))
		if diff := differs(versions[2], v); err != nil || diff != "" {
			t.Fatalf("%d bytes kept, again: %v %s", kept, err, diff)
		}
	}
}

// Cut the power at every step of creating, editing and switching: the acknowledged state, or the one that was being
// written, and before the first creation is acknowledged possibly none.
func TestManifest_survivesPowerCutsAnywhere(t *testing.T) {
	edits := sampleEdits()
	versions := history(t, edits)
	run := func(dir vfs.FS) (acked, tried int, err error) { // indexes into versions; -1 for none
		l, err := createAlone(dir, 1, versions[0])
		if err != nil {
			return -1, 0, err
		}
		for i, e := range edits {
			if i == 2 {
				if l, err = createAlone(dir, 7, versions[i]); err != nil {
					return i, i, err
				}
				if err := errors.Join(dir.Remove("MANIFEST-000001"), dir.SyncDir()); err != nil {
					return i, i, err
				}
			}
			if err := l.Append(e); err != nil {
				return i, i + 1, err
			}
		}
		return len(edits), len(edits), l.Close()
	}
	probe := memfs.New()
	if _, _, err := run(probe); err != nil {
		t.Fatal(err)
	}
	for op := range probe.Ops() + 1 {
		for _, during := range []bool{false, true} {
			dir := memfs.New()
			if during {
				dir.CrashDuring(op)
			} else {
				dir.CrashAt(op)
			}
			acked, tried, _ := run(dir)
			for policy := memfs.None; policy <= memfs.Random; policy++ {
				for seed := range uint64(16) {
					v, _, err := Recover(dir.Image(policy, seed))
					if errors.Is(err, ErrNoDatabase) && acked < 0 {
						continue
					}
					if err != nil {
						t.Fatalf("operation %d, image %v/%d: %v", op, policy, seed, err)
					}
					if differs(v, versions[max(acked, 0)]) != "" && differs(v, versions[tried]) != "" {
						t.Fatalf("operation %d, image %v/%d: neither version %d nor %d", op, policy, seed, acked, tried)
					}
				}
			}
		}
	}
}
