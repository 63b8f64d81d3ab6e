//go:build !race

package offheap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// preferHugePages is advice: a kernel built without huge pages refuses it, and nothing is lost but speed.
func preferHugePages(region []byte) { _ = unix.Madvise(region, unix.MADV_HUGEPAGE) }

// smallPages is advice, too.
func smallPages(part []byte) { _ = unix.Madvise(part, unix.MADV_NOHUGEPAGE) }

// populate is advice that a kernel before 5.14 refuses.
func populate(part []byte) {
	before := int(uintptr(unsafe.Pointer(unsafe.SliceData(part))) & uintptr(unix.Getpagesize()-1)) // in the first page
	start := unsafe.Add(unsafe.Pointer(unsafe.SliceData(part)), -before)
	_ = unix.Madvise(unsafe.Slice((*byte)(start), before+len(part)), unix.MADV_POPULATE_WRITE)
}
