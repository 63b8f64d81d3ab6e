package tables

import (
	"context"
	"errors"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/table"
)

// OpenInput opens a table for one read from front to back, without the cache and in addition to the tables that
// readers have open. Once ctx is done the next read fails.
func (s *Set) OpenInput(ctx context.Context, meta *manifest.TableMeta) (merge.Iterator, error) {
	o, err := s.openUntil(ctx, meta, nil)
	if err != nil {
		return nil, err
	}
	return &Iterator{Iterator: *o.NewSequentialIterator(), held: o}, nil
}

// output is a table file being written.
type output struct {
	file   vfs.File
	writer *table.Writer
	num    filename.Num
	id     uint64

	temporary bool // not to be synced: it will not outlive the process
}

// Create begins a table that a flush or compaction writes.
func (s *Set) Create(num filename.Num) (compaction.Output, error) {
	o, err := s.newOutput(num)
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (s *Set) newOutput(num filename.Num) (*output, error) {
	if err := s.opts.Dir.ConfirmOwner(); err != nil {
		return nil, err
	}
	file, err := s.opts.Dir.FS().Create(filename.Make(filename.Table, num))
	if err != nil {
		return nil, s.opts.Dir.TakenOver(err)
	}
	id := s.opts.Random()
	w := table.NewWriter(file, table.Options{
		ID: id, Codec: s.opts.Codec, PageSize: s.opts.PageSize, Buffers: s.opts.Buffers,
	})
	return &output{file: file, writer: w, num: num, id: id}, nil
}

func (o *output) Add(k key.Internal, value []byte) error { return o.writer.Add(k, value) }
func (o *output) EstimatedSize() int64                   { return o.writer.EstimatedSize() }
func (o *output) Full() bool                             { return o.writer.Full() }

func (o *output) Abort() error {
	o.writer.Release()
	return o.file.Close()
}

func (o *output) Finish() (*manifest.TableMeta, error) {
	p, err := o.writer.Finish()
	if err == nil && !o.temporary {
		err = o.file.Sync()
	}
	if err = errors.Join(err, o.file.Close()); err != nil {
		return nil, err
	}
	return &manifest.TableMeta{
		Num:         o.num,
		ID:          o.id,
		Size:        p.FileSize,
		Digest:      p.Digest,
		Entries:     p.Entries,
		Tombstones:  p.Tombstones,
		Shadowed:    p.Shadowed,
		RawBytes:    p.RawBytes,
		SmallestSeq: p.SmallestSeq,
		LargestSeq:  p.LargestSeq,
		Smallest:    p.Smallest,
		Largest:     p.Largest,
	}, nil
}
