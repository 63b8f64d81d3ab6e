package status

import (
	"testing"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
)

func BenchmarkSetVisible(b *testing.B) {
	fs, err := vfs.OpenDir(b.TempDir(), vfs.OpenDirOptions{})
	if err != nil {
		b.Fatal(err)
	}
	p := Create(fs, 1, [16]byte{}, Manifest{Num: 1}, 0, func(err error) { b.Error(err) })
	for n := range b.N {
		p.SetVisible(key.SeqNum(n))
	}
}
