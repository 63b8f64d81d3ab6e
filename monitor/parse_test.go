package monitor_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// exposed is a text of metrics, as a scraper understands it.
type exposed struct {
	types   map[string]string  // by the name of the metric
	samples map[string]float64 // by name and labels, as in the text, with escapes undone
	wrong   []error
}

var (
	metricName = regexp.MustCompile(`^lightning_[a-z][a-z0-9_]*$`)
	sampleLine = regexp.MustCompile(`^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$`)
	oneLabel   = regexp.MustCompile(`^([a-z]+)="((?:[^"\\]|\\\\|\\"|\\n)*)"(,|$)`)
	unescape   = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")
)

// parse reads a text of metrics, and refuses what scrapers refuse or misunderstand: a sample without its metric before
// it, a second metric or sample of one name, a name without its unit, an unescaped label, a histogram that goes down.
func parse(text string, open bool) (*exposed, error) {
	e := &exposed{types: make(map[string]string), samples: make(map[string]float64)}
	body, ended := strings.CutSuffix(text, "# EOF\n")
	if ended != open || strings.Contains(body, "# EOF") || !strings.HasSuffix(body, "\n") {
		e.refuse("the end is %q", text[max(0, len(text)-50):])
	}
	helped, family := make(map[string]bool), ""
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		words := append(strings.SplitN(line, " ", 4), "", "", "", "")
		switch about := words[0] + words[1]; {
		case about == "#TYPE":
			family = words[2]
			e.family(family, words[3], open)
		case about == "#HELP" && words[2] == family && words[3] != "" && !helped[family]:
			helped[family] = true
		case about == "#UNIT" && open && words[2] == family && strings.HasSuffix(family, "_"+words[3]):
		default:
			e.sample(line, family, open)
		}
	}
	for name, kind := range e.types {
		if !helped[name] {
			e.refuse("%s has no HELP", name)
		}
		if kind == "histogram" {
			e.checkHistogram(name)
		}
	}
	return e, errors.Join(e.wrong...)
}

func (e *exposed) refuse(format string, args ...any) {
	e.wrong = append(e.wrong, fmt.Errorf(format, args...))
}

// family takes the name of a metric, which has to say what it is.
func (e *exposed) family(name, kind string, open bool) {
	if e.types[name] != "" || !metricName.MatchString(name) {
		e.refuse("metric %q, again or with a bad name", name)
	}
	e.types[name] = kind
	total := strings.HasSuffix(name, "_total")
	if total != (kind == "counter" && !open) || !slices.Contains([]string{"counter", "gauge", "histogram"}, kind) {
		e.refuse("%s is a %s", name, kind)
	}
}

// sample takes a line that is one of family.
func (e *exposed) sample(line, family string, open bool) {
	m := sampleLine.FindStringSubmatch(line)
	if m == nil {
		e.refuse("the line %q is nothing", line)
		return
	}
	suffixes := map[string][]string{"gauge": {""}, "counter": {""}, "histogram": {"_bucket", "_sum", "_count"}}
	if open {
		suffixes["counter"] = []string{"_total"}
	}
	suffix, ok := strings.CutPrefix(m[1], family)
	if !ok || !slices.Contains(suffixes[e.types[family]], suffix) {
		e.refuse("%q is no sample of %s, a %s", line, family, e.types[family])
	}
	key := m[1]
	for rest := m[2]; rest != ""; {
		l := oneLabel.FindStringSubmatch(rest)
		if l == nil {
			e.refuse("the labels of %q", line)
			return
		}
		key, rest = key+" "+l[1]+"="+unescape.Replace(l[2]), rest[len(l[0]):]
	}
	value, err := strconv.ParseFloat(m[3], 64)
	if _, again := e.samples[key]; err != nil || again || math.IsNaN(value) || e.types[family] != "gauge" && value < 0 {
		e.refuse("%q: %v, again %v", line, err, again)
	}
	e.samples[key] = value
}

// checkHistogram checks that a histogram is cumulative and ends with all.
func (e *exposed) checkHistogram(name string) {
	bounds := make(map[float64]float64)
	for key, count := range e.samples {
		if le, ok := strings.CutPrefix(key, name+"_bucket le="); ok {
			bound, err := strconv.ParseFloat(le, 64)
			if err != nil {
				e.refuse("%s: %v", key, err)
			}
			bounds[bound] = count
		}
	}
	before := 0.0
	for _, bound := range slices.Sorted(maps.Keys(bounds)) {
		if bounds[bound] < before {
			e.refuse("%s: %v up to %v, and %v below", name, bounds[bound], bound, before)
		}
		before = bounds[bound]
	}
	if all, ok := bounds[math.Inf(1)]; !ok || all != e.samples[name+"_count"] || len(bounds) < 10 {
		e.refuse("%s: %d bounds, %v in all, count %v", name, len(bounds), all, e.samples[name+"_count"])
	}
}

// names are the names and labels of all samples.
func (e *exposed) names() []string { return slices.Sorted(maps.Keys(e.samples)) }

// A parser that takes everything would prove nothing.
func TestParse_isStrict(t *testing.T) {
	const good = "# TYPE lightning_a gauge\n# HELP lightning_a A.\nlightning_a{x=\"\\\"\"} 1\n"
	for name, text := range map[string]string{
		"twice":      good + good,
		"no type":    "lightning_a 1\n",
		"no help":    "# TYPE lightning_a gauge\nlightning_a 1\n",
		"foreign":    good + "lightning_b 1\n",
		"bad name":   strings.ReplaceAll(good, "lightning_a", "lightning_A"),
		"no total":   strings.ReplaceAll(good, "gauge", "counter"),
		"a word":     strings.ReplaceAll(good, "} 1", "} one"),
		"a quote":    strings.ReplaceAll(good, `\"`, `"`),
		"a negative": "# TYPE lightning_a_total counter\n# HELP lightning_a_total A.\nlightning_a_total -1\n",
		"an end":     good + "# EOF\n",
	} {
		if _, err := parse(text, false); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := parse(good, false); err != nil {
		t.Error(err)
	}
}
