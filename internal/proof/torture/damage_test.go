package torture

import (
	"math/rand/v2"
	"testing"
	"time"

	"lightningdb/internal/format/codec"
)

// maxAllocate bounds what a damaged length may make a database of a few kilobytes allocate, in bytes: eight times as
// much as an undamaged one does.
const maxAllocate = poolsForget * (8 << 20)

// damage runs one kind of damage on every file of several databases.
func damage(t *testing.T, atLeast int, kind DamageKind) {
	t.Helper()
	var total DamageStats
	p := newPace(12 * time.Second)
	stop := func() bool { return p.late() && rand.IntN(thinned) > 0 }
	for _, c := range []codec.ID{codec.None, codec.S2} {
		for _, clean := range []bool{true, false} {
			v, err := NewVictim(512, c, clean)
			if err != nil {
				t.Fatal(err)
			}
			shown := 0
			stats, err := v.TryAll(kind, stop, func(where string, err error) {
				if shown++; shown < 10 {
					t.Errorf("%s: %v", where, err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("clean %v, codec %v: %v", clean, c, stats)
			total.Add(stats)
		}
	}
	t.Logf("damage: %v", total)
	if total.Opens < p.owed(atLeast) || total.AtOpen == 0 {
		t.Errorf("%d damaged databases, %d of them noticed: the test tests nothing", total.Opens, total.AtOpen)
	}
	if total.PeakAllocate > maxAllocate {
		t.Errorf("a damaged database made Open allocate %d bytes", total.PeakAllocate)
	}
}

// A flipped bit on the medium would turn into a wrong value, a missing key, or a crash of the program.
func TestDamage_everyFlippedByte(t *testing.T) {
	if !*full {
		damage(t, 10_000/slowdown, FlipBytes(slowdown, 0))
		return
	}
	for bit := range 8 {
		damage(t, 10_000, FlipBytes(1, bit))
	}
}

// A file that lost its end, or got a longer one, would pass for whole.
func TestDamage_everyLength(t *testing.T) {
	step := 7 * slowdown
	if *full {
		step = 1
	}
	damage(t, 1_000/slowdown, ChangeLengths(step))
}

// Files that changed places, or are gone, would be read as if nothing had happened.
func TestDamage_swappedAndMissingFiles(t *testing.T) { damage(t, 50, SwapFiles()) }
