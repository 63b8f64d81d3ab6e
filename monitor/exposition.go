package monitor

import (
	"math"
	"mime"
	"strconv"
	"strings"
)

// kind is a type of metric, as both formats name it.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
)

// The content types of the two formats.
const (
	textType = "text/plain; version=0.0.4; charset=utf-8"
	openType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// exposition is a text of metrics in one of the two formats.
type exposition struct {
	open bool // OpenMetrics
	text []byte
}

// label is the name and value of one.
type label struct{ name, value string }

var (
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// family begins a metric. The name of a counter is that of its samples, without _total.
func (e *exposition) family(name string, k kind, help string) {
	if k == counter && !e.open {
		name += "_total"
	}
	e.line("# TYPE ", name, " ", string(k))
	if unit := unitOf(name); unit != "" && e.open {
		e.line("# UNIT ", name, " ", unit)
	}
	e.line("# HELP ", name, " ", escapeHelp.Replace(help))
}

// unitOf is the unit at the end of a name.
func unitOf(name string) string {
	for _, unit := range []string{"bytes", "seconds", "ratio"} {
		if strings.HasSuffix(name, "_"+unit) {
			return unit
		}
	}
	return ""
}

func (e *exposition) line(parts ...string) {
	for _, p := range parts {
		e.text = append(e.text, p...)
	}
	e.text = append(e.text, '\n')
}

// sample adds a figure of the metric that family has begun last.
func (e *exposition) sample(name string, value float64, labels ...label) {
	var pairs []string
	for _, l := range labels {
		pairs = append(pairs, l.name+`="`+escapeLabel.Replace(strings.ToValidUTF8(l.value, "\uFFFD"))+`"`)
	}
	if len(pairs) > 0 {
		name += "{" + strings.Join(pairs, ",") + "}"
	}
	e.line(name, " ", number(value))
}

// end returns the text.
func (e *exposition) end() []byte {
	if e.open {
		e.line("# EOF")
	}
	return e.text
}

// number is v as both formats read it, whole ones without an exponent.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64) // NaN, +Inf and -Inf are spelled so too
}

// prefersOpen reports whether a client that sends this header Accept wants OpenMetrics rather than the older format,
// which is for all who name neither.
func prefersOpen(accept string) bool {
	open, other := 0.0, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, ok := parameters["q"]; ok {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		switch media {
		case "application/openmetrics-text":
			open = max(open, weight)
		case "text/plain":
			other = max(other, weight)
		}
	}
	return open > 0 && open >= other
}
