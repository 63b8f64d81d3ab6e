package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// maxBinarySize is what the program may have, in bytes, database and all.
const maxBinarySize = 5_000_000

// A dependency that doubles the binary comes in by one import, and nobody sees it in a review.
func TestBinary_staysUnderItsBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	binary := filepath.Join(t.TempDir(), "lightning")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() >= maxBinarySize {
		t.Errorf("the program has %d bytes, not under %d: see `go tool nm -size -sort size`", info.Size(), maxBinarySize)
	}
}
