package vfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"lightningdb/internal/system/vfs"
)

const (
	storedPiece = 1000
	storedSize  = 5 << 20 // several windows
)

// storedByte is what every byte of the piece at off is.
func storedByte(off int) byte { return byte(off/storedPiece%255 + 1) }

// storeAll makes a file and stores into all of it, piece by piece.
func storeAll(dir string) (vfs.File, error) {
	d, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if err != nil {
		return nil, err
	}
	f, err := d.Create("f")
	if err != nil {
		return nil, err
	}
	if err := f.Allocate(storedSize); err != nil {
		return nil, err
	}
	for off := 0; off+storedPiece <= storedSize; off += storedPiece {
		if _, err := f.StoreAt(bytes.Repeat([]byte{storedByte(off)}, storedPiece), int64(off)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// mappedBytes is how many bytes of dir/f this process has mapped for writing.
func mappedBytes(dir string) (int, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return 0, err
	}
	total := 0
	for line := range bytes.Lines(maps) {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(string(line), "%x-%x %s", &from, &to, &mode); err != nil {
			return 0, err
		}
		if bytes.HasSuffix(bytes.TrimSpace(line), []byte(filepath.Join(dir, "f"))) && mode == "rw-s" {
			total += int(to - from)
		}
	}
	return total, nil
}

// mapsHere reports whether dir is on a file system that is written through mappings.
func mapsHere(t *testing.T, dir string) bool {
	t.Helper()
	var st syscall.Statfs_t
	check(t, syscall.Statfs(dir, &st))
	const ext4, xfs, tmpfs = 0xef53, 0x58465342, 0x1021994
	return st.Type == ext4 || st.Type == xfs || st.Type == tmpfs
}

// A commit at Process durability is acknowledged when it is stored: a kill right behind that must not take it.
func TestStoreAt_survivesAKill(t *testing.T) {
	dir := t.TempDir()
	cmd, stdout := startChild(t, "store and die", dir)
	line, err := stdout.ReadString('\n')
	check(t, err)
	if mapsHere(t, dir) && line != "mapped\n" {
		t.Errorf("nothing was stored through a mapping: %q", line)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	got, err := os.ReadFile(filepath.Join(dir, "f"))
	check(t, err)
	for off, b := range got[:storedSize/storedPiece*storedPiece] {
		if b != storedByte(off) {
			t.Fatalf("byte %d is %d, want %d", off, b, storedByte(off))
		}
	}
}

func storeAndDie(dir string) error {
	if _, err := storeAll(dir); err != nil {
		return err
	}
	n, err := mappedBytes(dir)
	if err != nil {
		return err
	}
	if n > 0 {
		fmt.Println("mapped")
	} else {
		fmt.Println("written")
	}
	return syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
}

// A window that does not move puts the whole log into the resident memory of the process; one that stays when its
// file is closed is never unmapped.
func TestStoreAt_mapsLittleAndOnlyWhileOpen(t *testing.T) {
	dir := t.TempDir()
	f, err := storeAll(dir)
	check(t, err)
	if n, err := mappedBytes(dir); n > 2<<20 || err != nil {
		t.Errorf("%d bytes are mapped, %v", n, err)
	}
	check(t, f.Close())
	if n, err := mappedBytes(dir); n > 0 || err != nil {
		t.Errorf("%d bytes of a closed file are mapped, %v", n, err)
	}
}

// A device that fails under a mapping sends a signal; a program that dies of it cannot even tell why.
func TestStoreAt_aFaultIsAnError(t *testing.T) {
	dir := t.TempDir()
	if !mapsHere(t, dir) {
		t.Skip("not a file system that is mapped")
	}
	f, err := storeAll(dir)
	check(t, err)
	defer f.Close()
	check(t, os.Truncate(filepath.Join(dir, "f"), 0)) // pages without a file behind them fault like broken ones
	n, err := f.StoreAt([]byte("lost"), storedSize-10_000)
	if !errors.Is(err, syscall.EIO) || errors.Is(err, vfs.ErrNoSpace) {
		t.Errorf("StoreAt into a file that was cut = %d, %v", n, err)
	}
}

// Whoever watches the calls of a process must be able to see every write.
func TestWriteThrough_mapsNothing(t *testing.T) { runChild(t, "store through", t.TempDir()) }

func storeThrough(dir string) error {
	vfs.WriteThrough()
	if _, err := storeAll(dir); err != nil {
		return err
	}
	if n, err := mappedBytes(dir); n > 0 || err != nil {
		return fmt.Errorf("%d bytes are mapped, %w", n, err)
	}
	return nil
}
