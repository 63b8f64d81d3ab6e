// Package origin remembers where in a program something was opened that should be closed: the line, and its callers.
// Remembering costs a microsecond. Names and lines are looked up only when somebody asks.
package origin

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// Kind says what was opened, in a word for people.
type Kind string

const (
	Snapshot    Kind = "snapshot"
	Transaction Kind = "transaction"
	Cursor      Kind = "cursor" // or a loop
	Write       Kind = "write"  // a write outside any transaction
)

// maxCallers is how many callers are remembered.
const maxCallers = 24

// Origin is where and when something was opened. A nil *Origin means that it is not known. An Origin is immutable.
type Origin struct {
	Kind    Kind
	At      time.Time // by the wall clock, to be compared with logs, not with other times
	callers [maxCallers]uintptr
	number  int // how many of callers are set
}

// Here returns the origin of what its caller opens at the given time.
func Here(k Kind, at time.Time) *Origin {
	o := &Origin{Kind: k, At: at}
	o.number = runtime.Callers(2, o.callers[:])
	return o
}

// String says in one line when and by which line of the program it was opened. It is "" for nil.
func (o *Origin) String() string {
	if o == nil {
		return ""
	}
	line, _, _ := strings.Cut(o.Stack(), "\n")
	return fmt.Sprintf("begun %s by %s", o.At.Format(time.RFC3339), line)
}

// Stack returns the callers outside the database, innermost first, one to a line: function, file and line number. It
// is "" for nil.
func (o *Origin) Stack() string {
	if o == nil || o.number == 0 {
		return ""
	}
	var b strings.Builder
	frames := runtime.CallersFrames(o.callers[:o.number])
	for more, outside := true, false; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if outside = outside || !ours(f); outside && f.Function != "runtime.goexit" {
			fmt.Fprintf(&b, "%s %s:%d\n", f.Function, f.File, f.Line)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ours reports whether f is in the library and not in one of its tests.
func ours(f runtime.Frame) bool {
	rest, ok := strings.CutPrefix(f.Function, module)
	return ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "/internal/")) &&
		!strings.HasSuffix(f.File, "_test.go")
}

// module is the import path of the library.
var module = func() string {
	pc, _, _, _ := runtime.Caller(0)
	path, _, _ := strings.Cut(runtime.FuncForPC(pc).Name(), "/internal/")
	return path
}()
