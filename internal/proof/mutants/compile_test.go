package mutants

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// program is the packages of this module and what they import, as far as a type checker needs them.
type program struct {
	root    string
	of      map[string]listed // by directory, of this module
	path    map[string]listed // by import path
	set     *token.FileSet
	imports types.Importer // keeps what it has read
}

func loadProgram(root string) (*program, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	p := &program{root: root, of: make(map[string]listed), path: make(map[string]listed), set: token.NewFileSet()}
	p.imports = importer.ForCompiler(p.set, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(p.path[path].Export)
	})
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		if err := d.Decode(&l); err == io.EOF {
			return p, nil
		} else if err != nil {
			return nil, err
		}
		p.of[l.Dir], p.path[l.ImportPath] = l, l
	}
}

// check type-checks the packages that the changed files are in.
func (p *program) check(changed map[string]string) error {
	var dirs []string
	for file := range changed {
		if dir := filepath.Join(p.root, filepath.Dir(filepath.FromSlash(file))); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		pkg, ok := p.of[dir]
		if !ok {
			continue // it is of another module, and its killer compiles it
		}
		var files []*ast.File
		for _, name := range pkg.GoFiles {
			file := filepath.Join(dir, name)
			var source any
			rel, _ := filepath.Rel(p.root, file)
			if text, ok := changed[filepath.ToSlash(rel)]; ok {
				source = text
			}
			parsed, err := parser.ParseFile(p.set, file, source, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, parsed)
		}
		if _, err := (&types.Config{Importer: p.imports}).Check(pkg.ImportPath, p.set, files, nil); err != nil {
			return err
		}
	}
	return nil
}

// A mutant that does not compile kills nothing: after a rename it would be found when all of them are run, by whoever
// has the hour.
func TestMutants_compile(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command: ", err)
	}
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p, err := loadProgram(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range All() {
		changed, err := m.Apply(root(t))
		if err != nil {
			continue // the test that they apply says so
		}
		if err := p.check(changed); err != nil {
			t.Errorf("mutant %s: %v", m.Name, err)
		}
	}
}
