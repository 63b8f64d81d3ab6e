package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"lightningdb/internal/archive"
	"lightningdb/internal/system/calls"
)

// PruneOptions says what a Prune keeps.
type PruneOptions struct {
	// Keep is what stays. Its zero value is refused.
	Keep Keep

	// Window is how far back every point of an archive stays, by the clock: see NewArchive. What that needs of backups
	// stays too. 0 is as far as the oldest backup goes that Keep keeps.
	Window time.Duration

	// DryRun removes nothing, and reports what would be removed if no Create was at work.
	DryRun bool
}

// PruneReport says what a Prune did, or would do.
type PruneReport struct {
	Kept, Removed []Backup
	Freed         Amount // files that no backup names any more
	Pieces        Amount // of the archive, older than the window
	// InUse says that a Create was at work. Then the files stay, and the next Prune removes them.
	InUse bool
}

// maxAbandoned is how many names of abandoned backups are kept. One is kept for a Create that stands still and may go
// on: it finds its name taken. Only if a thousand later ones are killed would it have to see that its files are gone.
const maxAbandoned = 1000

// Prune removes backups that the rule does not keep, then all files that no backup names, and what was left by a
// Create or a Prune that was killed. It may be interrupted at any time. While a Create is at work it removes no files.
// Only files with names as the repository gives them are touched.
//
// If a backup is damaged, nothing is removed, because nobody knows what it needs (ErrBadBackup): repair or remove its
// file in backups/. The error may also be ErrPruning, ErrPruneStopped, ErrNotRepository, and those of the Store and of
// ctx; the report says what was done before it.
func (r *Repository) Prune(ctx context.Context, o PruneOptions) (report PruneReport, err error) {
	ctx = calls.OrBackground(ctx)
	err = o.Keep.check()
	if err == nil {
		err = r.check(ctx)
	}
	p := &pruning{r: r, keep: o.Keep, window: o.Window}
	if err == nil && o.DryRun {
		err = p.dry(ctx)
	} else if err == nil {
		err = p.marked(ctx)
	}
	if err != nil {
		err = fmt.Errorf("prune: %w", err)
	}
	return p.report, err
}

// pruning is one Prune.
type pruning struct {
	r      *Repository
	keep   Keep
	window time.Duration
	mark   *claim
	pieces []string // to be removed
	report PruneReport
}

// dry finds out what would be removed.
func (p *pruning) dry(ctx context.Context) error {
	if err := p.choose(ctx); err != nil {
		return err
	}
	unneeded, err := p.unneeded(ctx)
	for _, e := range unneeded {
		p.report.Freed.add(e.Size)
	}
	return err
}

// marked prunes with a mark.
func (p *pruning) marked(ctx context.Context) (err error) {
	p.mark, err = p.r.claim(ctx, marks, newID(time.Now(), p.r.random()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.mark.end(ctx)) }()
	if err := p.waitForPrunes(ctx); err != nil {
		return err
	}
	begun := time.Now()
	old, err := list(ctx, p.r.store, uploads)
	if err != nil {
		return err
	}
	if err := p.fence(ctx); err != nil {
		return err
	}
	if err := p.choose(ctx); err != nil {
		return err
	}
	for _, b := range p.report.Removed {
		if err := p.remove(ctx, descriptionName(b.ID)); err != nil {
			return err
		}
	}
	for _, name := range p.pieces {
		if err := p.remove(ctx, name); err != nil {
			return err
		}
	}
	if p.report.InUse {
		return nil
	}
	if err := p.sweep(ctx); err != nil {
		return err
	}
	return p.removeUploads(ctx, old, begun)
}

// waitForPrunes gives way to a Prune that is alive, and removes the marks of those that are dead.
func (p *pruning) waitForPrunes(ctx context.Context) error {
	alive, dead, err := p.r.observe(ctx, marks, p.mark.id)
	if err == nil && len(alive) > 0 {
		err = ErrPruning
	}
	for _, id := range dead {
		if err == nil {
			err = removeClaim(ctx, p.r.store, marks+id, id)
		}
	}
	return err
}

// fence makes sure that no backup will be there of a Create whose lease is dead, and finds out whether one is alive.
func (p *pruning) fence(ctx context.Context) error {
	alive, dead, err := p.r.observe(ctx, leases, "")
	if err != nil {
		return err
	}
	p.report.InUse = len(alive) > 0
	for _, id := range dead {
		err := put(ctx, p.r.store, descriptionName(id), []byte(abandoned), OnlyNew)
		if err != nil && !errors.Is(err, fs.ErrExist) { // if it is there, it is counted below
			return err
		}
		if err := removeClaim(ctx, p.r.store, leases+id, id); err != nil {
			return err
		}
	}
	return nil
}

// choose reads all backups, and says in the report which of them stay.
func (p *pruning) choose(ctx context.Context) error {
	var backups []Backup
	err := p.r.each(ctx, func(_ string, d *description, err error) error {
		if err != nil {
			return err
		}
		backups = append(backups, d.backup())
		return nil
	})
	if err != nil {
		return err
	}
	stay, _ := p.keep.choose(backups)
	needs, err := archive.Before(ctx, NewArchive(p.r), known(backups), known(stay), p.window)
	if err != nil {
		return err
	}
	p.pieces, p.report.Pieces = needs.Names, Amount{len(needs.Names), needs.Bytes}
	for _, b := range backups {
		if slices.Contains(stay, b) || slices.Contains(needs.Backups, b.ID) {
			p.report.Kept = append(p.report.Kept, b)
		} else {
			p.report.Removed = append(p.report.Removed, b)
		}
	}
	return nil
}

// unneeded lists the files that no backup names which stays.
func (p *pruning) unneeded(ctx context.Context) (unneeded []Entry, err error) {
	entries, err := list(ctx, p.r.store, placePrefix)
	if err != nil {
		return nil, err
	}
	needed, gone := make(map[string]bool), make(map[string]bool)
	for _, b := range p.report.Removed {
		gone[b.ID] = true
	}
	err = p.r.each(ctx, func(id string, d *description, err error) error {
		if err != nil || gone[id] {
			return err
		}
		for _, f := range d.Files {
			needed[f.place()] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, ours := parsePlace(e.Name); ours && !needed[e.Name] {
			unneeded = append(unneeded, e)
		}
	}
	return unneeded, nil
}

// sweep removes what nothing needs.
func (p *pruning) sweep(ctx context.Context) error {
	unneeded, err := p.unneeded(ctx)
	if err != nil {
		return err
	}
	for _, e := range unneeded {
		if err := p.remove(ctx, e.Name); err != nil {
			return err
		}
		p.report.Freed.add(e.Size)
	}
	if err := p.removeBeats(ctx); err != nil {
		return err
	}
	return p.removeAbandoned(ctx)
}

// remove removes a file, if the mark is still there: if it is not, a Create relies on it that this Prune has ended.
func (p *pruning) remove(ctx context.Context, name string) error {
	marked, err := exists(ctx, p.r.store, p.mark.name)
	if err == nil && !marked {
		err = ErrPruneStopped
	}
	if err != nil {
		return err
	}
	return p.r.store.Remove(ctx, name)
}

// removeBeats removes the beats that have no claim.
func (p *pruning) removeBeats(ctx context.Context) error {
	old, err := p.r.claims(ctx, beats)
	if err != nil {
		return err
	}
	claimed := make(map[string]bool)
	for _, kind := range []string{leases, marks} {
		ids, err := p.r.claims(ctx, kind)
		if err != nil {
			return err
		}
		for _, id := range ids {
			claimed[id] = true
		}
	}
	for _, id := range old {
		if !claimed[id] {
			if err := p.remove(ctx, beats+id); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeAbandoned removes the oldest names of abandoned backups, if there are too many.
func (p *pruning) removeAbandoned(ctx context.Context) error {
	entries, err := list(ctx, p.r.store, backupDir)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if _, ours := parseDescriptionName(e.Name); ours && e.Size == int64(len(abandoned)) {
			names = append(names, e.Name) // no description is so short, and damage has ended the Prune before
		}
	}
	for _, name := range names[:max(0, len(names)-maxAbandoned)] {
		if err := p.remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// removeUploads removes what was in uploads/ when the Prune began, and has not grown for a term. One that is used after
// all fails, and its Create with it.
func (p *pruning) removeUploads(ctx context.Context, old []Entry, begun time.Time) error {
	old, err := p.stillThere(ctx, old)
	if err != nil || len(old) == 0 { // mostly it was a beat
		return err
	}
	if err := calls.Sleep(ctx, beatTerm-time.Since(begun)); err != nil {
		return err
	}
	if old, err = p.stillThere(ctx, old); err != nil {
		return err
	}
	for _, e := range old {
		if err := p.remove(ctx, e.Name); err != nil {
			return err
		}
	}
	return nil
}

// stillThere is what is in uploads/ of old, and has the same size.
func (p *pruning) stillThere(ctx context.Context, old []Entry) (same []Entry, err error) {
	now, err := list(ctx, p.r.store, uploads)
	for _, e := range now {
		if slices.Contains(old, e) && isHex(e.Name[len(uploads):], 16) {
			same = append(same, e)
		}
	}
	return same, err
}

// Keep says which backups of a database stay: all that any of its fields asks for. Hours, days and weeks are those of
// UTC, weeks begin on Monday, and only those count in which there is a backup. Backups of another database, also of one
// that was restored from these, are counted by themselves.
type Keep struct {
	Last   int // the newest n backups
	Hourly int // the newest backup of each of the newest n hours
	Daily  int // of days
	Weekly int // of weeks
}

// check refuses what would keep nothing.
func (k Keep) check() error {
	if min(k.Last, k.Hourly, k.Daily, k.Weekly) < 0 || k == (Keep{}) {
		return fmt.Errorf("%+v says nothing of what to keep: set at least one of its fields, and none below 0", k)
	}
	return nil
}

// choose returns which of backups stay, and which do not, each in the order of backups.
func (k Keep) choose(backups []Backup) (stay, rest []Backup) {
	newest := slices.Clone(backups)
	slices.SortStableFunc(newest, func(a, b Backup) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Sequence, a.Sequence), cmp.Compare(b.ID, a.ID))
	})
	kept := make(map[string]bool)
	for _, rule := range []struct {
		n      int
		period func(Backup) string
	}{
		{k.Last, func(b Backup) string { return b.ID }},
		{k.Hourly, func(b Backup) string { return b.Time.UTC().Format("2006010215") }},
		{k.Daily, func(b Backup) string { return b.Time.UTC().Format(time.DateOnly) }},
		{k.Weekly, func(b Backup) string { return fmt.Sprint(b.Time.UTC().ISOWeek()) }},
	} {
		periods := make(map[string]map[string]bool) // by database
		for _, b := range newest {
			of := periods[b.Database]
			if of == nil {
				of = make(map[string]bool)
				periods[b.Database] = of
			}
			if period := rule.period(b); len(of) < rule.n && !of[period] {
				of[period], kept[b.ID] = true, true
			}
		}
	}
	for _, b := range backups {
		if kept[b.ID] {
			stay = append(stay, b)
		} else {
			rest = append(rest, b)
		}
	}
	return stay, rest
}
