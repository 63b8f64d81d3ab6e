package operate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"lightningdb/backup"
	"lightningdb/internal/proof/probe"
)

// Cause is something that happens to a database, and the alert that has to tell of it.
type Cause struct {
	Name  string
	Alert string
	Says  string // what happens, in a few words

	with        []string       // other alerts that may ring with it
	heavy       bool           // wants the processors for itself
	minutes     int            // of the rules, until it fires or clears, at most
	set         func(s *scene) // changes the spec; nil for none
	prepare     func(command *exec.Cmd)
	unavailable func() string // why this system cannot do it; nil for all that can
	mayLack     bool          // a machine that does not let the subject start does not have what it needs
	before      []string      // orders, before anything is scraped

	// do returns when the cause is there, mend when nothing is left of it but what the rules still look back at.
	do, mend func(s *scene) error
}

// orders are a cause, or its repair, that the subject does by itself.
func orders(of ...string) func(s *scene) error {
	return func(s *scene) error { return s.order(of...) }
}

// restart is a repair.
func restart(s *scene) error { return s.restart() }

// leaveAlone is a repair by time: the rule looks back, and nothing is to be mended.
func leaveAlone(*scene) error { return nil }

// What the subjects of some causes are given.
const (
	smallDisk      = 48 << 20 // bytes of a file system that is filled
	smallLimit     = 64 << 20 // of Options.DiskLimit, the lowest that there is
	backupInterval = 5 * time.Second
	scrubRate      = 256 << 20
	ballast        = "ballast"
)

// Causes are all of them.
func Causes() []Cause {
	return slices.Concat(processCauses, diskCauses, readerCauses)
}

var processCauses = []Cause{
	{
		Name: "killed", Alert: "LightningDown", Says: "the process is killed and not started again", minutes: 2,
		do: func(s *scene) error { s.kill(); return nil }, mend: (*scene).start,
	},
	{
		Name: "closed", Alert: "LightningClosed", Says: "the program closes its database and goes on", minutes: 2,
		do: orders("close"), mend: restart,
	},
	{
		Name: "crash-loop", Alert: "LightningRestarts", Says: "the process is killed and started four times", minutes: 16,
		do: func(s *scene) error {
			for range 4 {
				if err := errors.Join(s.sleep(s.Minute), s.restart()); err != nil {
					return err
				}
			}
			return nil
		},
		mend: leaveAlone,
	},
	{
		Name: "failed-sync", Alert: "LightningWritesStopped", Says: "the kernel returns EIO for a sync", minutes: 1,
		unavailable: noFilters, do: orders("fail syncs"), mend: restart,
	},
	{
		Name: "descriptors", Alert: "LightningHeldUp", Says: "the process may open no more files", minutes: 5,
		unavailable: noFilters, do: orders("hold descriptors"), mend: orders("release"),
	},
}

var diskCauses = []Cause{
	{
		Name: "full-disk", Alert: "LightningDiskFull", Says: "its file system is full", minutes: 2,
		set: onSmallDisk, prepare: probe.MayMount, mayLack: true, with: []string{"LightningDiskFillsUp"},
		do:   orders("fill disk"),
		mend: orders("empty disk"),
	},
	{
		Name: "filling-disk", Alert: "LightningDiskFillsUp", Says: "its file system has little room left", minutes: 11,
		set: onSmallDisk, prepare: probe.MayMount, mayLack: true,
		do: orders("leave little"), mend: orders("empty disk"),
	},
	{
		Name: "disk-limit", Alert: "LightningDiskFull", Says: "Options.DiskLimit is reached", minutes: 2,
		// It is filled as fast as it goes, which a slow disk or a busy machine makes a stall.
		set: func(s *scene) { s.spec.DiskLimit = smallLimit }, with: []string{"LightningStalls"},
		do: orders("fill"), mend: orders("delete"),
	},
	{
		Name: "damage", Alert: "LightningDamage", Says: "a byte of a table is changed; a scrub reads it", minutes: 1,
		set:    func(s *scene) { s.spec.ScrubRate, s.spec.Repository = scrubRate, s.path("repository") },
		before: []string{"load", "flush", "backup"},
		do:     damage, mend: restoreBackup,
	},
	{
		Name: "late-backup", Alert: "LightningBackupLate", Says: "the place of the backups is gone", minutes: 4,
		set: func(s *scene) {
			s.spec.Repository, s.spec.BackupEvery = s.path("repository"), backupInterval
		},
		do: takeAway, mend: putBack,
	},
	{
		Name: "late-archive", Alert: "LightningArchiveLate", Says: "the place of the archive is gone", minutes: 7,
		// All of it is held, so that a busy machine, on which the alert takes its time, does not make a gap of it.
		set: func(s *scene) { onArchive(s); s.spec.ArchiveRetention = 1 << 30 },
		do:  takeAway, mend: putBack,
	},
	{
		Name: "streamed-value", Alert: "LightningArchiveGap", Says: "a value is written as a stream", minutes: 62,
		set: onArchive, do: orders("await archive", "stream"), mend: leaveAlone,
	},
	{
		Name: "lost-log", Alert: "LightningArchiveGap", Says: "the place of the archive is gone for too long", minutes: 62,
		with: []string{"LightningArchiveLate"}, set: onArchive, do: loseLog, mend: leaveAlone,
	},
	{
		Name: "stall", Alert: "LightningStalls", Says: "more is written than flush and compaction take", minutes: 11,
		heavy: true, with: []string{"LightningDiskGrows"}, do: orders("write"), mend: orders("rest"),
	},
	{
		Name: "leak", Alert: "LightningDiskGrows", Says: "cursors are left open while all is overwritten", minutes: 62,
		heavy: true, with: []string{"LightningOldReader", "LightningStalls"}, do: orders("leak"), mend: orders("release"),
	},
}

var readerCauses = []Cause{
	{
		Name: "old-snapshot", Alert: "LightningOldReader", Says: "a snapshot is not closed", minutes: 61,
		do: orders("snapshot"), mend: orders("release"),
	},
	{
		Name: "forgotten-lock", Alert: "LightningOldLock", Says: "a transaction keeps a key locked", minutes: 6,
		with: []string{"LightningOldReader"}, do: orders("lock"), mend: orders("release"),
	},
}

// onSmallDisk gives a database a file system of its own.
func onSmallDisk(s *scene) { s.spec.Mount, s.spec.Dir = smallDisk, filepath.Join(s.path("disk"), "db") }

// onArchive has a database archived.
func onArchive(s *scene) { s.spec.Repository, s.spec.Archive = s.path("repository"), true }

// loseLog takes the place of the archive away until more was written than is held.
func loseLog(s *scene) error {
	err := s.order("await archive")
	if err == nil {
		err = takeAway(s)
	}
	if err == nil {
		err = s.order("outgrow archive")
	}
	return errors.Join(err, putBack(s))
}

// takeAway puts a file in the place of the repository.
func takeAway(s *scene) error {
	return errors.Join(os.Rename(s.spec.Repository, s.path("away")), os.WriteFile(s.spec.Repository, nil, 0o600))
}

// putBack puts the repository back.
func putBack(s *scene) error {
	return errors.Join(os.Remove(s.spec.Repository), os.Rename(s.path("away"), s.spec.Repository))
}

// damage changes a byte of the largest table, as a medium does that forgets, while the process is away. The database is
// closed before: after a kill the largest table may be the output of a compaction that was not finished, which Open
// removes, and the damage with it.
func damage(s *scene) error {
	if err := s.order("close"); err != nil {
		return err
	}
	s.kill()
	path, size, err := s.largestTable()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	b := make([]byte, 1)
	if _, err := file.ReadAt(b, size/3); err != nil {
		return err
	}
	b[0] ^= 0xff
	if _, err := file.WriteAt(b, size/3); err != nil {
		return err
	}
	return s.start()
}

// restoreBackup does what the runbook says: the damaged directory is moved away, and a backup takes its place.
func restoreBackup(s *scene) error {
	s.kill()
	repository, err := backup.OpenFolder(s.spec.Repository)
	if err != nil {
		return err
	}
	all, err := repository.List(s.ctx)
	if err == nil && len(all) == 0 {
		err = errors.New("there is no backup")
	}
	if err == nil {
		err = os.Rename(s.spec.Dir, s.path("damaged"))
	}
	if err == nil {
		err = repository.Restore(s.ctx, all[len(all)-1].ID, s.spec.Dir, nil)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return s.start()
}
