package table

import (
	"errors"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/directory"
)

// Frame is what the end of a table's file says, for who reads the leaves by himself because something is damaged.
type Frame struct {
	ID         uint64
	Leaves     int
	Leaf       func(n int) (offset int64, length int) // where leaf n is; nil if the directory is damaged
	Properties *Properties                            // nil if they are damaged
}

// ReadFrame reads what is whole of the frame of a table that takes the first size bytes of f; nil without a footer.
func ReadFrame(f vfs.File, name string, size int64) (*Frame, error) {
	r := &Reader{src: block.Source{File: f, Name: name}}
	b := make([]byte, min(max(size, 0), footerSize))
	var foot footer
	err := r.src.Read(b, size-int64(len(b)))
	if err == nil {
		foot, err = decodeFooter(b, size)
	}
	if err != nil {
		return nil, r.src.Located(max(0, size-footerSize), "footer", err)
	}
	r.src.ID = foot.id
	r.setFooter(foot)
	frame := &Frame{ID: r.src.ID, Leaves: int(foot.leaves)}
	var pages directory.List
	places := r.newPlaces(nil)
	damaged, properties := r.eachPage(&places, pages.Add), r.openProperties()
	if damaged == nil {
		frame.Leaf = pages.At
	}
	if properties == nil {
		frame.Properties = &r.props
	}
	return frame, errors.Join(damaged, properties)
}
