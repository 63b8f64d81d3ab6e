package memtable

import (
	"bytes"
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// index finds the newest version of a user key by the key's hash: open addressing with linear probing, one word per
// user key, no removal. It occupies the front of the arena. One writer, any number of readers without locks.
//
//	slot = tag (upper 32 bits: the lower half of the hash), ref of the newest version (lower 32 bits); 0 = empty
type index struct {
	slots []uint64 // atomic
	keys  int      // slots in use, at most limit; the writer's
	limit int
}

// The index has one slot for every 64 bytes of arena, an eighth of its bytes. It counts as full when 7 of 8 slots
// are taken: beyond that, looking for an absent key would walk over several cache lines.
const bytesPerSlot = 64

func newIndex(a *arena) index {
	n := len(a.memory) / bytesPerSlot
	return index{slots: unsafe.Slice((*uint64)(a.base), n), limit: n / 8 * 7}
}

func (x *index) size() int { return len(x.slots) * 8 }

// home is the slot at which the search for a hash begins.
func (x *index) home(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(x.slots)))
	return int(hi)
}

// find returns the newest version of user, or none.
func (x *index) find(m *Table, user []byte, hash uint64) ref {
	_, e := x.locate(m, user, hash)
	return e
}

// locate returns user's slot and newest version or, if user is absent, the slot where it belongs and none.
func (x *index) locate(m *Table, user []byte, hash uint64) (int, ref) {
	for i := x.home(hash); ; {
		s := atomic.LoadUint64(&x.slots[i])
		if s == 0 {
			return i, 0
		}
		if uint32(s>>32) == uint32(hash) && bytes.Equal(m.userKey(ref(s)), user) {
			return i, ref(s)
		}
		if i++; i == len(x.slots) {
			i = 0
		}
	}
}

// publish makes e the newest version of the user key whose slot is i.
func (x *index) publish(i int, hash uint64, e ref) {
	atomic.StoreUint64(&x.slots[i], hash<<32|uint64(e))
}

// touch loads the home slot of hash, so that a later search for it does not have to wait for that memory.
func (x *index) touch(hash uint64) uint64 { return atomic.LoadUint64(&x.slots[x.home(hash)]) }
