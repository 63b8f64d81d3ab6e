package manifest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/system/vfs"
)

// Store is the manifest of an open database: it makes edits durable, one at a time, and knows the version that they
// have led to. Its methods are safe for concurrent use once Begin has returned.
type Store struct {
	dir  *directory.Directory
	opts StoreOptions

	inForce     atomic.Uint64 // number of the manifest that CURRENT names; 0 if there is none yet
	comingForce atomic.Uint64 // number of the manifest that CURRENT is about to name

	mu      sync.Mutex // held while an edit becomes durable and is installed
	log     *log       // nil before Begin and after Close
	limit   int64      // size in bytes at which a new manifest starts
	version *Version
}

// StoreOptions configures a store.
type StoreOptions struct {
	Random func() uint64 // for names that no other writer chooses
	Limit  int64         // bytes at which a new manifest starts; 0 for a multiple of its initial size
}

// NewStore returns the store of dir.
func NewStore(dir *directory.Directory, o StoreOptions) *Store {
	s := &Store{dir: dir, opts: o}
	dir.SetCurrent(s.checkCurrent)
	return s
}

// Recover is the function Recover for the store's directory. It writes nothing.
func (s *Store) Recover() (*Version, filename.Num, error) {
	version, num, err := Recover(s.dir.FS())
	if err == nil {
		s.inForce.Store(uint64(num))
	}
	return version, num, err
}

// Begin writes version to a new manifest, which takes the place of the recovered one.
func (s *Store) Begin(version *Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.start(version); err != nil {
		return err
	}
	s.version = version
	return nil
}

// Place is how much of which manifest is durable. Nobody may call Commit meanwhile.
func (s *Store) Place() status.Manifest {
	return status.Manifest{Num: s.log.Num(), Length: s.log.Size()}
}

// Num is the number of the manifest in force.
func (s *Store) Num() filename.Num { return filename.Num(s.inForce.Load()) }

// Commit makes edit durable, and then calls install with the version that it leads to; no other edit comes between.
// The file number, the newest commit and the horizon in edit are raised to those of the version, so that they never
// fall.
//
// After vfs.ErrNoSpace, every other error that is directory.Transient, and directory.ErrReadOnly, the edit is not in
// the manifest, unless writes ended with it: then it is not known, and both states stay readable. Where it is
// certain, the files of tables that were not added are discarded.
func (s *Store) Commit(edit *Edit, install func(*Version)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit.NextNum = max(s.dir.PeekNum(), s.version.NextNum+1) // so it numbers the versions, for followers
	edit.LastSeq = max(edit.LastSeq, s.version.LastSeq)
	edit.Horizon = max(edit.Horizon, s.version.Horizon)
	next, err := s.version.Apply(edit)
	if err != nil {
		return s.dir.Fail("change the set of tables", err)
	}
	if err := s.append(edit, next); err != nil {
		if directory.Transient(err) && s.dir.Cause() == nil {
			s.DiscardTables(edit)
		}
		return err // after a failure both states must stay readable; Open removes the rest
	}
	s.version = next
	s.dir.Page().SetManifest(s.Place())
	install(next)
	return nil
}

// DiscardTables discards the tables of an edit that is not in the manifest.
func (s *Store) DiscardTables(edit *Edit) {
	for _, added := range edit.Added {
		if !slices.ContainsFunc(edit.Deleted, func(r Removed) bool { return r.Num == added.Table.Num }) {
			s.dir.Discard(filename.Make(filename.Table, added.Table.Num)) // not a table that merely moves
		}
	}
}

// append makes edit durable. When the manifest has grown, a new one replaces it, which begins with all of next; if
// the disk is too full for that, the old one goes on.
func (s *Store) append(edit *Edit, next *Version) error {
	if err := s.dir.CheckFile(filename.Make(filename.Manifest, s.log.Num()), s.log.Size()); err != nil {
		return err
	}
	err := s.dir.Change(func() error {
		if s.log.Size() >= s.limit {
			if err := s.start(next); !tooFull(err) {
				return err
			}
		}
		return s.log.Append(edit)
	})
	if err == nil {
		return s.dir.ConfirmOwner()
	}
	if errors.Is(err, directory.ErrReadOnly) || tooFull(err) && s.log.Err() == nil {
		return err
	}
	return s.dir.Fail("append to manifest", err)
}

// tooFull reports whether err says that there was no space for a change of the manifest, and that nothing has
// changed.
func tooFull(err error) bool {
	return errors.Is(err, vfs.ErrNoSpace) && !errors.Is(err, errUndecided)
}

// start writes version to a new manifest and points CURRENT at it. The manifest before it is discarded. If the disk
// was tooFull, the one before is still in force.
func (s *Store) start(version *Version) error {
	num := s.dir.NewNum()
	s.comingForce.Store(uint64(num))
	temp := filename.Num(s.opts.Random() >> 1)
	log, err := create(s.dir.FS(), num, version, temp, s.dir.IsOwner)
	if err != nil {
		if tooFull(err) {
			s.dir.Discard(filename.Make(filename.Manifest, num), filename.Make(filename.NextCurrent, temp))
		}
		return fmt.Errorf("start manifest: %w", err)
	}
	if s.log != nil {
		s.dir.Discard(filename.Make(filename.Manifest, s.log.Num()))
		s.log.Close() // every edit in it is durable, and none is read again
	}
	s.log = log
	s.inForce.Store(uint64(num))
	if s.limit = s.opts.Limit; s.limit == 0 {
		s.limit = max(1<<20, 8*log.Size())
	}
	return nil
}

// checkCurrent returns owner.ErrTakenOver if CURRENT names a manifest that is not one of this store.
func (s *Store) checkCurrent() error {
	ours, next := s.inForce.Load(), s.comingForce.Load()
	if ours == 0 {
		return nil // a database that is being created has no CURRENT yet
	}
	_, named, err := readCurrent(s.dir.FS())
	switch {
	case vfs.IsNotExist(err):
		return fmt.Errorf("%w (CURRENT is gone)", owner.ErrTakenOver)
	case err == nil && uint64(named) != ours && uint64(named) != next:
		return fmt.Errorf("%w (CURRENT names manifest %d, not %d)", owner.ErrTakenOver, named, ours)
	}
	return err
}

// Close closes the manifest, which stays in force.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		return nil
	}
	err := s.log.Close()
	s.log = nil
	return err
}
