package repositories

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/units"
)

// RestoreHelp is what the help of restore says of archives and drills, after what it takes and leaves.
const RestoreHelp = `If the program archives its commits, --to-sequence or --to-time restores the state after any of
them, of the newest backup before it and what follows in the archive. archive list shows what there is.

With --verify-only it does all of it but the renaming, and removes what it wrote: a drill. DIR says
only where there is space for that.`

// RestoreFlags are the flags of restore.
type RestoreFlags struct {
	VerifyOnly bool
	to         pointFlags
}

// RestoreExclusive are those that contradict each other.
var RestoreExclusive = [][2]string{{"to-sequence", "to-time"}}

// Define defines the flags.
func (o *RestoreFlags) Define(f *flag.FlagSet) {
	f.BoolVar(&o.VerifyOnly, "verify-only", false, "restore next to DIR, verify it, and remove it again")
	o.to.define(f)
}

// Check completes the flags of cmd. archive says whether what is restored may have an archive: one backup has none.
func (o *RestoreFlags) Check(cmd *command.Command, archive bool) error {
	return o.to.check(cmd, archive)
}

// Restore makes a database in dir of what is in the repository at place: the point of its archive that the flags name;
// else the backup with an id, or the newest one if that is empty.
func (v *Verbs) Restore(ctx context.Context, dir, place, id string, o *RestoreFlags) error {
	repo, err := v.open(ctx, place, readOnly)
	v.Place = dir
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	var r Result
	if o.to.given {
		r, err = v.restoreTo(ctx, repo, dir, o)
	} else {
		r, err = v.restoreBackup(ctx, repo, dir, place, id, o)
	}
	if err != nil {
		left := "run it again to go on: what was copied is in " + filepath.Clean(dir) + ".restoring; or remove that"
		if o.VerifyOnly {
			left = NothingLeft
		}
		return IfInterrupted(ctx, v.explain(place, err), left)
	}
	return v.ReportRestore(r, o.VerifyOnly)
}

// restoreBackup restores a backup.
func (v *Verbs) restoreBackup(ctx context.Context, repo *backup.Repository, dir, place, id string,
	o *RestoreFlags) (Result, error) {
	of, err := v.chosen(ctx, repo, place, id)
	if err != nil {
		return Result{}, fmt.Errorf("restore from %s: %w", place, err)
	}
	m := Start(v.Screen(), "restore")
	err = repo.Restore(ctx, of.ID, dir, &backup.RestoreOptions{VerifyOnly: o.VerifyOnly, Progress: m.ToldOf})
	return resultOf(of, m.Stop()), AdviseRestore(err)
}

// restoreTo restores a point of an archive.
func (v *Verbs) restoreTo(ctx context.Context, repo *backup.Repository, dir string, o *RestoreFlags) (Result, error) {
	m := Start(v.Screen(), "restore")
	done, err := backup.RestoreTo(ctx, repo, dir, o.to.point, &backup.RestoreToOptions{Database: o.to.database,
		Branch: o.to.branch, RestoreOptions: backup.RestoreOptions{VerifyOnly: o.VerifyOnly, Progress: m.ToldOf}})
	took := m.Stop()
	if err != nil {
		return Result{}, AdviseRestore(err)
	}
	r := resultOf(done.Backup, took)
	r.Sequence, r.Commits, r.Branch = done.Sequence, &done.Commits, done.Branch.ID
	return r, nil
}

// chosen is the backup of an id, or the newest one. It refuses to choose where the newest whole one may not be what is
// wanted: a database of somebody else, or one before a backup that cannot be read.
func (v *Verbs) chosen(ctx context.Context, repo *backup.Repository, place, id string) (backup.Backup, error) {
	all, err := repo.List(ctx)
	if id != "" {
		i := slices.IndexFunc(all, func(b backup.Backup) bool { return b.ID == id })
		if i >= 0 {
			return all[i], nil
		}
		if err == nil {
			err = v.adviseID(fmt.Errorf("there is no backup %q: %w", id, fs.ErrNotExist))
		}
		return backup.Backup{}, err
	}
	newest := newestOfEach(all)
	var names []string
	for _, b := range newest {
		names = append(names, one(place, b.ID))
	}
	choose := "name one of them: " + strings.Join(names, ", ")
	switch {
	case len(newest) == 0 && err == nil:
		return backup.Backup{}, console.Advise(errors.New("there is no backup in it"), checkName)
	case err != nil && len(newest) > 0:
		return backup.Backup{}, console.Advise(err, "what can be read may be older; "+choose)
	case err != nil:
		return backup.Backup{}, err
	case len(newest) > 1:
		return backup.Backup{}, console.Advise(fmt.Errorf("there are backups of %d databases", len(newest)), choose)
	}
	return newest[0], nil
}

// newestOfEach is the newest backup of each database, the newest of all first, of backups as List returns them.
func newestOfEach(all []backup.Backup) (newest []backup.Backup) {
	seen := make(map[string]bool)
	for _, b := range slices.Backward(all) {
		if !seen[b.Database] {
			newest = append(newest, b)
		}
		seen[b.Database] = true
	}
	return newest
}

// AdviseRestore says what to do about errors that only a restore has.
func AdviseRestore(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return console.Advise(err, EmptyOrAbsent)
	case errors.Is(err, backup.ErrBadBackup):
		return console.Advise(err, "take another backup; nothing was restored")
	}
	return err
}

// ReportRestore says what was restored, or only verified.
func (v *Verbs) ReportRestore(r Result, only bool) error {
	if v.JSON {
		return jsonline.Write(v.Stdout, r)
	}
	if v.Quiet {
		return nil
	}
	done := "restored and verified"
	if only {
		done = "verified, and did not restore,"
	}
	what := r.Time.Local().Format(time.DateTime)
	if r.ID != "" {
		what = r.ID
	}
	if r.Commits != nil {
		what += " and " + units.Plural(int64(*r.Commits), "commit") + " of the archive"
	}
	_, err := fmt.Fprintf(v.Stderr, "%s %s of %s, up to commit %d, in %s\n", done, units.Bytes(r.Bytes), what, r.Sequence,
		units.Duration(time.Duration(r.Seconds*float64(time.Second))))
	return err
}
