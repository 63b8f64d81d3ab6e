package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/metrics"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/observer"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/memfs"
)

// Victim is a database whose files are to be damaged.
type Victim struct {
	Name    string
	Options engine.Options
	FS      *memfs.FS
	History *oracle.History
	// Certain is the sequence number below which no damage may take commits away unnoticed: all of them after a clean
	// close; after a kill, those that a later record proves to have been synced.
	Certain key.SeqNum

	killed bool
}

// DamageStats count what became of damaged databases.
type DamageStats struct {
	Opens        int
	AtOpen       int // damage found by Open
	AtRead       int // damage found by reading
	AtVerify     int // damage found by Verify alone: all that can be read is right
	Harmless     int // everything was read, and right
	Plausible    int // another database, the same however it is read: only for crafted files
	Shorter      int // the log's last commits were taken for torn, and Open reported it
	Refused      int // followers that said what was wrong
	Followers    observer.Stats
	PeakAllocate uint64 // bytes of heap allocated while one database was opened, read and closed, at most; by whomever
	oracle.Counts
}

// Add adds o to s.
func (s *DamageStats) Add(o DamageStats) {
	s.Opens += o.Opens
	s.AtOpen += o.AtOpen
	s.AtRead += o.AtRead
	s.AtVerify += o.AtVerify
	s.Harmless += o.Harmless
	s.Plausible += o.Plausible
	s.Shorter += o.Shorter
	s.Refused += o.Refused
	s.Followers.Add(o.Followers)
	s.PeakAllocate = max(s.PeakAllocate, o.PeakAllocate)
	s.Counts.Add(o.Counts)
}

func (s DamageStats) String() string {
	return fmt.Sprintf("opens=%d detected_open=%d detected_read=%d detected_verify=%d harmless=%d plausible=%d "+
		"shorter=%d peak_allocate=%d detected_follow=%d %v %v",
		s.Opens, s.AtOpen, s.AtRead, s.AtVerify, s.Harmless, s.Plausible, s.Shorter, s.PeakAllocate, s.Refused,
		s.Followers, s.Counts)
}

// Try opens a copy of v after damage was done to it, reads everything and closes it. Errors are the right answer; the
// error it returns is that of a wrong one. cutLog says that the damage takes whole commits off the end of the log of a
// killed database, which nothing can notice.
func (v *Victim) Try(stats *DamageStats, cutLog bool, damage func(fs *memfs.FS) error) (err error) {
	fs := v.FS.Kill()
	if err := damage(fs); err != nil {
		return fmt.Errorf("damage: %w", err)
	}
	stats.Opens++
	before := allocated()
	defer func() { stats.PeakAllocate = max(stats.PeakAllocate, allocated()-before) }()
	defer func() {
		if p := recover(); p != nil {
			stats.Panics++
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if stats.Opens%followedDamage == 0 {
		if err := v.follow(stats, fs.Image(memfs.All, 0)); err != nil {
			return err
		}
	}
	opts := v.Options
	opts.FS = fs
	e, err := engine.Open(opts)
	if err != nil {
		stats.AtOpen++
		return nil
	}
	defer e.Close() // may find damage as well
	certain := v.Certain
	if cutLog {
		certain = 0
	}
	return v.judge(stats, e, certain)
}

// followedDamage is how many damaged databases there are for each one that a follower reads before it is opened. It is
// no divisor of the number of bits.
const followedDamage = 7

// follow lets a follower read fs, whose damage nobody has looked at yet: it must say what is wrong, or show all that
// was committed.
func (v *Victim) follow(stats *DamageStats, fs *memfs.FS) error {
	o, err := observer.Open(observer.Options{FS: fs, History: v.History, Stats: &stats.Followers, Merge: mergeByDigest,
		Random: v.Options.Random, Acknowledged: v.History.Last, Published: v.History.Last})
	if err == nil {
		o.Pin()
		err = errors.Join(o.Refresh(), o.Look(), o.Close())
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, observer.ErrMisled):
		return err
	case errors.Is(err, corrupt.ErrCorrupt), observer.Refused(err):
		stats.Refused++
		return nil
	}
	return fmt.Errorf("a follower beside damage: %w", err)
}

func (v *Victim) judge(stats *DamageStats, e *engine.Engine, certain key.SeqNum) error {
	report := e.Report()
	last := key.SeqNum(report.LastSequence)
	entries, err := Content(e, nil)
	switch {
	case errors.Is(err, ErrMismatch):
		stats.WrongData++
		return err
	case err != nil:
		stats.AtRead++
		return v.checkGets(stats, e, last)
	}
	counts, err := v.History.Judge(oracle.PowerCut, last, entries)
	counts.AckedLost, counts.VanishedReads = 0, 0 // of the last commits that is legal, as follows
	if !counts.Zero() {
		stats.Counts.Add(counts)
		return err
	}
	if last < certain {
		stats.AckedLost++
		return fmt.Errorf("the database ends at %d, though it is certain up to %d: %+v", last, certain, report)
	}
	switch {
	case last < v.History.Last() && certain > 0 && report.TornBytes == 0:
		stats.AckedLost++
		return fmt.Errorf("the database ends at %d instead of %d, and Open reports nothing: %+v", last,
			v.History.Last(), report)
	case last < v.History.Last():
		stats.Shorter++
	case e.Verify(context.Background(), nil) != nil:
		stats.AtVerify++
	default:
		stats.Harmless++
	}
	return nil
}

// checkGets reads every key by itself, where a scan has met damage: each answer is an error or right.
func (v *Victim) checkGets(stats *DamageStats, e *engine.Engine, last key.SeqNum) error {
	for _, k := range v.History.Keys() {
		got, found, err := e.Get(nil, []byte(k), engine.Latest)
		if err != nil {
			continue
		}
		if want, exists := v.History.Get([]byte(k), last); found != exists || !bytes.Equal(got, want) {
			stats.WrongData++
			return mismatch("get %.40q beside damage: found %v, %d bytes; want %v, %d bytes", k, found, len(got), exists,
				len(want))
		}
	}
	return nil
}

// allocated is how many bytes the program has allocated on the heap so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Flip inverts the bits of mask in one byte of a file.
func Flip(fs *memfs.FS, name string, off int64, mask byte) error {
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return err
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], off)
	b[0] ^= mask
	if err == nil {
		_, err = f.WriteAt(b[:], off)
	}
	return errors.Join(err, f.Close())
}

// Contents returns what is in a file.
func Contents(fs *memfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	data := make([]byte, size)
	if err == nil && size > 0 {
		_, err = f.ReadAt(data, 0)
	}
	return data, errors.Join(err, f.Close())
}

// Replace makes data the content of a file, which need not exist.
func Replace(fs *memfs.FS, name string, data []byte) error {
	_ = fs.Remove(name) // need not exist
	f, err := fs.Create(name)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		_, err = f.WriteAt(data, 0)
	}
	return errors.Join(err, f.Close())
}
