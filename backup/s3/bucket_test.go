package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"lightningdb/backup"
	"lightningdb/backup/storetest"
	"lightningdb/internal/proof/fake"
)

// The keys of the tests. They must be seen nowhere.
const (
	testKey    = "AKIATESTTESTTEST"
	testSecret = "a-secret-that-nobody-may-see"
)

// credentialsFile is a file with keys.
func credentialsFile(t *testing.T, key, secret string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "credentials")
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, secret)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func start(t *testing.T, s *fake.Server) *fake.Server {
	t.Helper()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func options(t *testing.T, s *fake.Server) Options {
	return Options{Endpoint: s.URL(), Region: "us-east-1", Bucket: fake.Name, Prefix: "of/a database",
		CredentialsFile: credentialsFile(t, testKey, testSecret), Timeout: 2 * time.Second}
}

// untried is a Bucket that is in a hurry, and was not tried out.
func untried(t *testing.T, s *fake.Server) *Bucket {
	t.Helper()
	b, err := options(t, s).bucket()
	if err != nil {
		t.Fatal(err)
	}
	b.pause, b.slowTerm, b.slowest = time.Millisecond, 2*time.Second, 32<<20
	return b
}

func put(b *Bucket, name, text string, mode backup.PutMode) error {
	return b.Put(context.Background(), name, strings.NewReader(text), int64(len(text)), mode)
}

// count counts the requests of a kind.
func count(s *fake.Server, kind fake.Kind) (n int) {
	for _, r := range s.Requests() {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

// A bucket is a Store like any other: on that rests that no backup in it loses a file.
func TestBucket_isAStore(t *testing.T) {
	storetest.Run(t, untried(t, start(t, &fake.Server{})))
}

// What goes wrong now and then on the way to a bucket costs time and nothing else.
func TestBucket_isAStoreThoughRequestsFail(t *testing.T) {
	const seed = 1
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 0))
	seen := make(map[fake.Fault]int)
	s := start(t, &fake.Server{Fault: func(r fake.Request) fake.Fault {
		faults := []fake.Fault{fake.SlowDown, fake.Internal, fake.CutRequest, fake.FailAfter, fake.CutAnswer,
			fake.HangBefore, fake.HangAfter}
		if r.Conditional { // a put that must be new is not made again unless it was refused
			faults = []fake.Fault{fake.SlowDown, fake.FailAfter, fake.HangAfter}
		}
		if r.Kind == fake.Begin { // one that is not answered is left, for a prune
			faults = []fake.Fault{fake.SlowDown, fake.Internal}
		}
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(8) > 0 {
			return fake.None
		}
		fault := faults[rng.IntN(len(faults))]
		seen[fault]++
		return fault
	}})
	b := untried(t, s)
	b.timeout, b.slowTerm = time.Second, time.Second
	storetest.Run(t, b)
	if len(seen) < 7 {
		t.Errorf("seed %d: something never happened: %v", seed, seen)
	}
}

// More than a page is listed whole, whatever fails in between.
func TestBucket_listsManyPages(t *testing.T) {
	s := start(t, &fake.Server{Fault: func(r fake.Request) fake.Fault {
		if r.Kind == fake.List && r.N%2 == 0 {
			return fake.CutAnswer
		}
		return fake.None
	}})
	b := untried(t, s)
	const n = 2*page + 1
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < n; i += 8 {
				if err := put(b, fmt.Sprintf("beats/%06d", i), "x", backup.Replace); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	i := 0
	for e, err := range b.List(context.Background(), "beats/") {
		if want := (backup.Entry{Name: fmt.Sprintf("beats/%06d", i), Size: 1}); err != nil || e != want {
			t.Fatalf("%v, %v; want %v", e, err, want)
		}
		i++
	}
	if i != n {
		t.Errorf("%d of %d", i, n)
	}
}

// A large object is read to its end though the answers are cut, and never mixed with another one.
func TestBucket_readsOnAfterACut(t *testing.T) {
	s := start(t, &fake.Server{})
	b := untried(t, s)
	content := make([]byte, 300<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	if err := put(b, "files/0a/x", string(content), backup.Replace); err != nil {
		t.Fatal(err)
	}
	s.SetFault(func(r fake.Request) fake.Fault {
		if r.Kind == fake.Get && r.N%4 > 0 {
			return fake.CutAnswer
		}
		return fake.None
	})
	in, err := b.Open(context.Background(), "files/0a/x")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(in)
	if err = errors.Join(err, in.Close()); err != nil || !bytes.Equal(text, content) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	s.SetFault(func(r fake.Request) fake.Fault { return fake.CutAnswer })
	if in, err = b.Open(context.Background(), "files/0a/x"); err != nil {
		t.Fatal(err)
	}
	s.SetFault(nil)
	if err := put(b, "files/0a/x", strings.Repeat("other", 60<<10), backup.Replace); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(in); !errors.Is(err, ErrChanged) {
		t.Errorf("it was replaced meanwhile: %v", err)
	}
	_ = in.Close()
}

// A server that takes a request and never answers is not waited for without end.
func TestBucket_givesUpInTime(t *testing.T) {
	s := start(t, &fake.Server{Fault: func(fake.Request) fake.Fault { return fake.HangBefore }})
	b := untried(t, s)
	b.timeout, b.attempts = 100*time.Millisecond, 3
	ctx := context.Background()
	for what, call := range map[string]func() error{
		"put": func() error { return put(b, "beats/a", "x", backup.Replace) },
		"list": func() error {
			for _, err := range b.List(ctx, "") {
				return err
			}
			return nil
		},
		"open":   func() error { _, err := b.Open(ctx, "beats/a"); return err },
		"remove": func() error { return b.Remove(ctx, "beats/a") },
	} {
		before := len(s.Requests())
		if err := call(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
		if n := len(s.Requests()) - before; n == 0 || n > b.attempts {
			t.Errorf("%s was tried %d times", what, n)
		}
	}
	b.timeout = time.Minute
	ended, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err := b.Put(ended, "beats/a", strings.NewReader("x"), 1, backup.Replace)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its context has ended: %v", err)
	}
}

// Each error says what to do, and is told from others by errors.Is.
func TestBucket_namesItsErrors(t *testing.T) {
	ctx := context.Background()
	s := start(t, &fake.Server{})
	o := options(t, s)
	o.Bucket = "no-such-bucket"
	if _, err := Open(ctx, o); !errors.Is(err, ErrNoBucket) {
		t.Errorf("no bucket: %v", err)
	}
	o = options(t, s)
	o.ReadOnly = true
	b, err := Open(ctx, o)
	if err != nil || len(s.Requests()) > 20 && count(s, fake.Put) > 0 {
		t.Fatalf("read only: %v", err)
	}
	for what, err := range map[string]error{"put": put(b, "beats/a", "x", backup.Replace),
		"remove": b.Remove(ctx, "beats/a"), "copy": b.Copy(ctx, "beats/a", "beats/b")} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.SetFault(func(fake.Request) fake.Fault { return fake.Denied })
	if _, err := Open(ctx, options(t, s)); !errors.Is(err, ErrDenied) {
		t.Errorf("denied: %v", err)
	}
	o = options(t, s)
	o.Endpoint = "http://127.0.0.1:1"
	if b, err = o.bucket(); err != nil {
		t.Fatal(err)
	}
	b.pause = time.Millisecond
	if err := put(b, "beats/a", "x", backup.OnlyNew); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown) {
		t.Errorf("nobody is there: %v", err)
	}
}

// A file whose multipart upload was interrupted by a kill is shown in uploads/, and removed by that name. Those of
// others, who may use the bucket as well, are left alone.
func TestBucket_showsUploadsThatWereLeft(t *testing.T) {
	s := start(t, &fake.Server{})
	b := untried(t, s)
	b.attempts, b.partSize = 2, 1<<20
	s.SetFault(func(r fake.Request) fake.Fault {
		if r.Kind == fake.Abort || r.Kind == fake.Complete {
			return fake.Internal
		}
		return fake.None
	})
	const size = 2<<20 + 1
	if err := put(b, "files/0a/x", strings.Repeat("x", size), backup.Replace); err == nil {
		t.Fatal("it was never completed")
	}
	s.SetFault(nil)
	names := func() (names []string) {
		for e, err := range b.List(context.Background(), "") {
			if err != nil || e.Size != size {
				t.Errorf("%v, %v", e, err)
			}
			names = append(names, e.Name)
		}
		return names
	}
	if _, err := b.core.NewMultipartUpload(context.Background(), fake.Name, b.prefix+"another's",
		minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	left := names()
	if len(left) != 1 || !strings.HasPrefix(left[0], uploads) || len(left[0]) != len(uploads)+16 {
		t.Fatalf("there is %q", left)
	}
	if err := b.Remove(context.Background(), left[0]); err != nil || len(names()) > 0 || s.OpenUploads() != 1 {
		t.Errorf("%v; there is %q", err, names())
	}
}

// A server that takes a part while its upload is aborted keeps both, for money, until the next prune.
func TestBucket_abortsNoUploadWithAPartOnItsWay(t *testing.T) {
	var onTheirWay, early atomic.Int32
	begun := make(chan struct{}, senders)
	s := start(t, &fake.Server{Fault: func(r fake.Request) fake.Fault {
		switch r.Kind {
		case fake.Part:
			onTheirWay.Add(1)
			begun <- struct{}{}
			time.Sleep(50 * time.Millisecond) // so that an abort would overtake it
			onTheirWay.Add(-1)
		case fake.Abort:
			early.Add(onTheirWay.Load())
		}
		return fake.None
	}})
	b := untried(t, s)
	b.partSize = 1 << 20
	const size = 3 << 20
	broken := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), readerFunc(func([]byte) (int, error) {
		<-begun
		return 0, errors.New("broken")
	}))
	err := b.Put(context.Background(), "files/0a/x", broken, size, backup.Replace)
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("of a file that broke: %v", err)
	}
	if early.Load() > 0 || s.OpenUploads() > 0 || count(s, fake.Abort) != 1 || count(s, fake.Part) != 1 {
		t.Errorf("%d parts were on their way; %d uploads are left", early.Load(), s.OpenUploads())
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A copy that is too large for one request is made in parts.
func TestBucket_copiesInParts(t *testing.T) {
	s := start(t, &fake.Server{Fault: func(r fake.Request) fake.Fault {
		if r.Kind == fake.CopyPart && r.N%2 == 0 {
			return fake.HiddenError
		}
		return fake.None
	}})
	b := untried(t, s)
	b.maxCopy = 1000
	content := strings.Repeat("0123456789", 312) + "x"
	if err := errors.Join(put(b, "files/0a/x", content, backup.Replace),
		b.Copy(context.Background(), "files/0a/x", "files/0a/y")); err != nil {
		t.Fatal(err)
	}
	if is := s.Content("of/a database/files/0a/y"); is != content || count(s, fake.CopyPart) < 4 {
		t.Errorf("%d bytes of %d, in %d parts", len(is), len(content), count(s, fake.CopyPart))
	}
}

// Nothing that a Bucket does is outside of its prefix.
func TestBucket_staysInItsPrefix(t *testing.T) {
	s := start(t, &fake.Server{})
	b, err := Open(context.Background(), options(t, s))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, s)
	o.Prefix = "of/another"
	other, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(put(b, "beats/a", "1", backup.OnlyNew), put(other, "beats/a", "2", backup.OnlyNew)); err != nil {
		t.Fatal(err)
	}
	if keys := s.Keys(); !slices.Equal(keys, []string{"of/a database/beats/a", "of/another/beats/a"}) {
		t.Errorf("%q", keys)
	}
	for e, err := range other.List(context.Background(), "") {
		if err != nil || e.Name != "beats/a" {
			t.Errorf("%v, %v", e, err)
		}
	}
	if _, err := other.Open(context.Background(), "../a database/beats/a"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("outside: %v", err)
	}
}
