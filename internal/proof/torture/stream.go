package torture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/transaction"
)

// Source is what a stream is read from. It gives a value in pieces, lets others have their turn in between, and may
// fail before it ends.
type Source struct {
	value     []byte // all of it
	given     int    // bytes of value
	piece     int    // the most that one read gives
	breaks    int    // how many bytes it gives before it fails; negative for never
	meanwhile func() error
	ended     func() // is called when the end has been given
}

// NewSource returns a source of value.
func NewSource(value []byte) *Source { return &Source{value: value, piece: 1 << 18, breaks: -1} }

// errBroken is the error of a source that fails.
var errBroken = errors.New("the source of the stream is broken")

// Read implements io.Reader.
func (s *Source) Read(p []byte) (int, error) {
	if s.meanwhile != nil {
		if err := s.meanwhile(); err != nil {
			return 0, err
		}
	}
	n := min(len(p), s.piece, len(s.value)-s.given)
	if s.breaks >= 0 && s.given+n >= s.breaks {
		n = s.breaks - s.given
		copy(p, s.value[s.given:s.breaks])
		s.given = s.breaks
		return n, errBroken
	}
	copy(p, s.value[s.given:s.given+n])
	if s.given += n; s.given < len(s.value) {
		return n, nil
	}
	if s.ended != nil {
		s.ended()
		s.ended = nil
	}
	return n, io.EOF
}

// PutReader commits what from gives as the value of k. A source that breaks must leave nothing: its error is no error
// of PutReader, but a commit would be. sync is for a value that is short enough to be put.
func (s *Session) PutReader(k []byte, from *Source, sync bool) error {
	sync = sync || len(from.value) > key.ChunkSize
	var b batch.Batch
	b.Put(k, from.value)
	var want key.SeqNum // of the commit; 0 until the source has ended, when no other commit can come before it
	ended := func() {}
	defer func() { ended() }()
	from.ended = func() {
		before := s.History.Last()
		want = s.History.Issue(&b, sync)
		ended = s.issued(want, before)
	}
	err := transaction.PutReader(context.Background(), s.Engine, k, from, func(value []byte) error {
		var b batch.Batch
		b.Put(k, value)
		_, err := s.Engine.Commit(&b, sync)
		return err
	})
	switch {
	case err == nil && want == 0:
		return mismatch("a stream of %d bytes was committed that broke at %d", len(from.value), from.breaks)
	case err == nil:
		s.acknowledge()
		if sync {
			s.History.Synced(s.History.Last())
		}
		return s.standsAt(want)
	case errors.Is(err, errBroken) && want == 0:
		return nil
	case want > 0 && !errors.Is(err, engine.ErrCommitUnknown):
		s.History.Refuse()
	}
	return fmt.Errorf("put a stream: %w", err)
}

// standsAt demands that the newest state is that at want.
func (s *Session) standsAt(want key.SeqNum) error {
	now := s.Engine.Snapshot()
	defer now.Close()
	if now.Seq() != want {
		return mismatch("the commit of a stream has sequence number %d instead of %d", now.Seq(), want)
	}
	return nil
}

// viewing is a value that is read piece by piece, and what it must be: whatever is written meanwhile, that of the
// moment at which it was opened.
type viewing struct {
	value *transaction.Value
	want  []byte
	key   []byte
	at    *engine.Snapshot // that it reads; nil for the newest state. It must be open for as long
}

// view opens the value of k at the state of snapshot (nil for the newest), which is that at at. It returns nil if k has
// no value there.
func (s *Session) view(k []byte, snapshot *engine.Snapshot, at key.SeqNum) (*viewing, error) {
	newest := transaction.Newest{Engine: s.Engine}
	from := transaction.Values(newest)
	if snapshot != nil {
		from = snapshot
	}
	now, err := s.timeOf(snapshot)
	if err != nil {
		return nil, err
	}
	want, exists := s.History.GetBy(now, k, at)
	value, err := transaction.OpenValue(context.Background(), from, k, newest.Over)
	switch {
	case errors.Is(err, transaction.ErrNotFound) && !exists:
		return nil, nil
	case errors.Is(err, transaction.ErrNotFound):
		return nil, mismatch("the value of %.40q at %d is not found, of %d bytes", k, at, len(want))
	case err != nil:
		return nil, fmt.Errorf("open a value: %w", err)
	case !exists || value.Size() != int64(len(want)):
		err := mismatch("the value of %.40q at %d has %d bytes; want %v, %d bytes", k, at, value.Size(), exists, len(want))
		return nil, errors.Join(err, value.Close())
	}
	return &viewing{value, want, k, snapshot}, nil
}

// look reads a piece of the value: where the last read ended, or anywhere.
func (v *viewing) look(r *rand.Rand) error {
	p := make([]byte, 1+r.IntN(key.ChunkSize/4))
	at, n, err := int64(0), 0, error(nil)
	if r.IntN(2) == 0 {
		if at, err = v.value.Seek(0, io.SeekCurrent); err == nil {
			n, err = v.value.Read(p)
		}
	} else {
		at = int64(r.IntN(len(v.want) + 1))
		n, err = v.value.ReadAt(p, at)
	}
	return v.check(p[:n], at, err)
}

// check compares what was read at at, with err.
func (v *viewing) check(got []byte, at int64, err error) error {
	rest := v.want[min(at, int64(len(v.want))):]
	switch {
	case err != nil && err != io.EOF:
		return fmt.Errorf("read a value: %w", err)
	case !bytes.HasPrefix(rest, got), err == io.EOF && len(got) < len(rest):
		return mismatch("the value of %.40q, of %d bytes, has other bytes at %d, or fewer: %d, %v", v.key, len(v.want), at,
			len(got), err)
	}
	return nil
}

// all reads the whole value.
func (v *viewing) all() error {
	got, err := io.ReadAll(io.NewSectionReader(v.value, 0, v.value.Size()))
	if err == nil && len(got) < len(v.want) {
		err = io.EOF
	}
	return v.check(got, 0, err)
}

// StreamStats count streams and what was read of values piece by piece. A test of them asserts that there were some.
type StreamStats struct {
	Put    int // streams that were committed
	Broken int // streams whose source broke
	Viewed int // pieces of values, and whole ones, that were compared
}

// Add adds o to s.
func (s *StreamStats) Add(o StreamStats) {
	s.Put += o.Put
	s.Broken += o.Broken
	s.Viewed += o.Viewed
}

func (s StreamStats) String() string {
	return fmt.Sprintf("streams=%d broken=%d viewed=%d", s.Put, s.Broken, s.Viewed)
}

// some says that there was some of each.
func (s StreamStats) some() bool { return s.Put > 0 && s.Broken > 0 && s.Viewed > 0 }

// drawSource is a source of some value: a short one, or one in chunks; one in four breaks somewhere.
func drawSource(r *rand.Rand) *Source {
	n := r.IntN(3000)
	if r.IntN(3) > 0 {
		n = key.ChunkSize - 2 + r.IntN(key.ChunkSize/4)
	}
	value := make([]byte, n)
	rand.NewChaCha8([32]byte(binary.LittleEndian.AppendUint64(make([]byte, 24), r.Uint64()))).Read(value)
	s := NewSource(value)
	s.piece = 1 + r.IntN(1<<18)
	if n > key.ChunkSize/2 {
		s.piece = 1<<16 + r.IntN(1<<18)
	}
	if r.IntN(4) == 0 {
		s.breaks = r.IntN(n + 1)
	}
	return s
}

// filmSize is the length of a stream that takes two chunks.
const filmSize = key.ChunkSize + 3000

// newFilm is a source of n bytes that belong to key k and to one moment of the history.
func (s *Session) newFilm(k string, n int) *Source {
	return NewSource(noise(k, uint64(s.History.Last()), n))
}

// stream puts n bytes from a source.
func stream(k string, n int) step {
	return func(s *Session) error { return s.PutReader(spell(k), s.newFilm(k, n), true) }
}

// streamMeanwhile is stream, and does a step within the second read of the source.
func streamMeanwhile(k string, n int, do step) step {
	return func(s *Session) error {
		from, reads := s.newFilm(k, n), 0
		from.meanwhile = func() error {
			if reads++; reads == 2 {
				return do(s)
			}
			return nil
		}
		return s.PutReader(spell(k), from, true)
	}
}

// brokenStream reads from a source that fails shortly before it would have given n bytes.
func brokenStream(k string, n int) step {
	return func(s *Session) error {
		from := s.newFilm(k, n)
		from.breaks = n - 10
		return s.PutReader(spell(k), from, true)
	}
}

// whileViewed does a step while the value of k is read piece by piece.
func whileViewed(k string, do step) step {
	return func(s *Session) error {
		v, err := s.view(spell(k), nil, s.History.Last())
		if err != nil || v == nil {
			return errors.Join(err, do(s))
		}
		defer v.value.Close()
		r := rand.New(rand.NewPCG(1, uint64(len(v.want))))
		return errors.Join(v.look(r), do(s), v.look(r), v.all())
	}
}

// noLeftovers demands that every table in the directory is one that the database needs, now that nobody reads. It asks
// for nothing where there is the lease of a follower, which may keep others. A database that has failed removes
// nothing.
func noLeftovers(s *Session) error {
	_, err := s.Engine.CleanStep()
	if err = errors.Join(err, s.Engine.Writable()); err != nil {
		return err
	}
	names, err := s.opts.FS.List()
	if err != nil {
		return err
	}
	needed := make(map[string]bool)
	for num := range s.version().Files() {
		needed[filename.Make(filename.Table, num)] = true
	}
	left := ""
	for _, name := range names {
		switch kind, _ := filename.Parse(name); {
		case kind == filename.Lease:
			return nil
		case kind == filename.Table && !needed[name]:
			left = name
		}
	}
	if left != "" {
		return mismatch("%s is left, which nothing needs", left)
	}
	return nil
}
