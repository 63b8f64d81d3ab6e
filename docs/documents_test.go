// Package docs holds the documents to what they say: their programs are built and run.
package docs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks are the fenced blocks of a language in a document, or those that are indented if language is empty.
func blocks(t *testing.T, document, language string) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```").FindAllSubmatch(text, -1) {
		found = append(found, string(m[1])+"\n")
	}
	if len(found) == 0 {
		t.Fatalf("%s has no blocks of %q", document, language)
	}
	return found
}

// A recipe that does not build, or prints something else, is worse than none.
func TestRecipes_areTheExamplesThatRun(t *testing.T) {
	got, err := os.ReadFile("recipes_test.go")
	if err != nil {
		t.Fatal(err)
	}
	want := "package docs\n\n" + strings.Join(blocks(t, "recipes.md", "go"), "\n")
	if string(got) != want {
		t.Error("recipes_test.go must be the blocks of recipes.md, one after the other, behind a package clause")
	}
}

// The first thing that a newcomer tries would fail.
func TestReadme_addsTheDatabaseToAProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs in a module of their own")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.Mkdir(program, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(dir, "lightningdb")); err != nil { // what the clone would be
		t.Fatal(err)
	}
	readme := filepath.Join(root, "README.md")
	if err := os.WriteFile(filepath.Join(program, "main.go"), []byte(blocks(t, readme, "go")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := blocks(t, readme, "sh")
	for _, script := range []string{"go mod init program", shell[0], shell[1], "go run ."} {
		out := run(t, program, dir, script)
		if script == "go run ." && string(out) != "hello <nil>\n" {
			t.Errorf("the program printed %q", out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "lightning")); err != nil {
		t.Error(err)
	}
}

// A figure that nobody measured, or a loss that is not shown as one.
func TestReadme_figuresAreThoseOfTheBenchmark(t *testing.T) {
	readme, err1 := os.ReadFile("../README.md")
	measured, err2 := os.ReadFile("benchmarks.md")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "| row of the benchmark")
	table, _, _ = strings.Cut(table, "\n\n")
	rows, lost := strings.Split(table, "\n")[2:], 0
	for _, row := range rows {
		cells := strings.Split(row, " | ")
		title, ours, factor := strings.TrimPrefix(cells[0], "| "), cells[1], strings.Trim(cells[3], "*| ▼")
		measuredRow := `(?m)^\| ` + regexp.QuoteMeta(title) + ` \| ` + ours + ` \|.*\| \**` + factor + ` (\w+)( ▼)?\** \|$`
		found := regexp.MustCompile(measuredRow).FindStringSubmatch(string(measured))
		if found == nil || !strings.HasSuffix(cells[2], " "+found[1]) || (found[2] != "") != strings.Contains(cells[3], "▼") {
			t.Errorf("benchmarks.md does not say this: %s", row)
			continue
		}
		if found[2] != "" {
			lost++
		}
	}
	if len(rows) != 8 || lost < 2 {
		t.Errorf("%d rows, %d of them lost; want 8 and at least 2", len(rows), lost)
	}
}

// run runs the lines of script in dir, without those that clone.
func run(t *testing.T, dir, home, script string) []byte {
	t.Helper()
	var lines []string
	for line := range strings.Lines(script) {
		if !strings.HasPrefix(line, "git clone") {
			lines = append(lines, line)
		}
	}
	cmd := exec.Command("sh", "-ec", strings.Join(lines, ""))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOBIN="+filepath.Join(home, "bin"), "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, stderr.String())
	}
	return out
}
