package lightningdb

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// house is what the rules are about: the files of this module and of the benchmark's.
type house struct {
	set       *token.FileSet
	source    map[string]*ast.File // files of Go
	documents map[string]string    // files of Markdown
	text      map[string]string    // all of these, scripts and the Makefile, by path
	all       map[string]bool      // every file and directory, by path
	program   []string             // the paths of this module's files of Go, without its tests
	tests     map[string][]string  // the directories of each test, fuzz target, benchmark and example
	names     map[string]string    // the retired word in each name that was looked at, or nothing
}

// ourHouse returns the house that this package is the root of. It is read once for all tests that look at it.
func ourHouse(t *testing.T) *house {
	t.Helper()
	h, err := readOurs()
	if err != nil {
		t.Fatal(err)
	}
	if len(h.source) < 400 || len(h.program) < 200 || len(h.documents) < 20 {
		t.Fatalf("looked at %d files of Go, %d of them no tests, and %d documents",
			len(h.source), len(h.program), len(h.documents))
	}
	return h
}

var readOurs = sync.OnceValues(func() (*house, error) { return readHouse(os.DirFS(".")) })

// readHouse reads the files of root.
func readHouse(root fs.FS) (*house, error) {
	h := &house{set: token.NewFileSet(), source: make(map[string]*ast.File), documents: make(map[string]string),
		text: make(map[string]string), all: make(map[string]bool), tests: make(map[string][]string),
		names: make(map[string]string)}
	return h, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != "." && name != ".ci" {
			return fs.SkipDir
		}
		h.all[name] = true
		if d.IsDir() || strings.Contains(name, "testdata/") || !isText(name) {
			return nil
		}
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return h.add(name, string(b))
	})
}

// isText reports whether the rules are about what is in a file.
func isText(name string) bool {
	dir := path.Dir(name)
	return path.Ext(name) == ".go" || path.Ext(name) == ".md" || name == "Makefile" || dir == "scripts" || dir == ".ci"
}

func (h *house) add(name, text string) error {
	h.text[name] = text
	switch path.Ext(name) {
	case ".md":
		h.documents[name] = text
	case ".go":
		file, err := parser.ParseFile(h.set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		h.source[name] = file
		test := strings.HasSuffix(name, "_test.go")
		if !test && !strings.HasPrefix(name, "bench/") {
			h.program = append(h.program, name)
		}
		for _, f := range functionsOf(file) {
			if test && testName.MatchString(f.Name.Name) && f.Recv == nil {
				h.tests[f.Name.Name] = append(h.tests[f.Name.Name], path.Dir(name))
			}
		}
	}
	return nil
}

// line is the line of pos in its file.
func (h *house) line(pos token.Pos) int { return h.set.Position(pos).Line }

// comments yields the comments of a file of Go, each with the line it begins in.
func (h *house) comments(name string) iter.Seq2[int, string] {
	return func(yield func(line int, text string) bool) {
		for _, group := range h.source[name].Comments {
			for _, c := range group.List {
				if !yield(h.line(c.Pos()), c.Text) {
					return
				}
			}
		}
	}
}

// functionsOf returns the functions and methods of file.
func functionsOf(file *ast.File) (found []*ast.FuncDecl) {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			found = append(found, f)
		}
	}
	return found
}

// inOrder yields the entries of m in the order of their paths, so that failures are.
func inOrder[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
