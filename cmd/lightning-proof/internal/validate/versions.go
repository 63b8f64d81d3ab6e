package validate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"lightningdb/cmd/lightning-proof/internal/content"
)

// versions is a set of keys whose values tell their version. A key belongs to one writer, which gives it the versions
// 1, 2, 3 and so on. Every eighth version removes the key, and version 0 is that nobody has written it yet. A reader
// knows what it may find: nothing older than what was acknowledged before it began, nothing newer than what was begun
// before it ended.
type versions struct {
	prefix string
	seed   uint64
	keys   []versionedKey
}

type versionedKey struct {
	name         []byte
	begun, acked atomic.Uint64 // begun is set by the owner before it commits, acked after
}

func newVersions(prefix string, keys int, seed uint64) *versions {
	v := &versions{prefix: prefix, seed: seed, keys: make([]versionedKey, keys)}
	for i := range v.keys {
		v.keys[i].name = fmt.Appendf(nil, "%s%05d", prefix, i)
	}
	return v
}

func removes(version uint64) bool { return version%8 == 0 }

// value is the value of key i at version: the version, and 8 to 300 bytes that follow from both.
func (v *versions) value(i int, version uint64) []byte {
	value := binary.BigEndian.AppendUint64(nil, version)
	size := 8 + int(content.Mix(v.seed^2, uint64(i), version)%292)
	return content.Append(value, size, v.seed, uint64(i), version)
}

// next begins the next version of key i, which the caller owns. done is to be called when it is acknowledged.
func (v *versions) next(i int) (e entry, done func()) {
	k := &v.keys[i]
	version := k.begun.Load() + 1
	k.begun.Store(version)
	e.key = k.name
	if !removes(version) {
		e.value = v.value(i, version)
	}
	return e, func() { k.acked.Store(version) }
}

// check judges what a read of key i found. The read began when version floor was acknowledged. It returns the version
// found; if the key is absent, that is the lowest possible one.
func (v *versions) check(i int, floor uint64, value []byte, found bool) (version uint64, err error) {
	k := &v.keys[i]
	ceiling := k.begun.Load()
	if !found {
		for version = floor; version <= ceiling; version++ {
			if removes(version) {
				return version, nil
			}
		}
		return 0, broken("key %s is absent, though versions %d to %d, which alone may be there, set it", k.name, floor,
			ceiling)
	}
	if len(value) < 8 {
		return 0, broken("key %s has a value of %d bytes that nobody wrote", k.name, len(value))
	}
	version = binary.BigEndian.Uint64(value)
	switch {
	case version < floor:
		return 0, broken("key %s has version %d, older than %d, which was acknowledged before the read began",
			k.name, version, floor)
	case version > ceiling:
		return 0, broken("key %s has version %d, but only %d were begun", k.name, version, ceiling)
	case removes(version) || !bytes.Equal(value, v.value(i, version)):
		return 0, broken("key %s has a value that is not that of its version %d", k.name, version)
	}
	return version, nil
}

// floors appends the acknowledged version of every key.
func (v *versions) floors(dst []uint64) []uint64 {
	for i := range v.keys {
		dst = append(dst, v.keys[i].acked.Load())
	}
	return dst
}
