package tree

import (
	"context"
	"errors"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
)

// errNoCut is what Cut gives up with.
var errNoCut = errors.New("a commit is in the tables and was never acknowledged, because writes had stopped before: " +
	"reopen the database")

// maxCutWait is how long Cut waits for a moment between two commits.
const maxCutWait = 10 * time.Second

// Cut calls fn with a view and a sequence number. The view holds every commit up to that, its tables nothing newer; its
// active memtable may. It and its files stay until fn returns. The context of fn ends with ctx and with Close.
func (tr *Tree) Cut(ctx context.Context, fn func(ctx context.Context, v *View, seq key.SeqNum) error) error {
	if err := tr.gate.Enter(); err != nil {
		return err
	}
	defer tr.gate.Leave()
	return tr.gate.UntilClosed(ctx, func(ctx context.Context) error {
		v, seq, err := tr.cut(ctx)
		if err != nil {
			return err
		}
		defer tr.Release(v)
		return fn(ctx, v, seq)
	})
}

func (tr *Tree) cut(ctx context.Context) (*View, key.SeqNum, error) {
	begun := tr.clock.Now()
	for {
		// What is published after the view was replaced may be in a later one only. And a commit may be in the tables, by
		// an ingest, just before it is published, which the next view of a follower tells.
		v := tr.Acquire()
		seq := v.seq
		if !tr.opts.Follow {
			seq = tr.Visible()
		}
		if tr.view.Load() == v && v.version.LastSeq <= seq {
			return v, seq, nil
		}
		tr.Release(v)
		if tr.clock.Now().Since(begun) > maxCutWait {
			return nil, 0, errNoCut
		}
		if err := calls.Sleep(ctx, time.Millisecond); err != nil {
			return nil, 0, err
		}
	}
}

// Memtables are those of the view, newest first. Who calls holds the view.
func (v *View) Memtables() []*Memtable { return v.mems }

// Directory is where the tables are.
func (tr *Tree) Directory() vfs.FS { return tr.dir.FS() }

// Missing is Options.Missing: what a reader gets of the error that the file of table num is not there.
func (tr *Tree) Missing(num filename.Num, err error) error {
	if tr.opts.Missing == nil {
		return err
	}
	return tr.opts.Missing(num, err)
}
