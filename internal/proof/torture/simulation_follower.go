package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/proof/observer"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// errKilled is the error of every call of a process that was killed: what it wrote is there, and its locks are gone.
var errKilled = errors.New("the process was killed")

// maxFollowers is how many follow at a time.
const maxFollowers = 2

// followers are the processes that follow the simulation's database. They have their turns between those of the
// clients, and before calls of the writer's file system. They outlive kills and restarts of the writer, but no power
// cut. What they do comes from a random source of its own, so that the rest of a run is the same without them.
type followers struct {
	r    *rand.Rand
	odds float64 // that one has a turn before a turn of the clients; 0 if there are none
	all  []*simulatedFollower
	err  error // the first of a turn within a call of the writer
}

// simulatedFollower is one of them.
type simulatedFollower struct {
	*observer.Observer
	eyes  *errfs.FS     // the directory as it sees it
	beat  time.Duration // when it last renewed its lease
	hangs bool          // it does not renew it any more
}

func newFollowers(seed uint64) followers {
	f := followers{r: rand.New(rand.NewPCG(seed, 15))}
	if f.r.IntN(2) == 0 {
		f.odds = 0.02 + 0.15*f.r.Float64()
	}
	return f
}

// follow lets a follower have its turn, perhaps, and those renew their leases that do not hang.
func (m *simulation) follow() error {
	f := &m.followers
	if f.odds == 0 || f.err != nil {
		return f.err
	}
	for _, one := range f.all {
		switch late := m.now - one.beat; {
		case late > lease.Term:
			one.Lapse()
		case late > lease.Interval && !one.hangs:
			m.renew(one)
		}
	}
	if f.r.Float64() < f.odds {
		m.moveFollower()
	}
	if len(f.all) > 0 && f.r.Float64() < f.odds/50 {
		m.passTerm()
	}
	return f.err
}

// followWithin is before each call of the writer's file system.
func (m *simulation) followWithin(errfs.Op) {
	if f := &m.followers; f.odds > 0 && f.err == nil && f.r.Float64() < f.odds/10 {
		m.moveFollower()
	}
}

// moveFollower opens a follower, or lets one do something.
func (m *simulation) moveFollower() {
	f := &m.followers
	if len(f.all) < maxFollowers && f.r.IntN(4) == 0 || len(f.all) == 0 {
		m.openFollower()
		return
	}
	i := f.r.IntN(len(f.all))
	one := f.all[i]
	if f.r.IntN(20) == 0 {
		one.eyes.SetRules(errfs.On().From(one.eyes.Ops() + f.r.IntN(30)).Times(1 + f.r.IntN(3)).Fail(syscall.EIO))
	}
	switch n := f.r.IntN(100); {
	case n < 60:
		m.watchFollower(one, "refresh", one.Refresh)
	case n < 75:
		m.watchFollower(one, "look", one.Look)
	case n < 82:
		one.Pin()
	case n < 88:
		one.Unpin()
	case n < 93:
		one.hangs = true
	case n < 97:
		m.watchFollower(one, "close", one.Close)
		f.all = slices.Delete(f.all, i, i+1)
	default:
		m.killFollower(i)
	}
}

func (m *simulation) openFollower() {
	one := &simulatedFollower{eyes: errfs.New(m.fs), beat: m.now}
	m.watchFollower(one, "open", func() (err error) {
		one.Observer, err = observer.Open(observer.Options{FS: keptOpen{one.eyes}, History: m.History,
			Stats: &m.stats.Followers, Merge: mergeByDigest, Random: m.followers.r.Uint64,
			Elapsed: func() time.Duration { return m.now }, Acknowledged: m.mustFollow, Published: m.Published})
		return err
	})
	if one.Observer == nil {
		return
	}
	if m.opts.MaxSnapshotAge > 0 {
		one.Lapse() // the writer holds nothing for longer than that
	}
	m.followers.all = append(m.followers.all, one)
}

// renew renews the lease of a follower.
func (m *simulation) renew(one *simulatedFollower) {
	one.Beat()
	one.beat = m.now
}

// watchFollower calls do, something that one does, and judges its error.
func (m *simulation) watchFollower(one *simulatedFollower, what string, do func() error) {
	before := one.eyes.Faults()
	err := do()
	m.observe("a follower, %s: %v", what, err)
	switch {
	case err == nil || m.followers.err != nil || m.fs.Crashed():
	case errors.Is(err, observer.ErrMisled):
		m.followers.err = err
	case observer.Refused(err) && m.mayNotFollow():
		m.stats.Followers.Refused++
	case mayComeOfFault(err) && one.eyes.Faults() > before:
	default:
		m.followers.err = fmt.Errorf("%s of a follower: %w", what, err)
	}
}

// mustFollow is the newest commit that followers must show.
func (m *simulation) mustFollow() key.SeqNum {
	if m.powerLost || m.shaken {
		return 0
	}
	return m.told
}

// mayNotFollow reports whether there may be no page, or one that leads nowhere.
func (m *simulation) mayNotFollow() bool {
	return m.mustFollow() == 0 || m.Engine == nil || m.disk.Faults() > 0 || m.unpublished
}

// passTerm lets so much time pass that every lease ends which is not renewed.
func (m *simulation) passTerm() {
	m.observe("a term passes")
	for range 3 {
		m.now += lease.Term / 2
		m.wall.pass(lease.Term / 2)
		for _, one := range m.followers.all {
			if one.hangs {
				one.Lapse()
			} else {
				m.renew(one)
			}
		}
	}
}

// killFollower kills the process of a follower. Its lease stays.
func (m *simulation) killFollower(i int) {
	m.observe("a follower is killed")
	one := m.followers.all[i]
	one.eyes.SetRules(errfs.On().Fail(errKilled))
	_ = one.Close() // memory must go all the same
	m.followers.all = slices.Delete(m.followers.all, i, i+1)
}

// killFollowers kills all of them.
func (m *simulation) killFollowers() {
	for len(m.followers.all) > 0 {
		m.killFollower(0)
	}
}

// killWriter ends the process that writes, at once or before one of its next calls, while followers go on.
func (m *simulation) killWriter(within int) {
	kill := errfs.On().From(m.process.Ops() + within).Fail(errKilled)
	m.process.SetRules(errfs.On().Call(m.followWithin), kill)
}

// dead reports whether the process that writes was killed, or the machine has crashed.
func (m *simulation) dead() bool { return m.fs.Crashed() || m.process.Faults() > 0 }

// killed is what is left of fs when its writer has been killed. If there are followers it is the same directory, and
// they go on.
func (m *simulation) killed(fs *memfs.FS) *memfs.FS {
	if fs.Crashed() || len(m.followers.all) == 0 {
		return fs.Kill()
	}
	m.killWriter(0)
	return fs
}

// endFollowers lets each follower look once more, without faults, and ends it. There are none from then on.
func (m *simulation) endFollowers() error {
	if m.followers.odds == 0 {
		return nil
	}
	for _, one := range m.followers.all {
		one.eyes.SetRules()
		if m.now-one.beat > lease.Term {
			one.Lapse()
		}
		m.watchFollower(one, "last look", func() error { return errors.Join(one.Refresh(), one.Look()) })
		m.watchFollower(one, "close", one.Close)
	}
	m.followers.all, m.followers.odds = nil, 0
	return m.followers.err
}

// checkNothingIsHeld demands that no lease of a follower that is gone keeps a table.
func (m *simulation) checkNothingIsHeld() error {
	if !m.opts.Followers {
		return nil
	}
	for range 2 {
		if _, err := m.Engine.CleanStep(); err != nil {
			return err
		}
		m.passTerm()
	}
	if _, err := m.Engine.CleanStep(); err != nil {
		return err
	}
	names, err := m.fs.List()
	if err != nil {
		return err
	}
	tables := 0
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind == filename.Table {
			tables++
		}
	}
	for range m.version().Files() {
		tables--
	}
	if tables != 0 {
		return fmt.Errorf("%d tables are kept for followers that are gone: %q", tables, names)
	}
	return nil
}
