package transaction

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/goroutine"
)

// PutReader reads r to its end and commits that as the value of k, which is a stored key. What has not more than
// key.ChunkSize bytes is given to put, in memory that it may use until it returns; anything longer is written to a
// table of its own as it is read, and committed as what a very large transaction has written is. After an error nothing
// has been written, but for ErrCommitUnknown.
//
// While r is read it is in no call, so that a reader that waits does not hold up the close of the database.
func PutReader(ctx context.Context, e *engine.Engine, k []byte, r io.Reader, put func(value []byte) error) error {
	if r == nil {
		return errors.New("there is no reader to put from")
	}
	s := &stream{ctx: ctx, engine: e, from: r}
	if err := s.fill(); err != nil {
		return err
	}
	first := s.next
	if err := s.fill(); err != nil {
		return err
	}
	if len(s.next) == 0 {
		return put(first)
	}
	err := s.commit(e, k, first)
	if errors.Is(err, engine.ErrStreamTooLong) {
		err = fmt.Errorf("%w: a stream of more than %d", ErrValueTooLarge, key.MaxStreamedSize)
	}
	return err
}

// stream is a reader, one chunk ahead.
type stream struct {
	ctx    context.Context
	engine *engine.Engine
	from   io.Reader
	chunks [2][]byte // memory of the chunk that is lent, and of the next one
	turn   int
	next   []byte // empty at the end
	ended  bool   // from has ended
}

// maxIdleReads is how often a reader may return nothing, and no error, before it counts as broken.
const maxIdleReads = 100

// fill reads the next chunk. Only io.EOF ends a stream: io.ReadFull would take io.ErrUnexpectedEOF for its own, which
// an HTTP body gives that was cut off, and drop an error that comes with the last bytes of a chunk.
func (s *stream) fill() error {
	s.next = nil
	if s.ended {
		return s.goesOn()
	}
	s.turn = 1 - s.turn
	if s.chunks[s.turn] == nil {
		s.chunks[s.turn] = make([]byte, key.ChunkSize)
	}
	chunk, n, idle := s.chunks[s.turn], 0, 0
	for n < len(chunk) && !s.ended {
		if err := s.goesOn(); err != nil {
			return err
		}
		got, err := s.from.Read(chunk[n:])
		idle++
		switch {
		case got < 0 || got > len(chunk)-n:
			return fmt.Errorf("read what is to be put: the reader says that it has read %d bytes of %d", got, len(chunk)-n)
		case err == io.EOF:
			s.ended = true
		case err != nil:
			return fmt.Errorf("read what is to be put: %w", err)
		case got > 0:
			idle = 0
		case idle == maxIdleReads:
			return fmt.Errorf("read what is to be put: %w", io.ErrNoProgress)
		}
		n += got
	}
	s.next = chunk[:n]
	return s.goesOn()
}

// goesOn returns nil until the stream has no more reason to be read.
func (s *stream) goesOn() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	return s.engine.Writable()
}

// commit writes first, the chunk at hand and all that follow, and commits them.
func (s *stream) commit(e *engine.Engine, k, first []byte) error {
	if err := e.Enter(); err != nil {
		return err
	}
	inside := true
	defer func() {
		if inside {
			e.Leave()
		}
	}()
	w := e.NewIngest().Until(s.ctx)
	defer w.Abort() // unless it was committed
	err := w.AddChunks(k, func() (chunk []byte, err error) {
		if first != nil {
			chunk, first = first, nil
			return chunk, nil
		}
		if chunk = s.next; len(chunk) == 0 {
			return nil, io.EOF
		}
		inside = false
		e.Leave()
		if err := s.fill(); err != nil {
			return nil, err
		}
		err = e.Enter()
		inside = err == nil
		return chunk, err
	})
	if err != nil {
		return err
	}
	spill, err := w.Finish()
	if err != nil {
		return err
	}
	var t engine.Txn
	var reads txn.Reads
	e.Begin(&t, &reads, goroutine.Current())
	defer reads.Reset()
	defer t.Close()
	_, err = t.CommitSpill(s.ctx, spill, t.BeginSpilled())
	return err
}
