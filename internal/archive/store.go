package archive

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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

// parseName is the inverse of name. An archive has many names, and an Open looks at all of them: so it allocates
// nothing.
func parseName(name string) (at place, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	database, rest, ok2 := strings.Cut(rest, "/")
	branch, rest, ok3 := strings.Cut(rest, "/")
	if !ok || !ok2 || !ok3 || len(database) != 2*digits {
		return at, false
	}
	high, ok := parseDigits(database[:digits])
	low, ok2 := parseDigits(database[digits:])
	at.branch, ok3 = parseDigits(branch)
	if !ok || !ok2 || !ok3 {
		return at, false
	}
	binary.BigEndian.PutUint64(at.database[:8], high)
	binary.BigEndian.PutUint64(at.database[8:], low)
	at.name = name
	if rest == baseName {
		return at, true
	}
	first, ok := parseDigits(rest)
	at.first = key.SeqNum(first)
	return at, ok && first > 0
}

// digits is how many hexadecimal digits a number in a name has.
const digits = 16

// parseDigits reads a number as names have them: so there is one way to write it.
func parseDigits(s string) (n uint64, ok bool) {
	if len(s) != digits {
		return 0, false
	}
	for _, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
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
	places := make([]place, 0, len(names))
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
	begun := 0
	for i, at := range places {
		if i+1 == len(places) || places[i+1].database != at.database || places[i+1].branch != at.branch {
			all, begun = append(all, places[begun:i+1:i+1]), i+1
		}
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
