package fence

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/key"
)

// Inner pages are made of the separators: another one than was added sends searches into the wrong leaf.
func TestList_areWhatWasAdded(t *testing.T) {
	word := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 0x80, 0xff}), 1, 6)
	rapid.Check(t, func(t *rapid.T) {
		var f List
		for range 2 { // the second time in used memory
			f.Reset()
			users := rapid.SliceOfN(word, 0, 20).Draw(t, "users")
			slices.SortFunc(users, bytes.Compare)
			var want []key.Internal
			size := 0
			for i, user := range users {
				k := key.Make(user, key.SeqNum(100-i), key.KindPut)
				if i > 0 && rapid.Bool().Draw(t, "between") {
					last := want[i-1]
					f.AddBetween(last, k)
					if !bytes.Equal(last.User, user) {
						k = key.SeekTo(key.Separator(nil, last.User, user), key.MaxSeqNum)
					}
				} else {
					f.Add(k)
				}
				want = append(want, k)
				size += wholeHeader + len(k.User)
			}
			i := 0
			for k := range f.All() {
				if i == len(want) || key.Compare(k, want[i]) != 0 {
					t.Fatalf("fence %d is %v, want %v", i, k, want[i:])
				}
				i++
			}
			if i != len(want) || f.count != len(want) || f.size != size {
				t.Fatalf("%d fences, %d counted, of %d; %d bytes, want %d", i, f.count, len(want), f.size, size)
			}
		}
	})
}

// Separators of long keys that begin alike are as long as the keys: a writer would hold a whole table in memory.
func TestList_keepWhatDiffers(t *testing.T) {
	var f List
	long := bytes.Repeat([]byte("long"), 15_000)
	name := func(i int) key.Internal {
		return key.Make(fmt.Appendf(long[:len(long):len(long)], "%06d", i), 1, key.KindPut)
	}
	f.Add(name(0))
	for i := range 1000 {
		f.AddBetween(name(i), name(i+1))
	}
	if memory := cap(f.buf) + cap(f.last) + cap(f.next); memory > 512<<10 {
		t.Errorf("%d separators take %d KiB", f.count, memory>>10)
	}
}
