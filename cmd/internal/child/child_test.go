package child

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A line cut off by the kill is no acknowledgement; counting it would report a loss that never happened.
func TestCollect_dropsTheLineTheKillCutOff(t *testing.T) {
	var got []string
	err := collect(strings.NewReader("a\nb\nc"), func(line string) error {
		got = append(got, line)
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q, %v", got, err)
	}
	refused := errors.New("garbage")
	if err := collect(strings.NewReader("a\n"), func(string) error { return refused }); err != refused {
		t.Errorf("garbage passed: %v", err)
	}
}

// A process that fails must not pass for one that was killed, nor one that was killed for one that failed.
func TestRun_tellsAKillFromAFailure(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	ignore := func(string, func()) error { return nil }
	killAtOnce := func(_ string, kill func()) error { kill(); return nil }
	if _, err := Run(t.Context(), exec.Command(shell, "-c", "echo a; echo it broke >&2; exit 3"), ignore); err == nil ||
		!strings.Contains(err.Error(), "it broke") {
		t.Errorf("a failing process: %v", err)
	}
	if killed, err := Run(t.Context(), exec.Command(shell, "-c", "echo a; exec sleep 60"), killAtOnce); !killed ||
		err != nil {
		t.Errorf("a killed process: killed %v, %v", killed, err)
	}
	if killed, err := Run(t.Context(), exec.Command(shell, "-c", "echo a"), ignore); killed || err != nil {
		t.Errorf("a process that was done: killed %v, %v", killed, err)
	}
}
