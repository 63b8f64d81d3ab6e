package calls

// Waker wakes one goroutine, which receives from it. A wake-up that is pending already is enough. NewWaker makes one.
type Waker chan struct{}

// NewWaker returns a waker by which nobody was woken yet.
func NewWaker() Waker { return make(Waker, 1) }

// Wake has the goroutine go on, now or as soon as it waits again. It never waits.
func (w Waker) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}
