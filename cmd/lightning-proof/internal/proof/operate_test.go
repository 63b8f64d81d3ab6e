package proof

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"lightningdb/cmd/internal/console"
	"lightningdb/internal/proof/operate"
)

// A word that names no cause must not prove nothing.
func TestOperate_refusesWhatItDoesNotHave(t *testing.T) {
	for args, want := range map[string]string{
		"operate --only nonsense":               `there is no cause "nonsense"; the causes are killed, `,
		"operate --minute 1ms":                  "too short",
		"operate --prometheus /nowhere/at/all":  "see scripts/operate",
		"operate --only killed --example /not/": "see scripts/operate",
	} {
		if got := proof(t, strings.Fields(args)...); got.code != console.ExitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// An alert that stayed silent would be told in a table like one that rang; and a table that a document does not take
// is copied by hand, with mistakes.
func TestOperate_tellsEachCause(t *testing.T) {
	outcomes := []operate.Outcome{
		{Cause: "killed", Alert: "LightningDown", Fired: 4 * time.Second, Cleared: time.Second / 2},
		{Cause: "stall", Alert: "LightningStalls", Err: errors.New("it\nis silent")},
		{Cause: "full-disk", Alert: "LightningDiskFull", Skipped: "no mounts"},
	}
	var out bytes.Buffer
	writeCauses(&out, outcomes)
	for _, want := range []string{"\n|---        |---                |---:  ", "| killed    | LightningDown     | 4.0 s ",
		" | 0.5 s ", "| FAILED: it is silent ", "| SKIPPED: no mounts "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for i, ok := range []bool{true, false, false} {
		if line := newCauseLine(outcomes[i]); line.OK != ok || (line.Error != "") != (i == 1) {
			t.Errorf("%+v", line)
		}
	}
}
