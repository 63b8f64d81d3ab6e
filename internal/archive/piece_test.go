package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/log/wal"
)

// examples are pieces of each kind.
func examples() []*piece {
	var b batch.Batch
	b.Put([]byte("k"), []byte("value"))
	b.Delete([]byte("l"))
	first := &piece{database: [16]byte{1, 2}, branch: 7, first: 9, last: 9,
		end:     wal.Predecessor{Num: 3, Length: 80, LastSeq: 9, Sum: 5},
		moments: []Moment{{time.Unix(1_700_000_000, 5).UTC(), 9}},
		base:    &base{backup: "20260102T030405Z-0000000a", cause: Gap, after: 6, ended: 4}}
	first.encode()
	second := &piece{database: first.database, branch: 7, before: first.digest, first: 10, last: 13,
		end:     wal.Predecessor{Num: 4, Length: 200, LastSeq: 13, Sum: 6},
		moments: []Moment{{time.Unix(1_700_000_001, 0).UTC(), 11}, {time.Unix(1_700_000_002, 0).UTC(), 13}},
		commits: []commit{{10, 2, b.Bytes()}, {12, 2, b.Bytes()}}}
	return []*piece{first, second}
}

// What is archived must be read as it was written, to the last field.
func TestPiece_isReadAsItWasWritten(t *testing.T) {
	all := examples()
	var long batch.Batch
	long.Put([]byte("k"), bytes.Repeat([]byte{'x'}, 1<<20)) // compresses better than is let in
	all = append(all, &piece{first: 1, last: 1, end: wal.Predecessor{LastSeq: 1}, commits: []commit{{1, 1, long.Bytes()}}})
	for _, p := range all {
		text := p.encode()
		got, err := decode(text)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v became %+v, %v", p, got, err)
		}
		at, ok := parseName(p.name())
		if !ok || at.database != p.database || at.branch != p.branch || (p.base == nil) != (at.first == p.first) {
			t.Errorf("%s is %+v", p.name(), at)
		}
	}
}

// A byte that has changed, wherever, must not go unnoticed; nor may a piece that is made to look whole do harm.
func TestPiece_hostileIsRefused(t *testing.T) {
	for _, p := range examples() {
		text := p.encode()
		for i := range text {
			changed := bytes.Clone(text)
			changed[i] ^= 4
			if _, err := decode(changed); err == nil {
				t.Errorf("byte %d may change", i)
			}
			if _, err := decode(text[:i]); !errors.Is(err, ErrBadPiece) {
				t.Errorf("cut at %d: %v", i, err)
			}
		}
		huge := bytes.Clone(text)
		binary.LittleEndian.PutUint64(huge[16:], maxBody)
		if _, err := decode(sealed(huge)); !errors.Is(err, ErrBadPiece) {
			t.Errorf("a short piece of a gibibyte: %v", err)
		}
		newer := bytes.Clone(text)
		newer[8] = format + 1
		if _, err := decode(sealed(newer)); err == nil || !strings.Contains(err.Error(), "use a newer one") {
			t.Errorf("of a newer program: %v", err)
		}
	}
}

// sealed gives a piece the digest of what it has.
func sealed(text []byte) []byte {
	body := text[:len(text)-sha256.Size]
	sum := sha256.Sum256(body)
	return append(bytes.Clone(body), sum[:]...)
}

// Whatever a store returns in the place of a piece must be refused or read, and never crash or take much memory.
func FuzzPiece(f *testing.F) {
	for _, p := range examples() {
		text := p.encode()
		f.Add(text[:len(text)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		p, err := decode(append(bytes.Clone(body), sum[:]...))
		if err != nil {
			return
		}
		again, err := decode(p.encode())
		if err != nil || again.name() != p.name() || len(again.commits) != len(p.commits) {
			t.Errorf("it became %+v, %v", again, err)
		}
	})
}

// A file that only looks like a piece would be taken for one, or two names lead to one place; and a piece whose name is
// not known as that would be missing.
func TestParseName_isTheInverseOfName(t *testing.T) {
	const database, branch = "00ff00000000000000000000000000a0", "00000000000000b1"
	p := piece{database: [16]byte{1: 0xff, 15: 0xa0}, branch: 0xb1, first: 0xc2}
	for _, p.base = range []*base{nil, new(base)} {
		at, ok := parseName(p.name())
		if !ok || at.database != p.database || at.branch != p.branch || (at.first == 0) != (p.base != nil) ||
			p.base == nil && at.first != p.first {
			t.Errorf("%s: %+v, %v", p.name(), at, ok)
		}
	}
	for _, name := range []string{
		"", "archive/", "archive/" + database + "/" + branch, "archive/" + database + "/" + branch + "/",
		database + "/" + branch + "/base", "archive/" + database[1:] + "/" + branch + "/base",
		"archive/" + database + "/" + branch[1:] + "/base", "archive/" + database + "/" + branch + "/Base",
		"archive/" + database + "/" + branch + "/0000000000000000",
		"archive/" + database + "/" + branch + "/00000000000000C2", "archive/" + database + "/" + branch + "/c2",
		"archive/" + database + "/" + branch + "/00000000000000c2/",
		"archive/" + strings.ToUpper(database) + "/" + branch + "/base", "archive/" + database + "/" + branch + "/base/base",
	} {
		if at, ok := parseName(name); ok {
			t.Errorf("%q: %+v", name, at)
		}
	}
}
