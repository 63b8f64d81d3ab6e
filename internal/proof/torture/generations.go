package torture

import (
	"fmt"
	"math/rand/v2"

	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/memfs"
)

// Generations uses one directory through n crashes: what survives each is judged and is what the next life begins with.
// Some lives end inside their recovery.
func (m Mix) Generations(seed uint64, n int) (Tally, error) {
	d := &differential{mix: &m, r: rand.New(rand.NewPCG(seed, 2)), fs: memfs.New(), crashInRecovery: true}
	m.Options.Random = counter()
	m.Options.FS = d.fs
	d.Session = NewSession(m.Options, new(oracle.History))
	if err := d.Open(); err != nil {
		return d.tally, err
	}
	defer d.Abandon()
	defer d.dropReaders()
	for generation := range n {
		life := d.fs
		d.setCrash(150)
		for d.fs == life {
			d.tally.Operations++
			if err := d.step(); err != nil {
				return d.tally, fmt.Errorf("generation %d, operation %d: %w (before: %s)", generation,
					d.tally.Operations, err, d.recent)
			}
		}
	}
	return d.tally, nil
}
