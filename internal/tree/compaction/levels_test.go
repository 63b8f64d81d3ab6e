package compaction

import (
	"testing"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/manifest"
)

// A new table below an older version of one of its keys would be hidden by it; one in the level of such a version
// would make the level unreadable.
func TestDeepestLevel_isAboveAllThatOverlaps(t *testing.T) {
	table := func(num filename.Num, smallest, largest string) *manifest.TableMeta {
		return &manifest.TableMeta{Num: num, Smallest: []byte(smallest), Largest: []byte(largest)}
	}
	var v manifest.Version
	v.Levels[0] = []*manifest.TableMeta{table(1, "m", "p"), table(2, "a", "b")}
	v.Levels[1] = []*manifest.TableMeta{table(3, "c", "d")}
	v.Levels[3] = []*manifest.TableMeta{table(4, "e", "f"), table(5, "h", "i")}
	v.Levels[6] = []*manifest.TableMeta{table(6, "a", "k")}
	for _, c := range []struct {
		smallest, largest string
		want              int
	}{
		{"b", "b", 0}, {"o", "x", 0}, {"d", "z", 0}, {"c", "c", 0}, {"d1", "d9", 5}, {"f", "f", 2}, {"f1", "g", 5},
		{"f1", "h", 2}, {"k", "k", 5}, {"l", "l", 6}, {"q", "z", 6},
	} {
		if got := DeepestLevel(&v, table(9, c.smallest, c.largest)); got != c.want {
			t.Errorf("%q to %q: level %d instead of %d", c.smallest, c.largest, got, c.want)
		}
	}
}
