package cli

import (
	"path/filepath"
	"strings"
	"testing"
)

// A key that a program has put and that no command takes could not be looked at, copied or removed by hand.
func TestEmptyKey_isTakenByEveryCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	must(t, "put", dir, "", "of nothing")
	must(t, "put", dir, "k", "v")
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	want(must(t, "get", dir, ""), "of nothing")
	want(must(t, "scan", dir, "--json"), `{"key":"","value":"of nothing"}`+"\n"+`{"key":"k","value":"v"}`+"\n")
	for _, name := range []string{"all.jsonl", "all.csv", "all.tsv"} {
		file, copied := filepath.Join(t.TempDir(), name), filepath.Join(t.TempDir(), "copy")
		must(t, "export", dir, file)
		must(t, "import", copied, file)
		want(must(t, "get", copied, ""), "of nothing")
		must(t, "verify", copied, "--quiet")
	}
	salvaged := filepath.Join(t.TempDir(), "salvaged")
	must(t, "salvage", dir, salvaged)
	want(must(t, "get", salvaged, ""), "of nothing")
	script := "put '' again\nget ''\nbegin\ndelete ''\ncommit\ncount\n"
	if got := lightning(t, script, "shell", dir); got.code != 0 || !strings.Contains(got.out, "again") {
		t.Errorf("the shell: %+v", got)
	}
	if got := lightning(t, "", "delete", dir, ""); got.code != 3 {
		t.Errorf("a second removal: %+v", got)
	}
	want(must(t, "scan", dir, "--keys-only"), "k\n")
}
