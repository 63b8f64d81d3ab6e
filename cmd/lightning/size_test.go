package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// maxBinarySize is what the program may have, in bytes, database and all; docs/decisions/0007 says why.
const maxBinarySize = 8_800_000

// A dependency that doubles the binary comes in by one import, and nobody sees it in a review.
func TestBinary_staysUnderItsBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	program := build(t)
	t.Logf("%d bytes, %d are free", len(program), maxBinarySize-len(program))
	if len(program) >= maxBinarySize {
		t.Errorf("the program has %d bytes, not under %d: see `go tool nm -size -sort size`", len(program), maxBinarySize)
	}
}

// What docs/decisions/0007 took out comes back by one call, with up to half a megabyte.
func TestBinary_leavesOutWhatIsNotUsed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	program := build(t)
	if !bytes.Contains(program, []byte("lightningdb/cmd/lightning/internal/cli.")) {
		t.Fatal("the names of functions are not in the program")
	}
	for _, name := range []string{"log/slog.", "zstd.(*Encoder)."} {
		if bytes.Contains(program, []byte(name)) {
			t.Errorf("the program contains functions of %s: see `go build -ldflags=-dumpdep`", name)
		}
	}
}

// build makes the program as anybody would for a release, and returns it.
func build(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lightning")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}
