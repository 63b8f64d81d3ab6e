// Package jobs is a queue of jobs with leases. Whoever takes a job has it to itself until the lease ends; a job that
// is not done by then, because the worker hangs or was killed, is there for the next one.
//
//	queue := jobs.New(db, "mail")
//	err := queue.Put(db, []byte("to ann"))
//	job, err := queue.Take(ctx, time.Minute)
//	… the work
//	err = queue.Done(ctx, job)
//
// # Why it is correct
//
// The key of a job is the time from which it may be taken, and its number. Taking it moves it to the end of the
// lease, in one transaction: so it is never gone and never there twice, wherever a kill cuts, and two workers that
// want the same job conflict, of whom one gets it. Each taking counts up a number in the row, and only who knows
// that number and the key can end the job: a worker that comes back late gets ErrLease if somebody else has the job
// by then. So a job is done at least once, and by one worker at a time as long as the work takes less than the
// lease.
//
// The clocks of all workers are one clock, that of the process. If it is set back, jobs are taken later, and none is
// lost; if it is set forward, leases end early.
//
// # What it costs
//
// Put is one write and reads nothing. Take reads one range, of the first two jobs, and writes two keys; taking is
// done by one worker at a time, the others wait in line. Done reads one row and writes one key, Release two. Each is
// one commit, and one sync, which goroutines that commit at the same time share.
package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
	"lightningdb/typed"
)

var (
	// ErrEmpty: no job may be taken now. Ask again later: some may be leased, or not be due yet.
	ErrEmpty = errors.New("there is no job to be taken")

	// ErrLease: the lease has ended and somebody else has taken the job since, or it was done or released. Nothing was
	// written.
	ErrLease = errors.New("the job is not leased to this worker any more")

	// ErrDuration: a lease must be longer than nothing.
	ErrDuration = errors.New("the lease is not longer than nothing")
)

// Job is a job that was taken.
type Job struct {
	Payload []byte
	Attempt int // which taking of this job it is, from 1: for jobs that never succeed

	place place
}

// place is the key of a job: from when on it may be taken, and a random number that makes it the only one.
type place = tuple.Two[time.Time, [16]byte]

// row is what is stored of a job.
type row struct {
	Payload []byte
	Attempt int
}

// Queue is the jobs of one name. It may be used by any number of goroutines.
type Queue struct {
	db   *lightningdb.DB
	jobs *typed.Table[place, row]
	turn []byte           // no entry: the lock of who takes
	now  func() time.Time // the clock, which tests set
}

// New returns the queue of a name, which must be UTF-8.
func New(db *lightningdb.DB, name string) *Queue {
	return &Queue{
		db:   db,
		jobs: typed.Must(typed.New("jobs of "+name, tuple.Pair(tuple.Time, tuple.UUID), typed.JSON[row](), nil)),
		turn: tuple.AppendString(tuple.AppendString(nil, "jobs: turn"), name),
		now:  time.Now,
	}
}

// Put adds a job. In a transaction the job is there if the rest of it is.
func (q *Queue) Put(w kv.Writer, payload []byte) error {
	at := place{A: q.now()}
	rand.Read(at.B[:]) // never fails
	return q.jobs.Put(w, at, row{Payload: payload})
}

// Take returns the job that has been due for the longest time, and leases it. The error is ErrEmpty if none is due.
func (q *Queue) Take(ctx context.Context, lease time.Duration) (job *Job, err error) {
	if lease <= 0 {
		return nil, ErrDuration
	}
	err = q.db.Update(ctx, func(tx *lightningdb.Tx) error {
		// All takers want the first job. With a lock they wait for each other, instead of doing work that conflicts.
		if _, err := tx.GetForUpdate(q.turn); err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
			return err
		}
		now := q.now()
		due, _, err := q.jobs.Range(tx, place{}, place{A: now.Add(1)}).Page("", 1)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return ErrEmpty
		}
		job = &Job{due[0].Value.Payload, due[0].Value.Attempt + 1, place{A: now.Add(lease), B: due[0].Key.B}}
		return errors.Join(
			q.jobs.Delete(tx, due[0].Key),
			q.jobs.Put(tx, job.place, row{job.Payload, job.Attempt}))
	})
	if err != nil {
		return nil, err
	}
	return job, nil
}

// Done removes a job, the work of which is done. It also does so after the end of the lease, if nobody else has taken
// the job yet; otherwise the error is ErrLease.
func (q *Queue) Done(ctx context.Context, job *Job) error {
	return q.db.Update(ctx, func(tx *lightningdb.Tx) error { return q.DoneIn(tx, job) })
}

// DoneIn is Done as a part of a transaction: what the job has written there is there if and only if it is done.
func (q *Queue) DoneIn(tx *lightningdb.Tx, job *Job) error {
	stored, err := q.jobs.Get(tx, job.place)
	if errors.Is(err, lightningdb.ErrNotFound) || err == nil && stored.Attempt != job.Attempt {
		return ErrLease
	}
	if err != nil {
		return err
	}
	return q.jobs.Delete(tx, job.place)
}

// Release ends the lease now, so that the job can be taken again; the errors are those of Done.
func (q *Queue) Release(ctx context.Context, job *Job) error {
	return q.db.Update(ctx, func(tx *lightningdb.Tx) error {
		if err := q.DoneIn(tx, job); err != nil {
			return err
		}
		return q.jobs.Put(tx, place{A: q.now(), B: job.place.B}, row{job.Payload, job.Attempt})
	})
}
