package archive

import (
	"context"
	"slices"
	"time"
)

// Needs is what a window of an archive rests on, and what is older than it.
type Needs struct {
	Backups []string // ids of those that must stay
	Names   []string // of pieces that may go
	Bytes   int64    // in them
}

// Before says what an archive needs so that every point of the window stays, which ends now; without one, every point
// after the oldest backup of the database that stays. backups are all that there are, and stay is those that stay
// anyway.
//
// Of a branch it keeps the newest backup before the window, or the one that it begins with, and all pieces that follow
// it; of one that ended before the window, nothing. The base and the last piece of a branch that nothing has followed
// stay: whoever archives goes on behind it.
func Before(ctx context.Context, s Store, backups, stay []Backup, window time.Duration) (n Needs, err error) {
	all, err := List(ctx, s)
	if err != nil {
		return n, err
	}
	for _, b := range all {
		if b.Damage != nil { // nobody knows what it needs
			for _, x := range backups {
				n.Backups = append(n.Backups, x.ID)
			}
			continue
		}
		ours := slices.DeleteFunc(slices.Clone(all), func(c Branch) bool { return c.Database != b.Database })
		of, err := b.strand(ctx, s)
		if err != nil {
			return n, err
		}
		cut := time.Now().Add(-window)
		if window <= 0 {
			cut = oldest(stay, b.Database)
		}
		n.branch(b, ours, of, backups, stay, cut)
	}
	return n, nil
}

// oldest is when the oldest of backups was begun that is of a database, the zero time if there is none.
func oldest(backups []Backup, database string) (t time.Time) {
	for _, b := range backups {
		if b.Database == database && (t.IsZero() || b.Time.Before(t)) {
			t = b.Time
		}
	}
	return t
}

// branch adds what branch b, with the pieces of, needs.
func (n *Needs) branch(b Branch, all []Branch, of strand, backups, stay []Backup, cut time.Time) {
	ended := b.isFollowed(all) && b.To.Before(cut)
	if ended {
		n.drop(of)
		return
	}
	start, found := Backup{ID: b.Backup, Sequence: b.First}, false
	for _, backup := range backups {
		before := !backup.Time.After(cut) && b.mayBeginWith(backup, all)
		newer := backup.Sequence > start.Sequence || backup.Sequence == start.Sequence && slices.Contains(stay, backup)
		if before && (!found || newer) {
			start, found = backup, true
		}
	}
	n.Backups = append(n.Backups, start.ID)
	for i := 1; i+1 < len(of); i++ {
		if uint64(of[i+1].first) <= start.Sequence+1 {
			n.drop(of[i : i+1])
		}
	}
}

func (n *Needs) drop(of strand) {
	for _, at := range of {
		n.Names, n.Bytes = append(n.Names, at.name), n.Bytes+at.bytes
	}
}

// mayBeginWith reports whether a backup is on the way of b. Where another branch has commits of the same numbers, it is
// not known of which one a backup is, unless the branch names it.
func (b *Branch) mayBeginWith(x Backup, all []Branch) bool {
	ambiguous := slices.ContainsFunc(all, func(c Branch) bool {
		return c.ID != b.ID && (c.Damage != nil || c.First <= x.Sequence && x.Sequence <= c.Last)
	})
	inside := x.Database == b.Database && b.First <= x.Sequence && x.Sequence <= b.Last
	return inside && (!ambiguous || x.ID == b.Backup)
}
