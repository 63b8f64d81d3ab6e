package engine

import (
	"fmt"
	"testing"
	"time"

	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree"
)

// Half of the limit would lie idle in a database that is mostly read; or memtables and cache together would exceed it.
func TestMemoryStep_lendsTheCacheWhatMemtablesDoNotUse(t *testing.T) {
	c := newClock()
	e := openRetaining(t, memfs.NewVolatile(), c, Options{MemoryLimit: 64 << 20})
	defer e.Close()
	cacheBytes := func() int64 {
		m := e.Metrics()
		bytes := int64(m.Cache.Frames) * int64(m.Cache.FrameSize)
		if total := bytes + m.MemtableHeld + m.OpenBytes; total > m.MemoryLimit {
			t.Errorf("cache, memtables and open tables may take %d of %d bytes", total, m.MemoryLimit)
		}
		return bytes
	}
	quiet := cacheBytes()
	if quiet < 48<<20 {
		t.Errorf("the cache has %d MiB of 64 beside one memtable", quiet>>20)
	}
	value := make([]byte, 1<<20)
	for i := range 20 { // into several memtables
		put(t, e, fmt.Sprint(i), string(value))
		e.MemoryStep()
	}
	if busy := cacheBytes(); busy > quiet-10<<20 {
		t.Errorf("the cache has %d MiB while memtables are written and flushed, and %d when it is quiet", busy>>20, quiet>>20)
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	e.CleanStep()
	due := e.MemoryStep()
	if due <= 0 || due > tree.SpareAge {
		t.Errorf("due again in %v, want at most %v", due, tree.SpareAge)
	}
	c.pass(due)
	if again := e.MemoryStep(); again < time.Minute {
		t.Errorf("due again in %v although nothing is spare", again)
	}
	if after := cacheBytes(); after < quiet-1<<20 {
		t.Errorf("the cache has %d MiB, and had %d before memtables were used", after>>20, quiet>>20)
	}
}

// What the cache gives up when a memtable is half full comes too late: until then both are in memory.
func TestFreeze_hasTheCacheMakeRoomFirst(t *testing.T) {
	c := newClock()
	e := openRetaining(t, memfs.NewVolatile(), c, Options{MemoryLimit: 64 << 20})
	defer e.Close()
	value := make([]byte, 1<<20)
	for i := range 20 {
		put(t, e, fmt.Sprint(i), string(value))
		m := e.Metrics()
		frames := int64(m.Cache.Frames) * int64(m.Cache.FrameSize)
		if total := frames + m.MemtableHeld + m.OpenBytes + m.BufferBytes; total > m.MemoryLimit {
			t.Fatalf("after %d MiB, cache, memtables, open tables and buffers may take %d of %d bytes",
				i+1, total, m.MemoryLimit)
		}
	}
}
