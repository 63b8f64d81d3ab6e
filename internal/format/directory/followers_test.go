package directory

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// harness is the directory of a writer, at a time that the test decides.
type harness struct {
	*Directory
	t      *testing.T
	disk   *errfs.FS
	now    time.Duration
	unread []error
}

func newHarness(t *testing.T, o Options) *harness {
	h := &harness{t: t, disk: errfs.New(memfs.NewVolatile())}
	if o.FS == nil {
		o.FS = h.disk
	}
	random := uint64(0)
	o.Gate, o.Discarded = calls.NewGate(), func() {}
	o.Random = func() uint64 { random += 2; return random }
	o.Clock = func() time.Duration { return h.now }
	o.Failed = func(err error) { t.Errorf("writes have ended: %v", err) }
	o.Unread = func(err error) { h.unread = append(h.unread, err) }
	h.Directory = New(o)
	h.must(h.Lock())
	_, err := h.Claim()
	h.must(err)
	h.SetCurrent(func() error { return nil })
	t.Cleanup(func() { h.must(h.Close()) })
	return h
}

func (h *harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// tables makes empty files of the tables with these numbers.
func (h *harness) tables(nums ...filename.Num) {
	h.t.Helper()
	for _, num := range nums {
		f, err := h.disk.Create(filename.Make(filename.Table, num))
		h.must(err)
		h.must(f.Close())
	}
}

// retire makes an empty table and retires it.
func (h *harness) retire(since, num filename.Num) {
	h.t.Helper()
	h.tables(num)
	h.Retire(since, filename.Make(filename.Table, num))
}

func (h *harness) take(hold filename.Num) *lease.Lease {
	h.t.Helper()
	l, err := lease.Take(h.disk, h.opts.Random())
	h.must(err)
	h.must(l.Renew(hold))
	return l
}

// expect removes what may be removed, and fails unless the tables with these numbers are left.
func (h *harness) expect(what string, left ...filename.Num) {
	h.t.Helper()
	if err := h.RemoveObsolete(); err != nil {
		h.t.Errorf("%s: %v", what, err)
	}
	h.expectLeft(what, left...)
	if held := h.Held(); held != (len(left) > 0) || h.Obsolete() != len(left) {
		h.t.Errorf("%s: held %v, %d of them", what, held, h.Obsolete())
	}
}

func (h *harness) expectLeft(what string, left ...filename.Num) {
	h.t.Helper()
	names, err := h.disk.List()
	h.must(err)
	var tables []filename.Num
	for _, name := range names {
		if kind, num := filename.Parse(name); kind == filename.Table {
			tables = append(tables, num)
		}
	}
	if slices.Sort(tables); !slices.Equal(tables, left) {
		h.t.Errorf("%s: tables %d are left, not %d", what, tables, left)
	}
}

// A follower would lose a table of the version that it shows.
func TestRemoveObsolete_leavesWhatFollowersHold(t *testing.T) {
	h := newHarness(t, Options{Followers: true})
	h.retire(4, 1)
	h.expect("nobody follows")
	a, b := h.take(0), h.take(6)
	h.retire(4, 1)
	h.retire(6, 2)
	h.retire(7, 3)
	h.expect("a hold of everything", 1, 2, 3)
	h.must(a.Renew(4))
	h.expect("4 and 6", 2, 3)
	h.must(a.Renew(6))
	h.expect("6 and 6", 3)
	h.must(b.Renew(9))
	h.expect("6 and 9", 3)
	h.must(a.Release())
	h.expect("9")
	h.retire(10, 4)
	h.expect("9, and what 9 names", 4)
	h.must(b.Release())
	h.expect("nobody follows any more")
}

// What no version has ever named is nobody's.
func TestDiscard_isNeverHeld(t *testing.T) {
	h := newHarness(t, Options{Followers: true})
	h.take(0)
	h.tables(1, 2)
	h.Discard("000001.tbl", "000002.tbl", "000003.tbl")
	h.expect("discarded")
	h.tables(1)
	h.retire(5, 2)
	h.Discard("000001.tbl")
	h.disk.SetRules(errfs.On(errfs.Open).Named("FOLLOWER-*").Fail(syscall.EIO))
	if err := h.RemoveObsolete(); !errors.Is(err, syscall.EIO) {
		t.Errorf("leases that cannot be read: %v", err)
	}
	h.expectLeft("discarded, though the leases cannot be read", 2)
}

// A follower that was killed would keep files for ever.
func TestRemoveObsolete_aLeaseEnds(t *testing.T) {
	h := newHarness(t, Options{Followers: true})
	l := h.take(3)
	h.retire(4, 1)
	h.expect("taken", 1)
	h.now += lease.Term
	h.expect("after the term", 1)
	h.must(l.Renew(3))
	h.expect("renewed", 1)
	h.now += lease.Term + 1
	h.expect("ended")
	h.retire(4, 2)
	h.must(l.Renew(3))
	h.expect("taken anew", 2)
}

// A follower that lives may hold what nobody has space for any more.
func TestRemoveObsolete_holdsNothingForLongerThanMaxHold(t *testing.T) {
	h := newHarness(t, Options{Followers: true, MaxHold: time.Minute})
	l := h.take(3)
	beat := func(d time.Duration) {
		for end := h.now + d; h.now < end; {
			h.now += min(end-h.now, lease.Term/2)
			h.must(l.Renew(3))
			h.must(h.RemoveObsolete())
		}
	}
	h.retire(4, 1)
	beat(30 * time.Second)
	h.retire(5, 2)
	beat(30 * time.Second)
	h.expect("within a minute", 1, 2)
	beat(1)
	h.expect("after a minute of the first", 2)
	beat(30 * time.Second)
	h.expect("of both")
	if h.MayReuse(4) {
		t.Error("a segment that is held may be used again")
	}
}

// An error of the device says nothing about followers.
func TestRemoveObsolete_removesNothingWhenItCannotLook(t *testing.T) {
	for _, kind := range []errfs.Kind{errfs.List, errfs.Open, errfs.Read, errfs.Close} {
		h := newHarness(t, Options{Followers: true})
		h.take(9)
		h.retire(4, 1)
		name := "FOLLOWER-*"
		if kind == errfs.List {
			name = ""
		}
		h.disk.SetRules(errfs.On(kind).Named(name).Fail(syscall.EIO))
		if err := h.RemoveObsolete(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%v: %v", kind, err)
		}
		if h.MayReuse(4) || !h.HasFollowers() {
			t.Errorf("%v: a segment may be used again, or nobody follows", kind)
		}
		h.disk.SetRules()
		h.expectLeft(fmt.Sprint(kind), 1)
		h.expect(fmt.Sprint(kind, " afterwards"))
	}
}

// A file whose removal fails would stay on the disk for ever.
func TestRemoveObsolete_triesAgain(t *testing.T) {
	h := newHarness(t, Options{Followers: true})
	h.take(4)
	h.retire(4, 1)
	h.retire(5, 2)
	h.disk.SetRules(errfs.On(errfs.Remove).Fail(syscall.EIO).Times(1))
	if err := h.RemoveObsolete(); !errors.Is(err, syscall.EIO) || h.Obsolete() != 2 || !h.Held() {
		t.Errorf("%v, %d files left", err, h.Obsolete())
	}
	h.expect("again", 2)
}

// A segment would be overwritten while a follower reads it, or never be used again.
func TestMayReuse_asksTheLeases(t *testing.T) {
	h := newHarness(t, Options{Followers: true})
	check := func(what string, since filename.Num, may, followed bool) {
		t.Helper()
		if h.MayReuse(since) != may || h.HasFollowers() != followed {
			t.Errorf("%s: may reuse %v, followers %v", what, !may, h.HasFollowers())
		}
	}
	check("nobody", 5, true, false)
	l := h.take(4)
	check("held", 5, false, true)
	check("raised", 4, true, true)
	check("never named", 0, true, true)
	h.now += lease.Term + 1
	check("ended", 5, true, false)
	h.must(l.Renew(0))
	check("taken anew", 1, false, true)
}

// A database that is only read leaves removing to its writer, and one without followers takes no notice of leases.
func TestRetire_whoDoesIt(t *testing.T) {
	disk := errfs.New(memfs.NewVolatile())
	writer := newHarness(t, Options{FS: disk})
	h := &harness{t: t, disk: disk} // without the lock, as a follower
	h.Directory = New(Options{FS: disk, ReadOnly: true, Gate: calls.NewGate(), Clock: writer.opts.Clock})
	h.retire(1, 1)
	h.Discard("000001.tbl")
	h.expectLeft("read-only", 1)
	if err := h.RemoveObsolete(); err != nil || h.Obsolete() != 0 || h.Held() || h.HasFollowers() {
		t.Errorf("read-only: %v, %d files to remove", err, h.Obsolete())
	}
	h.expectLeft("read-only", 1)
	writer.disk = disk
	writer.take(0)
	writer.Retire(1, "000001.tbl")
	writer.expect("without followers")
	if !writer.MayReuse(1) || writer.HasFollowers() {
		t.Error("without followers there are some")
	}
}

// lagging is a directory in which processes do not see at once what others write.
type lagging struct{ vfs.FS }

func (lagging) ReadsLag() bool { return true }

// A writer must not tell what nobody can rely on, and must go on if it cannot tell.
func TestPublish_tellsOnlyWhoMayFollow(t *testing.T) {
	db, place := [16]byte{1}, status.Manifest{Num: 3, Length: 99}
	read := func(h *harness) error { _, err := status.Read(h.opts.FS); return err }

	h := newHarness(t, Options{Followers: true})
	h.Publish(db, place, 12)
	want := status.State{DB: db, Manifest: place, Visible: 12, Durable: 12}
	if s, err := status.Read(h.disk); err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
	h.disk.SetRules(errfs.On(errfs.Write).Fail(syscall.ENOSPC))
	h.Page().SetVisible(13)
	h.Page().SetVisible(14)
	if err := read(h); !errors.Is(err, status.ErrNone) || len(h.unread) != 1 {
		t.Errorf("a page that failed: %v, warned of %v", err, h.unread)
	}
	h.disk.SetRules()

	h = newHarness(t, Options{Followers: true})
	h.disk.SetRules(errfs.On(errfs.Create).Fail(syscall.EACCES))
	h.Publish(db, place, 12)
	if err := read(h); !errors.Is(err, status.ErrNone) || len(h.unread) != 1 {
		t.Errorf("a page that cannot be made: %v, warned of %v", err, h.unread)
	}
	h.disk.SetRules()

	for name, o := range map[string]Options{
		"without followers": {},
		"reads lag":         {Followers: true, FS: lagging{memfs.NewVolatile()}},
	} {
		h := newHarness(t, o)
		h.Publish(db, place, 12)
		h.Page().SetVisible(13)
		if err := read(h); !errors.Is(err, status.ErrNone) || h.Page() != nil || len(h.unread) > 0 {
			t.Errorf("%s: %v, warned of %v", name, err, h.unread)
		}
	}
}
