package table

import (
	"context"
	"errors"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
)

// valueFilesOf are tables as value files, by number.
type valueFilesOf map[filename.Num]*memFile

// AppendValue implements Values.
func (v valueFilesOf) AppendValue(dst []byte, f ValueFile, x page.Extent) ([]byte, error) {
	r, err := OpenValues(v[f.Num], OpenOptions{Name: filename.Make(filename.Table, f.Num), Num: f.Num, ID: f.ID,
		Size: int64(len(v[f.Num].data))})
	if err != nil {
		return dst, err
	}
	defer r.Close()
	return r.AppendExtent(dst, x)
}

// AppendChunk implements Values.
func (v valueFilesOf) AppendChunk(dst []byte, f ValueFile, x page.Extent, c *block.Chunks, n int) ([]byte, error) {
	r, err := OpenValues(v[f.Num], OpenOptions{Name: filename.Make(filename.Table, f.Num), Num: f.Num, ID: f.ID,
		Size: int64(len(v[f.Num].data))})
	if err != nil {
		return dst, err
	}
	defer r.Close()
	return r.AppendChunk(dst, x, c, n)
}

// openOver opens f as table num, whose value files are files.
func openOver(t *testing.T, f *memFile, o Options, num filename.Num, files Values) *Reader {
	t.Helper()
	s := newShared(t)
	r, err := Open(f, OpenOptions{Name: filename.Make(filename.Table, num), Num: num, ID: o.ID, Size: int64(len(f.data)),
		Cache: s.cache, Values: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// leave writes rows as r has them to a new table, with a reference for each value that is in an extent.
func leave(t *testing.T, r *Reader, o Options) (*memFile, Properties) {
	t.Helper()
	f := &memFile{}
	w := NewWriter(f, o)
	it := r.NewIterator()
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		ref, outside := it.Extent()
		var err error
		if outside {
			err = w.AddReference(it.Key(), ref)
		} else {
			var value []byte
			if value, err = it.Value(); err == nil {
				err = w.Add(it.Key(), value)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := w.Finish()
	if err != nil || it.Err() != nil {
		t.Fatal(err, it.Err())
	}
	return f, p
}

// A value would be another one, or none, once it is left where it is, however often its entry moves.
func TestAddReference_leadsToTheSameValue(t *testing.T) {
	rows := smallRows()
	for _, c := range []codec.ID{codec.None, codec.S2} {
		o := Options{ID: testID, PageSize: 512, Codec: codec.By(c)}
		first, p := build(t, o, rows)
		if p.ExtentBytes == 0 || len(p.ValueFiles) > 0 {
			t.Fatalf("%d bytes of extents, value files %v", p.ExtentBytes, p.ValueFiles)
		}
		files := valueFilesOf{7: first}
		r := openOver(t, first, o, 7, files)
		for num := filename.Num(8); num < 11; num++ {
			o.ID++
			f, now := leave(t, r, o)
			want := []ValueFile{{Num: 7, ID: testID, Bytes: p.ExtentBytes}}
			if now.ExtentBytes != 0 || len(now.ValueFiles) != 1 || now.ValueFiles[0] != want[0] ||
				now.Entries != p.Entries || now.RawBytes != p.RawBytes {
				t.Errorf("table %d: %+v, want value files %v", num, now, want)
			}
			r = openOver(t, f, o, num, files)
			checkWalk(t, r.NewIterator(), rows)
			checkWalk(t, r.NewSequentialIterator(), rows)
			if err := r.Verify(context.Background()); err != nil {
				t.Errorf("table %d: %v", num, err)
			}
		}
	}
}

// Damage of a value would be found by nobody but its reader, or be blamed on the table that refers to it.
func TestVerify_readsWhatATableRefersTo(t *testing.T) {
	o := Options{ID: testID, PageSize: 512, Codec: codec.By(codec.None)}
	first, _ := build(t, o, smallRows())
	r := openOver(t, first, o, 7, nil)
	it := r.NewIterator()
	it.SeekGE(key.SeekTo([]byte("noise"), key.MaxSeqNum))
	ref, ok := it.Extent()
	if !ok || ref.Table != 7 || ref.ID != testID || ref.File != 0 {
		t.Fatalf("a reference to %+v, %v", ref, ok)
	}
	other := o
	other.ID++
	f, _ := leave(t, r, other)
	reader := openOver(t, f, other, 8, valueFilesOf{7: first})
	first.data[ref.Offset+5]++
	var damage *corrupt.Error
	if err := reader.Verify(context.Background()); !errors.As(err, &damage) || damage.File != "000007.tbl" {
		t.Errorf("verify: %v", err)
	}
	alone := openOver(t, f, other, 8, nil)
	if err := alone.Verify(context.Background()); !errors.As(err, &damage) || damage.File != "000008.tbl" {
		t.Errorf("verify without value files: %v", err)
	}
}

// A delete or an operand whose value is elsewhere would be read as a put, or not at all.
func TestAddReference_takesPutsOnly(t *testing.T) {
	ref := page.Reference{Table: 7, ID: 1, Extent: page.Extent{Offset: 0, Stored: 100, Raw: 84}}
	for _, kind := range []key.Kind{key.KindDelete, key.KindMerge} {
		w := NewWriter(&memFile{}, Options{ID: testID, PageSize: 512, Codec: codec.By(codec.None)})
		if err := w.AddReference(key.Make([]byte("k"), 5, kind), ref); err == nil {
			t.Errorf("a reference of %v is taken", kind)
		}
		w.Release()
	}
	w := NewWriter(&memFile{}, Options{ID: testID, PageSize: 512, Codec: codec.By(codec.None)})
	defer w.Release()
	if err := w.AddReference(key.Make([]byte("k"), 5, key.KindPutUntil), ref); err == nil {
		t.Error("a reference of a put until is taken without an end")
	}
	ref.End = 7
	if err := w.AddReference(key.Make([]byte("k"), 5, key.KindPut), ref); err == nil {
		t.Error("a reference of a put is taken with an end")
	}
	ref.End, ref.Stored = 0, 0
	if err := w.AddReference(key.Make([]byte("k"), 5, key.KindPut), ref); err == nil {
		t.Error("a reference to no bytes is taken")
	}
}
