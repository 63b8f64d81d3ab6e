package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
)

// CreateOptions configures a Create. The zero value, and nil, is a good one.
type CreateOptions struct {
	// ReadAll reads every file. Otherwise a table that an earlier backup of the repository has, by the database's id,
	// the table's name, random id and size, is not read: it is taken to have the content that it had then.
	ReadAll bool

	// Progress is told of the bytes that are in the repository, of all. nil for nobody.
	Progress func(done, total int64)
}

// Created is a backup that was made.
type Created struct {
	Backup
	Moved  Amount // into the repository
	Shared Amount // with what was there
}

// Create makes a backup of the newest state of a database, which may be in use. Files that the repository has are not
// moved, and each table that is moved is verified before: damage (a *lightningdb.CorruptionError) ends it. It waits
// while a Prune is at work. The backup is there at the end, at one moment, or not at all; after an error the
// repository is as good as before, and what was moved need not be moved again.
//
// The error may be ErrNotRepository, ErrLeaseLost, and those of the Source, the Store and of ctx. o may be nil.
func (r *Repository) Create(ctx context.Context, from Source, o *CreateOptions) (created *Created, err error) {
	ctx, end := from.Copies().BeginBackup(calls.OrBackground(ctx), "repository")
	defer func() {
		if err != nil {
			end(0, 0, err)
			return
		}
		end(created.Sequence, created.Moved.Bytes, nil)
	}()
	return r.create(ctx, o, func(ctx context.Context, c *creation) error {
		return from.Copies().Copy(ctx, func(ctx context.Context, copied *checkpoint.Copy) error {
			return c.store(ctx, copied, copied)
		})
	})
}

// create makes a backup of what store stores.
func (r *Repository) create(ctx context.Context, o *CreateOptions,
	store func(ctx context.Context, c *creation) error) (created *Created, err error) {
	ctx = calls.OrBackground(ctx)
	if err := r.make(ctx); err != nil {
		return nil, err
	}
	c := &creation{r: r, o: cmp.Or(o, &CreateOptions{}), upload: fmt.Sprintf("%016x", r.random())}
	now := time.Now().UTC().Truncate(time.Second)
	c.d = description{Format: repositoryFormat, ID: newID(now, r.random()), Time: now}
	lease, err := r.claim(ctx, leases, c.d.ID)
	if err != nil {
		return nil, fmt.Errorf("back up: %w", err)
	}
	defer func() {
		if err != nil && c.put {
			lease.stop() // the backup may be there, or come: whoever finds the lease fences it
			return
		}
		_ = lease.end(ctx) // if it stays, a Prune finds it dead
	}()
	err = c.waitForPrunes(ctx)
	if err == nil {
		err = c.lookAround(ctx)
	}
	if err == nil {
		err = store(ctx, c)
	}
	if err == nil {
		err = c.finish(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("back up: %w", err)
	}
	c.result.Backup = c.d.backup()
	return &c.result, nil
}

// creation is one Create.
type creation struct {
	r      *Repository
	o      *CreateOptions
	upload string // what the places of files end in that it stores
	d      description
	put    bool // the Put of the description was begun, and how that ended is not known
	result Created

	there    map[string]int64     // the size of each file in files/, by place
	byFile   map[fileKey]string   // places of shared files that backups name
	byDigest map[digestKey]string // places that backups name, or that this one has stored
	orphans  map[digestKey]string // places that no backup names
	contents contents

	done, total int64
}

// fileKey is what a shared file is known by, without its content.
type fileKey struct {
	database, name, id string
	size               int64
}

// digestKey is what a content is known by.
type digestKey struct {
	digest string
	size   int64
}

// contents is what a copy of a database opens and checks.
type contents interface {
	Open(f checkpoint.File) (vfs.File, error)
	Check(f checkpoint.File) error
}

// waitForPrunes waits until no Prune is at work that may not have seen the lease. The mark of one that is dead it
// removes, by which that ends.
func (c *creation) waitForPrunes(ctx context.Context) error {
	for {
		alive, dead, err := c.r.observe(ctx, marks, "")
		for _, id := range dead {
			if err == nil {
				err = removeClaim(ctx, c.r.store, marks+id, id)
			}
		}
		if err != nil || len(alive) == 0 {
			return err
		}
	}
}

// lookAround learns what the repository has.
func (c *creation) lookAround(ctx context.Context) error {
	entries, err := list(ctx, c.r.store, placePrefix)
	if err != nil {
		return err
	}
	c.there = make(map[string]int64)
	c.byFile, c.byDigest = make(map[fileKey]string), make(map[digestKey]string)
	c.orphans = make(map[digestKey]string)
	for _, e := range entries {
		c.there[e.Name] = e.Size
	}
	named := make(map[string]bool)
	err = c.r.each(ctx, func(_ string, d *description, err error) error {
		if err != nil {
			return nil // what it names is not known, and so is moved again; Verify tells of it
		}
		for _, f := range d.Files {
			named[f.place()] = true
			c.know(d.Database, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for place, size := range c.there {
		if f, ok := parsePlace(place); ok && !named[place] {
			c.orphans[digestKey{f.Digest, size}] = place
		}
	}
	return nil
}

// know remembers where the content of a file is that a backup names. One that is whole there is preferred.
func (c *creation) know(database string, f storedFile) {
	digest := digestKey{f.Digest, f.Size}
	if known, ok := c.byDigest[digest]; !ok || !c.whole(known, f.Size) {
		c.byDigest[digest] = f.place()
	}
	if file := (fileKey{database, f.Name, f.ID, f.Size}); f.Shared && c.whole(f.place(), f.Size) {
		c.byFile[file] = f.place()
	}
}

// whole reports whether there is something of a size in a place.
func (c *creation) whole(place string, size int64) bool {
	n, ok := c.there[place]
	return ok && n == size
}

// store stores the files of a copy.
func (c *creation) store(ctx context.Context, copied *checkpoint.Copy, contents contents) error {
	c.contents = contents
	c.d.Database, c.d.Sequence = hex.EncodeToString(copied.Source[:]), copied.Sequence
	for _, f := range copied.Files {
		c.total += f.Size
	}
	for _, f := range copied.Files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.add(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// add stores a file of the copy, unless its content is there, and describes it.
func (c *creation) add(ctx context.Context, f checkpoint.File) error {
	s := storedFile{Name: f.Name, Size: f.Size, Shared: f.Shared}
	if f.Shared {
		s.ID = fmt.Sprintf("%016x", f.ID)
	}
	place, known := c.byFile[fileKey{c.d.Database, s.Name, s.ID, s.Size}]
	if !known || !s.Shared || c.o.ReadAll {
		if err := c.contents.Check(f); err != nil {
			return err
		}
		var err error
		if place, err = c.placeOf(ctx, f); err != nil {
			return err
		}
	}
	at, ok := parsePlace(place)
	if !ok {
		return fmt.Errorf("%q is no place", place)
	}
	s.Digest, s.Upload = at.Digest, at.Upload
	c.d.Files = append(c.d.Files, s)
	if c.whole(place, s.Size) {
		c.result.Shared.add(s.Size)
		c.tell(s.Size)
		return nil
	}
	return c.move(ctx, f, s)
}

// placeOf reads a file, and says where its content is, or belongs: where a backup names it, so that one which has lost
// it has it again.
func (c *creation) placeOf(ctx context.Context, f checkpoint.File) (string, error) {
	in, err := c.contents.Open(f)
	if err != nil {
		return "", err
	}
	defer in.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, untilDone{ctx, io.NewSectionReader(in, 0, f.Size)})
	if err == nil && n != f.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", err
	}
	at := digestKey{hex.EncodeToString(sum.Sum(nil)), f.Size}
	if place, ok := c.byDigest[at]; ok {
		return place, nil
	}
	s := storedFile{Digest: at.digest, Upload: c.upload}
	if orphan, ok := c.orphans[at]; ok {
		err := c.r.store.Copy(ctx, orphan, s.place())
		if err == nil {
			c.there[s.place()] = f.Size
		} else if !vfs.IsNotExist(err) {
			return "", err
		}
	}
	c.byDigest[at] = s.place()
	return s.place(), nil
}

// move stores a file. If a Prune has given this Create up it ends here: to move all the rest would be for nothing.
func (c *creation) move(ctx context.Context, f checkpoint.File, s storedFile) error {
	if alive, err := exists(ctx, c.r.store, leases+c.d.ID); err != nil || !alive {
		return cmp.Or(err, ErrLeaseLost)
	}
	in, err := c.contents.Open(f)
	if err != nil {
		return err
	}
	defer in.Close()
	content := &checked{Reader: untilDone{ctx, io.NewSectionReader(in, 0, f.Size)}, file: s, left: f.Size,
		sum: sha256.New(), told: c.tell}
	if err := c.r.store.Put(ctx, s.place(), content, s.Size, Replace); err != nil {
		return err
	}
	c.there[s.place()] = s.Size
	c.result.Moved.add(s.Size)
	return nil
}

func (c *creation) tell(n int64) {
	c.done += n
	if c.o.Progress != nil {
		c.o.Progress(min(c.done, c.total), c.total)
	}
}

// checked is a reader that fails, before its end, if the content is not the one of a file.
type checked struct {
	io.Reader
	file storedFile
	left int64
	sum  hash.Hash
	told func(n int64)
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.sum.Write(p[:n])
	c.left -= int64(n)
	if over := c.left <= 0 || err == io.EOF; over && hex.EncodeToString(c.sum.Sum(nil)) != c.file.Digest {
		return 0, bad("%s is not what it was: its SHA-256 was %s", c.file.Name, c.file.Digest)
	}
	c.told(int64(n))
	return n, err
}

// finish puts the description, if all that it names is there.
func (c *creation) finish(ctx context.Context) error {
	entries, err := list(ctx, c.r.store, placePrefix)
	if err != nil {
		return err
	}
	clear(c.there)
	for _, e := range entries {
		c.there[e.Name] = e.Size
	}
	for _, f := range c.d.Files {
		if !c.whole(f.place(), f.Size) {
			return fmt.Errorf("%w (%s of %s is gone)", ErrLeaseLost, f.place(), f.Name)
		}
	}
	text, err := c.d.encode()
	if err != nil {
		return err
	}
	c.put = true
	err = put(ctx, c.r.store, descriptionName(c.d.ID), text, OnlyNew)
	if errors.Is(err, fs.ErrExist) {
		c.put = false
		return ErrLeaseLost
	}
	return err
}
