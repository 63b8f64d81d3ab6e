package monitor

import (
	"math"
	"mime"
	"strconv"
	"strings"
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

var (
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// family adds a metric. In OpenMetrics the name of a counter is that of its samples, without _total.
func (e *exposition) family(f *Family) {
	name := f.SampleName()
	if e.open {
		name = f.Name
	}
	e.line("# TYPE ", name, " ", string(f.Kind))
	if unit := f.Unit(); unit != "" && e.open {
		e.line("# UNIT ", name, " ", unit)
	}
	e.line("# HELP ", name, " ", escapeHelp.Replace(f.Help))
	for _, s := range f.Samples {
		labels := labelsOf(f.Labels, s.Labels)
		if f.Kind == Histogram {
			e.histogram(f.Name, labels, &s.Distribution)
		} else {
			e.sample(f.SampleName(), labels, s.Value)
		}
	}
}

// histogram adds the samples of a histogram.
func (e *exposition) histogram(name string, labels []string, d *Distribution) {
	for i, bound := range d.Bounds {
		e.sample(name+"_bucket", append(labels, `le="`+number(bound)+`"`), float64(d.Counts[i]))
	}
	e.sample(name+"_bucket", append(labels, `le="+Inf"`), float64(d.Count))
	e.sample(name+"_sum", labels, d.Sum)
	e.sample(name+"_count", labels, float64(d.Count))
}

// labelsOf writes labels.
func labelsOf(names, values []string) (labels []string) {
	for i, name := range names {
		labels = append(labels, name+`="`+escapeLabel.Replace(values[i])+`"`)
	}
	return labels
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

func (e *exposition) sample(name string, labels []string, value float64) {
	if len(labels) > 0 {
		name += "{" + strings.Join(labels, ",") + "}"
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
