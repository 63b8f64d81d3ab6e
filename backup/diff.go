package backup

import (
	"context"

	"lightningdb/internal/system/calls"
)

// Difference is how much of two backups is the same. Files are the same if their contents are.
type Difference struct {
	OnlyA, OnlyB, Both Amount
}

// Diff compares two backups. The error is fs.ErrNotExist if one of them is not there.
func (r *Repository) Diff(ctx context.Context, a, b string) (diff Difference, err error) {
	ctx = calls.OrBackground(ctx)
	if err := r.check(ctx); err != nil {
		return diff, err
	}
	inA, err := r.description(ctx, a)
	if err != nil {
		return diff, err
	}
	inB, err := r.description(ctx, b)
	if err != nil {
		return diff, err
	}
	contents := make(map[digestKey]int)
	for _, f := range inA.Files {
		contents[digestKey{f.Digest, f.Size}]++
	}
	for _, f := range inB.Files {
		if key := (digestKey{f.Digest, f.Size}); contents[key] > 0 {
			contents[key]--
			diff.Both.add(f.Size)
		} else {
			diff.OnlyB.add(f.Size)
		}
	}
	for key, n := range contents {
		for range n {
			diff.OnlyA.add(key.size)
		}
	}
	return diff, nil
}
