package engine

import (
	"context"
	"errors"

	"lightningdb/internal/manifest"
)

// Verify reads every byte of every table of the current version, past the cache, and checks all that readers rely on. It
// goes on after damage, so that its error tells of every damaged table. progress, which may be nil, is told how many
// bytes of how many have been read. The manifest and the log were checked by Open, which reads all of them.
func (e *Engine) Verify(ctx context.Context, progress func(done, total int64)) error {
	v := e.acquireView()
	if v == nil {
		return ErrClosed
	}
	defer e.unref(v)
	var tables []*manifest.TableMeta
	var total int64
	for _, level := range v.version.Levels {
		tables = append(tables, level...)
		for _, t := range level {
			total += t.Size
		}
	}
	var done int64
	var damage []error
	for _, t := range tables {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(damage, err)...)
		}
		damage = append(damage, e.verifyTable(ctx, t))
		done += t.Size
		if progress != nil {
			progress(done, total)
		}
	}
	return errors.Join(damage...)
}

// verifyTable opens the table anew, so that what is on the medium is checked and not what is in memory.
func (e *Engine) verifyTable(ctx context.Context, meta *manifest.TableMeta) error {
	o, err := e.openTableFile(meta)
	if err != nil {
		return err
	}
	defer o.Close()
	return o.Verify(ctx)
}
