package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

var (
	takeoverSeed = flag.Uint64("takeover.seed", 0, "seed of the one game to play")
	takeoverRuns = flag.Int("takeover.runs", 300, "games to play")
)

// pastLock is a directory as a second mount shows it: the same files, and a lock that does not meet the other one.
type pastLock struct{ vfs.FS }

func (d pastLock) Lock(name string, _ vfs.LockMode) (io.Closer, error) {
	f, err := d.Create(name)
	if err != nil {
		f, err = d.OpenReadWrite(name)
	}
	return f, err
}

func (pastLock) Close() error { return nil }

func openPastLock(fs vfs.FS, random *rand.Rand, manifestLimit int64) (*Engine, error) {
	return Open(Options{FS: pastLock{fs}, Manual: true, MemoryLimit: MinMemoryLimit, LogLimit: 3 << 10, PageSize: 512,
		Random: random.Uint64, ManifestLimit: manifestLimit})
}

// game is several writers that share a directory past the lock. One of them runs at a time; at each call of the file
// system another may go on in its place, for as long as chance wants.
type game struct {
	seed   uint64
	random *rand.Rand
	disk   *memfs.FS
	said   chan bool // by the one who runs: he has come to a call (true), or to his end
	acked  map[string]bool
	lost   int            // handles that noticed that they were taken over
	others map[string]int // other errors, and how often
}

// player is one writer. It opens the database, writes, closes it and opens it again.
type player struct {
	game   *game
	name   string
	random *rand.Rand
	fs     *errfs.FS
	resume chan struct{}
	keys   int
	dead   bool // never goes on: a process that was killed or stopped
}

func (g *game) play(players int) {
	var alive, dead []*player
	for i := range players {
		p := &player{game: g, name: string(rune('a' + i)), random: rand.New(rand.NewPCG(g.seed, uint64(i)+1)),
			fs: errfs.New(g.disk), resume: make(chan struct{})}
		p.fs.SetRules(errfs.On().Call(func(errfs.Op) { g.said <- true; <-p.resume }))
		go func() {
			<-p.resume
			p.run()
			g.said <- false
		}()
		alive = append(alive, p)
	}
	for len(alive) > 0 {
		i := g.random.IntN(len(alive))
		p := alive[i]
		for range 1 << g.random.IntN(9) {
			p.resume <- struct{}{}
			if !<-g.said {
				alive = append(alive[:i], alive[i+1:]...)
				break
			}
			if len(dead) < players-1 && g.random.IntN(2000) == 0 {
				alive, dead = append(alive[:i], alive[i+1:]...), append(dead, p)
				break
			}
		}
	}
	g.disk = g.disk.Image(memfs.Policy(g.random.IntN(3)), g.seed) // what a power cut leaves
	for _, p := range dead {                                      // their time is over; their memory comes back
		for p.dead = true; ; {
			p.resume <- struct{}{}
			if !<-g.said {
				break
			}
		}
	}
}

func (p *player) run() {
	for range 1 + p.random.IntN(3) {
		limit := []int64{0, 200}[p.random.IntN(2)] // bytes: a small manifest is replaced soon
		e, err := openPastLock(p.fs, p.random, limit)
		if err != nil {
			p.note("open", err)
			continue
		}
		for range p.random.IntN(20) {
			if err = p.step(e); err != nil {
				p.note("step", err)
				break
			}
		}
		if err = e.Close(); err != nil {
			p.note("close", err)
		}
	}
}

// note counts how handles end. Being taken over is the one failure that they have reason for.
func (p *player) note(where string, err error) {
	if errors.Is(err, ErrTakenOver) {
		p.game.lost++
		return
	}
	p.game.others[where+": "+err.Error()]++
}

func (p *player) step(e *Engine) error {
	switch p.random.IntN(12) {
	case 0:
		return e.Flush()
	case 1:
		_, err := e.CleanStep()
		return err
	case 2:
		_, err := e.CompactStep()
		return err
	case 3:
		return e.Compact(context.Background(), nil, nil)
	case 4:
		return p.ingest(e)
	case 5:
		_, err := e.SyncStep()
		return err
	case 6:
		return p.put(e, false)
	}
	return p.put(e, true)
}

// nextKey is a key that nobody uses again, of any bytes.
func (p *player) nextKey() string {
	p.keys++
	return fmt.Sprintf("%s%c%04d", p.name, rune(p.random.IntN(256)), p.keys)
}

func (p *player) put(e *Engine, sync bool) error {
	var b batch.Batch
	k := p.nextKey()
	b.Put([]byte(k), make([]byte, p.random.IntN(300)))
	_, err := e.Commit(&b, sync)
	if err == nil && sync && !p.dead {
		p.game.acked[k] = true
	}
	return err
}

func (p *player) ingest(e *Engine) error {
	w := e.NewIngest()
	k := p.nextKey()
	if err := w.Add([]byte(k), key.KindPut, make([]byte, 100)); err != nil {
		w.Abort()
		return err
	}
	run, err := w.Finish()
	if err != nil {
		return err
	}
	_, err = e.Ingest(run, nil)
	if err == nil && !p.dead {
		p.game.acked[k] = true
	}
	return err
}

// Where two mounts show one directory, the lock lets two writers in: what one of them had acknowledged would be gone
// with the files that the other replaces and removes, or the database would not open any more.
func TestTakeover_losesNothingAcknowledged(t *testing.T) {
	seeds := []uint64{*takeoverSeed}
	if *takeoverSeed == 0 {
		runs := *takeoverRuns
		if testing.Short() {
			runs /= 10
		}
		seeds = nil
		for range runs {
			seeds = append(seeds, rand.Uint64())
		}
	}
	lost, acked, others := 0, 0, map[string]int{}
	for _, seed := range seeds {
		g := &game{seed: seed, random: rand.New(rand.NewPCG(seed, 0)), disk: memfs.New(), said: make(chan bool),
			acked: map[string]bool{}, others: others}
		g.play(2 + g.random.IntN(2))
		e, err := openPastLock(g.disk, g.random, 0)
		if err != nil {
			t.Fatalf("-takeover.seed=%d: the database does not open any more: %v", seed, err)
		}
		got := scan(t, e, nil)
		for k := range g.acked {
			if _, there := got[k]; !there {
				t.Errorf("-takeover.seed=%d: %q was acknowledged, and is gone", seed, k)
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			return
		}
		lost, acked = lost+g.lost, acked+len(g.acked)
	}
	if *takeoverSeed == 0 && (lost < len(seeds)/2 || acked < len(seeds)) {
		t.Errorf("%d games, %d takeovers, %d commits: too little has happened", len(seeds), lost, acked)
	}
	t.Logf("%d games, %d takeovers noticed, %d commits acknowledged", len(seeds), lost, acked)
	for what, n := range others {
		t.Errorf("%d times %s", n, what)
	}
}

// Where somebody has removed LOCK, the mark of a writer still stands in the file that it has open, and it believes an
// edit that the newcomer has not read. With the files that this edit makes obsolete the newcomer would lose what it
// has read the names of.
func TestTakeover_removesNothingAfterLOCKIsGone(t *testing.T) {
	disk, random := memfs.New(), rand.New(rand.NewPCG(1, 2))
	fs := errfs.New(disk)
	first, err := openPastLock(fs, random, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	for _, k := range []string{"a", "b"} {
		put(t, first, k, "1")
		put(t, first, "c", k)
		if err := first.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.CleanStep(); err != nil {
		t.Fatal(err)
	}
	var second *Engine
	fs.SetRules(errfs.On(errfs.Write).Named("MANIFEST*").Nth(1).Call(func(errfs.Op) {
		if err = disk.Remove("LOCK"); err == nil {
			second, err = openPastLock(disk, random, 0)
		}
	}))
	if compacted := first.Compact(context.Background(), nil, nil); compacted != nil || err != nil {
		t.Fatalf("the edit of the first: %v; the newcomer: %v", compacted, err)
	}
	if _, err := first.CleanStep(); !errors.Is(err, ErrTakenOver) {
		t.Errorf("the first may remove files: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := openPastLock(disk, random, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if got := scan(t, third, nil); len(got) != 3 || got["c"] != "b" {
		t.Errorf("there is %q", got)
	}
}
