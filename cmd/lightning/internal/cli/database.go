package cli

import (
	"context"
	"errors"
	"fmt"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/copies"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/event"
)

// reading is what a database and a follower of one have in common.
type reading interface {
	Snapshot() *lightningdb.Snapshot
	Verify(ctx context.Context, progress func(done, total int64)) error
	copies.Source
	Metrics() lightningdb.Metrics
	Path() string
	Close() error
}

// source is a database that a command reads: opened by itself, or followed because another process writes it.
type source struct {
	reading
	db       *lightningdb.DB       // nil if it is followed
	follower *lightningdb.Follower // nil if it is not
	writer   string                // who has a followed database open
}

// oneState is how commands follow that end with what they began with.
var oneState = &lightningdb.FollowerOptions{Interval: -1}

// read opens the database for reading, or follows it if a writer has it, and runs f.
func (a *app) read(dir string, f func(from source) error) error {
	return a.with(dir, lightningdb.Options{ReadOnly: true, MustExist: true}, oneState, f)
}

// change opens a database that exists for writing and runs f.
func (a *app) change(dir string, d console.Durability, f func(db *lightningdb.DB) error) error {
	o := lightningdb.Options{MustExist: true, Durability: lightningdb.Durability(d)}
	return a.with(dir, o, nil, func(s source) error { return f(s.db) })
}

// create is change for commands that may begin a database.
func (a *app) create(dir string, d console.Durability, f func(db *lightningdb.DB) error) error {
	o := lightningdb.Options{Durability: lightningdb.Durability(d)}
	return a.with(dir, o, nil, func(s source) error { return f(s.db) })
}

// write is create for keys of the root, and change for those of a bucket, which must be there.
func (a *app) write(dir string, d console.Durability, to entries.Bucket, f func(db *lightningdb.DB) error) error {
	if len(to.Path) > 0 {
		return a.change(dir, d, f)
	}
	return a.create(dir, d, f)
}

// with opens, runs and closes. A database that another process writes is followed as follow says; if that is nil, the
// command fails. The error of Close counts: a write is done only if Close succeeds, too.
func (a *app) with(dir string, o lightningdb.Options, follow *lightningdb.FollowerOptions,
	f func(s source) error) (err error) {
	if dir == "" {
		return console.Usage(errors.New("the database directory is empty"), "name a directory")
	}
	o.MemoryLimit = int64(a.MemoryLimit)
	a.Place = dir
	s, err := a.open(dir, o)
	if follow != nil && errors.Is(err, lightningdb.ErrLocked) {
		s, err = a.follow(dir, *follow, err)
	}
	if err != nil {
		return err // it names the operation and the directory
	}
	defer func() { err = console.Also(err, s.Close()) }()
	if err := a.Ended(); err != nil { // opening may have taken long
		return err
	}
	return f(s)
}

// open opens the database, and draws what that does if it takes long.
func (a *app) open(dir string, o lightningdb.Options) (source, error) {
	if screen := a.Screen(); screen != nil {
		drawn := &drawnOpen{screen: screen}
		o.Events.Listener = drawn.hear
		defer drawn.wipe()
	}
	db, err := lightningdb.Open(dir, &o)
	return source{reading: db, db: db}, err
}

// drawnOpen draws what an Open does.
type drawnOpen struct {
	screen *progress.Screen
	drawn  bool
}

// hear draws r, if it is of an Open.
func (d *drawnOpen) hear(r event.Record) {
	e, ok := r.Event.(event.Opening)
	if !ok {
		return
	}
	text := e.Step
	if e.Total > 0 {
		text += fmt.Sprintf(": %s of %s", units.Bytes(e.Done), units.Bytes(e.Total))
	}
	d.drawn = true
	d.screen.Draw(text)
}

func (d *drawnOpen) wipe() {
	if d.drawn {
		d.screen.Draw("")
	}
}

// follow follows the database that could not be opened because of locked, and says so. If nothing is published of it,
// because it is only being created perhaps, locked stands.
func (a *app) follow(dir string, o lightningdb.FollowerOptions, locked error) (source, error) {
	o.MemoryLimit = int64(a.MemoryLimit)
	f, err := lightningdb.OpenFollower(dir, &o)
	if errors.Is(err, lightningdb.ErrNoWriter) || errors.Is(err, lightningdb.ErrNoDatabase) {
		return source{}, fmt.Errorf("%w (it cannot be followed: %w)", locked, err)
	}
	if err != nil {
		return source{}, err
	}
	s := source{reading: f, follower: f, writer: "another process"}
	var who *lightningdb.LockedError
	if errors.As(locked, &who) {
		s.writer = who.Owner
	}
	a.noteFollowing(s)
	return s, nil
}

// noteFollowing tells people that the database does not stand still.
func (a *app) noteFollowing(s source) {
	if a.Quiet {
		return
	}
	text := fmt.Sprintf("%s has the database open; showing what it had published (commit %d)", s.writer,
		s.follower.Sequence())
	if a.JSON {
		var out struct {
			Note struct {
				Class   string `json:"class"`
				Message string `json:"message"`
			} `json:"note"`
		}
		out.Note.Class, out.Note.Message = "following", text
		_ = jsonline.Write(a.Stderr, out)
		return
	}
	fmt.Fprintf(a.Stderr, "note: %s\n", text)
}
