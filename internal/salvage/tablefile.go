package salvage

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/salvage/leaves"
	"lightningdb/internal/salvage/losses"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table"
)

// tableFile is a table of which something is whole.
type tableFile struct {
	fs    vfs.FS
	name  string
	size  int64
	id    uint64
	frame *table.Frame // nil if there is no footer
	seq   key.SeqNum   // of all entries, 0 if they have their own
	live  bool

	values references // in other files

	entries     uint64 // that are whole
	first, last []byte // user keys of the first and last one
}

// surveyTable reads all of the table in f.
func (r *rescue) surveyTable(f *sourceFile) error {
	t := &tableFile{fs: r.Source, name: f.name, size: f.size, frame: f.frame}
	var s *tableSurvey
	for _, id := range r.idsOf(f) {
		t.id, t.values = id, r.holders.referredBy(f, id, r.named[id])
		s = &tableSurvey{rescue: r, table: t, meta: r.named[id], low: key.MaxSeqNum}
		if err := s.read(); err != nil {
			return err
		}
		if s.found() {
			break
		}
	}
	t.values.settled = true
	if err := r.read(f.size); err != nil {
		return err
	}
	if s != nil && s.found() {
		s.finish(f.damage)
		return nil
	}
	if r.mayCount(f) {
		r.listUnreadable(f, s)
	}
	return nil
}

// mayCount reports whether f, of which no entry can be read, may be a table that counts. A leftover of a flush that was
// killed does not, however little of it there is.
func (r *rescue) mayCount(f *sourceFile) bool {
	switch {
	case r.version == nil:
		return true
	case f.frame != nil:
		return r.counts(f.frame.ID)
	}
	_, num := filename.Parse(f.name)
	for id, of := range r.nums {
		if of == num && r.counts(id) {
			return true
		}
	}
	return false
}

// counts reports whether the version in force names a table or value file with that id.
func (r *rescue) counts(id uint64) bool { return r.live[id] || r.emptied[id] }

// listUnreadable lists what is wrong with f, of which no entry can be read: what makes it so, or what s has found. What
// is missing with it missTables says, or nobody knows.
func (r *rescue) listUnreadable(f *sourceFile, s *tableSurvey) {
	r.listed[f.name] = true
	switch {
	case r.anyUnread(f.name): // that is listed, and why the rest is no table
	case len(f.damage) > 0:
		r.list(f.damage)
	case s != nil && len(s.missing) > 0:
		for _, g := range s.missing {
			r.damaged(f.name, g.Offset, g.What)
		}
	case f.size > 0:
		r.damaged(f.name, 0, "nothing of the table can be read")
	}
}

// maxTried is how many ids are tried for a table without a footer.
const maxTried = 64

// idsOf are the ids that the table in f may have: the one in its footer, or those of tables that manifests name, or of
// value files that tables name, first the one that has the file's number.
func (r *rescue) idsOf(f *sourceFile) []uint64 {
	if f.frame != nil {
		return []uint64{f.frame.ID}
	}
	var first, rest []uint64
	_, num := filename.Parse(f.name)
	for _, id := range slices.Sorted(maps.Keys(r.nums)) {
		if r.nums[id] == num {
			first = append(first, id)
		} else {
			rest = append(rest, id)
		}
	}
	for _, ids := range [][]uint64{first, rest} {
		slices.SortStableFunc(ids, func(a, b uint64) int { return boolOrder(r.counts(b)) - boolOrder(r.counts(a)) })
	}
	ids := append(first, rest...)
	return ids[:min(len(ids), maxTried)]
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// tableSurvey is the reading of one table.
type tableSurvey struct {
	rescue    *rescue
	table     *tableFile
	meta      *manifest.TableMeta // nil if no manifest names the table
	low, high key.SeqNum          // of what is whole
	valueless uint64              // entries whose values are not
	open      []leaves.Gap        // behind the last leaf that was whole
	losses    []Loss
	missing   []leaves.Gap
}

// read reads the table once.
func (s *tableSurvey) read() error {
	t := s.table
	t.entries, t.first, t.last = 0, nil, nil
	it, err := t.entriesOf(func(g leaves.Gap) { s.open = append(s.open, g) }, s.lostValue)
	if err != nil {
		return nil // look has found that
	}
	defer it.close()
	for it.step() {
		k := it.key()
		s.close(k.User)
		s.count(k)
		if t.entries == 0 {
			t.first = bytes.Clone(k.User)
		}
		t.entries++
		t.last = append(t.last[:0], k.User...)
		if t.entries%4096 == 0 {
			if err := s.rescue.ctx.Err(); err != nil {
				return err
			}
		}
	}
	s.close(nil)
	return nil
}

// found reports whether any entry is whole, be it without its value: so the id is that of the table.
func (s *tableSurvey) found() bool { return s.table.entries+s.valueless > 0 }

// count takes note of the sequence number of an entry.
func (s *tableSurvey) count(k key.Internal) {
	s.low, s.high = min(s.low, k.Trailer.Seq()), max(s.high, k.Trailer.Seq())
}

// lostValue lists the value of entry k, which is missing at g.
func (s *tableSurvey) lostValue(k key.Internal, g leaves.Gap) {
	s.count(k)
	s.valueless++
	s.missing = append(s.missing, g)
	s.losses = losses.Add(s.losses, Loss{File: cmp.Or(g.File, s.table.name), Offset: g.Offset, Length: g.Length,
		From: bytes.Clone(k.User), To: bytes.Clone(k.User), First: uint64(k.Trailer.Seq()), Last: uint64(k.Trailer.Seq()),
		What: g.What})
}

// close turns the gaps before a leaf that begins with user into losses.
func (s *tableSurvey) close(user []byte) {
	for _, g := range s.open {
		s.missing = append(s.missing, g)
		l := Loss{File: s.table.name, Offset: g.Offset, Length: g.Length, From: s.smallest(), To: s.largest(),
			First: 1, Last: MaxSequence, What: g.What}
		if s.table.entries > 0 {
			l.From = bytes.Clone(s.table.last)
		}
		if user != nil {
			l.To = bytes.Clone(user)
		}
		if l.From != nil && l.To != nil && bytes.Compare(l.From, l.To) > 0 { // what bounds them is not of this table
			l.From, l.To = nil, nil
		}
		s.losses = losses.Add(s.losses, l)
	}
	s.open = s.open[:0]
}

func (s *tableSurvey) smallest() []byte {
	switch {
	case s.meta != nil:
		return s.meta.Smallest
	case s.table.frame != nil && s.table.frame.Properties != nil:
		return s.table.frame.Properties.Smallest
	}
	return nil
}

func (s *tableSurvey) largest() []byte {
	switch {
	case s.meta != nil:
		return s.meta.Largest
	case s.table.frame != nil && s.table.frame.Properties != nil:
		return s.table.frame.Properties.Largest
	}
	return nil
}

// expected is how many entries the table had; 0 if that is not known.
func (s *tableSurvey) expected() uint64 {
	switch {
	case s.meta != nil:
		return s.meta.Entries
	case s.table.frame != nil && s.table.frame.Properties != nil:
		return s.table.frame.Properties.Entries
	}
	return 0
}

// finish decides what the table is good for, and lists what is missing, and the damage that was known before.
func (s *tableSurvey) finish(damage []*corrupt.Error) {
	r, t := s.rescue, s.table
	t.live = r.version == nil || r.live[t.id]
	r.found[t.id] = true
	if r.version == nil || r.counts(t.id) { // nobody misses what is damaged of other tables
		r.list(damage)
	}
	for _, g := range s.missing {
		switch {
		case !t.live || s.expected() == t.entries:
		case g.File != "":
			r.damagedOnce(g.File, g.Offset, g.What)
		default:
			r.damaged(t.name, g.Offset, g.What)
		}
	}
	if s.expected() == t.entries {
		s.losses = nil
	}
	if s.expected() > t.entries && len(s.losses) == 0 {
		s.losses = []Loss{{File: t.name, Offset: -1, Length: -1, From: s.smallest(), To: s.largest(), First: 1,
			Last: MaxSequence, What: fmt.Sprintf("%d of %d entries are missing", s.expected()-t.entries, s.expected())}}
	}
	if s.meta != nil {
		t.seq = s.meta.Seq
	}
	unnamed := s.meta == nil && s.low == table.LocalSeq
	if unnamed && r.version != nil {
		return // it was not committed
	}
	if unnamed && !r.Uncommitted {
		r.report.LeftOut = append(r.report.LeftOut, LeftOut{t.name, t.entries, t.first, t.last,
			"a part of a large transaction, and no manifest says whether that was committed"})
		return
	}
	if unnamed {
		t.seq = 1 // if it was committed, nobody knows when: everything else counts as newer
	}
	if t.live {
		r.report.Losses = append(r.report.Losses, s.numbered()...)
		r.top = max(r.top, s.newest())
	}
	if t.entries > 0 {
		r.tables = append(r.tables, t)
	}
}

// newest is the sequence number of the newest entry that is whole.
func (s *tableSurvey) newest() key.SeqNum {
	if s.table.seq != 0 {
		return s.table.seq
	}
	return s.high
}

// numbered are the losses with the sequence numbers that they can have had.
func (s *tableSurvey) numbered() []Loss {
	for i := range s.losses {
		l := &s.losses[i]
		if s.meta != nil {
			l.First, l.Last = uint64(s.meta.SmallestSeq), uint64(s.meta.LargestSeq)
		} else if s.table.seq != 0 {
			l.First, l.Last = 1, MaxSequence // it is not known when it was committed
		} else if s.table.frame != nil && s.table.frame.Properties != nil {
			p := s.table.frame.Properties
			l.First, l.Last = uint64(p.SmallestSeq), uint64(p.LargestSeq)
		}
	}
	return s.losses
}

// entriesOf returns an iterator over what is whole of t. missing and lost are told what is not.
func (t *tableFile) entriesOf(missing func(leaves.Gap), lost func(key.Internal, leaves.Gap)) (*entries, error) {
	f, err := t.fs.Open(t.name)
	if err != nil {
		return nil, err
	}
	frame := t.frame
	if frame != nil {
		frame, _ = table.ReadFrame(f, t.name, t.size) // with its directory
	}
	return &entries{file: f, table: t, leaves: leaves.New(f, t.size, t.id, frame, missing), lost: lost}, nil
}

// entries walks the entries of a table that are whole, in order.
type entries struct {
	file   vfs.File
	table  *tableFile
	leaves *leaves.Reader
	lost   func(key.Internal, leaves.Gap)

	page    []byte
	at, end int
	last    key.Internal // owned
	entry   page.Entry
	value   []byte
}

// step moves to the next entry whose value is whole.
func (e *entries) step() bool {
	for e.advance() {
		if !e.entry.IsExtent() {
			e.value = e.entry.Value()
			return true
		}
		x := e.entry.Extent()
		value, problem := e.read(x)
		if value != nil && x.End > 0 {
			value = key.WithEnd(nil, x.End, value)
		}
		if value != nil {
			e.value = value
			return true
		}
		e.lost(e.entry.Key, problem)
	}
	return false
}

// advance moves to the next entry, and reads no value that is outside of its page.
func (e *entries) advance() bool {
	for {
		if e.at >= e.end {
			if e.page = e.leaves.Read(); e.page == nil {
				return false
			}
			e.at, e.end = 0, page.EntriesEnd(e.page)
		}
		entry, next, ok := page.At(e.page, e.at)
		if !ok {
			e.at = e.end
			continue
		}
		e.at, e.entry = next, entry
		k := entry.Key
		if len(k.User) > key.MaxStoredKeySize || k.Trailer.Seq() == 0 || !e.last.Zero() && key.Compare(e.last, k) >= 0 {
			continue // no writer has written it
		}
		e.last.User, e.last.Trailer = append(e.last.User[:0], k.User...), k.Trailer
		return true
	}
}

// read reads the value of an extent, of whichever file. It is nil if that is not whole; problem says why.
func (e *entries) read(x page.Extent) (value []byte, problem leaves.Gap) {
	if x.File != 0 {
		return e.table.values.read(x)
	}
	problem = leaves.Gap{Offset: int64(x.Offset), Length: int64(x.Stored), What: "a value outside of its page is damaged"}
	return leaves.ReadValue(e.file, e.table.size, e.table.id, x), problem
}

// key is the key of the current entry, as readers see it.
func (e *entries) key() key.Internal {
	if e.table.seq == 0 {
		return e.entry.Key
	}
	return key.Make(e.entry.Key.User, e.table.seq, e.entry.Key.Trailer.Kind())
}

func (e *entries) close() error { return e.file.Close() }
