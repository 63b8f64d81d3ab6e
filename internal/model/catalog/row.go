package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"lightningdb/internal/format/record"
	"lightningdb/internal/format/space"
)

// Row 02 of a bucket is its parent's id, the length of its name, the name, and fields to the end, in any order:
//
//	tag      1 byte   a reader may pass over an odd tag that it does not know, and refuses an even one
//	length   uvarint  of what follows
//	content
//
// A field with tag 2 is an index: its id, its version, a byte of flags (1: unique, 2: rows of it have what they cover)
// and its name, to the end.
//
//	invariant: names and ids of the indexes of a bucket differ, and there are at most MaxIndexes
const (
	indexField = 2

	isUnique = 1
	covers   = 2
)

// MaxIndexes is how many indexes a bucket may have.
const MaxIndexes = 64

// ErrNoIndex is that of a bucket without an index of that name. The root package publishes it.
var ErrNoIndex = errors.New("the bucket has no such index")

// Index is what the catalogue says of an index.
type Index struct {
	ID      uint64
	Name    string
	Version uint32
	Unique  bool
	Covers  bool
}

// Bucket is what the catalogue says of a bucket.
type Bucket struct {
	Parent  uint64
	Name    string
	Indexes []Index
	other   []byte // fields of a newer version, as they were
}

// Index returns the index of that name, nil if there is none.
func (b *Bucket) Index(name string) *Index {
	at := slices.IndexFunc(b.Indexes, func(x Index) bool { return x.Name == name })
	if at < 0 {
		return nil
	}
	return &b.Indexes[at]
}

// define gives b the index x, with a new id.
func (b *Bucket) define(w Writer, x Index) (err error) {
	if len(b.Indexes) == MaxIndexes {
		return fmt.Errorf("a bucket has at most %d indexes", MaxIndexes)
	}
	if x.ID, err = take(w, []byte{nextRow}); err == nil {
		b.Indexes = append(b.Indexes, x)
	}
	return err
}

func (b *Bucket) append(dst []byte) []byte {
	dst = space.AppendID(dst, b.Parent)
	dst = append(binary.AppendUvarint(dst, uint64(len(b.Name))), b.Name...)
	for _, x := range b.Indexes {
		content := space.AppendID(nil, x.ID)
		content = binary.AppendUvarint(content, uint64(x.Version))
		flags := byte(0)
		if x.Unique {
			flags |= isUnique
		}
		if x.Covers {
			flags |= covers
		}
		content = append(append(content, flags), x.Name...)
		dst = binary.AppendUvarint(append(dst, indexField), uint64(len(content)))
		dst = append(dst, content...)
	}
	return append(dst, b.other...)
}

// Decode reads the value of a row 02. ok is false if it is none.
func Decode(value []byte) (b Bucket, ok bool, err error) {
	parent, n := space.ID(value)
	name, rest, whole := prefixed(value[n:])
	if n == 0 || !whole || len(name) == 0 || len(name) > MaxName || !utf8.Valid(name) {
		return Bucket{}, false, nil
	}
	b = Bucket{Parent: parent, Name: string(name)}
	for len(rest) > 0 {
		field := rest
		tag := field[0]
		content, after, whole := prefixed(field[1:])
		rest = after
		switch {
		case !whole:
			return Bucket{}, false, nil
		case tag == indexField:
			x, ok := decodeIndex(content)
			if !ok || b.Index(x.Name) != nil || len(b.Indexes) == MaxIndexes {
				return Bucket{}, false, nil
			}
			b.Indexes = append(b.Indexes, x)
		case tag%2 == 0:
			return Bucket{}, true, fmt.Errorf("%w: bucket %.300q has field %d", record.ErrVersionTooNew, b.Name, tag)
		default:
			b.other = append(b.other, field[:len(field)-len(rest)]...)
		}
	}
	return b, true, nil
}

func decodeIndex(content []byte) (x Index, ok bool) {
	id, n := space.ID(content)
	if n == 0 {
		return x, false
	}
	version, m := binary.Uvarint(content[n:])
	if m <= 0 || version != uint64(uint32(version)) || len(content) < n+m+2 {
		return x, false
	}
	flags, name := content[n+m], content[n+m+1:]
	if flags&^(isUnique|covers) != 0 || len(name) > MaxName || !utf8.Valid(name) {
		return x, false
	}
	return Index{ID: id, Name: string(name), Version: uint32(version), Unique: flags&isUnique != 0,
		Covers: flags&covers != 0}, true
}

// prefixed cuts bytes with their length before them from b.
func prefixed(b []byte) (content, rest []byte, ok bool) {
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return nil, nil, false
	}
	b = b[n:]
	return b[:length:length], b[length:], true
}

// Read returns what r says of the bucket with that id, or ErrNoBucket.
func Read(r Reader, id uint64) (Bucket, error) {
	value, found, err := r.Get(Row(id))
	if err != nil {
		return Bucket{}, err
	}
	if !found {
		return Bucket{}, ErrNoBucket
	}
	return Parse(id, value)
}

// Parse is Decode of the row of the bucket with that id.
func Parse(id uint64, value []byte) (Bucket, error) {
	b, ok, err := Decode(value)
	if err == nil && !ok {
		err = damaged(Row(id))
	}
	return b, err
}

// PathOf returns the path of b from the root.
func PathOf(r Reader, b Bucket) ([]string, error) {
	path := []string{b.Name}
	for b.Parent != Root {
		var err error
		if b, err = Read(r, b.Parent); err != nil {
			return nil, err
		}
		if len(path) == MaxDepth {
			return nil, damaged(nil)
		}
		path = append(path, b.Name)
	}
	slices.Reverse(path)
	return path, nil
}

// Define gives the bucket with that id the index x, with an id that it returns. One of the same name, which had
// another id, is no more: its keys are removed.
func Define(w Writer, id uint64, x Index) (uint64, error) {
	b, err := Read(w, id)
	if err != nil {
		return 0, err
	}
	if err := b.undefine(w, x.Name); err != nil && !errors.Is(err, ErrNoIndex) {
		return 0, err
	}
	if err := b.define(w, x); err != nil {
		return 0, err
	}
	return b.Indexes[len(b.Indexes)-1].ID, w.Put(Row(id), b.append(nil))
}

// Undefine removes an index of the bucket at path, and its keys, or gives ErrNoIndex.
func Undefine(w Writer, path []string, name string) error {
	e, err := find(w, path)
	if err == nil {
		err = e.undefine(w, name)
	}
	if err != nil {
		return err
	}
	return w.Put(Row(e.id), e.append(nil))
}

func (b *Bucket) undefine(w Writer, name string) error {
	x := b.Index(name)
	if x == nil {
		return fmt.Errorf("%w: %.300q", ErrNoIndex, name)
	}
	err := w.DeleteStored(space.Index(x.ID).All())
	b.Indexes = slices.DeleteFunc(b.Indexes, func(x Index) bool { return x.Name == name })
	return err
}
