package torture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// valueCrafts make what the manifest says of value files impossible: docs/format.md, "Manifest". None of it can be, so
// that all of it is damage.
func valueCrafts(all craftedEdits) (crafts []Craft) {
	tables := all.tables()
	for i, edit := range all {
		for j, field := range edit {
			switch {
			case field.joins():
				crafts = append(crafts, all.referenceCrafts(i, j, tables)...)
			case field.tag == editValues:
				crafts = append(crafts, all.valueFileCrafts(i, j, tables)...)
			}
		}
	}
	return crafts
}

// tables are all tables that join, whether they leave again or not.
func (all craftedEdits) tables() (tables []editField) {
	for _, edit := range all {
		for _, f := range edit {
			if f.joins() {
				tables = append(tables, f)
			}
		}
	}
	return tables
}

// referenceCrafts change what a table that joins refers to.
func (all craftedEdits) referenceCrafts(i, j int, tables []editField) (crafts []Craft) {
	field := all[i][j]
	refer := func(what string, pairs ...uint64) {
		crafts = append(crafts, all.craftEdit(i, j, what, true, func(e []editField) []editField {
			e[j].values = append([]uint64{field.values[0], uint64(len(pairs) / 2)}, pairs...)
			return e
		}))
	}
	pairs := field.values[valuesPairs:]
	with := func(more ...uint64) []uint64 { return append(slices.Clone(pairs), more...) }
	refer("refers to a file that there is not", with(1<<30, 100)...)
	refer("refers to itself", with(field.numbers[addedNum], 100)...)
	refer("refers to file 0", append([]uint64{0, 100}, pairs...)...)
	for _, t := range tables {
		refer(fmt.Sprintf("refers to table %d", t.numbers[addedNum]), with(t.numbers[addedNum], 100)...)
	}
	if len(pairs) == 0 {
		return crafts
	}
	refer("refers to no value file any more")
	refer("refers to one value file less", pairs[:len(pairs)-2]...)
	refer("refers to a value file twice", with(pairs[len(pairs)-2], pairs[len(pairs)-1])...)
	refer("refers to no bytes", append(slices.Clone(pairs[:len(pairs)-1]), 0)...)
	if len(pairs) >= 4 {
		refer("refers to files out of order", append([]uint64{pairs[2], pairs[3], pairs[0], pairs[1]}, pairs[4:]...)...)
	}
	crafts = append(crafts, all.craftEdit(i, j, "says that there are many more value files", true,
		func(e []editField) []editField { e[j].values[valuesCount] = 1 << 62; return e }))
	return crafts
}

// valueFileCrafts change a value file into what cannot be one.
func (all craftedEdits) valueFileCrafts(i, j int, tables []editField) (crafts []Craft) {
	for _, t := range tables {
		for what, number := range map[int]uint64{valueFileNum: t.numbers[addedNum], valueFileID: t.numbers[addedID]} {
			if all[i][j].numbers[what] == number {
				continue
			}
			crafts = append(crafts, all.craftEdit(i, j, fmt.Sprintf("number %d is that of table %d", what,
				t.numbers[addedNum]), true, func(e []editField) []editField { e[j].numbers[what] = number; return e }))
		}
	}
	slices.SortFunc(crafts, func(a, b Craft) int { return bytes.Compare([]byte(a.What), []byte(b.What)) })
	return append(crafts, all.craftEdit(i, j, "without its size", true, func(e []editField) []editField {
		e[j].numbers = e[j].numbers[:valueFileSize]
		return e
	}))
}

// tableReference is an entry of a leaf whose value is in a value file.
type tableReference struct {
	trailer uint64 // where it is in the file
	place   uint64 // where the offset is; the stored length and the number of the value file follow
}

// references are the entries of t that lead to value files: docs/format.md, "Leaf and inner pages".
func (t *tableFile) references() (found []tableReference) {
	leaves := int(binary.LittleEndian.Uint32(t.footer()[12:]))
	for _, b := range t.blocks[:leaves] {
		n := int(binary.LittleEndian.Uint16(t.data[b.end-8:]))
		at := b.at
		for range n {
			keySize, rest := uvarint(t.data[at+8 : b.end])
			word, rest := uvarint(rest)
			value := b.end - uint64(len(rest)) + keySize
			size := word >> 1
			if word&1 == 1 {
				size = 20
				if binary.LittleEndian.Uint32(t.data[value+16:]) != 0 {
					found = append(found, tableReference{at, value})
				}
			}
			at = b.at + (value+size-b.at+7)&^7
		}
	}
	return found
}

// referencesCrafts let entries lead to what is no value, and the properties say other things of them.
func referencesCrafts(name string, t *tableFile) (crafts []Craft) {
	add := func(what string, strict bool, do func(t *tableFile)) {
		crafts = append(crafts, Craft{name + ", " + what, strict, func(f *craftedFiles) { do(f.tables[name]) }})
	}
	all := t.references()
	for i, r := range all {
		numbers := []struct {
			what string
			at   uint64
			size int
		}{{"offset", r.place, 8}, {"stored length", r.place + 8, 8}, {"value file", r.place + 16, 4},
			{"trailer", r.trailer, 8}}
		for _, n := range numbers {
			was := number(t.data[n.at:], n.size)
			for _, odd := range append(oddNumbers(was), was+8, was+16, uint64(len(t.data)), 1<<31-1, 1<<32-1) {
				add(fmt.Sprintf("reference %d: its %s is %d instead of %d", i, n.what, odd, was), n.what != "trailer",
					func(t *tableFile) { putNumber(t.data[n.at:], n.size, odd) })
			}
		}
		for kind, what := range map[byte]string{0: "a delete", 2: "a merge"} {
			add(fmt.Sprintf("reference %d: it is %s", i, what), true, func(t *tableFile) { t.data[r.trailer] = kind })
		}
		if i > 0 { // another value of the same file, or of another file
			last := all[i-1]
			add(fmt.Sprintf("reference %d leads where the one before does", i), false,
				func(t *tableFile) { copy(t.data[r.place:r.place+20], t.data[last.place:last.place+20]) })
		}
	}
	slices.SortFunc(crafts, func(a, b Craft) int { return bytes.Compare([]byte(a.What), []byte(b.What)) })
	return append(crafts, namedFileCrafts(name, t)...)
}

// namedFileSize is the size of a value file in the properties, in bytes.
const namedFileSize = 24

// namedFileCrafts change the value files that the properties name.
func namedFileCrafts(name string, t *tableFile) (crafts []Craft) {
	properties := t.blocks[len(t.blocks)-2]
	keys := binary.LittleEndian.Uint64(t.data[properties.at+56:]) + binary.LittleEndian.Uint64(t.data[properties.at+64:])
	first := properties.at + 80 + keys
	for at := first; at < properties.end; at += namedFileSize {
		for off, what := range []string{"number", "id", "bytes"} {
			place := at + 8*uint64(off)
			for _, odd := range oddNumbers(number(t.data[place:], 8)) {
				crafts = append(crafts, Craft{fmt.Sprintf("%s, value file %d: its %s is %d", name, (at-first)/namedFileSize+1,
					what, odd), true, func(f *craftedFiles) { putNumber(f.tables[name].data[place:], 8, odd) }})
			}
		}
		if at > first {
			crafts = append(crafts, Craft{fmt.Sprintf("%s, value file %d twice", name, (at-first)/namedFileSize), true,
				func(f *craftedFiles) {
					data := f.tables[name].data
					copy(data[at:at+namedFileSize], data[at-namedFileSize:at])
				}})
		}
	}
	return crafts
}

// number is the number in the first bytes of b.
func number(b []byte, size int) uint64 {
	var all [8]byte
	copy(all[:], b[:size])
	return binary.LittleEndian.Uint64(all[:])
}
