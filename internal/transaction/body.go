package transaction

import "sync"

// Body is what a transaction is made of: one that may write, or one that only reads.
type Body struct {
	Writer *Tx      // nil if it only reads
	Reader *Reading // used by a Use; nil if it may write
}

// Note is that of Walks, like Told.
func (b Body) Note(u *Use, err error) {
	if b.Writer == nil {
		b.Reader.Note(u, err)
	} else {
		b.Writer.Note(err)
	}
}

// Told is that of Walks.
func (b Body) Told(u *Use, err error) {
	if b.Writer == nil {
		b.Reader.Told(u, err)
	} else {
		b.Writer.Told(err)
	}
}

// Leave hears that the owner of an iterator knows it no more.
func (b Body) Leave() {
	if b.Writer == nil {
		b.Reader.Leave()
	}
}

// Spare keeps the bodies, of type B, of transactions of one Holder that have ended, for later ones.
type Spare[B any] struct {
	Holder
	bodies *sync.Pool // apart, because the runtime knows it for longer than the database is open
}

// NewSpare returns one for h that keeps nothing yet.
func NewSpare[B any](h Holder) Spare[B] { return Spare[B]{Holder: h, bodies: new(sync.Pool)} }

// Get returns a body that nobody has, or nil.
func (s Spare[B]) Get() *B {
	b, _ := s.bodies.Get().(*B)
	return b
}

// Put keeps b, unless its database is closed.
func (s Spare[B]) Put(b *B) {
	if !s.Closed() {
		s.bodies.Put(b)
	}
}

// Forget forgets the bodies once the database is closed, because they know its tree.
func (s Spare[B]) Forget() {
	for s.bodies.Get() != nil {
	}
}

// slabLength is of how many a Slab takes memory at once.
const slabLength = 64

// Slab hands out small pieces of memory, which it takes many at once: whoever takes some may have to wait for the
// garbage collector, and of a thousand goroutines that do so all the time a few always wait. The zero value is ready.
type Slab[T any] struct{ left []T }

// New returns a zero T. Its memory is free when all that was taken with it is.
func (s *Slab[T]) New() *T {
	if len(s.left) == 0 {
		s.left = make([]T, slabLength)
	}
	first := &s.left[0]
	s.left = s.left[1:]
	return first
}
