package torture

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
)

// A large database would be out of service for long after a crash: Open may only cost what the end of the log holds.
func TestRecovery_costsTheLogTailOnly(t *testing.T) {
	sizes := []int64{2 << 20, 40 << 20}
	if *full {
		sizes = []int64{10 << 20, 1 << 30}
	}
	var read []int64
	for _, size := range sizes {
		dir := t.TempDir()
		fill(t, dir, size)
		report, bytes := reopenCounted(t, dir)
		t.Logf("recovery: database of %d MB: %d commits replayed from %d bytes of log; %d bytes read in %v", size>>20,
			report.Records, report.LogBytes, bytes, report.Duration)
		if report.Records != tailCommits {
			t.Errorf("%d commits replayed instead of %d", report.Records, tailCommits)
		}
		read = append(read, bytes)
	}
	if read[1] > 2*read[0]+logLimit { // segments that are used again are looked through to their ends
		t.Errorf("Open read %d bytes of a small database and %d of a large one, with equal logs", read[0], read[1])
	}
}

// logLimit bounds the log of these databases, in bytes.
const logLimit = 6 << 20

// tailCommits is how many commits are in the log but in no table.
const tailCommits = 500

// fill makes a database of about size bytes in dir and crashes with the same log in all.
func fill(t *testing.T, dir string, size int64) {
	t.Helper()
	disk := openDir(t, dir)
	e, err := engine.Open(engine.Options{FS: disk, MemoryLimit: 64 << 20, LogLimit: logLimit})
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 1000)
	n := uint64(0)
	commit := func(operations int) {
		t.Helper()
		var b batch.Batch
		for range operations {
			n++
			k := binary.BigEndian.AppendUint64(nil, n*0x9e3779b97f4a7c15)
			for i := 0; i < len(value); i += 8 {
				binary.LittleEndian.PutUint64(value[i:], n*0x9e3779b97f4a7c15+uint64(i)<<32)
			}
			b.Put(k, value)
		}
		if _, err := e.Commit(&b, false); err != nil {
			t.Fatal(err)
		}
	}
	for size > int64(n)*1000 {
		commit(200)
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	for range tailCommits {
		commit(1)
	}
	changes := errfs.On(errfs.Create, errfs.Write, errfs.Sync, errfs.Rename, errfs.Remove, errfs.SyncDir)
	disk.SetRules(changes.Fail(syscall.EIO))
	if err := e.Close(); err == nil {
		t.Fatal("the database closed cleanly")
	}
}

func reopenCounted(t *testing.T, dir string) (engine.Report, int64) {
	t.Helper()
	var bytes atomic.Int64
	disk := openDir(t, dir)
	disk.SetRules(errfs.On(errfs.Read).Call(func(op errfs.Op) { bytes.Add(op.Length) }))
	e, err := engine.Open(engine.Options{FS: disk, MemoryLimit: 64 << 20, LogLimit: logLimit, Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	total := bytes.Load()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	return e.Report(), total
}

func openDir(t *testing.T, dir string) *errfs.FS {
	t.Helper()
	disk, err := vfs.OpenDir(dir, vfs.OpenDirOptions{Create: true})
	if err != nil {
		t.Fatal(fmt.Errorf("open directory: %w", err))
	}
	return errfs.New(disk)
}
