package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/backup"
	"lightningdb/internal/proof/fake"
)

// A put that must be new has its effect once at most, whatever the answer. If it were made again, the mark of a prune
// could come back after it was removed, and that prune would remove what a backup needs.
func TestPut_thatMustBeNewIsMadeOnce(t *testing.T) {
	const name = "prunes/a"
	for _, c := range []struct {
		what  string
		fault fake.Fault
		want  error
		puts  int // 0 for as many as are tried
	}{
		{"done, and the answer is an error", fake.FailAfter, nil, 1},
		{"done, and not answered", fake.HangAfter, nil, 1},
		{"done, and cut", fake.CutAnswer, nil, 1},
		{"an error", fake.Internal, ErrUnknown, 1},
		{"cut", fake.CutRequest, ErrUnknown, 1},
		{"not answered", fake.HangBefore, ErrUnknown, 1},
		{"done late", fake.Late, ErrUnknown, 1},
		{"refused", fake.SlowDown, ErrUnavailable, 0},
		{"denied", fake.Denied, ErrDenied, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := start(t, &fake.Server{Lateness: 200 * time.Millisecond, Fault: func(r fake.Request) fake.Fault {
				if r.Kind == fake.Put {
					return c.fault
				}
				return fake.None
			}})
			b := untried(t, s)
			b.timeout = 500 * time.Millisecond
			if err := put(b, name, "x", backup.OnlyNew); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			want := c.puts
			if want == 0 {
				want = b.attempts
			}
			if n := count(s, fake.Put); n != want {
				t.Errorf("it was put %d times, want %d", n, want)
			}
			s.Wait()
			s.SetFault(nil)
			is, wanted := s.Content("of/a database/"+name), ""
			if c.want == nil || c.fault == fake.Late {
				wanted = "x"
			}
			if is != wanted {
				t.Errorf("there is %q", is)
			}
		})
	}
}

// Who is not answered, and finds another's object with the same content, has not won.
func TestPut_thatMustBeNewKnowsItself(t *testing.T) {
	s := start(t, &fake.Server{})
	b := untried(t, s)
	if err := put(b, "leases/a", "same", backup.OnlyNew); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []fake.Fault{fake.None, fake.FailAfter, fake.HangBefore} {
		s.SetFault(func(r fake.Request) fake.Fault {
			if r.Kind == fake.Put {
				return fault
			}
			return fake.None
		})
		if err := put(b, "leases/a", "same", backup.OnlyNew); !errors.Is(err, fs.ErrExist) {
			t.Errorf("fault %d: %v", fault, err)
		}
	}
}

// A large object is there when all of it is, whatever happens to its parts; nothing of it is left otherwise.
func TestPut_inPartsIsWholeOrNotThere(t *testing.T) {
	const size = 3<<20 + 7
	content := strings.Repeat("abcdefg", size/7+1)[:size]
	kinds := []fake.Kind{fake.Begin, fake.Part, fake.Complete}
	faults := []fake.Fault{fake.SlowDown, fake.Internal, fake.CutRequest, fake.FailAfter, fake.CutAnswer, fake.HangBefore,
		fake.HangAfter}
	for _, kind := range kinds {
		for _, fault := range faults {
			for _, always := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, fault %d, always %t", kind, fault, always), func(t *testing.T) {
					t.Parallel()
					var failed atomic.Int32
					s := start(t, &fake.Server{Fault: func(r fake.Request) fake.Fault {
						if r.Kind != kind || failed.Add(1) > 1 && !always {
							return fake.None
						}
						return fault
					}})
					putInParts(t, s, content, always, kind)
				})
			}
		}
	}
}

func putInParts(t *testing.T, s *fake.Server, content string, always bool, what fake.Kind) {
	t.Helper()
	b := untried(t, s)
	b.partSize, b.timeout, b.slowTerm, b.attempts = 1<<20, 500*time.Millisecond, 500*time.Millisecond, 3
	err := put(b, "files/0a/x", content, backup.Replace)
	is := s.Content("of/a database/files/0a/x")
	if !always && err != nil {
		t.Errorf("%s failed once: %v", what, err)
	}
	if err == nil && is != content || err != nil && is != "" && is != content {
		t.Errorf("%s: %v, and there are %d bytes of %d", what, err, len(is), len(content))
	}
	if n := s.OpenUploads(); n > 0 && what != fake.Begin {
		t.Errorf("%s: %d uploads are left", what, n)
	}
}

// An upload whose context ends leaves nothing.
func TestPut_inPartsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := start(t, &fake.Server{})
	s.SetFault(func(r fake.Request) fake.Fault {
		if r.Kind == fake.Part {
			cancel()
		}
		return fake.None
	})
	b := untried(t, s)
	b.partSize = 1 << 20
	content := strings.Repeat("x", 5<<20)
	err := b.Put(ctx, "files/0a/x", strings.NewReader(content), int64(len(content)), backup.Replace)
	if !errors.Is(err, context.Canceled) || len(s.Keys()) > 0 || s.OpenUploads() > 0 {
		t.Errorf("%v; there is %q, and %d uploads", err, s.Keys(), s.OpenUploads())
	}
}
