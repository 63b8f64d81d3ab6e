package torture

import (
	"encoding/binary"
	"fmt"
	"strings"

	"lightningdb"
	"lightningdb/internal/proof/isolation"
)

// The keys of transactions, in blocks that follow each other, so that lists stay short and new keys keep appearing. The
// numbers are those of package isolation; lists and registers have numbers, and keys in the database, of their own.
const (
	blocks       = 12
	listsInBlock = 16
	blockAfter   = 700 // transactions
	numLists     = blocks * listsInBlock
	registersAt  = 1 << 16 // the first register
	accounts     = 12
	deposit      = 1000 // of each account, at first
)

// countKey counts the elements of all lists: a transaction that appends adds to it. It is the empty key.
var countKey = []byte{}

func listKey(k isolation.Key) []byte     { return spell(fmt.Sprintf("list/%05d", k)) }
func registerKey(k isolation.Key) []byte { return spell(fmt.Sprintf("register/%05d", k)) }
func accountKey(n int) []byte            { return spell(fmt.Sprintf("account/%d", n)) }

// keyNumber is the inverse of listKey and registerKey.
func keyNumber(k []byte) (n isolation.Key) {
	for _, c := range k[len(k)-5:] {
		n = n*10 + isolation.Key(strings.IndexByte(spelledDigits, c))
	}
	return n
}

// encodeRegister pads the value, so that tables fill.
func encodeRegister(v int64) []byte {
	b := make([]byte, 8+v%400)
	binary.LittleEndian.PutUint64(b, uint64(v))
	return b
}

func encodeElement(v int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) }

// decodeRegister returns -1, which nobody wrote, for what is not the value of a register.
func decodeRegister(b []byte) int64 {
	if len(b) < 8 {
		return -1
	}
	v := int64(binary.LittleEndian.Uint64(b))
	if v <= 0 || int64(len(b)) != 8+v%400 {
		return -1
	}
	return v
}

func decodeList(b []byte) []int64 {
	list := make([]int64, 0, len(b)/8+1)
	for ; len(b) >= 8; b = b[8:] {
		list = append(list, int64(binary.LittleEndian.Uint64(b)))
	}
	if len(b) > 0 {
		list = append(list, -1) // torn
	}
	return list
}

// keyScan is a scan of lists or of registers. Its bounds are numbers of lists in either case.
type keyScan struct {
	lo, hi    isolation.Key
	limit     int // of entries; negative is none
	reverse   bool
	registers bool
}

func (s keyScan) key(n isolation.Key) []byte {
	if s.registers {
		return registerKey(registersAt + n)
	}
	return listKey(n)
}

// found is an entry of the scan.
func (s keyScan) found(k, v []byte) note {
	if s.registers {
		return note{Key: keyNumber(k), Value: decodeRegister(v)}
	}
	return note{Key: keyNumber(k), List: decodeList(v)}
}

// note is what the scan is worth that found these entries: where it stopped early, the keys up to there.
func (s keyScan) note(found []note) note {
	n := note{Kind: noteLists, Key: s.lo, Hi: s.hi, Found: found}
	if s.registers {
		n = note{Kind: noteRegisters, Key: registersAt + s.lo, Hi: registersAt + s.hi, Found: found}
	}
	if len(found) == s.limit {
		last := found[len(found)-1].Key
		if s.reverse {
			n.Key = last
		} else {
			n.Hi = last + 1
		}
	}
	return n
}

// transactionOptions lead to flushes and compactions all the time.
func transactionOptions() *lightningdb.Options {
	return &lightningdb.Options{MemoryLimit: 10 << 20, LogLimit: 1 << 20, Durability: lightningdb.Process}
}

// furnish writes what transactions expect to be there.
func furnish(db *lightningdb.DB) error {
	var b lightningdb.Batch
	b.Put(countKey, lightningdb.AppendInt64(nil, 0))
	for n := range accounts {
		b.Put(accountKey(n), lightningdb.AppendInt64(nil, deposit))
	}
	return db.Write(&b)
}

// empty deletes all lists and registers, so that a new journal can begin with the same keys.
func empty(db *lightningdb.DB) error {
	var b lightningdb.Batch
	b.Put(countKey, lightningdb.AppendInt64(nil, 0))
	for k := range isolation.Key(numLists) {
		b.Delete(listKey(k))
		b.Delete(registerKey(registersAt + k))
	}
	return db.Write(&b)
}
