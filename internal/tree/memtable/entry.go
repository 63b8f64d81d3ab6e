package memtable

import (
	"unsafe"

	"lightningdb/internal/format/key"
)

// An entry is one version of one user key. All of it is written before it is published and never changes, except
// for newer, which is set once. Integers are in the machine's byte order: nothing of this reaches a disk.
//
//	 0  trailer     8 bytes
//	 8  value size  4 bytes
//	12  key size    31 bits, and above them the flag hasOlder
//	16  newer       4 bytes, atomic: the next newer version of the user key; none while this is the newest
//	20  older       4 bytes, only with hasOlder: the next older version
//	24  jump        4 bytes, only with hasOlder: some older version
//	28  depth       4 bytes, only with hasOlder: number of older versions
//	20 or 32        user key, then value
//
// So the versions of a user key are a list that is linked both ways. Jumps make it a skew-binary random access list
// (Myers, 1983): the newest version below a sequence number is found in O(log versions) steps, so that a snapshot
// held for long does not slow down the reads of a key that is overwritten all the time. The first version stores
// none of these fields: its jump is itself, its depth 0.
const (
	entryHeader        = 20
	entryHeaderHistory = 32 // header of every version but the first
	hasOlder           = 1 << 31
)

type entryFixed struct {
	trailer   key.Trailer
	valueSize uint32
	keySize   uint32
	newer     ref
}

type entryHistory struct {
	older ref
	jump  ref
	depth uint32
}

func (m *Table) entry(e ref) *entryFixed { return (*entryFixed)(m.arena.at(e, 0)) }

// history is valid only for versions with hasOlder.
func (m *Table) history(e ref) *entryHistory { return (*entryHistory)(m.arena.at(e, entryHeader)) }

func (h *entryFixed) layout() (keyAt, keySize, valueSize int) {
	if h.keySize&hasOlder != 0 {
		return entryHeaderHistory, int(h.keySize &^ hasOlder), int(h.valueSize)
	}
	return entryHeader, int(h.keySize), int(h.valueSize)
}

func (m *Table) userKey(e ref) []byte {
	at, n, _ := m.entry(e).layout()
	return m.arena.bytes(e, at, n)
}

func (m *Table) value(e ref) []byte {
	at, k, n := m.entry(e).layout()
	return m.arena.bytes(e, at+k, n)
}

func (m *Table) trailer(e ref) key.Trailer { return m.entry(e).trailer }

// older is the next older version of e's user key, or none.
func (m *Table) older(e ref) ref {
	if m.entry(e).keySize&hasOlder == 0 {
		return 0
	}
	return m.history(e).older
}

// newer is the next newer version of e's user key, or none so far.
func (m *Table) newer(e ref) ref { return loadRef(&m.entry(e).newer) }

func (m *Table) jump(e ref) ref {
	if m.entry(e).keySize&hasOlder == 0 {
		return e
	}
	return m.history(e).jump
}

func (m *Table) depth(e ref) uint32 {
	if m.entry(e).keySize&hasOlder == 0 {
		return 0
	}
	return m.history(e).depth
}

// newestUpTo is the newest among e and its older versions whose trailer is at most limit, or none.
func (m *Table) newestUpTo(e ref, limit key.Trailer) ref {
	for m.trailer(e) > limit {
		if m.entry(e).keySize&hasOlder == 0 {
			return 0
		}
		h := m.history(e)
		if m.trailer(h.jump) > limit {
			e = h.jump
		} else {
			e = h.older
		}
	}
	return e
}

// newest is the newest version of the user key whose first version is given.
func (m *Table) newest(first ref) ref {
	if m.newer(first) == 0 {
		return first
	}
	user := m.userKey(first)
	return m.index.find(m, user, key.Hash(user))
}

// writeEntry writes an entry that readers do not see yet. older is the newest version so far, or none.
func (m *Table) writeEntry(user, value []byte, t key.Trailer, older ref) ref {
	header, flag := entryHeader, uint32(0)
	if older != 0 {
		header, flag = entryHeaderHistory, hasOlder
	}
	e := m.arena.take(header + len(user) + len(value))
	*m.entry(e) = entryFixed{trailer: t, valueSize: uint32(len(value)), keySize: uint32(len(user)) | flag}
	if older != 0 {
		*m.history(e) = entryHistory{older: older, jump: m.jumpOver(older), depth: m.depth(older) + 1}
	}
	to := m.arena.bytes(e, header, len(user)+len(value))
	copy(to[copy(to, user):], value)
	return e
}

// jumpOver is the jump of the version after older.
func (m *Table) jumpOver(older ref) ref {
	j := m.jump(older)
	jj := m.jump(j)
	if m.depth(older)-m.depth(j) == m.depth(j)-m.depth(jj) {
		return jj
	}
	return older
}

// supersede publishes e as the version after older.
func (m *Table) supersede(older, e ref) { storeRef(&m.entry(older).newer, e) }

// The structs above are laid over arena bytes: their sizes are part of the layout.
var (
	_ [entryHeader]byte                      = [unsafe.Offsetof(entryFixed{}.newer) + 4]byte{}
	_ [entryHeaderHistory - entryHeader]byte = [unsafe.Sizeof(entryHistory{})]byte{}
)
