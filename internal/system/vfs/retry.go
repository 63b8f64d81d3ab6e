package vfs

import "time"

// What another program holds for a moment, as virus scanners do on Windows, is asked for again: for openRetryLimit where
// nothing can go on without it, for removeRetryLimit where somebody tries again anyhow.
const (
	openRetryLimit   = 2 * time.Second
	removeRetryLimit = 250 * time.Millisecond

	firstPause   = time.Millisecond // doubled each time
	longestPause = 100 * time.Millisecond
)

// retryPolicy is how long what passes soon is waited for.
type retryPolicy struct {
	limit     time.Duration
	transient func(error) bool // whether an error is of the kind that passes soon
	sleep     func(time.Duration)
}

// retry calls do again while it fails in a way that passes soon on this platform.
func retry(limit time.Duration, do func() error) error {
	return retryPolicy{limit, transient, time.Sleep}.call(do)
}

// call calls do, at most about limit long, until it succeeds or fails for good. It returns its last error.
func (p retryPolicy) call(do func() error) error {
	for waited, pause := time.Duration(0), firstPause; ; pause = min(2*pause, longestPause) {
		err := do()
		if err == nil || !p.transient(err) || waited+pause > p.limit {
			return err
		}
		p.sleep(pause)
		waited += pause
	}
}
