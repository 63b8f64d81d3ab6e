package disk

import "lightningdb/metrics"

// State returns the state of this moment; of a nil Disk that of no limit.
func (d *Disk) State() metrics.Disk {
	if d == nil {
		return metrics.Disk{}
	}
	s := metrics.Disk{Limit: d.bounds.Limit, Refused: d.refused.Load()}
	if !d.quota.Spent() {
		s.Reserve = d.bounds.Reserve
	}
	d.mu.Lock()
	room := d.lookLocked() - d.admitted.Load()
	d.mu.Unlock()
	switch {
	case d.full():
		s.Refusing = "the disk is full"
	case d.waiting.Load() > 0:
		s.Refusing = "waiting for space to return"
	case room <= 0:
		s.Refusing = "the limit is reached"
	}
	return s
}
