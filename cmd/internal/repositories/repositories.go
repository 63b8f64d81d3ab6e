// Package repositories holds the commands that work with repositories of backups, whether these are in a folder or a
// bucket: what they do, their flags, their results in JSON and for people, and how far they are. So that the programs
// for the one and the other do not drift apart, only the place of a repository is theirs. It owns no data.
package repositories

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"lightningdb/backup"
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
