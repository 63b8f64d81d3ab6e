package vfs

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// Every promise about power cuts ends in these calls: a sync that does not reach the system would be noticed by nothing
// else. The system refuses to sync a pipe, and so shows that it was asked.
func TestSync_reachesTheSystem(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := (&osFile{f: w}).Sync(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Sync: %v", err)
	}
	if err := (&osFile{f: w}).WriteOut(0, 1); !errors.Is(err, syscall.ESPIPE) {
		t.Errorf("WriteOut: %v", err)
	}
	if err := (&osDir{self: w}).SyncDir(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("SyncDir: %v", err)
	}
}
