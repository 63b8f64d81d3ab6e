package salvage

import (
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/salvage/leaves"
	"lightningdb/internal/tree/page"
)

// identify finds out which files the value files of a table are whose properties are damaged. That a value is whole at
// the place where one is looked for tells nothing: its checksum covers the file and the place, and where values are of
// one length, every file has one at the same places, of other keys. But a value file was a table, and its leaves say of
// which version of which key each value is. A file is taken for a value file of the table if its leaves have all that
// the table refers to there, at its place. A leaf that is damaged may have said otherwise: then the values are lost.
// Without all this those leaves would still fill the loss, and nobody could tell that nothing newer is missing.
func (r *references) identify() {
	samples := map[uint32][]page.Extent{}
	r.walk(func(_ key.Internal, x page.Extent) bool {
		if len(samples[x.File]) < maxSamples {
			samples[x.File] = append(samples[x.File], x)
		}
		return true
	})
	for _, c := range r.candidates() {
		asked := map[uint32]*testimony{}
		for n, extents := range samples {
			if slices.ContainsFunc(extents, func(x page.Extent) bool { return r.trial(c, x) }) {
				asked[n] = &testimony{}
			}
		}
		if len(asked) == 0 || !r.pay(c) {
			continue
		}
		r.question(c, asked)
		for n, said := range asked {
			if said.agrees && !said.denies {
				r.chosen[n] = choice{append(r.chosen[n].files, c), true}
			}
		}
	}
}

// maxSamples is how many values of each value file are looked for in a file before its leaves are read.
const maxSamples = 16

// trial reports whether c has a value at x.
func (r *references) trial(c holder, x page.Extent) bool {
	r.tries--
	return r.tries >= 0 && r.readFrom(c, x) != nil
}

// pay reports whether the leaves of c and of the table may be read once more. Without a footer all of a file is read.
func (r *references) pay(c holder) bool {
	for _, f := range []*sourceFile{c.sourceFile, r.own} {
		if f.frame != nil {
			r.tries -= f.frame.Leaves / 4
		} else {
			r.tries -= int(f.size >> 16)
		}
	}
	return r.tries >= 0
}

// testimony is what the leaves of a file say of the values that a table has in one of its value files.
type testimony struct {
	agrees bool // one of them is in the file, of that version of that key
	denies bool // one is not, or the leaf that would say so is damaged
}

// question asks the leaves of c for all that the table refers to in the value files of asked.
func (r *references) question(c holder, asked map[uint32]*testimony) {
	held, err := r.holders.leavesOf(c)
	if err != nil {
		for _, said := range asked {
			said.denies = true
		}
		return
	}
	defer held.close()
	more, left := held.advance(), len(asked)
	r.walk(func(k key.Internal, x page.Extent) bool {
		said := asked[x.File]
		if said == nil || said.denies {
			return true
		}
		for more && key.Compare(held.key(), k) < 0 {
			more = held.advance()
		}
		x.File = 0
		if more && key.Compare(held.key(), k) == 0 && held.entry.IsExtent() && held.entry.Extent() == x {
			said.agrees = true
		} else {
			said.denies = true
			left--
		}
		return left > 0
	})
}

// leavesOf returns the entries of c, whose values are not to be read.
func (h *holders) leavesOf(c holder) (*entries, error) {
	t := &tableFile{fs: h.fs, name: c.name, size: c.size, id: c.id, frame: c.frame}
	if meta := h.named[c.id]; meta != nil {
		t.seq = meta.Seq
	}
	return t.entriesOf(func(leaves.Gap) {}, nil)
}

// walk calls f with each entry of the table whose value is in another file, and where that is, until f returns false.
func (r *references) walk(f func(k key.Internal, x page.Extent) bool) {
	own, err := r.holders.leavesOf(holder{r.own, r.id})
	if err != nil {
		return // look has listed it
	}
	defer own.close()
	for own.advance() {
		if own.entry.IsExtent() && own.entry.Extent().File != 0 && !f(own.key(), own.entry.Extent()) {
			return
		}
	}
}

// candidates are the files that any value file of the table may be: those that the manifest names, or, if it does not
// name the table, any.
func (r *references) candidates() (files []holder) {
	h := r.holders
	if r.meta != nil {
		for _, v := range r.meta.Values {
			for _, id := range h.idsWith(v.File) {
				these, _ := h.with(v.File, id)
				files = append(files, these...)
			}
		}
		return files
	}
	for _, f := range h.files {
		if f != r.own {
			files = append(files, holder{f, f.frame.ID})
		}
	}
	for _, id := range h.ids {
		if len(files) < maxValueTries && len(h.byID[id]) == 0 {
			these, _ := h.with(h.nums[id], id)
			files = append(files, these...)
		}
	}
	return files
}

// idsWith are the ids of the tables and value files with number num.
func (h *holders) idsWith(num filename.Num) (ids []uint64) {
	for _, id := range h.ids {
		if h.nums[id] == num {
			ids = append(ids, id)
		}
	}
	return ids
}
