package memfs

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"lightningdb/internal/system/vfs"

	"pgregory.net/rapid"
)

// fileModel is what may be in a file after a power cut, by the definition in the package comment, in the plainest
// way: all whole contents since the last sync.
type fileModel struct {
	versions [][]byte // the first is durable, the last is what readers see
	touched  []bool   // bytes written since the last sync
}

func (m *fileModel) durable() []byte { return m.versions[0] }
func (m *fileModel) now() []byte     { return m.versions[len(m.versions)-1] }

func (m *fileModel) write(p []byte, off int) {
	next := slices.Clone(m.now())
	if end := off + len(p); end > len(next) {
		next = append(next, make([]byte, end-len(next))...)
	}
	copy(next[off:], p)
	m.versions = append(m.versions, next)
	m.touched = append(m.touched, make([]bool, max(0, len(next)-len(m.touched)))...)
	for i := range p {
		m.touched[off+i] = true
	}
}

func (m *fileModel) allocate(size int) {
	if size > len(m.now()) {
		m.write(make([]byte, size-len(m.now())), len(m.now()))
	}
}

func (m *fileModel) sync() { m.versions, m.touched = m.versions[len(m.versions)-1:], nil }

// illegal says why got cannot be in the file after a power cut; "" if it can.
func (m *fileModel) illegal(got []byte) string {
	sizeOK := len(got)%sectorSize == 0 && len(got) >= len(m.durable()) && len(got) <= len(m.now())
	for _, v := range m.versions {
		sizeOK = sizeOK || len(v) == len(got)
	}
	if !sizeOK {
		return fmt.Sprintf("length %d", len(got))
	}
	for at := 0; at < len(got); at += sectorSize {
		if !m.legalSector(got[at:min(at+sectorSize, len(got))], at) {
			return fmt.Sprintf("sector at %d", at)
		}
	}
	return ""
}

func (m *fileModel) legalSector(got []byte, at int) bool {
	written := false
	zeroed := m.sector(m.durable(), at)
	for i := range zeroed {
		if at+i < len(m.touched) && m.touched[at+i] {
			zeroed[i], written = 0, true
		}
	}
	for _, v := range m.versions {
		if bytes.Equal(got, m.sector(v, at)[:len(got)]) {
			return true
		}
	}
	allocated := at < len(m.durable())
	return written && (!allocated || bytes.Equal(got, zeroed[:len(got)]))
}

// sector is a copy of the sector of v at at, with zeros behind the end.
func (m *fileModel) sector(v []byte, at int) []byte {
	s := make([]byte, sectorSize)
	if at < len(v) {
		copy(s, v[at:])
	}
	return s
}

// dirModel is what may be in the directory after a power cut.
type dirModel struct {
	now     map[string]*fileModel
	durable map[string]*fileModel
	changes []map[string]*fileModel // per change, what the names it touches become; nil is absent
	renames []string                // per change, the name a renaming takes away
}

func (m *dirModel) change(renamedFrom string, names map[string]*fileModel) {
	for name, file := range names {
		if file == nil {
			delete(m.now, name)
		} else {
			m.now[name] = file
		}
	}
	m.changes = append(m.changes, names)
	m.renames = append(m.renames, renamedFrom)
}

func (m *dirModel) sync() { m.durable, m.changes, m.renames = maps.Clone(m.now), nil, nil }

// legal tries every fate of every change: lost, kept, or for a renaming, kept but for the old name.
func (m *dirModel) legal(got map[string][]byte) bool {
	fates := make([]int, len(m.changes))
	for {
		if m.matches(m.after(fates), got) {
			return true
		}
		i := 0
		for i < len(fates) && fates[i] == 2 {
			fates[i] = 0
			i++
		}
		if i == len(fates) {
			return false
		}
		fates[i]++
	}
}

func (m *dirModel) after(fates []int) map[string]*fileModel {
	names := maps.Clone(m.durable)
	for i, change := range m.changes {
		for name, file := range change {
			if fates[i] == 0 || fates[i] == 2 && name == m.renames[i] {
				continue
			}
			names[name] = file
		}
	}
	maps.DeleteFunc(names, func(_ string, f *fileModel) bool { return f == nil })
	return names
}

func (m *dirModel) matches(want map[string]*fileModel, got map[string][]byte) bool {
	if len(want) != len(got) {
		return false
	}
	for name, file := range want {
		content, ok := got[name]
		if !ok || file.illegal(content) != "" {
			return false
		}
	}
	return true
}

// adopt makes the model that of a directory in which everything is durable.
func (m *dirModel) adopt(t *rapid.T, d *FS) {
	files := make(map[*inode]*fileModel)
	m.now = make(map[string]*fileModel)
	for name, content := range readAll(t, d) {
		n := d.names[name]
		if files[n] == nil {
			files[n] = &fileModel{versions: [][]byte{content}}
		}
		m.now[name] = files[n]
	}
	m.sync()
}

// testingT is what *testing.T and *rapid.T share.
type testingT interface {
	Helper()
	Fatalf(format string, args ...any)
}

func check(t testingT, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func readAll(t testingT, d vfs.FS) map[string][]byte {
	t.Helper()
	names, err := d.List()
	check(t, err)
	all := make(map[string][]byte)
	for _, name := range names {
		f, err := d.Open(name)
		check(t, err)
		size, err := f.Size()
		check(t, err)
		buf := make([]byte, size)
		if _, err := f.ReadAt(buf, 0); err != nil && err != io.EOF {
			t.Fatalf("%v", err)
		}
		check(t, f.Close())
		all[name] = buf
	}
	return all
}

// machine runs the same calls on a directory and on the model.
type machine struct {
	dir   *FS
	model dirModel
	fill  byte
}

var someNames = rapid.SampledFrom([]string{"a", "b", "c"})

func (m *machine) step(t *rapid.T) {
	name := someNames.Draw(t, "name")
	file := m.model.now[name]
	action := rapid.SampledFrom([]string{"create", "write", "write", "write", "allocate", "sync", "rename", "remove",
		"sync directory", "kill", "power cut"}).Draw(t, "action")
	switch {
	case action == "sync directory" || len(m.model.changes) >= 6: // every change triples the work of the model
		check(t, m.dir.SyncDir())
		m.model.sync()
	case action == "kill":
		m.dir = m.dir.Kill()
	case action == "power cut":
		m.dir = m.dir.Image(drawPolicy(t), rapid.Uint64().Draw(t, "seed"))
		m.model.adopt(t, m.dir)
	case file == nil:
		f, err := m.dir.Create(name)
		check(t, err)
		check(t, f.Close())
		m.model.change("", map[string]*fileModel{name: {versions: [][]byte{nil}}})
	case action == "rename":
		m.rename(t, name, file)
	case action == "remove":
		check(t, m.dir.Remove(name))
		m.model.change("", map[string]*fileModel{name: nil})
	default:
		m.changeFile(t, action, name, file)
	}
}

func (m *machine) rename(t *rapid.T, name string, file *fileModel) {
	newName := someNames.Draw(t, "new name")
	check(t, m.dir.Rename(name, newName))
	if m.model.now[newName] != file {
		m.model.change(name, map[string]*fileModel{name: nil, newName: file})
	}
}

func (m *machine) changeFile(t *rapid.T, action, name string, file *fileModel) {
	f, err := m.dir.OpenReadWrite(name)
	check(t, err)
	switch action {
	case "sync":
		check(t, f.Sync())
		file.sync()
	case "allocate":
		size := rapid.IntRange(1, 4000).Draw(t, "size")
		check(t, f.Allocate(int64(size)))
		file.allocate(size)
	default:
		off := rapid.IntRange(0, 3000).Draw(t, "offset")
		m.fill++
		data := bytes.Repeat([]byte{m.fill}, rapid.IntRange(1, 1500).Draw(t, "length"))
		_, err := f.WriteAt(data, int64(off))
		check(t, err)
		file.write(data, off)
	}
	check(t, f.Close())
}

func drawPolicy(t *rapid.T) Policy { return rapid.SampledFrom(Policies[:]).Draw(t, "policy") }

// A state that no disk shows would make the engine defend against nothing and hide what it must defend against;
// a lost synced byte would look like a fault of the engine.
func TestImage_isAlwaysLegal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{dir: New(), model: dirModel{now: map[string]*fileModel{}, durable: map[string]*fileModel{}}}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			m.step(t)
			for name, content := range readAll(t, m.dir) {
				if !bytes.Equal(content, m.model.now[name].now()) {
					t.Fatalf("reading %s after a step does not give what was written", name)
				}
			}
		}
		for _, policy := range Policies {
			for range 4 {
				seed := rapid.Uint64().Draw(t, "seed")
				img := m.dir.Image(policy, seed)
				state := readAll(t, img)
				if !m.model.legal(state) {
					t.Fatalf("image %v %d is not legal", policy, seed)
				}
				for _, again := range []*FS{img.Image(None, 0), img.Image(All, 0), m.dir.Image(policy, seed)} {
					if !maps.EqualFunc(readAll(t, again), state, bytes.Equal) {
						t.Fatalf("image %v %d is not durable or not repeatable", policy, seed)
					}
				}
			}
		}
	})
}
