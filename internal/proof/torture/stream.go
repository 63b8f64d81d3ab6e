package torture

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
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
