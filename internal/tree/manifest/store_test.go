package manifest

import (
	"testing"
	"time"

	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// published returns the store of a writer that tells followers what is there. It makes a new manifest after limit
// bytes.
func published(t *testing.T, disk vfs.FS, limit int64) *Store {
	t.Helper()
	random := uint64(0)
	next := func() uint64 { random += 2; return random }
	dir := directory.New(directory.Options{
		FS: disk, Gate: calls.NewGate(), Followers: true, Random: next,
		Clock:     func() time.Duration { return 0 },
		Failed:    func(err error) { t.Errorf("writes have ended: %v", err) },
		Discarded: func() {},
		Unread:    func(err error) { t.Error(err) },
	})
	s := NewStore(dir, StoreOptions{Random: next, Limit: limit})
	must(t, s, dir.Lock())
	_, err := dir.Claim()
	must(t, s, err)
	start := emptyVersion()
	start.NextNum = 20 // above all that the edits name
	dir.NumberFrom(start.NextNum)
	must(t, s, s.Begin(start))
	dir.Publish(start.DatabaseID, s.Place(), start.LastSeq)
	t.Cleanup(func() { must(t, s, s.Close()); must(t, s, dir.Close()) })
	return s
}

// A follower would show tables that a power cut takes back: at every call of an edit, the page must name a version that
// is durable, the one before the edit or the one after it, and the one after it before the writer goes on with that.
func TestStore_namesOnlyDurableEdits(t *testing.T) {
	for _, limit := range []int64{0, 1} { // edits in one manifest, and a new manifest for each
		memory := memfs.New()
		disk := errfs.New(memory)
		s := published(t, disk, limit)
		named := func() *Version {
			page, err := status.Read(memory)
			must(t, page, err)
			v, err := ReadTo(memory.Image(memfs.None, 1), testDB, page.Manifest)
			return must(t, v, err)
		}
		for _, e := range sampleEdits() {
			before, looks := s.version, 0
			disk.SetRules(errfs.On().Call(func(errfs.Op) {
				looks++
				if v := named(); v.NextNum != before.NextNum && v.NextNum != e.NextNum {
					t.Errorf("the page names version %d after %d", v.NextNum, before.NextNum)
				}
			}))
			must(t, s, s.Commit(e, func(v *Version) {
				if diff := differs(v, named()); diff != "" {
					t.Errorf("the page does not name what the writer goes on with: %s", diff)
				}
			}))
			disk.SetRules()
			if s.version.NextNum <= before.NextNum || looks < 5 {
				t.Errorf("version %d follows %d, after %d calls", s.version.NextNum, before.NextNum, looks)
			}
		}
	}
}
