// Package origin remembers where in a program something was opened that should be closed: by which line, called from
// where. To remember costs a microsecond; names and lines are looked up only when somebody asks.
package origin

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// Kind is what was opened, in a word for people.
type Kind string

const (
	Snapshot    Kind = "snapshot"
	Transaction Kind = "transaction"
	Cursor      Kind = "cursor" // or loop
	Write       Kind = "write"  // outside of any transaction
)

// maxCallers is how many callers are remembered.
const maxCallers = 24

// Origin is where and when something was opened. A nil *Origin is unknown. It is immutable.
type Origin struct {
	Kind    Kind
	At      time.Time // by the wall clock: to be compared with what was logged, not with other times
	callers [maxCallers]uintptr
	number  int // of callers
}

// Here returns the origin of what its caller opens at a moment.
func Here(k Kind, at time.Time) *Origin {
	o := &Origin{Kind: k, At: at}
	o.number = runtime.Callers(2, o.callers[:])
	return o
}

// String says when and by which line of the program, in a line; "" for nil.
func (o *Origin) String() string {
	if o == nil {
		return ""
	}
	line, _, _ := strings.Cut(o.Stack(), "\n")
	return fmt.Sprintf("begun %s by %s", o.At.Format(time.RFC3339), line)
}

// Stack returns the callers outside of the database, a line each, innermost first: function, file and line. It is "" for
// nil.
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

// ours reports whether f is in the library, its tests aside.
func ours(f runtime.Frame) bool {
	rest, ok := strings.CutPrefix(f.Function, module)
	return ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "/internal/")) && !strings.HasSuffix(f.File, "_test.go")
}

// module is the path of the library.
var module = func() string {
	pc, _, _, _ := runtime.Caller(0)
	path, _, _ := strings.Cut(runtime.FuncForPC(pc).Name(), "/internal/")
	return path
}()
