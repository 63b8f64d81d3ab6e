package merge

import (
	"bytes"
	"errors"
	"sync/atomic"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/latency"
	"lightningdb/internal/tree/gap"
	"lightningdb/internal/tree/visible"
)

// Visible walks the user keys that a snapshot sees, with their values. The newest version of a user key that is not
// newer than the snapshot decides: a tombstone hides the key, and a merge operand is folded with the operands below
// it onto the first put or tombstone further down. The zero value must be Reset before use. It allocates nothing per
// step once its buffers have grown.
//
// Its moves and its position follow the rules of Iterator, with user keys in place of internal ones and within
// bounds: keys below the lower or not below the upper bound do not exist for it, and it reads at most one entry of
// each source beyond them.
//
// Key and Value are borrowed until the next move, Reset or Close.
//
// # How it moves
//
// Versions of a user key come newest first. Going forward, the first version that the snapshot may see decides, and
// the input stays at it. Going backward, the versions come oldest first and the last one that the snapshot may see
// decides, which shows only when the input has gone past it; so key and value are copied on the way.
//
//	resting      input
//	forward      at the current entry
//	backward     somewhere before the current entry, past the versions that decided; the current entry is in key, value
//	folded       at a version of the current entry that is older than its operands, or past all of its versions; the
//	             current entry is in key, value
//	inNextBatch  at the last entry of the batch that holds the current entry; key is the last user key that the batch
//	             decided
//	inPrevBatch  the same backward; at a version that is still to be decided, or too new
//
// The first step after a seek takes a batch of entries from the input and drops from it what the snapshot does not
// see; further steps only count. A seek alone, and what is not handed out in batches, goes entry by entry.
//
// Operands are always collected forward, newest first, down to the put or tombstone below them; going backward, the
// input turns round for that. Each is copied once. If they cannot be folded, that is an error of Value, not of the
// move.
//
// A user key with very many versions is not stepped through: after maxSteps of them a seek skips the rest. Nor are
// long rows of user keys of which the snapshot sees nothing, where a gap is known: see package gap.
type Visible struct {
	Rules operand.Rules // how operands are folded; set it before a move
	Walk  gap.Walk      // follows the keys that the snapshot does not see; its Known may be set before a move
	Stop  *atomic.Bool  // once set, a move fails instead of passing over further entries; nil for never

	Clock clock.Monotonic    // measures steps
	Times *latency.Histogram // how long they took; see StepsPerTimed. nil if nobody wants to know

	input   Iterator
	reader  visible.Reader
	lower   []byte // first user key inside; nil if unbounded. Borrowed
	upper   []byte // first user key beyond; nil if unbounded. Borrowed
	resting position
	key     []byte // owned, not nil; the current key when resting backward or folded, otherwise the key being passed
	value   []byte // owned; the current value unless resting forward
	err     error

	batch []Entry // what the snapshot sees of a batch of the input, in the order of the walk; part of room
	at    int     // index of the current entry in batch
	reach int     // how many entries the next batch may have; 0 before the first step
	steps uint32  // so far, beyond batches; Reset leaves it
	taken int     // entries of room that were ever used
	room  [maxBatchEntries]Entry

	ended    bool          // what take was last asked about has ended
	operands operand.Chain // those of one user key
	foldErr  error         // why there is no value when resting folded
}

// position says where the input of a Visible is in relation to the current entry.
type position uint8

const (
	nowhere     position = iota // there is no current entry
	forward                     // input is at the current entry
	backward                    // input is before the current entry, which is held in key and value
	folded                      // input is at an older version or behind them; key and value are held
	inNextBatch                 // input is at the end of a batch forward, which holds the current entry
	inPrevBatch                 // input is at the end of a batch backward, which holds the current entry
)

// minBatchEntries is the most entries of the first batch, maxBatchEntries of those after it: a short scan does not
// pay for entries that it never reaches, a long one takes the rest of a leaf at once.
const (
	minBatchEntries = 16
	maxBatchEntries = 64
)

// maxSteps is how many versions of one user key are stepped over before a seek is taken to be cheaper.
const maxSteps = 16

// maxKeptBytes is the largest value buffer that survives Close.
const maxKeptBytes = 1 << 20

// Reset makes v show what reader sees of input within [lower, upper), nil meaning no bound. v owns
// input and borrows the bounds until Close or the next Reset. The position is at none.
func (v *Visible) Reset(input Iterator, reader visible.Reader, lower, upper []byte) {
	v.input, v.reader, v.lower, v.upper = input, reader, lower, upper
	if v.key == nil {
		v.key = []byte{} // the empty key is not nil
	}
	v.leave()
}

// First moves to the first visible key.
func (v *Visible) First() bool {
	if v.lower != nil {
		return v.SeekGE(v.lower)
	}
	v.leave()
	v.input.First()
	return v.findForward()
}

// Last moves to the last visible key.
func (v *Visible) Last() bool {
	v.leave()
	if v.upper == nil {
		v.input.Last()
	} else {
		v.input.SeekLT(key.SeekTo(v.upper, key.MaxSeqNum))
	}
	return v.findBackward()
}

// SeekGE moves to the first visible key at or after user.
func (v *Visible) SeekGE(user []byte) bool {
	v.leave()
	if v.lower != nil && bytes.Compare(user, v.lower) < 0 {
		user = v.lower
	}
	if v.beyond(user) {
		return false
	}
	v.input.SeekGE(key.SeekTo(user, v.reader.Seq))
	return v.findForward()
}

// SeekLT moves to the last visible key before user.
func (v *Visible) SeekLT(user []byte) bool {
	v.leave()
	if v.beyond(user) {
		user = v.upper
	}
	if v.lower != nil && bytes.Compare(user, v.lower) <= 0 {
		return false
	}
	v.input.SeekLT(key.SeekTo(user, key.MaxSeqNum))
	return v.findBackward()
}

// Next moves to the next visible key.
func (v *Visible) Next() bool {
	if v.resting == inNextBatch && v.at+1 < len(v.batch) {
		v.at++
		return true
	}
	if !v.isTimed() {
		return v.advance()
	}
	start := v.Clock.Now()
	ok := v.advance()
	v.Times.Add(v.Clock.Now().Since(start), StepsPerTimed)
	return ok
}

// StepsPerTimed is the number of steps to entries that are not at hand of which one is timed.
const StepsPerTimed = 16

// isTimed counts a step, and reports whether it is to be timed.
func (v *Visible) isTimed() bool {
	v.steps++
	return v.steps%StepsPerTimed == 0 && v.Times != nil
}

// advance is Next where that is more than a step within a batch.
func (v *Visible) advance() bool {
	if v.reach == 0 {
		v.reach = minBatchEntries
	}
	switch v.resting {
	case forward:
		if !v.takeNextBatch() {
			v.hold(v.input.Key().User)
		} else if len(v.batch) > 1 { // the first is the current entry
			v.resting, v.at = inNextBatch, 1
			return true
		}
		v.passDecided()
	case inNextBatch:
		v.passDecided()
	case backward:
		v.input.SeekGE(afterVersions(v.key))
	case inPrevBatch:
		if v.at > 0 {
			v.at--
			return true
		}
		v.hold(v.batch[0].Key.User)
		v.input.SeekGE(afterVersions(v.key))
	case folded:
		v.passOlder()
	default:
		return false
	}
	v.resting = nowhere
	return v.findForward()
}

// Prev moves to the previous visible key.
func (v *Visible) Prev() bool {
	if v.resting == inPrevBatch && v.at+1 < len(v.batch) {
		v.at++
		return true
	}
	if !v.isTimed() {
		return v.retreat()
	}
	start := v.Clock.Now()
	ok := v.retreat()
	v.Times.Add(v.Clock.Now().Since(start), StepsPerTimed)
	return ok
}

// retreat is Prev where that is more than a step within a batch.
func (v *Visible) retreat() bool {
	if v.reach == 0 {
		v.reach = minBatchEntries
	}
	switch v.resting {
	case forward:
		v.hold(v.input.Key().User)
		v.input.SeekLT(key.SeekTo(v.key, key.MaxSeqNum))
	case inNextBatch:
		if v.at > 0 {
			v.at--
			return true
		}
		v.hold(v.batch[0].Key.User)
		v.input.SeekLT(key.SeekTo(v.key, key.MaxSeqNum))
	case backward:
		v.passNewer()
	case inPrevBatch: // input is where the walk goes on
	case folded:
		v.input.SeekLT(key.SeekTo(v.key, key.MaxSeqNum))
	default:
		return false
	}
	v.resting = nowhere
	return v.findBackward()
}

// NextBatch returns the current entry and those that Next will reach, as far as they are in memory: none or many.
// They are borrowed as Key and Value are.
func (v *Visible) NextBatch() []Entry {
	if v.resting != inNextBatch {
		return nil
	}
	return v.batch[v.at:]
}

// PrevBatch returns the current entry and those that Prev will reach, as far as they are in memory.
func (v *Visible) PrevBatch() []Entry {
	if v.resting != inPrevBatch {
		return nil
	}
	return v.batch[v.at:]
}

// Expect says that at most n more entries are wanted, so that no more are taken; a negative n says nothing. One more
// than n is taken: forward the first may be the current one, and backward the last decides nothing.
func (v *Visible) Expect(n int) {
	if n >= 0 {
		v.reach = min(n+1, maxBatchEntries)
	}
}

// Skip moves to entry n of what NextBatch or PrevBatch has just returned.
func (v *Visible) Skip(n int) { v.at += n }

// Valid reports whether v is at a key.
func (v *Visible) Valid() bool { return v.resting != nowhere }

// Key is the current user key.
func (v *Visible) Key() []byte {
	switch v.resting {
	case inNextBatch, inPrevBatch:
		return v.batch[v.at].Key.User
	case forward:
		return v.input.Key().User
	}
	return v.key
}

// Value is the current value. The error is that of reading it, or an operand.ErrMerge.
func (v *Visible) Value() ([]byte, error) {
	switch v.resting {
	case inNextBatch, inPrevBatch:
		return v.batch[v.at].Value, nil
	case forward:
		return v.inputValue()
	case folded:
		return v.value, v.foldErr
	}
	return v.value, nil
}

// inputValue is the value of the entry that input is at, without its end.
func (v *Visible) inputValue() ([]byte, error) {
	value, err := v.input.Value()
	if v.input.Key().Trailer.Kind() == key.KindPutUntil {
		_, value = key.SplitEnd(value)
	}
	return value, err
}

// Err says why v is at none, if it has not reached an end. An entry of a kind that this program does not know is a
// *corrupt.Error.
func (v *Visible) Err() error { return v.err }

// Close closes the input. v keeps its buffers, unless they are large, and may be Reset.
func (v *Visible) Close() error {
	input := v.input
	v.leave()
	v.input, v.lower, v.upper = nil, nil, nil
	clear(v.room[:v.taken])
	v.taken = 0
	if cap(v.value) > maxKeptBytes {
		v.value = nil
	}
	v.operands.Reset()
	return input.Close()
}

// leave forgets position and error.
func (v *Visible) leave() { v.resting, v.batch, v.reach, v.err = nowhere, nil, 0, nil }

// beyond reports whether user is at or after the upper bound.
func (v *Visible) beyond(user []byte) bool {
	return v.upper != nil && bytes.Compare(user, v.upper) >= 0
}

// hold copies user into v.key.
func (v *Visible) hold(user []byte) { v.key = append(v.key[:0], user...) }

// afterVersions is the internal key that sorts after every version of user. No operation has sequence number 0.
func afterVersions(user []byte) key.Internal { return key.Make(user, 0, key.KindDelete) }

// end settles v at none because input ran out of entries or failed.
func (v *Visible) end() bool {
	if v.err = v.input.Err(); v.err == nil {
		v.Walk.End()
	}
	return false
}

// errStopped is why there is no entry where Stop was set.
var errStopped = errors.New("merge: the walk was stopped")

// stopped reports whether the walk was told to stop.
func (v *Visible) stopped() bool {
	if v.Stop == nil || !v.Stop.Load() {
		return false
	}
	v.err = errStopped
	return true
}

// findForward settles at the first visible key at or after the position of input. No version that the snapshot may
// see of the user key there lies before that position.
func (v *Visible) findForward() bool {
	v.Walk.Begin(false, v.reader.Seq)
	for v.input.Valid() {
		if v.stopped() {
			return false
		}
		k := v.input.Key()
		if v.beyond(k.User) {
			v.Walk.End()
			return false
		}
		if v.reach > 0 && v.takeNextBatch() {
			if len(v.batch) > 0 {
				v.resting, v.at = inNextBatch, 0
				return true
			}
			v.passDead()
			continue
		}
		effect, ok := v.effect(k)
		if !ok {
			return false
		}
		switch effect {
		case visible.Skip:
			v.Walk.End()
			v.hold(k.User)
			v.passTooNew()
		case visible.Show:
			v.Walk.End()
			v.resting = forward
			return true
		case visible.Hide:
			v.hold(k.User)
			v.passedDead(k)
			v.passDead()
		case visible.Fold:
			v.Walk.End()
			v.hold(k.User)
			return v.fold()
		default:
			return v.unknown(k)
		}
	}
	return v.end()
}

// effect is the effect of the entry at k, the position of input, where that may have an end: Show or Hide then. ok is
// false if the end could not be read; v.err says why.
func (v *Visible) effect(k key.Internal) (effect visible.Effect, ok bool) {
	if effect = v.reader.Of(k.Trailer); effect != visible.Until {
		return effect, true
	}
	if x, outside := v.input.Extent(); outside {
		return v.reader.UntilEnd(x.End), true
	}
	value, err := v.input.Value()
	if err != nil {
		v.err = err
		return visible.Unknown, false
	}
	effect, _ = v.reader.OfValue(k.Trailer, value)
	return effect, true
}

// passedDead tells v.Walk that the snapshot sees nothing of v.key, because of the entry k. What has ended is in no gap:
// to a reader with an earlier time it may be there.
func (v *Visible) passedDead(k key.Internal) {
	if v.reader.Of(k.Trailer) == visible.Until {
		v.Walk.End()
		return
	}
	v.Walk.Pass(v.key, v.key, 1)
}

// passDead is passDecided for a user key v.key of which the snapshot sees nothing; it skips a gap that follows.
func (v *Visible) passDead() {
	if to, jump := v.Walk.Jump(); jump {
		v.input.SeekGE(key.SeekTo(to, v.reader.Seq))
		return
	}
	v.passDecided()
}

// takeNextBatch takes a batch from the input and leaves in v.batch what the snapshot sees of it, which may be
// nothing. Then v.key is the last user key that the batch decides, empty if there is none, and input is at the end
// of the batch. Before, input is where findForward has it. It returns false, and has changed nothing, if there is no
// batch here.
func (v *Visible) takeNextBatch() bool {
	n := v.input.NextBatch(v.room[:v.reach], bound(v.upper, v.upper != nil))
	if n == 0 {
		return false
	}
	v.took(n)
	kept, tooNew, some := 0, false, false
	var decided []byte
	for i := range v.room[:n] {
		e := &v.room[i]
		effect := v.reader.Of(e.Key.Trailer)
		if effect == visible.Skip {
			tooNew = true
			continue
		}
		if some && same(e.Key.User, decided) {
			continue
		}
		decided, some = e.Key.User, true
		if effect == visible.Show {
			if kept < i {
				v.room[kept] = *e
			}
			kept++
		}
	}
	v.batch = v.room[:kept]
	v.hold(decided)
	if kept > 0 || tooNew {
		v.Walk.End()
	} else {
		v.Walk.Pass(v.room[0].Key.User, v.key, n)
	}
	return true
}

// same reports whether two user keys are equal. Neighbours mostly differ in their last byte, which is the quickest
// to compare.
func same(a, b []byte) bool {
	n := len(a)
	return n == len(b) && (n == 0 || a[n-1] == b[n-1] && bytes.Equal(a, b))
}

// bound returns where a batch ends that must not pass the first version of user, or nowhere if there is no bound.
func bound(user []byte, is bool) key.Internal {
	if !is {
		return key.Internal{}
	}
	return key.SeekTo(user, key.MaxSeqNum)
}

// took records that v.room holds a batch of n entries. The next one may be longer.
func (v *Visible) took(n int) { v.taken, v.reach = max(v.taken, n), maxBatchEntries }

// passDecided moves input from the last entry that decided v.key past all versions of that key. If a batch has decided
// none, v.key is empty, and no entry of the empty key follows: a walk that takes batches has passed it.
func (v *Visible) passDecided() {
	v.input.Next()
	v.passOlder()
}

// fold settles at v.key. input is at the newest version of it that the snapshot may see, an operand.
func (v *Visible) fold() bool {
	v.operands.Reset()
	v.value, v.foldErr = v.value[:0], nil
	present, ok := v.collect()
	if !ok {
		return false
	}
	v.resting = folded
	if v.foldErr != nil {
		return true
	}
	value, err := v.operands.Fold(v.Rules, v.key, v.value, present)
	if v.foldErr = err; err == nil {
		v.value = value
	}
	return true
}

// collect moves input forward over the operands of v.key, which it collects, to the put or tombstone below them,
// whose value it copies, or past all versions. ok is false if that failed; v.err says why. A value that nothing can be
// merged into is not read: v.foldErr says so.
func (v *Visible) collect() (present, ok bool) {
	for v.input.Valid() {
		k := v.input.Key()
		if !bytes.Equal(k.User, v.key) {
			return false, true
		}
		if v.reader.Of(k.Trailer) != visible.Fold {
			if x, outside := v.input.Extent(); outside && x.Raw > key.MaxValueSize { // it is of no use, and may have a GiB
				v.foldErr = operand.TooLong(v.key, x.Raw)
				return false, true
			}
			effect, ok := v.take(k)
			return effect == visible.Show, ok
		}
		value, err := v.input.Value()
		if err == nil {
			err = v.operands.Push(k.Trailer.Seq(), value)
		}
		if err != nil {
			v.err = err
			return false, false
		}
		v.input.Next()
	}
	v.err = v.input.Err()
	return false, v.err == nil
}

// passTooNew moves input forward past the versions of v.key that are newer than the snapshot.
func (v *Visible) passTooNew() {
	for range maxSteps {
		if !v.input.Next() {
			return
		}
		k := v.input.Key()
		if v.reader.Of(k.Trailer) != visible.Skip || !bytes.Equal(k.User, v.key) {
			return
		}
	}
	v.input.SeekGE(key.SeekTo(v.key, v.reader.Seq))
}

// passOlder moves input forward past the remaining versions of v.key.
func (v *Visible) passOlder() {
	for range maxSteps {
		if !v.input.Valid() || !bytes.Equal(v.input.Key().User, v.key) {
			return
		}
		v.input.Next()
	}
	v.input.SeekGE(afterVersions(v.key))
}

// passNewer moves input backward past the remaining versions of v.key, all newer than the snapshot.
func (v *Visible) passNewer() {
	for range maxSteps {
		if !v.input.Valid() || !bytes.Equal(v.input.Key().User, v.key) {
			return
		}
		v.input.Prev()
	}
	v.input.SeekLT(key.SeekTo(v.key, key.MaxSeqNum))
}

// findBackward settles at the last visible key at or before the position of input, which is after all versions of a
// user key.
func (v *Visible) findBackward() bool {
	v.Walk.Begin(true, v.reader.Seq)
	for v.input.Valid() {
		if v.stopped() {
			return false
		}
		k := v.input.Key()
		if v.lower != nil && bytes.Compare(k.User, v.lower) < 0 {
			v.Walk.End()
			return false
		}
		if v.reach > 0 && v.takePrevBatch() {
			v.resting, v.at = inPrevBatch, 0
			return true
		}
		v.hold(v.input.Key().User)
		newest, ok := v.takeNewest()
		if !ok {
			return false
		}
		if v.ended {
			v.Walk.End()
		}
		switch newest {
		case visible.Show:
			v.Walk.End()
			v.resting = backward
			return true
		case visible.Fold:
			v.Walk.End()
			if !v.input.SeekGE(key.SeekTo(v.key, v.reader.Seq)) {
				return v.end()
			}
			return v.fold()
		}
		v.passDeadBackward()
	}
	return v.end()
}

// passDeadBackward moves input backward past v.key, of which the snapshot sees nothing, and past a gap that precedes
// it. input has passed all versions of v.key that the snapshot may see.
func (v *Visible) passDeadBackward() {
	if v.input.Valid() && bytes.Equal(v.input.Key().User, v.key) {
		v.Walk.End()
		v.passNewer()
		return
	}
	if v.ended {
		return
	}
	v.Walk.Pass(v.key, v.key, 1)
	if to, jump := v.Walk.Jump(); jump {
		v.input.SeekLT(key.SeekTo(to, key.MaxSeqNum))
	}
}

// takePrevBatch takes a batch backward and leaves in v.batch what the snapshot sees of it, except for the last user
// key it came to: newer versions of that one may follow, so input stays at the newest version seen so far. All older
// ones were passed, and a search backward from there finds what decides. If the snapshot sees nothing else in the
// batch, takePrevBatch returns false; input may still have moved.
func (v *Visible) takePrevBatch() bool {
	n := v.input.PrevBatch(v.room[:v.reach], bound(v.lower, len(v.lower) > 0))
	if n == 0 {
		return false
	}
	v.took(n)
	first := v.room[0].Key.User
	kept, passed, tooNew := 0, 0, false
	var user, before []byte
	var put bool // the newest visible version of user so far is a put, and the last entry kept
	open := 0    // 1 if the last entry was kept: it decides nothing yet
	for i := range v.room[:n] {
		e := &v.room[i]
		open = 0
		effect := v.reader.Of(e.Key.Trailer)
		if effect == visible.Skip {
			tooNew = true
			continue
		}
		if again := same(e.Key.User, user); again && put {
			kept--
		} else if !again {
			before, passed = user, i
		}
		user, put = e.Key.User, effect == visible.Show
		if put {
			v.room[kept] = *e
			kept, open = kept+1, 1
		}
	}
	v.batch = v.room[:kept-open]
	if len(v.batch) > 0 || tooNew {
		v.Walk.End()
	} else if passed > 0 {
		v.Walk.Pass(first, before, passed)
	}
	return len(v.batch) > 0
}

// takeNewest moves input backward through the versions of v.key that the snapshot may see, starting at the oldest,
// and returns the effect of the newest; if that is Show, its value is in v.value. If there is none, the key is hidden.
// ok is false if this could not be found out; v.err says why.
func (v *Visible) takeNewest() (newest visible.Effect, ok bool) {
	newest, v.ended = visible.Hide, false
	for range maxSteps {
		k := v.input.Key()
		if v.reader.Of(k.Trailer) == visible.Skip || !bytes.Equal(k.User, v.key) {
			return newest, true
		}
		if newest, ok = v.take(k); !ok {
			return newest, false
		}
		if !v.input.Prev() {
			v.err = v.input.Err()
			return newest, v.err == nil
		}
	}
	return v.jumpToNewest(newest)
}

// jumpToNewest does the work of takeNewest by a seek. sofar is the answer if the seek leads to nothing newer.
func (v *Visible) jumpToNewest(sofar visible.Effect) (newest visible.Effect, ok bool) {
	if !bytes.Equal(v.input.Key().User, v.key) {
		return sofar, true
	}
	newest = sofar
	if v.input.SeekGE(key.SeekTo(v.key, v.reader.Seq)) {
		k := v.input.Key()
		if newest, ok = v.take(k); !ok {
			return newest, false
		}
		v.input.SeekLT(key.SeekTo(v.key, key.MaxSeqNum))
	}
	v.err = v.input.Err()
	return newest, v.err == nil
}

// take returns the effect of the entry at k, the position of input, and copies its value if it is shown. ok is false if
// the entry cannot be used; v.err says why.
func (v *Visible) take(k key.Internal) (effect visible.Effect, ok bool) {
	if effect, ok = v.effect(k); !ok {
		return effect, false
	}
	v.ended = effect == visible.Hide && v.reader.Of(k.Trailer) == visible.Until
	switch effect {
	case visible.Hide, visible.Fold:
		return effect, true
	case visible.Show:
		value, err := v.inputValue()
		if err != nil {
			v.err = err
			return effect, false
		}
		v.value = append(v.value[:0], value...)
		return effect, true
	}
	return effect, v.unknown(k)
}

// unknown settles v at none because of an entry of a kind that this program does not know. It returns false.
func (v *Visible) unknown(k key.Internal) bool {
	v.err = corrupt.New("", -1, "entry %s is of a kind unknown to this version of the program", k)
	return false
}
