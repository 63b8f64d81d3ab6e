package transaction

import (
	"errors"
	"sync"

	"lightningdb/internal/format/operand"
)

// Walks remembers the errors of the loops and cursors of a transaction, because a program may forget to ask for
// them, and a loop that ended early has not shown everything. An ErrMerge is an answer about one key, and counts no
// more once the program has asked for it.
type Walks struct {
	first   error // the first that is no ErrMerge
	merge   error // the first ErrMerge
	unasked int   // the number of ErrMerge that the program has not asked for
}

// Note hears of an error.
func (w *Walks) Note(err error) {
	switch {
	case errors.Is(err, operand.ErrMerge):
		w.unasked++
		if w.merge == nil {
			w.merge = err
		}
	case w.first == nil:
		w.first = err
	}
}

// Told hears that the program has asked for an error.
func (w *Walks) Told(err error) {
	if errors.Is(err, operand.ErrMerge) {
		w.unasked--
	}
}

// Err is why the program has not seen everything; nil if it has, as far as is known.
func (w *Walks) Err() error {
	if w.first == nil && w.unasked > 0 {
		return w.merge
	}
	return w.first
}

// SharedWalks is Walks that any number of goroutines may tell.
type SharedWalks struct {
	mu    sync.Mutex
	walks Walks
}

// Note is that of Walks, like Told and Err.
func (w *SharedWalks) Note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.walks.Note(err)
}

// Told is that of Walks.
func (w *SharedWalks) Told(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.walks.Told(err)
}

// Err is that of Walks.
func (w *SharedWalks) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.walks.Err()
}

// Renew forgets what it was told.
func (w *SharedWalks) Renew() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.walks = Walks{}
}
