// Package ledger is what a writer was told of its commits, in a file that outlives a kill of its process. Whoever looks
// afterwards knows which versions of which keys must be there, and which commit may be there or not.
//
// Keys are numbers from 0 on, versions numbers from 1 on; 0 says that a key is not there. A Ledger belongs to one
// goroutine, as the keys in it do.
//
// # The file
//
// Records of 13 bytes, each of them a kind, a version and a key, little endian:
//
//	0  change   of the commit that is about to be made
//	1  done     all changes since the last done or refused were acknowledged
//	2  refused  none of them is there
//
// What follows the last of the latter two was in progress. It was begun only if all of its changes are in the file, and
// those that are missing then are none: so a torn end is no change.
package ledger

import (
	"encoding/binary"
	"fmt"
	"os"
)

// Change is what a commit makes of a key.
type Change struct {
	Key     uint64
	Version uint32 // 0: it deletes it
}

const (
	changed byte = iota
	done
	refused
)

const recordBytes = 13

// Ledger is the commits of one writer.
type Ledger struct {
	file     *os.File
	versions []uint32 // of the keys that were ever acknowledged
	pending  []Change // of the commit in progress
	record   []byte   // reused
}

// Open opens the ledger in a file, which it makes if it is not there.
func Open(path string) (*Ledger, error) {
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l := new(Ledger)
	whole := len(b) - len(b)%recordBytes
	for r := b[:whole]; len(r) > 0; r = r[recordBytes:] {
		c := Change{binary.LittleEndian.Uint64(r[5:]), binary.LittleEndian.Uint32(r[1:])}
		switch r[0] {
		case changed:
			l.pending = append(l.pending, c)
		case done:
			l.settle(true)
		case refused:
			l.settle(false)
		default:
			return nil, fmt.Errorf("%s has a record of kind %d", path, r[0])
		}
	}
	if l.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	if err = l.file.Truncate(int64(whole)); err == nil {
		_, err = l.file.Seek(int64(whole), 0)
	}
	return l, err
}

// Begin says that changes are about to be committed, each of another key. No other commit may be in progress.
func (l *Ledger) Begin(changes []Change) error {
	l.pending = append(l.pending[:0], changes...)
	l.record = l.record[:0]
	for _, c := range changes {
		l.add(changed, c)
	}
	_, err := l.file.Write(l.record)
	return err
}

// End says whether the commit in progress was acknowledged, or refused.
func (l *Ledger) End(acknowledged bool) error {
	kind := refused
	if acknowledged {
		kind = done
	}
	l.record = l.record[:0]
	l.add(kind, Change{})
	l.settle(acknowledged)
	_, err := l.file.Write(l.record)
	return err
}

func (l *Ledger) add(kind byte, c Change) {
	l.record = append(l.record, kind)
	l.record = binary.LittleEndian.AppendUint32(l.record, c.Version)
	l.record = binary.LittleEndian.AppendUint64(l.record, c.Key)
}

// settle ends the commit in progress.
func (l *Ledger) settle(acknowledged bool) {
	for _, c := range l.pending {
		if !acknowledged {
			break
		}
		for l.Next() <= c.Key {
			l.versions = append(l.versions, 0)
		}
		l.versions[c.Key] = c.Version
	}
	l.pending = l.pending[:0]
}

// Next is the number after that of the largest key that was ever acknowledged.
func (l *Ledger) Next() uint64 { return uint64(len(l.versions)) }

// Version is the version of a key that was acknowledged last; 0 if it is not there.
func (l *Ledger) Version(key uint64) uint32 {
	if key >= l.Next() {
		return 0
	}
	return l.versions[key]
}

// Pending is the commit that was in progress when the writer was killed: all of it is there, or nothing. It is valid
// until the next call. The caller looks, and Ends it.
func (l *Ledger) Pending() []Change { return l.pending }

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }
