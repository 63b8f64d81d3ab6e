package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/progress"
)

// session is one workload in progress.
type session struct {
	*run
	*workload
	db      *lightningdb.DB // the rows, or one of its own
	rows    *rows           // in it
	disk    disk
	keys    []byte // of rows to read or update, one after the other
	limit   int64  // of what the only worker counts; 0 for none but the time
	workers []*worker
	began   time.Time
	took    time.Duration
}

// chosenBytes bounds the keys of rows that a session chooses beforehand. It is more than a processor's cache finds
// again.
const chosenBytes = 32 << 20

// reopenings is how often the database is opened again: often enough for a median.
const reopenings = 5

// prepare makes what the operations need.
func (s *session) prepare() (err error) {
	switch operation := s.mix[0]; {
	case operation == opAppend || operation == opRewrite:
		err = s.disk.open(s.dir, operation == opRewrite)
	case s.own:
		s.rows = new(rows)
		s.db, err = s.open(s.name)
	case s.name == loadName:
		s.run.db, err = s.open(loadName)
		s.db, s.limit = s.run.db, int64(s.Rows)
	case s.name == checkName || operation == opCompact:
		s.limit = s.rows.entries()
	case operation == opDelete:
		s.limit = int64(s.Rows / 2)
	case operation == opReopen:
		s.limit = reopenings
	}
	if err != nil {
		return err
	}
	s.chooseRows()
	for i := range max(s.workload.workers, 1) {
		w := &worker{session: s, random: random{s.Seed + uint64(i)}, moved: make([]int64, s.size)}
		if n := len(s.keys) / s.KeySize; n > 0 {
			w.at = int(w.random.below(uint64(n))) * s.KeySize
		}
		if s.long > 0 {
			w.seconds = make([]int64, s.lasts()/time.Second)
		}
		s.workers = append(s.workers, w)
	}
	if s.mix[0] == opTransfer {
		return s.workers[0].openAccounts()
	}
	return nil
}

// chooseRows makes the keys that workers will ask for, so that making them takes no time then.
func (s *session) chooseRows() {
	if s.from == nothing {
		return
	}
	choose := random{s.Seed}
	n := min(s.Rows, chosenBytes/s.KeySize)
	s.keys = make([]byte, 0, n*s.KeySize)
	for range n {
		s.keys = s.appendKey(s.keys, s.from.row(&choose, uint64(s.Rows)))
	}
}

// lasts is how long the workload goes on, if there is no limit.
func (s *session) lasts() time.Duration { return s.Time * time.Duration(max(s.long, 1)) }

// sample is called by the progress line.
func (s *session) sample() progress.Sample {
	sample := progress.Sample{Done: int64(time.Since(s.began)), Total: int64(s.lasts()), Noun: s.noun}
	for _, w := range s.workers {
		sample.Count += w.done.Load()
	}
	if s.limit > 0 {
		sample.Done, sample.Total = sample.Count, s.limit
	}
	return sample
}

// background makes the function that the progress line calls while the session waits for compaction.
func (s *session) background() func() progress.Sample {
	before := s.db.Metrics().Compaction.BytesWritten
	return func() progress.Sample {
		return progress.Sample{Count: s.db.Metrics().Compaction.BytesWritten - before, Noun: "bytes written"}
	}
}

// work lets the workers do what the workload's mix says until it is over.
func (s *session) work() error {
	ctx, end := context.WithCancelCause(s.ctx)
	defer end(nil)
	var running sync.WaitGroup
	s.began = time.Now()
	sample := s.sample
	if s.mix[0] == opCompact {
		sample = s.background()
	}
	defer progress.Start(s.Terminal, s.name, sample).Stop()
	for _, w := range s.workers {
		running.Go(func() {
			if err := w.repeat(ctx); err != nil {
				end(err)
			}
		})
	}
	running.Wait()
	err := context.Cause(ctx)
	if err == nil && s.syncs() {
		err = s.db.Sync()
	}
	s.took = time.Since(s.began)
	return err
}

// syncs reports whether a sync at the end is part of the workload: a fixed amount of work counts when it is durable.
func (s *session) syncs() bool { return s.limit > 0 && s.db != nil }

// check compares the content of a database of the session's own with what was committed.
func (s *session) check() error {
	switch s.mix[0] {
	case opAscend:
		return s.workers[0].scanAll(int(s.rows.entries()), false)
	case opTransfer:
		return s.audit()
	}
	if s.name == loadName && s.loaded != nil {
		return s.loaded(s.db)
	}
	return nil
}

// close removes what only this session needs.
func (s *session) close() error {
	err := s.disk.close()
	if s.own && s.db != nil {
		err = errors.Join(s.db.Close(), os.RemoveAll(filepath.Join(s.dir, s.name)))
		s.db = nil
	}
	return err
}

// settle waits until background work that the workload has caused is done, but no longer than a minute.
func (s *session) settle() error {
	const interval, attempts = 10 * time.Millisecond, 6000
	if s.db == nil {
		return context.Cause(s.ctx)
	}
	defer progress.Start(s.Terminal, "background", s.background()).Stop()
	for n := 0; n < attempts && s.ctx.Err() == nil && !calm(s.db.Metrics()); n++ {
		time.Sleep(interval)
	}
	return context.Cause(s.ctx)
}

func calm(m lightningdb.Metrics) bool {
	for _, level := range m.Levels {
		if level.Score >= 1 {
			return false
		}
	}
	return m.Memtable.Frozen+m.Flush.Running+m.Compaction.Running == 0
}
