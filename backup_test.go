package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/system/vfs"
)

// diary is a database with what each of its commits has changed, by sequence number: what a copy must be can be told
// from it, however the database goes on.
type diary struct {
	t   *testing.T
	db  *DB
	rnd *rand.Rand

	mu      sync.Mutex
	commits []diaryEntry
}

type diaryEntry struct {
	sequence uint64
	change   map[string]*string // nil for a delete
}

func (d *diary) state(sequence uint64) map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	state := map[string]string{}
	for _, c := range d.commits {
		if c.sequence > sequence {
			break
		}
		for k, v := range c.change {
			if v == nil {
				delete(state, k)
			} else {
				state[k] = *v
			}
		}
	}
	return state
}

// step commits a few changes: of any bytes, empty values, values that stay in value files, merges and removals of many.
func (d *diary) step() error {
	now := d.state(1 << 62)
	b, change := new(Batch), map[string]*string{}
	most := []int{1, 8, 200}[d.rnd.IntN(3)]
	for range 1 + d.rnd.IntN(most) {
		k := string([]byte{byte(d.rnd.IntN(4)), byte(d.rnd.Uint32()), byte(d.rnd.IntN(3) * 127)}[:d.rnd.IntN(4)])
		value := d.change(b, k, now[k])
		change[k] = value
		now[k] = ""
		if value != nil {
			now[k] = *value
		}
	}
	if err := d.db.Write(b); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits = append(d.commits, diaryEntry{b.Sequence(), change})
	return nil
}

// change adds one operation on k, whose value is old, empty if it has none, to b. It returns the value after it.
func (d *diary) change(b *Batch, k, old string) *string {
	value := make([]byte, []int{0, 5, 100, 6000}[d.rnd.IntN(4)])
	for i := range value {
		value[i] = byte(d.rnd.Uint32())
	}
	after := string(value)
	switch op := d.rnd.IntN(10); {
	case op < 2:
		b.Delete([]byte(k))
		return nil
	case op < 4 && len(old) < 20_000:
		tail := strings.Repeat("+", d.rnd.IntN(30))
		b.Append([]byte(k), []byte(tail))
		after = old + tail
	default:
		b.Put([]byte(k), value)
	}
	return &after
}

// mustBe compares a database with a state.
func mustBe(t *testing.T, what, dir string, want map[string]string) {
	t.Helper()
	db, err := Open(dir, &Options{MustExist: true, MemoryLimit: minMemory})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer db.Close()
	got := map[string]string{}
	for k, v := range db.Range(nil, nil).All() {
		got[string(k)] = string(v)
	}
	if !maps.Equal(got, want) {
		t.Fatalf("%s: %d entries, want %d", what, len(got), len(want))
	}
	if r := db.Recovery(); r.Records != 0 || r.TornBytes != 0 {
		t.Errorf("%s: it was not closed: %+v", what, r)
	}
	if err := db.Verify(context.Background(), nil); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

const minMemory = 1 << 20

func newDiary(t *testing.T, o Options) *diary {
	o.MemoryLimit, o.Durability = cmpOr(o.MemoryLimit, minMemory), Process
	d := &diary{t: t, rnd: rand.New(rand.NewPCG(rand.Uint64(), 1))}
	d.db = openTemp(t, &o)
	return d
}

func cmpOr(a, b int64) int64 {
	if a != 0 {
		return a
	}
	return b
}

// A copy under load is the state after one commit, with all before it and nothing after. The follower copies what it
// shows, without its writer's help.
func TestCheckpoint_underLoadIsAPrefixOfTheCommits(t *testing.T) {
	d := newDiary(t, Options{ValueThreshold: 512})
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := d.step(); err != nil {
				stopped <- err
				return
			}
		}
	}()
	f, err := OpenFollower(d.db.Path(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rounds := 30
	if testing.Short() {
		rounds = 8
	}
	for i, start := 0, time.Now(); i < rounds || !d.loaded() && time.Since(start) < time.Minute; i++ {
		before := d.db.Metrics().Sequence
		dir := filepath.Join(t.TempDir(), "copy")
		seq, err := d.copyBy(i%4, f, dir)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if seq < before {
			t.Fatalf("round %d: it ends at %d, before what was committed when it began, %d", i, seq, before)
		}
		mustBe(t, fmt.Sprintf("round %d, at %d", i, seq), dir, d.stateSoon(seq))
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if m := d.db.Metrics(); !d.loaded() {
		t.Errorf("the load was none: %d flushes, %d compactions, %d value files", m.Flush.Count, m.Compaction.Count,
			m.Values.Files)
	}
}

// copyBy makes a copy of the database in dir in one of four ways.
func (d *diary) copyBy(way int, f *Follower, dir string) (uint64, error) {
	switch way {
	case 2:
		if err := f.Refresh(d.t.Context()); err != nil {
			return 0, err
		}
		return f.Checkpoint(d.t.Context(), dir, nil)
	case 3:
		return backupTo(d.db, dir)
	}
	return d.db.Checkpoint(d.t.Context(), dir, nil)
}

// loaded reports whether there was enough for copies to go wrong.
func (d *diary) loaded() bool {
	m := d.db.Metrics()
	return m.Flush.Count >= 5 && m.Compaction.Count >= 2 && m.Values.Files > 0
}

// stateSoon is state, once the writer has noted the commit that it has made.
func (d *diary) stateSoon(seq uint64) map[string]string {
	for {
		d.mu.Lock()
		noted := len(d.commits) > 0 && d.commits[len(d.commits)-1].sequence >= seq
		d.mu.Unlock()
		if noted {
			return d.state(seq)
		}
	}
}

// backupTo backs up db through a pipe, and unpacks what comes out.
func backupTo(db *DB, dir string) (uint64, error) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := db.Backup(context.Background(), w, nil)
		w.CloseWithError(err)
		done <- err
	}()
	target, err := vfs.OpenDir(dir, vfs.OpenDirOptions{Create: true})
	if err != nil {
		return 0, err
	}
	defer target.Close()
	d, err := checkpoint.ReadStream(context.Background(), r, target, nil)
	r.CloseWithError(err)
	if err = errors.Join(err, <-done); err != nil {
		return 0, err
	}
	return d.Sequence, nil
}

// Both go on by themselves, and either may be removed.
func TestCheckpoint_andItsParentGoDifferentWays(t *testing.T) {
	d := newDiary(t, Options{ValueThreshold: 512})
	for range 300 {
		if err := d.step(); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "copy")
	seq, err := d.db.Checkpoint(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	atCopy := d.state(seq)
	copied, err := Open(dir, &Options{MemoryLimit: minMemory, ValueThreshold: 512, Durability: Process})
	if err != nil {
		t.Fatal(err)
	}
	c := &diary{t: t, db: copied, rnd: d.rnd}
	one, err := d.db.Copies().WriteStream(t.Context(), io.Discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := copied.Copies().WriteStream(t.Context(), io.Discard, nil)
	if err != nil || other.Database == one.Database {
		t.Errorf("both have the id %s, %v: their archives could be mixed up", one.Database, err)
	}
	first := map[string]*string{}
	for k, v := range atCopy {
		first[k] = &v
	}
	c.commits = []diaryEntry{{seq, first}}
	for range 300 {
		if err := errors.Join(d.step(), c.step()); err != nil {
			t.Fatal(err)
		}
	}
	for _, db := range []*DB{d.db, copied} {
		if err := errors.Join(db.Compact(t.Context(), nil, nil), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	mustBe(t, "the parent", d.db.Path(), d.state(1<<62))
	mustBe(t, "the copy", dir, c.state(1<<62))
	if err := os.RemoveAll(d.db.Path()); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "the copy without its parent", dir, c.state(1<<62))
}

func TestCheckpoint_refuses(t *testing.T) {
	db := openTemp(t, nil)
	mustPut(t, db, "a", "1")
	if _, err := db.Checkpoint(t.Context(), db.Path(), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into itself: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Checkpoint(t.Context(), dir, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a directory of somebody else: %v", err)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	dir = filepath.Join(t.TempDir(), "copy")
	if _, err := db.Checkpoint(over, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 1 {
		t.Errorf("it left %v, %v", names, err)
	}
	if _, err := db.Checkpoint(t.Context(), dir, nil); err != nil {
		t.Errorf("once more: %v", err)
	}
	if _, err := db.Backup(t.Context(), nil, nil); err == nil {
		t.Error("a backup to nowhere")
	}
	if _, err := db.Checkpoint(t.Context(), "", nil); err == nil {
		t.Error("a checkpoint to nowhere")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Checkpoint(t.Context(), filepath.Join(t.TempDir(), "x"), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed database: %v", err)
	}
	if _, err := db.Backup(t.Context(), io.Discard, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed database: %v", err)
	}
}

// What is in memory and can go nowhere else is in the copy too.
func TestCheckpoint_ofWhatCannotFlush(t *testing.T) {
	d := newDiary(t, Options{})
	for range 20 {
		if err := d.step(); err != nil {
			t.Fatal(err)
		}
	}
	path := d.db.Path()
	left := t.TempDir()
	if err := os.CopyFS(left, os.DirFS(path)); err != nil { // what a kill leaves: a log to be replayed
		t.Fatal(err)
	}
	db, err := Open(left, &Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dir := filepath.Join(t.TempDir(), "copy")
	if _, err := db.Checkpoint(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "the copy", dir, d.state(1<<62))

	memory := openTemp(t, &Options{InMemory: true})
	mustPut(t, memory, "a", "1")
	dir = filepath.Join(t.TempDir(), "from memory")
	if _, err := memory.Checkpoint(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "the copy of a database in memory", dir, map[string]string{"a": "1"})
}

// A backup needs no program of ours: tar unpacks it, and sha256sum checks it.
func TestBackup_isATarOfADatabase(t *testing.T) {
	d := newDiary(t, Options{ValueThreshold: 512})
	for range 200 {
		if err := d.step(); err != nil {
			t.Fatal(err)
		}
	}
	var stream bytes.Buffer
	var last int64
	seq, err := d.db.Backup(t.Context(), &stream, func(done, total int64) {
		if done < last || done > total {
			t.Errorf("progress went from %d to %d of %d", last, done, total)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	if seq != d.db.Metrics().Sequence || last == 0 {
		t.Errorf("it ends at %d; %d bytes were told", seq, last)
	}
	dir := t.TempDir()
	for _, command := range [][]string{{"tar", "xf", "-"}, {"sha256sum", "--quiet", "-c", "SHA256SUMS"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Skip(err)
		}
		c := exec.Command(command[0], command[1:]...)
		c.Dir, c.Stdin = dir, &stream
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command[0], err, out)
		}
	}
	mustBe(t, "what tar made of it", dir, d.state(1<<62))
}

// Damage is not handed on: the backup before is worth more than one that nobody can restore.
func TestBackup_refusesDamage(t *testing.T) {
	d := newDiary(t, Options{ValueThreshold: 512})
	for range 200 {
		if err := d.step(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.db.Compact(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(d.db.Path(), "*.tbl"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	flip(t, slices.Max(names))
	var damage *CorruptionError
	if _, err := d.db.Backup(t.Context(), io.Discard, nil); !errors.As(err, &damage) {
		t.Errorf("backup of a damaged table: %v", err)
	}
}

// flip changes a byte in the middle of a file.
func flip(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	var b [1]byte
	if err == nil {
		_, err = f.ReadAt(b[:], info.Size()/3)
	}
	b[0] ^= 0x40
	if err == nil {
		_, err = f.WriteAt(b[:], info.Size()/3)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Close ends a copy that is being made, and waits for it.
func TestBackup_endsWithClose(t *testing.T) {
	d := newDiary(t, Options{})
	for range 100 {
		if err := d.step(); err != nil {
			t.Fatal(err)
		}
	}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := d.db.Backup(t.Context(), w, nil)
		w.CloseWithError(err)
		done <- err
	}()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- d.db.Close() }()
	_, _ = io.Copy(io.Discard, r)
	if err := <-done; !errors.Is(err, ErrClosed) && err != nil {
		t.Errorf("backup: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}
