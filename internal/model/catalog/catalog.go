// Package catalog is the catalogue of buckets: rows of the database that say which buckets there are, what they are
// called, and which ids their keys have. A change of it is a few writes in a transaction of somebody's.
//
// Keys and values of its rows, of which package space makes stored keys:
//
//	00                 next id                 ids below were given out; without the row the next is 1
//	01 PARENT NAME     ID                      PARENT, 0 for the root, has a bucket of that name
//	02 ID              PARENT LENGTH NAME ..   the same, from the other side: as long as it is there, so is the bucket;
//	                                           fields follow, which say what indexes it has
//	03 ID              next sequence number    without the row it is 1
//
// Ids and numbers are spelt as package space does. Buckets and indexes have ids of one sequence: none is used twice.
//
//	invariant: for each row 01 there is one row 02 that says the same, and the reverse
//	invariant: from every row 02, PARENT leads to the root in at most MaxDepth steps
//
// It does not read or write what is in buckets, but for saying which keys go with one that is dropped. It is as safe
// for concurrent use as the Reader or Writer that it is given.
package catalog

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
)

// Limits of buckets.
const (
	MaxDepth = 32  // names in a path
	MaxName  = 255 // bytes
)

// Errors of paths. The root package publishes them.
var (
	ErrNoBucket = errors.New("there is no such bucket")
	ErrExists   = errors.New("there is a bucket of that name")
	ErrName     = errors.New("a bucket cannot have this name")
	ErrTooDeep  = fmt.Errorf("buckets are nested in at most %d levels", MaxDepth)
)

// errSequence refuses a sequence number that none can follow.
var errSequence = errors.New("no sequence number can follow this one")

// Root is the id that buckets which are in no other have as their parent's.
const Root = 0

// The rows. They are on disk: never renumber, never reuse.
const (
	nextRow     = 0
	nameRow     = 1
	bucketRow   = 2
	sequenceRow = 3
)

// Reader reads the keys of space.Catalogue in one state.
type Reader interface {
	// Get returns the value of key. A transaction that writes cannot commit, at any isolation, if it has changed since.
	Get(key []byte) (value []byte, found bool, err error)
	// Walk yields the entries of keys in order. What it yields is valid until yield returns. They count as those of Get.
	Walk(keys span.Span, yield func(key, value []byte) bool) error
}

// Writer reads and writes them in a transaction.
type Writer interface {
	Reader
	Put(key, value []byte) error
	Delete(key []byte) error
	// DeleteStored removes stored keys, those of buckets, by a range.
	DeleteStored(stored span.Span) error
	// DeleteEach removes them one by one. It reads them, so that a key which is written meanwhile is a conflict.
	DeleteEach(stored span.Span) error
}

// Row is the key of the row that is there as long as the bucket is.
func Row(id uint64) []byte { return space.AppendID([]byte{bucketRow}, id) }

func rowOfName(parent uint64, name string) []byte { return append(names(parent), name...) }

// names is what the rows of all buckets in parent begin with.
func names(parent uint64) []byte { return space.AppendID([]byte{nameRow}, parent) }

func sequenceOf(id uint64) []byte { return space.AppendID([]byte{sequenceRow}, id) }

// Find returns the id of the bucket to which path leads from the bucket parent, which is at depth.
func Find(r Reader, parent uint64, depth int, path []string) (id uint64, err error) {
	if err := checkPath(depth, path); err != nil {
		return 0, err
	}
	id = parent
	for i, name := range path {
		found := false
		if id, found, err = number(r, rowOfName(id, name)); err != nil {
			return 0, err
		}
		if !found {
			return 0, fmt.Errorf("%w: %s", ErrNoBucket, Text(path[:i+1]))
		}
	}
	return id, nil
}

// Text is path in one line, for errors.
func Text(path []string) string { return fmt.Sprintf("%.300q", strings.Join(path, "/")) }

// checkPath says why path, from a bucket at depth, cannot be one.
func checkPath(depth int, path []string) error {
	for _, name := range path {
		if name == "" || len(name) > MaxName || !utf8.ValidString(name) {
			return fmt.Errorf("%w: %.300q", ErrName, name)
		}
	}
	switch {
	case len(path) == 0:
		return fmt.Errorf("%w: a path has a name at least", ErrName)
	case depth+len(path) > MaxDepth:
		return ErrTooDeep
	}
	return nil
}

// CheckPath says why no bucket can be at path.
func CheckPath(path []string) error { return checkPath(0, path) }

// number returns the number that the row key has.
func number(r Reader, key []byte) (n uint64, found bool, err error) {
	value, found, err := r.Get(key)
	if err != nil || !found {
		return 0, false, err
	}
	n, size := space.ID(value)
	if size == 0 || size != len(value) {
		return 0, false, damaged(key)
	}
	return n, true, nil
}

func damaged(key []byte) error {
	return fmt.Errorf("%w: row %x of the catalogue of buckets", corrupt.ErrCorrupt, key)
}

// take returns the number that the row key has, or 1, and raises it.
func take(w Writer, key []byte) (n uint64, err error) {
	n, found, err := number(w, key)
	if err != nil {
		return 0, err
	}
	if !found {
		n = 1
	}
	if n+1 == 0 {
		return 0, damaged(key)
	}
	return n, w.Put(key, space.AppendID(nil, n+1))
}

// IsThere returns nil if there is a bucket with that id, else ErrNoBucket.
func IsThere(r Reader, id uint64) error {
	_, found, err := r.Get(Row(id))
	if err == nil && !found {
		err = ErrNoBucket
	}
	return err
}

// NextSequence returns the next number of the bucket with that id: 1, then 2 and so on.
func NextSequence(w Writer, id uint64) (uint64, error) {
	if err := IsThere(w, id); err != nil {
		return 0, err
	}
	return take(w, sequenceOf(id))
}

// Sequence returns the number that NextSequence gave last, or 0.
func Sequence(r Reader, id uint64) (uint64, error) {
	next, found, err := number(r, sequenceOf(id))
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, IsThere(r, id)
	case next == 0:
		return 0, damaged(sequenceOf(id))
	}
	return next - 1, nil
}

// SetSequence makes n the number that NextSequence gave last.
func SetSequence(w Writer, id, n uint64) error {
	if err := IsThere(w, id); err != nil {
		return err
	}
	if n >= math.MaxUint64-1 { // the row has the number after the next one
		return errSequence
	}
	return w.Put(sequenceOf(id), space.AppendID(nil, n+1))
}

// Create makes the bucket to which path leads from the root, with those indexes. All but the last one of it must be
// there.
func Create(w Writer, path []string, indexes []Index) (id uint64, err error) {
	parent, name, err := place(w, path)
	if err != nil {
		return 0, err
	}
	if id, err = take(w, []byte{nextRow}); err != nil {
		return 0, err
	}
	b := Bucket{Parent: parent, Name: name}
	for _, x := range indexes {
		if err := b.define(w, x); err != nil {
			return 0, err
		}
	}
	return id, put(w, id, b)
}

// place returns where a bucket that path leads to would be. There must be none.
func place(r Reader, path []string) (parent uint64, name string, err error) {
	if err := checkPath(0, path); err != nil {
		return 0, "", err
	}
	last := len(path) - 1
	if last > 0 {
		if parent, err = Find(r, Root, 0, path[:last]); err != nil {
			return 0, "", err
		}
	}
	_, found, err := number(r, rowOfName(parent, path[last]))
	if err == nil && found {
		err = fmt.Errorf("%w: %s", ErrExists, Text(path))
	}
	return parent, path[last], err
}

// put writes both rows of a bucket.
func put(w Writer, id uint64, b Bucket) error {
	if err := w.Put(rowOfName(b.Parent, b.Name), space.AppendID(nil, id)); err != nil {
		return err
	}
	return w.Put(Row(id), b.append(nil))
}

// Names yields the names of the buckets in the one to which path leads from the root, of those in the root without a
// path, in order. An error ends it, and comes with no name.
func Names(r Reader, path []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		parent, err := uint64(Root), error(nil)
		if len(path) > 0 {
			parent, err = Find(r, Root, 0, path)
		}
		more := true
		if err == nil {
			err = children(r, parent, func(name string, _ uint64) bool {
				more = yield(name, nil)
				return more
			})
		}
		if err != nil && more {
			yield("", err)
		}
	}
}

func children(r Reader, parent uint64, yield func(name string, id uint64) bool) (err error) {
	prefix := names(parent)
	walked := r.Walk(span.Prefix(prefix), func(key, value []byte) bool {
		id, n := space.ID(value)
		if n == 0 || n != len(value) {
			err = damaged(key)
			return false
		}
		return yield(string(key[len(prefix):]), id)
	})
	return errors.Join(walked, err)
}

// entry is a bucket and its id.
type entry struct {
	id uint64
	Bucket
}

// find returns the bucket to which path leads from the root.
func find(r Reader, path []string) (e entry, err error) {
	if e.id, err = Find(r, Root, 0, path); err != nil {
		return e, err
	}
	if e.Bucket, err = Read(r, e.id); errors.Is(err, ErrNoBucket) || err == nil && e.Name != path[len(path)-1] {
		err = damaged(Row(e.id))
	}
	return e, err
}

// below returns e and all buckets that are in it, level by level, and the number of levels.
func below(r Reader, e entry) (all []entry, levels int, err error) {
	all = []entry{e}
	for begin := 0; begin < len(all); levels++ {
		if levels == MaxDepth {
			return nil, 0, damaged(Row(all[begin].id))
		}
		level := all[begin:]
		begin = len(all)
		for _, parent := range level {
			err := children(r, parent.id, func(name string, id uint64) bool {
				all = append(all, entry{id, Bucket{Parent: parent.id, Name: name}})
				return true
			})
			if err != nil {
				return nil, 0, err
			}
		}
	}
	return all, levels, nil
}

// Drop removes the bucket to which path leads from the root, and all that are in it, with their keys.
func Drop(w Writer, path []string) error {
	e, err := find(w, path)
	if err != nil {
		return err
	}
	all, _, err := below(w, e)
	if err != nil {
		return err
	}
	var buckets, indexes []uint64
	for _, e := range all {
		b, err := Read(w, e.id)
		if err == nil {
			err = errors.Join(w.Delete(rowOfName(e.Parent, e.Name)), w.Delete(Row(e.id)), w.Delete(sequenceOf(e.id)))
		}
		if err != nil {
			return err
		}
		buckets = append(buckets, e.id)
		for _, x := range b.Indexes {
			indexes = append(indexes, x.ID)
		}
	}
	ranges, err := dropKeys(w, buckets, space.Of, 0)
	if err == nil {
		_, err = dropKeys(w, indexes, space.Index, ranges)
	}
	return err
}

// maxRanges is how many ranges a drop deletes. A transaction may have some four times as many.
const maxRanges = 1000

// dropKeys removes the keys of the spaces that ids have: those of ids that follow each other by one range, as long as
// there are fewer than maxRanges, of which it is told how many there were and returns how many there are, and the rest
// one by one.
func dropKeys(w Writer, ids []uint64, of func(id uint64) space.Space, ranges int) (int, error) {
	slices.Sort(ids)
	for first := 0; first < len(ids); ranges++ {
		last := first
		for last+1 < len(ids) && ids[last+1] == ids[last]+1 {
			last++
		}
		remove := w.DeleteStored
		if ranges >= maxRanges {
			remove = w.DeleteEach
		}
		if err := remove(span.Span{Lo: of(ids[first]).All().Lo, Hi: of(ids[last]).All().Hi}); err != nil {
			return ranges, err
		}
		first = last + 1
	}
	return ranges, nil
}

// Move gives the bucket at path from the path to, both from the root. What is in it goes with it.
func Move(w Writer, from, to []string) error {
	e, err := find(w, from)
	if err != nil {
		return err
	}
	parent, name, err := place(w, to)
	if err != nil {
		return err
	}
	if len(to) > len(from) && slices.Equal(to[:len(from)], from) {
		return fmt.Errorf("%w: %s is in the bucket that is to move", ErrName, Text(to))
	}
	_, levels, err := below(w, e)
	if err != nil {
		return err
	}
	if len(to)+levels-1 > MaxDepth {
		return ErrTooDeep
	}
	old := rowOfName(e.Parent, e.Name)
	e.Parent, e.Name = parent, name
	return errors.Join(w.Delete(old), put(w, e.id, e.Bucket))
}
