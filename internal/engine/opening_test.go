package engine

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"lightningdb/event"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs/memfs"
)

// news keeps, as text, what an engine tells of at the info level and above.
type news struct{ told []string }

func (n *news) hear(r event.Record) {
	if r.Level() >= event.Info {
		message, attributes := r.Log()
		n.told = append(n.told, fmt.Sprint(message, " ", attributes))
	}
}

// Whoever starts a program after a crash would look at a silent one for as long as a replay takes, and kill it.
func TestOpen_tellsEachSecondWhatItDoes(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	for i := range 400 {
		var b batch.Batch
		b.Put(fmt.Appendf(nil, "%05d", i), bytes.Repeat([]byte{1}, 10_000))
		if _, err := e.Commit(&b, false); err != nil {
			t.Fatal(err)
		}
	}
	killed := disk.Kill()
	e.Close()
	for _, readOnly := range []bool{true, false} {
		var elapsed time.Duration
		told := new(news)
		e, err := Open(Options{FS: killed.Kill(), Manual: true, MemoryLimit: MinMemoryLimit, ReadOnly: readOnly,
			Events:  event.Options{Listener: told.hear},
			Elapsed: func() time.Duration { elapsed += 300 * time.Millisecond; return elapsed }})
		if err != nil {
			t.Fatal(err)
		}
		e.Close()
		if n := len(told.told); n < 10 || n > int(elapsed/time.Second) {
			t.Errorf("read-only %v: told %d times in %v: %q", readOnly, n, elapsed, told.told)
		}
		all := strings.Join(told.told, "\n")
		for _, want := range []string{"replaying the log [done ", "opened the database [took "} {
			if !strings.Contains(all, want) {
				t.Errorf("read-only %v: nothing of %q in\n%s", readOnly, want, all)
			}
		}
		if flushed := strings.Contains(all, "flushing what was replayed [done "); flushed == readOnly {
			t.Errorf("read-only %v: told of flushes: %v", readOnly, flushed)
		}
	}
}
