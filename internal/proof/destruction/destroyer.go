package destruction

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// Destroyer destroys victims and judges what a salvage gets out of them.
type Destroyer struct {
	Stop  func() bool // ends it early; nil never does
	Fail  func(where string, err error)
	Stats Stats
}

// Stats count what a Destroyer did.
type Stats struct {
	Victims      int
	Destructions int            // each of one or more files
	ByFile       map[string]int // damages by the kind of the file
	Noticed      int            // destructions of which the report lists damage, or a loss
	Hopeless     int            // destructions that left no database
	Keys         int            // that were salvaged
	Losses       int
	Interrupted  Interruptions
	oracle.Counts
}

// Add adds o to s.
func (s *Stats) Add(o Stats) {
	s.Victims += o.Victims
	s.Destructions += o.Destructions
	s.Noticed += o.Noticed
	s.Hopeless += o.Hopeless
	s.Keys += o.Keys
	s.Losses += o.Losses
	for file, n := range o.ByFile {
		s.count(file, n)
	}
	s.Interrupted.Add(o.Interrupted)
	s.Counts.Add(o.Counts)
}

func (s *Stats) count(file string, n int) {
	if s.ByFile == nil {
		s.ByFile = make(map[string]int)
	}
	s.ByFile[file] += n
}

func (s Stats) String() string {
	return fmt.Sprintf("victims=%d destructions=%d by_file=%v noticed=%d hopeless=%d keys=%d losses=%d %v %v", s.Victims,
		s.Destructions, s.ByFile, s.Noticed, s.Hopeless, s.Keys, s.Losses, s.Interrupted, s.Counts)
}

// destructions is how often each victim is destroyed.
const destructions = 25

// wreck is what destruction has left of a victim.
type wreck struct {
	*Victim
	left    *memfs.FS
	damages []Damage
	where   string
	choices salvage.Options
}

// Run makes the victim of seed and destroys copies of it, each in another way, the later ones more thoroughly. The
// error says that there is no victim.
func (d *Destroyer) Run(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	v, err := NewVictim(rng)
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	d.Stats.Victims++
	for i := range destructions {
		if d.stopped() {
			break
		}
		w, err := v.destroyed(rng, 1+rng.IntN(1+i/4))
		if err != nil {
			return fmt.Errorf("seed %d, destruction %d: %w", seed, i, err)
		}
		w.where = fmt.Sprintf("%d, destruction %d (%s)", seed, i, w)
		d.try(w)
	}
	return nil
}

func (d *Destroyer) stopped() bool { return d.Stop != nil && d.Stop() }

// destroyed is a copy of v with a number of damages, and a way to salvage it.
func (v *Victim) destroyed(rng *rand.Rand, damages int) (*wreck, error) {
	w := &wreck{Victim: v, left: v.FS.Kill()}
	for range damages {
		damage, err := v.Destroy(rng, w.left)
		if err != nil {
			return nil, err
		}
		w.damages = append(w.damages, damage)
	}
	w.choices = salvage.Options{MaxRuns: rng.IntN(5), Choices: salvage.Choices{Uncommitted: rng.IntN(2) == 0}}
	return w, nil
}

func (w *wreck) String() string {
	var done []string
	for _, damage := range w.damages {
		done = append(done, damage.What)
	}
	return strings.Join(done, "; ")
}

// try salvages w and judges.
func (d *Destroyer) try(w *wreck) {
	_, end := d.guard(w.where)
	defer end()
	d.Stats.Destructions++
	for _, damage := range w.damages {
		d.Stats.count(damage.File, 1)
	}
	report, entries, err := Salvage(w.left, w.choices)
	switch {
	case errors.Is(err, manifest.ErrNoDatabase) && len(w.damages) > 3:
		d.Stats.Hopeless++
		return
	case err != nil:
		d.fail(w.where, err)
		return
	}
	d.Stats.Keys += len(entries)
	d.Stats.Losses += len(report.Losses)
	if len(report.Losses)+len(report.Damage) > 0 {
		d.Stats.Noticed++
	}
	counts, err := w.Judge(report, entries)
	d.Stats.Counts.Add(counts)
	if err != nil {
		d.fail(w.where, err)
	}
}

func (d *Destroyer) fail(where string, err error) {
	if errors.Is(err, torture.ErrMismatch) {
		d.Stats.WrongData++
	}
	d.Fail(where, err)
}

// guard ends the program if a salvage hangs, and turns a panic into a violation, until end is called, by a defer.
func (d *Destroyer) guard(where string) (watchdog *time.Timer, end func()) {
	watchdog = time.AfterFunc(torture.Watchdog, func() { panic("destruction: hangs: " + where) })
	return watchdog, func() {
		watchdog.Stop()
		if p := recover(); p != nil {
			d.Stats.Panics++
			d.Fail(where, fmt.Errorf("panic: %v", p))
		}
	}
}
