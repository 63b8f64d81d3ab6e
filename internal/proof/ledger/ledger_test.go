package ledger

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func open(t *testing.T, path string) *Ledger {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A ledger that forgets, or believes a commit that nobody acknowledged, would accuse a database, or acquit it.
func TestLedger_outlivesItsWriterWhereverItIsCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	for _, c := range []struct {
		changes      []Change
		acknowledged bool
	}{
		{[]Change{{0, 1}, {1, 1}, {2, 1}}, true},
		{[]Change{{1, 2}, {5, 1}}, false},
		{[]Change{{0, 0}, {1, 3}}, true},
	} {
		if err := l.Begin(c.changes); err != nil {
			t.Fatal(err)
		}
		if err := l.End(c.acknowledged); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Begin([]Change{{2, 2}, {3, 1}}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		bytes    int
		versions []uint32
		pending  []Change
	}{
		{"whole", len(whole), []uint32{0, 3, 1}, []Change{{2, 2}, {3, 1}}},
		{"within the last change", len(whole) - 1, []uint32{0, 3, 1}, []Change{{2, 2}}},
		{"before the last change", len(whole) - recordBytes, []uint32{0, 3, 1}, []Change{{2, 2}}},
		{"within the last acknowledgement", 10*recordBytes - 1, []uint32{1, 1, 1}, []Change{{0, 0}, {1, 3}}},
		{"before anything", 0, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cut := filepath.Join(t.TempDir(), "ledger")
			if err := os.WriteFile(cut, whole[:c.bytes], 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, cut)
			if !slices.Equal(l.versions, c.versions) || !slices.Equal(l.Pending(), c.pending) {
				t.Errorf("%v and %v, want %v and %v", l.versions, l.Pending(), c.versions, c.pending)
			}
			if err := l.End(false); err != nil { // what follows must not complete a record that was torn
				t.Fatal(err)
			}
			if again := open(t, cut); !slices.Equal(again.versions, c.versions) || len(again.Pending()) > 0 {
				t.Errorf("the second time %v and %v", again.versions, again.Pending())
			}
		})
	}
	if l.Version(1) != 3 || l.Version(99) != 0 || l.Next() != 3 {
		t.Errorf("version %d and %d, next %d", l.Version(1), l.Version(99), l.Next())
	}
}

// A file of something else would pass for an empty ledger, and every database for right.
func TestLedger_refusesWhatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, make([]byte, 3*recordBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	if l := open(t, path); len(l.Pending()) != 3 {
		t.Errorf("%v", l.Pending())
	}
	if err := os.WriteFile(path, []byte("what is no ledger"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil {
		t.Error("it was opened")
	}
}
