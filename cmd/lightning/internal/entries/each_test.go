package entries

import (
	"context"
	"errors"
	"testing"

	"lightningdb"
)

// A command that is interrupted in a long listing would go on to its end; one that cannot write any more, too.
func TestEach_endsEarly(t *testing.T) {
	const total = 3 * checkedEntries
	db, err := lightningdb.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var batch lightningdb.Batch
	for i := range total {
		batch.Put([]byte{byte(i >> 8), byte(i)}, []byte("value"))
	}
	if err := db.Write(&batch); err != nil {
		t.Fatal(err)
	}
	told, full := errors.New("told to stop"), errors.New("disk full")
	for _, keysOnly := range []bool{false, true} {
		for _, c := range []struct {
			endsAt, failsAt int // before the first entry if 0, never if it is -1
			calls           int
			want            error
		}{
			{-1, -1, total, nil},
			{0, -1, 0, told},
			{1, -1, checkedEntries, told},
			{checkedEntries + 1, -1, 2 * checkedEntries, told},
			{-1, 5, 5, full},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			if c.endsAt == 0 {
				cancel(told)
			}
			calls := 0
			err := Each(ctx, db.Range(nil, nil), keysOnly, func(key, value []byte) error {
				if calls++; calls == c.endsAt {
					cancel(told)
				}
				if len(key) != 2 || (value == nil) != keysOnly {
					t.Fatalf("keys only: %v: entry %x: %q", keysOnly, key, value)
				}
				if calls == c.failsAt {
					return full
				}
				return nil
			})
			if err != c.want || calls != c.calls {
				t.Errorf("keys only: %v: %v after %d entries, want %v after %d", keysOnly, err, calls, c.want, c.calls)
			}
			cancel(nil)
		}
	}
}
