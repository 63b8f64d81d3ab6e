// Package repositories is what the commands say of repositories of backups, whether these are in a folder or a bucket:
// their results in JSON, their tables, and how far they are.
package repositories

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/units"
)

// Amount is a number of files and their bytes, in JSON.
type Amount struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// String is "3 files (1.20 MiB)".
func (a Amount) String() string {
	return fmt.Sprintf("%s (%s)", units.Plural(int64(a.Files), "file"), units.Bytes(a.Bytes))
}

// Listed is a backup, in JSON.
type Listed struct {
	ID       string    `json:"id"`
	Database string    `json:"database"` // id of the one that was backed up
	Sequence uint64    `json:"sequence"` // of the newest commit in it
	Time     time.Time `json:"time"`     // when it was begun
	Amount
}

// ListedOf is b, in JSON.
func ListedOf(b backup.Backup) Listed {
	return Listed{b.ID, b.Database, b.Sequence, b.Time, Amount(b.Amount)}
}

// ListOf is all, in JSON: an array also if there are none.
func ListOf(all []backup.Backup) []Listed {
	list := make([]Listed, 0, len(all))
	for _, b := range all {
		list = append(list, ListedOf(b))
	}
	return list
}

// WriteTable writes a line for each backup.
func WriteTable(out io.Writer, all []backup.Backup) error {
	const minWidth, tabWidth, padding = 0, 0, 2
	table := tabwriter.NewWriter(out, minWidth, tabWidth, padding, ' ', 0)
	for _, b := range all {
		fmt.Fprintf(table, "%s\t%s\tcommit %d\t%s\tof %s\n", b.ID, b.Time.Local().Format(time.DateTime), b.Sequence,
			Amount(b.Amount), b.Database)
	}
	return table.Flush()
}

// Difference is the outcome of diff, in JSON.
type Difference struct {
	OnlyA Amount `json:"only_a"`
	OnlyB Amount `json:"only_b"`
	Both  Amount `json:"both"`
}

// DifferenceOf is d, in JSON.
func DifferenceOf(d backup.Difference) Difference {
	return Difference{Amount(d.OnlyA), Amount(d.OnlyB), Amount(d.Both)}
}

// Text is d for people: of backups a and b.
func (d Difference) Text(a, b string) string {
	return fmt.Sprintf("only %s: %s\nonly %s: %s\nboth: %s\n", a, d.OnlyA, b, d.OnlyB, d.Both)
}

// Verification is the outcome of verify of a repository, in JSON.
type Verification struct {
	Backups  int      `json:"backups"`
	ReadData bool     `json:"read_data"`
	Bytes    int64    `json:"bytes"` // that were read; 0 without read_data
	Seconds  float64  `json:"seconds"`
	Damage   []string `json:"damage"`
}

// Pruned is the outcome of prune, in JSON.
type Pruned struct {
	DryRun  bool     `json:"dry_run"`
	Kept    []Listed `json:"kept"`
	Removed []Listed `json:"removed"`
	Freed   Amount   `json:"freed"`  // files that no backup named any more
	InUse   bool     `json:"in_use"` // a backup was being made: files stay until the next prune
	Seconds float64  `json:"seconds"`
}

// PrunedOf is what a Prune did, in JSON, and how long it took.
func PrunedOf(o backup.PruneOptions, r backup.PruneReport, took time.Duration) Pruned {
	return Pruned{o.DryRun, ListOf(r.Kept), ListOf(r.Removed), Amount(r.Freed), r.InUse, took.Seconds()}
}

// PruneFlags are the flags of prune.
func PruneFlags(f *flag.FlagSet, o *backup.PruneOptions) {
	f.IntVar(&o.Keep.Last, "keep-last", 0, "keep the newest `N` backups")
	f.IntVar(&o.Keep.Hourly, "keep-hourly", 0, "keep the newest backup of each of the newest `N` hours")
	f.IntVar(&o.Keep.Daily, "keep-daily", 0, "keep the newest backup of each of the newest `N` days")
	f.IntVar(&o.Keep.Weekly, "keep-weekly", 0, "keep the newest backup of each of the newest `N` weeks")
	f.BoolVar(&o.DryRun, "dry-run", false, "remove nothing")
}

// CheckKeep refuses rules that keep nothing, or less.
func CheckKeep(k backup.Keep) error {
	if min(k.Last, k.Hourly, k.Daily, k.Weekly) < 0 || k == (backup.Keep{}) {
		return console.Usage(errors.New("prune is not told what to keep"),
			"give at least one of --keep-last, --keep-hourly, --keep-daily and --keep-weekly, and none below 0")
	}
	return nil
}

// NewestOfEach is the newest backup of each database, the newest of all first.
func NewestOfEach(all []backup.Backup) (newest []backup.Backup) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b backup.Backup) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Sequence, a.Sequence), cmp.Compare(b.ID, a.ID))
	})
	seen := make(map[string]bool)
	for _, b := range all {
		if !seen[b.Database] {
			newest = append(newest, b)
		}
		seen[b.Database] = true
	}
	return newest
}

// Damages are the texts of the errors that are joined in err.
func Damages(err error) (texts []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{console.OneLine(err.Error())}
	}
	for _, one := range joined.Unwrap() {
		texts = append(texts, console.OneLine(one.Error()))
	}
	return texts
}
