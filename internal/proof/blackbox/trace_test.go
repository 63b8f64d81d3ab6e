package blackbox

import (
	"strings"
	"testing"
)

// A trace that cannot be read to its end says nothing about the store; a line passed over may hide what it did.
func TestReadTrace_passesOverWhatIsNoCall(t *testing.T) {
	const trace = `7 +++ exited with 0 +++
8 --- SIGURG {si_signo=SIGURG} ---
9 ???( <detached ...>
10 fsync(3) = 0
`
	calls := 0
	if err := ReadTrace(strings.NewReader(trace), func(c *Call) error { calls++; return nil }); err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	for _, line := range []string{"11 write(3, \"\\x61\" <detached ...>\n", "12 <... write resumed>, 1) = 1\n",
		"x fsync(3) = 0\n"} {
		if err := ReadTrace(strings.NewReader(line), func(*Call) error { return nil }); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}
