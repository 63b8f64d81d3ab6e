package operate

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childVariable has the spec of the subject that a process of the test binary is to be.
const childVariable = "LIGHTNING_OPERATE_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := RunChild(text, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func childOf(text string) (*exec.Cmd, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+text, "GORACE=atexit_sleep_ms=0")
	return cmd, nil
}

// newRun is a run without servers.
func newRun(t *testing.T) *run {
	t.Helper()
	return &run{Campaign: &Campaign{Dir: t.TempDir(), Minute: DefaultMinute, Child: childOf}, ctx: t.Context()}
}

// sceneOf is the scene of a cause, which ends with the test.
func sceneOf(t *testing.T, name string) *scene {
	t.Helper()
	for _, c := range Causes() {
		if c.Name == name {
			s, err := newRun(t).newScene(c)
			t.Cleanup(s.kill)
			if err != nil {
				t.Fatal(err)
			}
			if s.skipped != "" {
				t.Skip(s.skipped)
			}
			return s
		}
	}
	t.Fatalf("there is no cause %s", name)
	return nil
}

// shown is the value of a metric of a subject, with its labels; -1 if it does not show it.
func shown(s *scene, name string) float64 {
	answer, err := client.Get("http://" + s.spec.Address + "/metrics")
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return -1
	}
	_, rest, _ := strings.Cut(string(body), "\n"+name+" ")
	text, _, _ := strings.Cut(rest, "\n")
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return -1
	}
	return value
}

// A cause that does not happen proves nothing of its alert; a repair that repairs nothing is in the runbook.
func TestCause_isSeenInTheMetricsUntilItIsMended(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each cause")
	}
	for name, metric := range map[string]string{
		"closed":         `lightning_failure{class="closed"}`,
		"failed-sync":    `lightning_failure{class="read_only"}`,
		"descriptors":    `lightning_failure{class="other"}`,
		"full-disk":      "lightning_disk_refused_total",
		"disk-limit":     "lightning_disk_refusing",
		"damage":         "lightning_scrub_damaged_tables",
		"old-snapshot":   "lightning_snapshots",
		"forgotten-lock": "lightning_oldest_lock_seconds",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sceneOf(t, name)
			if v := shown(s, metric); v != 0 {
				t.Fatalf("%s is %v before anything happens", metric, v)
			}
			if err := s.cause.do(s); err != nil {
				t.Fatal(err)
			}
			if err := s.until(time.Minute, metric, func() bool { return shown(s, metric) > 0 }); err != nil {
				t.Fatal(err)
			}
			if err := s.cause.mend(s); err != nil {
				t.Fatal(err)
			}
			over, before := func() bool { return shown(s, metric) == 0 }, -1.0
			if strings.HasSuffix(metric, "_total") {
				over = func() bool { v := before; before = shown(s, metric); return v == before && before >= 0 }
			}
			if err := s.until(time.Minute, metric+" is over", over); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A gap stays what it was: it has no repair. One of another cause would prove that the alert rings, and not why.
func TestCause_makesAGapOfItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each cause")
	}
	for name, cause := range map[string]string{"streamed-value": "transaction", "lost-log": "gap"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sceneOf(t, name)
			at := func(cause string) float64 {
				return shown(s, fmt.Sprintf("lightning_archive_gap_time_seconds{cause=%q}", cause))
			}
			if at(cause) != 0 {
				t.Fatalf("there is a gap of %v before anything happens", at(cause))
			}
			if err := s.cause.do(s); err != nil {
				t.Fatal(err)
			}
			if err := s.until(time.Minute, "a gap", func() bool { return at(cause) > 0 }); err != nil {
				t.Fatal(err)
			}
			for _, other := range []string{"gap", "transaction", "fork"} {
				if other != cause && at(other) != 0 {
					t.Errorf("and one by %s", other)
				}
			}
		})
	}
}

// A pager that takes an alert for another one's, or one that is over for one that fires.
func TestPager_knowsWhatFires(t *testing.T) {
	p := &pager{firing: make(map[ring]bool)}
	tell := func(body string) int {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		return w.Code
	}
	const alert = `{"alerts":[{"status":"%s","labels":{"alertname":"A","instance":"db:1"}}]}`
	if code := tell(fmt.Sprintf(alert, "firing")); code != http.StatusOK || !p.rings("db:1", "A") || p.silent() ||
		p.rings("db:2", "A") || p.rings("db:1", "B") {
		t.Errorf("%d, %v", code, p.firing)
	}
	tell(fmt.Sprintf(alert, "resolved"))
	if p.rings("db:1", "A") || !p.silent() || len(p.rung("db:1")) != 1 || len(p.rung("")) != 1 || p.rung("db:2") != nil {
		t.Errorf("%v", p.firing)
	}
	if code := tell("nonsense"); code != http.StatusBadRequest {
		t.Errorf("nonsense gives %d", code)
	}
}

// An alert that rings for everybody would pass for one that tells of something.
func TestStrays_areAlertsWithoutACause(t *testing.T) {
	s := &scene{cause: Cause{Name: "one", Alert: "A", with: []string{"B"}}, spec: spec{Address: "db:1"}}
	for _, c := range []struct {
		instance, alert, says string
	}{
		{"db:1", "A", ""}, {"db:1", "B", ""}, {"db:1", "C", "C rang at the database of one without"},
		{"example:1", "A", "A rang at examples/monitored without"},
	} {
		r := &run{Campaign: &Campaign{}, targets: []string{"db:1", "example:1"}}
		r.pager = &pager{firing: map[ring]bool{{c.instance, c.alert}: false}}
		err := r.strays([]*scene{s})
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	rules := []rule{{Alert: "A"}, {Alert: "B"}}
	err := (&Campaign{}).unseen(rules, []string{"A"})
	if err == nil || !strings.Contains(err.Error(), "B was not seen") || strings.Contains(err.Error(), "A was") {
		t.Error(err)
	}
}

// The whole way, from the cause to the pager, as far as it takes seconds. scripts/operate goes all of it.
func TestCampaign_seesAnAlertFireAndClear(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	c := &Campaign{Dir: t.TempDir(), Rules: filepath.Join(ops, "prometheus", "rules.yml"), Prometheus: "prometheus",
		Alertmanager: "prometheus-alertmanager", Example: filepath.Join(t.TempDir(), "monitored"),
		Only: []string{"failed-sync"}, Child: childOf, Progress: func(text string) { t.Log(text) }}
	for _, program := range []string{c.Prometheus, c.Alertmanager} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v: scripts/operate installs it", err)
		}
	}
	build := exec.Command("go", "build", "-o", c.Example, "lightningdb/examples/monitored")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	var outcomes []Outcome
	err := c.Run(t.Context(), func(o Outcome) { outcomes = append(outcomes, o) })
	if err != nil || len(outcomes) != 1 || !outcomes[0].OK() && outcomes[0].Skipped == "" {
		t.Errorf("%+v, %v", outcomes, err)
	}
}
