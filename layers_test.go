package lightningdb

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// layers is the house from the ground up: a package imports only packages of lower floors. Packages of one floor know
// nothing of each other. Where a line of code belongs can be told from this list.
var layers = [][]string{
	{"internal/format/key", "internal/format/key/keytest", "internal/format/corrupt", "internal/format/filename", "internal/format/codec", "internal/system/offheap",
		"internal/system/epoch", "internal/system/goroutine", "internal/proof/isolation", "internal/join", "internal/system/origin", "internal/system/prefetch"},
	{"internal/format/operand", "internal/tree/gap"},
	{"internal/system/vfs", "internal/format/batch"},
	{"internal/system/vfs/memfs", "internal/system/vfs/errfs", "internal/system/vfs/vfstest", "internal/format/record", "internal/tree/page",
		"internal/system/owner", "internal/tree/locator", "internal/tree/merge", "internal/tree/cache", "internal/tree/rowcache", "internal/log/lock"},
	{"internal/log/txn", "internal/log/wal", "internal/tree/manifest", "internal/format/record/recordtest", "internal/tree/memtable", "internal/tree/table", "internal/tree/merge/mergetest"},
	{"internal/tree/compaction", "internal/log/commit"},
	{"internal/engine"},
	{"."},
	{"internal/proof/oracle"},
	{"internal/proof/torture", "internal/proof/mutants", "internal/proof/environment"},
	{"internal/proof/blackbox"},
	{"cmd/internal/units", "cmd/internal/command", "cmd/internal/child", "cmd/internal/scratch", "cmd/internal/jsonline",
		"cmd/internal/interrupt",
		"cmd/internal/ptytest",
		"cmd/lightning/internal/text", "cmd/lightning-proof/internal/content", "cmd/lightning-proof/internal/latency"},
	{"cmd/internal/progress", "cmd/internal/picture"},
	{"cmd/internal/console", "cmd/lightning/internal/exchange",
		"cmd/lightning/internal/userfile"},
	{"cmd/lightning/internal/entries"},
	{"cmd/lightning/internal/shell", "cmd/lightning/internal/demo", "cmd/lightning-proof/internal/validate", "cmd/lightning-proof/internal/bench"},
	{"cmd/lightning/internal/cli", "cmd/lightning-proof/internal/proof"},
	{"cmd/lightning", "cmd/lightning-proof"},
}

// One engine that every part of it may reach into is what the original died of.
func TestLayers_importOnlyDownwards(t *testing.T) {
	floor := make(map[string]int)
	for n, packages := range layers {
		for _, p := range packages {
			floor[p] = n
		}
	}
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "bench" || d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		from, ok := floor[dir]
		if !ok {
			t.Errorf("package %s is on no floor: add it to layers", dir)
			return nil
		}
		seen++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if name != "lightningdb" && !strings.HasPrefix(name, "lightningdb/") {
				continue
			}
			imported := strings.TrimPrefix(strings.TrimPrefix(name, "lightningdb"), "/")
			if imported == "" {
				imported = "."
			}
			if to, ok := floor[imported]; !ok || to >= from {
				t.Errorf("%s (floor %d) imports %s (floor %d)", path, from, imported, to)
			}
			if public := strings.HasPrefix(dir, "cmd/internal") || dir == "cmd/lightning" ||
				strings.HasPrefix(dir, "cmd/lightning/"); public && strings.HasPrefix(imported, "internal/") {
				t.Errorf("%s imports %s: lightning is a user of the public API", path, imported)
			}
		}
		return nil
	})
	if err != nil || seen < 40 {
		t.Fatalf("looked at %d files: %v", seen, err)
	}
}
