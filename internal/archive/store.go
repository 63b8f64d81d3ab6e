package archive

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/format/key"
)

// Store is where pieces and backups are. It is safe for concurrent use, by several processes, and what one of them has
// done the others see at once.
type Store interface {
	// PutPiece stores content under a name, durably and whole, or not at all. The error is fs.ErrExist if something has
	// the name.
	PutPiece(ctx context.Context, name string, content []byte) error

	// ReadPiece reads what has a name, of at most limit bytes. The error is fs.ErrNotExist if nothing has it.
	ReadPiece(ctx context.Context, name string, limit int64) ([]byte, error)

	// ListPieces returns every name that begins with prefix, in order, with its size in bytes.
	ListPieces(ctx context.Context, prefix string) (names []string, sizes []int64, err error)

	// Base makes a backup of the newest state of a database, and returns its id, and the sequence number of the newest
	// commit in it.
	Base(ctx context.Context, from checkpoint.Source) (id string, seq uint64, err error)
}

// prefix is what the names of all pieces begin with.
const prefix = "archive/"

// baseName is the last part of the name of a base.
const baseName = "base"

func databaseDir(database [16]byte) string { return prefix + hex.EncodeToString(database[:]) + "/" }

func branchDir(database [16]byte, branch uint64) string {
	return databaseDir(database) + fmt.Sprintf("%016x/", branch)
}

// name is where a piece belongs.
func (p *piece) name() string {
	if p.base != nil {
		return branchDir(p.database, p.branch) + baseName
	}
	return pieceName(p.database, p.branch, p.first)
}

func pieceName(database [16]byte, branch uint64, first key.SeqNum) string {
	return branchDir(database, branch) + fmt.Sprintf("%016x", uint64(first))
}

// place is what the name of a piece says.
type place struct {
	database [16]byte
	branch   uint64
	first    key.SeqNum // 0 for a base
	name     string
	bytes    int64
}

// parseName is the inverse of name.
func parseName(name string) (at place, ok bool) {
	parts := strings.Split(strings.TrimPrefix(name, prefix), "/")
	if len(parts) != 3 || len(parts[0]) != 32 {
		return at, false
	}
	at.name = name
	if _, err := hex.Decode(at.database[:], []byte(parts[0])); err != nil {
		return at, false
	}
	branch, err := strconv.ParseUint(parts[1], 16, 64)
	at.branch = branch
	if parts[2] == baseName {
		return at, err == nil && branchDir(at.database, branch)+baseName == name
	}
	first, err2 := strconv.ParseUint(parts[2], 16, 64)
	at.first = key.SeqNum(first)
	return at, err == nil && err2 == nil && first > 0 && pieceName(at.database, branch, at.first) == name
}

// IsName reports whether a piece has a name.
func IsName(name string) bool {
	_, ok := parseName(name)
	return ok
}

// read reads the piece in a place, and checks that it belongs there.
func read(ctx context.Context, s Store, at place) (*piece, error) {
	text, err := s.ReadPiece(ctx, at.name, maxPiece)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing (%w)", ErrBadPiece, at.name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", at.name, err)
	}
	p, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.name, err)
	}
	if p.name() != at.name {
		return nil, fmt.Errorf("%w: %s holds %s", ErrBadPiece, at.name, p.name())
	}
	return p, nil
}

// strand is the pieces of a branch as their names tell them: the base first, then in the order of their commits.
type strand []place

// base is the place of the base; false if it is missing.
func (s strand) base() (place, bool) { return s[0], s[0].first == 0 }

// strands lists the branches of a database, or of all of them if database is nil.
func strands(ctx context.Context, s Store, database *[16]byte) (all []strand, err error) {
	in := prefix
	if database != nil {
		in = databaseDir(*database)
	}
	names, sizes, err := s.ListPieces(ctx, in)
	if err != nil {
		return nil, err
	}
	var places []place
	for i, name := range names {
		if at, ok := parseName(name); ok {
			at.bytes = sizes[i]
			places = append(places, at)
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(slices.Compare(a.database[:], b.database[:]), cmp.Compare(a.branch, b.branch),
			cmp.Compare(a.first, b.first))
	})
	for i, at := range places {
		if i == 0 || places[i-1].database != at.database || places[i-1].branch != at.branch {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], at)
	}
	return all, nil
}

// Branch is what an archive has without a gap: the state after each commit from First to Last can be restored.
//
//   - Database is the id of the database, ID that of the branch, both in hexadecimal.
//   - Backup is the id of the backup that it begins with.
//   - First is the sequence number of the newest commit in that, Last the newest that is archived.
//   - From and To are when these were there, in UTC. To goes by the clock of the machine that wrote.
//   - Pieces and Bytes are what it takes, without the backup.
//   - Cause is why it was begun: Begin, Gap, Transaction or Fork.
//   - After is the branch, and Ended the commit, that it could not go on behind; "" and 0 if there was none.
//   - Damage is why it cannot be told; then only Database, ID, Pieces and Bytes are known for sure.
type Branch struct {
	Database, ID string
	Backup       string
	First, Last  uint64
	From, To     time.Time
	Pieces       int
	Bytes        int64
	Cause        Cause
	After        string
	Ended        uint64
	Damage       error
}

// List returns the branches of all databases in a store, those of each in the order in which they begin. It reads two
// pieces of each.
func List(ctx context.Context, s Store) ([]Branch, error) {
	all, err := strands(ctx, s, nil)
	if err != nil {
		return nil, fmt.Errorf("list the archive: %w", err)
	}
	var sorted []*Branch // not Branch: sorting something as large takes 11 KB of the program
	for _, of := range all {
		b, err := describe(ctx, s, of)
		if err != nil {
			return nil, err
		}
		sorted = append(sorted, &b)
	}
	slices.SortStableFunc(sorted, func(a, b *Branch) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), a.From.Compare(b.From), cmp.Compare(a.First, b.First))
	})
	var branches []Branch
	for _, b := range sorted {
		branches = append(branches, *b)
	}
	return branches, nil
}

// describe reads what there is to tell of a branch. The error is that of the store; damage is in the result.
func describe(ctx context.Context, s Store, of strand) (Branch, error) {
	b := Branch{Database: hex.EncodeToString(of[0].database[:]), ID: fmt.Sprintf("%016x", of[0].branch), Pieces: len(of)}
	for _, at := range of {
		b.Bytes += at.bytes
	}
	at, ok := of.base()
	if !ok {
		b.Damage = fmt.Errorf("%w: %s is missing", ErrBadPiece, branchDir(at.database, at.branch)+baseName)
		return b, nil
	}
	first, err := read(ctx, s, at)
	last := first
	if err == nil && len(of) > 1 {
		last, err = read(ctx, s, of[len(of)-1])
	}
	if errors.Is(err, ErrBadPiece) {
		b.Damage = err
		return b, nil
	}
	if err != nil {
		return b, err
	}
	b.Backup, b.Cause, b.Ended = first.base.backup, first.base.cause, uint64(first.base.ended)
	if first.base.after != 0 {
		b.After = fmt.Sprintf("%016x", first.base.after)
	}
	b.First, b.Last = uint64(first.first), uint64(last.last)
	b.From, b.To = first.from(), last.to()
	if len(of) > 1 && uint64(of[1].first) > b.First+1 { // pruned
		b.First = uint64(of[1].first) - 1
	}
	return b, nil
}

// from is the first moment of a piece; the zero time if it has none.
func (p *piece) from() time.Time {
	if len(p.moments) == 0 {
		return time.Time{}
	}
	return p.moments[0].Time
}

// to is the last moment of a piece.
func (p *piece) to() time.Time {
	if len(p.moments) == 0 {
		return time.Time{}
	}
	return p.moments[len(p.moments)-1].Time
}
