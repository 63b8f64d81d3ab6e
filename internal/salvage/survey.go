package salvage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/table"
)

// sourceFile is a file of the damaged database, with what its content says that it is, or else its name.
type sourceFile struct {
	name  string
	kind  filename.Kind
	num   filename.Num
	size  int64
	db    [16]byte     // that its header names
	whole bool         // it has a header
	frame *table.Frame // of a table, without its directory; nil if it has no footer
	end   int64        // of the last edit of a manifest; 0 if none is whole

	damage []*corrupt.Error // that is known before it has been read
}

func (f *sourceFile) damagedBy(err error) { f.damage = append(f.damage, placesIn(f.name, err)...) }

// survey finds out what is there and what is not.
func (r *rescue) survey() error {
	files, err := r.classify()
	if err != nil {
		return err
	}
	if err := r.readManifests(files); err != nil {
		return err
	}
	r.findHolders(files)
	for _, f := range files {
		if f.kind == filename.Table {
			if err := r.surveyTable(f); err != nil {
				return err
			}
		}
	}
	r.missTables()
	for _, f := range files {
		if f.kind == filename.Log {
			if err := r.surveySegment(f); err != nil {
				return err
			}
		}
	}
	r.missCommits()
	if r.version == nil {
		r.lost(Loss{Offset: -1, Length: -1, First: 1, Last: MaxSequence,
			What: "no manifest is whole that says which tables are live: what was deleted or changed may be there as it was, " +
				"and deletes of ranges may be missing"})
	}
	r.report.LastSequence = uint64(r.top)
	return nil
}

// classify lists the files that may hold data.
func (r *rescue) classify() ([]*sourceFile, error) {
	names, err := r.Source.List()
	if err != nil {
		return nil, err
	}
	var files []*sourceFile
	r.there = map[filename.Num]bool{}
	for _, name := range names {
		kind, num := filename.Parse(name)
		if kind == filename.Unknown || kind == filename.Lock {
			continue
		}
		r.there[num] = r.there[num] || kind == filename.Log
		f := &sourceFile{name: name, kind: kind, num: num}
		if err := r.look(f); err != nil {
			return nil, err
		}
		if f.kind != filename.Table { // of a table it is not known yet whether it counts
			r.list(f.damage)
		}
		switch f.kind {
		case filename.Table, filename.Log, filename.Manifest, filename.Current:
			files = append(files, f)
			r.report.Files++
			r.report.Bytes += f.size
			r.total += 2 * f.size
		}
	}
	if err := manifest.CheckOwner(r.Source); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: %s", manifest.ErrNoDatabase, r.Source.Path())
	}
	return files, nil
}

// look finds out what f is.
func (r *rescue) look(f *sourceFile) error {
	file, err := r.Source.Open(f.name)
	if err != nil {
		f.damagedBy(err)
		return nil
	}
	defer file.Close()
	if f.size, err = file.Size(); err != nil {
		f.damagedBy(err)
	}
	head := make([]byte, min(f.size, record.FileHeaderSize))
	if n, _ := file.ReadAt(head, 0); n < len(head) {
		head = nil
	}
	for magic, kind := range map[record.Magic]filename.Kind{record.MagicLog: filename.Log,
		record.MagicManifest: filename.Manifest, record.MagicCurrent: filename.Current, record.MagicStatus: filename.Status} {
		h, err := record.DecodeFileHeader(magic, head)
		if errors.Is(err, record.ErrVersionTooNew) {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err != nil {
			continue
		}
		if !slices.Contains(r.ids, h.DB) {
			r.ids = append(r.ids, h.DB)
		}
		if f.kind != filename.Reserve && f.kind != filename.NextCurrent && f.kind != filename.NextStatus {
			f.kind, f.num, f.db, f.whole = kind, h.Num, h.DB, true
		}
		return nil
	}
	if f.kind != filename.Lease && f.kind != filename.Reserve && f.kind != filename.NextReserve {
		r.lookForFooter(f, file)
	}
	return nil
}

// lookForFooter makes f a table if it has the footer of one: at its end, or before it, if something was appended.
func (r *rescue) lookForFooter(f *sourceFile, file vfs.File) {
	frame, err := table.ReadFrame(file, f.name, f.size)
	if frame == nil {
		if end := lastFooter(file, f.size); end > 0 && end < f.size {
			if inner, _ := table.ReadFrame(file, f.name, end); inner != nil {
				f.damagedBy(corrupt.New(f.name, end, "bytes that belong to nothing follow the footer"))
				frame, f.size = inner, end
			}
		}
	}
	if frame != nil {
		f.kind, f.frame = filename.Table, frame
		frame.Leaf = nil // it holds the directory in memory
	}
	if f.kind == filename.Table {
		f.damagedBy(err)
	}
}

// lastFooter returns where the last thing ends that looks like the end of a footer; 0 if there is none.
func lastFooter(file vfs.File, size int64) int64 {
	const piece, magic = 64 << 10, "LTNGTBL\n"
	buf := make([]byte, piece+len(magic))
	for end := size; end > 0; end -= piece {
		start := max(0, end-piece)
		part := buf[:min(int64(len(buf)), size-start)]
		if n, _ := file.ReadAt(part, start); n < len(part) {
			continue
		}
		if i := bytes.LastIndex(part, []byte(magic)); i >= 0 {
			return start + int64(i+len(magic))
		}
	}
	return 0
}

// readManifests finds the version in force, if a manifest is whole, and all tables that any of them names.
func (r *rescue) readManifests(files []*sourceFile) error {
	r.named, r.live, r.nums = map[uint64]*manifest.TableMeta{}, map[uint64]bool{}, map[uint64]filename.Num{}
	for _, f := range files {
		if f.kind == filename.Current {
			if err := r.read(2 * f.size); err != nil {
				return err
			}
		}
	}
	version, num, err := manifest.Recover(r.Source)
	if errors.Is(err, manifest.ErrVersionTooNew) || errors.Is(err, manifest.ErrNotDatabase) {
		return err
	}
	if err != nil && !errors.Is(err, manifest.ErrNoDatabase) {
		r.list(placesIn("CURRENT", err))
	}
	if errors.Is(err, manifest.ErrNoDatabase) {
		r.damaged("CURRENT", -1, "it is missing")
	}
	slices.SortStableFunc(files, func(a, b *sourceFile) int { return cmp.Compare(a.num, b.num) })
	for _, f := range slices.Backward(files) {
		if f.kind != filename.Manifest {
			continue
		}
		if version == nil && f.whole && f.name == filename.Make(filename.Manifest, f.num) {
			version, err = manifest.ReadWhole(r.Source, f.num, f.db)
			if err != nil {
				version = nil
				r.list(placesIn(f.name, err))
			}
			num = f.num
		}
		if err := r.readPieces(f); err != nil {
			return err
		}
	}
	if version != nil {
		name := filename.Make(filename.Manifest, num)
		r.believe(version, name)
		r.missEdits(files, name)
	}
	return nil
}

// missEdits notes that manifest name, which is believed, does not end where its last edit does. A crash may have left
// half of an edit that never counted; or else the edit is damaged, and named tables that nothing names now, and the log
// that is in them is gone.
func (r *rescue) missEdits(files []*sourceFile, name string) {
	for _, f := range files {
		if f.kind != filename.Manifest || f.name != name || f.end == 0 || f.end >= f.size {
			continue
		}
		r.damaged(name, f.end, "the manifest ends in bytes that are no edit")
		r.lost(Loss{Offset: -1, Length: -1, First: uint64(r.version.LastSeq + 1), Last: MaxSequence,
			What: "the end of the manifest is damaged: tables may be missing that it named last"})
	}
}

// believe takes version, which manifest name says, for the one in force.
func (r *rescue) believe(version *manifest.Version, name string) {
	r.version, r.report.Manifest = version, name
	r.ranges = r.ranges.Join(version.Ranges)
	r.top = version.LastSeq
	for _, level := range version.Levels {
		for _, t := range level {
			r.named[t.ID], r.nums[t.ID], r.live[t.ID] = t, t.Num, true
		}
	}
	for _, f := range version.Values {
		r.nums[f.ID], r.emptied[f.ID] = f.Num, true
	}
}

// readPieces remembers the tables and value files that manifest f names.
func (r *rescue) readPieces(f *sourceFile) error {
	file, err := r.Source.Open(f.name)
	if err != nil {
		return nil // look has listed it
	}
	defer file.Close()
	ids := r.ids
	if f.whole {
		ids = [][16]byte{f.db}
	}
	for _, db := range ids {
		end, err := manifest.ReadPieces(file, f.name, f.num, db, func(e *manifest.Edit) {
			for _, added := range e.Added {
				r.named[added.Table.ID], r.nums[added.Table.ID] = added.Table, added.Table.Num
			}
			for _, v := range e.Values {
				r.nums[v.ID] = v.Num
			}
			r.ranges = r.ranges.Join(ranges.Of(e.RangesAdded...))
		})
		f.end = max(f.end, end)
		if err != nil {
			r.list(placesIn(f.name, err))
		}
	}
	return r.read(2 * f.size)
}

// missTables lists the live tables and the value files that are not there.
func (r *rescue) missTables() {
	if r.version == nil {
		return
	}
	for _, f := range r.version.Values {
		if _, there := r.holders.with(f.Num, f.ID); !there && !r.found[f.ID] {
			r.damagedOnce(filename.Make(filename.Table, f.Num), -1, missingFile)
		}
	}
	for _, level := range r.version.Levels {
		for _, t := range level {
			if !r.found[t.ID] {
				name := filename.Make(filename.Table, t.Num)
				if !r.listed[name] {
					r.damaged(name, -1, "the table is missing")
				}
				r.lost(Loss{File: name, Offset: -1, Length: -1, From: t.Smallest, To: t.Largest, First: uint64(t.SmallestSeq),
					Last: uint64(t.LargestSeq), What: fmt.Sprintf("a table is missing (entries: %d)", t.Entries)})
			}
		}
	}
}

// published is the newest sequence number that the last writer has published, as far as it is known.
func (r *rescue) published() key.SeqNum {
	s, err := status.Read(r.Source)
	if err != nil || !slices.Contains(r.ids, s.DB) {
		return 0
	}
	return s.Visible
}
