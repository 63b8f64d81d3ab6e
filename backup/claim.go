package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
)

// Where claims are, and the beats of both kinds.
const (
	leases = "leases/"
	marks  = "prunes/"
	beats  = "beats/"
)

const (
	beatInterval = 2 * time.Second
	beatTerm     = 10 * time.Second // a claim whose beat is the same for so long passes for dead
	lookInterval = time.Second      // at the beats of others
)

// claim is the lease of a Create or the mark of a Prune. Its file is put once; a beat next to it changes.
type claim struct {
	store    Store
	name, id string
	cancel   context.CancelFunc
	beating  sync.WaitGroup
}

// claim puts a claim of a kind that nobody has.
func (r *Repository) claim(ctx context.Context, kind, id string) (*claim, error) {
	c := &claim{store: r.store, name: kind + id, id: id}
	if err := put(ctx, r.store, c.name, []byte(id+"\n"), OnlyNew); err != nil {
		return nil, err
	}
	ctx, c.cancel = context.WithCancel(ctx)
	c.beat(ctx, 1)
	c.beating.Go(func() {
		for n := 2; calls.Sleep(ctx, beatInterval) == nil; n++ {
			c.beat(ctx, n)
		}
	})
	return c, nil
}

// beat changes the beat. One that fails is left out: if too many do, the claim passes for dead.
func (c *claim) beat(ctx context.Context, n int) {
	_ = put(ctx, c.store, beats+c.id, fmt.Appendf(nil, "%d\n", n), Replace)
}

// stop ends the beat.
func (c *claim) stop() {
	c.cancel()
	c.beating.Wait()
}

// end removes the claim, also when ctx has ended.
func (c *claim) end(ctx context.Context) error {
	c.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatTerm)
	defer cancel()
	return removeClaim(ctx, c.store, c.name, c.id)
}

// removeClaim removes a claim before its beat, which means nothing alone.
func removeClaim(ctx context.Context, s Store, name, id string) error {
	if err := s.Remove(ctx, name); err != nil {
		return err
	}
	return s.Remove(ctx, beats+id)
}

// claims lists the ids of the claims of a kind.
func (r *Repository) claims(ctx context.Context, kind string) (ids []string, err error) {
	entries, err := list(ctx, r.store, kind)
	for _, e := range entries {
		if id := strings.TrimPrefix(e.Name, kind); isID(id) {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// observed is what was read of the beat of a claim.
type observed struct {
	beat  string
	since time.Time // monotonic: after it was first read
}

// observe waits until it is known of each claim of a kind whether it is alive, because its beat changes, or dead,
// because that stays the same for a term. One that is removed meanwhile is neither, nor is that of id own, nor one that
// is new.
func (r *Repository) observe(ctx context.Context, kind, own string) (alive, dead []string, err error) {
	ids, err := r.claims(ctx, kind)
	if err != nil {
		return nil, nil, err
	}
	open := make(map[string]observed)
	for _, id := range ids {
		if id != own {
			beat, err := r.readBeat(ctx, id)
			if err != nil {
				return nil, nil, err
			}
			open[id] = observed{beat, time.Now()}
		}
	}
	for len(open) > 0 {
		if err := calls.Sleep(ctx, lookInterval); err != nil {
			return nil, nil, err
		}
		a, d, err := r.look(ctx, kind, open)
		if err != nil {
			return nil, nil, err
		}
		alive, dead = append(alive, a...), append(dead, d...)
	}
	return alive, dead, nil
}

// look takes out of open, and returns, what is known by now to be alive or dead, and takes out what is gone.
func (r *Repository) look(ctx context.Context, kind string,
	open map[string]observed) (alive, dead []string, err error) {
	ids, err := r.claims(ctx, kind)
	if err != nil {
		return nil, nil, err
	}
	there := make(map[string]bool)
	for _, id := range ids {
		was, ok := open[id]
		if !ok {
			continue
		}
		now := time.Now() // before it is read: it has not changed until now, at least
		beat, err := r.readBeat(ctx, id)
		switch {
		case err != nil:
			return nil, nil, err
		case beat != was.beat && beat != "": // without a beat it may just be removed
			alive = append(alive, id)
		case now.Sub(was.since) >= beatTerm:
			dead = append(dead, id)
		default:
			there[id] = true
		}
	}
	for id := range open {
		if !there[id] {
			delete(open, id)
		}
	}
	return alive, dead, nil
}

// readBeat reads the beat of a claim. None is one, too.
func (r *Repository) readBeat(ctx context.Context, id string) (string, error) {
	text, err := read(ctx, r.store, beats+id, 1<<10)
	if vfs.IsNotExist(err) || errors.Is(err, ErrBadBackup) {
		return "", nil
	}
	return string(text), err
}
