package lightningdb

import (
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wings is the house from the ground up. A package may import what stands before it in its own wing, and of the wings
// below those that its wing names: not past them. Nothing imports proof but proof and the program that runs it. Where a
// line of code belongs can be told from this list, and docs/design.md draws it.
var wings = []wing{
	{"internal/system", "clock latency calls prefetch goroutine epoch offheap origin vfs owner", ""},
	{"internal/format", "corrupt filename codec span space key operand batch record status lease directory", "system"},
	{"internal/tree", "gap burst ranges visible page locator cache rowcache merge cover memtable table manifest " +
		"compaction readers timing tables budget .", "system format metrics"},
	{"internal/log", "lock wal txn commit", "system format tree/merge tree/gap tree/visible tree/ranges"},
	{"internal/engine", "room stats events opening measure disk conflict scrub state .",
		"system format tree log event metrics"},
	{"internal/follower", ".", "system format tree log/wal metrics"},
	{"internal/target", ".", "system format tree/manifest"},
	{"internal/salvage", "leaves lenient losses .", "system format tree log/wal target"},
	{"internal/checkpoint", ".", "system format tree target"},
	{"internal/archive", ".", "system format tree log engine checkpoint metrics"},
	{"internal/report", ".", "system format tree/manifest engine archive metrics"},
	{"internal/transaction", ".", "system format log engine"},
	{"internal/model", "catalog rows index", "format engine transaction"},
	{".", ".", "event metrics engine follower salvage checkpoint archive report transaction model format log/lock " +
		"log/txn log/wal tree/manifest system/calls system/goroutine system/latency system/origin system/owner system/vfs"},
	{"event", ".", ""},
	{"metrics", ".", "event system/latency"},
	{"tuple", ".", ""},
	{"kv", ".", ". format"},
	{"typed", ".", ". kv tuple"},
	{"backup", ". storetest", ". checkpoint archive target format system"},
	{"backup/s3", ".", ". backup system"},
	{"monitor", ". collector/instruments collector", ". event metrics"},
	{"internal/proof", "latency browser oracle isolation observer torture destruction copies campaign mutants " +
		"environment blackbox probe noise crew ledger resources fake operate",
		"system format tree log engine follower target salvage checkpoint transaction . backup event metrics monitor"},
	{"cmd/internal", "units command child scratch jsonline interrupt ptytest progress picture console repositories",
		". backup metrics"},
	{"cmd/lightning", "internal/text internal/exchange internal/userfile internal/entries internal/findings " +
		"internal/shell internal/demo internal/watch internal/remote internal/live internal/copies internal/cli .",
		". backup event kv metrics cmd/internal"},
	{"cmd/lightning-s3", "internal/verbs .", ". backup cmd/internal"},
	{"cmd/lightning-proof", "internal/content internal/validate internal/bench internal/proof .",
		". cmd/internal system format log proof engine"},
	{"examples", "internal/trial cache counter inverted jobs monitored series", ". monitor event kv tuple typed"},
}

// wing is a folder of packages.
type wing struct {
	folder   string
	packages string // from the ground up; a package inside another stands with it. "." is the folder itself
	below    string // the wings, or single packages of them, that its packages may import
}

// owns returns the place of package dir in w, counted from the ground up; false if it is not of w.
func (w wing) owns(dir string) (place int, ok bool) {
	if w.folder == "." {
		return 0, dir == "."
	}
	rest, ok := strings.CutPrefix(dir+"/", w.folder+"/")
	if !ok {
		return 0, false
	}
	rest = strings.TrimSuffix(rest, "/")
	for n, p := range strings.Fields(w.packages) {
		if rest == p || p == "." && rest == "" || p != "." && strings.HasPrefix(rest, p+"/") {
			return n, true
		}
	}
	return 0, false
}

// mayImport reports whether w names the package imported among what is below it.
func (w wing) mayImport(imported string) bool {
	public := []string{".", "backup", "event", "kv", "metrics", "monitor", "tuple", "typed"}
	for _, b := range strings.Fields(w.below) {
		if !slices.Contains(public, b) && !strings.HasPrefix(b, "cmd/") {
			b = path.Join("internal", b)
		}
		if imported == b || b != "." && strings.HasPrefix(imported, b+"/") {
			return true
		}
	}
	return false
}

// wingOf returns the wing of package dir and its place there.
func wingOf(dir string) (wing, int, error) {
	for _, w := range wings {
		if n, ok := w.owns(dir); ok {
			return w, n, nil
		}
	}
	return wing{}, 0, fmt.Errorf("package %s is in no wing: add it to wings", dir)
}

// checkImport says why a package may not import another.
func checkImport(dir, imported string) error {
	from, place, err := wingOf(dir)
	if err != nil {
		return err
	}
	to, below, err := wingOf(imported)
	switch {
	case err != nil:
		return err
	case from.folder == to.folder && below > place:
		return fmt.Errorf("%s imports %s, which stands above it", dir, imported)
	case from.folder == to.folder && below == place && !related(dir, imported):
		return fmt.Errorf("%s imports %s", dir, imported)
	case from.folder != to.folder && !from.mayImport(imported):
		return fmt.Errorf("%s imports %s: %s may import %q only", dir, imported, from.folder, from.below)
	}
	return nil
}

// related reports whether one of two packages is inside the other.
func related(a, b string) bool { return strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/") }

// importsOf returns the packages of this module that a file imports.
func importsOf(file *ast.File) (dirs []string) {
	for _, spec := range file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		if dir, ok := strings.CutPrefix(name+"/", "lightningdb/"); ok {
			dirs = append(dirs, path.Clean(dir))
		}
	}
	return dirs
}

// One engine that every part of it may reach into is what the original died of.
func TestLayers_importOnlyWhatIsBelow(t *testing.T) {
	h := ourHouse(t)
	for _, name := range h.program {
		dir := path.Dir(name)
		if _, _, err := wingOf(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, imported := range importsOf(h.source[name]) {
			if err := checkImport(dir, imported); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A program that only keeps data would carry a server and TLS with it, megabytes of code to be kept safe.
func TestLayers_theDatabaseKnowsNoNetwork(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	for _, p := range packages {
		if p == "net" || strings.HasPrefix(p, "net/") || strings.HasPrefix(p, "crypto/tls") {
			t.Errorf("the database brings package %s", p)
		}
	}
	if !slices.Contains(packages, "lightningdb/internal/engine") {
		t.Errorf("only %d packages were looked at", len(packages))
	}
}

// A rule that nothing can break holds nothing.
func TestLayers_refuse(t *testing.T) {
	for _, c := range []struct{ dir, imported string }{
		{"internal/system/vfs", "internal/format/key"},    // upward
		{"internal/tree/page", "internal/tree/table"},     // upward within a wing
		{"internal/log/wal", "internal/tree/memtable"},    // past what its wing names
		{"cmd/lightning/internal/cli", "internal/engine"}, // past the public API
		{"internal/engine", "internal/proof/oracle"},      // proof is imported by nothing
		{".", "internal/tree/table"},                      // past the engine
		{"internal/nowhere", "internal/format/key"},
	} {
		if checkImport(c.dir, c.imported) == nil {
			t.Errorf("%s may import %s", c.dir, c.imported)
		}
	}
}

// A drawing that nobody holds against the code is soon of another house.
func TestLayers_areDrawnInTheDesign(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	drawn := strings.ReplaceAll(string(text), "\n         ", " ") // a wing may take two lines
	for _, w := range wings[:5] {
		packages := strings.TrimSuffix(strings.TrimSuffix(w.packages, "."), " ")
		line := strings.TrimSpace(fmt.Sprintf("%-8s %s", path.Base(w.folder), packages))
		if !strings.Contains(drawn, "\n"+line) {
			t.Errorf("docs/design.md lacks the line %q", line)
		}
	}
}
