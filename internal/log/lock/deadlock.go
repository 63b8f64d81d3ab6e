package lock

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lightningdb/internal/format/space"
)

// maxKeyBytes bounds how many bytes of a key the text of an error shows.
const maxKeyBytes = 32

var (
	// ErrDeadlock matches every *DeadlockError by errors.Is.
	ErrDeadlock = errors.New("deadlock")

	// ErrNested refuses a wait that could end only if the waiting goroutine went on: an inner transaction wants what
	// the outer one of the same goroutine holds.
	ErrNested = errors.New("a transaction waits for one of its own goroutine")
)

// DeadlockError says that transactions waited for each other in a circle, which was broken at the transaction that
// got this error. It must release its locks before the others can go on.
type DeadlockError struct {
	Cycle []Link // begins with the wait of the owner of the error; each holder is the next waiter, or in its goroutine
}

func (e *DeadlockError) Error() string { return "deadlock: " + describe(e.Cycle) }

// Is makes errors.Is(err, ErrDeadlock) hold.
func (e *DeadlockError) Is(target error) bool { return target == ErrDeadlock }

// Obstacle is the kind of thing that a transaction waits for.
type Obstacle int

const (
	// KeyLock is a key that the holder has locked.
	KeyLock Obstacle = iota
	// ProtectedRange is a range around the key that the holder protects.
	ProtectedRange
	// Priority is the priority that the holder has; there is no key.
	Priority
)

// Link says that one transaction waits for another. The table numbers transactions from 1, in the order of their
// first calls.
type Link struct {
	Waiter   uint64
	Obstacle Obstacle
	Key      []byte // the whole key that Waiter wants; nil for Priority
	Holder   uint64
}

func (l Link) String() string {
	switch l.Obstacle {
	case ProtectedRange:
		return fmt.Sprintf("%d waits for key %s in a range protected by %d", l.Waiter, quote(l.Key), l.Holder)
	case Priority:
		return fmt.Sprintf("%d waits for the priority of %d", l.Waiter, l.Holder)
	}
	return fmt.Sprintf("%d waits for key %s held by %d", l.Waiter, quote(l.Key), l.Holder)
}

// quote returns the beginning of key, in quotes.
func quote(key []byte) string {
	if len(key) > maxKeyBytes {
		return fmt.Sprintf("%q...", key[:maxKeyBytes])
	}
	return fmt.Sprintf("%q", key)
}

// describe puts a chain of links into words.
func describe(links []Link) string {
	var b strings.Builder
	b.WriteString("transaction ")
	for i, l := range links {
		if i > 0 {
			b.WriteString(", ")
			if last := links[i-1].Holder; last != l.Waiter {
				fmt.Fprintf(&b, "%d is in the goroutine of %d, ", last, l.Waiter)
			}
		}
		b.WriteString(l.String())
	}
	return b.String()
}

// step is a Link that has not been put into words yet.
type step struct {
	wait     *wait
	obstacle Obstacle
	holder   *Owner
}

func (s step) link() Link {
	l := Link{Waiter: s.wait.owner.number, Obstacle: s.obstacle, Holder: s.holder.number}
	if s.obstacle != Priority {
		l.Key = space.Shown([]byte(s.wait.lock.key))
	}
	return l
}

// breakCycleLocked looks whether w, which was just put in line, closes a cycle. Nothing else can close one: an owner
// that takes a lock or protects a range is running, and a lock is handed to an owner that everybody behind it waits
// for already.
//
// The returned error is for w's owner. If that has priority, the wait that holds it up is ended with an error
// instead. There is only one such wait, and all cycles go through it: a lock has one holder, and only w's owner
// protects ranges.
func (t *Table) breakCycleLocked(w *wait) error {
	t.searches++
	cycle := t.pathLocked(w, w.owner)
	if cycle == nil {
		return nil
	}
	slices.Reverse(cycle)
	nested := cycle[len(cycle)-1].holder != w.owner
	if w.owner != t.priority.holder || nested {
		return failure(cycle)
	}
	victim := cycle[1].wait
	t.endWaitLocked(victim, failure(append(cycle[1:], cycle[0])))
	return nil
}

// pathLocked returns the steps from w to an owner that cannot run before to does, last step first, or nil if there
// is no such path. It visits each wait once.
func (t *Table) pathLocked(w *wait, to *Owner) []step {
	w.searched = t.searches
	for _, s := range t.stepsLocked(w) {
		if s.holder == nil || s.holder == w.owner {
			continue
		}
		if s.holder.sharesGoroutine(to) {
			return []step{s}
		}
		next := t.stuckLocked(s.holder)
		if next == nil || next.searched == t.searches {
			continue
		}
		if path := t.pathLocked(next, to); path != nil {
			return append(path, s)
		}
	}
	return nil
}

// stepsLocked returns whom w waits for: the holder of its lock and the protector of its key. Either may be nil, or
// w's own owner.
func (t *Table) stepsLocked(w *wait) [2]step {
	held := step{wait: w, obstacle: KeyLock, holder: w.lock.holder}
	if w.lock == &t.priority {
		held.obstacle = Priority
	}
	return [2]step{held, {wait: w, obstacle: ProtectedRange, holder: t.protectorLocked(w.lock)}}
}

// failure returns the error for the owner of the first step of a cycle. If the cycle leads back not to that owner
// but to another one of its goroutine, beginning again would not help.
func failure(cycle []step) error {
	links := make([]Link, len(cycle))
	for i, s := range cycle {
		links[i] = s.link()
	}
	if cycle[len(cycle)-1].holder != cycle[0].wait.owner {
		return fmt.Errorf("%w: %s", ErrNested, describe(links))
	}
	return &DeadlockError{Cycle: links}
}
