package memtable

import (
	"sync/atomic"
	"unsafe"
)

// ref is a place in the arena, in units of 8 bytes from its start. Zero, which is inside the index, means "none".
type ref uint32

const refBytes = 8 // what a ref counts

// arena is the one region of memory in which everything lies. Space is taken from the front and never given back
// before the next reset, so that whatever a reader has found stays where it is.
type arena struct {
	memory []byte
	base   unsafe.Pointer // start of memory, a multiple of 8
	next   int            // first free byte, a multiple of 8; the writer's
}

func newArena(memory []byte) arena {
	return arena{memory: memory, base: unsafe.Pointer(unsafe.SliceData(memory))}
}

// at is the address of r plus offset bytes. The caller knows that they are inside the arena.
func (a *arena) at(r ref, offset int) unsafe.Pointer {
	return unsafe.Add(a.base, int(r)*refBytes+offset)
}

// take returns the place of size fresh bytes, whose content is arbitrary. The caller has checked that they are there.
func (a *arena) take(size int) ref {
	r := ref(a.next / refBytes)
	a.next += roundUp(size)
	if a.next > len(a.memory) {
		panic("memtable: a batch was applied that does not fit") // Fits bounds what Apply takes
	}
	return r
}

func (a *arena) bytes(r ref, offset, size int) []byte {
	return unsafe.Slice((*byte)(a.at(r, offset)), size)
}

func (a *arena) word32(r ref, offset int) *uint32 { return (*uint32)(a.at(r, offset)) }

func (a *arena) words32(r ref, offset, n int) []uint32 {
	return unsafe.Slice((*uint32)(a.at(r, offset)), n)
}

func (a *arena) refs(r ref, offset, n int) []ref {
	return unsafe.Slice((*ref)(a.at(r, offset)), n)
}

// loadRef and storeRef publish: what was written before the store is seen after the load.
func loadRef(p *ref) ref     { return ref(atomic.LoadUint32((*uint32)(p))) }
func storeRef(p *ref, r ref) { atomic.StoreUint32((*uint32)(p), uint32(r)) }

// roundUp is the space that size bytes take in the arena.
func roundUp(size int) int { return (size + refBytes - 1) &^ (refBytes - 1) }
