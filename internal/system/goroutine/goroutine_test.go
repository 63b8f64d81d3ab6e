package goroutine

import (
	"runtime"
	"sync"
	"testing"
)

// Two live goroutines with one identity would be told that they wait for themselves; one with two would wait for ever.
func TestCurrent_tellsLiveGoroutinesApart(t *testing.T) {
	const n = 100
	var ready, done sync.WaitGroup
	leave := make(chan struct{})
	ids := make([]ID, n)
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ids[i] = Current()
			ready.Done()
			<-leave
			runtime.Gosched()
			grow(1000)
			if Current() != ids[i] {
				t.Error("the identity changed")
			}
		})
	}
	ready.Wait()
	seen := map[ID]bool{0: true, Current(): true}
	for _, id := range ids {
		if seen[id] {
			t.Errorf("identity %x was seen before", id)
		}
		seen[id] = true
	}
	close(leave)
	done.Wait()
}

// A function of the user's that ends its goroutine would end one that the database cannot do without.
func TestApart_outlivesTheEndOfItsGoroutine(t *testing.T) {
	ran := false
	if !Apart(func() { ran = true }) || !ran {
		t.Error("a function that returns")
	}
	if Apart(runtime.Goexit) {
		t.Error("a function that ends its goroutine is said to have returned")
	}
	defer func() {
		if p := recover(); p != "broken" {
			t.Errorf("a panic came up as %v", p)
		}
	}()
	Apart(func() { panic("broken") })
	t.Error("a panic was lost")
}

// grow makes the stack move.
func grow(depth int) byte {
	var b [512]byte
	if depth > 0 {
		b[0] = grow(depth - 1)
	}
	return b[0]
}

func BenchmarkCurrent(b *testing.B) {
	for b.Loop() {
		Current()
	}
}

func BenchmarkApart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Apart(func() {})
	}
}
