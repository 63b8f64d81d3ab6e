package lease

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// watch is the holders of files in a directory, at a time that the test decides.
type watch struct {
	*Holders
	t   *testing.T
	fs  *errfs.FS
	now time.Duration
}

func newWatch(t *testing.T) *watch {
	w := &watch{t: t, fs: errfs.New(memfs.NewVolatile())}
	w.Holders = Watch(w.fs, func() time.Duration { return w.now })
	return w
}

// expect fails unless the lowest hold is want.
func (w *watch) expect(what string, want filename.Num) {
	w.t.Helper()
	if lowest, err := w.Lowest(); err != nil || lowest != want {
		w.t.Errorf("%s: the lowest hold is %d, not %d: %v", what, lowest, want, err)
	}
}

func (w *watch) take(random uint64) *Lease {
	w.t.Helper()
	l, err := Take(w.fs, random)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *watch) renew(l *Lease, hold filename.Num) {
	w.t.Helper()
	if err := l.Renew(hold); err != nil {
		w.t.Fatal(err)
	}
}

// put makes the text of lease num what is given.
func (w *watch) put(num filename.Num, text string) {
	w.t.Helper()
	name := filename.Make(filename.Lease, num)
	if err := w.fs.Remove(name); err != nil && !vfs.IsNotExist(err) {
		w.t.Fatal(err)
	}
	f, err := w.fs.Create(name)
	if err == nil {
		_, err = f.WriteAt([]byte(text), 0)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watch) names() []string {
	w.t.Helper()
	names, err := w.fs.List()
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

// A writer that took a hold for more than it is would remove what a follower reads.
func TestLowest_isThatOfAllLeases(t *testing.T) {
	w := newWatch(t)
	w.expect("nobody", All)
	a := w.take(2)
	w.expect("a new lease", 0)
	w.renew(a, 17)
	w.expect("raised", 17)
	b := w.take(4)
	w.expect("another new one", 0)
	w.renew(b, 12)
	w.expect("two", 12)
	w.renew(b, 20)
	w.expect("two", 17)
	w.renew(a, All-1)
	w.expect("two", 20)
	if err := b.Release(); err != nil {
		t.Error(err)
	}
	w.expect("one has ended", All-1)
	if err := errors.Join(a.Release(), a.Release()); err != nil {
		t.Error(err)
	}
	w.expect("both have ended", All)
	if names := w.names(); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

// A lease that ended while its follower is alive would take its files away; one that never ended would keep them for a
// follower that was killed.
func TestLowest_aLeaseLivesWhileItsTextChanges(t *testing.T) {
	w := newWatch(t)
	l := w.take(2)
	w.expect("taken", 0)
	for range 5 { // the same hold each time: the beat changes
		w.now += Term
		w.expect("after the whole term", 0)
		w.renew(l, 0)
		w.expect("renewed", 0)
	}
	for range 10 {
		w.now += Term / 10
		w.expect("within the term", 0)
	}
	w.now++
	w.expect("after the term", All)
	if names := w.names(); len(names) > 0 {
		t.Errorf("a lease that has ended is not removed: %q", names)
	}
	w.renew(l, 5)
	w.expect("taken anew", 5)
	w.now += Term
	w.expect("within its term", 5)
	w.now++
	w.expect("after that", All)
}

// The term begins when the writer first sees a text, however long it did not look.
func TestLowest_countsFromItsOwnSight(t *testing.T) {
	w := newWatch(t)
	w.now = 1000 * Term
	l := w.take(2)
	w.now += 5 * Term
	w.expect("first seen", 0)
	w.now += 5 * Term
	w.renew(l, 3)
	w.expect("not looked at for long", 3)
	w.now += Term
	w.expect("within the term", 3)
	other := Watch(w.fs, func() time.Duration { return 0 }) // another writer, whose clock begins
	if lowest, err := other.Lowest(); lowest != 3 || err != nil {
		t.Errorf("another writer: %d, %v", lowest, err)
	}
}

// What cannot be read may be a lease that is just being written; it must hold everything, and end all the same.
func TestLowest_whatIsNoLeaseHoldsEverythingForATerm(t *testing.T) {
	whole := string(encode(os.Getpid(), 7, 99, "program"))
	if got := decode([]byte(whole)); got != 99 {
		t.Fatalf("the hold of %q is %d", whole, got)
	}
	texts := []string{"", whole + "\n", whole + whole, strings.Repeat("x", leaseBytes), strings.Repeat(" ", 5000)}
	for n := range len(whole) {
		texts = append(texts, whole[:n], whole[:n]+"~"+whole[n+1:])
	}
	for _, front := range []string{"", "1", "1 2", "1 2 x", "x 2 3", "1 2 -3", "-1 2 3", "1 -2 3",
		"1 2 18446744073709551616", "1 18446744073709551616 2", "1 2 " + strings.Repeat("9", 80), "1 2 0x", "1 2 _3", "1 2 3",
		"1 2 3x \"program\"", "1 2 3 "} {
		texts = append(texts, sealed(front))
	}
	for _, text := range texts {
		w := newWatch(t)
		w.put(9, text)
		w.expect(fmt.Sprintf("%q", text), 0)
		w.now += Term
		w.expect(fmt.Sprintf("%q after its term", text), 0)
		w.now++
		w.expect(fmt.Sprintf("%q has ended", text), All)
		if names := w.names(); len(names) > 0 {
			t.Errorf("left: %q", names)
		}
	}
}

// sealed is front as a lease with a right checksum.
func sealed(front string) string {
	front = fmt.Sprintf("%-*s", frontBytes, front)[:frontBytes]
	return fmt.Sprintf("%s%08x\n", front, crc32.ChecksumIEEE([]byte(front)))
}

// A follower writes over the lease of before: whatever part of that has arrived, nothing is held less than one of the
// two says.
func TestLowest_meetsAnyPartOfARenewal(t *testing.T) {
	before, after := encode(8, 9, 40, "program"), encode(8, 10, 500, "program")
	for n := range leaseBytes + 1 {
		torn := slices.Concat(after[:n], before[n:])
		if hold := decode(torn); hold != 0 && hold != 40 && (hold != 500 || !bytes.Equal(torn, after)) {
			t.Errorf("after %d bytes the hold is %d", n, hold)
		}
	}
}

// An error of the device says nothing about followers: whatever they need must stay.
func TestLowest_afterAnErrorEverythingIsHeld(t *testing.T) {
	for _, kind := range []errfs.Kind{errfs.List, errfs.Open, errfs.Read, errfs.Close} {
		w := newWatch(t)
		w.renew(w.take(2), 17)
		w.expect("before", 17)
		w.now += Term / 2
		w.fs.SetRules(errfs.On(kind).Fail(syscall.EIO))
		if lowest, err := w.Lowest(); lowest != 0 || !errors.Is(err, syscall.EIO) {
			t.Errorf("%v: %d, %v", kind, lowest, err)
		}
		w.fs.SetRules()
		w.expect("afterwards", 17)
		w.now += Term
		w.expect("the term goes on", All)
	}
	w := newWatch(t)
	w.renew(w.take(2), 17)
	w.expect("before", 17)
	w.now += 2 * Term
	w.fs.SetRules(errfs.On(errfs.Remove).Fail(syscall.EACCES).Times(1))
	w.expect("not removed", All)
	if len(w.names()) == 0 {
		t.Error("the removal did not fail")
	}
	w.expect("removed at last", All)
	if names := w.names(); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

// A lease that nobody can read, of another user perhaps, would hold everything for ever.
func TestLowest_whatCannotBeReadEnds(t *testing.T) {
	w := newWatch(t)
	w.take(2)
	w.fs.SetRules(errfs.On(errfs.Open).Fail(syscall.EACCES))
	if lowest, err := w.Lowest(); lowest != 0 || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("at first: %d, %v", lowest, err)
	}
	w.now += Term + 1
	w.expect("after its term", All)
}

// A lease that another writer, or its follower, removes during the look holds nothing.
func TestLowest_aLeaseMayGoMeanwhile(t *testing.T) {
	w := newWatch(t)
	l := w.take(2)
	w.renew(w.take(4), 30)
	w.fs.SetRules(errfs.On(errfs.List).Times(1).Call(func(errfs.Op) {}),
		errfs.On(errfs.Open).Named(l.name).Call(func(errfs.Op) {
			w.fs.SetRules()
			if err := l.Release(); err != nil {
				t.Error(err)
			}
		}))
	w.expect("it went", 30)
}

// A follower must know that it holds nothing.
func TestRenew_returnsErrors(t *testing.T) {
	for _, kind := range []errfs.Kind{errfs.Open, errfs.Write, errfs.Close} {
		w := newWatch(t)
		l := w.take(2)
		w.fs.SetRules(errfs.On(kind).Fail(syscall.EIO))
		if err := l.Renew(4); !errors.Is(err, syscall.EIO) {
			t.Errorf("%v: %v", kind, err)
		}
	}
	w := newWatch(t)
	w.fs.SetRules(errfs.On(errfs.Create).Fail(syscall.EACCES))
	if _, err := Take(w.fs, 2); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("take: %v", err)
	}
	l := newWatch(t).take(2)
	l.fs = errfs.New(memfs.NewVolatile(), errfs.On(errfs.Remove).Fail(syscall.EIO))
	if err := l.Release(); !errors.Is(err, syscall.EIO) {
		t.Errorf("release: %v", err)
	}
}

// Files of other kinds are no leases, and are left alone.
func TestLowest_looksAtLeasesOnly(t *testing.T) {
	w := newWatch(t)
	others := []string{"FOLLOWER-", "FOLLOWER-7", "FOLLOWER-0000007", "follower-000007", "STATUS", "000007.wal"}
	for _, name := range others {
		f, err := w.fs.Create(name)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	w.expect("no leases", All)
	w.now += 2 * Term
	w.expect("no leases", All)
	if names := w.names(); len(names) != len(others) {
		t.Errorf("left: %q", names)
	}
}

// A text that is longer than a lease is none, and one that is shorter leaves an end of what was there before.
func TestEncode_hasOneLength(t *testing.T) {
	for _, name := range []string{"_", strings.Repeat("n", 19)} { // as long as a program's name may be in owner.Program
		for _, number := range []uint64{0, 1, math.MaxUint64} {
			text := encode(math.MaxInt32, number, filename.Num(number), name)
			if len(text) != leaseBytes || bytes.Count(text, []byte("\n")) != 1 {
				t.Errorf("%d bytes: %q", len(text), text)
			}
			if hold := decode(text); hold != filename.Num(number) {
				t.Errorf("the hold of %q is %d", text, hold)
			}
		}
	}
}

// numbers finds the hold of a lease, which is its third number.
var numbers = regexp.MustCompile(`^\D*[0-9]+\D+[0-9]+\D+([0-9]+)\D`)

// FuzzDecode gives any bytes as a lease, and as the front of one with a right checksum.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("1 2 3 \"program\""))
	f.Add([]byte("1 2 -3"))
	f.Add([]byte("1 2 99999999999999999999"))
	f.Add(encode(1, 2, 3, "program"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range []string{string(data), sealed(string(data))} {
			hold := decode([]byte(text))
			if hold == 0 {
				continue
			}
			said := numbers.FindStringSubmatch(text)
			if said == nil || strings.TrimLeft(said[1], "0") != fmt.Sprint(hold) || len(text) != leaseBytes {
				t.Fatalf("the hold of %q is %d", text, hold)
			}
		}
	})
}

// An empty lease, left on a full disk, would hold everything, and with that the disk would stay full.
func TestTake_leavesNothingOnAFullDisk(t *testing.T) {
	w := newWatch(t)
	w.fs.SetRules(errfs.On(errfs.Write).Fail(syscall.ENOSPC))
	if _, err := Take(w.fs, 2); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Take: %v", err)
	}
	if names := w.names(); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}
