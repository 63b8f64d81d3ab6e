package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"lightningdb"
	"lightningdb/cmd/internal/jsonline"
)

// The exit codes. They are part of the interface: scripts branch on them.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitLocked      = 4
	ExitCorrupt     = 5
	ExitNoSpace     = 6
	ExitInterrupted = 130
)

// advised is an error with what to do about it.
type advised struct {
	error
	advice string
}

func (e *advised) Unwrap() error { return e.error }

// Advise adds what to do to an error.
func Advise(err error, advice string) error { return &advised{err, advice} }

// errUsage marks a wrong use of the command line.
var errUsage = errors.New("usage")

// Usage marks err as a wrong use of the command line.
func Usage(err error, advice string) error { return &advised{&usageError{err}, advice} }

// usageError is errUsage without a word of its own.
type usageError struct{ error }

func (e *usageError) Unwrap() error        { return e.error }
func (e *usageError) Is(target error) bool { return target == errUsage }

// Class is a kind of error: what scripts branch on, and what to do where the error itself does not say it.
type Class struct {
	Is     error // what errors.Is finds
	Code   int   // the exit code
	Name   string
	Advice string
}

// interrupted is the class of errors that come from the end of the command's context.
var interrupted = Class{context.Canceled, ExitInterrupted, "interrupted",
	"run it again to go on"}

// Classes are those that all programs have. They are tried in order; the first that fits is it.
func Classes() []Class { return classes }

var classes = []Class{
	{errUsage, ExitUsage, "usage", "see `help`"},
	{lightningdb.ErrLocked, ExitLocked, "locked", "close the other program, or wait until it is done"},
	{lightningdb.ErrCorrupt, ExitCorrupt, "corruption", "copy the directory before anything else, and look at its disk; " +
		"`lightning verify` lists the damage, `lightning salvage` writes what is whole to a new directory; " +
		"else use an earlier copy or export"},
	{lightningdb.ErrNoSpace, ExitNoSpace, "no-space", "free some space and run it again"},
	{syscall.ENOSPC, ExitNoSpace, "no-space", "free some space and run it again"},
	{lightningdb.ErrCommitUnknown, ExitFailure, "commit-unknown", "mend the cause, then read what is there and run " +
		"it again"},
	{lightningdb.ErrReadOnly, ExitFailure, "read-only", "mend the cause and run it again; everything acknowledged " +
		"is there"},
	{lightningdb.ErrNotFound, ExitNotFound, "not-found", "list keys with `lightning scan`"},
	{lightningdb.ErrMerge, ExitFailure, "merge", "read it with the program that wrote it, or put or delete the key"},
	{lightningdb.ErrSnapshotExpired, ExitFailure, "expired", "run it again: what it read was removed meanwhile"},
	{lightningdb.ErrNoBucket, ExitFailure, "no-bucket", "`lightning bucket list` shows which there are, `lightning " +
		"bucket create` makes one"},
	{lightningdb.ErrBucketExists, ExitFailure, "bucket-exists", "choose another path, or drop or move the one there"},
	{lightningdb.ErrBucketName, ExitFailure, "bucket-name", "a name has 1 to 255 bytes of UTF-8, and no bucket moves " +
		"into itself"},
	{lightningdb.ErrTooDeep, ExitFailure, "bucket-name", "choose a shorter path"},
	{lightningdb.ErrNoDatabase, ExitFailure, "no-database", "check the directory; put, add, bucket create, import and " +
		"shell create a database"},
	{lightningdb.ErrNotDatabase, ExitFailure, "not-database", "check the directory; an empty or absent one is needed"},
	{lightningdb.ErrVersionTooNew, ExitFailure, "version-too-new", "use a newer version of lightning"},
	{fs.ErrPermission, ExitFailure, "permission", "check owner and mode of the file or directory"},
	{fs.ErrNotExist, ExitFailure, "no-file", "check the path"},
	{fs.ErrExist, ExitFailure, "exists", "choose another name"},
}

// classify finds the class of err.
func (a *App) classify(err error) Class {
	if a.Classify != nil {
		if class, ok := a.Classify(err); ok {
			return class
		}
	}
	i := slices.IndexFunc(classes, func(c Class) bool { return errors.Is(err, c.Is) })
	if i < 0 {
		return Class{Code: ExitFailure, Name: "failure", Advice: "correct the cause and try again"}
	}
	return classes[i]
}

// JSONError is an error with --json.
type JSONError struct {
	Error struct {
		Code    int    `json:"code"`
		Class   string `json:"class"`
		Message string `json:"message"`
		Advice  string `json:"advice"`
	} `json:"error"`
}

// fail writes err as one line and returns the exit code.
func (a *App) fail(ctx context.Context, err error, args []string) int {
	c := a.classify(err)
	var by *Interrupted // perhaps of a context of the command's own
	ended := ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
	if ended || errors.As(err, &by) {
		c = interrupted
	}
	if c.Code == ExitNoSpace && inodesAreOut(append(pathsIn(err), a.Place)) {
		c.Advice = "remove some files there, however small, and run it again: the file system is out of inodes"
	}
	var with *advised
	if errors.As(err, &with) && with.advice != "" {
		c.Advice = with.advice
	}
	message := OneLine(err.Error())
	if c.Code == ExitInterrupted {
		message = interruption(ctx, message)
	}
	if a.JSON || slices.Contains(args, "--json") { // the flag may not have been read when the command line is wrong
		var out JSONError
		out.Error.Code, out.Error.Class, out.Error.Message, out.Error.Advice = c.Code, c.Name, message, c.Advice
		_ = jsonline.Write(a.Stderr, out)
		return c.Code
	}
	fmt.Fprintf(a.Stderr, "%s: %s; %s\n", a.Name, message, c.Advice)
	return c.Code
}

// interruption is the message of a command that was interrupted, with what interrupted it: some only know that their
// context has ended.
func interruption(ctx context.Context, message string) string {
	cause := context.Cause(ctx)
	if cause == nil || strings.Contains(message, cause.Error()) {
		return message
	}
	if before, after, found := strings.Cut(message, context.Canceled.Error()); found {
		return before + cause.Error() + after
	}
	return message + ": " + cause.Error()
}

// OneLine makes one line of a joined or otherwise long message. What it says twice it says once.
func OneLine(text string) string {
	var parts []string
	for line := range strings.Lines(text) {
		line = strings.Join(strings.Fields(line), " ")
		if !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(part, line) }) {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}
