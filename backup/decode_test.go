package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lightningdb/internal/format/filename"
)

const someID = "20261201T122500Z-1a2b3c4d"

// described is the file of a backup that nothing is wrong with, but for what change does.
func described(change func(d *description)) []byte {
	d := &description{Format: 1, ID: someID, Database: strings.Repeat("0a", 16)}
	for _, name := range []string{"000007.tbl", "MANIFEST-000009", "CURRENT"} {
		d.Files = append(d.Files, storedFile{Name: name, Size: 5, Digest: strings.Repeat("0c", 32),
			Upload: strings.Repeat("0d", 8), ID: strings.Repeat("0e", 8)})
	}
	if change != nil {
		change(d)
	}
	text, err := d.encode()
	if err != nil {
		panic(err)
	}
	return text
}

// withoutTable is a description whose medium has lost what it says of its table, and nothing else.
func withoutTable(text []byte) []byte {
	from := bytes.Index(text, []byte("{\n\t\t\t\"name\": \"000007.tbl\""))
	to := bytes.Index(text, []byte("{\n\t\t\t\"name\": \"MANIFEST"))
	return slices.Concat(text[:from], text[to:])
}

var hostile = map[string][]byte{
	"nothing":            nil,
	"no JSON":            []byte("{"),
	"another type":       seal([]byte(`{"format": 1, "files": {}`)),
	"no checksum":        []byte(`{"format": 1}`),
	"a name above":       described(func(d *description) { d.Files[0].Name = "../CURRENT" }),
	"an absolute name":   described(func(d *description) { d.Files[0].Name = "/etc/passwd" }),
	"a folder":           described(func(d *description) { d.Files[0].Name = "a/000007.tbl" }),
	"another spelling":   described(func(d *description) { d.Files[0].Name = "7.tbl" }),
	"a lock":             described(func(d *description) { d.Files[0].Name = "LOCK" }),
	"the mark":           described(func(d *description) { d.Files[0].Name = "UNFINISHED" }),
	"a log":              described(func(d *description) { d.Files[0].Name = "000007.wal" }),
	"no name":            described(func(d *description) { d.Files[0].Name = "" }),
	"a name twice":       described(func(d *description) { d.Files[0].Name = "CURRENT" }),
	"no CURRENT":         described(func(d *description) { d.Files = d.Files[:2] }),
	"no files":           described(func(d *description) { d.Files = nil }),
	"less than nothing":  described(func(d *description) { d.Files[0].Size = -1 }),
	"a huge size":        described(func(d *description) { d.Files[0].Size = 1 << 62 }),
	"huge together":      described(func(d *description) { d.Files[0].Size, d.Files[1].Size = maxBytes-5, 5 }),
	"a digest above":     described(func(d *description) { d.Files[0].Digest = "../" + strings.Repeat("0", 61) }),
	"a short digest":     described(func(d *description) { d.Files[0].Digest = "0c" }),
	"a digest in caps":   described(func(d *description) { d.Files[0].Digest = strings.Repeat("0C", 32) }),
	"an upload above":    described(func(d *description) { d.Files[0].Upload = "/../../../../../x" }),
	"a bad id of a file": described(func(d *description) { d.Files[0].ID = "x" }),
	"another id":         described(func(d *description) { d.ID = "20261201T122500Z-1a2b3c4e" }),
	"no database":        described(func(d *description) { d.Database = "" }),
	"a lost table":       withoutTable(described(nil)),
	"an old format":      described(func(d *description) { d.Format = 0 }),
}

// The file of a backup may come from anywhere: what no backup has is refused before anything is made of it.
func TestRestore_refusesHostileDescriptions(t *testing.T) {
	if _, err := decode(described(nil), someID); err != nil {
		t.Fatalf("one that is whole: %v", err)
	}
	for what, text := range hostile {
		m := newMemory()
		r := &Repository{store: m, random: rand.Uint64}
		if err := r.make(context.Background()); err != nil {
			t.Fatal(err)
		}
		m.files[descriptionName(someID)] = text
		dir := filepath.Join(t.TempDir(), "restored")
		if err := r.Restore(context.Background(), someID, dir, nil); !errors.Is(err, ErrBadBackup) {
			t.Errorf("%s: restore: %v", what, err)
		}
		if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) > 0 {
			t.Errorf("%s: it wrote %v", what, entries)
		}
		if err := r.Verify(context.Background(), nil); !errors.Is(err, ErrBadBackup) {
			t.Errorf("%s: verify: %v", what, err)
		}
		// What it needs is not known.
		place := (&storedFile{Digest: strings.Repeat("0f", 32), Upload: strings.Repeat("0d", 8)}).place()
		m.files[place] = nil
		_, err := r.Prune(context.Background(), PruneOptions{Keep: Keep{Last: 1}})
		if _, there := m.files[place]; !there || !errors.Is(err, ErrBadBackup) {
			t.Errorf("%s: prune: %v; the file is there: %v", what, err, there)
		}
	}
}

// A few megabytes of braces must not take a gigabyte.
func TestDecode_boundsTheNumberOfFiles(t *testing.T) {
	text := `{"format": 1, "id": "` + someID + `", "files": [` + strings.Repeat("{},", maxFiles) + `{}]`
	_, err := decode(seal([]byte(text)), someID)
	if !errors.Is(err, ErrBadBackup) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a million files: %v", err)
	}
}

// A medium that loses a part of the list, or a digit of it, would leave a backup that Verify takes for whole, and
// Restore cannot make; a Prune would remove the files that it does not name any more.
func TestDecode_refusesEachLossInTheList(t *testing.T) {
	whole := described(nil)
	for from := range whole {
		for to := from + 1; to <= len(whole); to++ {
			cut := slices.Concat(whole[:from], whole[to:])
			if _, err := decode(cut, someID); err == nil { // a few read as a newer format, and are refused as that
				t.Fatalf("without the bytes from %d to %d it is taken:\n%s", from, to, cut)
			}
		}
		changed := bytes.Clone(whole)
		changed[from] ^= 4
		if _, err := decode(changed, someID); err == nil {
			t.Fatalf("with another byte %d it is taken:\n%s", from, changed)
		}
	}
}

// A repository of a newer program is left alone.
func TestRepository_refusesNewerFormats(t *testing.T) {
	text := described(func(d *description) { d.Format = 2 })
	if _, err := decode(text, someID); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a backup: %v", err)
	}
	m := newMemory()
	m.files[marker] = []byte(`{"format": 2}`)
	if _, err := Open(context.Background(), m); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a repository: %v", err)
	}
}

// Whatever the bytes, decode makes of them an error or a description of which each name is one that a copy has.
func FuzzDecodeBackup(f *testing.F) {
	f.Add(described(nil))
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := decode(text, someID)
		if err != nil { // mostly for its checksum: no further than that a mutation would come
			text = text[:max(0, bytes.LastIndex(text, []byte(sealBegin)))]
			d, err = decode(seal(text), someID)
		}
		if err != nil {
			return
		}
		if d.total() < 0 || d.total() > maxBytes || len(d.Files) > maxFiles {
			t.Errorf("%d files, %d bytes", len(d.Files), d.total())
		}
		for _, file := range d.Files {
			if kind, num := filename.Parse(file.Name); filename.Make(kind, num) != file.Name || !isCopied(kind) {
				t.Errorf("it has %q", file.Name)
			}
			if err := checkName(file.place()); err != nil {
				t.Error(err)
			}
			if at, ok := parsePlace(file.place()); !ok || at.Digest != file.Digest || at.Upload != file.Upload {
				t.Errorf("%s is another place: %v", file.place(), at)
			}
		}
		again, err := d.encode()
		if err == nil {
			_, err = decode(again, someID)
		}
		if err != nil {
			t.Errorf("what was decoded is refused: %v", err)
		}
	})
}

// Of names that a repository gives, each leads back to what it was made of; nothing else does.
func TestNames_areTakenOnlyAsTheyAreGiven(t *testing.T) {
	place := "files/" + strings.Repeat("0c", 32)[:2] + "/" + strings.Repeat("0c", 32) + "-" + strings.Repeat("0d", 8)
	if _, ok := parsePlace(place); !ok {
		t.Errorf("%s is no place", place)
	}
	for _, name := range []string{"", "files/", "files/0c", place + "0", place[:len(place)-1], "x" + place,
		strings.Replace(place, "/0c/", "/0d/", 1), strings.Replace(place, "-", "_", 1), strings.ToUpper(place)} {
		if f, ok := parsePlace(name); ok {
			t.Errorf("%q is a place: %v", name, f)
		}
	}
	if id, ok := parseDescriptionName(descriptionName(someID)); !ok || id != someID {
		t.Errorf("%q, %v", id, ok)
	}
	for _, id := range []string{"", "x", someID + "0", "20261301T122500Z-1a2b3c4d", "20261201T122500Z-1A2B3C4D",
		"20261201T122500Z_1a2b3c4d", "../../01T122500Z-1a2b3c4d"} {
		if isID(id) {
			t.Errorf("%q is an id", id)
		}
	}
	for _, name := range []string{"", ".", "..", "/x", "../x", "a/../b", "a//b", "a/", "a\\b", "c:x", "a\x00"} {
		if checkName(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// What Keep keeps is the union of its rules, of each database.
func TestKeep_keepsTheUnion(t *testing.T) {
	for _, c := range []struct {
		keep Keep
		want string
	}{
		{Keep{Last: 1}, "g x"},
		{Keep{Last: 3}, "e f g x"},
		{Keep{Hourly: 1}, "g x"},
		{Keep{Hourly: 3}, "d f g x"},
		{Keep{Daily: 2}, "c g x"},
		{Keep{Daily: 3}, "b c g x"},
		{Keep{Weekly: 2}, "b g x"},
		{Keep{Weekly: 9}, "a b g x"},
		{Keep{Last: 2, Daily: 2, Weekly: 2}, "b c f g x"},
		{Keep{Last: 99}, "a b c d e f g x"},
	} {
		backups := []Backup{
			at("a", "2026-12-20T12:00:00Z"), // a Sunday
			at("b", "2027-01-03T23:59:59Z"), // a Sunday, in the last week of 2026
			at("c", "2027-01-04T00:00:00Z"), // a Monday
			at("d", "2027-01-05T10:59:00Z"),
			at("e", "2027-01-05T11:01:00Z"),
			at("f", "2027-01-05T12:30:00+01:00"),
			at("g", "2027-01-05T12:00:00Z"),
			{ID: "x", Database: "another", Time: at("", "2020-01-01T00:00:00Z").Time},
		}
		rand.Shuffle(len(backups), func(i, j int) { backups[i], backups[j] = backups[j], backups[i] })
		stay, rest := c.keep.choose(backups)
		var got []string
		for _, b := range stay {
			got = append(got, b.ID)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want || len(stay)+len(rest) != len(backups) {
			t.Errorf("%+v keeps %v, want %s", c.keep, got, c.want)
		}
	}
	for _, k := range []Keep{{}, {Last: -1}, {Last: 1, Daily: -1}} {
		if k.check() == nil {
			t.Errorf("%+v is a rule", k)
		}
	}
}

// at is a backup of a time.
func at(id, text string) Backup {
	b := Backup{ID: id}
	if err := json.Unmarshal(fmt.Appendf(nil, "%q", text), &b.Time); err != nil {
		panic(err)
	}
	return b
}

// isCopied reports whether a copy of a database has files of a kind.
func isCopied(kind filename.Kind) bool {
	return kind == filename.Table || kind == filename.Manifest || kind == filename.Current
}
