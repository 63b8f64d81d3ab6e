package torture

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"

	"lightningdb"
	"lightningdb/internal/proof/observer"
	"lightningdb/internal/proof/oracle"
)

// The writers of a process that is killed.
const (
	writers = 5   // of which the last puts streams
	kept    = 150 // commits of a writer whose keys are still there; older ones are removed
	ranged  = 4   // commits of every second writer, of which one removes by the delete of a range
)

const (
	watchedAcks  = 40 // acknowledgements after which the follower shows the newest
	followRounds = 3  // kills, in the last of which another process follows
)

// Killer runs processes that write to one database in a real directory, kills each with SIGKILL, and judges what is
// left. A follower watches all of them, and now and then another process follows, and is killed as well. Close it.
type Killer struct {
	Dir     string
	Command func(dir string) *exec.Cmd // a process that calls WriteUntilKilled
	Random  *rand.Rand                 // when to kill
	Fail    func(where string, err error)
	Stats   KillStats

	follower *lightningdb.Follower // nil before the first round
	other    *following            // the process that follows, or nil
	shown    shownHeads            // by followers
}

// KillStats count what a Killer did.
type KillStats struct {
	Kills      int
	Acked      int // acknowledgements that the processes wrote
	Survived   int // commits in the database at the end
	Values     int // value files, after all kills
	Salvages   int // that were killed
	Unfinished int // of these, how many had not finished
	Copies     int // kills of processes that made copies
	// Of the copies that they had made, or were making:
	CopiesWhole, CopiesUnfinished int
	Archives                      int // kills of processes that archived
	ArchivesBehind                int // of these, after how many something was not archived yet
	Points                        int // of archives, that were restored and compared
	Followers                     observer.Stats
	oracle.Counts
}

// Add adds o to s.
func (s *KillStats) Add(o KillStats) {
	s.Kills += o.Kills
	s.Acked += o.Acked
	s.Survived += o.Survived
	s.Values += o.Values
	s.Salvages += o.Salvages
	s.Unfinished += o.Unfinished
	s.Copies += o.Copies
	s.CopiesWhole += o.CopiesWhole
	s.CopiesUnfinished += o.CopiesUnfinished
	s.Archives += o.Archives
	s.ArchivesBehind += o.ArchivesBehind
	s.Points += o.Points
	s.Followers.Add(o.Followers)
	s.Counts.Add(o.Counts)
}

func (s KillStats) String() string {
	return fmt.Sprintf("kills=%d acked_txns=%d survived_txns=%d value_files=%d salvages=%d unfinished=%d "+
		"copies=%d copies_whole=%d copies_unfinished=%d archives=%d archives_behind=%d points=%d %v %v",
		s.Kills, s.Acked, s.Survived, s.Values, s.Salvages, s.Unfinished, s.Copies, s.CopiesWhole, s.CopiesUnfinished,
		s.Archives, s.ArchivesBehind, s.Points, s.Followers, s.Counts)
}

// Round runs one process, kills it and judges. Its error says that the round itself could not be done.
func (k *Killer) Round() error {
	after := 50 + k.Random.IntN(700)
	copies := k.Stats.Kills%copyRounds == 1
	at, acked, err := k.runAndKill(after, copies)
	if err != nil {
		return err
	}
	k.Stats.Kills++
	k.Stats.Acked += acked
	k.Stats.Survived = 0
	if err := k.killOther(); err != nil {
		return err
	}
	db, err := lightningdb.Open(k.Dir, killOptions())
	if err != nil {
		return fmt.Errorf("open after a kill: %w", err)
	}
	if err := k.watch(&at); err != nil {
		k.Fail(fmt.Sprintf("kill %d, the follower", k.Stats.Kills), err)
	}
	for w := range writers {
		where := fmt.Sprintf("kill %d, after %d acknowledgements, writer %d", k.Stats.Kills, after, w)
		if err := k.judge(db, w, at[w]); err != nil {
			k.Fail(where, err)
		}
	}
	if copies {
		if err := k.judgeCopies(db); err != nil {
			k.Fail(fmt.Sprintf("kill %d, the copies", k.Stats.Kills), err)
		}
	}
	if err := db.Compact(context.Background(), nil, nil); err != nil {
		return err
	}
	k.Stats.Values += db.Metrics().Values.Files
	return db.Close()
}

// judge compares what is there of writer w with how far it is known to have come.
func (k *Killer) judge(db *lightningdb.DB, w int, at progress) error {
	n, err := head(db, w)
	if err != nil {
		return err
	}
	k.Stats.Survived += int(n)
	if err := k.judgeShown(w, n); err != nil {
		return err
	}
	if n < at.acked {
		k.Stats.AckedLost += int64(at.acked - n)
		return fmt.Errorf("the last commit is %d; %d was acknowledged", n, at.acked)
	}
	if n < at.seen {
		k.Stats.VanishedReads += int64(at.seen - n)
		return fmt.Errorf("the last commit is %d; %d was read", n, at.seen)
	}
	if n > max(at.acked, at.seen)+1 {
		k.Stats.WrongData++
		return fmt.Errorf("the last commit is %d; only %d was acknowledged, %d read", n, at.acked, at.seen)
	}
	if err := checkWriter(db, w, n); err != nil {
		k.Stats.TornTxns++
		return err
	}
	return nil
}

// progress is how far a writer is known to have come.
type progress struct{ acked, seen uint64 }

// runAndKill runs a process that writes, and may make copies, and kills it after a number of acknowledgements. It
// returns how far each writer got, and how many acknowledgements there were.
func (k *Killer) runAndKill(after int, copies bool) (at [writers]progress, acks int, err error) {
	if at, err = k.heads(); err != nil {
		return at, 0, err
	}
	if k.Stats.Kills%followRounds == followRounds-1 {
		if err := k.followBy(); err != nil {
			return at, 0, err
		}
	}
	child := k.Command(k.Dir)
	if copies {
		if err := makeDir(k.copiesDir()); err != nil {
			return at, 0, err
		}
		child.Env = append(child.Environ(), copiesVariable+"="+k.copiesDir())
	}
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return at, 0, err
	}
	if err := child.Start(); err != nil {
		return at, 0, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var what string
		var w int
		var n uint64
		if _, err := fmt.Sscan(lines.Text(), &what, &w, &n); err != nil || w < 0 || w >= writers {
			break // the last line may be cut short
		}
		if what == "saw" {
			at[w].seen = max(at[w].seen, n)
			continue
		}
		at[w].acked = n
		if acks%watchedAcks == 0 {
			if err := k.watch(&at); err != nil {
				k.Fail(fmt.Sprintf("kill %d, the follower after %d acknowledgements", k.Stats.Kills+1, acks), err)
			}
		}
		if acks++; acks == after {
			if err := child.Process.Kill(); err != nil {
				return at, acks, err
			}
		}
	}
	_, err = io.Copy(io.Discard, out)
	_ = child.Wait() // killed
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return at, acks, err
	}
	if acks < after {
		return at, acks, fmt.Errorf("the process ended by itself after %d acknowledgements", acks)
	}
	return at, acks, nil
}

// heads is how far each writer has come, while none writes.
func (k *Killer) heads() (at [writers]progress, err error) {
	db, err := lightningdb.Open(k.Dir, killOptions())
	if err != nil {
		return at, err
	}
	for w := range writers {
		n, err := head(db, w)
		if err != nil {
			return at, errors.Join(err, db.Close())
		}
		at[w] = progress{n, n}
	}
	return at, db.Close()
}

// checkWriter compares all keys of writer w with what they must be after commit n.
func checkWriter(db reader, w int, n uint64) error {
	if w == films {
		return checkFilms(db, n)
	}
	keys := db.Prefix(partsOf(w))
	next, part := uint64(1), 0
	if n > kept {
		next = n - kept + 1
	}
	for k, v := range keys.All() {
		if string(k) != string(partKey(w, next, part)) || string(v) != string(partValue(w, next, part)) {
			return fmt.Errorf("last commit %d: key %q with %d bytes instead of %q", n, k, len(v), partKey(w, next, part))
		}
		if part++; part == 3 {
			next, part = next+1, 0
		}
	}
	if err := keys.Err(); err != nil {
		return err
	}
	if next != n+1 || part != 0 {
		return fmt.Errorf("the keys end before part %d of commit %d; the last commit is %d", part, next, n)
	}
	return nil
}

func killOptions() *lightningdb.Options {
	return &lightningdb.Options{MemoryLimit: 10 << 20, LogLimit: 300 << 10, ValueThreshold: killThreshold}
}

// WriteUntilKilled commits from several goroutines and says so on standard output: "ack 2 17" when commit 17 of
// writer 2 has returned, "saw 2 17" when a reader has seen it. If a TransactionKiller started it, it runs
// transactions instead; if a Killer wants a follower, or a salvage, it is one; if that wants an archive, it archives
// what it commits; and if that wants copies, it makes them as well.
func WriteUntilKilled(dir string) error {
	if spec := os.Getenv(clientsVariable); spec != "" {
		return runClients(dir, spec)
	}
	if os.Getenv(followVariable) != "" {
		return followUntilKilled(dir)
	}
	if to := os.Getenv(salvageVariable); to != "" {
		return salvageUntilKilled(dir, to)
	}
	if to := os.Getenv(archiveVariable); to != "" {
		return archiveUntilKilled(dir, to)
	}
	db, err := lightningdb.Open(dir, killOptions())
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(what string, w int, n uint64) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Printf("%s %d %d\n", what, w, n)
		return err
	}
	failed, commits := make(chan error), make(chan struct{}, 1)
	for w := range films {
		go func() { failed <- writeOn(db, w, commits, say) }()
	}
	go func() { failed <- streamOn(db, commits, say) }()
	go func() { failed <- watch(db, say) }()
	if dir := os.Getenv(copiesVariable); dir != "" {
		go func() { failed <- copyOn(db, dir) }()
	}
	return <-failed
}

// writeOn puts one batch after the other, and tells commits of them.
func writeOn(db *lightningdb.DB, w int, commits chan<- struct{}, say func(string, int, uint64) error) error {
	n, err := head(db, w)
	if err != nil {
		return err
	}
	for {
		n++
		if err := db.Write(commitOf(w, n)); err != nil {
			return err
		}
		if err := say("ack", w, n); err != nil {
			return err
		}
		select {
		case commits <- struct{}{}:
		default: // nobody streams at the moment
		}
	}
}

// watch reports what a reader sees.
func watch(db *lightningdb.DB, say func(string, int, uint64) error) error {
	var last [writers]uint64
	for turn := 0; ; turn++ {
		for w := range writers {
			if w == films && turn%8 > 0 { // which takes long
				continue
			}
			n, err := head(db, w)
			if err != nil {
				return err
			}
			if n > last[w] {
				last[w] = n
				if err := say("saw", w, n); err != nil {
					return err
				}
			}
		}
	}
}

// commitOf is commit n of writer w: three keys of its own, those of an old commit removed, and the writer's head.
func commitOf(w int, n uint64) *lightningdb.Batch {
	var b lightningdb.Batch
	for part := range 3 {
		b.Put(partKey(w, n, part), partValue(w, n, part))
	}
	removeOld(&b, w, n)
	b.Put(headKey(w), binary.BigEndian.AppendUint64(nil, n))
	if n%3 > 0 {
		b.SetDurability(lightningdb.Process)
	}
	return &b
}

// removeOld adds to commit n of writer w the removal of the keys of an old one: key by key, or by a range that begins
// with them, or far before.
func removeOld(b *lightningdb.Batch, w int, n uint64) {
	if n <= kept {
		return
	}
	if !byRange(w, n) {
		for part := range 3 {
			b.Delete(partKey(w, n-kept, part))
		}
		return
	}
	lo := partKey(w, n-kept, 0)
	if n/ranged%2 == 0 {
		lo = partsOf(w)
	}
	b.DeleteRange(lo, partKey(w, n-kept+1, 0))
}

// byRange says whether commit n of writer w deletes a range, once there is something to remove.
func byRange(w int, n uint64) bool { return w%2 == 1 && n%ranged == 0 }

func headKey(w int) []byte { return spell(fmt.Sprintf("%d/head", w)) }

// partsOf is what all keys of writer w begin with, but for its head.
func partsOf(w int) []byte { return spell(fmt.Sprintf("%d/part/", w)) }

func partKey(w int, n uint64, part int) []byte {
	return spell(fmt.Sprintf("%d/part/%08d/%d", w, n, part))
}

// killThreshold is from how many bytes on values stay where they are.
const killThreshold = 2500

func partValue(w int, n uint64, part int) []byte {
	if n%16 == 0 {
		return noise(fmt.Sprintf("%d/%d", w, part), n, killThreshold+int(n)%5000)
	}
	return []byte(strings.Repeat(fmt.Sprintf("%d-%d-%d ", w, n, part), 1+int(n*7+uint64(part))%90))
}

// checkedHead is head, of a writer whose commits are all there.
func checkedHead(db reader, w int) (uint64, error) {
	n, err := head(db, w)
	if err != nil {
		return 0, err
	}
	return n, checkWriter(db, w, n)
}

// head is the number of the last commit of writer w.
func head(db reader, w int) (uint64, error) {
	if w == films {
		return headOfFilms(db)
	}
	v, err := db.Get(headKey(w))
	if errors.Is(err, lightningdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(v), nil
}
