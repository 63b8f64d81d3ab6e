package backup

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

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
