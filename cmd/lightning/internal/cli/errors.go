package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/cmd/lightning/internal/jsonline"
	"lightningdb/cmd/lightning/internal/shell"
)

// The exit codes. They are part of the interface: scripts branch on them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitLocked      = 4
	exitCorrupt     = 5
	exitNoSpace     = 6
	exitInterrupted = 130
)

// advised is an error with what to do about it.
type advised struct {
	error
	advice string
}

func (e *advised) Unwrap() error { return e.error }

// advise adds what to do to an error.
func advise(err error, advice string) error { return &advised{err, advice} }

// errUsage marks a wrong use of the command line.
var errUsage = errors.New("usage")

// usage marks err as a wrong use of the command line. In line it would be in the program 14 times.
//
//go:noinline
func usage(err error, advice string) error { return &advised{&usageError{err}, advice} }

// usageError is errUsage without a word of its own.
type usageError struct{ error }

func (e *usageError) Unwrap() error        { return e.error }
func (e *usageError) Is(target error) bool { return target == errUsage }

// class is a kind of error: what scripts branch on, and what to do where the error itself does not say it.
type class struct {
	is     error
	code   int
	name   string
	advice string
}

// interrupted is the class of errors that come from the end of the command's context.
var interrupted = class{context.Canceled, exitInterrupted, "interrupted",
	"run it again to go on"}

// classes are tried in order; the first that fits is it.
var classes = []class{
	{errUsage, exitUsage, "usage", "see `lightning help`"},
	{lightningdb.ErrLocked, exitLocked, "locked", "close the other program, or wait until it is done"},
	{lightningdb.ErrCorrupt, exitCorrupt, "corruption", "keep a copy of the directory and restore a backup"},
	{lightningdb.ErrNoSpace, exitNoSpace, "no-space", "free some space and run it again"},
	{syscall.ENOSPC, exitNoSpace, "no-space", "free some space and run it again"},
	{lightningdb.ErrCommitUnknown, exitFailure, "commit-unknown", "mend the cause, then read what is there and run it again"},
	{lightningdb.ErrReadOnly, exitFailure, "read-only", "mend the cause and run it again; everything acknowledged is there"},
	{lightningdb.ErrNotFound, exitNotFound, "not-found", "list keys with `lightning scan`"},
	{lightningdb.ErrMerge, exitFailure, "merge", "read it with the program that wrote it, or put or delete the key"},
	{shell.ErrOpenAtEnd, exitFailure, "script", "commit before the end"},
	{lightningdb.ErrNoDatabase, exitFailure, "no-database", "check the directory; put, add, import and shell create a database"},
	{lightningdb.ErrNotDatabase, exitFailure, "not-database", "check the directory; an empty or absent one is needed"},
	{lightningdb.ErrVersionTooNew, exitFailure, "version-too-new", "use a newer version of lightning"},
	{fs.ErrPermission, exitFailure, "permission", "check owner and mode of the file or directory"},
	{fs.ErrNotExist, exitFailure, "no-file", "check the path"},
	{fs.ErrExist, exitFailure, "exists", "choose another name, or --force to replace it"},
}

// classify finds the class of err.
func classify(err error) class {
	var bad *exchange.LineError
	if errors.As(err, &bad) {
		return class{code: exitFailure, name: "bad-input", advice: "correct the line and import the file again"}
	}
	var line *shell.LineError
	if errors.As(err, &line) {
		return class{code: exitFailure, name: "script", advice: "what the lines before it committed is there; correct it and run the rest"}
	}
	i := slices.IndexFunc(classes, func(c class) bool { return errors.Is(err, c.is) })
	if i < 0 {
		return class{code: exitFailure, name: "failure", advice: "correct the cause and try again"}
	}
	return classes[i]
}

// jsonError is an error with --json.
type jsonError struct {
	Error struct {
		Code    int    `json:"code"`
		Class   string `json:"class"`
		Message string `json:"message"`
		Advice  string `json:"advice"`
	} `json:"error"`
}

// fail writes err as one line and returns the exit code.
func (a *app) fail(ctx context.Context, err error, args []string) int {
	c := classify(err)
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		c = interrupted
	}
	var with *advised
	if errors.As(err, &with) && with.advice != "" {
		c.advice = with.advice
	}
	message := oneLine(err.Error())
	if a.json || slices.Contains(args, "--json") { // the flag may not have been read when the command line is wrong
		var out jsonError
		out.Error.Code, out.Error.Class, out.Error.Message, out.Error.Advice = c.code, c.name, message, c.advice
		_ = jsonline.Write(a.Stderr, out)
		return c.code
	}
	fmt.Fprintf(a.Stderr, "lightning: %s; %s\n", message, c.advice)
	return c.code
}

// oneLine makes one line of a joined or otherwise long message.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
