package page

import (
	"bytes"
	"encoding/binary"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
)

// Check verifies a payload completely: its entries fill it, each begins where the one before ends, keys ascend
// strictly, heads and the prefix agree with the keys, and what the entries hold suits the level. Code that reads the
// page may rely on all of that. Damage is a *corrupt.Error without a file, its offset inside payload.
//
// It costs about 15 ns an entry, and runs once for each page that enters the cache.
func Check(payload []byte) error {
	if len(payload) < minEntrySize+indexSize+footerSize || len(payload) > MaxSize {
		return corrupt.New("", 0, "page of %d bytes", len(payload))
	}
	foot := len(payload) - footerSize
	count := int(binary.LittleEndian.Uint16(payload[foot:]))
	end := foot - indexSize*count
	if count == 0 || end < minEntrySize*count || end%entryAlign != 0 || payload[foot+3] != 0 {
		return corrupt.New("", int64(foot), "impossible page footer")
	}
	first, _, ok := At(payload[:end], 0)
	if !ok {
		return corrupt.New("", 0, "malformed entry")
	}
	p := View(payload)
	if p.prefix > len(first.Key.User) {
		return corrupt.New("", int64(foot), "common prefix is longer than a key")
	}
	return p.checkEntries(first.Key.User[:p.prefix], Level(payload))
}

// checkEntries walks the entries from the first to the end of their region, whose bounds Check has verified.
func (p *Page) checkEntries(prefix []byte, level int) error {
	at := 0
	var before key.Internal
	var headBefore uint32
	for i := range p.count {
		e, next, ok := At(p.payload[:p.end], at)
		if !ok || p.offset(i) != at {
			return corrupt.New("", int64(at), "malformed entry")
		}
		if !bytes.HasPrefix(e.Key.User, prefix) || p.head(i) != head(e.Key.User, p.prefix) {
			return corrupt.New("", int64(at), "search array does not agree with its entry")
		}
		h := p.head(i)
		if i > 0 && h <= headBefore && (h < headBefore || key.Compare(before, e.Key) >= 0) {
			return corrupt.New("", int64(at), "entries are out of order")
		}
		if !suits(&e, level) {
			return corrupt.New("", int64(at), "entry of a kind or size that its page cannot hold")
		}
		before, headBefore, at = e.Key, h, next
	}
	if at != p.end {
		return corrupt.New("", int64(at), "entries do not fill their page")
	}
	return nil
}

// suits reports whether a page of the level may hold e: a leaf holds puts, deletes and merges of keys, an inner page
// separators of any kind.
func suits(e *Entry, level int) bool {
	if level > 0 {
		return e.word == childSize<<1
	}
	switch e.Key.Trailer.Kind() {
	case key.KindPut:
		return true
	case key.KindDelete:
		return e.word == 0
	case key.KindMerge:
		return e.IsExtent() || operand.Check(e.value) == nil
	case key.KindPutUntil:
		return key.HasEnd(e.value)
	}
	return false
}
