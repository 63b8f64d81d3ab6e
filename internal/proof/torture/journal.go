package torture

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"lightningdb/internal/proof/isolation"
)

// A journal records what transactions ask for and what they are answered, in one order that agrees with real time,
// and turns it into a history that package isolation can check. It outlives the process that runs the transactions,
// and the machine: it can be written to a pipe, from which the process that kills the writer reads it, and what a
// power cut took can be struck out.
//
//	begin      before the database hears of the transaction
//	attempt    what it has read and what it is going to write: before its commit, so that nobody sees it earlier
//	retry      it was refused, and is being tried again
//	end        after its answer
//
// All methods are safe for concurrent use, those of an entry by one goroutine at a time.
type journal struct {
	ids    atomic.Int32 // the last transaction
	values atomic.Int64 // the last written value

	mu     sync.Mutex
	events []event
	out    *gob.Encoder // where events go instead, if it is not nil
	err    error        // the first that out returned
}

type eventKind uint8

const (
	eventBegin eventKind = iota
	eventAttempt
	eventRetry
	eventEnd
)

// event is one line of a journal. Its fields are exported for gob.
type event struct {
	Kind    eventKind
	Tx      int32
	Client  int
	Weak    bool   // begin: at snapshot isolation
	Notes   []note // attempt
	Outcome uint8  // end: an isolation.Outcome
	Refused bool   // end: aborted because of others
	Seq     uint64 // end: of the commit, or that it read at if it wrote nothing; 0 if not known
	Values  int64  // attempt: the last value that was given out
}

type noteKind uint8

const (
	noteAppend noteKind = iota
	notePut
	noteDelete
	noteList
	noteRegister
	noteLists
	noteRegisters
)

func (k noteKind) writes() bool { return k <= noteDelete }

// note is an operation of a transaction.
type note struct {
	Kind  noteKind
	Key   isolation.Key // of a scan: its lower bound
	Hi    isolation.Key // of a scan
	Value int64         // 0 is none
	List  []int64
	Found []note // of a scan, in one of List and Value
}

func (j *journal) add(e event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.out == nil {
		j.events = append(j.events, e)
	} else if err := j.out.Encode(e); j.err == nil {
		j.err = err
	}
}

// failed is the first error of out.
func (j *journal) failed() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// readFrom adds what another journal writes to r, until r ends, which may be in the middle of an event. heard is told
// of each one.
func (j *journal) readFrom(r io.Reader, heard func(e event)) error {
	in := gob.NewDecoder(r)
	for {
		var e event
		err := in.Decode(&e)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a journal: %w", err)
		}
		j.ids.Store(max(j.ids.Load(), e.Tx))
		j.values.Store(max(j.values.Load(), e.Values))
		j.add(e)
		heard(e)
	}
}

// newest is the newest sequence number that was acknowledged or read at.
func (j *journal) newest() (seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.events {
		seq = max(seq, j.events[i].Seq)
	}
	return seq
}

// lose strikes out the transactions that are acknowledged so far but newer than last: a power cut took them, and
// nothing of them may be seen again.
func (j *journal) lose(last uint64) (lost int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.events {
		if e := &j.events[i]; e.Kind == eventEnd && e.Outcome == uint8(isolation.OK) && e.Seq > last {
			e.Outcome, e.Seq = uint8(isolation.Aborted), 0
			lost++
		}
	}
	return lost
}

// entry is a transaction in a journal.
type entry struct {
	journal *journal
	id      int32
	notes   []note // of the present attempt
}

// begin enters a transaction of client. weak: it runs at snapshot isolation.
func (j *journal) begin(client int, weak bool) *entry {
	e := &entry{journal: j, id: j.ids.Add(1)}
	j.add(event{Kind: eventBegin, Tx: e.id, Client: client, Weak: weak})
	return e
}

func (e *entry) appended(k isolation.Key) int64 { return e.wrote(noteAppend, k) }

func (e *entry) put(k isolation.Key) int64 { return e.wrote(notePut, k) }

func (e *entry) deleted(k isolation.Key) { e.wrote(noteDelete, k) }

// clear deletes the registers from lo on and before hi by remove. Whoever deletes a range writes every key in it.
func (e *entry) clear(lo, hi isolation.Key, remove func(lo, hi []byte) error) error {
	for k := lo; k < hi; k++ {
		e.deleted(k)
	}
	return remove(registerKey(lo), registerKey(hi))
}

func (e *entry) wrote(kind noteKind, k isolation.Key) int64 {
	v := e.journal.values.Add(1)
	e.notes = append(e.notes, note{Kind: kind, Key: k, Value: v})
	return v
}

func (e *entry) note(n note) { e.notes = append(e.notes, n) }

// attempt enters what was noted. The commit comes next.
func (e *entry) attempt() {
	e.journal.add(event{Kind: eventAttempt, Tx: e.id, Notes: e.notes, Values: e.journal.values.Load()})
	e.notes = nil
}

// retry enters that the transaction was refused, and begins a new attempt.
func (e *entry) retry() {
	e.journal.add(event{Kind: eventRetry, Tx: e.id})
	e.notes = nil
}

// refuse enters that the transaction was refused, and is not tried again.
func (e *entry) refuse() {
	e.journal.add(event{Kind: eventEnd, Tx: e.id, Outcome: uint8(isolation.Aborted), Refused: true})
}

func (e *entry) end(o isolation.Outcome, seq uint64) {
	e.journal.add(event{Kind: eventEnd, Tx: e.id, Outcome: uint8(o), Seq: seq})
}

// history makes a history of all events. At isolation.StrictSerializable the reads of weak transactions are left out:
// then they are writers that commit at one moment, which is all that others may count on. whole reports whether nothing
// was left out.
func (j *journal) history(level isolation.Level) (h *isolation.History, whole bool) {
	p := &player{recorder: isolation.NewRecorder(isolation.State{}), values: make([]isolation.Value, j.values.Load()+1),
		open: make(map[int32]played), strict: level == isolation.StrictSerializable, whole: true}
	for i := range j.events {
		p.play(&j.events[i])
	}
	return p.recorder.History(), p.whole
}

// player repeats a journal to a recorder, which has numbers of its own for the values.
type player struct {
	recorder *isolation.Recorder
	values   []isolation.Value // by the journal's number
	open     map[int32]played
	strict   bool
	whole    bool
}

type played struct {
	*isolation.Tx
	weak bool
}

func (p *player) play(e *event) {
	t := p.open[e.Tx]
	switch e.Kind {
	case eventBegin:
		p.open[e.Tx] = played{p.recorder.Begin(e.Client), e.Weak}
	case eventAttempt:
		for i := range e.Notes {
			n := &e.Notes[i]
			if t.weak && p.strict && !n.Kind.writes() {
				p.whole = false
				continue
			}
			p.repeat(t.Tx, n)
		}
	case eventRetry:
		t.Retry()
	case eventEnd:
		t.End(isolation.Outcome(e.Outcome), e.Seq)
		delete(p.open, e.Tx)
	}
}

func (p *player) repeat(t *isolation.Tx, n *note) {
	switch n.Kind {
	case noteAppend:
		p.values[n.Value] = t.Append(n.Key)
	case notePut:
		p.values[n.Value] = t.Put(n.Key)
	case noteDelete:
		t.Delete(n.Key)
	case noteList:
		t.ReadList(n.Key, p.list(n.List))
	case noteRegister:
		t.Get(n.Key, p.value(n.Value))
	case noteLists:
		found := make(map[isolation.Key][]isolation.Value, len(n.Found))
		for _, f := range n.Found {
			found[f.Key] = p.list(f.List)
		}
		t.ScanLists(n.Key, n.Hi, found)
	case noteRegisters:
		found := make(map[isolation.Key]isolation.Value, len(n.Found))
		for _, f := range n.Found {
			found[f.Key] = p.value(f.Value)
		}
		t.ScanRegisters(n.Key, n.Hi, found)
	}
}

// nobodys is a value that no recorder gives out.
const nobodys isolation.Value = -1

func (p *player) value(v int64) isolation.Value {
	switch {
	case v == 0:
		return 0
	case v < 0 || v >= int64(len(p.values)) || p.values[v] == 0:
		return nobodys
	}
	return p.values[v]
}

func (p *player) list(values []int64) []isolation.Value {
	list := make([]isolation.Value, len(values))
	for i, v := range values {
		if list[i] = p.value(v); v == 0 {
			list[i] = nobodys
		}
	}
	return list
}
