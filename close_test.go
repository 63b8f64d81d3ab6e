package lightningdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/follower"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/transaction"
)

var (
	closeRounds = flag.Int("close.rounds", 1, "how often each method is held against Close")
	closeSeed   = flag.Uint64("close.seed", 0, "seed of the calls during Close; 0 for one from the clock")
	closeMethod = flag.String("close.method", "", "hold only methods whose name holds this text against Close")
)

// closeResults are the errors that a call during Close may give: that of a closed database, and what the made-up
// arguments may be answered with at any time.
var closeResults = []error{
	ErrClosed, ErrOpenReaders, ErrNotFound, ErrConflict, ErrDeadlock, ErrTxInUse, ErrReadOnlyTx, ErrManagedTx, ErrNested,
	ErrSavepointVoid, ErrFutureSequence, ErrSnapshotExpired, ErrMerge, ErrNoWriter, ErrNoBucket, ErrBucketExists,
	ErrBucketName, ErrNoIndex,
}

// receive calls use with a value of some type that lives until use returns.
type receive = func(c *caller, use func(any)) error

// sources are the exported types that have ranges, and how the test comes by values of them.
var sources = withBuckets(map[string]map[string]receive{
	"DB": {"": func(c *caller, use func(any)) error { use(c.round.db); return nil }},
	"Tx": {
		"of Begin":           begun(TxOptions{}),
		"of Begin read-only": begun(TxOptions{ReadOnly: true}),
		"in View": func(c *caller, use func(any)) error {
			return c.round.db.View(context.Background(), func(tx *Tx) error { use(tx); return nil })
		},
		"in Update": func(c *caller, use func(any)) error {
			return c.round.db.Update(context.Background(), func(tx *Tx) error { use(tx); return nil })
		},
		"in Update, from another goroutine": func(c *caller, use func(any)) error {
			var other sync.WaitGroup
			defer other.Wait()
			return c.round.db.Update(context.Background(), func(tx *Tx) error {
				other.Go(func() { use(tx) })
				_ = tx.Put([]byte(c.prefix), []byte("beside")) // or the other is in it
				return nil
			})
		},
	},
	"Snapshot": {
		"of Snapshot": func(c *caller, use func(any)) error {
			s := c.round.db.Snapshot()
			use(s)
			return s.Close()
		},
		"of At": func(c *caller, use func(any)) error {
			s, err := c.round.db.At(c.round.db.Metrics().Sequence)
			if err != nil {
				return err
			}
			use(s)
			return s.Close()
		},
	},
})

// withBuckets adds buckets, which have ranges and are themselves of each of the others.
func withBuckets(sources map[string]map[string]receive) map[string]map[string]receive {
	type holder interface {
		Bucket(path ...string) (*Bucket, error)
	}
	buckets := make(map[string]receive)
	for kind, ways := range sources {
		for name, source := range ways {
			buckets[strings.TrimSpace("of "+kind+" "+name)] = func(c *caller, use func(any)) (err error) {
				return errors.Join(source(c, func(from any) {
					var b *Bucket
					if b, err = from.(holder).Bucket("b"); err == nil {
						use(b)
					}
				}), err)
			}
		}
	}
	sources["Bucket"] = buckets
	return sources
}

// receivers says how the test comes by values of each exported type with methods.
var receivers = map[string]map[string]receive{
	"DB": sources["DB"], "Tx": sources["Tx"], "Snapshot": sources["Snapshot"], "Bucket": sources["Bucket"],
	"IndexReader": readersOf(func(r *IndexReader, use func(any)) error { use(r); return nil }),
	"IndexRange":  readersOf(func(r *IndexReader, use func(any)) error { use(r.Range(nil, nil)); return nil }),
	"Range":       rangesOf(func(r *Range, use func(any)) error { use(r); return nil }),
	"Cursor":      rangesOf(func(r *Range, use func(any)) error { c := r.Cursor(); use(c); return c.Close() }),
	"Batch":       {"": func(_ *caller, use func(any)) error { use(new(Batch)); return nil }},
	"Follower": {
		"that is closed meanwhile": func(c *caller, use func(any)) error { use(c.round.follower); return nil },
		"of its own": func(c *caller, use func(any)) error {
			f, err := c.round.follow()
			if err != nil {
				return err
			}
			use(f)
			return f.Close()
		},
	},
}

// sharedFS is a directory that several processes have open.
type sharedFS struct{ vfs.FS }

func (sharedFS) Close() error { return nil }

// follow returns a follower of the round's database.
func (r *closeRound) follow() (*Follower, error) {
	f, err := follower.Open(follower.Options{FS: sharedFS{r.files}, MemoryLimit: 10 << 20, Interval: time.Millisecond})
	if err != nil {
		return nil, err
	}
	return &Follower{follower: f, views: newViews(f)}, nil
}

func begun(o TxOptions) receive {
	return func(c *caller, use func(any)) error {
		tx, err := c.round.db.Begin(context.Background(), o)
		if err != nil {
			return err
		}
		use(tx)
		return tx.Rollback()
	}
}

// rangesOf gives then ranges of all sources.
func rangesOf(then func(r *Range, use func(any)) error) map[string]receive {
	type ranger interface{ Range(lo, hi []byte) *Range }
	of := make(map[string]receive)
	for kind, ways := range sources {
		for name, source := range ways {
			of[strings.TrimSpace("of "+kind+" "+name)] = func(c *caller, use func(any)) (err error) {
				return errors.Join(source(c, func(from any) {
					err = then(from.(ranger).Range(nil, nil), use)
				}), err)
			}
		}
	}
	return of
}

// readersOf gives then readers of an index of all buckets.
func readersOf(then func(r *IndexReader, use func(any)) error) map[string]receive {
	of := make(map[string]receive)
	for name, source := range sources["Bucket"] {
		of[name] = func(c *caller, use func(any)) (err error) {
			return errors.Join(source(c, func(from any) {
				err = then(from.(*Bucket).Index("x"), use)
			}), err)
		}
	}
	return of
}

// closeRound is one database that is closed while callers call its methods.
type closeRound struct {
	t        *testing.T
	db       *DB
	follower *Follower // of db, and closed when db is
	files    *memfs.FS
	started  sync.WaitGroup // each caller has begun as many calls as it is to before Close
	callers  sync.WaitGroup
	returned atomic.Bool // Close has returned
	writers  []*ackedWriter
}

// caller calls one method, or any, again and again, from one goroutine.
type caller struct {
	round   *closeRound
	name    string
	random  *rand.Rand
	prefix  string // of its keys: no two callers wait for each other's locks
	kind    string // type of the receiver
	receive receive
	method  int // -1 for any
	before  int // calls to begin before Close may begin; counted down
}

// A program that ends while it works would crash, hang, or be told of a failure that there is not; or lose what was
// acknowledged, or keep what was refused.
func TestClose_besideEveryCall(t *testing.T) {
	seed := *closeSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-close.seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	checkReceivers(t)
	for _, kind := range slices.Sorted(mapKeys(receivers)) {
		for _, from := range slices.Sorted(mapKeys(receivers[kind])) {
			typ := kindTypes[kind]
			for m := range typ.NumMethod() {
				name := strings.TrimSpace(kind + "." + typ.Method(m).Name + " " + from)
				if !strings.Contains(name, *closeMethod) {
					continue
				}
				if testing.Short() && *closeMethod == "" && random.IntN(4) > 0 {
					continue
				}
				for range *closeRounds {
					r := newCloseRound(t, random)
					for n := range 2 {
						r.call(random, caller{name: name, kind: kind, receive: receivers[kind][from], method: m}, n)
					}
					r.finish()
					if t.Failed() {
						t.Fatalf("during %s", name)
					}
				}
			}
		}
	}
}

// Calls of different kinds meet each other as well as Close.
func TestClose_besideCallsOfAllKinds(t *testing.T) {
	seed := *closeSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-close.seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 10 * *closeRounds {
		r := newCloseRound(t, random)
		r.write(random, "large", func(k []byte) error {
			return r.db.Update(context.Background(), func(tx *Tx) error { return putLarge(tx, k) })
		})
		r.write(random, "locking", func(k []byte) error {
			return r.db.Update(context.Background(), func(tx *Tx) error {
				if _, err := tx.GetForUpdate([]byte("lock")); err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
				return errors.Join(tx.Put([]byte("lock"), k), tx.Put(k, k))
			})
		})
		r.write(random, "waiting for the lock", func(k []byte) error {
			var b Batch
			b.Put([]byte("lock"), k)
			b.Put(k, k)
			return r.db.Write(&b)
		})
		r.write(random, "flushing", func(k []byte) error {
			if err := r.db.Put(k, k); err != nil {
				return err
			}
			if err := r.db.Flush(); err != nil && !errors.Is(err, ErrClosed) {
				return err
			}
			return nil
		})
		n := 0
		for kind, ways := range receivers {
			for from, receive := range ways {
				if random.IntN(4) == 0 {
					r.call(random, caller{name: kind + " " + from, kind: kind, receive: receive, method: -1}, n)
					n++
				}
			}
		}
		r.finish()
		if t.Failed() {
			return
		}
	}
}

// kindTypes are the types that receivers makes values of.
var kindTypes = map[string]reflect.Type{
	"DB": reflect.TypeFor[*DB](), "Tx": reflect.TypeFor[*Tx](), "Snapshot": reflect.TypeFor[*Snapshot](),
	"Range": reflect.TypeFor[*Range](), "Cursor": reflect.TypeFor[*Cursor](), "Batch": reflect.TypeFor[*Batch](),
	"Follower": reflect.TypeFor[*Follower](), "Bucket": reflect.TypeFor[*Bucket](),
	"IndexReader": reflect.TypeFor[*IndexReader](), "IndexRange": reflect.TypeFor[*IndexRange](),
}

// checkReceivers reads the source for exported types with methods that the test does not know.
func checkReceivers(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no source: %v", err)
	}
	for _, path := range names {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				continue
			}
			typ := f.Recv.List[0].Type
			if star, ok := typ.(*ast.StarExpr); ok {
				typ = star.X
			}
			name := typ.(*ast.Ident).Name
			if ast.IsExported(name) && receivers[name] == nil && !plainValues[name] {
				t.Errorf("%s has methods: say in receivers how this test comes by one, or in plainValues that it needs no "+
					"database", name)
			}
		}
	}
}

// plainValues are types whose methods touch no database.
var plainValues = map[string]bool{"Options": true, "Metrics": true}

func mapKeys[V any](m map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func newCloseRound(t *testing.T, random *rand.Rand) *closeRound {
	r := &closeRound{t: t, files: memfs.New()}
	db, err := Open("", &Options{MemoryLimit: 10 << 20, Durability: Process, fs: sharedFS{r.files}, followers: true,
		Indexes: []Index{{Bucket: []string{"b"}, Name: "x", Keys: byValue}},
		Merge: func(_, old, argument []byte) ([]byte, error) {
			return append(old[:len(old):len(old)], argument...), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	r.db = db
	if _, err := db.CreateBucket("b"); err != nil {
		t.Fatal(err)
	}
	if r.follower, err = r.follow(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		mustPut(t, db, fmt.Sprintf("%c%d", "\x01\x7f\x80\xfe\xff"[i%5], i), "value")
		if i == 15 && random.IntN(2) == 0 {
			if err := db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.write(random, "small", func(k []byte) error { return db.Put(k, k) })
	return r
}

// call lets c call until Close has returned, and then a little longer.
func (r *closeRound) call(random *rand.Rand, c caller, n int) {
	c.round, c.prefix = r, fmt.Sprintf("\xff\x80%d", n)
	c.random = rand.New(rand.NewPCG(random.Uint64(), 0))
	c.before = 1 + random.IntN(6)
	r.started.Add(1)
	r.callers.Go(func() {
		defer c.begin(c.before) // of what is missing because of a panic
		defer r.recover(c.name)
		for !r.returned.Load() {
			if err := c.receive(&c, c.use); err != nil {
				c.check("the end of "+c.name, err)
				c.begin(1)
				runtime.Gosched()
			}
		}
	})
}

// begin notes that n calls have begun.
func (c *caller) begin(n int) {
	if c.before > 0 {
		if c.before -= n; c.before <= 0 {
			c.round.started.Done()
		}
	}
}

func (r *closeRound) recover(name string) {
	if p := recover(); p != nil {
		r.t.Errorf("%s panics: %v\n%s", name, p, debug.Stack())
	}
}

// use calls the method of a receiver: a few times, or until Close has returned and once more.
func (c *caller) use(receiver any) {
	defer c.round.recover(c.name) // it may be in a goroutine of its own
	for n := c.random.IntN(4); n >= 0; n-- {
		late := c.round.returned.Load()
		c.callOnce(reflect.ValueOf(receiver), late)
		if n == 0 && !late && c.round.db.engine.Closed() {
			n = 1
			runtime.Gosched()
		}
	}
}

// callOnce calls the method with made-up arguments and looks at what it gives.
func (c *caller) callOnce(receiver reflect.Value, late bool) {
	m := c.method
	if m < 0 {
		m = c.random.IntN(receiver.NumMethod())
	}
	method := receiver.Type().Method(m)
	name := c.kind + "." + method.Name
	args := make([]reflect.Value, method.Type.NumIn()-1)
	for i := range args {
		args[i] = c.argument(receiver, name, method.Type.In(i+1))
	}
	c.begin(1)
	call := receiver.Method(m).Call
	if method.Type.IsVariadic() {
		call = receiver.Method(m).CallSlice
	}
	for _, result := range call(args) {
		c.look(name, result, late && c.kind == "DB" && name != "DB.WaitDurable")
	}
	switch r := receiver.Interface().(type) {
	case *Range:
		c.check(name+", then Err", r.Err())
	case *Cursor:
		c.check(name+", then Err", r.Err())
	case *IndexRange:
		c.check(name+", then Err", r.Err())
	}
}

// key is a key of this caller's own: any bytes, or none.
func (c *caller) key() []byte {
	switch c.random.IntN(8) {
	case 0:
		return []byte{}
	case 1:
		return nil
	}
	tails := []string{"", "\x00", "\x7f", "\x80", "\xfe", "\xff", "\xc3\x28", "a"}
	return []byte(c.prefix + tails[c.random.IntN(len(tails))] + tails[c.random.IntN(len(tails))])
}

// argument makes up an argument of the given type.
func (c *caller) argument(receiver reflect.Value, method string, typ reflect.Type) reflect.Value {
	switch typ {
	case reflect.TypeFor[context.Context]():
		return reflect.ValueOf(context.Background())
	case reflect.TypeFor[[]byte]():
		if c.random.IntN(16) == 0 {
			return reflect.ValueOf(bytes.Repeat([]byte(c.prefix), 100)) // long for a key, short for a value
		}
		k := c.key()
		if strings.Contains(method, ".DeleteRange") || strings.Contains(method, ".DeletePrefix") {
			k = append([]byte(c.prefix), k...) // or what others were acknowledged would be gone
		}
		return reflect.ValueOf(k)
	case reflect.TypeFor[time.Time](): // of an expiry that has passed, and of one to come
		return reflect.ValueOf([]time.Time{time.Unix(1, 0), time.Now().Add(time.Hour)}[c.random.IntN(2)])
	case reflect.TypeFor[int](), reflect.TypeFor[int64]():
		return reflect.ValueOf(c.random.IntN(5) - 1).Convert(typ)
	case reflect.TypeFor[uint64]():
		return reflect.ValueOf(c.round.db.Metrics().Sequence + c.random.Uint64N(2))
	case reflect.TypeFor[Durability]():
		return reflect.ValueOf(Durability(c.random.IntN(3)))
	case reflect.TypeFor[TxOptions]():
		return reflect.ValueOf(TxOptions{ReadOnly: c.random.IntN(3) == 0, Isolation: Isolation(c.random.IntN(2)),
			Durability: Durability(c.random.IntN(3))})
	case reflect.TypeFor[Savepoint]():
		s, err := receiver.Interface().(*Tx).Savepoint()
		c.check("Tx.Savepoint", err)
		return reflect.ValueOf(s)
	case reflect.TypeFor[*Batch]():
		b := new(Batch)
		b.Put(c.key(), []byte("value"))
		b.Add([]byte(c.prefix+"sum"), 1)
		return reflect.ValueOf(b)
	case reflect.TypeFor[io.Reader]():
		n := 10
		if c.random.IntN(8) == 0 {
			n = transaction.LargeValue + 10 // a table of its own
		}
		return reflect.ValueOf(bytes.NewReader(make([]byte, n)))
	case reflect.TypeFor[io.Writer]():
		return reflect.ValueOf(io.Discard)
	case reflect.TypeFor[[]string](): // a path of buckets, in which nobody else has any
		return reflect.ValueOf([]string{fmt.Sprintf("%x", c.prefix), "in"}[:1+c.random.IntN(2)])
	case reflect.TypeFor[string](): // a directory for a checkpoint
		return reflect.ValueOf(filepath.Join(c.round.t.TempDir(), "copy"))
	case reflect.TypeFor[func(*Tx) error]():
		return reflect.ValueOf(c.transact)
	case reflect.TypeFor[func(uint64)]():
		return reflect.ValueOf(func(uint64) {})
	case reflect.TypeFor[func(done, total int64)]():
		return reflect.ValueOf(func(done, total int64) {})
	}
	c.round.t.Errorf("%s takes a %v: this test has to be told how to make one up", method, typ)
	return reflect.Zero(typ)
}

// transact is a function for View and Update.
func (c *caller) transact(tx *Tx) error {
	if c.random.IntN(4) == 0 {
		return putLarge(tx, []byte(c.prefix+"large"))
	}
	if _, err := tx.Get(c.key()); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	for range tx.Range(nil, nil).Limit(3).All() {
	}
	_, err := tx.GetForUpdate([]byte(c.prefix + "locked"))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return tx.Put([]byte(c.prefix+"locked"), []byte("value"))
}

// putLarge writes k, and so much more that memory does not hold the transaction.
func putLarge(tx *Tx, k []byte) error {
	value := make([]byte, 100<<10)
	for i := range 8 {
		binary.LittleEndian.PutUint64(value, uint64(i))
		if err := tx.Put(append(k[:len(k):len(k)], byte(i)), value); err != nil {
			return err
		}
	}
	return tx.Put(k, k)
}

// look looks at one result of a call. mustClose says that an error must be ErrClosed, and must be there.
func (c *caller) look(name string, result reflect.Value, mustClose bool) {
	var err error
	switch v := result.Interface().(type) {
	case error:
		err = v
	case nil: // no error
		if mustClose {
			c.round.t.Errorf("%s after Close: no error", name)
		}
	case iter.Seq2[[]byte, []byte]:
		for range v {
		}
	case iter.Seq[[]byte]:
		for range v {
		}
	case iter.Seq[Operation]:
		for range v {
		}
	case *Range:
		for range v.All() {
		}
		err = v.Err()
	case *Cursor:
		err = walkCursor(v)
	case *IndexReader, *IndexRange:
		err = walkIndex(v)
	case *Snapshot:
		if v != nil {
			_, err = v.Get([]byte("key"))
			err = errors.Join(err, v.Close())
		}
	case *Bucket:
		if v != nil {
			_, err = v.Get([]byte("key"))
		}
	case iter.Seq2[string, error]:
		for _, err := range v {
			c.check(name, err)
		}
	case *Tx:
		if v != nil {
			_, err = v.Get([]byte("key"))
			err = errors.Join(err, v.Rollback())
		}
	case *Value:
		if v != nil {
			_, err = io.Copy(io.Discard, v)
			err = errors.Join(err, v.Close())
		}
	case []byte, bool, int, int64, uint64, string, time.Time, Savepoint, Metrics, WriterStatus, RecoveryReport,
		checkpoint.Source, []IndexFault:
	default:
		c.round.t.Errorf("%s gives a %v: this test has to be told what to do with it", name, result.Type())
	}
	if mustClose && err != nil && !errors.Is(err, ErrClosed) {
		c.round.t.Errorf("%s after Close: %v", name, err)
	}
	c.check(name, err)
}

func walkCursor(c *Cursor) error {
	for ok := c.First(); ok; ok = c.Next() {
		c.Value()
	}
	return errors.Join(c.Err(), c.Close())
}

// walkIndex reads all of an index by a reader or range of it.
func walkIndex(by any) error {
	r, ok := by.(*IndexRange)
	if !ok {
		r = by.(*IndexReader).Range(nil, nil)
	}
	for range r.All() {
	}
	return r.Err()
}

func (c *caller) check(name string, err error) {
	if err == nil || slices.ContainsFunc(closeResults, func(want error) bool { return errors.Is(err, want) }) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, fs.ErrClosed) && !errors.Is(err, ErrCommitUnknown) {
		return
	}
	c.round.t.Errorf("%s during Close: %v", name, err)
}

// ackedWriter writes one key after the other, until one is refused.
type ackedWriter struct {
	prefix string
	acked  int
}

func (w *ackedWriter) key(i int) []byte { return fmt.Appendf(nil, "\x80%s/%06d", w.prefix, i) }

// write lets a writer write until Close refuses it.
func (r *closeRound) write(random *rand.Rand, prefix string, put func(k []byte) error) {
	w := &ackedWriter{prefix: prefix}
	r.writers = append(r.writers, w)
	before := random.IntN(4)
	r.started.Add(1)
	r.callers.Go(func() {
		defer r.recover("writer " + prefix)
		begun := false
		for {
			if !begun && w.acked >= before {
				begun = true
				r.started.Done()
			}
			if err := put(w.key(w.acked)); err != nil {
				if !errors.Is(err, ErrClosed) {
					r.t.Errorf("writer %s: %v", prefix, err)
				}
				if !begun {
					r.started.Done()
				}
				return
			}
			w.acked++
		}
	})
}

// finish closes the database during the calls of all callers, and looks what it holds then.
func (r *closeRound) finish() {
	r.started.Wait()
	var closing sync.WaitGroup
	closing.Go(func() {
		if err := r.follower.Close(); err != nil && !errors.Is(err, ErrOpenReaders) && !errors.Is(err, ErrClosed) {
			r.t.Errorf("close of the follower: %v", err)
		}
	})
	err := r.db.Close()
	closing.Wait()
	r.returned.Store(true)
	r.callers.Wait()
	if err != nil && !errors.Is(err, ErrOpenReaders) && !errors.Is(err, ErrClosed) {
		r.t.Errorf("Close: %v", err)
	}
	if r.t.Failed() {
		return
	}
	again, err := Open("", &Options{MemoryLimit: 10 << 20, fs: r.files.Kill(), ReadOnly: true})
	if err != nil {
		r.t.Errorf("reopen: %v", err)
		return
	}
	defer again.Close()
	for _, w := range r.writers {
		for i := range w.acked + 1 {
			if v, err := again.Get(w.key(i)); (err == nil) != (i < w.acked) || err == nil && !bytes.Equal(v, w.key(i)) {
				r.t.Errorf("writer %s, %d acknowledged: write %d is %.20q, %v", w.prefix, w.acked, i, v, err)
			}
		}
	}
}
