package operate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/monitor"
)

// ops is where the files are that this package is about.
const ops = "../../../ops"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(ops, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shipped are the rules that are shipped.
func shipped(t *testing.T) []rule {
	t.Helper()
	rules := parseRules(read(t, "prometheus/rules.yml"))
	if n := strings.Count(read(t, "prometheus/rules.yml"), "- alert:"); n < 10 || len(rules) != n {
		t.Fatalf("%d rules, read from a file of %d", len(rules), n)
	}
	return rules
}

var parts = []string{"What it means", "How to confirm", "What to do", "How to know that it is over"}

// Somebody is called at night, and the page that is to help is missing, or says half of what it has to.
func TestRules_eachHasItsPage(t *testing.T) {
	pages := make(map[string]bool)
	for _, r := range shipped(t) {
		if r.Runbook != "ops/runbooks/"+r.Alert+".md" || r.Summary == "" || r.Expr == "" ||
			!slices.Contains([]string{"page", "ticket"}, r.Severity) {
			t.Errorf("%+v", r)
			continue
		}
		name := "runbooks/" + r.Alert + ".md"
		pages[filepath.Base(name)] = true
		head, rest, _ := strings.Cut(read(t, name), "\n\n## ")
		if !strings.HasPrefix(head, "# "+r.Alert+"\n\n") {
			t.Errorf("%s begins with %q", name, head)
		}
		var titles []string
		for section := range strings.SplitSeq(rest, "\n\n## ") {
			title, text, _ := strings.Cut(section, "\n\n")
			titles = append(titles, title)
			if len(text) < 40 {
				t.Errorf("%s: %s: only %q", name, title, text)
			}
		}
		if !slices.Equal(titles, parts) {
			t.Errorf("%s has the parts %q", name, titles)
		}
	}
	all, err := filepath.Glob(filepath.Join(ops, "runbooks", "*.md"))
	if err != nil || len(all) != len(pages) {
		t.Errorf("%d pages for %d alerts, %v", len(all), len(pages), err)
	}
	for _, page := range all {
		if !pages[filepath.Base(page)] {
			t.Errorf("no alert has the page %s", page)
		}
	}
}

// A rule that nobody tests may be one that never fires, or never clears.
func TestRules_eachIsTestedToFireAndToBeSilent(t *testing.T) {
	text := read(t, "prometheus/rules_test.yml")
	for _, r := range shipped(t) {
		fires := "alertname: " + r.Alert + "\n        exp_alerts:\n          - exp_labels:"
		silent := "alertname: " + r.Alert + "\n        exp_alerts: []"
		first, last := strings.Index(text, fires), strings.LastIndex(text, silent)
		if first < 0 || last < first || strings.Index(text, silent) > first {
			t.Errorf("%s is not tested to be silent, to fire and to clear", r.Alert)
		}
	}
}

// A time that the run does not shorten would make it wait for an hour, or prove another rule than the one shipped.
func TestRules_timesAreMultiplesOfAMinute(t *testing.T) {
	text := read(t, "prometheus/rules.yml")
	for line := range strings.Lines(text) {
		if rest, _, _ := strings.Cut(line, "#"); regexp.MustCompile(`\b\d+(ms|s|h|d|w|y)\b`).MatchString(rest) {
			t.Errorf("another unit than minutes: %s", line)
		}
	}
	short := shorten(text, 1500*time.Millisecond)
	for _, want := range []string{"for: 3000ms", "[22500ms]", "> 60 * 1.5\n", "> 5 * 1.5\n"} {
		if !strings.Contains(short, want) {
			t.Errorf("no %q in the shortened rules", want)
		}
	}
	if left := regexp.MustCompile(`\b\d+m\b|\* 60\b`).FindAllString(regexp.MustCompile(`(?m)^#.*`).
		ReplaceAllString(short, ""), -1); left != nil {
		t.Errorf("not shortened: %q", left)
	}
}

var metricName = regexp.MustCompile(`\blightning_[a-z0-9_]+`)

// emitted are the names of all samples that a monitor shows.
func emitted(t *testing.T) map[string]bool {
	t.Helper()
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m, err := monitor.New(db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://localhost/metrics", nil)
	r.RemoteAddr = "127.0.0.1:1"
	m.ServeHTTP(w, r)
	names := make(map[string]bool)
	for _, found := range regexp.MustCompile(`(?m)^lightning_[a-z0-9_]+`).FindAllString(w.Body.String(), -1) {
		names[found] = true
	}
	if len(names) < 60 {
		t.Fatalf("only %d names", len(names))
	}
	return names
}

// An alert on a name that nobody emits is silent for ever, and a panel is empty.
func TestMetrics_namedInOpsAreEmitted(t *testing.T) {
	names := emitted(t)
	names["lightning_sync_latency_seconds"] = true // a histogram, by its name
	named := 0
	pages, err := filepath.Glob(filepath.Join(ops, "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"prometheus/rules.yml", "prometheus/rules_test.yml", "grafana/lightning.json", "README.md",
		"../docs/operations.md"}
	for _, page := range pages {
		files = append(files, "runbooks/"+filepath.Base(page))
	}
	for _, file := range files {
		for _, name := range metricName.FindAllString(read(t, file), -1) {
			named++
			if !names[name] {
				t.Errorf("%s names %s, which nobody emits", file, name)
			}
		}
	}
	if named < 120 {
		t.Errorf("looked at %d names", named)
	}
}

// panel is one of a dashboard, as far as it is looked at.
type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct{ Expr, RefID string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
}

// A dashboard that does not load, or whose panels lie on each other, is made anew by each who needs it.
func TestDashboard_isWhole(t *testing.T) {
	var board struct {
		Title, UID string
		Panels     []panel
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/lightning.json")), &board); err != nil {
		t.Fatal(err)
	}
	if board.Title == "" || board.UID == "" || len(board.Panels) < 20 {
		t.Errorf("%q, %q, %d panels", board.Title, board.UID, len(board.Panels))
	}
	alerts := make(map[string]bool)
	for _, r := range shipped(t) {
		alerts[r.Alert] = true
	}
	taken, ids := make(map[[2]int]string), make(map[int]bool)
	for _, p := range board.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" || p.Type != "row" && (len(p.Targets) == 0 ||
			p.FieldConfig.Defaults.Unit == "") {
			t.Errorf("panel %d, %q: an id, a title, a query or a unit is missing", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `{job="lightning", instance=~"$instance"`) {
				t.Errorf("%s: %s shows what was not chosen", p.Title, target.Expr)
			}
		}
		for _, alert := range regexp.MustCompile(`\bLightning[A-Z]\w+`).FindAllString(p.Description, -1) {
			if !alerts[alert] {
				t.Errorf("%s: there is no alert %s", p.Title, alert)
			}
		}
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s lies at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// everyText calls fn with every text in a value of JSON.
func everyText(value any, fn func(name, text string)) {
	switch v := value.(type) {
	case map[string]any:
		for name, one := range v {
			if text, ok := one.(string); ok {
				fn(name, text)
			}
			everyText(one, fn)
		}
	case []any:
		for _, one := range v {
			everyText(one, fn)
		}
	}
}

var variable = regexp.MustCompile(`\$\{?(\w+)`)

// A query that does not parse, or has a variable that nobody sets, is an empty panel with a red corner.
func TestDashboard_queriesAreUnderstood(t *testing.T) {
	var board any
	if err := json.Unmarshal([]byte(read(t, "grafana/lightning.json")), &board); err != nil {
		t.Fatal(err)
	}
	var templates struct {
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/lightning.json")), &templates); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"__rate_interval": true, "__all": true} // Grafana's own
	for _, v := range templates.Templating.List {
		known[v.Name] = true
	}
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	queries := 0
	everyText(board, func(name, text string) {
		for _, m := range variable.FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				t.Errorf("%s %q has the variable %s, which is not defined", name, text, m[1])
			}
		}
		if name == "uid" && text != "${datasource}" && text != "lightning" {
			t.Errorf("the data source %q is that of one installation", text)
		}
		if name == "expr" {
			expr := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(text)
			fmt.Fprintf(&rules, "      - record: query:%d\n        expr: %q\n", queries, expr)
			queries++
		}
	})
	if queries < 40 {
		t.Errorf("%d queries", queries)
	}
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skipf("%v: scripts/operate check installs it", err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// An alert that nothing sets off in `make operate` is one that was never seen.
func TestCauses_setOffEveryAlert(t *testing.T) {
	set, rules := make(map[string]bool), make(map[string]bool)
	for _, r := range shipped(t) {
		rules[r.Alert] = true
	}
	seen := make(map[string]bool)
	for _, c := range Causes() {
		if c.Says == "" || c.minutes == 0 || c.do == nil || c.mend == nil || seen[c.Name] {
			t.Errorf("cause %q is incomplete, or there are two", c.Name)
		}
		seen[c.Name], set[c.Alert] = true, true
		for _, alert := range append([]string{c.Alert}, c.with...) {
			if !rules[alert] {
				t.Errorf("%s: there is no alert %s", c.Name, alert)
			}
		}
	}
	for alert := range rules {
		if !set[alert] {
			t.Errorf("nothing sets off %s", alert)
		}
	}
}
