package crew

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb"
)

// A load that fails would pass for one that has had its time, or go on for ever.
func TestCrew_endsWithItsTimeOrItsFirstFailure(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		err  error
		want error
		took time.Duration
	}{
		{"time", nil, nil, 63 * time.Second},
		{"what is not there", lightningdb.ErrNotFound, nil, 63 * time.Second},
		{"a failure", broken, broken, 7 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				crew := New(time.Minute)
				for range 3 {
					crew.Repeat(func(*rand.Rand) error {
						time.Sleep(7 * time.Second)
						return c.err
					})
				}
				if err := crew.Wait(); err != c.want || time.Since(start) != c.took {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(start), c.want, c.took)
				}
			})
		})
	}
}
