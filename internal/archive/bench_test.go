package archive

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// filed is a store that knows the order of its names.
type filed struct {
	*shelf
	names []string
	sizes []int64
}

func (f *filed) ListPieces(context.Context, string) ([]string, []int64, error) {
	return f.names, f.sizes, nil
}

// What an Open and a Prune do with every name of an archive: a day has 86,400 pieces at most, if something is committed
// in each second.
func BenchmarkList_manyPieces(b *testing.B) {
	f := &filed{shelf: newShelf(rand.New(rand.NewPCG(1, 1)))}
	p := &piece{database: [16]byte{1}, branch: 7, base: &base{backup: "one", cause: Begin}}
	add := func(text []byte) {
		f.files[p.name()] = text
		f.names, f.sizes = append(f.names, p.name()), append(f.sizes, int64(len(text)))
	}
	add(p.encode())
	p.base = nil
	for n := range 100_000 {
		p.first, p.last = p.last+1, p.last+1
		p.commits = []commit{{first: p.first, count: 1, bytes: []byte{1, 1, 'k', 1, 'v'}}}
		p.moments = []Moment{{time.Unix(int64(n), 0), p.last}}
		text := []byte(nil)
		if n == 0 || n == 99_999 {
			text = p.encode()
		}
		add(text)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if all, err := strands(context.Background(), f, &p.database); err != nil || len(all) != 1 {
				b.Fatal(len(all), err)
			}
		}
	})
	b.Run("prune", func(b *testing.B) {
		known := []Backup{{ID: "one", Database: "01000000000000000000000000000000"}}
		for b.Loop() {
			n, err := Before(context.Background(), f, known, known, time.Hour)
			if err != nil || len(n.Backups) != 1 {
				b.Fatal(n, err)
			}
		}
	})
}
