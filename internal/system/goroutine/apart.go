package goroutine

import (
	"errors"
	"iter"
)

// errEnded is what comes up in place of the end of a goroutine.
var errEnded = errors.New("goroutine: it was ended")

// Apart calls do in a goroutine of its own and waits for it. It reports false if do ended that goroutine instead of
// returning, which runtime.Goexit does: the caller goes on. A panic in do goes on in the caller.
//
// The goroutine is a coroutine of package iter, to which the caller switches without the scheduler: that takes a
// tenth of the time of a go statement and a channel on a busy machine. iter.Pull would end the caller with it, but
// lets panics come up.
func Apart(do func()) (returned bool) {
	defer func() {
		if p := recover(); p != nil && p != errEnded {
			panic(p)
		}
	}()
	next, _ := iter.Pull(func(func(struct{}) bool) {
		defer func() {
			if !returned {
				if p := recover(); p != nil {
					panic(p)
				}
				panic(errEnded)
			}
		}()
		do()
		returned = true
	})
	next()
	return returned
}
