//go:build linux || darwin || freebsd || openbsd || windows

package vfs

import "time"

// Another program, such as a virus scanner on Windows, may hold a file for a moment. What fails for that reason is
// tried again: for openRetryLimit where nothing can go on without it, and for removeRetryLimit where the caller
// tries again later.
const (
	openRetryLimit   = 2 * time.Second
	removeRetryLimit = 250 * time.Millisecond

	firstPause   = time.Millisecond // doubled after each attempt
	longestPause = 100 * time.Millisecond
)

// retryPolicy says how long and for which errors to try again.
type retryPolicy struct {
	limit     time.Duration
	transient func(error) bool // whether an error may pass by itself
	sleep     func(time.Duration)
}

// retry calls do until it succeeds, fails with an error that is not transient on this platform, or the limit is
// reached.
func retry(limit time.Duration, do func() error) error {
	return retryPolicy{limit, transient, time.Sleep}.call(do)
}

// call calls do until it succeeds or fails for good, for at most about limit. It returns the last error of do.
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
