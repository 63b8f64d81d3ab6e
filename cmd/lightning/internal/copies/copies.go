// Package copies holds the commands that copy databases: to a file, to a repository of backups, to a directory, and
// back. It turns arguments into calls of the public API and of package backup, and owns no data. What is done with a
// repository is in package repositories; here is what a name means.
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

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/lightning/internal/entries"
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
func (v *Verbs) Commands() []*command.Command {
	r := v.repositories()
	all := []*command.Command{v.backupCommand(), v.restoreCommand(), r.List(), r.Prune(), r.Diff(), r.Archive(),
		v.checkpointCommand(), v.cloneCommand()}
	for _, c := range all {
		c.Aliases = entries.Synonyms[c.Name()]
	}
	return all
}

// VerifyRepository looks whether every file that a backup names is there; with readData, whether it is what it was. It
// writes a line for each damage.
func (v *Verbs) VerifyRepository(ctx context.Context, dir string, readData bool) error {
	return v.repositories().Verify(ctx, dir, readData)
}

// repositories are the commands on a repository, of those in folders.
func (v *Verbs) repositories() *repositories.Verbs {
	return &repositories.Verbs{App: v.App, At: v.openRepository, Explain: noRepository, Example: "/backup/orders"}
}

// noRepository refuses a directory in which there is something else.
func noRepository(dir string, err error) error {
	if !errors.Is(err, backup.ErrNotRepository) {
		return err
	}
	if IsDatabase(dir) {
		return console.Advise(err, "it is a database: to copy that, use backup or checkpoint; to list its keys, scan")
	}
	return console.Advise(err, "name the directory that backups were made in, or for a new one an empty directory")
}

// IsDatabase reports whether dir looks like a database. It is for advice, and refuses nothing.
func IsDatabase(dir string) bool {
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

// openRepository opens the repository in dir, which must be one already unless a backup is to be made there.
func (v *Verbs) openRepository(_ context.Context, dir string, a repositories.Access) (*backup.Repository, error) {
	if dir == "" {
		return nil, console.Usage(errors.New("the name of the repository is empty"), "name a directory")
	}
	v.Place = dir
	if _, err := os.Stat(dir); err != nil && a != repositories.Begin {
		return nil, fmt.Errorf("open the repository: %w", err)
	}
	return backup.OpenFolder(dir)
}
