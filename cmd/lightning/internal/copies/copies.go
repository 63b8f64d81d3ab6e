// Package copies holds the commands that copy databases: to a file, to a repository of backups, to a directory, and
// back; and those that look after a repository. It turns arguments into calls of the public API and of package backup,
// and owns no data.
//
// # What a name means
//
// The place of a backup is a repository if it is a directory, or ends in a separator; else it is a file. One backup of
// a repository is named like a file in it: REPOSITORY/ID. Nothing is guessed that could lose data: a directory that
// holds something else is refused by package backup, and a restore without an ID by restore if it could mean another
// database than the caller's.
package copies

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
)

// Source is a database that can be copied: a *lightningdb.DB or *lightningdb.Follower.
type Source interface {
	backup.Source
	Checkpoint(ctx context.Context, dir string, progress func(done, total int64)) (uint64, error)
}

// Verbs are the commands, as methods, and what they need of the program.
type Verbs struct {
	*console.App

	// Read opens a database for reading, or follows it if another process writes it, and calls f.
	Read func(dir string, f func(from Source) error) error
}

// Commands are all of them, in the order in which help lists them.
func (v Verbs) Commands() []*command.Command {
	return []*command.Command{v.backupCommand(), v.restoreCommand(), v.listCommand(), v.pruneCommand(), v.diffCommand(),
		v.archiveCommand(), v.checkpointCommand(), v.cloneCommand()}
}

// noRepository refuses a directory in which there is something else.
func noRepository(dir string, err error) error {
	if !errors.Is(err, backup.ErrNotRepository) {
		return err
	}
	if isDatabase(dir) {
		return console.Advise(err, "it is a database: to copy that, use backup or checkpoint; to list its keys, scan")
	}
	return console.Advise(err, "name the directory that backups were made in, or for a new one an empty directory")
}

// isDatabase reports whether dir looks like a database. It is for advice only.
func isDatabase(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "CURRENT"))
	return err == nil
}

// IsRepository reports whether dir is a repository of backups, of any format.
func IsRepository(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "lightning-repository.json"))
	return err == nil
}

// meansRepository reports whether the place of a backup is a repository; see the package.
func meansRepository(place string) bool {
	if info, err := os.Stat(place); err == nil {
		return info.IsDir()
	}
	return place != "" && os.IsPathSeparator(place[len(place)-1])
}

// openRepository opens the repository in dir, which must be one already.
func (v Verbs) openRepository(dir string) (*backup.Repository, error) {
	if dir == "" {
		return nil, console.Usage(errors.New("the name of the repository is empty"), "name a directory")
	}
	v.Place = dir
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open the repository: %w", err)
	}
	repo, err := backup.OpenFolder(dir)
	return repo, noRepository(dir, err)
}

// nothingLeft is what to do after an interruption that has left nothing.
const nothingLeft = "run it again: nothing is left of this attempt"

// ifInterrupted adds what there is now, and what to do, to the error of a command that was interrupted.
func ifInterrupted(ctx context.Context, err error, advice string) error {
	ended := ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
	if !ended {
		return err
	}
	return console.Advise(err, advice)
}

// emptyOrAbsent adds what to do to the error that a directory to be made is there.
const emptyOrAbsent = "name a directory that is empty or not there"

// seconds is a duration as JSON has it.
func seconds(since time.Time) float64 { return time.Since(since).Seconds() }
