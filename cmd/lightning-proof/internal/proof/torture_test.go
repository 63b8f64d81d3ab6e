package proof

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lightningdb/cmd/internal/console"
	"lightningdb/internal/proof/campaign"
	"lightningdb/internal/proof/observer"
)

// line runs the program and returns its exit code and its line of JSON.
func line(t *testing.T, args ...string) (int, map[string]any) {
	t.Helper()
	t.Setenv(childVariable, "1")
	got := proof(t, append([]string{"torture", "--json"}, args...)...)
	var fields map[string]any
	if err := json.Unmarshal([]byte(got.out), &fields); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	return got.code, fields
}

// Whoever reads the line by a program would miss a number that says how hard the database was tried.
func TestTorture_printsEveryNumber(t *testing.T) {
	code, fields := line(t, "--seed", "7", "--count", "30", "--only",
		"differential,crash,error,pairs,concurrent,damage,craft,salvage,copies,isolation,simulation")
	if code != 0 || fields["ok"] != true {
		t.Errorf("exit code %d, ok %v", code, fields["ok"])
	}
	want := map[string]string{
		"": "seed commit go os dur_s skipped peak_rss acked_lost torn_txns holes vanished_reads wrong_data panics " +
			"lost_writes misled_followers ended_shown ends_came_back",
		"crash": "workloads io_points io_points_hit_percent images policies nested_max acked_txns acked_lost torn_txns " +
			"holes vanished_reads recover_ms misled_followers followers followers_shown followers_refused " +
			"followers_expired",
		"error": "indices indices_hit_percent runs by_errno surfaced surfaced_percent swallowed hung " +
			"followers_faulted misled_followers",
		"pairs":      "runs both surfaced swallowed",
		"concurrent": "runs surfaced swallowed",
		"corrupt": "bytes_tried opens detected_open detected_read detected_verify harmless wrong_data panics " +
			"detected_follow misled_followers",
		"craft": "opens detected_open detected_verify plausible",
		"salvage": "destructions damages_by_file noticed hopeless keys losses power_cuts faults images images_refused " +
			"acked_lost wrong_data panics",
		"copies": "runs power_cuts faults killed damages noticed harmless images images_refused restored acked_lost " +
			"wrong_data panics",
		"iso": "txns aborts_percent cycles_by_type lost_writes checker_ms overlapped refused unknown kills " +
			"power_cuts",
		"metamorphic": "ops option_sets divergences streams streams_broken values_viewed ended_shown ends_came_back",
		"sim":         "seeds steps virtual_time_s generations misled_followers streams values_viewed checkpoints",
	}
	for level, names := range want {
		in := fields
		if level != "" {
			in, _ = fields[level].(map[string]any)
		}
		for _, name := range strings.Fields(names) {
			if _, ok := in[name]; !ok {
				t.Errorf("%q has no %q", level, name)
			}
		}
	}
}

// A run that ran out of time would pass for one that found nothing.
func TestTorture_isRedWhenALevelIsShort(t *testing.T) {
	if code, fields := line(t, "--time", "1ns", "--only", "crash"); code != 1 || fields["ok"] != false {
		t.Errorf("exit code %d, ok %v", code, fields["ok"])
	}
}

// A run without faults, or without any level, would pass for one that withstood them.
func TestReport_isRedWhenNothingWasInjected(t *testing.T) {
	good := campaign.Outcome{Count: 5, Minimum: 5, Injected: 1}
	idle := campaign.Outcome{Count: 5, Minimum: 5}
	unseen, misled := good, good
	unseen.Level.Followed = true
	misled.Followers = observer.Stats{Shown: 9, Misled: 1}
	for name, c := range map[string]struct {
		outcomes []campaign.Outcome
		ok       bool
	}{
		"no level":    {nil, false},
		"one is idle": {[]campaign.Outcome{good, idle}, false},
		"all are hit": {[]campaign.Outcome{good, good}, true},
		"no follower": {[]campaign.Outcome{good, unseen}, false},
		"misled":      {[]campaign.Outcome{good, misled}, false},
	} {
		if got := newReport(new(campaign.Campaign), c.outcomes, time.Second).OK; got != c.ok {
			t.Errorf("%s: ok is %v", name, got)
		}
	}
}

// A word that names no level must not torture nothing, and a flag that does nothing makes a run look like another one.
func TestTorture_refusesWhatItDoesNotHave(t *testing.T) {
	for args, want := range map[string]string{
		"torture --only nonsense,crash":         `there is no level "nonsense"; the levels are `,
		"torture --memory-limit 64MiB":          "does not take --memory-limit",
		"torture here":                          "does not take the argument",
		"torture --count 5 --only crash --time": "needs an argument",
	} {
		if got := proof(t, strings.Fields(args)...); got.code != console.ExitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
