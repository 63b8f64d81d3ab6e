package torture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"lightningdb"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/proof/observer"
)

// followVariable tells a process that would write until it is killed to follow instead.
const followVariable = "LIGHTNING_TORTURE_FOLLOW"

// reader is a database or a snapshot of one.
type reader interface {
	Get(key []byte) ([]byte, error)
	ValueReader(ctx context.Context, key []byte) (*lightningdb.Value, error)
	Prefix(p []byte) *lightningdb.Range
}

// shownHeads is how far each writer had come in the states that a follower has shown.
type shownHeads [writers]uint64

// refresh makes f show the newest state, and compares it whole. Of each writer at least the commit in least must be
// there. told is called with each head that has risen.
func (s *shownHeads) refresh(f *lightningdb.Follower, least shownHeads, told func(w int, n uint64) error) error {
	if err := f.Refresh(context.Background()); err != nil {
		return err
	}
	snapshot := f.Snapshot()
	defer snapshot.Close()
	for w := range writers {
		n, err := head(snapshot, w)
		if err != nil {
			return err
		}
		if n < max(s[w], least[w]) {
			return fmt.Errorf("%w: it shows commit %d of writer %d, after %d, and %d was acknowledged",
				observer.ErrMisled, n, w, s[w], least[w])
		}
		if err := checkWriter(snapshot, w, n); err != nil {
			return fmt.Errorf("%w: writer %d: %w", observer.ErrMisled, w, err)
		}
		if n > s[w] {
			s[w] = n
			if err := told(w, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// watch lets the Killer's follower, which outlives the processes that write, show the newest, at least what is
// acknowledged by now.
func (k *Killer) watch(at *[writers]progress) (err error) {
	if k.follower == nil {
		k.follower, err = lightningdb.OpenFollower(k.Dir, &lightningdb.FollowerOptions{Interval: -1})
		if err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		k.Stats.Followers.Opened++
	}
	var least shownHeads
	for w := range least {
		least[w] = at[w].acked
	}
	err = k.shown.refresh(k.follower, least, func(int, uint64) error { return nil })
	return k.count(err)
}

// count counts a state that was compared, or one that misled.
func (k *Killer) count(err error) error {
	switch {
	case err == nil:
		k.Stats.Followers.Shown++
	case errors.Is(err, observer.ErrMisled):
		k.Stats.Followers.Misled++
	}
	return err
}

// Close ends the followers.
func (k *Killer) Close() error {
	err := k.killOther()
	if k.follower != nil {
		err = errors.Join(err, k.follower.Close())
		k.follower = nil
	}
	return err
}

// following is a process that follows, and is killed in the end.
type following struct {
	child *exec.Cmd
	saw   chan shownHeads // what it has shown, once it is dead
}

// followBy starts a process that follows.
func (k *Killer) followBy() error {
	child := k.Command(k.Dir)
	child.Env = append(child.Environ(), followVariable+"=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	saw := make(chan shownHeads, 1)
	go func() { saw <- readHeads(out) }()
	k.other = &following{child, saw}
	return nil
}

// readHeads reads what a process says that it has shown, until it is dead.
func readHeads(out io.Reader) (saw shownHeads) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var w int
		var n uint64
		if _, err := fmt.Sscanf(lines.Text(), "saw %d %d", &w, &n); err == nil && w >= 0 && w < writers {
			saw[w] = max(saw[w], n) // the last line may be cut short, and is smaller then
		}
	}
	return saw
}

// killOther kills the process that follows. All that it has shown must be in the database, and its lease stays.
func (k *Killer) killOther() error {
	if k.other == nil {
		return nil
	}
	other := k.other
	k.other = nil
	if err := other.child.Process.Kill(); err != nil {
		return fmt.Errorf("the process that follows ended by itself: %w", err)
	}
	saw := <-other.saw
	if err := other.child.Wait(); other.child.ProcessState.Exited() {
		return fmt.Errorf("the process that follows ended by itself: %w", err)
	}
	k.Stats.Followers.Opened++
	for w, n := range saw {
		k.shown[w] = max(k.shown[w], n)
	}
	return nil
}

// judgeShown demands that a database in which writer w has come to commit n has all that followers have shown.
func (k *Killer) judgeShown(w int, n uint64) error {
	if n < k.shown[w] {
		k.Stats.Followers.Misled++
		return fmt.Errorf("the last commit is %d; a follower has shown %d", n, k.shown[w])
	}
	return nil
}

// followUntilKilled follows, and says on standard output how far each writer has come.
func followUntilKilled(dir string) error {
	f, err := lightningdb.OpenFollower(dir, &lightningdb.FollowerOptions{Interval: -1})
	if err != nil {
		return err
	}
	var shown shownHeads
	for {
		err := shown.refresh(f, shownHeads{}, func(w int, n uint64) error {
			_, err := fmt.Printf("saw %d %d\n", w, n)
			return err
		})
		if err != nil {
			return err
		}
	}
}

// LeasesEnd opens the database and demands that soon after their term the leases of the followers that were killed are
// gone, with all that they held. It takes as long.
func (k *Killer) LeasesEnd() error {
	if err := k.Close(); err != nil {
		return err
	}
	db, err := lightningdb.Open(k.Dir, killOptions())
	if err != nil {
		return err
	}
	defer db.Close()
	if err := errors.Join(db.Flush(), db.Compact(context.Background(), nil, nil)); err != nil {
		return err
	}
	again := time.NewTicker(lease.Interval / 10)
	defer again.Stop()
	for left := int(lease.Term*2/lease.Interval) * 10; ; left-- {
		held, err := k.held(db)
		if err != nil || held == "" {
			return err
		}
		if left == 0 {
			return fmt.Errorf("twice their term after the followers were killed, %s", held)
		}
		<-again.C
	}
}

// held says what is still kept for followers, empty if nothing is.
func (k *Killer) held(db *lightningdb.DB) (string, error) {
	leases, err := filepath.Glob(filepath.Join(k.Dir, "FOLLOWER-*"))
	if err != nil {
		return "", err
	}
	tables, err := filepath.Glob(filepath.Join(k.Dir, "*.tbl"))
	if err != nil {
		return "", err
	}
	named := db.Metrics().Values.Files
	for _, l := range db.Metrics().Levels {
		named += l.Tables
	}
	if len(leases) == 0 && len(tables) == named {
		return "", nil
	}
	return fmt.Sprintf("there are %d leases, and %d tables of which %d are needed", len(leases), len(tables), named), nil
}
