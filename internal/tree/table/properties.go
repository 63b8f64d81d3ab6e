package table

import (
	"bytes"
	"encoding/binary"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/table/block"
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

	ExtentBytes uint64      // of FileSize
	ValueFiles  []ValueFile // what it refers to; an extent names one by its place here, from 1 on
}

// ValueFile is another table's file, some of whose extents a table refers to.
type ValueFile struct {
	Num   filename.Num
	ID    uint64 // of that table
	Bytes uint64 // as stored, that are referred to, at least 1
}

// The sizes of parts of the properties block, which the package comment describes.
const (
	propertiesHeadSize = 80
	valueFileSize      = 24
)

func (p *Properties) encode() []byte {
	b := make([]byte, 0, propertiesHeadSize+len(p.Smallest)+len(p.Largest)+valueFileSize*len(p.ValueFiles)+
		block.TrailerSize)
	for _, v := range []uint64{p.Entries, p.Tombstones, p.Shadowed, p.RawBytes,
		uint64(p.SmallestSeq), uint64(p.LargestSeq), p.Digest, uint64(len(p.Smallest)), uint64(len(p.Largest)),
		p.ExtentBytes} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = append(append(b, p.Smallest...), p.Largest...)
	for _, f := range p.ValueFiles {
		b = binary.LittleEndian.AppendUint64(b, uint64(f.Num))
		b = binary.LittleEndian.AppendUint64(b, f.ID)
		b = binary.LittleEndian.AppendUint64(b, f.Bytes)
	}
	return b
}

// decodeProperties decodes the payload and keeps nothing of it. Damage is a *corrupt.Error without a file, its
// offset inside b.
func decodeProperties(b []byte) (Properties, error) {
	if len(b) < propertiesHeadSize {
		return Properties{}, corrupt.New("", 0, "properties are too short")
	}
	field := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	rest := b[propertiesHeadSize:]
	split, largest := field(7), field(8)
	if split > uint64(len(rest)) || largest > uint64(len(rest))-split {
		return Properties{}, corrupt.New("", 56, "properties hold a key that is too long")
	}
	keys := bytes.Clone(rest[:split+largest])
	files, ok := decodeValueFiles(rest[split+largest:])
	if !ok {
		return Properties{}, corrupt.New("", int64(len(b)-len(rest)), "properties name impossible value files")
	}
	p := Properties{
		Entries: field(0), Tombstones: field(1), Shadowed: field(2), RawBytes: field(3),
		SmallestSeq: key.SeqNum(field(4)), LargestSeq: key.SeqNum(field(5)), Digest: field(6),
		Smallest: keys[:split:split], Largest: keys[split:],
		ExtentBytes: field(9), ValueFiles: files,
	}
	if p.Entries == 0 || p.Tombstones > p.Entries || p.Shadowed >= p.Entries ||
		p.SmallestSeq > p.LargestSeq || p.LargestSeq > key.MaxSeqNum ||
		bytes.Compare(p.Smallest, p.Largest) > 0 {
		return Properties{}, corrupt.New("", 0, "properties contradict themselves")
	}
	return p, nil
}

func decodeValueFiles(b []byte) (files []ValueFile, ok bool) {
	if len(b)%valueFileSize != 0 {
		return nil, false
	}
	seen := make(map[filename.Num]bool)
	for ; len(b) > 0; b = b[valueFileSize:] {
		f := ValueFile{
			Num:   filename.Num(binary.LittleEndian.Uint64(b)),
			ID:    binary.LittleEndian.Uint64(b[8:]),
			Bytes: binary.LittleEndian.Uint64(b[16:]),
		}
		if f.Bytes == 0 || f.Num == 0 || seen[f.Num] {
			return nil, false
		}
		seen[f.Num] = true
		files = append(files, f)
	}
	return files, true
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
