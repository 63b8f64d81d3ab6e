package demo

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lightningdb"
)

// A word that the loader and the checker see differently would be reported as lost.
func TestWords_runsOfIdentifierBytes(t *testing.T) {
	long := strings.Repeat("x", maxWordSize)
	text := "func main() { x_1 = Ünï; 0xFF }\n" + long + " " + long + "x"
	want := []string{"func", "main", "x_1", "n", "0xFF", long}
	if got := slices.Collect(words(text)); !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

// A key that leads to another file than it was made for hides a torn file behind a whole one.
func TestPathOf_findsTheFileOfEveryKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SliceOfN(rapid.OneOf(rapid.ByteRange(1, 255), rapid.SampledFrom([]byte("/. \nfmw"))), 1, 40)
		d := &document{path: string(path.Draw(t, "path"))} // any byte but NUL may be in a path
		word := rapid.StringMatching(`[A-Za-z0-9_]{1,64}`).Draw(t, "word")
		for prefix, word := range map[string]string{"f/": "", "m/": "", "w/": word} {
			path, gotWord, ok := pathOf(d.keyOf(prefix, word))
			if !ok || string(path) != d.path || string(gotWord) != word {
				t.Fatalf("%q of %q: %q, %q, %v", prefix, d.path, path, gotWord, ok)
			}
		}
	})
	for _, key := range []string{"", "x", "f/", "x/a", "w/word", "w//path", "fa"} {
		if path, _, ok := pathOf([]byte(key)); ok {
			t.Errorf("%q belongs to file %q", key, path)
		}
	}
}

// fakeInfo is a file's description without a file.
type fakeInfo struct{ fs.FileInfo }

func (fakeInfo) ModTime() time.Time { return time.Unix(1, 0) }
func (fakeInfo) Mode() fs.FileMode  { return 0o644 }

// Every word must be one entry, with its count; a forgotten one would be missing in the loader and the checker alike.
func TestDocument_entriesAreContentMetadataAndPostings(t *testing.T) {
	var d document
	d.fill("old", "to be forgotten", fakeInfo{})
	d.fill("a/b.go", "b a b", fakeInfo{})
	got := map[string]string{}
	for key, value := range d.entries() {
		got[string(key)] = string(value)
	}
	want := map[string]string{
		"f/a/b.go": "b a b", "w/a/a/b.go": "1", "w/b/a/b.go": "2",
		"m/a/b.go": `{"size":5,"mtime":"1970-01-01T00:00:01Z","mode":"-rw-r--r--",` +
			`"sha256":"f1384eec5bf44e58a9fb10e5b73e0c0d0eb4b4cb05be6fb97ad80a9e8a0c4ccf","words":3}`,
	}
	if i := strings.Index(got["m/a/b.go"], `"sha256":"`); i > 0 { // the sum is checked for its form only
		want["m/a/b.go"] = want["m/a/b.go"][:i+10] + got["m/a/b.go"][i+10:i+74] + want["m/a/b.go"][i+74:]
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// The kill must come in the middle: before the first acknowledgement or after the last it shows nothing.
func TestKillPoint_isInTheMiddle(t *testing.T) {
	for _, files := range []int{1, 2, 3, 10, 11478} {
		for range 200 {
			if at := killPoint(files); at < 1 || at > files || files > 10 && (at < files*2/5 || at > files*3/5+1) {
				t.Fatalf("%d files: kill at %d", files, at)
			}
		}
	}
}

// A kill that nobody asked for, or garbage taken for an acknowledgement, would make the report a fable.
func TestLoad_countsAcknowledgementsUpToTheKill(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	c := &load{files: 2, killAt: 1}
	paths, err := c.run(t.Context(), exec.Command(shell, "-c", `echo '"a"'; exec sleep 60`))
	if err != nil || !c.killed || !slices.Equal(paths, []string{"a"}) {
		t.Errorf("a killed process: %q, %v, killed %v", paths, err, c.killed)
	}
	c = &load{files: 2, killAt: 9}
	if _, err := c.run(t.Context(), exec.Command(shell, "-c", `echo panic: oh`)); err == nil {
		t.Error("garbage passed for an acknowledgement")
	}
}

// A source that changes under the demo must be named, or it looks like a loss.
func TestRead_noticesAChangedSource(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	if err := os.WriteFile(name, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := walk(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := source.read(source.files[0]); err != nil || content != "one" {
		t.Fatal(content, err)
	}
	if err := os.WriteFile(name, []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := source.read(source.files[0]); !errors.Is(err, errSourceChanged) {
		t.Errorf("got %v", err)
	}
}

// The default source must be found wherever Go is installed.
func TestSourceDir_isTheStandardLibrary(t *testing.T) {
	dir, err := sourceDir(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "fmt", "print.go")); err != nil {
		t.Error(err)
	}
}

// What the walk leaves out is never loaded, and nobody misses it: every regular file below must be listed, in order.
func TestWalk_listsEveryRegularFile(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"b.go", "a/x.go", "a/deep/y.go", "a.go", "c/z.go"} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Symlink("b.go", filepath.Join(root, "d.go")), os.Symlink(root, link)); err != nil {
		t.Skip(err)
	}
	for _, from := range []string{root, link} {
		tree, err := walk(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range tree.files {
			got = append(got, f.path)
		}
		want := []string{"a/deep/y.go", "a/x.go", "a.go", "b.go", "c/z.go"}
		if !slices.Equal(got, want) || tree.bytes != int64(len("a/deep/y.go"+"a/x.go"+"a.go"+"b.go"+"c/z.go")) {
			t.Errorf("%s: %v, %d bytes; want %v", from, got, tree.bytes, want)
		}
	}
}

// A total that lacks a file must end the demonstration.
func TestTally_comparesWithTheSource(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("four"), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := walk(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r := &run{tree: source, say: printer{out: io.Discard, bold: strings.Clone}}
	for content, want := range map[string]error{"four": nil, "three": ErrNotWhole} {
		if err := db.Put([]byte("f/a"), []byte(content)); err != nil {
			t.Fatal(err)
		}
		if err := r.tally(t.Context(), db); !errors.Is(err, want) {
			t.Errorf("%s: %v", content, err)
		}
	}
}

// The final check reads the postings of some files only through the scan; that scan alone must notice damage.
func TestCheck_scanAloneNoticesDamage(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(dir, "file"+strconv.Itoa(i)), []byte("word number "+strconv.Itoa(i)),
			0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := walk(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l := loader{db: db, tree: source, ack: func(string) error { return nil }}
	if err := l.load(t.Context(), source.files); err != nil {
		t.Fatal(err)
	}
	verdicts := func() (counts [3]int) {
		c := newChecker(db, source, 1<<30)
		if err := c.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, f := range source.files {
			counts[c.state(f.path)]++
		}
		return counts
	}
	if got := verdicts(); got != [3]int{whole: 20} {
		t.Fatalf("a fresh load: %v", got)
	}
	last := source.files[len(source.files)-1].path
	if err := db.Put([]byte("w/word/"+last), []byte("2")); err != nil {
		t.Fatal(err)
	}
	if got := verdicts(); got != [3]int{whole: 19, partial: 1} {
		t.Errorf("a changed posting: %v", got)
	}
	if err := db.Delete([]byte("w/number/" + source.files[5].path)); err != nil {
		t.Fatal(err)
	}
	if got := verdicts(); got != [3]int{whole: 18, partial: 2} {
		t.Errorf("a missing posting: %v", got)
	}
}
