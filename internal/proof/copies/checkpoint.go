package copies

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// attempt is one checkpoint that is interrupted.
type attempt struct {
	*Trial
	where  string
	source *source
	target *memfs.FS
	from   key.SeqNum // acknowledged when it was begun
	seed   uint64
}

// begin opens a source for a checkpoint.
func (t *Trial) begin(n int, format string, args ...any) (*attempt, error) {
	t.Stats.Runs++
	s, err := t.open()
	if err != nil {
		return nil, err
	}
	return &attempt{t, fmt.Sprintf(format, args...), s, memfs.New(), s.History.Acknowledged(), uint64(n)}, nil
}

// make makes the checkpoint, while the source is in use. rules are for the calls to the target.
func (a *attempt) make(rules ...*errfs.Rule) error {
	rules = append(rules, errfs.On().Call(func(errfs.Op) { a.source.move() }))
	if a.rng.IntN(2) == 0 {
		rules = append(rules, errfs.On(errfs.Link).Fail(errors.ErrUnsupported)) // copies in the place of links
	}
	return a.source.to(errfs.New(a.target, rules...))
}

// cutCheckpoints cuts the power before and during each change that a checkpoint makes.
func (t *Trial) cutCheckpoints() (err error) {
	t.each(t.stride, func(n int) bool {
		more := true
		for _, during := range []bool{false, true} {
			var a *attempt
			if a, err = t.begin(n, "a checkpoint, power cut at change %d, during it %v", n, during); err != nil {
				return false
			}
			if during {
				a.target.CrashDuring(n)
			} else {
				a.target.CrashAt(n)
			}
			made := a.make()
			t.Stats.PowerCuts++
			if more = a.target.Crashed(); !more && made != nil {
				err = made
			}
			a.end(!more)
		}
		return more
	})
	return err
}

// failCheckpoints makes each call to the new directory fail.
func (t *Trial) failCheckpoints() (err error) {
	t.each(t.stride, func(n int) bool {
		more := false
		for _, fault := range torture.Faults() {
			var a *attempt
			if a, err = t.begin(n, "a checkpoint, %s at call %d", fault.Name, n); err != nil {
				return false
			}
			calls := 0
			count := errfs.On().Call(func(errfs.Op) { calls++ })
			rule := fault.At(n)
			disk := errfs.New(a.target, rule, count)
			made := a.source.to(disk)
			more = more || calls > n
			if disk.Faults() > 0 {
				t.Stats.Faults++
				a.ended(made)
			}
			a.end(made == nil)
		}
		return more
	})
	return err
}

// failSources makes each call to the directory that is copied fail, once.
func (t *Trial) failSources() (err error) {
	t.each(t.stride, func(n int) bool {
		more := false
		for _, fault := range torture.Faults() {
			if fault.Forever {
				continue
			}
			var a *attempt
			if a, err = t.begin(n, "a checkpoint, %s at call %d to the database", fault.Name, n); err != nil {
				return false
			}
			at := a.source.disk.Ops() + n
			a.source.disk.SetRules(fault.At(at))
			made := a.source.to(a.target)
			a.source.disk.SetRules()
			more = more || a.source.disk.Ops() > at
			if a.source.disk.Faults() > 0 {
				t.Stats.Faults++
				a.ended(made)
			}
			a.end(made == nil)
		}
		return more
	})
	return err
}

// ended judges a checkpoint that met a fault and returned err: a directory that is left with something in it says that
// it is no database.
func (a *attempt) ended(err error) {
	if err == nil {
		a.Stats.Absorbed++
		return
	}
	if names := begun(a.target); len(names) > 0 && !slices.Contains(names, manifest.Unfinished) {
		a.fail(a.where, fmt.Errorf("%w: %q is left", err, names))
	}
}

// end judges what there is now, and after a power cut: of the copy, and of what was copied. complete says that the copy
// was reported as made. Then the source goes on.
func (a *attempt) end(complete bool) {
	defer a.source.Abandon()
	a.judgeTarget(complete)
	counts, err := a.source.stillWhole(a.seed)
	a.Stats.Counts.Add(counts)
	for range 5 { // its tables are compacted and removed
		a.source.move()
	}
	if err = errors.Join(err, a.source.err); err != nil {
		a.fail(a.where, err)
	}
	if complete {
		a.judgeTarget(true)
	}
	if a.seed%4 == 0 {
		again := memfs.New()
		if err := a.source.to(again); err != nil {
			a.fail(a.where+", the next one", err)
			return
		}
		a.judgeImage(again.Image(memfs.None, 0), true, "the next one")
	}
}

// judgeTarget judges what a power cut may leave of the copy.
func (a *attempt) judgeTarget(complete bool) {
	for _, p := range []memfs.Policy{memfs.None, memfs.All, memfs.MetadataFirst, memfs.RemovalsFirst, memfs.Random} {
		a.judgeImage(a.target.Image(p, a.seed), complete, fmt.Sprintf("%v:%d", p, a.seed))
	}
}

// judgeImage judges an image: the whole copy, or, unless it was reported as made, nothing, or what the next Open and
// the next copy refuse with advice.
func (a *attempt) judgeImage(image *memfs.FS, complete bool, where string) {
	a.Stats.Images++
	if err := a.judge(image, complete); err != nil {
		a.fail(a.where+"/"+where, err)
	}
}

func (a *attempt) judge(image *memfs.FS, complete bool) error {
	names := begun(image)
	last, entries, err := content(image.Image(memfs.All, 0))
	switch {
	case err == nil:
		a.Stats.Complete++
		return a.source.isPrefix(a.from, last, entries)
	case complete:
		return fmt.Errorf("it was made, and is not whole: %w", err)
	case len(names) == 0 && errors.Is(err, engine.ErrNoDatabase):
		a.Stats.Empty++
		return nil
	case !errors.Is(err, manifest.ErrNotDatabase) || !advises(err):
		return fmt.Errorf("%q is not refused as unfinished: %w", names, err)
	}
	a.Stats.Refused++
	if err := a.source.to(image.Image(memfs.All, 0)); !errors.Is(err, fs.ErrExist) || !advises(err) {
		return fmt.Errorf("the next copy to %q is not refused: %v", names, err)
	}
	return nil
}

// begun is what is in a directory, but for LOCK.
func begun(dir vfs.FS) []string {
	names, _ := dir.List()
	return slices.DeleteFunc(names, func(name string) bool { return name == filename.Make(filename.Lock, 0) })
}

// advises reports whether err says what to do about an unfinished copy.
func advises(err error) bool { return strings.Contains(err.Error(), "remove the directory") }
