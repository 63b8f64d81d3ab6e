package torture

import "fmt"

// Generations uses one directory through n crashes: what survives each is judged and is what the next life begins with.
// Some lives end inside their recovery.
func (m Mix) Generations(seed uint64, n int) (tally Tally, err error) {
	d := newDifferential(&m, seed, 2)
	d.crashInRecovery = true
	if err := d.Open(); err != nil {
		return d.tally, err
	}
	defer func() { tally.Values = d.values.stats() }()
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
