package operand

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/goroutine"
)

// Chain collects operands of one user key from the newest to the oldest, as readers meet them, and folds them from
// the oldest to the newest. Neighbouring operands become one at once if they have the same integer operator. The
// zero value is empty. It owns copies of what it is given.
type Chain struct {
	bytes []byte
	links []link
}

// link is one operand of a chain.
type link struct {
	seq        key.SeqNum // the sequence number of its newest operand
	start, end int        // in Chain.bytes
}

// linkOverheadBytes is about the memory that an operand in a chain takes besides its own bytes.
const linkOverheadBytes = 24

// maxKeptBytes is the most memory that an empty chain keeps.
const maxKeptBytes = 64 << 10

// Reset empties the chain and keeps its memory, unless that has become large.
func (c *Chain) Reset() {
	c.bytes, c.links = c.bytes[:0], c.links[:0]
	if cap(c.bytes) > maxKeptBytes || cap(c.links)*linkOverheadBytes > maxKeptBytes {
		*c = Chain{}
	}
}

// Len is the number of operands in the chain, which may be fewer than were pushed.
func (c *Chain) Len() int { return len(c.links) }

// Size is about the memory that the operands take, in bytes.
func (c *Chain) Size() int { return len(c.bytes) + len(c.links)*linkOverheadBytes }

// Push adds an operand of the operation seq, which is older than all operands so far. The error is a *corrupt.Error
// if the operand is not well-formed.
func (c *Chain) Push(seq key.SeqNum, operand []byte) error {
	if err := Check(operand); err != nil {
		return err
	}
	if n := len(c.links); n > 0 {
		newer := c.at(n - 1)
		if newer[0] == operand[0] && Operator(operand[0]) < Append {
			combineIntegers(Operator(operand[0]), newer[1:], operand[1:])
			return nil
		}
	}
	c.add(seq, operand)
	return nil
}

// Join returns the one operand that does what older and then newer do. ok is false if there is no such operand.
func Join(older, newer []byte) (joined []byte, ok bool) {
	var c Chain
	if c.Push(2, newer) != nil || c.Push(1, older) != nil {
		return nil, false
	}
	parts := 0
	_ = c.Compact(func(_ key.SeqNum, operand []byte) error {
		joined = append([]byte(nil), operand...)
		parts++
		return nil
	})
	return joined, parts == 1
}

// at returns the operand in link i; the newest is in link 0.
func (c *Chain) at(i int) []byte { return c.bytes[c.links[i].start:c.links[i].end] }

// Fold returns the value of the key user after all operands, given the value before them; see Rules.Fold. After an
// error the memory of value may have changed.
func (c *Chain) Fold(r Rules, user, value []byte, present bool) ([]byte, error) {
	return c.FoldWithin(key.MaxValueSize, r, user, value, present)
}

// FoldWithin is Fold, but fails with ErrTooLong as soon as the value, or one on the way to it, is longer than limit
// bytes.
func (c *Chain) FoldWithin(limit int, r Rules, user, value []byte, present bool) ([]byte, error) {
	if r.apart && c.anyUser() {
		return r.foldApart(user, func(r Rules) ([]byte, error) { return c.FoldWithin(limit, r, user, value, present) })
	}
	f := fold{rules: r, user: user, limit: limit, buf: value, value: value, present: present}
	for i := len(c.links) - 1; i >= 0; i-- {
		if err := f.apply(c.at(i)); err != nil {
			return nil, err
		}
	}
	return f.own(), nil
}

// anyUser reports whether any operand is of the user's function.
func (c *Chain) anyUser() bool {
	for i := range c.links {
		if isUser(c.at(i)) {
			return true
		}
	}
	return false
}

// MergePartially makes one of neighbouring operands of the user's function, as often as the rules can. All others stay
// as they are. It joins them in pairs, and pairs of these: one after the other it would copy a long argument that grows
// once for each operand.
func (c *Chain) MergePartially(r Rules, user []byte) {
	if r.Partial == nil || !c.hasUserPair() {
		return
	}
	if r.apart {
		r.apart = false
		goroutine.Apart(func() { c.MergePartially(r, user) }) // if the function ends that, it was no help
		return
	}
	for c.mergePairs(r, user) && c.hasUserPair() {
	}
}

// hasUserPair reports whether two neighbours are of the user's function.
func (c *Chain) hasUserPair() bool {
	for i := 1; i < len(c.links); i++ {
		if isUser(c.at(i-1)) && isUser(c.at(i)) {
			return true
		}
	}
	return false
}

// mergePairs makes one of each pair of neighbours that the rules can join. It reports whether there was any. The chain
// is whole at every call of the user's function, which may not return.
func (c *Chain) mergePairs(r Rules, user []byte) (any bool) {
	var next Chain
	for i := 0; i < len(c.links); i++ {
		newer := c.at(i)
		if i+1 < len(c.links) && isUser(newer) && isUser(c.at(i+1)) {
			if argument, ok := r.partial(user, c.at(i + 1)[1:], newer[1:]); ok {
				next.add(c.links[i].seq, newer[:1], argument)
				any, i = true, i+1
				continue
			}
		}
		next.add(c.links[i].seq, newer)
	}
	if any {
		*c = next
	}
	return any
}

// add adds an operand that is made of parts, older than all so far.
func (c *Chain) add(seq key.SeqNum, parts ...[]byte) {
	start := len(c.bytes)
	for _, p := range parts {
		c.bytes = append(c.bytes, p...)
	}
	c.links = append(c.links, link{seq, start, len(c.bytes)})
}

// Parts is the number of operands that Compact yields.
func (c *Chain) Parts() (n int) {
	for i := 0; i < len(c.links); i = c.appendsFrom(i) + 1 {
		n++
	}
	return n
}

// Compact calls fn with the fewest operands that do the same as the chain, the newest first, each with the sequence
// number of the newest operation in it. Neighbouring arguments of append become one, up to the size that an argument
// may have. The bytes are borrowed until fn returns.
func (c *Chain) Compact(fn func(seq key.SeqNum, operand []byte) error) error {
	var joined []byte
	for i := 0; i < len(c.links); {
		oldest := c.appendsFrom(i)
		operand := c.at(i)
		if oldest > i {
			joined = append(joined[:0], byte(Append))
			for j := oldest; j >= i; j-- {
				joined = append(joined, c.at(j)[1:]...)
			}
			operand = joined
		}
		if err := fn(c.links[i].seq, operand); err != nil {
			return err
		}
		i = oldest + 1
	}
	return nil
}

// appendsFrom returns the last link, from i on, that can be joined with link i.
func (c *Chain) appendsFrom(i int) int {
	size := len(c.at(i))
	if Operator(c.at(i)[0]) != Append {
		return i
	}
	for i+1 < len(c.links) && Operator(c.at(i + 1)[0]) == Append {
		size += len(c.at(i+1)) - 1
		if size > key.MaxValueSize {
			break
		}
		i++
	}
	return i
}
