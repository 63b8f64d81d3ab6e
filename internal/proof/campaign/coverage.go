package campaign

import "sync"

// coverage knows which of the places in workloads, changes or calls of the directory, a level has come to. It is safe
// for concurrent use.
type coverage struct {
	mu   sync.Mutex
	runs map[string]*covered
}

// covered is what was hit of one workload.
type covered struct {
	places int
	hit    map[int]bool
}

// add notes how many places the workload has, and that one in stride of them from offset on was hit.
func (c *coverage) add(workload string, places, offset, stride int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = make(map[string]*covered)
	}
	if c.runs[workload] == nil {
		c.runs[workload] = &covered{hit: make(map[int]bool)}
	}
	w := c.runs[workload]
	w.places = max(w.places, places)
	for n := offset; n < places; n += stride {
		w.hit[n] = true
	}
}

// total is the number of places in all workloads seen so far, and the percentage that was hit.
func (c *coverage) total() (places int, percent float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hit := 0
	for _, w := range c.runs {
		places += w.places
		hit += len(w.hit)
	}
	return places, percentage(hit, places)
}

// percentage of n in all, with one digit behind the point.
func percentage(n, all int) float64 { return float64(n*1000/max(all, 1)) / 10 }
