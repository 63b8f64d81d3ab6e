package lightningdb

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// clockReaders are the files of the engine that may call time.Now, for its two clocks; in this package none may.
// All others take Engine.now, which tests can replace. Packages below may measure a wait by the time.Time that
// time.Now gave them: it has a monotonic reading, unless that is taken off.
var clockReaders = []string{"internal/engine/clock.go", "internal/engine/options.go"}

// An interval between two wall clock times is wrong as soon as somebody sets the clock. What makes one are a time
// kept as a number, which has lost its monotonic reading, and in the engine a time.Now that tests cannot replace.
func TestClock_isReadWhereItCannotStep(t *testing.T) {
	apart := []string{"internal/proof/torture", "internal/proof/mutants", "internal/proof/blackbox",
		"internal/proof/environment", "internal/proof/fake", "internal/proof/copies", "internal/proof/operate",
		"internal/archive",
		"internal/checkpoint", "backup", "monitor", // what these call a time of day people read
		"internal/tree/readers", // which has the time of the database, made of a clock that may step
		"internal/format/key",   // which puts such a time into bytes, and makes it of them
		"tuple"}                 // whose times are data
	h := ourHouse(t)
	seen := 0
	for _, name := range h.program {
		dir, file := path.Dir(name), h.source[name]
		if strings.HasPrefix(dir, "cmd/") || slices.Contains(apart, dir) {
			continue
		}
		seen++
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, _ := s.X.(*ast.Ident)
			switch {
			case importsTime(file) && slices.Contains([]string{"Unix", "UnixNano", "UnixMicro", "UnixMilli", "UTC"}, s.Sel.Name):
				t.Errorf("%s: %s takes the monotonic reading off a time", h.set.Position(n.Pos()), s.Sel.Name)
			case x != nil && x.Name == "time" && s.Sel.Name == "Now" && (dir == "." || dir == "internal/engine") &&
				!slices.Contains(clockReaders, name):
				t.Errorf("%s: time.Now; take Engine.now", h.set.Position(n.Pos()))
			}
			return true
		})
	}
	if seen < 100 {
		t.Fatalf("looked at %d files", seen)
	}
}

func importsTime(file *ast.File) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"time"` })
}
