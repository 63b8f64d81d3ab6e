// Package space is the key spaces that the stored keys of a database are divided into. The first bytes of a stored key
// say whose it is:
//
//	00 .. fe     a key of the root, as it is, and so is the empty one
//	ff 00 rest   a key of the root: ff rest
//	ff 01 rest   a key of the catalogue of buckets: rest
//	ff 02 ID key a key of the bucket with that id (see AppendID)
//	ff 03 ID key a key of the index with that id
//	ff 04 ..     reserved, like all that follow
//
// So the order of the root's keys stays, all of them are below ff 01, and nothing is between them. Below the public
// API every key is a stored one, but for what a person or a merge function is shown: see Shown.
//
// It owns that division alone. What is in the catalogue, package catalog knows. A Space is a value that any number of
// goroutines may use. Results borrow from the arguments where nothing else is said.
package space

import (
	"bytes"

	"lightningdb/internal/format/span"
)

// The bytes that divide stored keys. They are on disk: never renumber, never reuse.
const (
	escape      = 0xff // the first byte of what is not a key of the root as it is
	ofRoot      = 0x00
	ofCatalogue = 0x01
	ofBucket    = 0x02
	ofIndex     = 0x03
)

// MaxPrefix is how many bytes a stored key may be longer than what it is to the program.
const MaxPrefix = 2 + maxID

// Space is the keys that a program sees as one order of any bytes. The zero value is the root.
type Space struct {
	prefix string // before each key; "" for the root
}

// Catalogue is the space of the catalogue of buckets.
var Catalogue = Space{prefix: "\xff\x01"}

// rootEnd is the first key behind all of the root. Nobody changes it.
var rootEnd = []byte{escape, ofCatalogue}

// Of is the space of the bucket with that id.
func Of(id uint64) Space { return Space{prefix: string(AppendID([]byte{escape, ofBucket}, id))} }

// Index is the space of the index with that id. Ids of buckets and indexes are apart.
func Index(id uint64) Space { return Space{prefix: string(AppendID([]byte{escape, ofIndex}, id))} }

// Key is the stored key of k: k itself, unless s is that of a bucket or index, or k begins with ff.
func (s Space) Key(k []byte) []byte {
	if s.StoresAsIs(k) {
		return k
	}
	return s.longer(k)
}

// StoresAsIs reports whether k is its own stored key.
func (s Space) StoresAsIs(k []byte) bool { return s.prefix == "" && (len(k) == 0 || k[0] != escape) }

func (s Space) longer(k []byte) []byte {
	return s.AppendKey(make([]byte, 0, len(s.prefix)+len(k)+1), k)
}

// AppendKey appends the stored key of k to dst.
func (s Space) AppendKey(dst, k []byte) []byte {
	if s.prefix == "" && len(k) > 0 && k[0] == escape {
		return append(append(dst, escape, ofRoot), k[1:]...)
	}
	return append(append(dst, s.prefix...), k...)
}

// Span is the stored keys of those in keys. It has an end.
func (s Space) Span(keys span.Span) span.Span {
	stored := span.Span{Lo: s.Key(keys.Lo), Hi: rootEnd}
	switch {
	case keys.Hi != nil:
		stored.Hi = s.Key(keys.Hi)
	case s.prefix != "":
		stored.Hi = span.Prefix([]byte(s.prefix)).Hi
	}
	return stored
}

// All is the stored keys of s.
func (s Space) All() span.Span { return s.Span(span.Span{}) }

// Cut is the key that is stored as stored, which is one of s. A key of the root that begins with ff is a copy.
func (s Space) Cut(stored []byte) []byte {
	if s.prefix == "" && (len(stored) == 0 || stored[0] != escape) {
		return stored
	}
	return s.cut(stored)
}

func (s Space) cut(stored []byte) []byte {
	if s.prefix == "" && len(stored) > 1 {
		return append([]byte{escape}, stored[2:]...)
	}
	return stored[min(len(s.prefix), len(stored)):]
}

// AppendCut appends the key that is stored as stored, which is one of s, to dst.
func (s Space) AppendCut(dst, stored []byte) []byte {
	if s.prefix == "" && len(stored) > 1 && stored[0] == escape {
		return append(append(dst, escape), stored[2:]...)
	}
	return append(dst, stored[min(len(s.prefix), len(stored)):]...)
}

// CutEnd is Cut for an end that Span has made. Where the space ends it is nil.
func (s Space) CutEnd(stored []byte) []byte {
	if bytes.Equal(stored, s.All().Hi) {
		return nil
	}
	return s.Cut(stored)
}

// Cuts is yield for stored keys that lie in stored, which Span has made. Where each of them is as it was given, it is
// yield itself.
func (s Space) Cuts(stored span.Span, yield func(k, v []byte) bool) func(k, v []byte) bool {
	if s.prefix == "" && stored.Below([]byte{escape}) {
		return yield
	}
	return func(k, v []byte) bool { return yield(s.Cut(k), v) }
}

// Shown is stored as a program knows it, whatever space it is of. What no space has stays as it is.
func Shown(stored []byte) []byte {
	if len(stored) < 2 || stored[0] != escape {
		return stored
	}
	switch stored[1] {
	case ofRoot:
		return Space{}.Cut(stored)
	case ofBucket, ofIndex:
		if _, n := ID(stored[2:]); n > 0 {
			return stored[2+n:]
		}
	}
	return stored
}
