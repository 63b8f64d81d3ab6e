package manifest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"sort"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/ranges"
)

// NumLevels is the number of levels of the tree. Tables of level 0 may overlap, those of a deeper level do not.
const NumLevels = 7

// TableMeta is what the manifest knows of a table. It is immutable once it is in a version.
type TableMeta struct {
	Num               filename.Num
	ID                uint64 // identity of the content, in the checksums of its pages
	Size              int64  // of the file, in bytes
	Digest            uint64 // of the content; see table.Properties
	Entries           uint64 // at least 1
	Tombstones        uint64 // entries that delete their key
	Shadowed          uint64 // entries that are not the newest of their key in the table
	RawBytes          uint64 // of keys and values before compression
	SmallestSeq       key.SeqNum
	LargestSeq        key.SeqNum
	Seq               key.SeqNum // of all entries, in place of what they carry; 0 if they carry their own
	Smallest, Largest []byte     // user keys, both in the table
	Cleared           key.SeqNum // no entry is hidden by a range tombstone with a number up to this one; 0 if not known

	ValueBytes uint64      // of Size: values that a compaction leaves where they are
	Values     []ValueRefs // what it refers to in value files, ordered by their numbers
}

// Held is the bytes that t takes, in its own file and in value files.
func (t *TableMeta) Held() int64 {
	n := t.Size
	for _, r := range t.Values {
		n += int64(r.Bytes)
	}
	return n
}

// ValueRefs says how much a table refers to in one value file.
type ValueRefs struct {
	File  filename.Num
	Bytes uint64 // as stored
}

// ValueFile is a file that was a table of an earlier version, and whose values some tables refer to. It is there as
// long as one of them is.
type ValueFile struct {
	Num   filename.Num
	ID    uint64 // as what it was written; see TableMeta
	Size  int64  // of the file, in bytes
	Bytes uint64 // as stored, that tables of the version refer to: 0 < Bytes <= Size, as each value has one reference
}

// Garbage is how many bytes of the file no table refers to.
func (f *ValueFile) Garbage() int64 { return f.Size - int64(f.Bytes) }

// Version is one state of the set of tables. It is immutable; its zero value has no tables.
//
// Invariants: table numbers and ids are unique, numbers are below NextNum, sequence numbers and Horizon are at most
// LastSeq; each table's keys and counts are possible; every value file is referred to, is no table, and what tables
// refer to is a value file; level 0 is ordered newest first (by LargestSeq, then Num, both
// descending); each deeper level is ordered by Smallest, and no user key lies in the ranges of two of its tables; a
// range tombstone is over some key, and its number at most LastSeq.
type Version struct {
	DatabaseID [16]byte
	Levels     [NumLevels][]*TableMeta
	Values     []*ValueFile // ordered by their numbers
	Ranges     *ranges.Set  // what deletes of ranges have left in place of tombstones in tables
	LogStart   filename.Num // first log segment still needed; 0 before there is one
	LogEnd     filename.Num // if it is LogStart, the log is empty, and segment LogStart does not exist; see LogEmpty
	NextNum    filename.Num // all files have smaller numbers
	LastSeq    key.SeqNum   // no table holds a larger one
	Horizon    key.SeqNum   // every state from this sequence number on is whole; of older ones versions may be missing
	Time       key.Time     // the time of the database was not before it; 0 if nothing in it ends
}

// LogEmpty reports whether the database was closed cleanly: everything that was logged is in tables, and no segment
// from LogStart on was begun.
func (v *Version) LogEmpty() bool { return v.LogEnd != 0 && v.LogEnd == v.LogStart }

// Edit is a change from one version to the next. Zero fields change nothing.
type Edit struct {
	Added    []Placed
	Deleted  []Removed
	Values   []ValueFile // deleted tables that become value files: added ones refer to them. Bytes is not used
	LogStart filename.Num
	LogEnd   filename.Num // a clean close sets it to LogStart
	NextNum  filename.Num
	LastSeq  key.SeqNum
	Horizon  key.SeqNum
	Time     key.Time

	RangesAdded, RangesRemoved []ranges.Tombstone // removals come before additions
}

// Placed is a table that joins a level.
type Placed struct {
	Level int
	Table *TableMeta
}

// Removed is a table that leaves a level. Deletions come before additions, so that one edit can move a table.
type Removed struct {
	Level int
	Num   filename.Num
}

// Apply returns the version after e, which shares the tables of v and of e. An edit that is impossible in v is
// a *corrupt.Error.
func (v *Version) Apply(e *Edit) (*Version, error) {
	b := newBuilder(v)
	if err := b.apply(e); err != nil {
		return nil, err
	}
	next, err := b.finish()
	if err == nil {
		err = next.checkRanges(e.RangesRemoved)
	}
	if err != nil {
		return nil, err
	}
	return next, nil
}

// Names reports whether table num, or a value file of that number, is part of v.
func (v *Version) Names(num filename.Num) bool {
	if v.ValueFile(num) != nil {
		return true
	}
	for _, level := range v.Levels {
		if slices.ContainsFunc(level, func(t *TableMeta) bool { return t.Num == num }) {
			return true
		}
	}
	return false
}

// ValueFile returns the value file with a number, nil if there is none.
func (v *Version) ValueFile(num filename.Num) *ValueFile {
	i, there := slices.BinarySearchFunc(v.Values, num, func(f *ValueFile, num filename.Num) int {
		return cmp.Compare(f.Num, num)
	})
	if !there {
		return nil
	}
	return v.Values[i]
}

// Edit returns the edit that turns a version with nothing but v's database id into v.
func (v *Version) Edit() *Edit {
	e := &Edit{LogStart: v.LogStart, LogEnd: v.LogEnd, NextNum: v.NextNum, LastSeq: v.LastSeq, Horizon: v.Horizon,
		Time: v.Time, RangesAdded: slices.Collect(v.Ranges.All())}
	for _, f := range v.Values {
		e.Values = append(e.Values, *f)
	}
	for level, tables := range v.Levels {
		for _, t := range tables {
			e.Added = append(e.Added, Placed{level, t})
		}
	}
	return e
}

// builder applies edits one after the other; an edit costs in proportion to its own tables, not to those of the
// version.
type builder struct {
	version Version // Levels and Values are filled by finish
	levels  map[filename.Num]int
	tables  map[filename.Num]*TableMeta
	ids     map[uint64]filename.Num
	values  map[filename.Num]ValueFile // Bytes as of the tables
}

func newBuilder(v *Version) *builder {
	n := 0
	for _, tables := range v.Levels {
		n += len(tables)
	}
	b := &builder{ // at their full size: each edit makes these maps anew, and maps that grow leave most of it as garbage
		version: *v,
		levels:  make(map[filename.Num]int, n),
		tables:  make(map[filename.Num]*TableMeta, n),
		ids:     make(map[uint64]filename.Num, n+len(v.Values)),
		values:  make(map[filename.Num]ValueFile, len(v.Values)),
	}
	for _, f := range v.Values {
		b.values[f.Num], b.ids[f.ID] = ValueFile{Num: f.Num, ID: f.ID, Size: f.Size}, f.Num
	}
	for level, tables := range v.Levels {
		for _, t := range tables {
			b.put(level, t)
		}
	}
	return b
}

func (b *builder) put(level int, t *TableMeta) {
	b.levels[t.Num], b.tables[t.Num], b.ids[t.ID] = level, t, t.Num
	for _, r := range t.Values {
		f := b.values[r.File]
		f.Bytes += r.Bytes
		b.values[r.File] = f
	}
}

// remove takes table num out.
func (b *builder) remove(num filename.Num) {
	t := b.tables[num]
	delete(b.levels, num)
	delete(b.tables, num)
	delete(b.ids, t.ID)
	for _, r := range t.Values {
		f := b.values[r.File]
		f.Bytes -= r.Bytes
		b.values[r.File] = f
	}
}

// dropValues takes out the value file num if no table refers to it.
func (b *builder) dropValues(num filename.Num) {
	if f, there := b.values[num]; there && f.Bytes == 0 {
		delete(b.values, num)
		delete(b.ids, f.ID)
	}
}

// impossible is the error for an edit that contradicts what is there.
func impossible(format string, args ...any) error {
	return corrupt.New("", -1, "impossible edit: "+format, args...)
}

func (b *builder) apply(e *Edit) error {
	if err := b.applyNumbers(e); err != nil {
		return err
	}
	var referredTo []ValueRefs // by what is deleted
	for _, d := range e.Deleted {
		t, ok := b.tables[d.Num]
		if !ok || b.levels[d.Num] != d.Level {
			return impossible("deletes table %d, which is not in level %d", d.Num, d.Level)
		}
		b.remove(d.Num)
		referredTo = append(referredTo, t.Values...)
	}
	for _, f := range e.Values {
		if err := b.addValues(f); err != nil {
			return err
		}
	}
	for _, p := range e.Added {
		if err := b.add(p); err != nil {
			return err
		}
	}
	for _, r := range referredTo {
		b.dropValues(r.File)
	}
	for _, f := range e.Values {
		b.dropValues(f.Num)
	}
	return b.applyRanges(e)
}

// applyNumbers takes over the numbers of e, none of which may fall, and the later time.
func (b *builder) applyNumbers(e *Edit) error {
	v := &b.version
	nextNum, lastSeq := cmp.Or(e.NextNum, v.NextNum), cmp.Or(e.LastSeq, v.LastSeq)
	horizon := cmp.Or(e.Horizon, v.Horizon)
	logStart, logEnd := cmp.Or(e.LogStart, v.LogStart), cmp.Or(e.LogEnd, v.LogEnd)
	switch {
	case nextNum < v.NextNum:
		return impossible("the next file number falls from %d to %d", v.NextNum, nextNum)
	case lastSeq < v.LastSeq || lastSeq >= key.MaxSeqNum:
		return impossible("the last sequence number goes from %d to %d", v.LastSeq, lastSeq)
	case horizon < v.Horizon || horizon > lastSeq:
		return impossible("the horizon goes from %d to %d, last sequence number %d", v.Horizon, horizon, lastSeq)
	case logStart < v.LogStart || logStart != 0 && logStart >= nextNum:
		return impossible("the start of the log goes from %d to %d, next file number %d", v.LogStart, logStart, nextNum)
	case logEnd < v.LogEnd || logEnd > logStart:
		return impossible("the end of the log goes from %d to %d, its start to %d", v.LogEnd, logEnd, logStart)
	}
	v.NextNum, v.LastSeq, v.Horizon, v.LogStart, v.LogEnd = nextNum, lastSeq, horizon, logStart, logEnd
	v.Time = max(v.Time, e.Time)
	return nil
}

func (b *builder) add(p Placed) error {
	t := p.Table
	if p.Level < 0 || p.Level >= NumLevels {
		return impossible("adds table %d to level %d", t.Num, p.Level)
	}
	if _, taken := b.tables[t.Num]; taken || b.hasValues(t.Num) {
		return impossible("adds table %d, which is there", t.Num)
	}
	if other, taken := b.ids[t.ID]; taken {
		return impossible("adds table %d with the id of table %d", t.Num, other)
	}
	if t.Num == 0 || t.Num >= b.version.NextNum {
		return impossible("adds table %d, next file number is %d", t.Num, b.version.NextNum)
	}
	if last := max(t.LargestSeq, t.Cleared); last > b.version.LastSeq {
		return impossible("adds table %d with sequence number %d, the last one is %d", t.Num, last, b.version.LastSeq)
	}
	if what := t.problem(); what != "" {
		return impossible("adds table %d with %s", t.Num, what)
	}
	for i, r := range t.Values {
		f, there := b.values[r.File]
		if !there || r.Bytes == 0 || r.Bytes > uint64(f.Size)-f.Bytes || i > 0 && t.Values[i-1].File >= r.File {
			return impossible("adds table %d, which refers to %d bytes of file %d", t.Num, r.Bytes, r.File)
		}
	}
	b.put(p.Level, t)
	return nil
}

// addValues adds a value file: one that has been a table, or any if it comes from a whole version.
func (b *builder) addValues(f ValueFile) error {
	_, table := b.tables[f.Num]
	if table || b.hasValues(f.Num) || f.Num == 0 || f.Num >= b.version.NextNum {
		return impossible("adds value file %d, next file number is %d", f.Num, b.version.NextNum)
	}
	if other, taken := b.ids[f.ID]; taken {
		return impossible("adds value file %d with the id of file %d", f.Num, other)
	}
	if f.Size <= 0 {
		return impossible("adds value file %d without bytes", f.Num)
	}
	f.Bytes = 0
	b.values[f.Num], b.ids[f.ID] = f, f.Num
	return nil
}

func (b *builder) hasValues(num filename.Num) bool {
	_, there := b.values[num]
	return there
}

// problem says what is impossible in t, in words; it is empty if nothing is.
func (t *TableMeta) problem() string {
	switch {
	case t.Size <= 0:
		return "no bytes"
	case t.ValueBytes > uint64(t.Size):
		return "more bytes of values than it has"
	case t.Entries == 0:
		return "no entries"
	case t.Tombstones > t.Entries || t.Shadowed >= t.Entries:
		return "impossible counts"
	case t.SmallestSeq == 0 || t.SmallestSeq > t.LargestSeq || t.LargestSeq > key.MaxSeqNum:
		return "impossible sequence numbers"
	case t.Seq != 0 && (t.SmallestSeq != t.Seq || t.LargestSeq != t.Seq || t.Shadowed > 0):
		return "one sequence number for several versions"
	case !possibleKey(t.Smallest) || !possibleKey(t.Largest):
		return "an impossible key"
	case bytes.Compare(t.Smallest, t.Largest) > 0:
		return "its largest key before its smallest"
	}
	return ""
}

func possibleKey(k []byte) bool { return len(k) <= key.MaxStoredKeySize }

// finish returns the version that b holds. b must not be used afterwards.
func (b *builder) finish() (*Version, error) {
	v := &b.version
	v.Levels = [NumLevels][]*TableMeta{}
	for num, t := range b.tables {
		level := b.levels[num]
		v.Levels[level] = append(v.Levels[level], t)
	}
	v.Values = nil
	for _, f := range b.values {
		v.Values = append(v.Values, &f)
	}
	slices.SortFunc(v.Values, func(f, g *ValueFile) int { return cmp.Compare(f.Num, g.Num) })
	slices.SortFunc(v.Levels[0], func(s, t *TableMeta) int {
		return cmp.Or(cmp.Compare(t.LargestSeq, s.LargestSeq), cmp.Compare(t.Num, s.Num))
	})
	if err := checkCommits(v.Levels[0]); err != nil {
		return nil, err
	}
	for level := 1; level < NumLevels; level++ {
		tables := v.Levels[level]
		slices.SortFunc(tables, func(s, t *TableMeta) int {
			return cmp.Or(bytes.Compare(s.Smallest, t.Smallest), cmp.Compare(s.Num, t.Num))
		})
		if err := checkDisjoint(level, tables); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// checkDisjoint refuses tables, given in key order, if two of them overlap.
func checkDisjoint(level int, tables []*TableMeta) error {
	for i := 1; i < len(tables); i++ {
		if s, t := tables[i-1], tables[i]; bytes.Compare(s.Largest, t.Smallest) >= 0 {
			return impossible("tables %d and %d of level %d overlap", s.Num, t.Num, level)
		}
	}
	return nil
}

// checkCommits refuses tables of level 0, given in its order, if two tables with all their entries from the same
// commit overlap.
func checkCommits(level0 []*TableMeta) error {
	for i := 0; i < len(level0); {
		end := i + 1
		for end < len(level0) && level0[i].Seq != 0 && level0[end].Seq == level0[i].Seq {
			end++
		}
		if len(Runs(level0[i:end])) > 1 {
			return impossible("tables of one commit, %d and others, overlap in level 0", level0[i].Num)
		}
		i = end
	}
	return nil
}

// Runs divides level 0, or a part of it that is in its order, into sorted runs, newest first, each in key order: a
// table that overlaps none of the run of the table before it joins that run. So the tables that one commit or one
// job has added are one run, and so are tables of keys in ascending order.
func Runs(level0 []*TableMeta) [][]*TableMeta {
	var runs [][]*TableMeta
	for _, t := range level0 {
		if n := len(runs); n > 0 {
			if run, ok := with(runs[n-1], t); ok {
				runs[n-1] = run
				continue
			}
		}
		runs = append(runs, []*TableMeta{t})
	}
	return runs
}

// with returns run with t inserted in key order. ok is false if t overlaps a table of the run.
func with(run []*TableMeta, t *TableMeta) (longer []*TableMeta, ok bool) {
	i := sort.Search(len(run), func(i int) bool { return bytes.Compare(run[i].Largest, t.Smallest) >= 0 })
	if i < len(run) && bytes.Compare(run[i].Smallest, t.Largest) <= 0 {
		return nil, false
	}
	return slices.Insert(run, i, t), true
}

// NewVersion is the tree of a new database, whose identity is taken from random.
func NewVersion(random func() uint64) *Version {
	v := &Version{NextNum: 1}
	binary.LittleEndian.PutUint64(v.DatabaseID[:8], random())
	binary.LittleEndian.PutUint64(v.DatabaseID[8:], random())
	return v
}

// CheckTables makes a lost table an error of Open rather than of the first read that needs it. names are the files of
// the directory, sorted.
func (v *Version) CheckTables(names []string) error {
	for num := range v.Files() {
		name := filename.Make(filename.Table, num)
		if _, there := slices.BinarySearch(names, name); !there {
			return corrupt.New(name, -1, "the manifest names this table, but the file is missing")
		}
	}
	return nil
}

// Files yields the number and the size in bytes of each table of v, by level, then of each value file.
func (v *Version) Files() iter.Seq2[filename.Num, int64] {
	return func(yield func(filename.Num, int64) bool) {
		for _, level := range v.Levels {
			for _, t := range level {
				if !yield(t.Num, t.Size) {
					return
				}
			}
		}
		for _, f := range v.Values {
			if !yield(f.Num, f.Size) {
				return
			}
		}
	}
}
