package torture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"lightningdb"
	"lightningdb/internal/format/key"
)

// films is the number of the writer that puts streams instead of batches. It has filmsKept keys, and writes to them in
// turn.
const (
	films     = writers - 1
	filmsKept = 3
)

// filmKey is the key of film n.
func filmKey(n uint64) []byte { return spell(fmt.Sprintf("%d/film/%d", films, n%filmsKept)) }

// film is number n and bytes that belong to it: about a chunk, most of them more.
func film(n uint64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, n),
		noise("film", n, key.ChunkSize-10_000+int(n*7919%uint64(key.ChunkSize/4)))...)
}

// headOfFilms is the number of the last film.
func headOfFilms(db reader) (last uint64, err error) {
	for n := range uint64(filmsKept) {
		v, err := db.ValueReader(context.Background(), filmKey(n))
		if errors.Is(err, lightningdb.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		var number [8]byte
		_, err = v.ReadAt(number[:], 0)
		if err := errors.Join(err, v.Close()); err != nil {
			return 0, err
		}
		last = max(last, binary.BigEndian.Uint64(number[:]))
	}
	return last, nil
}

// checkFilms compares all films with what they must be when n is the last one.
func checkFilms(db reader, n uint64) error {
	for i := uint64(max(1, int64(n)-filmsKept+1)); i <= n; i++ {
		v, err := db.ValueReader(context.Background(), filmKey(i))
		if err != nil {
			return fmt.Errorf("film %d of %d: %w", i, n, err)
		}
		got, err := io.ReadAll(v)
		if err := errors.Join(err, v.Close()); err != nil {
			return fmt.Errorf("film %d of %d: %w", i, n, err)
		}
		if !bytes.Equal(got, film(i)) {
			return fmt.Errorf("film %d of %d has other bytes, %d of them", i, n, len(got))
		}
	}
	return nil
}

// pacedReader gives a little for each commit of the other writers, so that their commits fall into every stream.
type pacedReader struct {
	from    io.Reader
	commits <-chan struct{}
}

// Read implements io.Reader.
func (r pacedReader) Read(p []byte) (int, error) {
	<-r.commits
	return r.from.Read(p[:min(len(p), 32<<10)])
}

// streamOn puts one film after the other. Before some of them the source breaks, which must leave nothing.
func streamOn(db *lightningdb.DB, commits <-chan struct{}, say func(string, int, uint64) error) error {
	n, err := headOfFilms(db)
	if err != nil {
		return err
	}
	for {
		n++
		if n%4 == 0 {
			broken := NewSource(film(n))
			broken.breaks = int(n*104729) % len(broken.value)
			if err := db.PutReader(context.Background(), filmKey(n), broken); !errors.Is(err, errBroken) {
				return fmt.Errorf("a source broke, and the stream says %v", err)
			}
		}
		from := pacedReader{bytes.NewReader(film(n)), commits}
		if err := db.PutReader(context.Background(), filmKey(n), from); err != nil {
			return err
		}
		if err := say("ack", films, n); err != nil {
			return err
		}
	}
}
