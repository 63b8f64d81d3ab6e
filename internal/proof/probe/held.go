package probe

// Held is what the files of a directory take at one moment.
type Held struct {
	Files   int64
	Length  int64 // bytes
	Blocks  int64 // bytes on the medium
	Removed int64 // of Length, files that have no name any more
}

// seen are files that were counted, by their number.
type seen map[uint64]bool

// count adds a file.
func (h *Held) count(before seen, number uint64, length, blocks int64, named bool) {
	if before[number] {
		return
	}
	before[number] = true
	h.Files++
	h.Length += length
	h.Blocks += blocks
	if !named {
		h.Removed += length
	}
}

// Raise makes each figure of h the highest of h and other.
func (h *Held) Raise(other Held) {
	h.Files = max(h.Files, other.Files)
	h.Length = max(h.Length, other.Length)
	h.Blocks = max(h.Blocks, other.Blocks)
	h.Removed = max(h.Removed, other.Removed)
}
