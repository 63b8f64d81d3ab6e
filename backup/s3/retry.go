package s3

import (
	"context"
	"math/rand/v2"
	"time"

	"lightningdb/internal/system/calls"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 8 * time.Second
)

// request is one that may be made several times.
type request struct {
	bytes int64                           // it moves
	slow  bool                            // the server may take its time
	once  bool                            // it is not made again if it may have been done
	do    func(ctx context.Context) error // one try
}

// try makes a request until it is done or there is no use in going on. The error is that of the last try.
func (b *Bucket) try(ctx context.Context, r request) error {
	term := b.timeout + time.Duration(r.bytes/b.slowest)*time.Second
	if r.slow {
		term = max(term, b.slowTerm)
	}
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := b.once(ctx, term, r.do)
		switch judge(err) {
		case done, final:
			return err
		case unknown:
			if r.once {
				return err
			}
		case refused:
		}
		if n >= b.attempts {
			return err
		}
		if err := calls.Sleep(ctx, b.pauseAfter(n)); err != nil {
			return err
		}
	}
}

// once makes one try.
func (b *Bucket) once(ctx context.Context, term time.Duration, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, term)
	defer cancel()
	return do(ctx)
}

// pauseAfter is how long to wait after the nth try: each time about twice as long, and never the same as others do.
func (b *Bucket) pauseAfter(n int) time.Duration {
	pause := min(b.pause<<min(n-1, 20), maxPause)
	return pause/2 + rand.N(pause/2+1)
}
