package table

import (
	"bytes"
	"encoding/binary"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
)

// Properties describe the content of a table. Verify checks all of it.
type Properties struct {
	Entries    uint64 // all versions of all keys, tombstones too
	Tombstones uint64
	Shadowed   uint64 // entries that are not the newest of their key in this table
	RawBytes   uint64 // lengths of all user keys and values, uncompressed

	SmallestSeq, LargestSeq key.SeqNum
	Smallest, Largest       []byte // user keys; owned by the Reader or Writer, not to be changed

	FileSize int64  // of the whole file, in bytes
	Digest   uint64 // sum, modulo 2^64, of the checksums of all pages and extents: identifies the content
}

// The payload of the properties block. FileSize is in the footer. All fields are u64 but the last.
//
//	offset  size  meaning
//	     0     8  entries
//	     8     8  tombstones
//	    16     8  shadowed
//	    24     8  raw bytes
//	    32     8  smallest sequence number
//	    40     8  largest sequence number
//	    48     8  digest
//	    56     8  length of the smallest user key
//	    64   ...  the smallest user key, then the largest to the end
const propertiesHeadSize = 64

func (p *Properties) encode() []byte {
	b := make([]byte, 0, propertiesHeadSize+len(p.Smallest)+len(p.Largest)+blockTrailerSize)
	for _, v := range []uint64{p.Entries, p.Tombstones, p.Shadowed, p.RawBytes,
		uint64(p.SmallestSeq), uint64(p.LargestSeq), p.Digest, uint64(len(p.Smallest))} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return append(append(b, p.Smallest...), p.Largest...)
}

// decodeProperties decodes the payload and keeps nothing of it. Damage is a *corrupt.Error without a file, its
// offset inside b.
func decodeProperties(b []byte) (Properties, error) {
	if len(b) < propertiesHeadSize {
		return Properties{}, corrupt.New("", 0, "properties are too short")
	}
	field := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	keys := bytes.Clone(b[propertiesHeadSize:])
	split := field(7)
	if split > uint64(len(keys)) {
		return Properties{}, corrupt.New("", 56, "properties hold a key that is too long")
	}
	p := Properties{
		Entries: field(0), Tombstones: field(1), Shadowed: field(2), RawBytes: field(3),
		SmallestSeq: key.SeqNum(field(4)), LargestSeq: key.SeqNum(field(5)), Digest: field(6),
		Smallest: keys[:split:split], Largest: keys[split:],
	}
	if p.Entries == 0 || p.Tombstones > p.Entries || p.Shadowed >= p.Entries ||
		p.SmallestSeq > p.LargestSeq || p.LargestSeq > key.MaxSeqNum ||
		len(p.Smallest) == 0 || bytes.Compare(p.Smallest, p.Largest) > 0 {
		return Properties{}, corrupt.New("", 0, "properties contradict themselves")
	}
	return p, nil
}

// count records one entry; newest says whether it is the first of its user key. It keeps nothing of k.
func (p *Properties) count(k key.Internal, valueSize uint64, newest bool) {
	seq := k.Trailer.Seq()
	if p.Entries == 0 {
		p.SmallestSeq, p.LargestSeq = seq, seq
	}
	p.Entries++
	if k.Trailer.Kind() == key.KindDelete {
		p.Tombstones++
	}
	if !newest {
		p.Shadowed++
	}
	p.RawBytes += uint64(len(k.User)) + valueSize
	p.SmallestSeq, p.LargestSeq = min(p.SmallestSeq, seq), max(p.LargestSeq, seq)
}
