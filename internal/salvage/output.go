package salvage

import (
	"errors"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/table"
	"lightningdb/internal/tree/table/block"
)

// s2 compresses the new tables.
var s2 = codec.Compressor{ID: codec.S2, Func: codec.EncodeS2}

// tableBytes is the size at which a table is complete.
const tableBytes = 32 << 20

// output writes tables of the new directory.
type output struct {
	rescue *rescue
	next   filename.Num // of the next file
	tables []*manifest.TableMeta

	file   vfs.File // nil if no table is being written
	writer *table.Writer
	num    filename.Num
	ends   bool // something that was added does
	id     uint64
	last   []byte // user key
	seq    key.SeqNum
}

// begin forgets the tables so far.
func (o *output) begin() { o.tables, o.last, o.seq = nil, nil, 0 }

// add appends an entry. One that has the user key and sequence number of the one before is left out.
func (o *output) add(k key.Internal, value []byte) error {
	same := string(o.last) == string(k.User)
	if same && o.seq == k.Trailer.Seq() {
		return nil
	}
	if o.file != nil && !same && (o.writer.Full() || o.writer.EstimatedSize() >= tableBytes) {
		if err := o.complete(); err != nil {
			return err
		}
	}
	if o.file == nil {
		if err := o.create(); err != nil {
			return err
		}
	}
	o.last, o.seq, o.ends = append(o.last[:0], k.User...), k.Trailer.Seq(), o.ends || k.Ends()
	if len(value) > key.MaxValueSize { // one that was streamed
		end, _ := key.SplitEnd(value[:k.EndSize()])
		return o.writer.AddChunks(k, end, block.InChunks(value[k.EndSize():]))
	}
	return o.writer.Add(k, value)
}

func (o *output) create() (err error) {
	o.num, o.id = o.next, o.rescue.Random()
	if o.file, err = o.rescue.Target.Create(filename.Make(filename.Table, o.num)); err != nil {
		return err
	}
	o.next++
	o.writer = table.NewWriter(o.file, table.Options{ID: o.id, Codec: s2})
	return nil
}

// complete ends the table that is being written, durably.
func (o *output) complete() error {
	if o.file == nil {
		return nil
	}
	p, err := o.writer.Finish()
	if err == nil {
		err = o.file.Sync()
	}
	err = errors.Join(err, o.file.Close())
	o.file = nil
	if err != nil {
		return err
	}
	o.tables = append(o.tables, &manifest.TableMeta{Num: o.num, ID: o.id, Size: p.FileSize, Digest: p.Digest,
		Entries: p.Entries, Tombstones: p.Tombstones, Shadowed: p.Shadowed, RawBytes: p.RawBytes,
		SmallestSeq: p.SmallestSeq, LargestSeq: p.LargestSeq, Smallest: p.Smallest, Largest: p.Largest})
	return nil
}

// abandon gives up the table that is being written.
func (o *output) abandon() {
	if o.file != nil {
		o.writer.Release()
		o.file.Close()
		o.file = nil
	}
}

// writeRun writes what fill adds, in order, to temporary tables.
func (r *rescue) writeRun(live bool, fill func(add func(key.Internal, []byte) error) error) (*run, error) {
	o := &output{rescue: r, next: r.out.next}
	defer o.abandon()
	err := fill(o.add)
	if err == nil {
		err = o.complete()
	}
	r.out.next = o.next
	s := &run{live: live, temp: true}
	for _, t := range o.tables {
		name := filename.Make(filename.Table, t.Num)
		s.tables = append(s.tables, &tableFile{fs: r.Target, name: name, size: t.Size, id: t.ID, frame: new(table.Frame),
			live: live, entries: t.Entries})
	}
	return s, err
}

// finish makes what was written a database.
func (o *output) finish() error {
	defer o.abandon()
	if err := o.complete(); err != nil {
		return err
	}
	r := o.rescue
	edit := &manifest.Edit{LogStart: o.next, LogEnd: o.next, NextNum: o.next + 2, LastSeq: r.top, Horizon: r.top}
	for _, t := range o.tables {
		edit.Added = append(edit.Added, manifest.Placed{Level: manifest.NumLevels - 1, Table: t})
		edit.LastSeq = max(edit.LastSeq, t.LargestSeq)
	}
	edit.Horizon = edit.LastSeq
	if o.ends {
		edit.Time = 1 // of what was salvaged nothing says when it was
	}
	r.report.LastSequence = uint64(edit.LastSeq) // also of what filled a loss
	version, err := manifest.NewVersion(r.Random).Apply(edit)
	if err != nil {
		return err
	}
	return manifest.Write(r.Target, o.next+1, version, r.Random())
}
