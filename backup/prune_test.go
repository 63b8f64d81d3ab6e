package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/system/calls"
)

// What kills have left does not stay for ever, and what somebody is still writing is not taken for it.
func TestPrune_removesWhatKillsHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		source := newTables(rand.New(rand.NewPCG(1, 1)), 6)
		m := someBackups(t, source, 3)
		id := func(i int) string { return newID(time.Unix(int64(i), 0), uint64(i)) }
		for i := range maxAbandoned + 5 {
			m.files[descriptionName(id(i))] = []byte(abandoned)
		}
		orphan := (&storedFile{Digest: fmt.Sprintf("%064x", 1), Upload: fmt.Sprintf("%016x", 1)}).place()
		left := []string{leases + id(5000), beats + id(5000), marks + id(5001), beats + id(5001), beats + id(5002),
			uploads + fmt.Sprintf("%016x", 1), orphan, descriptionName(id(0)), descriptionName(id(5))}
		for _, name := range left[:len(left)-2] {
			m.files[name] = []byte("left")
		}
		growing := uploads + fmt.Sprintf("%016x", 2)
		writing, cancel := context.WithCancel(ctx)
		var writer sync.WaitGroup
		writer.Go(func() {
			for n := 0; calls.Sleep(writing, beatTerm/3) == nil; n++ {
				_ = put(ctx, m, growing, make([]byte, n), Replace)
			}
		})
		time.Sleep(beatTerm)
		r := &Repository{store: m, random: rand.Uint64}
		report, err := r.Prune(ctx, PruneOptions{Keep: Keep{Last: 3}})
		if err != nil || report.InUse || report.Freed != (Amount{1, 4}) || len(report.Kept) != 3 {
			t.Errorf("%+v, %v", report, err)
		}
		for _, name := range left {
			if there, _ := exists(ctx, m, name); there {
				t.Errorf("%s is still there", name)
			}
		}
		for _, name := range []string{growing, descriptionName(id(6)), descriptionName(id(5000))} {
			if there, _ := exists(ctx, m, name); !there {
				t.Errorf("%s is gone", name)
			}
		}
		cancel()
		writer.Wait()
	})
}

// A Create that is at work keeps the files of all, and a Prune another Prune away.
func TestPrune_leavesTheFilesToACreateAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		source := newTables(rand.New(rand.NewPCG(1, 1)), 6)
		m := someBackups(t, source, 3)
		r := &Repository{store: m, random: rand.Uint64}
		before := len(m.names(placePrefix))
		_, err := r.create(ctx, nil, func(ctx context.Context, c *creation) error {
			report, err := r.Prune(ctx, PruneOptions{Keep: Keep{Last: 1}})
			if err != nil || !report.InUse || len(report.Removed) != 2 || len(m.names(placePrefix)) != before {
				t.Errorf("%+v, %v", report, err)
			}
			return source.store(ctx, c)
		})
		if err != nil {
			t.Error(err)
		}
		mark, err := r.claim(ctx, marks, newID(time.Now(), 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Prune(ctx, PruneOptions{Keep: Keep{Last: 1}}); !errors.Is(err, ErrPruning) {
			t.Errorf("next to another one: %v", err)
		}
		if err := mark.end(ctx); err != nil {
			t.Error(err)
		}
		m.mustBeWhole(t, "at the end", source)
	})
}

// What a Create has moved that did not come to its end is not moved again: the first backup may take days.
func TestCreate_takesOverWhatAnotherHasMoved(t *testing.T) {
	ctx := context.Background()
	source := newTables(rand.New(rand.NewPCG(1, 1)), 6)
	m := newMemory()
	r := &Repository{store: m, random: rand.Uint64}
	copied := source.copy()
	down := errors.New("the line is down")
	_, err := r.create(ctx, nil, func(ctx context.Context, c *creation) error {
		return errors.Join(c.store(ctx, copied, source), down)
	})
	if !errors.Is(err, down) {
		t.Fatal(err)
	}
	moved := len(m.names(placePrefix))
	created, err := r.create(ctx, nil, func(ctx context.Context, c *creation) error {
		return c.store(ctx, copied, source)
	})
	if err != nil || moved == 0 || created.Moved.Files > 0 || created.Shared.Files != len(copied.Files) {
		t.Errorf("%d were there; %+v, %v", moved, created, err)
	}
	m.mustBeWhole(t, "at the end", source)
}

// A table that a backup has is not even read, unless it is asked for or the backup has lost it.
func TestCreate_readsNoTableTwice(t *testing.T) {
	ctx := context.Background()
	source := &counting{tables: newTables(rand.New(rand.NewPCG(1, 1)), 6)}
	m := newMemory()
	r := &Repository{store: m, random: rand.Uint64}
	copied := source.copy()
	store := func(ctx context.Context, c *creation) error { return c.store(ctx, copied, source) }
	shared := 0
	for _, f := range copied.Files {
		if f.Shared {
			shared++
		}
	}
	for _, c := range []struct {
		what string
		o    CreateOptions
		want int
	}{
		{"the first", CreateOptions{}, shared},
		{"the second", CreateOptions{}, 0},
		{"all", CreateOptions{ReadAll: true}, shared},
	} {
		source.checked = 0
		if _, err := r.create(ctx, &c.o, store); err != nil || source.checked != c.want {
			t.Errorf("%s: %d tables were read, want %d: %v", c.what, source.checked, c.want, err)
		}
	}
	copied.Source[0]++ // another database, whose table may be another
	if source.checked = 0; shared == 0 {
		t.Fatal("there is no table")
	}
	if _, err := r.create(ctx, nil, store); err != nil || source.checked != shared {
		t.Errorf("another database: %d tables were read, want %d: %v", source.checked, shared, err)
	}
}

// counting counts checks of tables.
type counting struct {
	*tables
	checked int
}

func (c *counting) Check(f checkpoint.File) error {
	if f.Shared {
		c.checked++
	}
	return nil
}

// A Create that a Prune has given up ends with an error that says so, and leaves no backup.
func TestCreate_endsIfItWasGivenUp(t *testing.T) {
	ctx := context.Background()
	source := newTables(rand.New(rand.NewPCG(1, 1)), 6)
	m := newMemory()
	r := &Repository{store: m, random: rand.Uint64}
	id := ""
	_, err := r.create(ctx, nil, func(ctx context.Context, c *creation) error {
		id = c.d.ID
		return errors.Join(source.store(ctx, c), put(ctx, m, descriptionName(id), []byte(abandoned), OnlyNew))
	})
	if !errors.Is(err, ErrLeaseLost) {
		t.Errorf("create: %v", err)
	}
	if _, err := r.description(ctx, id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the backup: %v", err)
	}
	if backups, err := r.List(ctx); err != nil || len(backups) > 0 {
		t.Errorf("List = %v, %v", backups, err)
	}
	if left := m.names(leases); len(left) > 0 {
		t.Errorf("left is %v", left)
	}
}
