//go:build !race

package offheap

import "golang.org/x/sys/unix"

// preferHugePages is advice: a kernel built without huge pages refuses it, which costs nothing but speed.
func preferHugePages(region []byte) { _ = unix.Madvise(region, unix.MADV_HUGEPAGE) }

// smallPages is advice too.
func smallPages(part []byte) { _ = unix.Madvise(part, unix.MADV_NOHUGEPAGE) }
