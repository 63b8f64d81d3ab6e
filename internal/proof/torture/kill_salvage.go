package torture

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"lightningdb"
	"lightningdb/internal/tree/manifest"
)

// salvageVariable names the directory that a process shall salvage to, which would write until it is killed otherwise.
const salvageVariable = "LIGHTNING_TORTURE_SALVAGE"

// salvagesKilled is how many salvages of a directory are killed before one is let finish.
const salvagesKilled = 3

// Salvage has processes salvage the database, and kills each of them. What they leave must be complete or refused, the
// database must be as it was, and at last a salvage must get all of it. Its error says that this could not be tried.
func (k *Killer) Salvage() error {
	if err := k.Close(); err != nil {
		return err
	}
	at, err := k.heads() // which closes the database cleanly
	if err != nil {
		return err
	}
	before, err := digests(k.Dir)
	if err != nil {
		return err
	}
	for n := range salvagesKilled + 1 {
		to := fmt.Sprintf("%s-salvaged-%d", k.Dir, n)
		where := fmt.Sprintf("%s, salvage %d", k.Dir, n)
		complete := n == salvagesKilled
		if complete {
			report, err := lightningdb.Salvage(context.Background(), k.Dir, to, nil)
			if err == nil && len(report.Losses) > 0 {
				err = fmt.Errorf("it reports losses: %v", report.Losses)
			}
			if err != nil {
				k.Fail(where, err)
				return os.RemoveAll(to)
			}
		} else if err := k.killSalvage(to); err != nil {
			return err
		}
		if err := k.judgeSalvaged(to, at, complete); err != nil {
			k.Fail(where, err)
		}
		after, err := digests(k.Dir)
		if err == nil && !maps.Equal(before, after) {
			k.Fail(where, errors.New("it has changed what it salvages"))
		}
		if err := errors.Join(err, os.RemoveAll(to)); err != nil {
			return err
		}
	}
	return nil
}

// killSalvage runs a process that salvages to a directory, and kills it after some of its progress.
func (k *Killer) killSalvage(to string) error {
	child := k.Command(k.Dir)
	child.Env = append(child.Environ(), salvageVariable+"="+to)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for left := k.Random.IntN(40); left > 0 && lines.Scan(); left-- {
	}
	_ = child.Process.Kill() // fails if it has finished, which is well
	for lines.Scan() {       // to its end
	}
	_ = child.Wait() // killed
	k.Stats.Salvages++
	return nil
}

// salvageUntilKilled salvages, and says on standard output how far it is.
func salvageUntilKilled(dir, to string) error {
	_, err := lightningdb.Salvage(context.Background(), dir, to, &lightningdb.SalvageOptions{
		Progress: func(done, total int64) { fmt.Println("salvaged", done, "of", total) }})
	return err
}

// judgeSalvaged demands that directory to holds all that the database has, or, unless it must be complete, that it is
// refused as what a salvage has left that was interrupted, or holds nothing yet.
func (k *Killer) judgeSalvaged(to string, at [writers]progress, complete bool) (err error) {
	opts := killOptions()
	opts.MustExist = true
	db, err := lightningdb.Open(to, opts)
	if err != nil && !complete {
		_, marked := os.Stat(filepath.Join(to, manifest.Unfinished))
		switch {
		case errors.Is(err, lightningdb.ErrNotDatabase) && marked == nil && strings.Contains(err.Error(), "remove"):
			k.Stats.Unfinished++
			return nil
		case errors.Is(err, lightningdb.ErrNoDatabase):
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("open what was salvaged: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for w := range writers {
		n, err := head(db, w)
		if err == nil && n != at[w].acked {
			k.Stats.AckedLost++
			err = fmt.Errorf("the last commit of writer %d is %d instead of %d", w, n, at[w].acked)
		}
		if err == nil {
			err = checkWriter(db, w, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// digests are the names of the files in dir, but its lock, and digests of their content.
func digests(dir string) (map[string][sha256.Size]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	all := make(map[string][sha256.Size]byte)
	for _, e := range entries {
		if e.Name() == "LOCK" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all[e.Name()] = sha256.Sum256(data)
	}
	return all, nil
}
