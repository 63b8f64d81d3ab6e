package commit

import (
	"fmt"
	"sync/atomic"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
)

// instant is an Env that does nothing: what is left is the queue's own cost.
type instant struct{ groups atomic.Int64 }

func (e *instant) Fits(int, int) bool               { return true }
func (e *instant) MakeRoom(*Request) error          { return nil }
func (e *instant) Check(*Request, []*Request) error { return nil }
func (e *instant) Log([]*Request) error             { e.groups.Add(1); return nil }
func (e *instant) Sync() error                      { return nil }
func (e *instant) Apply(*Request)                   {}
func (e *instant) Publish(key.SeqNum)               {}

// BenchmarkCommit is one commit among those of other goroutines, and how many commits a group has.
func BenchmarkCommit(b *testing.B) {
	for _, perProcessor := range []int{1, 32} {
		b.Run(fmt.Sprintf("perProcessor=%d", perProcessor), func(b *testing.B) {
			env := new(instant)
			q := NewQueue(env, 1)
			b.ReportAllocs()
			b.SetParallelism(perProcessor)
			b.RunParallel(func(pb *testing.PB) {
				c := Commit{Batch: onePut()}
				for pb.Next() {
					if _, err := q.Commit(c); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/float64(max(1, env.groups.Load())), "commits/group")
		})
	}
}

// BenchmarkCommit_alone is one commit after the other.
func BenchmarkCommit_alone(b *testing.B) {
	q, c := NewQueue(new(instant), 1), Commit{Batch: onePut()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := q.Commit(c); err != nil {
			b.Fatal(err)
		}
	}
}

func onePut() *batch.Batch {
	b := new(batch.Batch)
	b.Put(make([]byte, 24), make([]byte, 150))
	return b
}
