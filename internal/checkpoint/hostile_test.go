package checkpoint_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs/memfs"
)

// member is a file of a crafted tar.
type member struct {
	tar.Header
	content string
}

func pack(t testing.TB, members []member) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		if m.Typeflag == 0 {
			m.Typeflag = tar.TypeReg
		}
		if m.Typeflag == tar.TypeReg {
			m.Size = int64(len(m.content))
		}
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// crafted is a stream of these files that would be whole, with as many names as the description says.
func crafted(describe func(d *checkpoint.Description), files ...member) (members []member) {
	d := checkpoint.Description{Format: 1}
	for _, f := range files {
		d.Files = append(d.Files, checkpoint.Named{Name: f.Name, Size: int64(len(f.content))})
	}
	if describe != nil {
		describe(&d)
	}
	text, _ := json.Marshal(d)
	members = append([]member{{tar.Header{Name: "lightning-backup.json"}, string(text)}}, files...)
	var sums strings.Builder
	for _, m := range members {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256([]byte(m.content)), m.Name)
	}
	return append(members, member{tar.Header{Name: "SHA256SUMS"}, sums.String()})
}

func file(name, content string) member { return member{tar.Header{Name: name}, content} }

// A backup may come from anywhere. Whatever it says, nothing is written but files of a database into the directory.
func TestReadStream_refusesHostileStreams(t *testing.T) {
	good := []member{file("000007.tbl", "table"), file("CURRENT", "current")}
	if err := read(pack(t, crafted(nil, good...)), memfs.New()); err != nil {
		t.Fatalf("one that is whole: %v", err)
	}
	name := func(n string) []member { return []member{good[0], file(n, "x")} }
	link := member{tar.Header{Name: "CURRENT", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}, ""}
	hard := member{tar.Header{Name: "CURRENT", Linkname: "000007.tbl", Typeflag: tar.TypeLink}, ""}
	for what, members := range map[string][]member{
		"nothing":           nil,
		"a name above":      crafted(nil, name("../CURRENT")...),
		"an absolute name":  crafted(nil, name("/tmp/CURRENT")...),
		"a folder":          crafted(nil, name("a/CURRENT")...),
		"another spelling":  crafted(nil, name("./CURRENT")...),
		"a file of its own": crafted(nil, name("000008.exe")...),
		"a lock":            crafted(nil, name("LOCK")...),
		"a log":             crafted(nil, name(filename.Make(filename.Log, 9))...),
		"a number twice":    crafted(nil, file("000007.tbl", "a"), file("0000007.tbl", "b")),
		"a name twice":      crafted(nil, good[0], good[0]),
		"a symbolic link":   crafted(nil, good[0], link),
		"a hard link":       crafted(nil, good[0], hard),
		"more than it says": append(crafted(nil, good...), file("000009.tbl", "more")),
		"too large":         crafted(func(d *checkpoint.Description) { d.Files[0].Size = 1 << 51 }, good...),
		"larger together": crafted(func(d *checkpoint.Description) {
			d.Files[0].Size, d.Files[1].Size = 1<<49+1<<48, 1<<49
		}, good...),
		"less than nothing": crafted(func(d *checkpoint.Description) { d.Files[0].Size = -1 }, good...),
		"another length":    crafted(func(d *checkpoint.Description) { d.Files[0].Size++ }, good...),
		"a million files": crafted(func(d *checkpoint.Description) {
			d.Files = slices.Repeat(d.Files, 1<<20)
		}, good...),
		"no files":      crafted(nil),
		"an old format": crafted(func(d *checkpoint.Description) { d.Format = 0 }, good...),
		"a line too few": func() []member {
			m := crafted(nil, good...)
			m[3].content = m[3].content[:strings.LastIndex(strings.TrimSuffix(m[3].content, "\n"), "\n")+1]
			return m
		}(),
		"half a line":    func() []member { m := crafted(nil, good...); m[3].content = m[3].content[:150]; return m }(),
		"another order":  func() []member { m := crafted(nil, good...); m[1], m[2] = m[2], m[1]; return m }(),
		"no description": crafted(nil, good...)[1:],
	} {
		dir := memfs.New()
		err := read(pack(t, members), dir)
		if !errors.Is(err, checkpoint.ErrBadBackup) {
			t.Errorf("%s: %v", what, err)
		}
		names, _ := dir.List()
		for _, n := range names {
			if n != "000007.tbl" && n != "CURRENT" {
				t.Errorf("%s: it wrote %q", what, n)
			}
		}
	}
	newer := pack(t, crafted(func(d *checkpoint.Description) { d.Format = 2 }, good...))
	if err := read(newer, memfs.New()); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a newer format: %v", err)
	}
}

// A tar can say of a file without bytes that it has many.
func TestReadStream_refusesHoles(t *testing.T) {
	members := crafted(func(d *checkpoint.Description) { d.Files[0].Size = 1 << 40 }, file("000007.tbl", ""),
		file("CURRENT", "c"))
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		h := m.Header
		h.Typeflag, h.Size = tar.TypeReg, int64(len(m.content))
		if m.Name == "000007.tbl" { // as GNU tar writes a file that is one hole
			h.Name = "GNUSparseFile.0/000007.tbl"
			m.content = "1\n1099511627776\n0\n" + strings.Repeat("\x00", 512-18)
			h.Size = 512
			raw := pax(map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": m.Name,
				"GNU.sparse.realsize": "1099511627776"})
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			out.Write(raw)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, m.content)
	}
	w.Close()
	dir := memfs.NewVolatile()
	if err := read(out.Bytes(), dir); !errors.Is(err, checkpoint.ErrBadBackup) {
		t.Errorf("a file of holes: %v", err)
	}
	if n, err := dir.FileSize("000007.tbl"); err == nil && n > 1<<20 {
		t.Errorf("it wrote %d bytes", n)
	}
}

// pax is an extended header, which archive/tar reads and does not write.
func pax(records map[string]string) []byte {
	var body strings.Builder
	for k, v := range records {
		rest := " " + k + "=" + v + "\n"
		n := len(rest) + 2
		body.WriteString(fmt.Sprintf("%d%s", n, rest))
	}
	header := make([]byte, 512)
	copy(header, "PaxHeaders/x")
	copy(header[100:], "0000600\x000000000\x000000000\x00")
	copy(header[124:], fmt.Sprintf("%011o\x00%011o\x00", body.Len(), 0))
	header[156] = 'x'
	copy(header[257:], "ustar\x0000")
	resum(header)
	content := make([]byte, (body.Len()+511)/512*512)
	copy(content, body.String())
	return append(header, content...)
}

// resum gives the header of a file in a tar its checksum.
func resum(header []byte) {
	copy(header[148:], "        ")
	sum := 0
	for _, b := range header[:512] {
		sum += int(b)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// Whatever the bytes: an error, or files of a database as the description says; no panic, and nothing else.
func FuzzReadStream(f *testing.F) {
	f.Add(pack(f, crafted(nil, file("000007.tbl", "table"), file("CURRENT", "current"))))
	f.Add(pack(f, crafted(nil, file("../x", "y"), file("CURRENT", ""))))
	f.Add(newSource(f).stream(f)[:4096])
	f.Fuzz(func(t *testing.T, stream []byte) {
		dir := memfs.NewVolatile()
		d, err := checkpoint.ReadStream(context.Background(), bytes.NewReader(stream), dir, nil)
		names, _ := dir.List()
		for _, name := range names {
			kind, _ := filename.Parse(name)
			if kind != filename.Table && kind != filename.Manifest && kind != filename.Current {
				t.Errorf("it wrote %q", name)
			}
		}
		if err != nil {
			return
		}
		for _, f := range d.Files {
			if n, err := dir.FileSize(f.Name); err != nil || n != f.Size {
				t.Errorf("%s has %d bytes of %d: %v", f.Name, n, f.Size, err)
			}
		}
	})
}

// A few megabytes of braces must not take a gigabyte: a list of files is read no further than a backup can have.
func TestReadStream_boundsTheNumberOfFiles(t *testing.T) {
	text := `{"format": 1, "files": [` + strings.Repeat("{},", 8*checkpoint.MaxFiles) + `{}]}`
	stream := pack(t, []member{{tar.Header{Name: "lightning-backup.json"}, text}})
	text = ""
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := read(stream, memfs.NewVolatile())
	runtime.ReadMemStats(&after)
	if !errors.Is(err, checkpoint.ErrBadBackup) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("eight million files: %v", err)
	}
	t.Logf("%d bytes took %d", len(stream), after.TotalAlloc-before.TotalAlloc)
}

// What comes before the files of a tar, and says of itself that it is large, is not read into memory.
func TestReadStream_boundsWhatComesBeforeAFile(t *testing.T) {
	for _, kind := range []byte{'x', 'g', 'L', 'K'} {
		header := pax(map[string]string{"comment": "x"})[:512]
		header[156] = kind
		copy(header[124:], "77777777777\x00") // 8 GiB
		resum(header)
		endless := io.MultiReader(bytes.NewReader(header), zeros{})
		_, err := checkpoint.ReadStream(context.Background(), endless, memfs.NewVolatile(), nil)
		if !errors.Is(err, checkpoint.ErrBadBackup) {
			t.Errorf("a header of kind %c with 8 GiB: %v", kind, err)
		}
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
