package tables

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table"
)

// OpenInput opens a table for one read from front to back, without the cache and in addition to the tables that
// readers have open. Once ctx is done the next read fails.
func (s *Set) OpenInput(ctx context.Context, meta *manifest.TableMeta) (merge.Iterator, error) {
	o, err := s.openUntil(ctx, meta, nil, false)
	if err != nil {
		return nil, err
	}
	it := &Iterator{Iterator: *o.NewSequentialIterator(), held: o}
	if s.opts.ValueThreshold > 0 && meta.ValueBytes > uint64(meta.Size)/2 {
		it.PassOver()
	}
	return it, nil
}

// output is a table file being written.
type output struct {
	file   vfs.File
	writer *table.Writer
	num    filename.Num
	id     uint64

	threshold uint64 // from how many bytes on, as stored, a compaction leaves a value where it is; 0 for never
	left      uint64 // bytes of such values
	temporary bool   // not to be synced: it will not outlive the process
}

// Create begins a table that a flush or compaction writes.
func (s *Set) Create(num filename.Num) (compaction.Output, error) {
	o, err := s.newOutput(num)
	if err != nil {
		return nil, err
	}
	return o, nil
}

// CreateIn begins a table in another directory, that of a copy of the database.
func (s *Set) CreateIn(fs vfs.FS, num filename.Num) (compaction.Output, error) {
	o, err := s.newOutputIn(fs, num)
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (s *Set) newOutput(num filename.Num) (*output, error) {
	if err := s.opts.Dir.ConfirmOwner(); err != nil {
		return nil, err
	}
	o, err := s.newOutputIn(s.opts.Dir.FS(), num)
	if err != nil {
		return nil, s.opts.Dir.TakenOver(err)
	}
	return o, nil
}

func (s *Set) newOutputIn(fs vfs.FS, num filename.Num) (*output, error) {
	file, err := fs.Create(filename.Make(filename.Table, num))
	if err != nil {
		return nil, err
	}
	id := s.opts.Random()
	w := table.NewWriter(file, table.Options{
		ID: id, Codec: s.opts.Codec, PageSize: s.opts.PageSize, Buffers: s.opts.Buffers,
	})
	return &output{file: file, writer: w, num: num, id: id, threshold: uint64(s.opts.ValueThreshold)}, nil
}

func (o *output) Add(k key.Internal, value []byte) error {
	return o.counting(k, func() error { return o.writer.Add(k, value) })
}

// counting counts the value of k as left where it is, if add writes one that stays.
func (o *output) counting(k key.Internal, add func() error) error {
	before := o.writer.ExtentBytes()
	err := add()
	if n := o.writer.ExtentBytes() - before; o.threshold > 0 && n >= o.threshold && k.Trailer.Kind() != key.KindMerge {
		o.left += n
	}
	return err
}

func (o *output) AddReference(k key.Internal, ref page.Reference) error {
	return o.writer.AddReference(k, ref)
}
func (o *output) AddChunks(k key.Internal, end key.Time, next func() ([]byte, error)) error {
	return o.counting(k, func() error { return o.writer.AddChunks(k, end, next) })
}
func (o *output) EstimatedSize() int64 { return o.writer.EstimatedSize() }
func (o *output) Full() bool           { return o.writer.Full() }

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
		ValueBytes:  o.left,
		Values:      valueRefs(p.ValueFiles),
	}, nil
}

// valueRefs are the files that a table refers to as the manifest names them.
func valueRefs(files []table.ValueFile) (refs []manifest.ValueRefs) {
	for _, f := range files {
		refs = append(refs, manifest.ValueRefs{File: f.Num, Bytes: f.Bytes})
	}
	slices.SortFunc(refs, func(a, b manifest.ValueRefs) int { return cmp.Compare(a.File, b.File) })
	return refs
}
