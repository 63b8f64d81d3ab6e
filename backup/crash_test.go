package backup_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"lightningdb/backup"
	"lightningdb/internal/system/vfs/memfs"
)

// pointed is an archive, and a point of it to restore.
type pointed struct {
	*archived
	point uint64
	want  map[string]string
}

// newPointed has a backup before the point, with tables in it, and commits between the two.
func newPointed(t *testing.T) *pointed {
	a := newArchived(t, rand.Uint64())
	defer a.close()
	for n := range 16 {
		a.commit(1500)
		if n == 7 {
			a.wait()
			if _, err := a.repo.Create(context.Background(), a.db, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.wait()
	return &pointed{a, a.order[13], a.states[a.order[13]]}
}

// restoreIn restores the point to directory "db" of a disk.
func (p *pointed) restoreIn(d *disk) error {
	o := new(backup.RestoreToOptions)
	o.In(d, d.verify)
	done, err := backup.RestoreTo(context.Background(), p.repo, "db", backup.Sequence(p.point), o)
	if err == nil && done.Sequence != p.point {
		err = fmt.Errorf("it restored %d in the place of %d", done.Sequence, p.point)
	}
	return err
}

// judge demands that the target is there whole, or not at all, which it may not if it was reported as made; and that
// the next restore goes through, to exactly the state of the point, and leaves nothing else.
func (p *pointed) judge(d *disk, made bool) {
	p.t.Helper()
	there := d.content(p.t, "db")
	if there != nil && !maps.Equal(there, p.want) || there == nil && made {
		p.t.Errorf("the target has %d keys of %d; it was made: %v", len(there), len(p.want), made)
		return
	}
	err := p.restoreIn(d)
	if there != nil && !errors.Is(err, fs.ErrExist) || there == nil && err != nil {
		p.t.Errorf("the next restore, with the target there %v: %v", there != nil, err)
		return
	}
	if again := d.content(p.t, "db"); !maps.Equal(again, p.want) {
		p.t.Errorf("the next restore has made %d keys of %d", len(again), len(p.want))
	}
	if names, err := d.List("."); there == nil && (err != nil || !slices.Equal(names, []string{"db"})) {
		p.t.Errorf("the next restore has left %q, %v", names, err)
	}
}

// places are the folders in which a restore does something.
var places = []string{"/", "db.restoring", "database"}

var strideFlag = flag.Int("stride", 6, "3 tries every third change and call of a restore; 1 tries all")

// each calls try with one in a stride of the numbers from 0 on, until it returns false.
func each(try func(n int) (more bool)) {
	stride := max(*strideFlag, 1)
	for n := rand.IntN(stride); try(n); n += stride {
	}
}

// A power cut or a kill in the middle of a restore to a point would leave what passes for the database and is none, or
// is in the way of the next one.
func TestRestoreTo_powerCutsAndKillsAnywhere(t *testing.T) {
	p := newPointed(t)
	policies := []memfs.Policy{memfs.None, memfs.All, memfs.MetadataFirst, memfs.RemovalsFirst, memfs.Random}
	cuts := map[string]int{}
	for _, where := range places {
		each(func(n int) (more bool) {
			for _, during := range []bool{false, true} {
				d := newDisk(trouble{where: where, n: n, during: during})
				err := p.restoreIn(d)
				if !d.crashed() {
					p.judge(d.image(&policies[0], 0), err == nil)
					continue
				}
				more = true
				cuts[where]++
				p.judge(d.image(nil, 0), err == nil)
				p.judge(d.image(&policies[(n+cuts[where])%len(policies)], uint64(n)), err == nil)
				p.judge(d.image(&policies[0], 0), err == nil)
				if t.Failed() {
					t.Fatalf("change %d in %s, during it %v: %v", n, where, during, err)
				}
			}
			return more
		})
	}
	t.Logf("power cuts: %v", cuts)
	if min(cuts["/"], cuts["db.restoring"], cuts["database"]) == 0 {
		t.Errorf("it was hardly tried: %v", cuts)
	}
}

// A call that fails in the middle of a restore to a point would be overlooked, and half a database be there, or
// nothing more would go.
func TestRestoreTo_faultsAnywhere(t *testing.T) {
	p := newPointed(t)
	none := memfs.None
	faults, absorbed := map[string]int{}, 0
	for _, where := range places {
		each(func(n int) (more bool) {
			for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
				d := newDisk(trouble{where: where, n: n, fault: fault})
				err := p.restoreIn(d)
				if d.faults() == 0 {
					if err != nil {
						t.Fatalf("without a fault: %v", err)
					}
					continue
				}
				more = true
				faults[where]++
				if err == nil {
					absorbed++
				}
				p.judge(d.image(&none, 0), err == nil)
				p.judge(d.image(nil, 0), err == nil)
				if t.Failed() {
					t.Fatalf("%v at call %d in %s: %v", fault, n, where, err)
				}
			}
			return more
		})
	}
	t.Logf("faults: %v, of which %d were absorbed", faults, absorbed)
	if min(faults["/"], faults["db.restoring"], faults["database"]) == 0 {
		t.Errorf("it was hardly tried: %v", faults)
	}
}
