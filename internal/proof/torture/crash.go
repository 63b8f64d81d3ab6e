package torture

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/observer"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// Workload is a bounded, deterministic use of a database, to be interrupted at every change it makes to the directory.
type Workload struct {
	Name    string
	Options engine.Options // FS is set, and Manual, by whoever runs it

	// Prepare makes what Run begins with. nil: an empty directory. It leaves the engine open or closed as it likes.
	Prepare func(s *Session) error
	// Ends is what becomes of the directory between Prepare and Run.
	Ends End

	// Run begins with a closed engine. It returns the first error.
	Run func(s *Session) error

	// Stride is for workloads that are too slow to be cut everywhere in a bounded run: 8 cuts every eighth change.
	Stride int
}

// End is how the life of a directory before the workload ended.
type End struct {
	PowerCut bool // or else the process was killed, with all it had written still in the caches of the system
	Policy   memfs.Policy
	Seed     uint64
}

// Cut is one state that a power cut may leave.
type Cut struct {
	Policy memfs.Policy
	Seed   uint64
}

// Explorer interrupts workloads at every change and judges what the next Open finds.
type Explorer struct {
	// Everywhere ignores the Strides of workloads; otherwise Offset is the first change to cut, below each Stride.
	Everywhere bool
	Offset     int
	// Cuts chooses the images of a directory to look at, from the numbers of its unsynced changes and sectors; point
	// counts the interruptions so far.
	Cuts func(depth, point, unsynced, sectors int) []Cut
	// Nested chooses the images whose recovery is interrupted in turn; depth counts from 1.
	Nested func(depth, image int) bool
	// After chooses the images after whose recovery the database is used on, killed and recovered again.
	After func(image int) bool
	// Followed chooses the changes at which a run is cut that a follower watches, besides the one without, and the images
	// that a follower opens before anybody recovers them, and watches while somebody does. It may be nil, for none.
	Followed func(n int) bool
	// Stop ends the run early when it returns true; nil never does.
	Stop func() bool
	// Fail is told of every violation and where to find it.
	Fail func(where string, err error)

	Stats Stats
}

// FollowedShare is how many changes, or images, there are for each at which a follower watches. Each round has others.
const FollowedShare = 12

// Stats count what an Explorer did.
type Stats struct {
	Points  int // changes interrupted, before and during each
	Images  int
	Kills   int // images of a killed process among them
	Nested  int // images of an interrupted recovery among them
	Deepest int // recoveries interrupted one within the other
	Failed  int // recoveries that failed
	Acked   int // acknowledged commits in all images
	Changes int // that the workload makes undisturbed
	// ByPolicy are the images of power cuts by what they keep.
	ByPolicy  [len(memfs.Policies)]int
	Recovery  Durations // of Open
	Followers observer.Stats
	Values    ValueStats // of the runs that nothing interrupts
	Ranges    RangeStats // likewise
	oracle.Counts
}

// Add adds o to s.
func (s *Stats) Add(o Stats) {
	s.Points += o.Points
	s.Images += o.Images
	s.Kills += o.Kills
	s.Nested += o.Nested
	s.Deepest = max(s.Deepest, o.Deepest)
	s.Failed += o.Failed
	s.Acked += o.Acked
	s.Changes += o.Changes
	for i, n := range o.ByPolicy {
		s.ByPolicy[i] += n
	}
	s.Recovery.Add(o.Recovery)
	s.Values.Add(o.Values)
	s.Ranges.Add(o.Ranges)
	s.Followers.Add(o.Followers)
	s.Counts.Add(o.Counts)
}

func (s Stats) String() string {
	return fmt.Sprintf("points=%d images=%d kills=%d nested=%d deepest=%d acked=%d open_failed=%d %v %v %v %v",
		s.Points, s.Images, s.Kills, s.Nested, s.Deepest, s.Acked, s.Failed, s.Followers, s.Values, s.Ranges,
		s.Counts)
}

// state is a directory and what must be in it.
type state struct {
	fs      *memfs.FS
	history *oracle.History
	loss    oracle.Loss

	// What followers must show, and the newest that they may.
	acknowledged, published key.SeqNum
}

// Run interrupts w everywhere. Its error says that w itself failed, undisturbed.
func (x *Explorer) Run(w Workload) error {
	w.Options.Manual = true
	w.Options.Random = counter()
	start, err := prepare(w)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", w.Name, err)
	}
	return x.interrupt(w, start, 0, w.Name)
}

// counter returns a source of distinct numbers, the same ones every time.
func counter() func() uint64 {
	var n atomic.Uint64
	return func() uint64 { return n.Add(1) * 0x9e3779b97f4a7c15 }
}

// newRun returns the session of a run of w in fs, which is medium or stands before it.
func newRun(w Workload, fs vfs.FS, medium *memfs.FS, h *oracle.History) *Session {
	w.Options.FS = fs
	s := NewSession(w.Options, h)
	s.medium, s.isDead = medium, medium.Crashed
	return s
}

func prepare(w Workload) (state, error) {
	start := state{fs: memfs.New(), history: new(oracle.History)}
	if w.Prepare == nil {
		return start, nil
	}
	s := newRun(w, start.fs, start.fs, start.history)
	err := errors.Join(s.Open(), w.Prepare(s))
	if w.Ends.PowerCut {
		start.loss = oracle.PowerCut
		start.fs = start.fs.Image(w.Ends.Policy, w.Ends.Seed)
	} else {
		start.fs = start.fs.Kill()
	}
	s.Abandon()
	start.history.Ended(start.loss)
	start.acknowledged, start.published = s.told, s.Published()
	return start, err
}

// interrupt runs w from start once for each of its changes, cut before and during it, and once to its end.
func (x *Explorer) interrupt(w Workload, start state, depth int, where string) error {
	x.Stats.Deepest = max(x.Stats.Deepest, depth)
	stride := max(w.Stride, 1)
	if x.Everywhere {
		stride = 1
	}
	first := 0
	if depth == 0 {
		first = x.Offset % stride
	}
	for n := first; x.Stop == nil || !x.Stop(); n += stride {
		for _, during := range []bool{false, true} {
			finished, err := x.cut(w, start, cutting{n, during, false}, depth, where)
			if err == nil && depth == 0 && x.follows(n) {
				_, err = x.cut(w, start, cutting{n, during, true}, depth, where)
			}
			if err != nil {
				return err
			}
			if !finished {
				continue
			}
			if depth > 0 {
				return nil
			}
			return x.watch(w, start)
		}
	}
	return nil
}

func (x *Explorer) follows(n int) bool { return x.Followed != nil && x.Followed(n) }

// cutting is a run that is to be cut before or during change n.
type cutting struct {
	n        int
	during   bool
	followed bool // a follower watches, whose changes count as well
}

func (c cutting) String() string {
	at := fmt.Sprintf("@%d", c.n)
	if c.during {
		at += "+"
	}
	if c.followed {
		at += " followed"
	}
	return at
}

// cut runs w from start, cuts it, and looks at what is left. finished says that w came to its end before.
func (x *Explorer) cut(w Workload, start state, c cutting, depth int, where string) (finished bool, err error) {
	at := where + c.String()
	fs := start.fs.Kill()
	if c.during {
		fs.CrashDuring(c.n)
	} else {
		fs.CrashAt(c.n)
	}
	now := start
	now.fs, now.history = fs, start.history.Clone()
	var s *Session
	if c.followed {
		f := follow(w, fs, now, &x.Stats.Followers, nil, nil)
		f.every = 2 + c.n/FollowedShare%7
		s = f.Session
		err = w.Run(s)
		if broken := f.finish(); broken != nil {
			x.Fail(at, broken)
		}
	} else {
		s = newRun(w, fs, fs, now.history)
		err = w.Run(s)
	}
	x.Stats.Points++
	finished = !fs.Crashed()
	now.acknowledged, now.published = max(start.acknowledged, s.told), max(start.published, s.Published())
	x.examineAll(w, now, depth, at)
	s.Abandon()
	if errors.Is(err, ErrMismatch) || finished && err != nil {
		return finished, fmt.Errorf("%s: %w", at, err)
	}
	if finished && depth == 0 && !c.followed {
		x.Stats.Changes += fs.Ops()
		x.Stats.Values.Add(s.values.stats())
		x.Stats.Ranges.Add(s.shrunk)
	}
	return finished, nil
}

// watch runs w from start to its end, with a follower that has its turn before each of the writer's calls.
func (x *Explorer) watch(w Workload, start state) error {
	if x.Followed == nil {
		return nil
	}
	start.fs, start.history = start.fs.Kill(), start.history.Clone()
	f := follow(w, start.fs, start, &x.Stats.Followers, nil, nil)
	defer f.Abandon()
	err := w.Run(f.Session)
	if broken := f.finish(); broken != nil {
		x.Fail(w.Name+" followed", broken)
	}
	return err
}

// examineAll looks at what the power cut may have left of s, and at what a killed process does.
func (x *Explorer) examineAll(w Workload, s state, depth int, where string) {
	if s.loss == oracle.Killed {
		x.Stats.Kills++
		img := s
		img.fs, img.history = s.fs.Kill(), ended(s.history, oracle.Killed, x.Stats.Points)
		x.examine(w, img, depth, where+"/kill")
	}
	for _, cut := range x.Cuts(depth, x.Stats.Points, s.fs.Unsynced(), s.fs.UnsyncedSectors()) {
		img := s
		img.fs, img.loss = s.fs.Image(cut.Policy, cut.Seed), oracle.PowerCut
		img.history = ended(s.history, oracle.PowerCut, x.Stats.Points+int(cut.Seed))
		x.Stats.ByPolicy[cut.Policy]++
		x.examine(w, img, depth, fmt.Sprintf("%s/%v:%d", where, cut.Policy, cut.Seed))
	}
}

// examine recovers img, judges what is there, and goes on from there.
func (x *Explorer) examine(w Workload, img state, depth int, where string) {
	image := x.Stats.Images
	x.Stats.Images++
	img.fs.SetCapacity(-1) // a disk that was full has space again
	if depth > 0 {
		x.Stats.Nested++
	}
	x.Stats.Acked += img.history.Acked()
	if x.Nested(depth+1, image) {
		recovery := Workload{Name: w.Name, Options: w.Options, Run: openAndRead}
		if err := x.interrupt(recovery, img, depth+1, where); err != nil {
			x.Fail(where, err)
		}
	}
	img.fs = img.fs.Kill()
	if !x.follows(image) {
		s := newRun(w, img.fs, img.fs, img.history)
		defer s.Abandon()
		x.recoverAndUse(w, s, img.loss, image, where)
		return
	}
	f := follow(w, img.fs, img, &x.Stats.Followers, nil, nil)
	defer f.Abandon()
	f.every = 2 + image/FollowedShare%7
	f.decided = img.published // until somebody recovers
	f.turn()
	x.recoverAndUse(w, f.Session, img.loss, image, where)
	if err := f.finish(); err != nil {
		x.Fail(where+"/followed", err)
	}
}

// recoverAndUse recovers and judges a directory, and perhaps goes on using it.
func (x *Explorer) recoverAndUse(w Workload, s *Session, loss oracle.Loss, image int, where string) {
	if x.recoverAndJudge(s, loss, where) && x.After(image) {
		x.useOn(w, s, where)
	}
}

// openAndRead is the workload of a recovery: what it serves must survive a further crash.
func openAndRead(s *Session) error {
	if err := s.Open(); err != nil {
		return err
	}
	s.History.Recovered(key.SeqNum(s.Engine.Report().LastSequence))
	s.History.Read(s.History.Last())
	return nil
}

func (x *Explorer) recoverAndJudge(s *Session, loss oracle.Loss, where string) bool {
	if err := s.Open(); err != nil {
		x.Stats.Failed++
		noteTime(&x.Stats.Counts, err)
		x.Fail(where, err)
		return false
	}
	x.Stats.Recovery.Observe(s.Engine.Report().Duration)
	entries, err := Content(s.Engine, nil)
	if errors.Is(err, ErrMismatch) {
		x.Stats.WrongData++
	}
	if err != nil {
		x.Fail(where, err)
		return false
	}
	last := key.SeqNum(s.Engine.Report().LastSequence)
	counts, err := s.History.Judge(loss, last, entries)
	x.Stats.Counts.Add(counts)
	if err != nil {
		x.Fail(where, err)
		return false
	}
	s.History.Recovered(last)
	s.History.Read(last)
	return true
}

// useOn writes to a recovered database; then the power goes, and what the recovery served must still be there.
func (x *Explorer) useOn(w Workload, s *Session, where string) {
	later := s.History.Clone()
	cut := s.medium.Image(memfs.None, 0)
	err := errors.Join(s.Put("after", "the crash", true), s.Put("after", "all", false))
	if err != nil {
		x.Fail(where+"/write", err)
		return
	}
	for _, next := range []state{{fs: cut, history: later, loss: oracle.PowerCut},
		{fs: s.medium.Kill(), history: s.History, loss: oracle.Killed}} {
		w.Options.FS = next.fs
		next.history.Ended(next.loss)
		again := NewSession(w.Options, next.history)
		x.Stats.Images++
		x.recoverAndJudge(again, next.loss, where+"/again")
		again.Abandon()
	}
}

// OneIn returns one in n of cuts, others for other points.
func OneIn(n, point int, cuts []Cut) []Cut {
	var some []Cut
	for i, c := range cuts {
		if (i+point)%n == 0 {
			some = append(some, c)
		}
	}
	return some
}

// AllCuts are all policies, the counting ones with at most limit evenly spread seeds each, the seeded ones with
// seeded seeds.
func AllCuts(unsynced, sectors, limit, seeded int) []Cut {
	cuts := []Cut{{memfs.None, 0}, {memfs.All, 0}, {memfs.MetadataFirst, 0}, {memfs.MetadataFirst, 1},
		{memfs.DataFirst, 0}, {memfs.DataFirst, 1}, {memfs.RemovalsFirst, 0}}
	spread := func(p memfs.Policy, n int) {
		k := min(n, limit)
		for i := range k {
			cuts = append(cuts, Cut{p, uint64(i * n / k)})
		}
	}
	if unsynced == 0 { // nothing to choose: all images are equal
		return cuts[:1]
	}
	spread(memfs.Prefix, unsynced)
	spread(memfs.AllButOne, unsynced)
	spread(memfs.OnlyOne, unsynced)
	spread(memfs.AllButOneSector, sectors)
	for seed := range seeded {
		cuts = append(cuts, Cut{memfs.Random, uint64(seed)})
	}
	return slices.Clip(cuts)
}
