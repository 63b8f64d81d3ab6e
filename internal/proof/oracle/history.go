package oracle

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
)

// Loss is how a process ended.
type Loss uint8

const (
	Killed   Loss = iota // what was written is there
	PowerCut             // what was synced is there
)

// commit is one entry of the commit order.
type commit struct {
	first, last key.SeqNum
	keys        []string // whose newest version of this commit is at versions
	versions    []key.SeqNum
	sync        bool // asked to survive a power cut
	acked       bool
	read        bool // its effect was seen by a reader
}

// History is the commit order as the writer of a database knows it. The zero value is that of a new database.
//
// Commits are issued one after the other. A commit that was issued and not acknowledged may be in the database or not.
// The recovered state must be the state after some commit of the order, and not before the last commit that
// had reached its durability.
type History struct {
	Model
	clock
	commits []commit
	durable key.SeqNum // everything up to here survives a power cut
	base    key.SeqNum // the newest sequence number before the first of commits
}

// Issue records that b is being committed. It returns the sequence number that b ends with.
func (h *History) Issue(b *batch.Batch, sync bool) key.SeqNum { return h.issue(b, sync, 1) }

// IssueAtOnce is Issue of a commit that gives all its operations one sequence number and survives a power cut.
func (h *History) IssueAtOnce(b *batch.Batch) key.SeqNum { return h.issue(b, true, 0) }

// issue records that b is being committed, and how many sequence numbers each operation but the last takes.
func (h *History) issue(b *batch.Batch, sync bool, step key.SeqNum) key.SeqNum {
	if b.Count() == 0 {
		return h.Last()
	}
	c := commit{first: h.Last() + 1, sync: sync}
	c.last = c.first + step*key.SeqNum(b.Count()-1)
	for k, seq := range h.apply(c.first, step, b) {
		c.keys, c.versions = append(c.keys, k), append(c.versions, seq)
	}
	h.commits = append(h.commits, c)
	h.ends = h.ends || b.Ends()
	return c.last
}

// Acknowledge records that the last issued commit returned without error.
func (h *History) Acknowledge() {
	if len(h.commits) == 0 {
		return
	}
	c := &h.commits[len(h.commits)-1]
	c.acked = true
	if c.sync {
		h.durable = max(h.durable, c.last)
	}
}

// Refuse records that the last issued commit certainly did not happen.
func (h *History) Refuse() {
	c := h.commits[len(h.commits)-1]
	h.commits = h.commits[:len(h.commits)-1]
	h.Cut(c.first - 1)
}

// Synced records that everything up to seq survives a power cut from now on.
func (h *History) Synced(seq key.SeqNum) { h.durable = max(h.durable, seq) }

// Read records that a reader saw the state at seq.
func (h *History) Read(seq key.SeqNum) {
	for i := len(h.commits) - 1; i >= 0 && !h.commits[i].read; i-- {
		if h.commits[i].last <= seq {
			h.commits[i].read = true
		}
	}
}

// Last is the sequence number of the last issued commit.
func (h *History) Last() key.SeqNum {
	if len(h.commits) == 0 {
		return h.base
	}
	return h.commits[len(h.commits)-1].last
}

// Durable is the sequence number up to which everything survives a power cut.
func (h *History) Durable() key.SeqNum { return h.durable }

// Acknowledged is the sequence number of the last acknowledged commit.
func (h *History) Acknowledged() key.SeqNum {
	for i := len(h.commits) - 1; i >= 0; i-- {
		if h.commits[i].acked {
			return h.commits[i].last
		}
	}
	return h.base
}

// EndsAt reports whether a commit that was issued ends at seq, or the history begins there.
func (h *History) EndsAt(seq key.SeqNum) bool {
	i := sort.Search(len(h.commits), func(i int) bool { return h.commits[i].last >= seq })
	return seq == h.base || i < len(h.commits) && h.commits[i].last == seq
}

// Acked is the number of commits that were acknowledged since the history began or was last shortened by Forget.
func (h *History) Acked() int {
	n := 0
	for i := range h.commits {
		if h.commits[i].acked {
			n++
		}
	}
	return n
}

// Recovered records that a recovery served the state at seq: from now on it is certain, and what was newer is gone.
func (h *History) Recovered(seq key.SeqNum) {
	h.Cut(seq)
	for len(h.commits) > 0 && h.commits[len(h.commits)-1].last > seq {
		h.commits = h.commits[:len(h.commits)-1]
	}
	for i := range h.commits {
		h.commits[i].acked, h.commits[i].sync = true, true
	}
	h.durable = max(h.Last(), seq)
	if len(h.commits) == 0 {
		h.base = max(h.base, seq)
	}
}

// Forget drops what no state at or after oldest shows, to bound the memory of long runs. What it drops must be
// durable.
func (h *History) Forget(oldest key.SeqNum) {
	i := sort.Search(len(h.commits), func(i int) bool { return h.commits[i].last > oldest })
	if i > 0 {
		h.base = h.commits[i-1].last
		h.commits = slices.Clone(h.commits[i:])
	}
	h.Model.Forget(oldest)
}

// Clone returns an independent copy.
func (h *History) Clone() *History {
	c := *h
	c.Model = *h.Model.Clone()
	c.commits = slices.Clone(h.commits)
	return &c
}

// Judge compares a recovered database with the history: last is its newest sequence number, entries its whole content
// in order. The first return value counts violations, by kind; the second describes the first of them.
func (h *History) Judge(loss Loss, last key.SeqNum, entries []Entry) (Counts, error) {
	var n Counts
	var first error
	note := func(counter *int64, format string, args ...any) {
		*counter++
		if first == nil {
			first = fmt.Errorf(format, args...)
		}
	}
	h.judgeCommits(&n, loss, last, note)
	if last > h.Last() {
		note(&n.WrongData, "the database ends at %d, the last commit at %d", last, h.Last())
	}
	h.judgeContent(&n, last, entries, note)
	return n, first
}

// judgeCommits counts the commits that should not be behind the end of the database.
func (h *History) judgeCommits(n *Counts, loss Loss, last key.SeqNum, note func(*int64, string, ...any)) {
	for i := range h.commits {
		c := &h.commits[i]
		if c.last <= last {
			continue
		}
		if c.first <= last {
			note(&n.TornTxns, "commit %d..%d was cut at %d", c.first, c.last, last)
		}
		survives := loss == Killed || c.last <= h.durable
		if c.acked && survives {
			note(&n.AckedLost, "acknowledged commit %d..%d (sync %v) is lost: the database ends at %d", c.first, c.last,
				c.sync, last)
		}
		if c.read && (loss == Killed || c.sync) {
			note(&n.VanishedReads, "commit %d..%d was read, and is gone: the database ends at %d", c.first, c.last, last)
		}
	}
}

// judgeContent compares entries with the state at last.
func (h *History) judgeContent(n *Counts, last key.SeqNum, entries []Entry, note func(*int64, string, ...any)) {
	differs := make(map[string][]byte) // what was found there, nil if nothing
	i := 0
	surplus := func(before []byte) {
		for ; i < len(entries) && (before == nil || bytes.Compare(entries[i].Key, before) < 0); i++ {
			differs[string(entries[i].Key)] = entries[i].Value
		}
	}
	for want := range h.Entries(nil, nil, last) {
		surplus(want.Key)
		switch {
		case i == len(entries) || !bytes.Equal(entries[i].Key, want.Key):
			differs[string(want.Key)] = nil
			continue
		case !bytes.Equal(entries[i].Value, want.Value):
			differs[string(want.Key)] = entries[i].Value
		}
		i++
	}
	surplus(nil)
	if len(differs) > 0 {
		h.classify(n, last, differs, note)
	}
}

// hadEnded reports whether what v was has ended.
func (h *History) hadEnded(v *version) bool { return v != nil && v.end != 0 && v.end <= h.Now }

// classify counts what differs from the state at last. What has ended and is there is that and nothing else. A commit
// all of whose effects are missing is a hole, one of which a part is there is torn; a value that no commit wrote to its
// key is wrong data.
func (h *History) classify(n *Counts, last key.SeqNum, differs map[string][]byte, note func(*int64, string, ...any)) {
	before := *n
	for k, value := range differs {
		if v := at(h.versions[k], last); value != nil && h.hadEnded(v) && bytes.Equal(v.value, value) {
			note(&n.EndedShown, "key %.40q has a value that ended at %d, and it is %d", k, v.end, h.Now)
			delete(differs, k)
			continue
		}
		written := slices.ContainsFunc(h.versions[k], func(v version) bool {
			return bytes.Equal(v.value, value) || v.end != 0 && bytes.Equal(v.after, value)
		})
		if value != nil && !written {
			note(&n.WrongData, "key %.40q has a value of %d bytes that nobody wrote", k, len(value))
		}
	}
	for i := range h.commits {
		c := &h.commits[i]
		effective, missing := 0, 0
		for j, k := range c.keys {
			if v := at(h.versions[k], last); v == nil || v.seq != c.versions[j] {
				continue
			}
			effective++
			if _, differs := differs[k]; differs {
				missing++
			}
		}
		switch {
		case missing == 0:
		case missing < effective:
			note(&n.TornTxns, "of commit %d..%d, %d of %d effects are missing", c.first, c.last, missing, effective)
		default:
			note(&n.Holes, "commit %d..%d is missing, and the database ends at %d", c.first, c.last, last)
		}
	}
	if *n == before {
		for k := range differs {
			note(&n.WrongData, "key %.40q is not as it was at %d", k, last)
		}
	}
}
