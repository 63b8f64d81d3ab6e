package resources

import (
	"os"
	"strings"
	"testing"

	"lightningdb/internal/proof/probe"
)

// A database that outgrows its limit gets the program that it lives in killed.
func TestMemory_staysUnderItsLimitWhateverTheSize(t *testing.T) {
	measure(t, "memory")
}

// A group that bounds nothing would let every process pass.
func TestCgroup_killsWhatTakesMore(t *testing.T) {
	group, err := probe.NewGroup(16 << 20)
	if err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := group.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(group.Dir); err == nil {
			t.Errorf("%s is left", group.Dir)
		}
	}()
	r := &run{Campaign: &Campaign{Child: childOf}, ctx: t.Context()}
	p, err := r.start(spec{Role: "greedy"}, group.Enter)
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	if _, err := p.until("fed"); err == nil || !strings.Contains(err.Error(), "it ended before fed") {
		t.Errorf("a process of 64 MiB in a group of 16: %v", err)
	}
	if group.Kills() != 1 || group.Highest() < 8<<20 {
		t.Errorf("%d kills, and at most %d bytes were taken", group.Kills(), group.Highest())
	}
}

func init() {
	roles["greedy"] = func(c *child) error {
		memory := make([]byte, 64<<20)
		for i := range memory {
			memory[i] = 1
		}
		return c.stop(message{Phase: "fed", Numbers: map[string]int64{"last": int64(memory[len(memory)-1])}})
	}
}
