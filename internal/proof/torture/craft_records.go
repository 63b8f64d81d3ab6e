package torture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordFile is a log segment or a manifest: docs/format.md, "File header" and "Record".
type recordFile struct {
	header  []byte
	records []craftedRecord
}

type craftedRecord struct {
	kind uint32 // type and attempt
	body []byte
}

func newRecordFile(data []byte) *recordFile {
	f := &recordFile{header: bytes.Clone(data[:80])}
	for off := 80; off+32 <= len(data); {
		n := int(binary.LittleEndian.Uint32(data[off+4:]))
		kind := binary.LittleEndian.Uint32(data[off+12:])
		if kind == 0 {
			break
		}
		f.records = append(f.records, craftedRecord{kind, bytes.Clone(data[off+32 : off+32+n])})
		off += (32 + n + 7) &^ 7
	}
	return f
}

func (f *recordFile) number() uint64 { return binary.LittleEndian.Uint64(f.header[32:]) }

func sealHeader(header []byte) {
	binary.LittleEndian.PutUint32(header[76:], crc32.Checksum(header[:76], castagnoli))
}

// seal returns the file with right lengths, offsets, chains and checksums, and the last checksum.
func (f *recordFile) seal() (data []byte, sum uint32) {
	sealHeader(f.header)
	data, sum = bytes.Clone(f.header), binary.LittleEndian.Uint32(f.header[76:])
	for _, r := range f.records {
		off := len(data)
		data = binary.LittleEndian.AppendUint32(data, 0)
		data = binary.LittleEndian.AppendUint32(data, uint32(len(r.body)))
		data = binary.LittleEndian.AppendUint32(data, sum)
		data = binary.LittleEndian.AppendUint32(data, r.kind)
		data = binary.LittleEndian.AppendUint64(data, f.number())
		data = binary.LittleEndian.AppendUint64(data, uint64(off))
		data = append(data, r.body...)
		data = append(data, make([]byte, -len(data)&7)...)
		sum = crc32.Update(crc32.Checksum(f.header[16:32], castagnoli), castagnoli, data[off+4:])
		binary.LittleEndian.PutUint32(data[off:], sum)
	}
	return data, sum
}

// The tags of an edit's fields that crafts speak of.
const (
	editAdded    = 2
	editDeleted  = 4
	editIngested = 14
	editLogEnd   = 16
	editValues   = 18

	editRangeAdded   = 20
	editRangeRemoved = 22
	editCleared      = 24
)

// The numbers of a table that joins, and how many keys stand behind them. The numbers of its value files follow.
const (
	addedNum     = 1
	addedID      = 2
	addedDigest  = 4
	addedNumbers = 11
	addedKeys    = 2
)

// The numbers behind the keys of a table that joins: value bytes, how many value files, then pairs.
const (
	valuesCount = 1
	valuesPairs = 2
)

// The numbers of a value file.
const (
	valueFileNum = iota
	valueFileID
	valueFileSize
)

// editField is a field of an edit: numbers; of a table that joins and of a range tombstone keys behind them; and of
// such a table numbers behind these.
type editField struct {
	tag     uint64
	numbers []uint64
	keys    [][]byte
	values  []uint64
}

// joins says that f is a table that joins.
func (f *editField) joins() bool { return f.tag == editAdded || f.tag == editIngested }

// shape is how many numbers f begins with, and how many keys follow.
func (f *editField) shape() (numbers, keys int) {
	switch {
	case f.joins():
		return addedNumbers, addedKeys
	case f.tag == editRangeAdded || f.tag == editRangeRemoved:
		return 1, 2
	}
	return math.MaxInt, 0
}

// hides says that f decides what is hidden: then another f is another database, which nobody can tell from the right
// one.
func (f *editField) hides() bool {
	return f.tag == editRangeAdded || f.tag == editRangeRemoved || f.tag == editCleared
}

// craftedEdits are the fields of each edit of a manifest.
type craftedEdits [][]editField

func (f *recordFile) edits() (all craftedEdits) {
	for _, r := range f.records {
		var edit []editField
		for rest := r.body; len(rest) > 0; {
			var tag, n uint64
			tag, rest = uvarint(rest)
			n, rest = uvarint(rest)
			edit = append(edit, newEditField(tag, rest[:n]))
			rest = rest[n:]
		}
		all = append(all, edit)
	}
	return all
}

func newEditField(tag uint64, value []byte) editField {
	f := editField{tag: tag}
	numbers, keys := f.shape()
	for len(value) > 0 {
		var n uint64
		n, value = uvarint(value)
		switch {
		case len(f.numbers) < numbers:
			f.numbers = append(f.numbers, n)
		case len(f.keys) < keys:
			f.keys = append(f.keys, bytes.Clone(value[:n]))
			value = value[n:]
		default:
			f.values = append(f.values, n)
		}
	}
	return f
}

func uvarint(b []byte) (uint64, []byte) {
	n, size := binary.Uvarint(b)
	return n, b[size:]
}

func (f *recordFile) setEdits(all craftedEdits) {
	for i, edit := range all {
		var body []byte
		for _, field := range edit {
			var value []byte
			for _, n := range field.numbers {
				value = binary.AppendUvarint(value, n)
			}
			for _, k := range field.keys {
				value = append(binary.AppendUvarint(value, uint64(len(k))), k...)
			}
			for _, n := range field.values {
				value = binary.AppendUvarint(value, n)
			}
			body = binary.AppendUvarint(binary.AppendUvarint(body, field.tag), uint64(len(value)))
			body = append(body, value...)
		}
		f.records[i].body = body
	}
}

// addToDigest adds n to the digest of the table with an id.
func (all craftedEdits) addToDigest(id, n uint64) {
	for _, edit := range all {
		for _, f := range edit {
			if f.joins() && f.numbers[addedID] == id {
				f.numbers[addedDigest] += n
			}
		}
	}
}

// oddNumbers are numbers that lead a reader astray in place of n.
func oddNumbers(n uint64) []uint64 {
	return slices.DeleteFunc([]uint64{0, 1, n - 1, n + 1, 7, 1 << 31, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1},
		func(odd uint64) bool { return odd == n })
}

// craftEdit is a change to edit i, in its field j.
func (all craftedEdits) craftEdit(i, j int, what string, strict bool, do func(edit []editField) []editField) Craft {
	return Craft{fmt.Sprintf("edit %d, field %d (tag %d): %s", i, j, all[i][j].tag, what), strict,
		func(f *craftedFiles) {
			edits := f.manifest.edits()
			edits[i] = do(edits[i])
			f.manifest.setEdits(edits)
		}}
}

// manifestCrafts change each number and key of each edit, and repeat and drop fields.
func manifestCrafts(all craftedEdits) (crafts []Craft) {
	change := func(i, j int, what string, strict bool, do func(edit []editField) []editField) {
		crafts = append(crafts, all.craftEdit(i, j, what, strict, do))
	}
	for i, edit := range all {
		for j, field := range edit {
			for k, n := range field.numbers {
				for _, odd := range oddNumbers(n) {
					change(i, j, fmt.Sprintf("number %d is %d instead of %d", k, odd, n), !field.hides(),
						func(e []editField) []editField { e[j].numbers[k] = odd; return e })
				}
			}
			for k := range field.keys {
				for _, odd := range [][]byte{nil, field.keys[k][:max(len(field.keys[k])-1, 0)], []byte("\xff\xff"), {0},
					bytes.Repeat([]byte("k"), 70_000)} {
					change(i, j, fmt.Sprintf("key %d is %.9q, %d bytes", k, odd, len(odd)), !field.hides(),
						func(e []editField) []editField { e[j].keys[k] = odd; return e })
				}
			}
			for k, n := range field.values {
				for _, odd := range oddNumbers(n) {
					change(i, j, fmt.Sprintf("number %d of values is %d instead of %d", k, odd, n), !field.hides(),
						func(e []editField) []editField { e[j].values[k] = odd; return e })
				}
			}
			change(i, j, "twice", field.tag != editCleared, func(e []editField) []editField { return append(e, e[j]) })
			change(i, j, "missing", field.tag != editAdded && field.tag != editDeleted && !field.hides(),
				func(e []editField) []editField { return slices.Delete(e, j, j+1) })
		}
	}
	return append(crafts, valueCrafts(all)...)
}

// headerFields are the offsets of the numbers in a file header, and their sizes in bytes.
var headerFields = map[int]int{8: 4, 12: 4, 16: 8, 32: 8, 40: 8, 48: 8, 56: 8, 64: 4, 68: 8}

func headerCrafts(name string, header func(f *craftedFiles) []byte) (crafts []Craft) {
	for off, size := range headerFields {
		for _, odd := range []uint64{0, 1, 2, 6, 1 << 31, 1<<64 - 1} {
			crafts = append(crafts, Craft{fmt.Sprintf("%s, header: %d at offset %d", name, odd, off), true,
				func(f *craftedFiles) { putNumber(header(f)[off:], size, odd) }})
		}
	}
	slices.SortFunc(crafts, func(a, b Craft) int { return bytes.Compare([]byte(a.What), []byte(b.What)) })
	return crafts
}

// putNumber writes the low bytes of n.
func putNumber(dst []byte, size int, n uint64) {
	var all [8]byte
	binary.LittleEndian.PutUint64(all[:], n)
	copy(dst[:size], all[:])
}

func currentCrafts() []Craft {
	return headerCrafts("CURRENT", func(f *craftedFiles) []byte { return f.plain["CURRENT"] })
}

// logCrafts change the header and every record of a segment.
func logCrafts(name string, l *recordFile) []Craft {
	crafts := headerCrafts(name, func(f *craftedFiles) []byte { return f.logs[name].header })
	add := func(i int, what string, strict bool, do func(l *recordFile)) {
		crafts = append(crafts, Craft{fmt.Sprintf("%s, record %d of %d: %s", name, i, len(l.records), what), strict,
			func(f *craftedFiles) { do(f.logs[name]) }})
	}
	for i, r := range l.records {
		for off := 0; off < 24; off += 4 {
			for _, odd := range oddNumbers(uint64(binary.LittleEndian.Uint32(r.body[off:]))) {
				add(i, fmt.Sprintf("%d at offset %d", uint32(odd), off), true,
					func(l *recordFile) { putNumber(l.records[i].body[off:], 4, odd) })
			}
		}
		for off := 24; off < len(r.body); off++ {
			for _, odd := range []byte{0, 1, 6, 0x80, 0xff} {
				add(i, fmt.Sprintf("byte %#x at offset %d", odd, off), false,
					func(l *recordFile) { l.records[i].body[off] = odd })
			}
		}
		last := i == len(l.records)-1
		add(i, "missing", !last, func(l *recordFile) { l.records = slices.Delete(l.records, i, i+1) })
		add(i, "twice", true, func(l *recordFile) { l.records = slices.Insert(l.records, i, l.records[i]) })
		add(i, "of no type", true, func(l *recordFile) { l.records[i].kind = 9 })
		add(i, "of the other type", true, func(l *recordFile) { l.records[i].kind = 3 - l.records[i].kind&3 })
		if !last {
			add(i, "swapped with the next", true, func(l *recordFile) {
				l.records[i], l.records[i+1] = l.records[i+1], l.records[i]
			})
		}
	}
	return crafts
}
