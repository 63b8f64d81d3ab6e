package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// memory is a Store in memory, which looks after each change whether all backups in it have their files.
type memory struct {
	mu     sync.Mutex
	files  map[string][]byte
	backup map[string]bool // ids of all that were ever there
	broken []string        // what was seen
}

func newMemory() *memory {
	return &memory{files: make(map[string][]byte), backup: make(map[string]bool)}
}

// Put is that of Store.
func (m *memory) Put(ctx context.Context, name string, r io.Reader, size int64, mode PutMode) error {
	content, err := io.ReadAll(untilDone{ctx, r})
	if err == nil && int64(len(content)) != size {
		err = io.ErrUnexpectedEOF
	}
	if err = errors.Join(checkName(name), err); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.files[name]; there && mode == OnlyNew {
		return fs.ErrExist
	}
	m.files[name] = content
	if id, ok := parseDescriptionName(name); ok && string(content) != abandoned {
		m.backup[id] = true
	}
	m.checkLocked("put " + name)
	return nil
}

// Copy is that of Store.
func (m *memory) Copy(_ context.Context, from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.files[from]
	if !ok {
		return fs.ErrNotExist
	}
	m.files[to] = content
	return nil
}

// Open is that of Store.
func (m *memory) Open(_ context.Context, name string) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// List is that of Store.
func (m *memory) List(_ context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, name := range m.names(prefix) {
			m.mu.Lock()
			content, ok := m.files[name]
			m.mu.Unlock()
			if ok && !yield(Entry{name, int64(len(content))}, nil) {
				return
			}
		}
	}
}

// Remove is that of Store.
func (m *memory) Remove(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	m.checkLocked("remove " + name)
	return nil
}

// names lists what begins with prefix.
func (m *memory) names(prefix string) (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// neededLocked is every place that a backup names.
func (m *memory) neededLocked() (places []string) {
	for name, text := range m.files {
		id, ok := parseDescriptionName(name)
		if !ok || string(text) == abandoned {
			continue
		}
		d, err := decode(text, id)
		if err != nil {
			panic(err)
		}
		for _, f := range d.Files {
			places = append(places, f.place())
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// checkLocked notes if a backup names what is not there.
func (m *memory) checkLocked(after string) {
	if !strings.Contains(after, " "+backupDir) && !strings.Contains(after, " "+placePrefix) {
		return
	}
	for _, place := range m.neededLocked() {
		content, ok := m.files[place]
		sum := sha256.Sum256(content)
		if f, _ := parsePlace(place); !ok || f.Digest != hex.EncodeToString(sum[:]) {
			m.broken = append(m.broken, fmt.Sprintf("after %s: %s is gone or changed", after, place))
		}
	}
}

// mustBeWhole checks that a repository has no damage, and never had, and that backups can be made, pruned and verified.
func (m *memory) mustBeWhole(t *testing.T, what string, source *tables) {
	t.Helper()
	ctx := context.Background()
	r, err := Open(ctx, m)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if err := r.Verify(ctx, &VerifyOptions{ReadData: true}); err != nil && !errors.Is(err, ErrNotRepository) {
		t.Errorf("%s: verify: %v", what, err)
	}
	if _, err := r.create(ctx, nil, source.store); err != nil {
		t.Errorf("%s: create: %v", what, err)
	}
	report, err := r.Prune(ctx, PruneOptions{Keep: Keep{Last: 1}})
	if err != nil || report.InUse || len(report.Kept) != 1 {
		t.Errorf("%s: prune: %+v, %v", what, report, err)
	}
	if err := r.Verify(ctx, &VerifyOptions{ReadData: true}); err != nil {
		t.Errorf("%s: verify at the end: %v", what, err)
	}
	m.mu.Lock()
	needed := m.neededLocked()
	m.mu.Unlock()
	if there := m.names(placePrefix); !slices.Equal(there, needed) {
		t.Errorf("%s: after a prune there are %q, needed are %q", what, there, needed)
	}
	for _, kind := range []string{leases, marks, beats, uploads} {
		if left := m.names(kind); len(left) > 0 {
			t.Errorf("%s: left is %q", what, left)
		}
	}
	if len(m.broken) > 0 {
		t.Errorf("%s: %s", what, m.broken[0])
	}
}

// tables is a database that has nothing but files. Each copy of it has some of its tables and a manifest of its own.
type tables struct {
	mu   sync.Mutex
	rng  *rand.Rand
	dir  vfs.FS
	all  []checkpoint.File
	next uint64
}

func newTables(rng *rand.Rand, n int) *tables {
	s := &tables{rng: rng, dir: memfs.NewVolatile()}
	for i := range n {
		f := checkpoint.File{Name: fmt.Sprintf("%06d.tbl", i+1), Shared: true, ID: rng.Uint64()}
		f.Size = s.write(f.Name, fmt.Sprintf("table %d", i/2)) // of two tables each the content is the same
		s.all = append(s.all, f)
	}
	return s
}

func (s *tables) write(name, text string) int64 {
	f, err := s.dir.Create(name)
	if err == nil {
		_, err = f.WriteAt([]byte(text), 0)
	}
	if err != nil {
		panic(err)
	}
	return int64(len(text))
}

// store stores a copy.
func (s *tables) store(ctx context.Context, c *creation) error { return c.store(ctx, s.copy(), s) }

func (s *tables) copy() *checkpoint.Copy {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	copied := &checkpoint.Copy{Sequence: s.next, Source: [16]byte{1}}
	for _, f := range s.all {
		if s.rng.IntN(2) == 0 {
			copied.Files = append(copied.Files, f)
		}
	}
	for _, name := range []string{fmt.Sprintf("MANIFEST-%06d", 100+s.next), "CURRENT"} {
		from := fmt.Sprintf("%s-%d", name, s.next)
		copied.Files = append(copied.Files, checkpoint.File{Name: name, Size: s.write(from, from)})
	}
	return copied
}

// Open is that of contents. What is not shared has the same content each time, here.
func (s *tables) Open(f checkpoint.File) (vfs.File, error) {
	if f.Shared {
		return s.dir.Open(f.Name)
	}
	names, err := s.dir.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasPrefix(name, f.Name+"-") && int64(len(name)) == f.Size {
			return s.dir.Open(name)
		}
	}
	return nil, fs.ErrNotExist
}

// Check is that of contents.
func (s *tables) Check(checkpoint.File) error { return nil }

var (
	errKilled  = errors.New("the process was killed")
	errTimeout = errors.New("no answer")
)

// process is a Store as one process sees it, on a machine of its own. Each call takes a while before and after it has
// its effect. Process and calls may stand still there, also for longer than a term, and it may be killed there: from
// then on nothing has an effect any more, but for calls that are under way.
type process struct {
	*memory
	mu      sync.Mutex
	rng     *rand.Rand
	steps   int
	killAt  int       // the step that it does not survive; 0 for none
	pause   int       // of a hundred steps, how many take long
	late    int       // of a hundred calls, how many have their effect after their error
	resumes time.Time // until then the process stands still
}

// step passes time.
func (p *process) step() error {
	p.mu.Lock()
	p.steps++
	if p.killAt > 0 && p.steps >= p.killAt {
		p.mu.Unlock()
		return errKilled
	}
	takes := time.Duration(p.rng.Int64N(int64(50 * time.Millisecond)))
	if p.rng.IntN(100) < p.pause {
		p.resumes = time.Now().Add(time.Duration(p.rng.Int64N(int64(4 * beatTerm))))
	}
	p.mu.Unlock()
	for time.Sleep(takes); ; {
		p.mu.Lock()
		wait := time.Until(p.resumes)
		p.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		time.Sleep(wait)
	}
}

// call makes a call of a duration.
func (p *process) call(do func() error) error {
	if err := p.step(); err != nil {
		return err
	}
	p.mu.Lock()
	late := p.rng.IntN(100) < p.late
	delay := time.Duration(p.rng.Int64N(int64(4 * beatTerm)))
	p.mu.Unlock()
	if late {
		go func() {
			time.Sleep(delay)
			_ = do()
		}()
		return errTimeout
	}
	return errors.Join(do(), p.step())
}

// Put is that of Store.
func (p *process) Put(ctx context.Context, name string, r io.Reader, size int64, mode PutMode) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return p.call(func() error { return p.memory.Put(ctx, name, bytes.NewReader(content), size, mode) })
}

// Copy is that of Store.
func (p *process) Copy(ctx context.Context, from, to string) error {
	return p.call(func() error { return p.memory.Copy(ctx, from, to) })
}

// Open is that of Store.
func (p *process) Open(ctx context.Context, name string) (in io.ReadCloser, err error) {
	if err := p.step(); err != nil {
		return nil, err
	}
	in, err = p.memory.Open(ctx, name)
	return in, errors.Join(err, p.step())
}

// List is that of Store. It takes time between any two names.
func (p *process) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range p.memory.List(ctx, prefix) {
			if err2 := p.step(); err2 != nil {
				yield(e, err2)
				return
			}
			if !yield(e, err) {
				return
			}
		}
		if err := p.step(); err != nil {
			yield(Entry{}, err)
		}
	}
}

// Remove is that of Store.
func (p *process) Remove(ctx context.Context, name string) error {
	return p.call(func() error { return p.memory.Remove(ctx, name) })
}
