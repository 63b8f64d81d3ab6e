//go:build linux || darwin || freebsd || openbsd || windows

package vfs

import (
	"errors"
	"testing"
	"time"
)

// A virus scanner that holds a file for 100 ms would stop the database, or make it fail to open. One that never
// closes the file, or an error of another kind, would hang it.
func TestRetry_waitsForWhatPassesAndNotForEver(t *testing.T) {
	held, broken := errors.New("held by another program"), errors.New("broken")
	for name, c := range map[string]struct {
		limit, heldFor time.Duration
		then, want     error
	}{
		"free":                        {openRetryLimit, 0, nil, nil},
		"held for 100 ms":             {openRetryLimit, 100 * time.Millisecond, nil, nil},
		"held for 100 ms, to remove":  {removeRetryLimit, 100 * time.Millisecond, nil, nil},
		"held for 1.9 s":              {openRetryLimit, 1900 * time.Millisecond, nil, nil},
		"held for ever":               {openRetryLimit, time.Hour, nil, held},
		"held for ever, to remove":    {removeRetryLimit, time.Hour, nil, held},
		"broken":                      {openRetryLimit, 0, broken, broken},
		"held, and broken after that": {openRetryLimit, 50 * time.Millisecond, broken, broken},
	} {
		t.Run(name, func(t *testing.T) {
			var now time.Duration
			p := retryPolicy{c.limit, func(err error) bool { return errors.Is(err, held) }, func(d time.Duration) { now += d }}
			calls := 0
			err := p.call(func() error {
				calls++
				if now < c.heldFor {
					return held
				}
				return c.then
			})
			if !errors.Is(err, c.want) || err != nil && c.want == nil {
				t.Errorf("after %v: %v, want %v", now, err, c.want)
			}
			if now > c.limit || calls > 50 {
				t.Errorf("it took %v and %d calls, with a limit of %v", now, calls, c.limit)
			}
			if now > c.heldFor+longestPause {
				t.Errorf("it took %v, though free after %v", now, c.heldFor)
			}
		})
	}
}
