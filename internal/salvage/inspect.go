package salvage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/salvage/leaves"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/table"
	"lightningdb/internal/tree/table/block"
)

// View says what Inspect shows. The zero value shows the whole file without its keys.
type View struct {
	Part int  // number of the only page or record to show, from 1, which must be there; 0 for all
	Keys bool // show the entries of pages and commits
}

// Contents is what is in a file of a database.
type Contents struct {
	File   string   `json:"file"`
	Kind   string   `json:"kind"`
	Bytes  int64    `json:"bytes"`
	Fields []Field  `json:"fields"`
	Parts  []Part   `json:"parts"` // pages or records
	Damage []string `json:"damage"`
}

// Field is one thing that a file or a part of it says.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Part is a page of a table, or a record.
type Part struct {
	Number int     `json:"number"` // from 1
	What   string  `json:"what"`
	Offset int64   `json:"offset"`
	Fields []Field `json:"fields"`
	Keys   []Key   `json:"keys,omitempty"`
}

// Key is an entry, without its value.
type Key struct {
	Key      []byte `json:"key"` // base64 in JSON
	Sequence uint64 `json:"sequence"`
	Kind     string `json:"kind"`
	Bytes    uint64 `json:"value_bytes"`
	Value    *Place `json:"value,omitempty"` // where it is, if it is in another file
}

// Place is where a value is.
type Place struct {
	File   string `json:"file"` // empty if it cannot be told, because the properties of the table are damaged
	Offset uint64 `json:"offset"`
	Bytes  uint64 `json:"bytes"` // as stored
}

// inspector is the state of one Inspect.
type inspector struct {
	view View
	out  Contents
	file vfs.File
	name string
	n    int // parts so far

	values []string // the value files that the table refers to
}

// Inspect returns what is in a file of a database, as far as it is whole. It looks at no other file.
func Inspect(path string, view View) (*Contents, error) {
	dir, err := vfs.OpenDir(filepath.Dir(path), vfs.OpenDirOptions{ReadOnly: true})
	if err != nil {
		return nil, absent(path, err)
	}
	defer dir.Close()
	c, err := InspectIn(dir, filepath.Base(path), view)
	return c, absent(path, err)
}

// absent is err, in short if there is no such file.
func absent(path string, err error) error {
	if vfs.IsNotExist(err) {
		return fmt.Errorf("inspect %s: %w", path, fs.ErrNotExist)
	}
	return err
}

// errPart says that there is no such page or record.
var errPart = errors.New("there is no page or record with that number")

// InspectIn is Inspect of a file in a directory that is open.
func InspectIn(dir vfs.FS, name string, view View) (_ *Contents, err error) {
	i := &inspector{view: view, name: name}
	if i.file, err = dir.Open(i.name); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	defer i.file.Close()
	i.out = Contents{File: i.name, Fields: []Field{}, Parts: []Part{}, Damage: []string{}}
	if i.out.Bytes, err = i.file.Size(); err != nil {
		return nil, fmt.Errorf("inspect %s: %w", i.name, err)
	}
	err = i.inspect()
	if err == nil && (view.Part < 0 || view.Part > i.n) {
		err = fmt.Errorf("%w: %d of %d", errPart, view.Part, i.n)
	}
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", i.name, err)
	}
	return &i.out, nil
}

func (i *inspector) say(name string, value any) {
	i.out.Fields = append(i.out.Fields, Field{name, fmt.Sprint(value)})
}

func (i *inspector) damaged(format string, args ...any) {
	i.out.Damage = append(i.out.Damage, fmt.Sprintf(format, args...))
}

// wants counts a part and reports whether it is to be shown.
func (i *inspector) wants() bool {
	i.n++
	return i.view.Part == 0 || i.view.Part == i.n
}

// inspect finds out what the file is and reads it.
func (i *inspector) inspect() error {
	head := make([]byte, min(i.out.Bytes, record.FileHeaderSize))
	if _, err := i.file.ReadAt(head, 0); err != nil && len(head) > 0 {
		return err
	}
	for _, k := range []struct {
		magic record.Magic
		kind  string
	}{{record.MagicLog, "log segment"}, {record.MagicManifest, "manifest"}, {record.MagicCurrent, "CURRENT"},
		{record.MagicStatus, "STATUS"}} {
		h, err := record.DecodeFileHeader(k.magic, head)
		if errors.Is(err, record.ErrBadHeader) {
			continue
		}
		if err != nil {
			return err
		}
		i.out.Kind = k.kind
		i.say("database", fmt.Sprintf("%x", h.DB))
		i.say("number", h.Num)
		if k.magic == record.MagicLog || k.magic == record.MagicManifest {
			return i.records(h)
		}
		return nil
	}
	kind, _ := filename.Parse(i.name)
	switch kind {
	case filename.Lock, filename.Lease:
		i.out.Kind = "text"
		text := make([]byte, min(i.out.Bytes, 256))
		n, _ := i.file.ReadAt(text, 0)
		i.say("text", fmt.Sprintf("%q", text[:n]))
		return nil
	case filename.Log, filename.Manifest, filename.Current, filename.Status:
		i.out.Kind = map[filename.Kind]string{filename.Log: "log segment", filename.Manifest: "manifest"}[kind]
		i.out.Kind = cmp.Or(i.out.Kind, i.name)
		i.n = max(i.n, i.view.Part) // it may be there
		i.damaged("the file header is damaged: nothing behind it can be told from noise without the database's id")
		return nil
	}
	return i.table(kind)
}

// table reads the pages of a table, if it is one: by its content, or by what its name says.
func (i *inspector) table(named filename.Kind) error {
	i.out.Kind = "table"
	frame, err := table.ReadFrame(i.file, i.name, i.out.Bytes)
	if frame == nil && named != filename.Table && errors.Is(err, corrupt.ErrCorrupt) {
		return fmt.Errorf("%w: neither its name nor its content is that of one of its files", manifest.ErrNotDatabase)
	}
	if frame == nil {
		return err
	}
	i.say("id", fmt.Sprintf("%016x", frame.ID))
	i.say("leaves", frame.Leaves)
	if p := frame.Properties; p != nil {
		i.say("entries", p.Entries)
		i.say("tombstones", p.Tombstones)
		i.say("shadowed", p.Shadowed)
		i.say("sequence", fmt.Sprintf("%d to %d", p.SmallestSeq, p.LargestSeq))
		i.say("smallest", fmt.Sprintf("%.100q", p.Smallest))
		i.say("largest", fmt.Sprintf("%.100q", p.Largest))
		i.say("value_bytes", p.ExtentBytes)
		for n, f := range p.ValueFiles {
			name := filename.Make(filename.Table, f.Num)
			i.say(fmt.Sprintf("value_file %d", n+1), fmt.Sprintf("%s: id %016x, refers to %d bytes", name, f.ID, f.Bytes))
			i.values = append(i.values, name)
		}
	}
	listed := map[int64]bool{}
	pages := leaves.New(i.file, i.out.Bytes, frame.ID, frame, func(g leaves.Gap) {
		listed[g.Offset] = g.Offset >= 0
		i.damaged("offset %d, %d bytes: %s", g.Offset, g.Length, g.What)
	})
	for payload := pages.Read(); payload != nil; payload = pages.Read() {
		offset, number := pages.Place()
		i.n = number
		if i.wants() {
			i.leaf(payload, offset)
		}
	}
	i.n = frame.Leaves
	i.verify(frame.ID, err, listed)
	return nil
}

// verify tells of what is damaged of a table besides leaves: what its frame has said, and its other pages and values.
// listed are the offsets of the leaves that were told of.
func (i *inspector) verify(id uint64, frame error, listed map[int64]bool) {
	r, err := table.OpenValues(i.file, table.OpenOptions{Name: i.name, ID: id, Size: i.out.Bytes, Values: elsewhere{}})
	if err == nil {
		err = r.Verify(context.Background())
	}
	var all corrupt.List
	all.Add(frame)
	all.Add(err)
	for _, err := range all.All() {
		var at *corrupt.Error
		if !errors.As(err, &at) || !listed[at.Offset] {
			i.damaged("%v", err)
		}
	}
}

// elsewhere takes values in other files for whole.
type elsewhere struct{}

// AppendValue implements table.Values.
func (elsewhere) AppendValue(dst []byte, _ table.ValueFile, _ page.Extent) ([]byte, error) {
	return dst, nil
}

// AppendChunk implements table.Values.
func (elsewhere) AppendChunk(dst []byte, _ table.ValueFile, _ page.Extent, _ *block.Chunks, _ int) ([]byte, error) {
	return dst, nil
}

func (i *inspector) leaf(payload []byte, offset int64) {
	p := page.View(payload)
	first, last := p.Entry(0), p.Entry(p.Len()-1)
	part := Part{Number: i.n, What: "leaf page", Offset: offset, Fields: []Field{{"entries", fmt.Sprint(p.Len())},
		{"from", fmt.Sprintf("%.60q", first.Key.User)}, {"to", fmt.Sprintf("%.60q", last.Key.User)}}}
	for n := 0; i.view.Keys && n < p.Len(); n++ {
		e := p.Entry(n)
		k := newKey(e.Key, e.Size())
		if e.IsExtent() && e.Extent().File != 0 {
			k.Value = i.placeOf(e.Extent())
		}
		part.Keys = append(part.Keys, k)
	}
	i.out.Parts = append(i.out.Parts, part)
}

func newKey(k key.Internal, size uint64) Key {
	return Key{Key: append([]byte{}, k.User...), Sequence: uint64(k.Trailer.Seq()), Kind: k.Trailer.Kind().String(),
		Bytes: size}
}

// placeOf is where a value in another file is.
func (i *inspector) placeOf(x page.Extent) *Place {
	p := &Place{Offset: x.Offset, Bytes: x.Stored}
	if int64(x.File) <= int64(len(i.values)) {
		p.File = i.values[x.File-1]
	}
	return p
}

// records reads the records of a log segment or manifest, whatever their chain.
func (i *inspector) records(h record.FileHeader) error {
	var r record.Reader
	if err := r.Open(i.file, i.name, h.DB, h.Num); err != nil {
		return err
	}
	chain := h.Sum()
	for off := int64(record.FileHeaderSize); ; {
		rec, problem, err := r.At(off)
		if err != nil {
			return err
		}
		if problem == "" {
			if rec.Chain != chain {
				i.damaged("offset %d: the record does not follow the one before it", off)
			}
			if i.wants() {
				i.record(h.Magic, rec)
			}
			off, chain = rec.End, rec.Sum
			continue
		}
		next, err := r.Find(off, func(record.Record) bool { return true })
		if err != nil {
			return err
		}
		if next < 0 && problem == record.NoRecord {
			return nil
		}
		i.damaged("offset %d: %s", off, problem)
		if next < 0 {
			return nil
		}
		off = next
	}
}

func (i *inspector) record(magic record.Magic, rec record.Record) {
	part := Part{Number: i.n, Offset: rec.Offset, Fields: []Field{{"bytes", fmt.Sprint(rec.End - rec.Offset)}}}
	say := func(name string, value any) { part.Fields = append(part.Fields, Field{name, fmt.Sprint(value)}) }
	if magic == record.MagicLog {
		body, ok := wal.ParseBody(rec)
		part.What = map[bool]string{true: "seal", false: "commit"}[body.Seal]
		say("synced", body.Synced)
		say("sequence", body.Sequence)
		if body.Seal {
			say("next", body.Next)
		} else {
			say("operations", body.Count)
		}
		b, err := batch.Decode(body.Operations, int(body.Count))
		if !ok || !body.Seal && err != nil {
			i.damaged("offset %d: the record is none of a log", rec.Offset)
		} else if i.view.Keys && !body.Seal {
			seq := body.Sequence
			for op := range b.Ops() {
				part.Keys = append(part.Keys, newKey(key.Make(op.Key, seq, op.Kind), uint64(len(op.Value))))
				seq++
			}
		}
	} else {
		part.What = "edit"
		e, err := manifest.DecodeEdit(rec.Body)
		if err != nil {
			i.damaged("offset %d: %v", rec.Offset, err)
		} else {
			sayEdit(e, say)
		}
	}
	i.out.Parts = append(i.out.Parts, part)
}

func sayEdit(e *manifest.Edit, say func(name string, value any)) {
	for _, n := range []struct {
		name  string
		value uint64
	}{{"log_start", uint64(e.LogStart)}, {"log_end", uint64(e.LogEnd)}, {"next_number", uint64(e.NextNum)},
		{"last_sequence", uint64(e.LastSeq)}, {"horizon", uint64(e.Horizon)}, {"time", uint64(e.Time)}} {
		if n.value != 0 {
			say(n.name, n.value)
		}
	}
	for _, d := range e.Deleted {
		say("removed", fmt.Sprintf("table %d of level %d", d.Num, d.Level))
	}
	for _, f := range e.Values {
		say("value_file", fmt.Sprintf("%s: id %016x, %d bytes", filename.Make(filename.Table, f.Num), f.ID, f.Size))
	}
	for _, p := range e.Added {
		t := p.Table
		text := fmt.Sprintf("table %d to level %d: id %016x, %d bytes, %d of them values, %d entries, "+
			"sequence numbers %d to %d, %.40q to %.40q", t.Num, p.Level, t.ID, t.Size, t.ValueBytes, t.Entries,
			t.SmallestSeq, t.LargestSeq, t.Smallest, t.Largest)
		if t.Cleared > 0 {
			text += fmt.Sprintf("; freed of deletes of ranges up to %d", t.Cleared)
		}
		for _, r := range t.Values {
			text += fmt.Sprintf("; refers to %d bytes of %s", r.Bytes, filename.Make(filename.Table, r.File))
		}
		say("added", text)
	}
	for _, t := range e.RangesRemoved {
		say("range_removed", rangeText(t))
	}
	for _, t := range e.RangesAdded {
		say("range_added", rangeText(t))
	}
}

func rangeText(t ranges.Tombstone) string {
	if t.Hi == nil {
		return fmt.Sprintf("sequence number %d, from %.40q on", t.Seq, t.Lo)
	}
	return fmt.Sprintf("sequence number %d, %.40q to before %.40q", t.Seq, t.Lo, t.Hi)
}
