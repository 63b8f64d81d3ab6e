package validate

import (
	"encoding/binary"
	"fmt"
	"slices"

	"lightningdb/cmd/lightning-proof/internal/content"
)

// The registers of Crash. Every tenth commit of a writer is a transaction: it reads three of eight registers that all
// writers share, adds to each what follows from the number of the commit, and writes its own entries with it. What a
// register must hold follows from which commits are there, in whatever order they came; a lost update, or a
// transaction that is there in part, makes it wrong.
const (
	registers       = 8
	registersEach   = 3
	registersPrefix = "register"
)

// register counts the transactions that added to it, and adds up their amounts.
type register struct{ n, sum uint64 }

func registerKey(i int) []byte { return fmt.Appendf(nil, "%s%d", registersPrefix, i) }

// parseRegisterKey is the inverse of registerKey; ok is false for any other key.
func parseRegisterKey(key []byte) (i int, ok bool) {
	for i := range registers {
		if string(key) == string(registerKey(i)) {
			return i, true
		}
	}
	return 0, false
}

// registers are those that the transaction adds to.
func (c commitID) registers(seed uint64) (of [registersEach]int) {
	first := content.Mix(seed^3, uint64(c.round), uint64(c.writer), c.n)
	for i := range of {
		of[i] = int((first + uint64(i)) % registers)
	}
	return of
}

// add is the register after the transaction.
func (r register) add(c commitID, seed uint64) register {
	return register{r.n + 1, r.sum + content.Mix(seed^4, uint64(c.round), uint64(c.writer), c.n)}
}

func (r register) value() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.n), r.sum)
}

// parseRegister is the inverse of value. An absent register, nil, has nothing in it.
func parseRegister(value []byte) (r register, ok bool) {
	switch len(value) {
	case 16:
		return register{binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:])}, true
	case 0:
		return r, value == nil
	}
	return r, false
}

// transaction is what a commit with these entries reads and writes: a plain put reads nothing.
func (c commitID) transaction(seed uint64, entries []entry) (reads [][]byte, write writeFunc) {
	if !c.isTransaction() {
		return nil, always(entries)
	}
	for _, i := range c.registers(seed) {
		reads = append(reads, registerKey(i))
	}
	return reads, func(values [][]byte) ([]entry, error) {
		all := slices.Clip(entries)
		for i, value := range values {
			r, ok := parseRegister(value)
			if !ok {
				return nil, broken("commit %v: %s holds %d bytes that nobody wrote", c, reads[i], len(value))
			}
			all = append(all, entry{reads[i], r.add(c, seed).value()})
		}
		return all, nil
	}
}
