package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Check reads every piece, and returns an error for each that is damaged or missing, or does not follow the one before
// it: an ErrBadPiece. Pieces may be put and removed meanwhile. progress is told of the bytes of each. The error err is
// that of the store.
func Check(ctx context.Context, s Store, progress func(bytes int64)) (damage []error, err error) {
	all, err := strands(ctx, s, nil)
	if err != nil {
		return nil, fmt.Errorf("list the archive: %w", err)
	}
	for _, of := range all {
		problems, err := of.check(ctx, s, progress)
		if err != nil {
			return nil, err
		}
		damage = append(damage, problems...)
	}
	return damage, nil
}

// check is Check of one branch.
func (s strand) check(ctx context.Context, store Store, progress func(bytes int64)) (damage []error, err error) {
	base, ok := s.base()
	if !ok {
		damage = append(damage, fmt.Errorf("%w: %s is missing", ErrBadPiece, branchDir(base.database, base.branch)+baseName))
	}
	var before *piece
	for i, at := range s {
		p, err := read(ctx, store, at)
		progress(at.bytes)
		switch {
		case errors.Is(err, fs.ErrNotExist) && before.mayGo():
			continue // somebody prunes, from the oldest on
		case errors.Is(err, ErrBadPiece):
			damage = append(damage, err)
			before = nil
			continue
		case err != nil:
			return nil, err
		}
		if i == 1 && before != nil && p.first != before.last+1 {
			before = nil // those between the base and this one were pruned
		}
		if err := p.follows(before); err != nil {
			damage = append(damage, err)
		}
		before = p
	}
	return damage, nil
}

// mayGo reports whether the piece after p, which is the last that was read, may be removed by a Prune: those behind a
// base or behind nothing may.
func (p *piece) mayGo() bool { return p == nil || p.base != nil }
