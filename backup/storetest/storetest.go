// Package storetest checks that a backup.Store keeps what the documentation of Store says. On that rests that no backup
// loses a file, so whoever writes a Store runs it in a test of their own.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"lightningdb/backup"
)

// Run checks a Store, which must be empty. Names that end in .lock may be in it at any time.
func Run(t *testing.T, s backup.Store) {
	c := &check{t, s}
	if names := c.list(""); len(names) > 0 {
		t.Errorf("at first there is %q", names)
	}
	t.Run("put", c.put)
	t.Run("copy", c.copy)
	t.Run("list", c.lists)
	t.Run("names", c.names)
	t.Run("only one is new", c.onlyOneIsNew)
	t.Run("no half file", c.noHalfFile)
	t.Run("context", c.context)
}

type check struct {
	t *testing.T
	s backup.Store
}

var background = context.Background()

// store is Put of a text.
func (c *check) store(name, text string, mode backup.PutMode) error {
	return c.s.Put(background, name, strings.NewReader(text), int64(len(text)), mode)
}

// must checks what a file has.
func (c *check) must(t *testing.T, name, want string) {
	t.Helper()
	in, err := c.s.Open(background, name)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	text, err := io.ReadAll(in)
	if err = errors.Join(err, in.Close()); err != nil || string(text) != want {
		t.Errorf("%s has %d bytes %.40q, %v; want %d bytes %.40q", name, len(text), text, err, len(want), want)
	}
}

func (c *check) list(prefix string) (names []string) {
	c.t.Helper()
	for e, err := range c.s.List(background, prefix) {
		if err != nil {
			c.t.Errorf("list %q: %v", prefix, err)
			return names
		}
		if !strings.HasSuffix(e.Name, ".lock") {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (c *check) put(t *testing.T) {
	if err := errors.Join(c.store("beats/a", "one", backup.Replace), c.store("beats/a", "two", backup.Replace),
		c.store("files/0c/b", "", backup.OnlyNew), c.s.Remove(background, "beats/none"),
		c.s.Remove(background, "none/x")); err != nil {
		t.Fatal(err)
	}
	c.must(t, "beats/a", "two")
	c.must(t, "files/0c/b", "")
	if err := c.store("beats/a", "three", backup.OnlyNew); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over something: %v", err)
	}
	c.must(t, "beats/a", "two")
	for _, content := range []string{"", "12", "1234"} {
		for _, mode := range []backup.PutMode{backup.Replace, backup.OnlyNew} {
			for _, name := range []string{"beats/a", "beats/none"} {
				if err := c.s.Put(background, name, strings.NewReader(content), 3, mode); err == nil {
					t.Errorf("%q has 3 bytes", content)
				}
			}
		}
	}
	broken := io.MultiReader(strings.NewReader("12"), iotest.ErrReader(errors.New("broken")))
	if err := c.s.Put(background, "beats/a", broken, 3, backup.Replace); err == nil {
		t.Error("a reader failed")
	}
	c.must(t, "beats/a", "two")
	if names := c.list("beats/"); !slices.Equal(names, []string{"beats/a"}) {
		t.Errorf("what was not put is there: %q", names)
	}
	if err := c.store("beats/gone", "x", backup.OnlyNew); err != nil {
		t.Error(err)
	}
	if err := c.s.Remove(background, "beats/gone"); err != nil {
		t.Error(err)
	}
	if err := c.store("beats/gone", "again", backup.OnlyNew); err != nil {
		t.Errorf("where something was removed: %v", err)
	}
	if err := c.s.Remove(background, "beats/gone"); err != nil {
		t.Error(err)
	}
}

func (c *check) copy(t *testing.T) {
	if err := c.s.Copy(background, "beats/a", "files/0d/c"); err != nil {
		t.Error(err)
	}
	if err := c.s.Remove(background, "beats/a"); err != nil {
		t.Error(err)
	}
	c.must(t, "files/0d/c", "two")
	if err := c.s.Copy(background, "beats/a", "files/0e/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copy of nothing: %v", err)
	}
	if _, err := c.s.Open(background, "beats/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
	if err := c.s.Copy(background, "files/0c/b", "files/0c/empty"); err != nil {
		t.Errorf("copy of an empty file: %v", err)
	}
	if err := c.s.Remove(background, "files/0c/empty"); err != nil {
		t.Error(err)
	}
}

func (c *check) lists(t *testing.T) {
	for prefix, want := range map[string]int{"": 2, "files/": 2, "files/0c/": 1, "files/0": 2, "beats/": 0, "x": 0} {
		if names := c.list(prefix); len(names) != want {
			t.Errorf("%q: %q", prefix, names)
		}
	}
	for e, err := range c.s.List(background, "files/0d") {
		if err != nil || e != (backup.Entry{Name: "files/0d/c", Size: 3}) {
			t.Errorf("%+v, %v", e, err)
		}
	}
	for range c.s.List(background, "files/") { // it may be left early
		break
	}
}

func (c *check) names(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "/x", "x/", "a//b", "a/../b", `a\b`, "a\x00b"} {
		if err := c.store(name, "x", backup.Replace); err == nil {
			t.Errorf("put of %q", name)
		}
		if in, err := c.s.Open(background, name); err == nil {
			t.Errorf("open of %q", name)
			_ = in.Close()
		}
	}
}

// onlyOneIsNew checks that of many at once one gets a name, and that the file is that one's.
func (c *check) onlyOneIsNew(t *testing.T) {
	const name = "backups/x"
	var won, winner atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			err := c.store(name, string(rune('a'+i)), backup.OnlyNew)
			if err == nil {
				won.Add(1)
				winner.Store(int32(i))
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were the only one", won.Load())
	}
	c.must(t, name, string(rune('a'+winner.Load())))
	if err := c.s.Remove(background, name); err != nil {
		t.Error(err)
	}
}

// noHalfFile checks that a large file, which a Store may move in parts, is there whole or not at all.
func (c *check) noHalfFile(t *testing.T) {
	const name, size = "files/0f/large", 20<<20 + 1
	content := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
	for _, at := range []int{1, size / 2, size - 1, size} {
		broken := io.MultiReader(bytes.NewReader(content[:at]), iotest.ErrReader(errors.New("broken")))
		if err := c.s.Put(background, name, broken, size, backup.Replace); err == nil {
			t.Errorf("a reader failed after %d bytes", at)
		}
	}
	if names := c.list("files/0f/"); len(names) > 0 {
		t.Errorf("there is %q", names)
	}
	if err := c.s.Put(background, name, bytes.NewReader(content), size, backup.Replace); err != nil {
		t.Fatal(err)
	}
	c.must(t, name, string(content))
	if err := c.s.Copy(background, name, name+"-copy"); err != nil {
		t.Fatal(err)
	}
	c.must(t, name+"-copy", string(content))
	if err := errors.Join(c.s.Remove(background, name), c.s.Remove(background, name+"-copy")); err != nil {
		t.Error(err)
	}
	if names := c.list("uploads/"); len(names) > 0 {
		t.Errorf("left in uploads/: %q", names)
	}
}

// context checks that a Put ends with its context.
func (c *check) context(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	cancel()
	if err := c.s.Put(ctx, "beats/late", strings.NewReader("x"), 1, backup.Replace); !errors.Is(err, context.Canceled) {
		t.Errorf("put after the end of its context: %v", err)
	}
	if names := c.list("beats/"); len(names) > 0 {
		t.Errorf("it is there all the same: %q", names)
	}
}
