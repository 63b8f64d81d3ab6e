package repositories

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lightningdb/backup"
)

// named are the errors of package backup, for which Classify has no name.
var named = map[string]error{
	"ErrBadBackup": backup.ErrBadBackup, "ErrBadPiece": backup.ErrBadPiece, "ErrForked": backup.ErrForked,
	"ErrLeaseLost": backup.ErrLeaseLost, "ErrNoPoint": backup.ErrNoPoint, "ErrNotRepository": backup.ErrNotRepository,
	"ErrPruneStopped": backup.ErrPruneStopped, "ErrPruning": backup.ErrPruning,
}

// A script that was written from the runbook would take one failure for another. An error that is not in the runbook
// is met for the first time at night.
func TestClassify_isWhatTheRunbookSays(t *testing.T) {
	text, err := os.ReadFile("../../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := make(map[string]string)
	quoted := regexp.MustCompile("`backup\\.(Err[A-Za-z]+)`")
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		for _, name := range quoted.FindAllStringSubmatch(cells[1], -1) {
			codes[name[1]] = strings.TrimSpace(cells[2])
		}
	}
	for _, name := range exportedErrors(t, "../../../backup") {
		err, ok := named[name]
		if !ok {
			t.Errorf("backup.%s: this test does not know it", name)
			continue
		}
		code := 1
		if class, ok := Classify(fmt.Errorf("wrapped: %w", err), "lightning"); ok {
			code = class.Code
		}
		if got := codes[name]; got != fmt.Sprint(code) {
			t.Errorf("backup.%s ends a command with exit code %d, the runbook says %q", name, code, got)
		}
	}
}

// exportedErrors are the names of the error variables that the package in dir exports.
func exportedErrors(t *testing.T, dir string) (names []string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				for _, id := range v.Names {
					if strings.HasPrefix(id.Name, "Err") {
						names = append(names, id.Name)
					}
				}
			}
			return true
		})
	}
	return names
}
