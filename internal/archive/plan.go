package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"lightningdb/internal/format/key"
)

var (
	// ErrNoPoint says that an archive has no way to a point: it lies in a gap, before the first base, or after what is
	// archived. Use errors.Is.
	ErrNoPoint = errors.New("the archive does not have this point")

	// ErrForked says that several branches have a point, because copies of the database were written apart: choose one.
	// Use errors.Is.
	ErrForked = errors.New("several branches of the archive have this point: say which")
)

// Point is a state to restore: the one after a commit, or at a time. Sequence and At make one.
type Point struct {
	sequence uint64
	time     time.Time // the zero time if it is a sequence number
}

// Sequence is the state after the newest commit that ends at or before sequence number n.
func Sequence(n uint64) Point { return Point{sequence: n} }

// At is the state that the newest moment shows which was noted at or before t, by the clock of the machine that wrote.
// Moments are noted ten times in each ArchiveInterval. After the last one that is archived, it is the newest state that
// is. Where the clock was set back, the same time may be there twice, and it is either of them.
func At(t time.Time) Point { return Point{time: t} }

func (p Point) String() string {
	if p.time.IsZero() {
		return fmt.Sprintf("sequence number %d", p.sequence)
	}
	return p.time.UTC().Format(time.RFC3339Nano)
}

// Choice says of which database, and of which branch, a point is. "" is the only one there is.
type Choice struct{ Database, Branch string }

// Backup is what is known of a backup.
type Backup struct {
	ID, Database string
	Sequence     uint64
	Time         time.Time // when it was begun
}

// Plan is the way to a point.
type Plan struct {
	Backup   Backup // to begin with
	Branch   Branch
	Sequence uint64 // up to which commits are applied

	of strand
}

// Find finds the way to a point. The error is ErrNoPoint or ErrForked, ErrBadPiece, or that of the store.
func Find(ctx context.Context, s Store, backups []Backup, p Point, c Choice) (*Plan, error) {
	all, err := List(ctx, s)
	if err != nil {
		return nil, err
	}
	if all, err = of(all, c.Database); err != nil {
		return nil, err
	}
	b, err := branchAt(all, p, c.Branch)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Branch: b, Sequence: p.sequence}
	if plan.of, err = b.strand(ctx, s); err != nil {
		return nil, err
	}
	if !p.time.IsZero() {
		if plan.Sequence, err = plan.of.at(ctx, s, p.time); err != nil {
			return nil, err
		}
	}
	return plan, plan.begin(all, backups)
}

// of is the branches of one database.
func of(all []Branch, database string) (ours []Branch, err error) {
	var ids []string
	for _, b := range all {
		ids = append(ids, b.Database)
		if b.Database == database || database == "" {
			ours = append(ours, b)
		}
	}
	switch ids = slices.Compact(ids); {
	case len(ours) == 0 && database == "":
		return nil, fmt.Errorf("%w: it is empty", ErrNoPoint)
	case len(ours) == 0:
		return nil, fmt.Errorf("%w: it has nothing of database %s, only of %s", ErrNoPoint, database, strings.Join(ids, ", "))
	case database == "" && len(ids) > 1:
		return nil, fmt.Errorf("the archive has several databases, say which: %s", strings.Join(ids, ", "))
	}
	return ours, nil
}

// branchAt is the one branch that has a point.
func branchAt(all []Branch, p Point, id string) (Branch, error) {
	var found []Branch
	var damage []error
	for _, b := range all {
		switch {
		case id != "" && b.ID != id:
		case b.Damage != nil:
			damage = append(damage, b.Damage)
		case p.time.IsZero() && b.First <= p.sequence && p.sequence <= b.Last,
			!p.time.IsZero() && !b.From.After(p.time) && (!b.To.Before(p.time) || !b.isFollowed(all)):
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return Branch{}, errors.Join(append([]error{noPoint(all, p)}, damage...)...)
	}
	var ids []string
	for _, b := range found {
		ids = append(ids, b.ID)
	}
	return Branch{}, fmt.Errorf("%w: %s (%v)", ErrForked, strings.Join(ids, ", "), p)
}

// isFollowed reports whether a branch was begun because b did not lead on: then what came after b is in that one.
func (b *Branch) isFollowed(all []Branch) bool {
	return slices.ContainsFunc(all, func(c Branch) bool { return c.After == b.ID && c.Cause != Fork })
}

// noPoint says between which two branches a point lies.
func noPoint(all []Branch, p Point) error {
	before, after := "nothing", "nothing"
	var newest, oldest Branch
	for _, b := range all {
		if b.Damage != nil {
			continue
		}
		isBefore, isAfter := b.Last < p.sequence, b.First > p.sequence
		if !p.time.IsZero() {
			isBefore, isAfter = b.To.Before(p.time), b.From.After(p.time)
		}
		if isBefore && (before == "nothing" || b.Last > newest.Last) {
			newest, before = b, fmt.Sprintf("sequence number %d of %s", b.Last, b.To.Format(time.RFC3339Nano))
		}
		if isAfter && (after == "nothing" || b.First < oldest.First) {
			oldest, after = b, fmt.Sprintf("sequence number %d of %s", b.First, b.From.Format(time.RFC3339Nano))
			if b.Cause != Begin {
				after += fmt.Sprintf(" (%s)", b.Cause)
			}
		}
	}
	return fmt.Errorf("%w: %v. Before it there is %s, after it %s", ErrNoPoint, p, before, after)
}

// strand lists the pieces of b.
func (b *Branch) strand(ctx context.Context, s Store) (strand, error) {
	base, ok := parseName(prefix + b.Database + "/" + b.ID + "/" + baseName)
	if !ok {
		return nil, fmt.Errorf("%w: there is no branch %s of %s", ErrNoPoint, b.ID, b.Database)
	}
	all, err := strands(ctx, s, &base.database)
	for _, of := range all {
		if of[0].branch == base.branch {
			return of, err
		}
	}
	return nil, errors.Join(err, fmt.Errorf("%w: %s is gone", ErrBadPiece, base.name))
}

// at is the newest sequence number of a moment at or before t.
func (s strand) at(ctx context.Context, store Store, t time.Time) (uint64, error) {
	var err error
	look := func(i int) *piece {
		var p *piece
		if err == nil {
			p, err = read(ctx, store, s[i])
		}
		return p
	}
	after := sort.Search(len(s), func(i int) bool {
		p := look(i)
		return p != nil && p.from().After(t)
	})
	p := look(max(after, 1) - 1)
	if err != nil {
		return 0, err
	}
	found := p.first
	for _, m := range p.moments {
		if !m.Time.After(t) {
			found = m.Sequence
		}
	}
	return uint64(found), nil
}

// begin chooses the backup to begin with: the newest on the way.
func (p *Plan) begin(all []Branch, backups []Backup) error {
	found := false
	for _, b := range backups {
		if b.Sequence > p.Sequence || !p.Branch.mayBeginWith(b, all) {
			continue
		}
		if !found || b.Sequence > p.Backup.Sequence {
			p.Backup, found = b, true
		}
	}
	if !found {
		return fmt.Errorf("%w: backup %s, with which branch %s begins, is not there, nor a later one", ErrNoPoint,
			p.Branch.Backup, p.Branch.ID)
	}
	return nil
}

// pieces calls fn with each commit between the backup and the point, in order, when it has checked that nothing is
// missing before it.
func (p *Plan) pieces(ctx context.Context, s Store, fn func(c commit) error) error {
	next, last := key.SeqNum(p.Backup.Sequence)+1, key.SeqNum(p.Sequence)
	var before *piece
	for _, at := range p.needed(next, last) {
		piece, err := read(ctx, s, at)
		if err != nil {
			return err
		}
		if err := piece.follows(before); err != nil {
			return err
		}
		before = piece
		for _, c := range piece.commits {
			if c.last() < next || c.last() > last {
				continue
			}
			if c.first != next {
				return fmt.Errorf("%w: %s: commit %d follows %d", ErrBadPiece, at.name, c.first, next-1)
			}
			if err := fn(c); err != nil {
				return err
			}
			next = c.last() + 1
		}
	}
	if next <= last && (before == nil || before.last < last) { // else the point is inside of a commit
		return fmt.Errorf("%w: what follows commit %d in branch %s is missing", ErrBadPiece, next-1, p.Branch.ID)
	}
	return nil
}

// needed is where the commits from next to last are: the base too, if the first of them follows that.
func (p *Plan) needed(next, last key.SeqNum) strand {
	if next > last {
		return nil
	}
	from := 0
	for i, at := range p.of {
		if i > 0 && at.first <= next && p.Backup.ID != p.Branch.Backup {
			from = i
		}
	}
	to := len(p.of)
	for to > from && p.of[to-1].first > last {
		to--
	}
	return p.of[from:to]
}

// follows checks that p is the piece after before, which is nil for the first that is read.
func (p *piece) follows(before *piece) error {
	if before != nil && (p.before != before.digest || p.first != before.last+1) {
		return fmt.Errorf("%w: %s does not follow %s: what was between them is missing, or was changed", ErrBadPiece,
			p.name(), before.name())
	}
	return nil
}
