package status

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

var testDB = [16]byte{0xd8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// mustCreate makes a page that must never fail.
func mustCreate(t testing.TB, fs vfs.FS, random uint64, m Manifest, visible key.SeqNum) *Page {
	t.Helper()
	p := Create(fs, random, testDB, m, visible, func(err error) { t.Errorf("the page failed: %v", err) })
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func mustRead(t testing.TB, fs vfs.FS) State {
	t.Helper()
	s, err := Read(fs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A follower must see exactly what the writer has set last.
func TestRead_returnsWhatWasSet(t *testing.T) {
	dir := memfs.NewVolatile()
	p := mustCreate(t, dir, 7, Manifest{3, 200}, 40)
	want := State{testDB, Manifest{3, 200}, 40, 40, 0}
	check := func() {
		t.Helper()
		if got := mustRead(t, dir); got != want {
			t.Errorf("the page says %+v, not %+v", got, want)
		}
	}
	check()
	p.SetVisible(key.MaxSeqNum)
	want.Visible = key.MaxSeqNum
	check()
	p.SetDurable(41)
	want.Durable = 41
	check()
	for _, now := range []key.Time{1, 1<<63 - 1} {
		p.SetTime(now)
		want.Time = now
		check()
	}
	p.SetManifest(Manifest{1<<63 - 1, 1<<40 + 5})
	want.Manifest = Manifest{1<<63 - 1, 1<<40 + 5}
	check()
	if names, err := dir.List(); err != nil || !slices.Equal(names, []string{"STATUS"}) {
		t.Errorf("the directory holds %q, %v", names, err)
	}
	var none *Page
	none.SetVisible(1)
	none.SetDurable(1)
	none.SetTime(1)
	none.SetManifest(Manifest{1, 1})
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

// moment is the page while a store is in progress, of which some first bytes have arrived.
type moment struct {
	page          [usedBytes]byte
	before, after State // what it said before the store and will say after it
	between       bool  // no word of 8 bytes has arrived in part
}

// moments is a page through a few changes, byte by byte.
func moments(t *testing.T) (all []moment) {
	dir := memfs.NewVolatile()
	p := mustCreate(t, dir, 7, Manifest{3, 0xff}, 0xff)
	page := func() (b [usedBytes]byte) { copy(b[:], recordtest.Contents(t, dir)["STATUS"]); return b }
	before, state := page(), mustRead(t, dir)
	for _, change := range []func(){
		func() { p.SetVisible(0x100) },
		func() { p.SetManifest(Manifest{3, 0x100}) },
		func() { p.SetDurable(0xfe) },
		func() { p.SetVisible(0xffff_ffff) },
		func() { p.SetManifest(Manifest{0x103, 0xff}) },
		func() { p.SetVisible(0x1_0000_0000) },
		func() { p.SetManifest(Manifest{0x100, 3}) },
		func() { p.SetVisible(0xff) },
	} {
		change()
		after, next := page(), mustRead(t, dir)
		m := moment{page: before, before: state, after: next}
		for at := range after {
			if m.page[at] != after[at] {
				word := at &^ 7
				m.between = bytes.Equal(m.page[word:at], before[word:at])
				all = append(all, m)
				m.page[at] = after[at]
			}
		}
		m.between = true
		all = append(all, m)
		before, state = after, next
	}
	return all
}

// says reports whether some moment from a to b says what is compared by is.
func says(all []moment, a, b int, is func(State) bool) bool {
	return slices.ContainsFunc(all[a:b+1], func(m moment) bool { return is(m.before) || is(m.after) })
}

// A reader that meets a store half way, or is met by one half way, would see a state that was never there: a follower
// would then read the log up to a commit that nobody has published. A reading that takes a while is compared with
// stores of whole words, which is how processors store them.
func TestRead_neverSeesATornWord(t *testing.T) {
	all := moments(t)
	for a := range all {
		for b := a; b < len(all); b++ {
			if a != b && !(all[a].between && all[b].between) {
				continue
			}
			for cut := visibleAt; cut <= usedBytes; cut++ { // the bytes before it were read at a, the others at b
				var page [usedBytes]byte
				copy(page[:], all[a].page[:cut])
				copy(page[cut:], all[b].page[cut:])
				s, whole, err := decode(page[:], page[:])
				if err != nil {
					t.Fatal(err)
				}
				if !whole {
					continue
				}
				if !says(all, a, b, func(was State) bool { return was.Manifest == s.Manifest }) ||
					!says(all, a, b, func(was State) bool { return was.Visible == s.Visible }) ||
					!says(all, a, b, func(was State) bool { return was.Durable == s.Durable }) {
					t.Fatalf("between %+v and %+v the page says %+v", all[a].before, all[b].after, s)
				}
			}
		}
	}
}

// sequence is a directory whose page is another one at each reading; the last one stays.
type sequence struct {
	recordtest.Dir
	pages [][usedBytes]byte
}

func (s *sequence) Open(string) (vfs.File, error) { return &sequenceFile{nil, s}, nil }

type sequenceFile struct {
	vfs.File
	of *sequence
}

func (f *sequenceFile) Close() error { return nil }

func (f *sequenceFile) ReadAt(p []byte, _ int64) (int, error) {
	n := copy(p, f.of.pages[0][:])
	f.of.pages = f.of.pages[min(1, len(f.of.pages)-1):]
	return n, nil
}

// If visible were read before the manifest's place, the version could have dropped what visible shows.
func TestRead_visibleIsReadAfterTheManifest(t *testing.T) {
	all := moments(t)
	for a := range all {
		for b := a; b < len(all); b++ {
			last := all[len(all)-1]
			s, err := Read(&sequence{pages: [][usedBytes]byte{all[a].page, all[b].page, last.page}})
			if err != nil {
				t.Fatal(err)
			}
			early := (s.Manifest == all[a].before.Manifest || s.Manifest == all[a].after.Manifest) &&
				(s.Visible == all[b].before.Visible || s.Visible == all[b].after.Visible)
			if late := s == last.after; !early && !late {
				t.Fatalf("manifest of %+v, then visible of %+v: %+v", all[a].before, all[b].before, s)
			}
		}
	}
}

// What holds byte by byte must hold between two goroutines, and through the mapping of a real file too.
func TestRead_whileAnotherWrites(t *testing.T) {
	dir, err := vfs.OpenDir(t.TempDir(), vfs.OpenDirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for name, fs := range map[string]vfs.FS{"memory": memfs.NewVolatile(), "disk": dir} {
		t.Run(name, func(t *testing.T) {
			p := mustCreate(t, fs, 7, Manifest{1, 7}, 1)
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for n := uint64(2); ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					p.SetVisible(key.SeqNum(n))
					p.SetManifest(Manifest{filename.Num(n), int64(7 * n)})
					p.SetDurable(key.SeqNum(n))
				}
			}()
			defer func() { close(stop); <-stopped }()
			var last State
			rounds := 20_000
			if testing.Short() {
				rounds = 2_000
			}
			for left, torn := rounds, 0; left > 0; left-- {
				s, err := Read(fs)
				if errors.Is(err, ErrNone) && torn < rounds { // the writer was interrupted in the middle of a word
					torn++
					runtime.Gosched()
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if s.Manifest.Length != 7*int64(s.Manifest.Num) || s.Visible < key.SeqNum(s.Manifest.Num) ||
					s.Manifest.Num < last.Manifest.Num || s.Visible < last.Visible || s.Durable < last.Durable {
					t.Fatalf("%+v follows %+v", s, last)
				}
				last = s
			}
		})
	}
}

// A page that is not all there must read as none, never as a state, and one of a newer program must say so: a follower
// would wait for a writer that is there.
func TestRead_whatIsNoPage(t *testing.T) {
	dir := memfs.NewVolatile()
	mustCreate(t, dir, 7, Manifest{3, 200}, 40)
	page := recordtest.Contents(t, dir)["STATUS"]
	if len(page) != fileBytes {
		t.Errorf("the file has %d bytes", len(page))
	}
	changed := func(change func([]byte)) []byte {
		data := slices.Clone(page)
		change(data)
		return data
	}
	header := func(at int, to byte) recordtest.Dir {
		return recordtest.Dir{"STATUS": changed(func(b []byte) { b[at] = to; recordtest.FixFileHeader(b) })}
	}
	check := func(what string, files recordtest.Dir, want error) {
		t.Helper()
		if s, err := Read(files); !errors.Is(err, want) || s != (State{}) {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
	}
	check("nothing", recordtest.Dir{}, ErrNone)
	check("zeros", recordtest.Dir{"STATUS": make([]byte, pageBytes)}, ErrNone)
	check("version 0", header(8, 0), ErrNone)
	check("a newer version", header(8, record.Version+1), record.ErrVersionTooNew)
	check("a key", header(12, 1), record.ErrVersionTooNew)
	for n := range usedBytes {
		check(fmt.Sprintf("%d bytes", n), recordtest.Dir{"STATUS": page[:n]}, ErrNone)
	}
	for at := range usedBytes {
		if at >= record.FileHeaderSize && at < visibleAt || at >= timeAt+16 && at < manifestAt {
			continue // zeros, which nobody looks at
		}
		check(fmt.Sprintf("byte %d", at), recordtest.Dir{"STATUS": changed(func(b []byte) { b[at] ^= 0x10 })}, ErrNone)
	}
}

// An error of the device is not the absence of a writer.
func TestRead_returnsDeviceErrors(t *testing.T) {
	for _, kind := range []errfs.Kind{errfs.Open, errfs.Read, errfs.Close} {
		dir := errfs.New(memfs.NewVolatile())
		mustCreate(t, dir, 7, Manifest{3, 200}, 40)
		dir.SetRules(errfs.On(kind).Fail(syscall.EIO).Times(1))
		if _, err := Read(dir); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrNone) {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

// Between two writers a follower would find no page, or one that says nothing yet.
func TestCreate_replacesThePageInOneStep(t *testing.T) {
	dir := errfs.New(memfs.NewVolatile())
	mustCreate(t, dir, 7, Manifest{3, 200}, 40)
	before := mustRead(t, dir)
	after := State{testDB, Manifest{9, 300}, 50, 50, 0}
	changes, last := 0, before
	var look *errfs.Rule
	look = errfs.On(errfs.Create, errfs.Allocate, errfs.Write, errfs.Rename, errfs.Close).Call(func(errfs.Op) {
		dir.SetRules() // reading is not looked at
		defer dir.SetRules(look)
		if s := mustRead(t, dir); s != before {
			t.Errorf("before the page is complete: %+v", s)
		}
		changes++
	})
	dir.SetRules(look)
	mustCreate(t, dir, 9, after.Manifest, after.Visible)
	dir.SetRules()
	if last = mustRead(t, dir); last != after || changes < 4 {
		t.Errorf("%+v after %d changes", last, changes)
	}
}

// Where a page cannot be made, the one of the writer before would show its last state for ever, while this one goes on.
func TestCreate_failsWhole(t *testing.T) {
	for _, kind := range []errfs.Kind{errfs.Create, errfs.Allocate, errfs.Write, errfs.Rename} {
		for nth := 1; nth < 9; nth++ {
			dir := errfs.New(memfs.NewVolatile())
			mustCreate(t, dir, 7, Manifest{3, 200}, 40)
			rule := errfs.On(kind).Nth(nth).Fail(syscall.EIO)
			dir.SetRules(rule)
			var warned []error
			p := Create(dir, 9, testDB, Manifest{9, 300}, 50, func(err error) { warned = append(warned, err) })
			if rule.Applied(dir) == 0 {
				if len(warned) > 0 || p.Close() != nil || nth == 1 {
					t.Errorf("%v %d: %v", kind, nth, warned)
				}
				break
			}
			p.SetVisible(51)
			p.SetManifest(Manifest{9, 301})
			p.SetReport(nil)
			names, _ := dir.List()
			if len(warned) != 1 || !errors.Is(warned[0], syscall.EIO) || len(names) > 0 || p.Close() != nil {
				t.Errorf("%v %d: %v, %q", kind, nth, warned, names)
			}
		}
	}
}

// A page that could neither be written to nor removed would show an old state for as long as the writer lives.
func TestPage_isRemovedAsSoonAsItCanBe(t *testing.T) {
	for name, then := range map[string]func(*Page) error{
		"visible":  func(p *Page) error { p.SetVisible(3); return nil },
		"durable":  func(p *Page) error { p.SetDurable(3); return nil },
		"manifest": func(p *Page) error { p.SetManifest(Manifest{3, 3}); return nil },
		"close":    (*Page).Close,
	} {
		dir := errfs.New(memfs.NewVolatile())
		var warned error
		p := Create(dir, 7, testDB, Manifest{1, 1}, 1, func(err error) { warned = err })
		dir.SetRules(errfs.On(errfs.Write).Fail(syscall.EIO), errfs.On(errfs.Remove).Fail(syscall.EACCES))
		p.SetVisible(2)
		p.SetVisible(3)
		if !errors.Is(warned, syscall.EIO) || !errors.Is(warned, fs.ErrPermission) {
			t.Errorf("%s: warned of %v", name, warned)
		}
		mustRead(t, dir)
		dir.SetRules()
		if err := then(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Read(dir); !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
		mustCreate(t, dir, 9, Manifest{9, 300}, 50)
		p.SetVisible(4)
		mustRead(t, dir) // that of another writer stays
	}
}

// A page that is only partly right must not stand, and must not stop the writer.
func TestPage_isRemovedWhenItCannotBeWritten(t *testing.T) {
	for name, set := range map[string]func(*Page){
		"visible":  func(p *Page) { p.SetVisible(2) },
		"durable":  func(p *Page) { p.SetDurable(2) },
		"manifest": func(p *Page) { p.SetManifest(Manifest{2, 2}) },
	} {
		for short := range 24 {
			dir := errfs.New(memfs.NewVolatile())
			var warned []error
			p := Create(dir, 7, testDB, Manifest{1, 1}, 1, func(err error) { warned = append(warned, err) })
			fail := errfs.On(errfs.Write).Short(short, syscall.ENOSPC)
			dir.SetRules(fail)
			set(p)
			p.SetVisible(3)
			p.SetDurable(3)
			p.SetManifest(Manifest{3, 3})
			if len(warned) != 1 || !errors.Is(warned[0], syscall.ENOSPC) || fail.Applied(dir) != 1 {
				t.Errorf("%s: warned of %v after %d writes", name, warned, fail.Applied(dir))
			}
			if _, err := Read(dir); !errors.Is(err, ErrNone) {
				t.Errorf("%s: %v", name, err)
			}
			if err := p.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// FuzzRead gives any bytes as the page: what it says must be there word for word, and there are no other errors.
func FuzzRead(f *testing.F) {
	dir := memfs.NewVolatile()
	p := mustCreate(f, dir, 7, Manifest{3, 200}, 40)
	f.Add(recordtest.Contents(f, dir)["STATUS"][:usedBytes])
	p.SetVisible(1 << 40)
	p.SetManifest(Manifest{1 << 40, 1 << 40})
	f.Add(recordtest.Contents(f, dir)["STATUS"][:usedBytes])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		fixed := slices.Clone(data)
		if len(fixed) >= record.FileHeaderSize {
			recordtest.FixFileHeader(fixed)
		}
		for _, data := range [][]byte{data, fixed} {
			s, err := Read(recordtest.Dir{"STATUS": data})
			if err != nil {
				if !errors.Is(err, ErrNone) && !errors.Is(err, record.ErrVersionTooNew) {
					t.Fatal(err)
				}
				continue
			}
			again := memfs.NewVolatile()
			p := mustCreate(t, again, 7, s.Manifest, min(s.Visible, s.Durable))
			p.SetVisible(s.Visible)
			p.SetDurable(s.Durable)
			if page := recordtest.Contents(t, again)["STATUS"]; !slices.Equal(page[visibleAt:durableAt+16],
				data[visibleAt:durableAt+16]) || !slices.Equal(page[manifestAt:usedBytes], data[manifestAt:usedBytes]) {
				t.Fatalf("%+v is read from something else", s)
			}
		}
	})
}
