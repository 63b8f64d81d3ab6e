package destruction

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// Interruptions count salvages that were interrupted.
type Interruptions struct {
	PowerCuts int // during a salvage
	Faults    int // calls of a salvage that failed
	Images    int // states of the new directory that were opened afterwards
	Refused   int // images of an unfinished salvage, which are refused
	Empty     int // images in which nothing has begun
	Complete  int // images with the whole new database
	Absorbed  int // faults that a salvage went on after
}

// Add adds o to n.
func (n *Interruptions) Add(o Interruptions) {
	n.PowerCuts += o.PowerCuts
	n.Faults += o.Faults
	n.Images += o.Images
	n.Refused += o.Refused
	n.Empty += o.Empty
	n.Complete += o.Complete
	n.Absorbed += o.Absorbed
}

func (n Interruptions) String() string {
	return fmt.Sprintf("power_cuts=%d faults=%d images=%d refused=%d empty=%d complete=%d absorbed=%d", n.PowerCuts,
		n.Faults, n.Images, n.Refused, n.Empty, n.Complete, n.Absorbed)
}

// Interrupt makes the victim of seed, destroys it a little, and interrupts its salvage: by power cuts before and during
// each change of the new directory, by errors of each call to it and to the damaged one. Of those it tries one in
// stride, others with another seed. After each, the new directory must be complete, or be refused, or be as empty as
// before; the damaged one must not have changed; and the next salvage, to another directory, must give the same as one
// that nothing interrupts. The error says that there is no victim.
func (d *Destroyer) Interrupt(seed uint64, stride int) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	v, err := NewVictim(rng)
	var w *wreck
	if err == nil {
		w, err = v.destroyed(rng, rng.IntN(3))
	}
	if err != nil {
		return fmt.Errorf("seed %d, to be interrupted: %w", seed, err)
	}
	if v.Chunked() { // each salvage takes long
		stride *= 10
	}
	d.Stats.Victims++
	w.where = fmt.Sprintf("%d, interrupted (%s)", seed, w)
	x := &interruption{Destroyer: d, wreck: w, offset: int(seed % uint64(stride)), stride: stride}
	var end func()
	x.watchdog, end = d.guard(w.where)
	defer end()
	_, x.want, err = Salvage(w.left, w.choices)
	if err == nil {
		x.before, err = contents(w.left)
	}
	if err != nil {
		d.fail(w.where, err)
		return nil
	}
	x.cutPower()
	x.failTarget()
	x.failSource()
	return nil
}

// interruption is one wreck whose salvages are interrupted.
type interruption struct {
	*Destroyer
	*wreck
	want           []oracle.Entry    // what a salvage gives that nothing interrupts
	before         map[string][]byte // the files of the wreck
	offset, stride int
	watchdog       *time.Timer // of one interrupted salvage and what is looked at after it
}

// contents are all files of a directory.
func contents(fs *memfs.FS) (map[string][]byte, error) {
	names, err := fs.List()
	all := make(map[string][]byte)
	for _, name := range names {
		if err == nil {
			all[name], err = torture.Contents(fs, name)
		}
	}
	return all, err
}

// cutPower cuts the power before and during each change of the target.
func (x *interruption) cutPower() {
	for n := x.offset; !x.stopped(); n += x.stride {
		for _, during := range []bool{false, true} {
			where := fmt.Sprintf("%s, power cut at change %d, during it %v", x.where, n, during)
			x.watchdog.Reset(torture.Watchdog)
			target := memfs.New()
			if during {
				target.CrashDuring(n)
			} else {
				target.CrashAt(n)
			}
			_, err := into(target, x.left, x.choices)
			if !target.Crashed() {
				if err != nil {
					x.fail(where, err)
				}
				return
			}
			x.Stats.Interrupted.PowerCuts++
			x.look(where, target, uint64(n))
		}
	}
}

// faults are those of a salvage: the usual ones, and a device that is gone from some call on.
func faults() []torture.Fault {
	return append(torture.Faults(), torture.Fault{Name: "no device", Forever: true,
		Rule: func(r *errfs.Rule) *errfs.Rule { return r.Fail(syscall.ENODEV) }})
}

// failTarget makes each call to the target fail.
func (x *interruption) failTarget() {
	count := errfs.New(memfs.New())
	if _, err := into(count, x.left, x.choices); err != nil {
		x.fail(x.where, err)
		return
	}
	for n := x.offset; n < count.Ops() && !x.stopped(); n += x.stride {
		for _, fault := range faults() {
			where := fmt.Sprintf("%s, %s at call %d to the new directory", x.where, fault.Name, n)
			x.watchdog.Reset(torture.Watchdog)
			target := memfs.New()
			disk := errfs.New(target, fault.At(n))
			_, err := into(disk, x.left, x.choices)
			if disk.Faults() == 0 {
				continue // the fault does not fit this call
			}
			x.Stats.Interrupted.Faults++
			if err == nil {
				x.Stats.Interrupted.Absorbed++
				x.compare(where, target)
			} else if left := unmarked(target); len(left) > 0 && !fault.Forever {
				x.fail(where, fmt.Errorf("%w: %q is left", err, left))
			}
			x.look(where, target, uint64(n))
		}
	}
}

// failSource makes each call to the damaged directory fail. What cannot be read then counts as damaged.
func (x *interruption) failSource() {
	count := errfs.New(x.left)
	if _, err := into(memfs.New(), count, x.choices); err != nil {
		x.fail(x.where, err)
		return
	}
	for n := x.offset; n < count.Ops() && !x.stopped(); n += x.stride {
		for _, fault := range faults() {
			where := fmt.Sprintf("%s, %s at call %d to the damaged directory", x.where, fault.Name, n)
			x.watchdog.Reset(torture.Watchdog)
			target := memfs.New()
			disk := errfs.New(x.left, fault.At(n))
			report, err := into(target, disk, x.choices)
			if disk.Faults() == 0 {
				continue
			}
			x.Stats.Interrupted.Faults++
			if err != nil {
				if left := unmarked(target); len(left) > 0 {
					x.fail(where, fmt.Errorf("%w: %q is left", err, left))
				}
				x.look(where, target, uint64(n))
				continue
			}
			x.Stats.Interrupted.Absorbed++
			entries, err := read(target)
			if err == nil {
				var counts oracle.Counts
				counts, err = x.Judge(report, entries)
				x.Stats.Counts.Add(counts)
			}
			if err = errors.Join(err, x.unchanged()); err != nil {
				x.fail(where, err)
			}
		}
	}
}

// compare demands that target holds what a salvage gives that nothing interrupts.
func (x *interruption) compare(where string, target *memfs.FS) {
	entries, err := read(target.Image(memfs.All, 0))
	if err == nil && !slices.EqualFunc(entries, x.want, same) {
		x.Stats.WrongData++
		err = fmt.Errorf("the new database has %d entries, and not the %d that it should", len(entries), len(x.want))
	}
	if err != nil {
		x.fail(where, err)
	}
}

func same(a, b oracle.Entry) bool { return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) }

// look looks at what a power cut may leave of target, which comes after whatever has interrupted the salvage, at the
// damaged directory, and at the next salvage.
func (x *interruption) look(where string, target *memfs.FS, seed uint64) {
	for _, policy := range []memfs.Policy{memfs.None, memfs.All, memfs.MetadataFirst, memfs.RemovalsFirst, memfs.Random} {
		x.Stats.Interrupted.Images++
		if err := x.judgeImage(target.Image(policy, seed)); err != nil {
			x.fail(fmt.Sprintf("%s/%v:%d", where, policy, seed), err)
		}
	}
	err := x.unchanged()
	if err == nil {
		var entries []oracle.Entry
		_, entries, err = Salvage(x.left, x.choices)
		if err == nil && !slices.EqualFunc(entries, x.want, same) {
			x.Stats.WrongData++
			err = errors.New("it gives something else")
		}
	}
	if err != nil {
		x.fail(where+", the next salvage", err)
	}
}

// judgeImage says what is wrong with an image of the target: it is the whole new database, or no database at all and
// empty, or the next Open and the next salvage say that a salvage was interrupted there.
func (x *interruption) judgeImage(image *memfs.FS) error {
	names, err := image.List()
	if err != nil {
		return err
	}
	entries, err := read(image.Image(memfs.All, 0))
	switch {
	case err == nil && slices.EqualFunc(entries, x.want, same):
		x.Stats.Interrupted.Complete++
		return nil
	case err == nil:
		x.Stats.WrongData++
		return fmt.Errorf("%q is a database with %d entries instead of %d", names, len(entries), len(x.want))
	case errors.Is(err, engine.ErrNoDatabase) && !slices.ContainsFunc(names, begun):
		x.Stats.Interrupted.Empty++
		return nil
	case !errors.Is(err, manifest.ErrNotDatabase) || !advises(err):
		return fmt.Errorf("%q is not refused as an unfinished salvage: %w", names, err)
	}
	x.Stats.Interrupted.Refused++
	if _, err := into(image.Image(memfs.All, 0), x.left, x.choices); !errors.Is(err, fs.ErrExist) || !advises(err) {
		return fmt.Errorf("a salvage to %q is not refused: %v", names, err)
	}
	if _, err := into(memfs.New(), image, x.choices); !errors.Is(err, manifest.ErrNotDatabase) {
		return fmt.Errorf("a salvage from %q is not refused: %v", names, err)
	}
	return nil
}

// unmarked is what a salvage that has failed has left in target, unless it says that it is unfinished.
func unmarked(target *memfs.FS) []string {
	names, err := target.List()
	if err != nil || slices.Contains(names, manifest.Unfinished) {
		return nil
	}
	return slices.DeleteFunc(names, func(name string) bool { return !begun(name) })
}

// begun reports whether a file of that name says that a salvage has begun to write.
func begun(name string) bool {
	return name != manifest.Unfinished && name != filename.Make(filename.Lock, 0)
}

// advises reports whether err says what to do about an unfinished salvage.
func advises(err error) bool { return strings.Contains(err.Error(), "remove the directory") }

// unchanged says what a salvage has changed of the damaged directory, if it has: it may only take its lock.
func (x *interruption) unchanged() error {
	now, err := contents(x.left)
	if err != nil {
		return err
	}
	lock := filename.Make(filename.Lock, 0)
	delete(now, lock)
	for name, data := range x.before {
		if got, there := now[name]; name != lock && (!there || !bytes.Equal(got, data)) {
			return fmt.Errorf("%s of the damaged directory has changed", name)
		}
		delete(now, name)
	}
	if len(now) > 0 {
		return fmt.Errorf("there are %d more files in the damaged directory", len(now))
	}
	return nil
}
