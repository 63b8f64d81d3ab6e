package compaction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/operand/operandtest"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/visible"
)

// world is a database without a disk: tables are slices, and the whole history is kept as the model.
type world struct {
	v        *manifest.Version
	files    map[filename.Num][]mergetest.Entry // without values that lie outside the pages
	places   map[filename.Num][]page.Reference  // where those lie, by entry
	extents  map[page.Reference][]byte          // of the files that are there
	inPage   int                                // the longest value that stands in a page
	nextNum  filename.Num
	seq      key.SeqNum // last one given
	memtable []mergetest.Entry
	ranges   *ranges.Set       // committed since the last flush
	history  []mergetest.Entry // everything ever written, in commit order; of a delete of a range its ends
	live     []key.SeqNum      // snapshots held by readers, ascending
	running  []*inFlight
	fullAt   int // entries at which an output is Full, if FullBytes allows it to be; 0 for never
	params   Params
	written  int64 // bytes of all outputs ever
	asked    int   // how often a job has asked for the value below it
	emptied  int   // jobs that emptied value files
	partial  bool  // jobs join arguments
	dropped  int   // tables that have left unread
}

// inFlight is a job that was executed and is not installed yet.
type inFlight struct {
	job  *Job
	edit *manifest.Edit
}

func newWorld(p Params) *world {
	return &world{
		v: &manifest.Version{NextNum: 1}, nextNum: 1, params: p, files: map[filename.Num][]mergetest.Entry{},
		places: map[filename.Num][]page.Reference{}, extents: map[page.Reference][]byte{}, inPage: math.MaxInt,
	}
}

// smallParams make a few hundred entries fill several levels.
func smallParams() Params {
	return Params{BaseBytes: 800, Multiplier: 3, TargetTableBytes: 300, FullBytes: 200, L0Trigger: 3, L0Bytes: 800}
}

func (w *world) put(user string, value []byte) { w.write(user, key.KindPut, value) }
func (w *world) putUntil(user string, end key.Time, value []byte) {
	w.write(user, key.KindPutUntil, key.WithEnd(nil, end, value))
}

func (w *world) remove(user string) { w.write(user, key.KindDelete, nil) }

func (w *world) merge(user string, o operand.Operator, argument string) {
	w.write(user, key.KindMerge, append([]byte{byte(o)}, argument...))
}

// rules fold so that the order and the number of operands, and the value below them, can be told from the result.
// They cannot fold "bad".
var rules = operandtest.Lists(func(_, old, argument []byte) ([]byte, error) {
	if string(argument) == "bad" {
		return nil, errors.New("cannot be folded")
	}
	return fmt.Appendf(nil, "%d%s%x", len(old), argument, crc32.ChecksumIEEE(old)), nil
})

func (w *world) write(user string, kind key.Kind, value []byte) {
	w.seq++
	e := mergetest.Entry{Key: key.Make([]byte(user), w.seq, kind), Value: value}
	w.memtable = append(w.memtable, e)
	w.history = append(w.history, e)
}

// removeRange deletes the keys from lo to before hi; an empty hi is no end.
func (w *world) removeRange(lo, hi string) {
	w.seq++
	t := ranges.Tombstone{Span: span.Span{Lo: []byte(lo)}, Seq: w.seq}
	if hi != "" {
		t.Hi = []byte(hi)
	}
	w.ranges = w.ranges.With(t)
	w.history = append(w.history, mergetest.Entry{Key: key.Make(t.Lo, w.seq, key.KindRangeDelete), Value: t.Hi})
}

// hold takes a snapshot of now.
func (w *world) hold() key.SeqNum {
	if !slices.Contains(w.live, w.seq) {
		w.live = append(w.live, w.seq)
	}
	return w.seq
}

// snapshots is what Execute is given: the readers and the visible sequence number.
func (w *world) snapshots() []key.SeqNum {
	return slices.Compact(append(slices.Clone(w.live), w.seq))
}

func (w *world) oldest() key.SeqNum { return w.snapshots()[0] }

func (w *world) flush() error {
	entries := sorted(w.memtable)
	job := Flush(w.v, Memtable{Iterator: mergetest.NewSlice(entries), Entries: uint64(len(entries)), Ranges: w.ranges})
	edit, _, err := job.Execute(context.Background(), w.snapshots(), w.depsFor(job))
	if err != nil {
		return err
	}
	w.memtable, w.ranges, edit.LastSeq = nil, nil, w.seq
	return w.install(edit)
}

// install applies edit. Only a flush has a greater number than any before, as in the engine: what was committed since
// is in no version.
func (w *world) install(edit *manifest.Edit) error {
	edit.NextNum, edit.LastSeq = w.nextNum, max(edit.LastSeq, w.v.LastSeq)
	v, err := w.v.Apply(edit)
	if err == nil {
		w.v = v
		w.removeObsolete()
	}
	return err
}

// removeObsolete deletes the files that neither the version nor a job in flight refers to.
func (w *world) removeObsolete() {
	needed := map[filename.Num]bool{}
	for num := range w.v.Files() {
		needed[num] = true
	}
	for _, f := range w.running {
		for _, tables := range f.job.Inputs { // a job has the version that it was picked from
			for _, t := range tables {
				needed[t.Num] = true
				for _, r := range t.Values {
					needed[r.File] = true
				}
			}
		}
		for _, a := range f.edit.Added {
			needed[a.Table.Num] = true
		}
	}
	maps.DeleteFunc(w.files, func(num filename.Num, _ []mergetest.Entry) bool { return !needed[num] })
	maps.DeleteFunc(w.extents, func(ref page.Reference, _ []byte) bool { return !needed[ref.Table] })
}

// open returns an iterator over a table. A value whose file is gone reads as one that was never written.
func (w *world) open(num filename.Num) *mergetest.Slice {
	entries, places := slices.Clone(w.files[num]), w.places[num]
	for i, ref := range places {
		if ref.Stored > 0 {
			value, there := w.extents[ref]
			if !there {
				value = []byte("the value file is gone")
			}
			entries[i].Value = value
		}
	}
	s := mergetest.NewSlice(entries)
	s.Extents = func(i int) (page.Reference, bool) { return at(places, i), at(places, i).Stored > 0 }
	return s
}

func (w *world) busy(num filename.Num) bool {
	return slices.ContainsFunc(w.running, func(f *inFlight) bool {
		return slices.ContainsFunc(f.edit.Deleted, func(d manifest.Removed) bool { return d.Num == num })
	})
}

// pick is Pick with the world's own parameters.
func (w *world) pick(quiet bool) *Job {
	p := w.params
	p.Quiet, p.OldestSnapshot = quiet, w.oldest()
	return Pick(w.v, p, w.busy)
}

// pickForScans is PickForScans with the world's own parameters.
func (w *world) pickForScans(debt uint64) *Job {
	p := w.params
	p.OldestSnapshot = w.oldest()
	return PickForScans(w.v, p, w.busy, debt)
}

func (w *world) pickRange(s span.Span) (*Job, bool) {
	p := w.params
	p.OldestSnapshot = w.oldest()
	return PickRange(w.v, p, w.busy, Asked{Span: s, Seq: key.MaxSeqNum, Num: math.MaxUint64})
}

// start runs job and leaves it in flight.
func (w *world) start(job *Job) error {
	edit, stats, err := job.Execute(context.Background(), w.snapshots(), w.depsFor(job))
	if err != nil {
		return err
	}
	w.written += stats.BytesOut
	if job.Drop {
		w.dropped += len(edit.Deleted)
	}
	if job.Reason == ReasonValues {
		w.emptied++
	}
	w.running = append(w.running, &inFlight{job, edit})
	return nil
}

// complete installs the i-th job in flight.
func (w *world) complete(i int) error {
	f := w.running[i]
	w.running = slices.Delete(w.running, i, i+1)
	return w.install(f.edit)
}

// settle picks and runs jobs until none is left, and checks that every one of them makes the measure smaller.
func (w *world) settle(next func() *Job) error {
	for job := next(); job != nil; job = next() {
		before := w.measure()
		switch job.Reason {
		case ReasonValues:
			before += w.inGarbage()
		case ReasonRanges, ReasonManual: // the last level is written anew for what it owes
			before += w.owed()
		}
		if err := w.start(job); err != nil {
			return err
		}
		if err := w.complete(len(w.running) - 1); err != nil {
			return err
		}
		after := w.measure()
		switch job.Reason {
		case ReasonValues:
			after += w.inGarbage()
		case ReasonRanges, ReasonManual:
			after += w.owed()
		}
		if after >= before {
			return fmt.Errorf("%s job into level %d took the measure from %d to %d", job.Reason, job.OutputLevel, before, after)
		}
	}
	return nil
}

// measure is M of Pick's comment, and after it, as the lesser digits, the number of tables in L0; there is room for
// inGarbage.
func (w *world) measure() uint64 {
	m := uint64(0)
	for level, tables := range w.v.Levels {
		for _, t := range tables {
			m += t.Entries * uint64(manifest.NumLevels-level)
		}
	}
	return m<<32 + uint64(len(w.v.Levels[0]))<<16
}

// owed is the number of range tombstones, and of pairs of a table and one that it owes.
func (w *world) owed() (n uint64) {
	pk := w.picker()
	for _, tables := range w.v.Levels {
		for _, t := range tables {
			for range pk.owed(t) {
				n++
			}
		}
	}
	return n + uint64(w.v.Ranges.Len())
}

// inGarbage is how many bytes tables refer to in value files that hold garbage.
func (w *world) inGarbage() (n uint64) {
	for _, f := range w.v.Values {
		if f.Garbage() > 0 {
			n += f.Bytes
		}
	}
	return n
}

// bytes is the size of all files.
func (w *world) bytes() (n int64) {
	for _, size := range w.v.Files() {
		n += size
	}
	return n
}

// liveBytes is the size that the visible entries would have in one table.
func (w *world) liveBytes() int64 {
	n := int64(0)
	for user, value := range w.model(w.seq, 0) {
		n += entrySize([]byte(user), value)
	}
	return n
}

// model is the content at seq and now according to the history.
func (w *world) model(seq key.SeqNum, now key.Time) map[string][]byte {
	m := map[string][]byte{}
	for _, e := range w.history[:seq] { // the i-th operation has sequence number i+1
		user := string(e.Key.User)
		switch e.Key.Trailer.Kind() {
		case key.KindDelete:
			delete(m, user)
		case key.KindRangeDelete:
			s := span.Span{Lo: e.Key.User, Hi: e.Value}
			maps.DeleteFunc(m, func(user string, _ []byte) bool { return s.Contains([]byte(user)) })
		case key.KindMerge:
			old, present := m[user]
			value, err := rules.Fold(e.Key.User, bytes.Clone(old), present, e.Value)
			if err == nil && string(old) != unreadable {
				m[user] = value
			} else {
				m[user] = []byte(unreadable)
			}
		case key.KindPutUntil:
			end, value := key.SplitEnd(e.Value)
			if m[user] = value; end <= now {
				delete(m, user)
			}
		default:
			m[user] = e.Value
		}
	}
	return m
}

// unreadable stands in a model for the value of a key that cannot be folded.
const unreadable = "unreadable"

// check compares what every snapshot sees in the tables and the memtable with the history, and the order of ages.
func (w *world) check() error {
	if err := w.checkAges(); err != nil {
		return err
	}
	for _, seq := range w.snapshots() {
		for _, now := range []key.Time{0, 3, 5} { // before, between and after the ends of putUntil
			if err := w.checkAt(seq, now); err != nil {
				return fmt.Errorf("snapshot at %d of %d, time %d: %w", seq, w.seq, now, err)
			}
		}
	}
	return nil
}

func (w *world) checkAt(seq key.SeqNum, now key.Time) error {
	want := w.model(seq, now)
	var v merge.Visible
	v.Rules = rules
	v.Reset(w.iteratorAt(seq), visible.Reader{Seq: seq, Now: now}, nil, nil)
	n := 0
	for ok := v.First(); ok; ok = v.Next() {
		expected, there := want[string(v.Key())]
		value, err := v.Value()
		if errors.Is(err, operand.ErrMerge) {
			value, err = []byte(unreadable), nil
		}
		if err != nil || !there || !bytes.Equal(value, expected) {
			return fmt.Errorf("key %q reads %q, want %q (present: %v, error: %v)", v.Key(), value, expected, there, err)
		}
		n++
	}
	if n != len(want) || v.Err() != nil {
		return fmt.Errorf("%d keys instead of %d, error %v", n, len(want), v.Err())
	}
	return v.Close()
}

// checkAges checks the invariants A1 to A3: going down, the versions of a user key get older from table to table.
func (w *world) checkAges() error {
	oldest := map[string]key.SeqNum{} // of each user key, in the tables looked at so far
	for level, tables := range w.v.Levels {
		for _, t := range tables {
			lowest := map[string]key.SeqNum{}
			for _, e := range w.files[t.Num] {
				user, seq := string(e.Key.User), e.Key.Trailer.Seq()
				if above, there := oldest[user]; there && seq >= above {
					return fmt.Errorf("%v in table %d of level %d is not older than version %d above", e.Key, t.Num, level, above)
				}
				lowest[user] = seq
			}
			maps.Copy(oldest, lowest)
		}
	}
	return nil
}

// iteratorAt merges the memtable and all tables, without what range tombstones hide from a reader at seq.
func (w *world) iteratorAt(seq key.SeqNum) merge.Iterator {
	runs := []merge.Iterator{w.unhidden(mergetest.NewSlice(sorted(w.memtable)), w.v.Ranges.Join(w.ranges), seq)}
	for _, tables := range w.v.Levels {
		for _, t := range tables {
			runs = append(runs, w.unhidden(w.open(t.Num), w.v.Ranges.Join(w.ranges), seq))
		}
	}
	return merge.New(runs...)
}

// unhidden is the entries of s that no tombstone of set hides from a reader at seq.
func (w *world) unhidden(s *mergetest.Slice, set *ranges.Set, seq key.SeqNum) merge.Iterator {
	var entries []mergetest.Entry
	for ok := s.First(); ok; ok = s.Next() {
		if set.Covering(s.Key().User, seq).Seq > s.Key().Trailer.Seq() {
			continue
		}
		value, _ := s.Value()
		entries = append(entries, mergetest.Entry{Key: s.Key().Clone(), Value: bytes.Clone(value)})
	}
	return mergetest.NewSlice(entries)
}

func (w *world) deps() Deps {
	rules := rules
	if !w.partial {
		rules.Partial = nil
	}
	return Deps{
		Open:   func(t *manifest.TableMeta) (merge.Iterator, error) { return w.open(t.Num), nil },
		NewNum: func() filename.Num { w.nextNum++; return w.nextNum - 1 },
		Rules:  rules,
		Create: func(num filename.Num) (Output, error) {
			w.files[num] = nil
			return &output{w: w, num: num}, nil
		},
		Remove: func(num filename.Num) error { delete(w.files, num); return nil },
	}
}

// depsFor is deps with a Below that looks into what job overlaps.
func (w *world) depsFor(job *Job) Deps {
	deps := w.deps()
	deps.Below = func(dst, user []byte, before key.SeqNum, limit int) ([]byte, bool, bool) {
		w.asked++
		var runs []merge.Iterator
		for _, tables := range job.Overlaps {
			for _, t := range tables {
				runs = append(runs, w.unhidden(w.open(t.Num), w.v.Ranges.Join(job.Ranges), before-1))
			}
		}
		for _, run := range runs {
			for ok := run.First(); ok; ok = run.Next() {
				if bytes.Equal(run.Key().User, user) && run.Key().Trailer.Kind() == key.KindPutUntil {
					return dst, false, false // what it is worth depends on the time
				}
			}
		}
		v := merge.Visible{Rules: rules}
		v.Reset(merge.New(runs...), visible.Reader{Seq: before - 1}, nil, nil)
		defer v.Close()
		if !v.SeekGE(user) || !bytes.Equal(v.Key(), user) {
			return dst, false, true
		}
		value, err := v.Value()
		return append(dst, value...), true, err == nil && len(value) <= limit
	}
	return deps
}

// place puts a table of entries into a level, past all rules.
func (w *world) place(level int, entries ...mergetest.Entry) *manifest.TableMeta {
	out, _ := w.deps().Create(w.deps().NewNum())
	for _, e := range sorted(entries) {
		w.seq = max(w.seq, e.Key.Trailer.Seq())
		if err := out.Add(e.Key, e.Value); err != nil {
			panic(err)
		}
	}
	meta, err := out.Finish()
	if err != nil {
		panic(err)
	}
	edit := &manifest.Edit{Added: []manifest.Placed{{Level: level, Table: meta}}, LastSeq: w.seq}
	if err := w.install(edit); err != nil {
		panic(err)
	}
	return meta
}

func sorted(entries []mergetest.Entry) []mergetest.Entry {
	s := slices.Clone(entries)
	slices.SortFunc(s, func(a, b mergetest.Entry) int { return key.Compare(a.Key, b.Key) })
	return s
}

// output is a table being written into a world.
type output struct {
	w       *world
	num     filename.Num
	entries []mergetest.Entry
	places  []page.Reference
	size    int64
	raw     int64
	values  int64 // bytes in places of its own
	refer   map[filename.Num]uint64
}

func entrySize(user, value []byte) int64 { return int64(len(user) + len(value) + 8) }

func (o *output) Add(k key.Internal, value []byte) error {
	o.raw += int64(len(k.User) + len(value))
	if end, rest := key.SplitEnd(value); len(rest) > o.w.inPage && k.Trailer.Kind() == key.KindPutUntil {
		ref := page.Reference{Table: o.num, ID: uint64(o.num) << 8, Extent: page.Extent{
			Offset: uint64(o.size), Stored: uint64(len(rest)), Raw: uint64(len(rest)), End: end}}
		return o.addExtent(k, ref, value, len(rest))
	}
	if len(value) > o.w.inPage && k.Trailer.Kind() == key.KindPut {
		ref := page.Reference{Table: o.num, ID: uint64(o.num) << 8, Extent: page.Extent{
			Offset: uint64(o.size), Stored: uint64(len(value)), Raw: uint64(len(value))}}
		return o.addExtent(k, ref, value, len(value))
	}
	o.size += entrySize(k.User, value)
	o.entries = append(o.entries, mergetest.Entry{Key: k.Clone(), Value: bytes.Clone(value)})
	o.places = append(o.places, page.Reference{})
	return nil
}

func (o *output) addExtent(k key.Internal, ref page.Reference, value []byte, size int) error {
	o.w.extents[ref] = bytes.Clone(value)
	o.size += int64(size) + entrySize(k.User, nil)
	if n := o.w.params.ValueThreshold; n > 0 && size >= n {
		o.values += int64(size)
	}
	o.entries, o.places = append(o.entries, mergetest.Entry{Key: k.Clone()}), append(o.places, ref)
	return nil
}

func (o *output) AddReference(k key.Internal, ref page.Reference) error {
	if _, there := o.w.extents[ref]; !there || (k.Trailer.Kind() == key.KindPutUntil) != (ref.End > 0) {
		return fmt.Errorf("%v refers to %+v, which is not there", k, ref)
	}
	o.raw += int64(len(k.User)) + int64(ref.Raw)
	o.size += entrySize(k.User, nil)
	o.entries, o.places = append(o.entries, mergetest.Entry{Key: k.Clone()}), append(o.places, ref)
	if o.refer == nil {
		o.refer = map[filename.Num]uint64{}
	}
	o.refer[ref.Table] += ref.Stored
	return nil
}

func (o *output) AddChunks(k key.Internal, end key.Time, next func() ([]byte, error)) error {
	var value []byte
	for {
		chunk, err := next()
		if err == io.EOF && end > 0 {
			return o.Add(k, key.WithEnd(nil, end, value))
		}
		if err == io.EOF {
			return o.Add(k, value)
		}
		if err != nil {
			return err
		}
		value = append(value, chunk...)
	}
}

func (o *output) EstimatedSize() int64 { return o.size }
func (o *output) Abort() error         { return nil }

func (o *output) Full() bool {
	held := o.raw + entryOverhead*int64(len(o.entries))
	return o.w.fullAt > 0 && len(o.entries) >= o.w.fullAt && held >= o.w.params.FullBytes
}

func (o *output) Finish() (*manifest.TableMeta, error) {
	o.w.files[o.num], o.w.places[o.num] = o.entries, o.places
	first, last := o.entries[0], o.entries[len(o.entries)-1]
	t := &manifest.TableMeta{Num: o.num, ID: uint64(o.num) << 8, Size: o.size, Entries: uint64(len(o.entries)),
		Smallest: first.Key.User, Largest: last.Key.User, SmallestSeq: first.Key.Trailer.Seq(),
		RawBytes: uint64(o.raw), ValueBytes: uint64(o.values)}
	for _, num := range slices.Sorted(maps.Keys(o.refer)) {
		t.Values = append(t.Values, manifest.ValueRefs{File: num, Bytes: o.refer[num]})
	}
	for i, e := range o.entries {
		if e.Key.Trailer.Kind() == key.KindDelete {
			t.Tombstones++
		}
		if i > 0 && bytes.Equal(e.Key.User, o.entries[i-1].Key.User) {
			t.Shadowed++
		}
		t.SmallestSeq = min(t.SmallestSeq, e.Key.Trailer.Seq())
		t.LargestSeq = max(t.LargestSeq, e.Key.Trailer.Seq())
	}
	return t, nil
}

// at is places[i], of which tests that make entries up have none.
func at(places []page.Reference, i int) (ref page.Reference) {
	if i < len(places) {
		ref = places[i]
	}
	return ref
}
