package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/latency"
)

// batchKeys is the most keys of a commit that Put or Remove make.
const batchKeys = 20

// Writer commits to a database and enters into its ledger what it was told. Nobody else writes its keys.
type Writer struct {
	*Ledger
	DB    *lightningdb.DB
	Key   func(key uint64) []byte
	Value func(key uint64, version uint32) []byte

	Puts, Deletes latency.Histogram // how long commits that add waited, and those that only delete
	Refused       int               // commits
	Changed       int               // refused ones that changed something all the same: must be 0

	batch   lightningdb.Batch
	version uint32 // the last that it has made of any key
}

// Commit commits changes. Refused is the error of a commit that found no space, which is not there then; any other
// failure is err.
func (w *Writer) Commit(changes []Change) (refused, err error) {
	if err := w.Begin(changes); err != nil {
		return nil, err
	}
	w.batch.Reset()
	waits := &w.Deletes
	for _, c := range changes {
		if c.Version == 0 {
			w.batch.Delete(w.Key(c.Key))
			continue
		}
		w.batch.Put(w.Key(c.Key), w.Value(c.Key, c.Version))
		waits = &w.Puts
	}
	start := time.Now()
	refused = w.DB.Write(&w.batch)
	waits.Add(time.Since(start))
	if refused == nil {
		return nil, w.End(true)
	}
	if !isRefusal(refused) {
		return nil, fmt.Errorf("a commit that is neither acknowledged nor refused: %w", refused)
	}
	w.Refused++
	if err := w.End(false); err != nil {
		return refused, err
	}
	asBefore, err := w.Holds(changes[0].Key)
	if err == nil && !asBefore {
		w.Changed++
	}
	return refused, err
}

// Put commits a version of one key or of some: of a hundred, news are new keys, and the rest others at random.
func (w *Writer) Put(rng *rand.Rand, news int) (refused, err error) {
	var changes []Change
	next := w.Next()
	for range 1 + rng.IntN(batchKeys)*rng.IntN(2) {
		key := next
		if next > 0 && rng.IntN(100) >= news {
			key = rng.Uint64N(next)
		} else {
			next++
		}
		w.version++
		if !slices.ContainsFunc(changes, func(c Change) bool { return c.Key == key }) {
			changes = append(changes, Change{key, w.version})
		}
	}
	return w.Commit(changes)
}

// Remove deletes the first of every few keys, from one on, until most of them are deleted. The first refusal ends it.
func (w *Writer) Remove(first, every uint64, most int) (removed int, refused, err error) {
	for n := first; n < w.Next() && removed < most; {
		var changes []Change
		for ; n < w.Next() && len(changes) < min(batchKeys, most-removed); n += every {
			if w.Version(n) != 0 {
				changes = append(changes, Change{Key: n})
			}
		}
		if len(changes) == 0 {
			break
		}
		if refused, err := w.Commit(changes); refused != nil || err != nil {
			return removed, refused, err
		}
		removed += len(changes)
	}
	return removed, nil, nil
}

// isRefusal reports whether err says that a commit found no space, and that it is not there.
func isRefusal(err error) bool {
	return errors.Is(err, lightningdb.ErrNoSpace) && !errors.Is(err, lightningdb.ErrReadOnly) &&
		!errors.Is(err, lightningdb.ErrCommitUnknown)
}

// Settle goes on where another process has left the ledger: it finds out what became of the commit in progress. One
// that is there in part counts as refused, which Compare contradicts.
func (w *Writer) Settle() error {
	there := 0
	for _, c := range w.Pending() {
		ok, err := w.holds(c)
		if err != nil {
			return err
		}
		if ok {
			there++
		}
	}
	for key := range w.Next() {
		w.version = max(w.version, w.Version(key))
	}
	for _, c := range w.Pending() {
		w.version = max(w.version, c.Version)
	}
	return w.End(there > 0 && there == len(w.Pending()))
}

// Holds reports whether the database has of a key what was acknowledged last.
func (w *Writer) Holds(key uint64) (bool, error) { return w.holds(Change{key, w.Version(key)}) }

func (w *Writer) holds(c Change) (bool, error) {
	got, err := w.DB.Get(w.Key(c.Key))
	switch {
	case errors.Is(err, lightningdb.ErrNotFound):
		return c.Version == 0, nil
	case err != nil:
		return false, fmt.Errorf("read key %d: %w", c.Key, err)
	}
	return c.Version != 0 && bytes.Equal(got, w.Value(c.Key, c.Version)), nil
}

// Compare reads all keys that were ever acknowledged, and returns how many are not as they should be, and how many are
// there.
func (w *Writer) Compare() (wrong, there int64, err error) {
	for key := range w.Next() {
		ok, err := w.Holds(key)
		if err != nil {
			return wrong, there, err
		}
		if !ok {
			wrong++
		}
		if w.Version(key) != 0 {
			there++
		}
	}
	return wrong, there, nil
}
