package lightningdb

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clockReaders are the files of the engine and of this package that may call time.Now: for the engine's two clocks.
// All others take Engine.now, which tests can replace. Packages below may measure a wait by the time.Time that
// time.Now gave them: it has a monotonic reading, unless that is taken off.
var clockReaders = []string{"internal/engine/clock.go", "internal/engine/options.go"}

// An interval between two wall clock times is wrong as soon as somebody sets the clock. What makes one are a time
// kept as a number, which has lost its monotonic reading, and in the engine a time.Now that tests cannot replace.
func TestClock_isReadWhereItCannotStep(t *testing.T) {
	proof := []string{"internal/proof/torture", "internal/proof/mutants", "internal/proof/blackbox",
		"internal/proof/environment", "cmd", "bench"}
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		path = filepath.ToSlash(path)
		if err != nil || d.IsDir() && (slices.Contains(proof, path) || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		seen++
		dir := filepath.ToSlash(filepath.Dir(path))
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, _ := s.X.(*ast.Ident)
			switch {
			case importsTime(file) && slices.Contains([]string{"Unix", "UnixNano", "UnixMicro", "UnixMilli", "UTC"}, s.Sel.Name):
				t.Errorf("%s: %s takes the monotonic reading off a time", set.Position(n.Pos()), s.Sel.Name)
			case x != nil && x.Name == "time" && s.Sel.Name == "Now" && (dir == "." || dir == "internal/engine") &&
				!slices.Contains(clockReaders, path):
				t.Errorf("%s: time.Now; take Engine.now", set.Position(n.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 100 {
		t.Fatalf("%d files, %v", seen, err)
	}
}

func importsTime(file *ast.File) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"time"` })
}
