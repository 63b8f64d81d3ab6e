package torture

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
)

// A defect of the writer, or an attacker, would crash a program, fill its memory, or pass for data: every number, key
// and record of a database is made impossible under right checksums.
func TestCraft_impossibleContentUnderRightChecksums(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 8))
	p := newPace(15 * time.Second)
	var total DamageStats
	for _, clean := range []bool{true, false} {
		v, err := NewVictim(512, codec.None, clean)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCrafter(v)
		if err != nil {
			t.Fatal(err)
		}
		crafts := c.Crafts()
		var stats DamageStats
		for i, craft := range crafts {
			if !*full && r.IntN(16*slowdown) > 0 || p.late() && r.IntN(thinned) > 0 {
				continue
			}
			if err := c.Try(&stats, craft); err != nil {
				t.Errorf("-seed %d, %s, craft %d, %s: %v", seed, v.Name, i, craft.What, err)
			}
		}
		t.Logf("%s: %d crafts: %v", v.Name, len(crafts), stats)
		total.Add(stats)
	}
	if total.AtOpen == 0 || total.AtVerify == 0 || total.Plausible+total.Harmless == 0 {
		t.Errorf("%v: the test tests nothing", total)
	}
	if total.PeakAllocate > maxAllocate {
		t.Errorf("a crafted database made Open allocate %d bytes", total.PeakAllocate)
	}
}

// The other tests of crafted files would test checksums only.
func TestCraft_sealingAnUnchangedDatabaseChangesNothing(t *testing.T) {
	for _, clean := range []bool{true, false} {
		v, err := NewVictim(512, codec.None, clean)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCrafter(v)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range c.takeApart().seal() {
			want := c.files[name]
			if kind, _ := filename.Parse(name); kind == filename.Log { // behind the records may be zeros that wait for more
				want = append(want[:len(data):len(data)], bytes.TrimRight(want[len(data):], "\x00")...)
			}
			if string(want) != string(data) {
				t.Errorf("%s differs: %d bytes instead of %d", name, len(data), len(want))
			}
		}
	}
}
