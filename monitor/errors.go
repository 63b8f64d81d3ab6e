package monitor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"lightningdb"
)

// named are the errors that may be shown whatever else is in their chain.
var named = []struct {
	name string
	err  error
}{
	{"ErrClosed", lightningdb.ErrClosed},
	{"ErrReadOnly", lightningdb.ErrReadOnly},
	{"ErrCommitUnknown", lightningdb.ErrCommitUnknown},
	{"ErrTakenOver", lightningdb.ErrTakenOver},
	{"ErrNoSpace", lightningdb.ErrNoSpace},
	{"ErrCorrupt", lightningdb.ErrCorrupt},
	{"ErrConflict", lightningdb.ErrConflict},
	{"ErrDeadlock", lightningdb.ErrDeadlock},
	{"ErrLockTimeout", lightningdb.ErrLockTimeout},
	{"ErrMerge", lightningdb.ErrMerge},
	{"ErrNoWriter", lightningdb.ErrNoWriter},
	{"ErrSnapshotExpired", lightningdb.ErrSnapshotExpired},
	{"ErrVersionTooNew", lightningdb.ErrVersionTooNew},
	{"ErrKeyTooLarge", lightningdb.ErrKeyTooLarge},
	{"context.DeadlineExceeded", context.DeadlineExceeded},
	{"context.Canceled", context.Canceled},
}

// plain is an error of this package, which quotes no key.
type plain string

func (p plain) Error() string { return string(p) }

// text is what is shown of err, which may be nil.
func (m *Monitor) text(err error) string {
	switch {
	case err == nil:
		return ""
	case m.o.ShowKeys:
		return err.Error()
	}
	return withoutKeys(err)
}

// withoutKeys says of err what is known to quote no key: names of errors, the place of damage, what the system said.
func withoutKeys(err error) string {
	var parts []string
	if p := plain(""); errors.As(err, &p) {
		parts = append(parts, string(p))
	}
	for _, n := range named {
		if errors.Is(err, n.err) {
			parts = append(parts, fmt.Sprintf("%s (%v)", n.name, n.err))
		}
	}
	if damage := (*lightningdb.CorruptionError)(nil); errors.As(err, &damage) {
		parts = append(parts, fmt.Sprintf("file %s, offset %d", damage.File, damage.Offset))
	}
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		parts = append(parts, p.Op+" "+filepath.Base(p.Path))
	}
	if number := syscall.Errno(0); errors.As(err, &number) {
		parts = append(parts, number.Error())
	}
	if len(parts) == 0 {
		return "an error whose text may quote keys: Options.ShowKeys shows it"
	}
	return strings.Join(parts, ": ")
}
