package repositories

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"lightningdb/backup"
	"lightningdb/cmd/internal/console"
)

// Verbs are the commands, as methods, and what they need of the program.
type Verbs struct {
	*console.App

	// At opens the repository at a place, as people name it. Unless it is opened to read, nothing need be there yet.
	At func(ctx context.Context, place string, a Access) (*backup.Repository, error)

	// Explain adds to an error, of which the class may be that there is no repository, what is at the place in its stead.
	// It is nil if the program cannot tell.
	Explain func(place string, err error) error

	Example string // a place, for help
}

// Access is what a command does with a repository.
type Access int

// The ways to open a repository.
const (
	readOnly Access = iota // writes nothing
	change                 // removes
	Begin                  // makes it one if need be
)

// Writes reports whether a command changes the repository.
func (a Access) Writes() bool { return a != readOnly }

// open opens the repository at a place.
func (v *Verbs) open(ctx context.Context, place string, a Access) (*backup.Repository, error) {
	repo, err := v.At(ctx, place, a)
	if err != nil {
		return nil, IfInterrupted(ctx, v.explain(place, err), NothingLeft)
	}
	return repo, nil
}

func (v *Verbs) explain(place string, err error) error {
	if v.Explain == nil {
		return err
	}
	return v.Explain(place, err)
}

// one is the name of one backup of a repository.
func one(place, id string) string { return strings.TrimRight(place, "/") + "/" + id }

const (
	// NothingLeft is what to do after an interruption that has left nothing.
	NothingLeft = "run it again: nothing is left of this attempt"

	// MovedStays is what to do after a backup to a repository was interrupted.
	MovedStays = "run it again to go on: the backups that are there are whole, and what was moved is not moved again"

	// EmptyOrAbsent is what to do if the directory to be made is there.
	EmptyOrAbsent = "name a directory that is empty or not there"

	changesNothing = "run it again: it changes nothing"
	checkName      = "check the name of the repository"
)

// IfInterrupted adds what there is now, and what to do, to the error of a command that was interrupted.
func IfInterrupted(ctx context.Context, err error, advice string) error {
	ended := ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
	if !ended {
		return err
	}
	return console.Advise(err, advice)
}

// adviseID says where ids are to be found, if there is none of that name.
func (v *Verbs) adviseID(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return console.Advise(err, "`"+v.Name+" list` shows which backups there are")
}

// Classify finds the class of errors that repositories have, for the program with a name.
func Classify(err error, program string) (c console.Class, ok bool) {
	c.Code = console.ExitFailure
	switch {
	case errors.Is(err, backup.ErrNoPoint):
		c.Name, c.Advice = "no-point", "`"+program+" archive list` shows which states there are"
	case errors.Is(err, backup.ErrForked):
		c.Name, c.Advice = "forked", "choose a branch by --branch; `"+program+" archive list` shows them"
	case errors.Is(err, backup.ErrBadBackup), errors.Is(err, backup.ErrBadPiece):
		c.Code, c.Name = console.ExitCorrupt, "bad-backup"
		c.Advice = "take another backup, and make a new one as long as the database is whole"
	case errors.Is(err, backup.ErrNotRepository):
		c.Name, c.Advice = "not-repository", checkName
	case errors.Is(err, backup.ErrPruning):
		c.Code, c.Name, c.Advice = console.ExitLocked, "pruning", "run it again when the other one has ended"
	default:
		return console.Class{}, false
	}
	return c, true
}
