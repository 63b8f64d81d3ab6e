package manifest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
)

// An edit is a sequence of fields:
//
//	field = tag (uvarint)  length (uvarint)  value (length bytes)
//
// A reader that does not know an even tag refuses the file (ErrVersionTooNew); an odd one it skips. Values are uvarints
// one after the other, except for keys, which are a length (uvarint) and bytes.
//
//	tag  times  value
//	  2  any    a table that joins: level, number, id, size, digest, entries, tombstones, shadowed, raw bytes, smallest
//	            and largest sequence number, smallest key, largest key, value bytes, number of value files that it
//	            refers to, then of each of them, ascending: number, bytes
//	 14  any    likewise, of a table all of whose entries have the sequence number that is its smallest and largest,
//	            whatever they carry
//	  4  any    a table that leaves: level, number
//	 24  any    of the table that joins in the field before: up to which sequence number no range tombstone hides an
//	            entry of it
//	 18  any    a value file: number, id, size. It leaves when no table refers to it
//	 20  any    a range tombstone that joins: sequence number, lower end, upper end, of length 0 if there is none
//	 22  any    likewise, one that leaves
//	  6  0-1    first log segment still needed
//	  8  0-1    next file number
//	 10  0-1    last sequence number
//	 12  0-1    horizon: the oldest sequence number at which the tables show all there was
//	 26  0-1    time of the database when the edit was made, in nanoseconds since 1970, if something in it ends
//	 16  0-1    end of the log at a clean close: it is the start too, and nothing was logged from there on
//
// Example: the log starts at segment 5, next file number 300: 06 01 05  08 02 ac 02.
const (
	tagAdded    = 2
	tagDeleted  = 4
	tagLogStart = 6
	tagNextNum  = 8
	tagLastSeq  = 10
	tagHorizon  = 12
	tagIngested = 14
	tagLogEnd   = 16
	tagValues   = 18

	tagRangeAdded   = 20
	tagRangeRemoved = 22
	tagCleared      = 24

	tagTime = 26
)

// appendEdit appends the encoding of e to dst.
func appendEdit(dst []byte, e *Edit) []byte {
	var value []byte
	for _, d := range e.Deleted {
		value = appendUvarints(value[:0], uint64(d.Level), uint64(d.Num))
		dst = appendField(dst, tagDeleted, value)
	}
	for _, f := range e.Values {
		value = appendUvarints(value[:0], uint64(f.Num), f.ID, uint64(f.Size))
		dst = appendField(dst, tagValues, value)
	}
	for _, p := range e.Added {
		value = appendTable(value[:0], p)
		dst = appendField(dst, tagOf(p.Table), value)
		dst = appendNumber(dst, tagCleared, uint64(p.Table.Cleared))
	}
	for _, t := range e.RangesRemoved {
		value = appendRange(value[:0], t)
		dst = appendField(dst, tagRangeRemoved, value)
	}
	for _, t := range e.RangesAdded {
		value = appendRange(value[:0], t)
		dst = appendField(dst, tagRangeAdded, value)
	}
	dst = appendNumber(dst, tagLogStart, uint64(e.LogStart))
	dst = appendNumber(dst, tagNextNum, uint64(e.NextNum))
	dst = appendNumber(dst, tagLastSeq, uint64(e.LastSeq))
	dst = appendNumber(dst, tagHorizon, uint64(e.Horizon))
	dst = appendNumber(dst, tagLogEnd, uint64(e.LogEnd))
	return appendNumber(dst, tagTime, uint64(e.Time))
}

// tagOf is the tag of a table that joins.
func tagOf(t *TableMeta) uint64 {
	if t.Seq != 0 {
		return tagIngested
	}
	return tagAdded
}

func appendTable(dst []byte, p Placed) []byte {
	t := p.Table
	dst = appendUvarints(dst, uint64(p.Level), uint64(t.Num), t.ID, uint64(t.Size), t.Digest, t.Entries, t.Tombstones,
		t.Shadowed, t.RawBytes, uint64(t.SmallestSeq), uint64(t.LargestSeq))
	dst = appendKey(appendKey(dst, t.Smallest), t.Largest)
	dst = appendUvarints(dst, t.ValueBytes, uint64(len(t.Values)))
	for _, r := range t.Values {
		dst = appendUvarints(dst, uint64(r.File), r.Bytes)
	}
	return dst
}

func appendKey(dst, k []byte) []byte { return append(binary.AppendUvarint(dst, uint64(len(k))), k...) }

func appendUvarints(dst []byte, values ...uint64) []byte {
	for _, v := range values {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

func appendField(dst []byte, tag uint64, value []byte) []byte {
	dst = binary.AppendUvarint(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// appendNumber appends a field with one number. Zero means no change and takes no field.
func appendNumber(dst []byte, tag, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return appendField(dst, tag, binary.AppendUvarint(nil, v))
}

// repeated are the tags of fields of which an edit may have several.
var repeated = []uint64{tagAdded, tagIngested, tagCleared, tagDeleted, tagValues, tagRangeAdded, tagRangeRemoved}

// decodeEdit decodes an edit. It borrows nothing from data and allocates in proportion to it.
func decodeEdit(data []byte) (*Edit, error) {
	e := &Edit{}
	seen := map[uint64]bool{}
	for c := (cursor{rest: data}); len(c.rest) > 0; {
		tag, value := c.uvarint(), c.bytes()
		if c.bad {
			return nil, corrupt.New("", -1, "malformed edit")
		}
		if !slices.Contains(repeated, tag) {
			if seen[tag] {
				return nil, corrupt.New("", -1, "edit with two fields of tag %d", tag)
			}
			seen[tag] = true
		}
		if err := e.decodeField(tag, value); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *Edit) decodeField(tag uint64, value []byte) error {
	c := cursor{rest: value}
	switch tag {
	case tagAdded:
		e.Added = append(e.Added, decodeTable(&c))
	case tagIngested:
		p := decodeTable(&c)
		p.Table.Seq = p.Table.LargestSeq
		e.Added = append(e.Added, p)
	case tagCleared:
		n := len(e.Added)
		if n == 0 || e.Added[n-1].Table.Cleared != 0 {
			return corrupt.New("", -1, "field %d of an edit follows no table", tag)
		}
		e.Added[n-1].Table.Cleared = key.SeqNum(c.uvarint())
	case tagRangeAdded:
		e.RangesAdded = append(e.RangesAdded, decodeRange(&c))
	case tagRangeRemoved:
		e.RangesRemoved = append(e.RangesRemoved, decodeRange(&c))
	case tagDeleted:
		e.Deleted = append(e.Deleted, Removed{Level: c.small(), Num: c.num()})
	case tagValues:
		e.Values = append(e.Values, ValueFile{Num: c.num(), ID: c.uvarint(), Size: int64(c.uvarint())})
	case tagLogStart:
		e.LogStart = c.num()
	case tagNextNum:
		e.NextNum = c.num()
	case tagLastSeq:
		e.LastSeq = key.SeqNum(c.uvarint())
	case tagHorizon:
		e.Horizon = key.SeqNum(c.uvarint())
	case tagLogEnd:
		e.LogEnd = c.num()
	case tagTime:
		if e.Time = key.Time(c.uvarint()); e.Time <= 0 {
			c.bad = true
		}
	default:
		if tag%2 == 0 {
			return fmt.Errorf("%w: field %d", ErrVersionTooNew, tag)
		}
		return nil
	}
	if c.bad || len(c.rest) > 0 {
		return corrupt.New("", -1, "malformed field %d in an edit", tag)
	}
	return nil
}

func decodeTable(c *cursor) Placed {
	level := c.small()
	t := &TableMeta{
		Num: c.num(), ID: c.uvarint(), Size: int64(c.uvarint()), Digest: c.uvarint(), Entries: c.uvarint(),
		Tombstones: c.uvarint(), Shadowed: c.uvarint(), RawBytes: c.uvarint(),
		SmallestSeq: key.SeqNum(c.uvarint()), LargestSeq: key.SeqNum(c.uvarint()),
	}
	t.Smallest = append([]byte{}, c.bytes()...) // the empty key is not nil, which would be an open end
	t.Largest = append([]byte{}, c.bytes()...)
	t.ValueBytes = c.uvarint()
	for range c.uvarint() {
		if c.bad || len(c.rest) == 0 {
			c.bad = true
			break
		}
		t.Values = append(t.Values, ValueRefs{File: c.num(), Bytes: c.uvarint()})
	}
	return Placed{Level: level, Table: t}
}

// cursor decodes values one after the other. Once bad, it returns zeros.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 || c.bad {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) bytes() []byte {
	n := c.uvarint()
	if n > uint64(len(c.rest)) {
		c.bad, c.rest = true, nil
		return nil
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) num() filename.Num { return filename.Num(c.uvarint()) }

// small is a number that fits a byte.
func (c *cursor) small() int {
	v := c.uvarint()
	if v > 1<<8-1 {
		c.bad, c.rest = true, nil
		return 0
	}
	return int(v)
}
