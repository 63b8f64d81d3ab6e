package vfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// unlinkable is a directory into which nothing can be linked.
type unlinkable struct{ FS }

func (unlinkable) Link(FS, string) error { return errors.ErrUnsupported }

// A copy of a large database on another subvolume would take minutes and its whole space; or, if it shared more than
// blocks, a write to the one would change the other.
func TestLinkOrCopy_sharesBlocksWhereThatIsPossible(t *testing.T) {
	temp := t.TempDir()
	from, to := openDir(t, filepath.Join(temp, "from")), openDir(t, filepath.Join(temp, "to"))
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // two pieces of a copy
	if err := os.WriteFile(filepath.Join(temp, "from", "000001.tbl"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	var told int64
	linked, err := LinkOrCopy(t.Context(), from, unlinkable{to}, "000001.tbl", func(n int64) { told += n })
	if err != nil || linked || told != int64(len(content)) {
		t.Fatalf("linked %v, told of %d bytes, %v", linked, told, err)
	}
	for _, name := range []string{"to", "from"} {
		path := filepath.Join(temp, name, "000001.tbl")
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%s has %d bytes, %v", name, len(got), err)
		}
		if name == "to" {
			if err := os.WriteFile(path, []byte("changed"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	target, err := to.Create("000002.tbl")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if got, want := shareBlocks(from, "000001.tbl", target), canShare(t, temp); got != want {
		t.Errorf("blocks are shared: %v; the file system can: %v", got, want)
	}
	if shareBlocks(from, "000001.tbl", struct{ File }{target}) {
		t.Error("they are shared past what stands between")
	}
}

// canShare reports whether the file system of dir lets files share blocks.
func canShare(t *testing.T, dir string) bool {
	t.Helper()
	source, err1 := os.Create(filepath.Join(dir, "one"))
	target, err2 := os.Create(filepath.Join(dir, "two"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	defer target.Close()
	if _, err := source.Write(make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	return unix.IoctlFileClone(int(target.Fd()), int(source.Fd())) == nil
}

func openDir(t *testing.T, path string) FS {
	t.Helper()
	dir, err := OpenDir(path, OpenDirOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// What copies must tell a source that ends early from one that fails, and stop when nobody wants it any more.
func TestCopyTo_endsAsItsSourceDoes(t *testing.T) {
	dir := openDir(t, t.TempDir())
	broken := errors.New("the cable is out")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	content := bytes.Repeat([]byte("x"), 3*copyBytes/2)
	for name, c := range map[string]struct {
		ctx  context.Context
		in   io.Reader
		n    int64
		want error
	}{
		"whole":    {t.Context(), bytes.NewReader(append(content, "and more"...)), int64(len(content)), nil},
		"cut":      {t.Context(), bytes.NewReader(content[:copyBytes+1]), copyBytes, io.ErrUnexpectedEOF},
		"empty":    {t.Context(), bytes.NewReader(nil), 0, io.ErrUnexpectedEOF},
		"broken":   {t.Context(), io.MultiReader(bytes.NewReader(content[:copyBytes]), failing{broken}), copyBytes, broken},
		"canceled": {ended, bytes.NewReader(content), 0, broken},
	} {
		out, err := dir.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		wrote := 0
		n, err := CopyTo(c.ctx, out, c.in, int64(len(content)), func(p []byte) { wrote += len(p) })
		if size, _ := out.Size(); n != c.n || size != c.n || int64(wrote) != c.n || err != c.want {
			t.Errorf("%s: %d bytes, told of %d, %v; want %d, %v", name, n, wrote, err, c.n, c.want)
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
