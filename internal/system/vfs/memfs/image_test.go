package memfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"lightningdb/internal/system/vfs"

	"github.com/google/go-cmp/cmp"
)

// writeFile creates name with data, or overwrites its beginning, and leaves everything unsynced.
func writeFile(t *testing.T, d *FS, name, data string) vfs.File {
	t.Helper()
	f, err := d.OpenReadWrite(name)
	if vfs.IsNotExist(err) {
		f, err = d.Create(name)
	}
	check(t, err)
	_, err = f.WriteAt([]byte(data), 0)
	check(t, err)
	return f
}

// durableFile is writeFile with everything synced.
func durableFile(t *testing.T, d *FS, name, data string) vfs.File {
	t.Helper()
	f := writeFile(t, d, name, data)
	check(t, f.Sync())
	check(t, d.SyncDir())
	return f
}

// sectors is one letter per sector of 512 equal bytes.
func sectors(letters string) string {
	var s strings.Builder
	for _, l := range letters {
		s.WriteString(strings.Repeat(string(l), sectorSize))
	}
	return s.String()
}

// show is the inverse of sectors: "." for zeros, "?" for anything mixed; an unfinished last sector counts.
func show(content []byte) string {
	var s strings.Builder
	for len(content) > 0 {
		sector := content[:min(sectorSize, len(content))]
		content = content[len(sector):]
		switch {
		case !bytes.Equal(sector, bytes.Repeat(sector[:1], len(sector))):
			s.WriteByte('?')
		case sector[0] == 0:
			s.WriteByte('.')
		default:
			s.WriteByte(sector[0])
		}
	}
	return s.String()
}

func showAll(t *testing.T, d *FS) string {
	t.Helper()
	var parts []string
	all := readAll(t, d)
	names, err := d.List()
	check(t, err)
	for _, name := range names {
		parts = append(parts, name+"="+show(all[name]))
	}
	return strings.Join(parts, " ")
}

// scenario has a durable file "old" of two sectors "aa", of which the second is overwritten with "b" and to which
// "c" is appended; a synced file "new" without a durable name; and "tmp", synced, renamed over "ptr".
func scenario(t *testing.T) *FS {
	d := New()
	durableFile(t, d, "gone", sectors("g"))
	durableFile(t, d, "ptr", sectors("p"))
	durableFile(t, d, "tmp", sectors("q"))
	old := durableFile(t, d, "old", sectors("aa"))
	_, err := old.WriteAt([]byte(sectors("bc")), sectorSize) // change 0
	check(t, err)
	check(t, writeFile(t, d, "new", sectors("n")).Sync()) // change 1, the name
	check(t, d.Rename("tmp", "ptr"))                      // change 2
	check(t, d.Remove("gone"))                            // change 3
	return d
}

// A policy that gave other states than its name says would leave crash states untested that everybody counts as
// tested.
func TestImage_policies(t *testing.T) {
	d := scenario(t)
	if got := d.Unsynced(); got != 4 {
		t.Fatalf("Unsynced = %d, want 4", got)
	}
	if got := d.UnsyncedSectors(); got != 2 {
		t.Fatalf("UnsyncedSectors = %d, want 2", got)
	}
	for _, test := range []struct {
		policy Policy
		seed   uint64
		want   string
	}{
		{None, 0, "gone=g old=aa ptr=p tmp=q"},
		{All, 0, "new=n old=abc ptr=q"},
		{Prefix, 0, "gone=g old=aa ptr=p tmp=q"},
		{Prefix, 1, "gone=g old=abc ptr=p tmp=q"},
		{Prefix, 2, "gone=g new=n old=abc ptr=p tmp=q"},
		{Prefix, 3, "gone=g new=n old=abc ptr=q"},
		{Prefix, 4, "new=n old=abc ptr=q"},
		{Prefix, 5, "gone=g old=aa ptr=p tmp=q"},
		{AllButOne, 0, "new=n old=aa ptr=q"},
		{AllButOne, 1, "old=abc ptr=q"},
		{AllButOne, 2, "new=n old=abc ptr=p tmp=q"},
		{AllButOne, 3, "gone=g new=n old=abc ptr=q"},
		{OnlyOne, 0, "gone=g old=abc ptr=p tmp=q"},
		{OnlyOne, 1, "gone=g new=n old=aa ptr=p tmp=q"},
		{OnlyOne, 2, "gone=g old=aa ptr=q"},
		{OnlyOne, 3, "old=aa ptr=p tmp=q"},
		{AllButOneSector, 0, "new=n old=aac ptr=q"},
		{AllButOneSector, 1, "new=n old=ab. ptr=q"},
		{MetadataFirst, 0, "new=n old=aa. ptr=q"},
		{MetadataFirst, 1, "new=n old=aa? ptr=q"},
		{DataFirst, 0, "gone=g old=abc ptr=p tmp=q"},
		{DataFirst, 1, "gone=g old=ab ptr=p tmp=q"},
		{RemovalsFirst, 0, "old=abc ptr=p tmp=q"},
	} {
		t.Run(fmt.Sprintf("%v %d", test.policy, test.seed), func(t *testing.T) {
			if got := showAll(t, d.Image(test.policy, test.seed)); got != test.want {
				t.Errorf("image is %s, want %s", got, test.want)
			}
		})
	}
	if got := showAll(t, d); got != "new=n old=abc ptr=q" {
		t.Errorf("after the images the directory is %s", got)
	}
}

// What no seed ever shows is not tested.
func TestImage_randomShowsEveryKindOfState(t *testing.T) {
	d := scenario(t)
	seen := make(map[string]bool)
	for seed := range uint64(3000) {
		all := readAll(t, d.Image(Random, seed))
		old := show(all["old"])
		seen["name of a new file lost"] = seen["name of a new file lost"] || all["new"] == nil
		seen["name of a new file kept"] = seen["name of a new file kept"] || show(all["new"]) == "n"
		seen["removed file is back"] = seen["removed file is back"] || all["gone"] != nil
		seen["both names"] = seen["both names"] || show(all["ptr"]) == "q" && show(all["tmp"]) == "q"
		seen["rename lost"] = seen["rename lost"] || show(all["ptr"]) == "p" && show(all["tmp"]) == "q"
		seen["rename without its creation"] = seen["rename without its creation"] || all["tmp"] == nil
		seen[old] = true
		if all["ptr"] == nil {
			t.Fatalf("seed %d: a name vanished because something was renamed over it", seed)
		}
	}
	for _, want := range []string{"name of a new file lost", "name of a new file kept", "removed file is back",
		"both names", "rename lost", "rename without its creation",
		"aa", "ab", "aa.", "aac", "ab.", "abc", "aa?", "ab?", "a..", "a.c", "a."} {
		if !seen[want] {
			t.Errorf("no seed shows %q", want)
		}
	}
}

// Stale bytes that pass for new ones have brought deleted data back in other databases.
func TestImage_garbageCanBeAnOldFile(t *testing.T) {
	d := New()
	durableFile(t, d, "old", sectors("ooo"))
	check(t, d.Remove("old"))
	writeFile(t, d, "new", sectors("nnn"))
	check(t, d.SyncDir())
	for seed := range uint64(100) {
		if strings.Contains(show(readAll(t, d.Image(Random, seed))["new"]), "o") {
			return
		}
	}
	t.Error("no seed shows bytes of the removed file")
}

// A write into a sector must not cost what was synced there before: every log depends on it.
func TestImage_keepsSyncedBytesOfASector(t *testing.T) {
	d := New()
	f := durableFile(t, d, "log", "synced")
	_, err := f.WriteAt([]byte("pending"), 6)
	check(t, err)
	got := make(map[string]bool)
	for _, policy := range Policies {
		for seed := range uint64(200) {
			got[string(readAll(t, d.Image(policy, seed))["log"])] = true
		}
	}
	want := map[string]bool{"synced": true, "syncedpending": true, "synced\x00\x00\x00\x00\x00\x00\x00": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images of the log (-want +got):\n%s", diff)
	}
	check(t, f.Sync())
	check(t, f.Allocate(2000))
	for seed := range uint64(200) {
		if got := string(readAll(t, d.Image(Random, seed))["log"]); !strings.HasPrefix(got, "syncedpending") {
			t.Fatalf("seed %d: after an allocation the log begins %q", seed, got[:13])
		}
	}
}

// Overwritten twice, a sector may hold the first version, the second or none: each is a different bug.
func TestImage_showsEveryVersionOfASector(t *testing.T) {
	d := New()
	f := durableFile(t, d, "f", sectors("a"))
	for _, v := range []string{"b", "c"} {
		_, err := f.WriteAt([]byte(sectors(v)), 0)
		check(t, err)
	}
	got := make(map[string]bool)
	for seed := range uint64(500) {
		got[show(readAll(t, d.Image(Random, seed))["f"])] = true
	}
	if diff := cmp.Diff(map[string]bool{"a": true, "b": true, "c": true, ".": true}, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// Two files of one name must not be mistaken for each other.
func TestImage_createRemoveCreate(t *testing.T) {
	d := New()
	check(t, writeFile(t, d, "f", sectors("1")).Sync()) // change 0
	check(t, d.Remove("f"))                             // change 1
	check(t, writeFile(t, d, "f", sectors("2")).Sync()) // change 2
	for seed, want := range []string{"f=1", "", "f=2"} {
		if got := showAll(t, d.Image(OnlyOne, uint64(seed))); got != want {
			t.Errorf("only change %d: %q, want %q", seed, got, want)
		}
	}
}

// With the wrong call failing, a sweep over all crash points would skip some.
func TestCrashAt_stopsEverything(t *testing.T) {
	for n, want := range []string{"", "f=", "f=.", "f=.b", "f=.b", "f=.b", "g=.b", ""} {
		d := New()
		d.CrashAt(n)
		err := runAll(d)
		if !errors.Is(err, ErrCrashed) || !d.Crashed() || d.Ops() != n {
			t.Fatalf("crash at %d: error %v, crashed %v, Ops %d", n, err, d.Crashed(), d.Ops())
		}
		if _, err := d.List(); !errors.Is(err, ErrCrashed) {
			t.Errorf("List after the crash at %d: %v", n, err)
		}
		if got := showAll(t, d.Kill()); got != want {
			t.Errorf("after the crash at %d, the next process sees %q, want %q", n, got, want)
		}
	}
	d := New()
	d.CrashAt(8)
	if err := runAll(d); err != nil || d.Ops() != 8 {
		t.Errorf("without a crash: %v, Ops %d, want 8", err, d.Ops())
	}
}

// runAll makes one change of every kind.
func runAll(d *FS) error {
	f, err := d.Create("f") // 0
	if err != nil {
		return err
	}
	write := func() error { _, err := f.WriteAt([]byte(sectors("b")), sectorSize); return err }
	for _, change := range []func() error{
		func() error { return f.Allocate(sectorSize) }, // 1
		write,     // 2
		f.Sync,    // 3
		d.SyncDir, // 4
		func() error { return d.Rename("f", "g") },           // 5
		func() error { return d.Remove("g") },                // 6
		func() error { _, err := d.Create("h"); return err }, // 7
	} {
		if err := change(); err != nil {
			return err
		}
	}
	return nil
}

// A write in flight when the power goes may arrive although nobody was told.
func TestCrashDuring_leavesTheChangeInFlight(t *testing.T) {
	for n, test := range []struct{ none, all string }{
		{"", "f="}, {"", "f=."}, {"", "f=.b"}, {"", "f=.b"}, {"", "f=.b"}, {"f=.b", "g=.b"}, {"f=.b", ""},
		{"f=.b", "h="},
	} {
		d := New()
		d.CrashDuring(n)
		if err := runAll(d); !errors.Is(err, ErrCrashed) {
			t.Fatalf("crash during %d: %v", n, err)
		}
		if got := showAll(t, d.Image(None, 0)); got != test.none {
			t.Errorf("crash during %d, only what was synced: %q, want %q", n, got, test.none)
		}
		if got := showAll(t, d.Image(All, 0)); got != test.all {
			t.Errorf("crash during %d, everything: %q, want %q", n, got, test.all)
		}
	}
}

// Every kind of call must die with the process, or a test would see a dead engine work.
func TestCrash_endsEveryCall(t *testing.T) {
	d := New()
	f := durableFile(t, d, "f", "x")
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	d.Crash()
	_, create := d.Create("g")
	_, open := d.Open("f")
	_, lock := d.Lock("LOCK", vfs.Shared)
	_, free := d.FreeBytes()
	_, read := f.ReadAt(make([]byte, 1), 0)
	_, write := f.WriteAt([]byte("y"), 0)
	_, size := f.Size()
	for call, err := range map[string]error{"Create": create, "Open": open, "Lock": lock, "FreeBytes": free,
		"ReadAt": read, "WriteAt": write, "Size": size, "Sync": f.Sync(), "Allocate": f.Allocate(5),
		"Remove": d.Remove("f"), "Rename": d.Rename("f", "g"), "SyncDir": d.SyncDir(), "Close": d.Close(),
		"file Close": f.Close()} {
		if !errors.Is(err, ErrCrashed) {
			t.Errorf("%s after a crash = %v", call, err)
		}
	}
	next := d.Kill()
	if _, err := next.Lock("LOCK", vfs.Exclusive); err != nil {
		t.Errorf("the dead process still has the lock: %v", err)
	}
	check(t, l.Close())
}

// A killed process loses nothing, but what it left is no more durable than before.
func TestKill_keepsEverythingPending(t *testing.T) {
	d := scenario(t)
	next := d.Kill()
	if !d.Crashed() {
		t.Error("the killed process lives")
	}
	if next.Ops() != 0 || next.Unsynced() != 4 {
		t.Errorf("the next process has %d changes, %d unsynced, want 0, 4", next.Ops(), next.Unsynced())
	}
	if got, want := showAll(t, next), "new=n old=abc ptr=q"; got != want {
		t.Errorf("the next process sees %s, want %s", got, want)
	}
	if got, want := showAll(t, next.Image(None, 0)), "gone=g old=aa ptr=p tmp=q"; got != want {
		t.Errorf("after a power cut: %s, want %s", got, want)
	}
	if got, want := showAll(t, d.Image(Prefix, 2)), "gone=g new=n old=abc ptr=p tmp=q"; got != want {
		t.Errorf("an image of the killed process: %s, want %s", got, want)
	}
	ordered := New()
	writeFile(t, ordered, "f", "x")
	ordered.Kill()
	if got := showAll(t, ordered.Image(Prefix, 1)); got != "f=" {
		t.Errorf("an image of the killed process with one change: %q, want the name only", got)
	}
	writeFile(t, next, "later", sectors("l"))
	if got, want := showAll(t, next.Image(Prefix, 4)), "new=n old=abc ptr=q"; got != want {
		t.Errorf("what the first process did came not first: %s, want %s", got, want)
	}
	f, err := next.OpenReadWrite("old")
	check(t, err)
	check(t, f.Sync())
	check(t, next.SyncDir())
	if got, want := showAll(t, next.Image(None, 0)), "later= new=n old=abc ptr=q"; got != want {
		t.Errorf("after the next process synced: %s, want %s", got, want)
	}
}

// After a failed sync, Linux says that a second one succeeded, and the data is gone: whoever retries loses.
func TestDropUnsynced_laterSyncDoesNotSave(t *testing.T) {
	d := New()
	f := durableFile(t, d, "f", sectors("aa"))
	_, err := f.WriteAt([]byte(sectors("bb")), sectorSize)
	check(t, err)
	check(t, f.(*file).DropUnsynced())
	if got := showAll(t, d); got != "f=abb" {
		t.Errorf("readers see %s, want what was written", got)
	}
	_, err = f.WriteAt([]byte(sectors("c")), 0)
	check(t, err)
	check(t, f.Sync())
	if got, want := showAll(t, d.Image(None, 0)), "f=ca."; got != want {
		t.Errorf("after a later sync and a power cut: %s, want %s", got, want)
	}
	next := d.Kill()
	f = writeFile(t, next, "f", sectors("d"))
	check(t, f.Sync())
	if got, want := showAll(t, next.Image(None, 0)), "f=da."; got != want {
		t.Errorf("after the next process synced: %s, want %s", got, want)
	}
	_, err = f.WriteAt([]byte(sectors("e")), 2*sectorSize)
	check(t, err)
	check(t, f.Sync())
	if got, want := showAll(t, next.Image(None, 0)), "f=dae"; got != want {
		t.Errorf("after a new write: %s, want %s", got, want)
	}
}

// A full disk that behaves better than a real one would not test the engine's way back.
func TestSetCapacity_cutsWritesShort(t *testing.T) {
	for name, d := range map[string]*FS{"with history": New(), "volatile": NewVolatile()} {
		t.Run(name, func(t *testing.T) {
			d.SetCapacity(1000)
			f := writeFile(t, d, "f", strings.Repeat("x", 900))
			n, err := f.WriteAt([]byte(strings.Repeat("y", 200)), 850)
			if n != 150 || !errors.Is(err, vfs.ErrNoSpace) {
				t.Errorf("a write of 200 with 150 to go = %d, %v", n, err)
			}
			if n, err := f.WriteAt([]byte("z"), 1000); n != 0 || !errors.Is(err, vfs.ErrNoSpace) {
				t.Errorf("a write to the full disk = %d, %v", n, err)
			}
			if err := f.Allocate(1001); !errors.Is(err, vfs.ErrNoSpace) {
				t.Errorf("Allocate on the full disk = %v", err)
			}
			if _, err := f.WriteAt([]byte("over"), 0); err != nil {
				t.Errorf("overwriting on the full disk = %v", err)
			}
			check(t, d.Remove("f"))
			if free, _ := d.FreeBytes(); free != 0 {
				t.Errorf("%d bytes free while the removed file is open", free)
			}
			check(t, f.Close())
			if free, _ := d.FreeBytes(); free != 1000 {
				t.Errorf("%d bytes free after the removal, want 1000", free)
			}
			g := writeFile(t, d, "g", "")
			if err := g.Allocate(2000); !errors.Is(err, vfs.ErrNoSpace) {
				t.Errorf("Allocate of twice the disk = %v", err)
			}
		})
	}
}

// Space is part of the state: a full disk must be as full after the crash.
func TestImage_countsItsSpace(t *testing.T) {
	d := New()
	d.SetCapacity(10_000)
	durableFile(t, d, "a", strings.Repeat("x", 4000))
	writeFile(t, d, "b", strings.Repeat("x", 3000))
	for name, test := range map[string]struct {
		dir  *FS
		want uint64
	}{"synced": {d.Image(None, 0), 6000}, "all": {d.Image(All, 0), 3000}, "killed": {d.Kill(), 3000}} {
		if free, err := test.dir.FreeBytes(); free != test.want || err != nil {
			t.Errorf("%s: %d bytes free, %v, want %d", name, free, err, test.want)
		}
	}
}

// The in-memory database lives here for months: what is overwritten or removed must go.
func TestNewVolatile_keepsNoHistory(t *testing.T) {
	d := NewVolatile()
	f := writeFile(t, d, "f", "")
	data := []byte(strings.Repeat("x", 1<<20))
	for range 64 {
		_, err := f.WriteAt(data, 0)
		check(t, err)
		writeFile(t, d, "g", string(data)).Close()
		check(t, d.Remove("g"))
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 32<<20 {
		t.Errorf("64 MiB written over 1 MiB, and 64 files removed, leave %d MiB", m.HeapAlloc>>20)
	}
	if d.Unsynced() != 0 {
		t.Errorf("Unsynced = %d", d.Unsynced())
	}
	if got := showAll(t, d.Image(All, 0)); got != "" {
		t.Errorf("memory after a power cut: %s", got)
	}
	check(t, f.Sync())
	check(t, f.(*file).DropUnsynced())
	check(t, d.Close())
	next := d.Kill()
	if size := len(readAll(t, next)["f"]); size != 1<<20 {
		t.Errorf("reopened, f has %d bytes", size)
	}
	if _, err := d.List(); err == nil || errors.Is(err, fs.ErrClosed) {
		t.Errorf("the directory that was reopened elsewhere = %v, want ErrCrashed", err)
	}
}

// Names in test output must lead back to the policy.
func TestPolicy_String(t *testing.T) {
	for _, p := range Policies {
		if p.String() == "" || strings.HasPrefix(p.String(), "policy(") {
			t.Errorf("policy %d has no name", p)
		}
	}
	if Policy(99).String() != "policy(99)" {
		t.Errorf("unknown policy is %q", Policy(99))
	}
}

// Crash sweeps make an image at every change with every policy: thousands a second, or nobody runs them.
func BenchmarkImage(b *testing.B) {
	d := New()
	for i := range 8 {
		f, err := d.Create(fmt.Sprint(i))
		check(b, err)
		for at := range int64(10) {
			_, err := f.WriteAt(make([]byte, 4000), at*4000)
			check(b, err)
			if at == 7 {
				check(b, f.Sync())
			}
		}
	}
	for _, policy := range Policies {
		b.Run(policy.String(), func(b *testing.B) {
			b.ReportAllocs()
			for seed := uint64(0); b.Loop(); seed++ {
				d.Image(policy, seed)
			}
		})
	}
}

// The in-memory database is no faster than this.
func BenchmarkVolatileAppend(b *testing.B) {
	d := NewVolatile()
	f, err := d.Create("f")
	check(b, err)
	record := make([]byte, 129)
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	var off int64
	for b.Loop() {
		_, err := f.WriteAt(record, off%(64<<20))
		check(b, err)
		off += int64(len(record))
	}
}
