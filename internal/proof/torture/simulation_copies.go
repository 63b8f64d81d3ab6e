package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// copying says whether the clients of a simulation make checkpoints. What these are comes from a random source of its
// own.
type copying struct {
	r       *rand.Rand
	intents []intent // none in most seeds
}

// newCopying draws it for a seed.
func newCopying(seed uint64) copying {
	c := copying{r: rand.New(rand.NewPCG(seed, 19))}
	if c.r.IntN(5) == 0 {
		c.intents = []intent{wantCheckpoint}
	}
	return c
}

// checkpoint makes a copy of the database, while background steps run between its calls, and judges it. After a failed
// commit it makes none: that may be in the tables, where no copy could leave it out.
func (m *simulation) checkpoint() error {
	if m.refusing {
		return nil
	}
	r, at, target := m.copying.r, m.History.Acknowledged(), memfs.New()
	want := slices.Collect(m.History.Entries(nil, nil, at))
	rules := []*errfs.Rule{errfs.On().Call(func(errfs.Op) { m.meanwhile(r) })}
	if r.IntN(2) == 0 {
		rules = append(rules, errfs.On(errfs.Link).Fail(errors.ErrUnsupported)) // it copies
	}
	var seq key.SeqNum
	var made error
	_, err := m.attempt("checkpoint", func() error {
		seq, made = checkpoint.Write(context.Background(), m.Engine.Tree(), errfs.New(target, rules...), counter(), nil)
		return made
	})
	if err != nil {
		return err
	}
	if made != nil {
		if names, _ := target.List(); len(names) > 1 && !slices.Contains(names, manifest.Unfinished) {
			return fmt.Errorf("a checkpoint has failed (%w) and left %q", made, names)
		}
		return nil
	}
	m.stats.Checkpoints++
	m.observe("a copy at %d, %d entries", seq, len(want))
	if err := judgeCopy(target.Image(memfs.None, 0), seq, at, want); err != nil {
		m.stats.WrongData++
		return err
	}
	return nil
}

// judgeCopy says what is wrong with a copy in dir that was made at seq. It is to hold what was acknowledged at at.
func judgeCopy(dir *memfs.FS, seq, at key.SeqNum, want []oracle.Entry) error {
	e, err := engine.Open(engine.Options{FS: dir, MustExist: true, Manual: true, Merge: mergeByDigest, Random: counter(),
		MemoryLimit: engine.MinMemoryLimit})
	if err != nil {
		return fmt.Errorf("open a copy: %w", err)
	}
	entries, err := Content(e, nil)
	if err == nil {
		err = e.Verify(context.Background(), nil)
	}
	last := key.SeqNum(e.Report().LastSequence)
	if err = errors.Join(err, e.Close()); err != nil {
		return fmt.Errorf("read a copy: %w", err)
	}
	same := func(a, b oracle.Entry) bool { return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) }
	if seq != at || last != at || !slices.EqualFunc(entries, want, same) {
		return mismatch("a copy of the state at %d is said to be of %d, ends at %d, and has %d entries instead of %d", at,
			seq, last, len(entries), len(want))
	}
	return nil
}
