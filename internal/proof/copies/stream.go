package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/target"
	"lightningdb/internal/tree/manifest"
)

// sink takes a stream, and fails once it has a number of bytes; a negative one is none. Before each write do is called.
type sink struct {
	bytes.Buffer
	limit int
	do    func()
}

var errSink = errors.New("the line is down")

func (s *sink) Write(p []byte) (int, error) {
	s.do()
	if s.limit >= 0 && s.Len()+len(p) > s.limit {
		n, _ := s.Buffer.Write(p[:s.limit-s.Len()])
		return n, errSink
	}
	return s.Buffer.Write(p)
}

// stream writes a backup of s to out. own is where the files go that are not shared.
func (s *source) stream(out *sink, own vfs.FS) error {
	err := checkpoint.Of(context.Background(), s.Engine.Tree(), own, destruction.NumbersFrom(9),
		func(ctx context.Context, c *checkpoint.Copy) error {
			_, err := c.WriteStream(ctx, out, time.Unix(1, 0), nil)
			return err
		})
	return errors.Join(err, s.err)
}

// restore makes a database of a stream, as a restore does before it verifies.
func restore(stream []byte, dir vfs.FS) error {
	return target.Make(dir, func() error {
		_, err := checkpoint.ReadStream(context.Background(), bytes.NewReader(stream), dir, nil)
		return err
	})
}

// backedUp is a stream, and the state that it is of.
type backedUp struct {
	stream  []byte
	entries []oracle.Entry
}

// backUp makes a stream of a source that is in use meanwhile, and judges it.
func (t *Trial) backUp() (*backedUp, error) {
	s, err := t.open()
	if err != nil {
		return nil, err
	}
	defer s.Abandon()
	from, out := s.History.Acknowledged(), &sink{limit: -1, do: s.move}
	if err := s.stream(out, memfs.New()); err != nil {
		return nil, err
	}
	last, entries, err := restored(out.Bytes())
	if err == nil {
		err = s.isPrefix(from, last, entries)
	}
	return &backedUp{out.Bytes(), entries}, err
}

// restored is what is in a stream. The error says that it is refused.
func restored(stream []byte) (last key.SeqNum, entries []oracle.Entry, err error) {
	dir := memfs.New()
	if err := restore(stream, dir); err != nil {
		return 0, nil, err
	}
	return content(dir)
}

// cutRestores cuts the power before and during each change that the restore of a stream makes.
func (t *Trial) cutRestores() error {
	b, err := t.backUp()
	if err != nil {
		return err
	}
	t.each(t.stride, func(n int) bool {
		more := true
		for _, during := range []bool{false, true} {
			t.Stats.Runs++
			t.Stats.PowerCuts++
			dir := memfs.New()
			if during {
				dir.CrashDuring(n)
			} else {
				dir.CrashAt(n)
			}
			made := restore(b.stream, dir)
			if more = dir.Crashed(); !more && made != nil {
				err = made
			}
			for _, p := range []memfs.Policy{memfs.None, memfs.All, memfs.MetadataFirst, memfs.RemovalsFirst, memfs.Random} {
				t.Stats.Images++
				if err := t.judgeRestored(dir.Image(p, uint64(n)), b.entries, !more); err != nil {
					t.fail(fmt.Sprintf("a restore, power cut at change %d, during it %v/%v", n, during, p), err)
				}
			}
		}
		return more
	})
	return err
}

// judgeRestored judges what a power cut has left of a restore: the whole database, or, unless it was reported as made,
// nothing, or what Open refuses with advice and the next restore clears.
func (t *Trial) judgeRestored(image *memfs.FS, want []oracle.Entry, complete bool) error {
	names := begun(image)
	_, entries, err := content(image.Image(memfs.All, 0))
	switch {
	case err == nil:
		t.Stats.Complete++
		return areSame(entries, want)
	case complete:
		return fmt.Errorf("it was made, and is not whole: %w", err)
	case len(names) == 0 && errors.Is(err, engine.ErrNoDatabase):
		t.Stats.Empty++
		return nil
	case !errors.Is(err, manifest.ErrNotDatabase) || !advises(err):
		return fmt.Errorf("%q is not refused as unfinished: %w", names, err)
	}
	t.Stats.Refused++
	next := image.Image(memfs.All, 0)
	if err := target.Clear(next); err != nil || len(begun(next)) > 0 {
		return fmt.Errorf("the next restore cannot clear %q: %w", names, err)
	}
	return nil
}

func areSame(entries, want []oracle.Entry) error {
	for i, e := range entries {
		if i == len(want) || !bytes.Equal(e.Key, want[i].Key) || !bytes.Equal(e.Value, want[i].Value) {
			return wrong("entry %d, %.40q, is another one than in what was backed up", i, e.Key)
		}
	}
	if len(entries) < len(want) {
		return wrong("it has %d entries instead of %d", len(entries), len(want))
	}
	return nil
}

// breakStreams makes calls fail while a backup is written: those to the database, to the directory of what the copy
// writes itself, and writes of the stream. What was written then is refused, unless no error was returned.
func (t *Trial) breakStreams() (err error) {
	t.each(t.stride, func(n int) bool {
		more := false
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			for _, where := range []string{"the database", "the directory of a backup", "the stream"} {
				var reached bool
				if reached, err = t.breakStream(n, cause, where); err != nil {
					return false
				}
				more = more || reached
			}
		}
		return more
	})
	return err
}

// breakStream makes call n to what is called where fail. reached says that there was such a call.
func (t *Trial) breakStream(n int, cause error, where string) (reached bool, err error) {
	t.Stats.Runs++
	s, err := t.open()
	if err != nil {
		return false, err
	}
	defer s.Abandon()
	from, own, out := s.History.Acknowledged(), errfs.New(memfs.New()), &sink{limit: -1, do: func() {}}
	switch where {
	case "the stream":
		out.limit = n * 509
	case "the database":
		s.disk.SetRules(errfs.On().At(s.disk.Ops() + n).Fail(cause))
	default:
		own.SetRules(errfs.On().At(n).Fail(cause))
	}
	made := s.stream(out, own)
	s.disk.SetRules()
	reached = s.disk.Faults()+own.Faults() > 0 || errors.Is(made, errSink)
	if !reached {
		return false, made
	}
	t.Stats.Faults++
	where = fmt.Sprintf("a stream, %v at call %d to %s", cause, n, where)
	last, entries, refused := restored(out.Bytes())
	switch {
	case made == nil && refused != nil:
		t.fail(where, fmt.Errorf("no error was returned, and it is refused: %w", refused))
	case made != nil && refused == nil && last != from:
		t.fail(where, wrong("it was reported as failed, and is another state"))
	case made != nil && refused != nil && !errors.Is(refused, checkpoint.ErrBadBackup):
		t.fail(where, fmt.Errorf("what was written is refused as something else: %w", refused))
	}
	if refused == nil {
		t.Stats.Absorbed++
		if err := s.isPrefix(from, last, entries); err != nil {
			t.fail(where, err)
		}
	}
	counts, broken := s.stillWhole(uint64(n))
	t.Stats.Counts.Add(counts)
	if broken != nil {
		t.fail(where, broken)
	}
	return true, nil
}

// damagedStreams is how many damages a stream gets.
const damagedStreams = 120

// damageStreams changes streams: what is restored of them is what was backed up, or nothing.
func (t *Trial) damageStreams() error {
	b, err := t.backUp()
	if err != nil {
		return err
	}
	for range damagedStreams {
		t.watchdog.Reset(torture.Watchdog)
		changed, what := t.damage(b.stream)
		t.Stats.Runs++
		t.Stats.Damages++
		dir := memfs.NewVolatile()
		err := restore(changed, dir)
		if err != nil {
			t.Stats.Noticed++
			if !errors.Is(err, checkpoint.ErrBadBackup) {
				t.fail(what, fmt.Errorf("it is refused as something else: %w", err))
			}
			if left := begun(dir); len(left) > 0 {
				t.fail(what, fmt.Errorf("%q is left", left))
			}
			continue
		}
		t.Stats.Harmless++
		_, entries, err := content(dir)
		if err == nil {
			err = areSame(entries, b.entries)
		}
		if err != nil {
			t.fail(what, err)
		}
	}
	return nil
}

// tarBlock is the unit in which a tar is read.
const tarBlock = 512

// damage is a copy of data that was damaged, and says how.
func (t *Trial) damage(data []byte) (changed []byte, what string) {
	changed = bytes.Clone(data)
	if len(data) == 0 {
		return []byte{0}, "a byte where there was none"
	}
	at := t.rng.IntN(len(data))
	switch t.rng.IntN(5) {
	case 0:
		return changed[:at], fmt.Sprintf("cut at %d of %d", at, len(data))
	case 1: // two blocks change places
		a, b := at/tarBlock*tarBlock, t.rng.IntN(len(data))/tarBlock*tarBlock
		if a > b {
			a, b = b, a
		}
		size := min(tarBlock, len(data)-b)
		copy(changed[a:a+size], data[b:])
		copy(changed[b:b+size], data[a:])
		return changed, fmt.Sprintf("the blocks at %d and %d of %d exchanged", a, b, len(data))
	case 2: // a part is there twice, or is missing
		to := t.rng.IntN(len(data))
		return append(changed[:at:at], data[to:]...), fmt.Sprintf("after %d of %d it goes on at %d", at, len(data), to)
	case 3:
		for i := at; i < min(at+tarBlock, len(data)); i++ {
			changed[i] = 0
		}
		return changed, fmt.Sprintf("zeros from %d of %d on", at, len(data))
	default:
		bit := t.rng.IntN(8)
		changed[at] ^= 1 << bit
		return changed, fmt.Sprintf("bit %d of byte %d of %d", bit, at, len(data))
	}
}
