package torture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lightningdb"
	"lightningdb/backup"
)

// archiveVariable tells a process that would write until it is killed to archive what it commits: in which repository,
// and whether that is out of reach.
const archiveVariable = "LIGHTNING_TORTURE_ARCHIVE"

const (
	archivists   = 3         // writers of a database that is archived, which put no streams
	outOfReach   = "absent:" // before the name of a repository
	archiveShare = 3         // of this number of processes one does not reach its repository
	archiveAcks  = 400       // acknowledgements at most before a kill
)

// archived is a database that is archived, by processes that are killed, and what is known of it.
type archived struct {
	k       *Killer
	dir     string
	repo    *backup.Repository
	acked   [archivists][]uint64 // sequence numbers by number of the commit, from 1 on; 0 if it was not acknowledged
	claimed uint64               // what processes have said that is archived
}

// Archive runs processes that commit and archive, kills each, and restores what is archived then: the newest point and
// another one. In some of them the repository is out of reach: what they commit, the next one has to archive. At the
// end all is archived, and there is one branch. The error says that a round could not be done.
func (k *Killer) Archive(rounds int) error {
	a := &archived{k: k, dir: k.Dir + "-archived"}
	var err error
	if a.repo, err = backup.OpenFolder(k.Dir + "-archive"); err != nil {
		return err
	}
	for n := range rounds {
		after, absent := 30+k.Random.IntN(archiveAcks), n > 1 && k.Random.IntN(archiveShare) == 0
		if err := a.runAndKill(after, absent, n == 1); err != nil {
			return err
		}
		k.Stats.Archives++
		if err := a.judge(false); err != nil {
			k.Fail(fmt.Sprintf("archive, kill %d after %d acknowledgements, absent %v", n+1, after, absent), err)
		}
	}
	if err := a.catchUp(); err != nil {
		return err
	}
	if err := a.judge(true); err != nil {
		k.Fail("archive, at the end", err)
	}
	return nil
}

// runAndKill runs a process that archives, and kills it after a number of acknowledgements; if begun is set, not before
// something is archived.
func (a *archived) runAndKill(after int, absent, begun bool) error {
	child := a.k.Command(a.dir)
	to := a.k.Dir + "-archive"
	if absent {
		to = outOfReach + to
	}
	child.Env = append(child.Environ(), archiveVariable+"="+to)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	acks, killed := 0, false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line, whole := strings.CutSuffix(lines.Text(), ".") // the last line may be cut short
		if !whole {
			break
		}
		if a.heard(line) {
			acks++
		}
		if acks >= after && !killed && (a.claimed > 0 || !begun) {
			if err := child.Process.Kill(); err != nil {
				return err
			}
			killed = true
		}
	}
	_, err = io.Copy(io.Discard, out)
	_ = child.Wait() // killed
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	if !killed {
		return fmt.Errorf("the process that archives ended by itself after %d acknowledgements", acks)
	}
	a.k.Stats.Acked += acks
	return nil
}

// heard takes what a process says, and reports whether that is an acknowledgement.
func (a *archived) heard(line string) bool {
	var w int
	var n, seq uint64
	if _, err := fmt.Sscanf(line, "ack %d %d %d", &w, &n, &seq); err == nil && w >= 0 && w < archivists {
		for uint64(len(a.acked[w])) <= n {
			a.acked[w] = append(a.acked[w], 0)
		}
		a.acked[w][n] = seq
		return true
	}
	if _, err := fmt.Sscanf(line, "archived %d", &seq); err == nil {
		a.claimed = max(a.claimed, seq)
	}
	return false
}

// judge restores the newest point of the archive, and another one, and compares them with what was acknowledged.
// complete: everything in the database is archived.
func (a *archived) judge(complete bool) error {
	last, err := a.last()
	if err != nil {
		return err
	}
	branches, err := a.repo.Branches(context.Background())
	if errors.Is(err, backup.ErrNotRepository) && a.claimed == 0 {
		return nil // it was killed before it had begun
	}
	if err != nil || len(branches) == 0 && a.claimed == 0 {
		return err
	}
	if len(branches) != 1 || branches[0].Damage != nil || branches[0].Cause != "begin" {
		return fmt.Errorf("the branches are %+v", branches)
	}
	b := branches[0]
	if b.Last < a.claimed || b.Last > last || complete && b.Last != last {
		a.k.Stats.AckedLost++
		return fmt.Errorf("the archive ends with %d; it has said %d, and the database has %d", b.Last, a.claimed, last)
	}
	if b.Last < last {
		a.k.Stats.ArchivesBehind++
	}
	return errors.Join(a.restore(b.Last), a.restore(b.First+a.k.Random.Uint64N(b.Last-b.First+1)))
}

// last is the newest sequence number in the database. It is read only: to open it without an archive would give up what
// is held.
func (a *archived) last() (uint64, error) {
	db, err := lightningdb.Open(a.dir, &lightningdb.Options{ReadOnly: true, MemoryLimit: 10 << 20})
	if err != nil {
		return 0, fmt.Errorf("open after a kill: %w", err)
	}
	defer db.Close()
	var sum uint64
	for w := range archivists {
		n, err := checkedHead(db, w)
		if err != nil {
			return 0, err
		}
		sum += operationsTo(w, n)
	}
	if is := db.Metrics().Sequence; is != sum {
		return 0, fmt.Errorf("the commits in the database have %d operations, and it says %d", sum, is)
	}
	return sum, nil
}

// operationsTo is how many operations the commits of writer w up to n have: each has a sequence number.
func operationsTo(w int, n uint64) uint64 {
	total := 4 * n
	for m := uint64(kept + 1); m <= n; m++ {
		if byRange(w, m) {
			total++
		} else {
			total += 3
		}
	}
	return total
}

// restore restores the state at a sequence number, and compares it. All commits of the writers together have as many
// operations as there are sequence numbers: so none is missing, and none invented.
func (a *archived) restore(seq uint64) (err error) {
	to := filepath.Join(a.k.Dir+"-point", "restored")
	if err := makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(to)) }()
	done, err := backup.RestoreTo(context.Background(), a.repo, to, backup.Sequence(seq), nil)
	if err != nil {
		return err
	}
	a.k.Stats.Points++
	db, err := lightningdb.Open(to, &lightningdb.Options{ReadOnly: true, MemoryLimit: 10 << 20})
	if err != nil {
		return err
	}
	defer db.Close()
	var sum uint64
	for w := range archivists {
		n, err := checkedHead(db, w)
		if err == nil {
			err = a.isStateOf(w, n, seq)
		}
		if err != nil {
			a.k.Stats.WrongData++
			return fmt.Errorf("the state at %d, writer %d: %w", seq, w, err)
		}
		sum += operationsTo(w, n)
	}
	if sum != done.Sequence || sum > seq {
		a.k.Stats.WrongData++
		return fmt.Errorf("the state at %d has %d operations, and says %d", seq, sum, done.Sequence)
	}
	return nil
}

// isStateOf says what is wrong if the last commit of writer w at a sequence number is n.
func (a *archived) isStateOf(w int, n, seq uint64) error {
	for i, at := range a.acked[w] {
		switch {
		case at == 0: // it was in flight when its process was killed
		case at <= seq && uint64(i) > n:
			return fmt.Errorf("commit %d is missing, whose number is %d; the last is %d", i, at, n)
		case at > seq && uint64(i) <= n:
			return fmt.Errorf("commit %d is there, whose number is %d; the last is %d", i, at, n)
		}
	}
	return nil
}

// catchUp opens the database, and waits until everything is archived.
func (a *archived) catchUp() (err error) {
	db, err := lightningdb.Open(a.dir, archiveOptions(backup.NewArchive(a.repo)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for waited := 0; ; waited++ {
		m := db.Metrics()
		if m.Archive.Sequence >= m.Sequence {
			a.claimed = m.Archive.Sequence
			return nil
		}
		if waited == 60_000 {
			return fmt.Errorf("a minute after the last kill the archive is at %+v, of %d", m.Archive, m.Sequence)
		}
		<-again.C
	}
}

func archiveOptions(to lightningdb.Archive) *lightningdb.Options {
	return &lightningdb.Options{MemoryLimit: 10 << 20, LogLimit: 100 << 10, ValueThreshold: killThreshold, Archive: to,
		ArchiveInterval: 10 * time.Millisecond, ArchiveRetention: 256 << 20}
}

// absent is a repository that is out of reach.
type absent struct{ *backup.Archive }

var errAbsent = errors.New("the repository is out of reach")

// PutPiece is that of lightningdb.Archive.
func (absent) PutPiece(context.Context, string, []byte) error { return errAbsent }

// ReadPiece is that of lightningdb.Archive.
func (absent) ReadPiece(context.Context, string, int64) ([]byte, error) { return nil, errAbsent }

// ListPieces is that of lightningdb.Archive.
func (absent) ListPieces(context.Context, string) ([]string, []int64, error) {
	return nil, nil, errAbsent
}

// archiveUntilKilled commits and archives, and says so on standard output: "ack 2 17 99." when commit 17 of writer 2
// has returned, whose last sequence number is 99, "archived 99." when that is archived.
func archiveUntilKilled(dir, name string) error {
	name, isAbsent := strings.CutPrefix(name, outOfReach)
	repo, err := backup.OpenFolder(name)
	if err != nil {
		return err
	}
	var to lightningdb.Archive = backup.NewArchive(repo)
	if isAbsent {
		to = absent{}
	}
	db, err := lightningdb.Open(dir, archiveOptions(to))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Printf(format+".\n", args...)
		return err
	}
	failed := make(chan error)
	for w := range archivists {
		go func() { failed <- archiveOn(db, w, say) }()
	}
	go func() {
		again := time.NewTicker(time.Millisecond)
		var err error
		for err == nil {
			<-again.C
			err = say("archived %d", db.Metrics().Archive.Sequence)
		}
		failed <- err
	}()
	return <-failed
}

// archiveOn commits one batch after the other.
func archiveOn(db *lightningdb.DB, w int, say func(format string, args ...any) error) error {
	n, err := head(db, w)
	for err == nil {
		n++
		b := commitOf(w, n)
		if err = db.Write(b); err == nil {
			err = say("ack %d %d %d", w, n, b.Sequence())
		}
	}
	return err
}
