package vfs

import "time"

// What another program holds for a moment, as virus scanners do on Windows, is asked for again: for openPatience where
// nothing can go on without it, for removePatience where somebody tries again anyhow.
const (
	openPatience   = 2 * time.Second
	removePatience = 250 * time.Millisecond

	firstPause   = time.Millisecond // doubled each time
	longestPause = 100 * time.Millisecond
)

// patience is how long what passes soon is waited for.
type patience struct {
	limit  time.Duration
	passes func(error) bool // whether an error is of the kind that passes soon
	sleep  func(time.Duration)
}

// patiently calls do again while it fails in a way that passes soon on this platform.
func patiently(limit time.Duration, do func() error) error {
	return patience{limit, passesSoon, time.Sleep}.call(do)
}

// call calls do, at most about limit long, until it succeeds or fails for good. It returns its last error.
func (p patience) call(do func() error) error {
	for waited, pause := time.Duration(0), firstPause; ; pause = min(2*pause, longestPause) {
		err := do()
		if err == nil || !p.passes(err) || waited+pause > p.limit {
			return err
		}
		p.sleep(pause)
		waited += pause
	}
}
