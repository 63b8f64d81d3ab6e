package tree

import "context"

// Verify reads every byte of every table of the current version, without the cache, and checks all that readers rely
// on: first each table, then, in a second reading, that of two versions of a key the newer one is found first. It
// goes on after damage, so that its error names every damaged table. progress, which may be nil and must not close
// the database, is told how many bytes have been read, and of how many. The manifest and the log were checked by
// Open, which reads all of them.
func (tr *Tree) Verify(ctx context.Context, progress func(done, total int64)) error {
	if err := tr.gate.Enter(); err != nil {
		return err
	}
	defer tr.gate.Leave()
	v := tr.Acquire()
	defer tr.Release(v)
	return tr.gate.UntilClosed(ctx, func(ctx context.Context) error {
		return tr.tables.VerifyAll(ctx, v.version, v.runs, progress)
	})
}
