package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/examples/internal/trial"
)

func Example() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	ctx := context.Background()
	queue := New(db, "mail")
	if err := queue.Put(db, []byte("to ann")); err != nil {
		panic(err)
	}
	job, err := queue.Take(ctx, time.Minute)
	fmt.Printf("%s %v\n", job.Payload, err)
	_, err = queue.Take(ctx, time.Minute)
	fmt.Println(err)
	fmt.Println(queue.Done(ctx, job))
	fmt.Println(queue.Done(ctx, job))
	// Output:
	// to ann <nil>
	// there is no job to be taken
	// <nil>
	// the job is not leased to this worker any more
}

// clock is a clock that stands until it is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// Without this a job whose worker has died would be lost, or one worker would end the job of another.
func TestTake_afterTheLease(t *testing.T) {
	queue, c := New(trial.Open(t, "", nil), "q"), &clock{time.Unix(1e9, 0)}
	queue.now = c.now
	if err := queue.Put(queue.db, []byte("a")); err != nil {
		t.Fatal(err)
	}
	first, err := queue.Take(t.Context(), time.Minute)
	if err != nil || first.Attempt != 1 {
		t.Fatal(first, err)
	}
	c.at = c.at.Add(time.Minute - 1)
	if _, err := queue.Take(t.Context(), time.Minute); !errors.Is(err, ErrEmpty) {
		t.Fatal("taken during the lease", err)
	}
	c.at = c.at.Add(1)
	second, err := queue.Take(t.Context(), time.Minute)
	if err != nil || string(second.Payload) != "a" || second.Attempt != 2 {
		t.Fatal(second, err)
	}
	for _, end := range []func(context.Context, *Job) error{queue.Done, queue.Release} {
		if err := end(t.Context(), first); !errors.Is(err, ErrLease) {
			t.Error("ended by who has lost it:", err)
		}
	}
	if err := queue.Release(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	// Taken again at the same moment, it has the key that it had: only the attempt tells the two leases apart.
	third, err := queue.Take(t.Context(), time.Minute)
	if err != nil || third.place != second.place || third.Attempt != 3 {
		t.Fatal(third, err)
	}
	if err := queue.Done(t.Context(), second); !errors.Is(err, ErrLease) {
		t.Error("ended by who has released it:", err)
	}
	c.at = c.at.Add(time.Hour)
	if err := queue.Done(t.Context(), third); err != nil {
		t.Error("late, but nobody else has it:", err)
	}
	if _, err := queue.Take(t.Context(), 0); !errors.Is(err, ErrDuration) {
		t.Error(err)
	}
}

// Of many workers two must never have one job, and each job is done.
func TestTake_eachJobByOneWorker(t *testing.T) {
	const workers, each = 8, 25
	queue := New(trial.Open(t, "", nil), "q")
	var mu sync.Mutex
	done := map[string]int{}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for n := range each {
				if err := queue.Put(queue.db, fmt.Append(nil, w, " ", n)); err != nil {
					t.Error(err)
				}
				// There is one: each has put more than it has taken.
				job, err := queue.Take(t.Context(), time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				done[string(job.Payload)]++
				mu.Unlock()
				if err := queue.Done(t.Context(), job); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(done) != workers*each {
		t.Errorf("%d different jobs were done, not %d", len(done), workers*each)
	}
	if _, err := queue.Take(t.Context(), time.Hour); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
}

// A context that has ended must end the call, and change nothing.
func TestTake_honoursItsContext(t *testing.T) {
	queue := New(trial.Open(t, "", nil), "q")
	if err := queue.Put(queue.db, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := queue.Take(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := queue.Take(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
}

// Whatever a kill cuts in two, each job that was put is there, or done, and not both.
func TestQueue_survivesAKill(t *testing.T) {
	dir := t.TempDir()
	said := trial.Kill(t, dir, 60, work)
	db := trial.Open(t, dir, nil)
	queue := New(db, "q")
	queue.now = func() time.Time { return time.Now().Add(2 * time.Hour) } // all leases have ended
	var left []string
	for {
		job, err := queue.Take(t.Context(), time.Hour)
		if errors.Is(err, ErrEmpty) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if left = append(left, string(job.Payload)); len(left) > len(said)+8 {
			t.Fatal("more jobs than there can be", left)
		}
	}
	for _, line := range said {
		what, job, _ := strings.Cut(line, " ")
		receipt, err := db.Has([]byte("receipt " + job))
		if err != nil {
			t.Fatal(err)
		}
		waits := slices.Contains(left, job)
		if waits == receipt {
			t.Errorf("job %s is there: %v, is done: %v", job, waits, receipt)
		}
		if what == "done" && !receipt {
			t.Errorf("job %s was done, and is not", job)
		}
	}
}

// work puts and does jobs for ever, with four workers. Each job leaves a receipt in the transaction that ends it.
func work(dir string, say func(string)) error {
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		return err
	}
	queue, failed := New(db, "q"), make(chan error)
	for w := range 4 {
		go func() {
			for n := 0; ; n++ {
				name := fmt.Sprint(w, "-", n)
				err := queue.Put(db, []byte(name))
				if err == nil {
					say("put " + name)
					err = doOne(db, queue, say)
				}
				if err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func doOne(db *lightningdb.DB, queue *Queue, say func(string)) error {
	job, err := queue.Take(context.Background(), time.Hour)
	if err != nil {
		return err
	}
	err = db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		return errors.Join(queue.DoneIn(tx, job), tx.Put(append([]byte("receipt "), job.Payload...), nil))
	})
	if err == nil {
		say("done " + string(job.Payload))
	}
	return err
}
