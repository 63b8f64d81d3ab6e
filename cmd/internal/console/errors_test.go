package console

import (
	"fmt"
	"io"
	"testing"

	"lightningdb"
)

// Classes decide exit codes; a wrapped error must keep its own.
func TestClassify_findsWrappedErrors(t *testing.T) {
	for want, err := range map[int]error{
		ExitLocked: lightningdb.ErrLocked, ExitCorrupt: lightningdb.ErrCorrupt, ExitNoSpace: lightningdb.ErrNoSpace,
		ExitNotFound: lightningdb.ErrNotFound, ExitFailure: io.ErrUnexpectedEOF, ExitUsage: Usage(io.EOF, "x"),
	} {
		if got := new(App).classify(Advise(fmt.Errorf("while at work: %w", err), "do something")); got.Code != want {
			t.Errorf("%v has code %d; want %d", err, got.Code, want)
		}
	}
}
