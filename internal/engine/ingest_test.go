package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/merge"
)

// writeRun adds the keys k000 to kNNN with one value.
func writeRun(t *testing.T, w *SpillWriter, keys int, value string) *Spill {
	t.Helper()
	for i := range keys {
		if err := w.Add(fmt.Appendf(nil, "k%03d", i), key.KindPut, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	run, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// openSplitting opens an engine whose tables end after a few entries.
func openSplitting(t *testing.T, disk *memfs.FS) *Engine {
	t.Helper()
	e, err := Open(Options{FS: disk, Manual: true, PageSize: 512, TableBytes: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// scan returns all keys and values at s, or the newest ones if s is nil.
func scan(t *testing.T, e *Engine, s *Snapshot) map[string]string {
	t.Helper()
	it, err := e.NewIterator(s, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	got := make(map[string]string)
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.Value()
		if err != nil {
			t.Fatal(err)
		}
		got[string(it.Key())] = string(v)
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

// checkAll demands value under every key of a run at s, by Get and by an iterator.
func checkAll(t *testing.T, when string, e *Engine, s *Snapshot, keys int, value string) {
	t.Helper()
	seq := key.SeqNum(Latest)
	if s != nil {
		seq = s.Seq()
	}
	all := scan(t, e, s)
	for i := range keys {
		k := fmt.Sprintf("k%03d", i)
		if v, _, err := e.Get(nil, []byte(k), seq); string(v) != value || err != nil {
			t.Fatalf("%s: get %s: %q instead of %q, %v", when, k, v, value, err)
		}
		if all[k] != value {
			t.Fatalf("%s: the scan has %q for %s instead of %q", when, all[k], k, value)
		}
	}
}

// An older version would hide the newest one, wherever it lies: in a memtable, in level 0, or in the last level. And a
// snapshot would show what came after it.
func TestIngest_isNewerThanEverything(t *testing.T) {
	disk := memfs.New()
	e := openSplitting(t, disk)
	const keys = 60
	run := writeRun(t, e.NewIngest(), keys, "run")
	if len(run.Tables(0)) < 3 || run.Entries() != keys {
		t.Fatalf("%d tables with %d entries", len(run.Tables(0)), run.Entries())
	}
	put(t, e, "k005", "deep")
	compactAll(t, e)
	put(t, e, "k015", "level 0")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	putUnsynced(t, e, "k025", "frozen")
	if err := e.queue.Exclusive(func() error { return e.freeze(0) }); err != nil {
		t.Fatal(err)
	}
	putUnsynced(t, e, "k035", "active")
	before := e.Snapshot()
	defer before.Close()
	want := scan(t, e, before)
	seq, err := e.Ingest(run, nil)
	if err != nil || seq != before.Seq()+1 || e.log.Durable() != seq {
		t.Fatalf("Ingest: %d after %d, %d is durable, %v", seq, before.Seq(), e.log.Durable(), err)
	}
	run.Remove()
	inspect := func(when string, e *Engine) {
		t.Helper()
		checkAll(t, when, e, nil, keys, "run")
		if err := e.Verify(context.Background(), nil); err != nil {
			t.Errorf("%s: Verify: %v", when, err)
		}
	}
	inspect("ingested", e)
	checkDurable(t, "ingested", disk.Image(memfs.None, 0), seq)
	if got := scan(t, e, before); len(got) != 4 || !mapsEqual(got, want) {
		t.Errorf("the snapshot from before shows %v instead of %v", got, want)
	}
	if _, err := e.CleanStep(); err != nil {
		t.Fatal(err)
	}
	compactAll(t, e)
	inspect("compacted", e)
	if got := scan(t, e, before); !mapsEqual(got, want) {
		t.Errorf("after a compaction the snapshot from before shows %v instead of %v", got, want)
	}
	put(t, e, "k035", "newer")
	if v, _, err := e.Get(nil, []byte("k035"), Latest); string(v) != "newer" || err != nil {
		t.Errorf("a commit after it: %q, %v", v, err)
	}
	next := disk.Kill()
	e.Close()
	e = openManual(t, next)
	defer e.Close()
	if got := scan(t, e, nil); len(got) != keys || got["k034"] != "run" || got["k035"] != "newer" {
		t.Errorf("after a crash: %d keys, %q, %q", len(got), got["k034"], got["k035"])
	}
}

func mapsEqual(a, b map[string]string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// A transaction that lost a conflict would leave something behind, or could not be tried again.
func TestIngest_checkDecidesInCommitOrder(t *testing.T) {
	e := openManual(t, memfs.New())
	defer e.Close()
	put(t, e, "k000", "before")
	run := writeRun(t, e.NewIngest(), 3, "run")
	conflict := errors.New("conflict")
	seen := ""
	if _, err := e.Ingest(run, func() error {
		v, _, _ := e.Get(nil, []byte("k000"), Latest)
		seen = string(v)
		return conflict
	}); err != conflict || seen != "before" {
		t.Errorf("the check saw %q: %v", seen, err)
	}
	if got := scan(t, e, nil); len(got) != 1 || got["k000"] != "before" {
		t.Errorf("after a conflict: %v", got)
	}
	put(t, e, "k000", "between")
	if seq, err := e.Ingest(run, func() error { return nil }); err != nil || seq != 3 {
		t.Errorf("the second attempt: %d, %v", seq, err)
	}
	checkAll(t, "committed", e, nil, 3, "run")
}

// Part of a large commit would be there after a crash, or its files for ever.
func TestIngest_isAllOrNothingAfterAPowerCutAnywhere(t *testing.T) {
	const keys = 40
	for n := 0; ; n++ {
		disk := memfs.New()
		e := openSplitting(t, disk)
		put(t, e, "k007", "old")
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		put(t, e, "k008", "old")
		putUnsynced(t, e, "z", "unsynced")
		disk.CrashAt(disk.Ops() + n)
		done := ingestAll(e, keys)
		crashed := disk.Crashed()
		if !crashed && done != nil {
			t.Fatal(done)
		}
		for _, policy := range memfs.Policies {
			where := fmt.Sprintf("crash at change %d, %v", n, policy)
			image := disk.Image(policy, uint64(n))
			again := openManual(t, image)
			got := scan(t, again, nil)
			switch {
			case got["k009"] == "run":
				checkAll(t, where, again, nil, keys, "run")
			case done == nil:
				t.Errorf("%s: the commit was acknowledged, and is gone", where)
			case got["k007"] != "old" || got["k008"] != "old" || len(got) > 3:
				t.Errorf("%s: %v", where, got)
			}
			checkFiles(t, where, again, image)
			put(t, again, "k001", "after")
			again.Close()
		}
		e.Close()
		if !crashed {
			return
		}
	}
}

// ingestAll writes and commits a run, then removes it if it was not committed.
func ingestAll(e *Engine, keys int) error {
	w := e.NewIngest()
	defer w.Abort()
	for i := range keys {
		if err := w.Add(fmt.Appendf(nil, "k%03d", i), key.KindPut, []byte("run")); err != nil {
			return err
		}
	}
	run, err := w.Finish()
	if err != nil {
		return err
	}
	defer run.Remove()
	_, err = e.Ingest(run, nil)
	return err
}

// checkFiles compares the tables and log segments in the directory with those in use.
func checkFiles(t *testing.T, when string, e *Engine, disk *memfs.FS) {
	t.Helper()
	if _, err := e.CleanStep(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, level := range e.tree.Current().Version().Levels {
		for _, table := range level {
			want = append(want, filename.Make(filename.Table, table.Num))
		}
	}
	for _, num := range e.log.Files() {
		want = append(want, filename.Make(filename.Log, num))
	}
	names, err := disk.List()
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(names, func(name string) bool {
		kind, _ := filename.Parse(name)
		return kind != filename.Table && kind != filename.Log
	})
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: the directory holds %v, in use are %v", when, got, want)
	}
}

// A full disk or a failing device in the middle would leave a part, or say less than it knows; and after a full disk
// nothing would go on.
func TestIngest_everyCallFails(t *testing.T) {
	const keys = 40
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for n := 1; ; n++ {
			disk := memfs.New()
			fs := errfs.New(disk)
			e, err := Open(Options{FS: fs, Manual: true, PageSize: 512, TableBytes: 1 << 10})
			if err != nil {
				t.Fatal(err)
			}
			put(t, e, "k007", "old")
			calls := errfs.On(errfs.Create, errfs.Write, errfs.Sync, errfs.SyncDir)
			fs.SetRules(calls.Nth(n).Fail(cause))
			done := ingestAll(e, keys)
			failed := fs.Faults() > 0
			fs.SetRules()
			where := fmt.Sprintf("call %d fails with %v", n, cause)
			if !failed && done != nil {
				t.Fatal(done)
			}
			unknown := errors.Is(done, ErrCommitUnknown)
			if got := scan(t, e, nil); (got["k009"] == "run") != (done == nil) || unknown && e.dir.Writable() == nil {
				t.Errorf("%s: %v, and the database shows %d keys", where, done, len(got))
			}
			if e.dir.Writable() == nil {
				put(t, e, "k007", "newer")
				if err := ingestAll(e, keys); err != nil {
					t.Errorf("%s: the next attempt: %v", where, err)
				}
				checkAll(t, where, e, nil, keys, "run")
				checkFiles(t, where, e, disk)
			} else if done == nil {
				t.Errorf("%s: the commit was acknowledged, but writes have stopped", where)
			}
			next := disk.Kill()
			e.Close()
			again := openManual(t, next)
			got := scan(t, again, nil)
			if committed := got["k009"] == "run"; committed && len(got) != keys || !committed && (len(got) != 1 || done == nil) {
				t.Errorf("%s: after reopening %d keys", where, len(got))
			}
			checkFiles(t, where, again, next)
			again.Close()
			if !failed {
				break
			}
		}
	}
}

// A table would be put where the output of a running compaction goes, and the level could not be read any more.
func TestIngest_besideACompaction(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	defer e.Close()
	const keys = 20
	for i := range 3 {
		put(t, e, "k000", fmt.Sprint(i))
		put(t, e, "k999", fmt.Sprint(i))
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	inside, outside := writeRun(t, e.NewIngest(), keys, "run"), e.NewIngest()
	if err := outside.Add([]byte("z"), key.KindPut, []byte("run")); err != nil {
		t.Fatal(err)
	}
	beside, err := outside.Finish()
	if err != nil {
		t.Fatal(err)
	}
	during := false
	fs.SetRules(errfs.On(errfs.Create).Named("*.tbl").Nth(1).Call(func(errfs.Op) {
		during = true
		for _, run := range []*Spill{beside, inside} {
			if _, err := e.Ingest(run, nil); err != nil {
				t.Error(err)
			}
		}
		if v := e.tree.Current().Version(); len(v.Levels[0]) != 4 || len(v.Levels[6]) != 1 {
			t.Errorf("level 0 has %d tables, the last one %d", len(v.Levels[0]), len(v.Levels[6]))
		}
	}))
	compactAll(t, e)
	if !during {
		t.Fatal("nothing was ingested during the compaction")
	}
	checkAll(t, "compacted", e, nil, keys, "run")
	if got := scan(t, e, nil); len(got) != keys+2 || got["z"] != "run" || got["k999"] != "2" {
		t.Errorf("after the compaction: %v", got)
	}
}

// A commit that came while the run was being prepared would hide it, or a recovery would replay it over the run.
func TestIngest_afterALateCommit(t *testing.T) {
	disk := memfs.New()
	fs := errfs.New(disk)
	e := openManual(t, fs)
	const keys = 5
	run := writeRun(t, e.NewIngest(), keys, "run")
	put(t, e, "k002", "early")
	late := false
	fs.SetRules(errfs.On(errfs.Sync).Named("MANIFEST-*").Nth(1).Call(func(errfs.Op) { // by the flush of the early one
		late = true
		putUnsynced(t, e, "k003", "late")
	}))
	if seq, err := e.Ingest(run, nil); err != nil || !late || seq != 3 {
		t.Fatalf("sequence number %d, a late commit: %v, %v", seq, late, err)
	}
	checkAll(t, "ingested", e, nil, keys, "run")
	killed := disk.Kill()
	e.Close()
	e = openManual(t, killed)
	defer e.Close()
	checkAll(t, "after a crash", e, nil, keys, "run")
	if last := e.Report().LastSequence; last != 3 {
		t.Errorf("after a crash the database ends at %d", last)
	}
}

// A reader would see a commit that a power cut takes back; or a snapshot would change under its reader.
func TestIngest_isNotSeenBeforeItIsDurable(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	defer e.Close()
	put(t, e, "k000", "old")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	run := writeRun(t, e.NewIngest(), 3, "run")
	var during *Snapshot
	fs.SetRules(errfs.On(errfs.Sync).Named("MANIFEST-*").Nth(1).Call(func(errfs.Op) { during = e.Snapshot() }))
	if _, err := e.Ingest(run, nil); err != nil || during == nil {
		t.Fatalf("a snapshot was taken before the edit was synced: %v, %v", during != nil, err)
	}
	defer during.Close()
	if got := scan(t, e, during); during.Seq() != 1 || len(got) != 1 || got["k000"] != "old" {
		t.Errorf("before the edit was synced the database ended at %d: %v", during.Seq(), got)
	}
}

// Readers would see a part of a large commit, or two of them mixed, while it happens.
func TestIngest_appearsAtOnce(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), MemoryLimit: MinMemoryLimit, LogLimit: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const keys, rounds = 50, 25
	var readers, writers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for last := ""; ; {
				s := e.Snapshot()
				all := scan(t, e, s)
				s.Close()
				for i := range keys {
					if v := all[fmt.Sprintf("k%03d", i)]; v != all["k000"] || v < last {
						t.Errorf("k%03d is %q, k000 is %q, and was %q before", i, v, all["k000"], last)
						return
					}
				}
				last = all["k000"]
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Go(func() {
		for i := range 40 * rounds {
			var b batch.Batch
			b.Put(fmt.Appendf(nil, "z%03d", i%70), make([]byte, 300))
			if _, err := e.Commit(&b, false); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range rounds {
		if _, err := e.Ingest(writeRun(t, e.NewIngest(), keys, fmt.Sprintf("%05d", i)), nil); err != nil {
			t.Error(err)
		}
	}
	writers.Wait()
	close(done)
	readers.Wait()
	checkAll(t, "at the end", e, nil, keys, fmt.Sprintf("%05d", rounds-1))
}

// What a transaction has spilled would not be read back as it was written, or would fill the disk after its end.
func TestRun_isReadInOrderAndRemoved(t *testing.T) {
	disk := memfs.New()
	e := openSplitting(t, disk)
	const keys = 100
	older, newer := writeRun(t, e.NewSpill(1), keys, "older"), e.NewSpill(2)
	for i := 0; i < keys; i += 3 {
		if err := newer.Add(fmt.Appendf(nil, "k%03d", i), key.KindDelete, nil); err != nil {
			t.Fatal(err)
		}
	}
	last, err := newer.Finish()
	if err != nil || len(older.Tables(0)) < 3 {
		t.Fatalf("%d tables, %v", len(older.Tables(0)), err)
	}
	checkMerged(t, keys, merge.New(older.NewSequentialIterator(), last.NewSequentialIterator()))
	checkMerged(t, keys, merge.New(older.NewIterator(), last.NewIterator()))
	for i := range keys {
		user := fmt.Appendf(nil, "k%03d", i)
		if v, kind, found, err := older.Get(nil, user); string(v) != "older" || kind != key.KindPut || !found || err != nil {
			t.Errorf("get %s: %q, %v, %v, %v", user, v, kind, found, err)
		}
		v, kind, found, err := last.Get(nil, user)
		if len(v) > 0 || kind != key.KindDelete || found != (i%3 == 0) || err != nil {
			t.Errorf("get %s of the newer: %q, %v, %v, %v", user, v, kind, found, err)
		}
	}
	for _, user := range []string{"a", "k0005", "z"} {
		if _, _, found, err := older.Get(nil, []byte(user)); found || err != nil {
			t.Errorf("get %s, which is not there: %v, %v", user, found, err)
		}
	}
	if _, err := e.Ingest(older, nil); !errors.Is(err, errTemporarySpill) {
		t.Errorf("Ingest of what was not synced: %v", err)
	}
	killed := disk.Image(memfs.All, 0)
	older.Remove()
	last.Remove()
	if n := e.Metrics().OpenTables; n != 0 {
		t.Errorf("%d tables are open after the runs were removed", n)
	}
	half := e.NewSpill(3)
	if err := errors.Join(half.Add([]byte("a"), key.KindPut, nil), half.Add([]byte("b"), key.KindPut, nil)); err != nil {
		t.Fatal(err)
	}
	half.Abort()
	checkFiles(t, "removed", e, disk)
	e.Close()
	e = openManual(t, killed)
	defer e.Close()
	checkFiles(t, "after a crash", e, killed)
}

// checkMerged reads all entries: each key at 1, every third one deleted at 2.
func checkMerged(t *testing.T, keys int, all merge.Iterator) {
	t.Helper()
	n := 0
	next := func(want key.Internal) {
		t.Helper()
		if n++; !all.Valid() || key.Compare(all.Key(), want) != 0 {
			t.Fatalf("entry %d is not %v", n, want)
		}
		all.Next()
	}
	all.First()
	for i := range keys {
		user := fmt.Appendf(nil, "k%03d", i)
		if i%3 == 0 {
			next(key.Make(user, 2, key.KindDelete))
		}
		next(key.Make(user, 1, key.KindPut))
	}
	if all.Valid() {
		t.Errorf("an entry too many: %v", all.Key())
	}
	if err := errors.Join(all.Err(), all.Close()); err != nil {
		t.Error(err)
	}
}

// Entries in the wrong order would be lost to every search.
func TestRun_refusesDisorder(t *testing.T) {
	e := openSplitting(t, memfs.New())
	defer e.Close()
	for _, second := range []string{"k", "j"} {
		for _, full := range []bool{false, true} {
			w := e.NewSpill(1)
			value := make([]byte, 100)
			if full {
				value = make([]byte, 10_000)
			}
			if err := w.Add([]byte("k"), key.KindPut, value); err != nil {
				t.Fatal(err)
			}
			if err := w.Add([]byte(second), key.KindPut, nil); err == nil {
				t.Errorf("%q was added after \"k\"; in another table: %v", second, full)
			}
			w.Abort()
		}
	}
	empty, err := e.NewIngest().Finish()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Ingest(empty, nil); !errors.Is(err, errEmptySpill) {
		t.Errorf("Ingest of nothing: %v", err)
	}
}
