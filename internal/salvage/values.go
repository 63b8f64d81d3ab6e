package salvage

import (
	"maps"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/salvage/leaves"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table"
)

// What is said of a value in another file.
const (
	missingFile   = "the file with values is missing"
	damagedValue  = "a value that another table refers to is damaged"
	unknownHolder = "a value is in another file, and it cannot be told in which"
)

// holders are the files of tables, in which others may have values.
type holders struct {
	fs       vfs.FS
	files    []*sourceFile            // that have a footer
	byID     map[uint64][]*sourceFile // of them: one each, unless files were copied
	footless []*sourceFile
	ids      []uint64 // of tables and value files that something names
	nums     map[uint64]filename.Num
	named    map[uint64]*manifest.TableMeta
	open     map[string]vfs.File
}

// findHolders remembers the tables among files, and the value files that they name.
func (r *rescue) findHolders(files []*sourceFile) {
	h := &r.holders
	*h = holders{fs: r.Source, nums: r.nums, named: r.named, byID: map[uint64][]*sourceFile{}, open: map[string]vfs.File{}}
	for _, f := range files {
		if f.kind != filename.Table {
			continue
		}
		if f.frame == nil {
			h.footless = append(h.footless, f)
			continue
		}
		h.files = append(h.files, f)
		h.byID[f.frame.ID] = append(h.byID[f.frame.ID], f)
		if f.frame.Properties == nil {
			continue
		}
		for _, v := range f.frame.Properties.ValueFiles {
			if _, known := r.nums[v.ID]; !known {
				r.nums[v.ID] = v.Num
			}
		}
	}
	h.ids = slices.Sorted(maps.Keys(r.nums))
}

// holder is a file that may be the table with an id.
type holder struct {
	*sourceFile
	id uint64
}

// with returns the files that may be table id, whose number is num. They are if their footer says so, or, without one,
// their name. Otherwise it is not known, and they are all that have no footer.
func (h *holders) with(num filename.Num, id uint64) (files []holder, known bool) {
	for _, f := range h.byID[id] {
		files = append(files, holder{f, id})
	}
	if len(files) > 0 {
		return files, true
	}
	for _, f := range h.footless {
		if _, of := filename.Parse(f.name); of == num {
			return []holder{{f, id}}, true
		}
		files = append(files, holder{f, id})
	}
	return files, false
}

// maxOpen bounds how many files are kept open.
const maxOpen = 32

// file returns a file that stays open until others are needed; nil if it cannot be opened.
func (h *holders) file(name string) vfs.File {
	if f := h.open[name]; f != nil {
		return f
	}
	f, err := h.fs.Open(name)
	if err != nil {
		return nil // look has listed it
	}
	if len(h.open) >= maxOpen {
		h.close()
	}
	h.open[name] = f
	return f
}

func (h *holders) close() {
	for _, f := range h.open {
		f.Close()
	}
	clear(h.open)
}

// references finds the values that one table has in other files. Which files these are its properties say, and the
// manifest, which does without their order, if there is one only. Without both their leaves do: see identify.
type references struct {
	holders *holders
	own     *sourceFile
	id      uint64            // of the table
	files   []table.ValueFile // as the properties have them; nil if they are damaged
	meta    *manifest.TableMeta

	chosen     map[uint32]choice // by the number of the value file, from 1 on
	identified bool              // chosen has all that can be told without properties
	tries      int               // how many more files may be looked into
	settled    bool              // the table has been read once: what has not been found by now never is
}

// choice is which file a value file is.
type choice struct {
	files []holder // that it may be
	known bool     // it is one of them
}

// maxValueTries bounds how often a table's values are looked for in a file, without it being known that it is the right
// one. Nearly always that costs the reading of a trailer.
const maxValueTries = 1 << 16

// referredBy returns the values that table id, which is f, has in other files. meta may be nil.
func (h *holders) referredBy(f *sourceFile, id uint64, meta *manifest.TableMeta) references {
	r := references{holders: h, own: f, id: id, meta: meta, tries: maxValueTries, chosen: map[uint32]choice{}}
	if f.frame != nil && f.frame.Properties != nil {
		r.files = f.frame.Properties.ValueFiles
	}
	if r.files == nil && meta != nil && len(meta.Values) == 1 {
		num := meta.Values[0].File
		if ids := h.idsWith(num); len(ids) == 1 {
			r.files = []table.ValueFile{{Num: num, ID: ids[0]}}
		}
	}
	return r
}

// read reads the value of an extent in another file. It is nil if that is not whole; problem says why.
func (r *references) read(x page.Extent) (value []byte, problem leaves.Gap) {
	c, begun := r.chosen[x.File]
	if !begun {
		c = r.choose(x.File)
		r.chosen[x.File] = c
	}
	for _, f := range c.files {
		if !c.known {
			r.tries--
		}
		if !c.known && (r.settled || r.tries < 0) {
			break
		}
		if value := r.readFrom(f, x); value != nil {
			if !c.known {
				r.chosen[x.File] = choice{[]holder{f}, true}
			}
			return value, leaves.Gap{}
		}
	}
	return nil, r.problem(c, x)
}

// readFrom reads the value of an extent from c; nil if it is not there.
func (r *references) readFrom(c holder, x page.Extent) []byte {
	f := r.holders.file(c.name)
	if f == nil || !leaves.MayBe(f, c.size, x) {
		return nil
	}
	return leaves.ReadValue(f, c.size, c.id, x)
}

// choose returns what value file n of the table may be.
func (r *references) choose(n uint32) choice {
	if r.files == nil {
		if !r.identified {
			r.identified = true
			r.identify()
		}
		return r.chosen[n]
	}
	if int64(n) > int64(len(r.files)) {
		return choice{}
	}
	f := r.files[n-1]
	files, known := r.holders.with(f.Num, f.ID)
	return choice{files, known}
}

// problem says why the value of an extent cannot be read in any file of c.
func (r *references) problem(c choice, x page.Extent) leaves.Gap {
	if c.known {
		return leaves.Gap{Offset: int64(x.Offset), Length: int64(x.Stored), What: damagedValue, File: c.files[0].name}
	}
	if int64(x.File) > int64(len(r.files)) {
		return leaves.Gap{Offset: -1, Length: -1, What: unknownHolder}
	}
	name := filename.Make(filename.Table, r.files[x.File-1].Num)
	return leaves.Gap{Offset: -1, Length: -1, What: missingFile, File: name}
}
