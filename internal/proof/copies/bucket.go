package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"lightningdb/backup"
)

// bucket is the store of a repository, in memory. It does what backup.Store says, and keeps what it is given.
type bucket struct {
	mu    sync.Mutex
	files map[string][]byte
}

// clone is a bucket with the same files.
func (b *bucket) clone() *bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &bucket{files: maps.Clone(b.files)}
}

// names lists what begins with prefix.
func (b *bucket) names(prefix string) (names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// line leads to a bucket. One of its calls fails, or all from one on, as those of a process that is gone.
type line struct {
	*bucket
	failure
	at int // the call that fails, from 1; 0 is none

	mu    sync.Mutex
	calls int
	hit   bool
}

// failure is how a call fails.
type failure struct {
	err   error
	after bool // it has its effect all the same
	gone  bool // all later ones fail too, and have none
}

// call makes a call, or fails.
func (l *line) call(do func() error) error {
	l.mu.Lock()
	l.calls++
	first, failed := l.at > 0 && l.calls == l.at, l.at > 0 && (l.calls == l.at || l.gone && l.calls > l.at)
	l.hit = l.hit || failed
	l.mu.Unlock()
	if !failed {
		return do()
	}
	if first && l.after {
		_ = do() // nobody is told how it ended
	}
	return fmt.Errorf("call %d of the store: %w", l.at, l.err)
}

// Put is that of backup.Store.
func (l *line) Put(_ context.Context, name string, r io.Reader, size int64, mode backup.PutMode) error {
	text, err := io.ReadAll(io.LimitReader(r, size+1))
	if err == nil && int64(len(text)) != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	return l.call(func() error {
		l.bucket.mu.Lock()
		defer l.bucket.mu.Unlock()
		if _, there := l.files[name]; there && mode == backup.OnlyNew {
			return fs.ErrExist
		}
		l.files[name] = text
		return nil
	})
}

// Copy is that of backup.Store.
func (l *line) Copy(_ context.Context, from, to string) error {
	return l.call(func() error {
		l.bucket.mu.Lock()
		defer l.bucket.mu.Unlock()
		text, there := l.files[from]
		if !there {
			return fs.ErrNotExist
		}
		l.files[to] = text
		return nil
	})
}

// Open is that of backup.Store.
func (l *line) Open(_ context.Context, name string) (in io.ReadCloser, err error) {
	err = l.call(func() error {
		l.bucket.mu.Lock()
		defer l.bucket.mu.Unlock()
		text, there := l.files[name]
		if !there {
			return fs.ErrNotExist
		}
		in = io.NopCloser(bytes.NewReader(text))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// List is that of backup.Store.
func (l *line) List(_ context.Context, prefix string) iter.Seq2[backup.Entry, error] {
	return func(yield func(backup.Entry, error) bool) {
		if err := l.call(func() error { return nil }); err != nil {
			yield(backup.Entry{}, err)
			return
		}
		for _, name := range l.names(prefix) {
			l.bucket.mu.Lock()
			size, there := len(l.files[name]), l.files[name] != nil
			l.bucket.mu.Unlock()
			if there && !yield(backup.Entry{Name: name, Size: int64(size)}, nil) {
				return
			}
		}
	}
}

// Remove is that of backup.Store.
func (l *line) Remove(_ context.Context, name string) error {
	return l.call(func() error {
		l.bucket.mu.Lock()
		defer l.bucket.mu.Unlock()
		delete(l.files, name)
		return nil
	})
}

// errGone is what a process gets whose calls have no effect any more.
var errGone = errors.New("the process is gone")
