package cover

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/ranges"
)

// DeletedSince is the keys over which c has tombstones that are newer than a sequence number. It borrows their bounds.
func (c Cover) DeletedSince(after key.SeqNum) span.Set {
	if c.active.Newest() <= after && c.rest.Newest() <= after {
		return nil
	}
	var deleted []span.Span
	for _, set := range [...]*ranges.Set{c.active, c.rest} {
		for t := range set.Overlapping(span.Span{}, after, c.at) {
			deleted = append(deleted, t.Span)
		}
	}
	return span.Union(deleted)
}
