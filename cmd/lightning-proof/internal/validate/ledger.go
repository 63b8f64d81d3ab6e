package validate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"lightningdb/internal/proof/oracle"
)

// fate is what is known of one writer's commits in one round. 0 <= must, seen, acked <= begun.
type fate struct {
	begun uint64   // commits 1 to begun were begun
	acked uint64   // 1 to acked were acknowledged
	must  uint64   // 1 to must have to survive what happened
	seen  uint64   // a reader saw this one, and said so before the end
	last  []uint64 // sequence numbers of 1 to acked, where they are known
}

// ledger knows what a database may hold: the fate of every writer in every round so far.
type ledger struct {
	seed   uint64
	rounds [][]fate // by round-1 and writer
}

// fate returns that of a commit's writer, or nil if nobody was to write there.
func (l *ledger) fate(c commitID) *fate {
	if c.round < 1 || c.round > len(l.rounds) || c.writer >= len(l.rounds[c.round-1]) || c.n < 1 {
		return nil
	}
	return &l.rounds[c.round-1][c.writer]
}

// Findings is the outcome of a comparison.
type Findings struct {
	Plain int64 `json:"recovered_plain"` // entries of plain puts that are there and right
	// Transactional are entries of whole transactions that are there and right, but for the registers.
	Transactional int64         `json:"recovered_transactional"`
	Lost          int64         `json:"lost"`              // entries that had to be there and are not
	Corrupted     int64         `json:"corrupted"`         // entries with a wrong value, or that nobody wrote
	Counts        oracle.Counts `json:"counts"`            // of commits; all must be zero
	Problem       string        `json:"problem,omitempty"` // the first
}

// add adds the numbers of a later comparison, and takes over what it found in the database if that was the last.
func (f *Findings) add(o Findings) {
	f.Plain, f.Transactional = o.Plain, o.Transactional
	f.Lost += o.Lost
	f.Corrupted += o.Corrupted
	f.Counts.Add(o.Counts)
	if f.Problem == "" {
		f.Problem = o.Problem
	}
}

// err is nil if nothing was wrong.
func (f *Findings) err() error {
	if f.Counts.Zero() && f.Lost == 0 && f.Corrupted == 0 {
		return nil
	}
	return broken("lost %d, corrupted %d, %v: %s", f.Lost, f.Corrupted, f.Counts, f.Problem)
}

// judge compares a database with the ledger: the whole content in order, and the commits of the last round by key.
// upTo is the last commit of each writer of that round that is there. err is an error of reading, not a finding.
func (l *ledger) judge(s store) (found Findings, upTo []uint64, err error) {
	j := &judge{ledger: l, next: make([][]uint64, len(l.rounds))}
	for i := range l.rounds {
		j.next[i] = make([]uint64, len(l.rounds[i]))
		for w := range j.next[i] {
			j.next[i][w] = 1
		}
	}
	if err := s.each(j.see); err != nil {
		return found, nil, err
	}
	j.endOfCommit()
	for i := range l.rounds {
		for w := range l.rounds[i] {
			f := &l.rounds[i][w]
			j.missing(commitID{i + 1, w, j.next[i][w]}, max(f.must, f.seen)+1)
		}
	}
	j.judgeRegisters()
	current := len(l.rounds)
	for w, next := range j.next[current-1] {
		upTo = append(upTo, next-1)
		if err := j.readByKey(s, commitID{current, w, 0}, next-1); err != nil {
			return j.found, upTo, err
		}
	}
	return j.found, upTo, nil
}

// settle takes what a recovery found for certain: from now on that must be there, and nothing else.
func (l *ledger) settle(upTo []uint64) {
	for w, n := range upTo {
		l.rounds[len(l.rounds)-1][w] = fate{begun: n, acked: n, must: n, seen: n}
	}
}

// judge is one comparison in progress. Entries arrive in key order, so those of a commit, and the commits of a
// writer, follow one another.
type judge struct {
	*ledger
	found Findings
	next  [][]uint64 // by round-1 and writer: the first commit that has not passed by

	at    commitID // the commit passing by, n = 0 for none
	want  []entry  // its entries
	here  int      // of them, there
	right int      // of them, with the right value
	sum   uint32   // checksum of the payloads passed by
	sums  []uint32 // those that the parts of a transaction carry

	registers [registers]struct{ held, want register } // in the database, and by the transactions passed by
}

// note counts a finding and keeps the words of the first.
func (j *judge) note(counter *int64, format string, args ...any) {
	*counter++
	if j.found.Problem == "" {
		j.found.Problem = fmt.Sprintf(format, args...)
	}
}

// see takes the next entry of the database.
func (j *judge) see(key, value []byte) {
	if i, ok := parseRegisterKey(key); ok {
		if j.registers[i].held, ok = parseRegister(value); ok {
			return
		}
	}
	id, part, ok := parseKey(key)
	f := j.fate(id)
	if !ok || f == nil || id.n > f.begun || part >= id.parts(j.seed) {
		j.found.Corrupted++
		j.note(&j.found.Counts.WrongData, "key %.40q was never written", key)
		return
	}
	if id != j.at {
		j.endOfCommit()
		j.at, j.want, j.here, j.right, j.sum, j.sums = id, id.appendEntries(j.want[:0], j.seed), 0, 0, 0, j.sums[:0]
	}
	j.here++
	if id.isTransaction() && len(value) >= sumSize {
		payload := value[:len(value)-sumSize]
		j.sum = crc32.Update(j.sum, castagnoli, payload)
		j.sums = append(j.sums, binary.LittleEndian.Uint32(value[len(payload):]))
	}
	if !bytes.Equal(value, j.want[part].value) {
		j.found.Corrupted++
		j.note(&j.found.Counts.WrongData, "key %.40q has a value of %d bytes that nobody wrote", key, len(value))
		return
	}
	j.right++
}

// endOfCommit judges the commit that has passed by.
func (j *judge) endOfCommit() {
	if j.at.n == 0 {
		return
	}
	id, f, next := j.at, j.fate(j.at), &j.next[j.at.round-1][j.at.writer]
	j.missing(commitID{id.round, id.writer, *next}, id.n)
	*next = id.n + 1
	j.at.n = 0
	if absent := len(j.want) - j.here; absent > 0 {
		j.note(&j.found.Counts.TornTxns, "of commit %v, %d of %d entries are missing", id, absent, len(j.want))
		if id.n <= f.must {
			j.found.Lost += int64(absent)
		}
	} else if id.isTransaction() && !j.groupHolds() {
		j.note(&j.found.Counts.TornTxns, "the checksum of transaction %v is not that of its entries", id)
	}
	if id.isTransaction() {
		j.found.Transactional += int64(j.right)
		for _, i := range id.registers(j.seed) {
			j.registers[i].want = j.registers[i].want.add(id, j.seed)
		}
	} else {
		j.found.Plain += int64(j.right)
	}
}

// judgeRegisters compares the registers with the transactions that are there. If one of these is not right itself,
// nothing is known of its registers.
func (j *judge) judgeRegisters() {
	for i, r := range j.registers {
		if r.held != r.want && j.found.Counts.Zero() {
			j.found.Corrupted++
			j.note(&j.found.Counts.WrongData, "%s has %d transactions that add up to %x; there are %d, which add up to %x",
				registerKey(i), r.held.n, r.held.sum, r.want.n, r.want.sum)
		}
	}
}

// groupHolds reports whether every part of the transaction carries the checksum of what the parts hold.
func (j *judge) groupHolds() bool {
	for _, sum := range j.sums {
		if sum != j.sum {
			return false
		}
	}
	return len(j.sums) == len(j.want)
}

// missing judges the absence of the commits from id up to, but not including, end. A later commit may be there: then
// one that did not have to survive is a hole.
func (j *judge) missing(id commitID, end uint64) {
	f := j.fate(id)
	for ; id.n < end; id.n++ {
		counts := &j.found.Counts
		if id.n <= f.must {
			j.found.Lost += int64(id.parts(j.seed))
			j.note(&counts.AckedLost, "acknowledged commit %v is lost", id)
		} else if id.n <= f.seen {
			j.note(&counts.VanishedReads, "commit %v was read, and is gone", id)
		} else {
			j.note(&counts.Holes, "commit %v is missing, and a later one is there", id)
		}
	}
}

// readByKey reads commits 1 to end by key. What the scan has seen must be found.
func (j *judge) readByKey(s store, id commitID, end uint64) error {
	for id.n = 1; id.n <= end; id.n++ {
		j.want = id.appendEntries(j.want[:0], j.seed)
		for i := range j.want {
			value, found, err := s.get(j.want[i].key)
			if err != nil {
				return err
			}
			if (!found || !bytes.Equal(value, j.want[i].value)) && j.found.Counts.Zero() {
				j.found.Corrupted++
				j.note(&j.found.Counts.WrongData, "part %d of commit %v, read by key: found %v, %d bytes; the scan had it", i, id,
					found, len(value))
			}
		}
	}
	return nil
}
