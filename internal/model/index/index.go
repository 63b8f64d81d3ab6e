// Package index keeps secondary indexes of buckets: which index keys a row has, their rows, and how they are read. The
// catalogue says which indexes a bucket has; what their keys are, functions of the program say.
//
// A row of an index, of which package space makes the stored key:
//
//	INDEX-KEY 00 01 ROW-KEY     what covers, or nothing
//
// Each 00 of the index key is stored as 00 ff. So rows are in the order of index keys, then of row keys, whatever bytes
// these have.
//
//	invariant: in every state an index has, for each row of its bucket and each of its index keys, one row, and no other
//	invariant: a row of an index ends when that of its bucket does
//	invariant: no row of a bucket with indexes turns into another one by itself
//
// The third is why a merge puts its result. Operands over a row that ends would be folded into nothing from then on:
// the row would have another value, and other index keys, with nobody there to write them.
//
// Writes belongs to its transaction, a Range to one goroutine; all else may be used by any number of them.
package index

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"lightningdb/internal/model/catalog"
)

// Errors of indexes. The root package publishes them.
var (
	ErrDeclared = errors.New("an index cannot be declared so")
	ErrFunc     = errors.New("the functions of an index are not registered")
	ErrKey      = errors.New("index keys are too large")
	ErrUnique   = errors.New("another row has this key of a unique index")
)

// MaxKeys bounds the index keys of one row in one index, in bytes together.
const MaxKeys = 1 << 20

// Index is an index as a program declares it.
type Index struct {
	Bucket  []string
	Name    string
	Version uint32
	Unique  bool
	Keys    func(key, value []byte, yield func(indexKey []byte))
	Cover   func(key, value []byte) []byte
}

func (x *Index) definition() catalog.Index {
	return catalog.Index{Name: x.Name, Version: x.Version, Unique: x.Unique, Covers: x.Cover != nil}
}

// is reports whether the functions of x are those of an index that is defined as d.
func (x *Index) is(d catalog.Index) bool {
	want := x.definition()
	want.ID = d.ID
	return want == d
}

// text says which index it is, for errors.
func (x *Index) text() string {
	return fmt.Sprintf("%.300q of bucket %s", x.Name, catalog.Text(x.Bucket))
}

// Registry is the indexes that a program has declared. The zero value has none.
type Registry struct {
	all []*Index            // in the order in which they were declared
	at  map[string][]*Index // by the paths of their buckets
}

func pathKey(path []string) string { return fmt.Sprintf("%q", path) }

// Declare checks indexes and returns them.
func Declare(indexes []Index) (Registry, error) {
	r := Registry{at: make(map[string][]*Index)}
	for _, x := range indexes {
		why, at := "", pathKey(x.Bucket)
		switch {
		case catalog.CheckPath(x.Bucket) != nil:
			why = catalog.CheckPath(x.Bucket).Error()
		case x.Name == "" || len(x.Name) > catalog.MaxName || !utf8.ValidString(x.Name):
			why = "the name is not 1 to 255 bytes of UTF-8"
		case x.Keys == nil:
			why = "it has no function Keys"
		case r.find(x.Bucket, x.Name) != nil:
			why = "it is declared twice"
		case len(r.at[at]) == catalog.MaxIndexes:
			why = fmt.Sprintf("the bucket has %d others", catalog.MaxIndexes)
		}
		if why != "" {
			return Registry{}, fmt.Errorf("%w: %s: %s", ErrDeclared, x.text(), why)
		}
		x.Bucket = slices.Clone(x.Bucket) // or the program might change it
		r.all, r.at[at] = append(r.all, &x), append(r.at[at], &x)
	}
	return r, nil
}

func (r Registry) find(path []string, name string) *Index {
	for _, x := range r.at[pathKey(path)] {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// Of returns the definitions of the indexes that a new bucket at path has.
func (r Registry) Of(path []string) (all []catalog.Index) {
	for _, x := range r.at[pathKey(path)] {
		all = append(all, x.definition())
	}
	return all
}

// AppendRow appends the key of an index's row to dst.
func AppendRow(dst, indexKey, rowKey []byte) []byte {
	return append(appendEnded(dst, indexKey), rowKey...)
}

func appendEnded(dst, indexKey []byte) []byte { return append(appendEscaped(dst, indexKey), 0, 1) }

func appendEscaped(dst, indexKey []byte) []byte {
	for _, b := range indexKey {
		if dst = append(dst, b); b == 0 {
			dst = append(dst, 0xff)
		}
	}
	return dst
}

// CutRow takes the key of an index's row apart. ok is false if it is none. The row key borrows from row.
func CutRow(row []byte) (indexKey, rowKey []byte, ok bool) {
	indexKey = []byte{}
	for {
		at := bytes.IndexByte(row, 0)
		if at < 0 || at+1 == len(row) {
			return nil, nil, false
		}
		indexKey = append(indexKey, row[:at]...)
		follows := row[at+1]
		row = row[at+2:]
		switch follows {
		case 1:
			return indexKey, row, true
		case 0xff:
			indexKey = append(indexKey, 0)
		default:
			return nil, nil, false
		}
	}
}

// UniqueError says which row has an index key already.
type UniqueError struct {
	Index    string
	IndexKey []byte
	Key      []byte // of the row that has it
	Wanted   []byte // the key of the row that was to have it
}

// Error says it to a person. It shows no key, since these are data.
func (e *UniqueError) Error() string { return fmt.Sprintf("%v: index %.300q", ErrUnique, e.Index) }

// Unwrap is ErrUnique.
func (e *UniqueError) Unwrap() error { return ErrUnique }
