package operate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// rule is one alert of a file of rules. What it does not have is empty.
type rule struct {
	Alert, Expr, For, Severity, Summary, Runbook string
}

var (
	ruleField  = regexp.MustCompile(`^ +(?:- )?(alert|expr|for|severity|summary|runbook): *(.*)$`)
	foldedLine = regexp.MustCompile(`^ +([^ #].*)$`)
	minutes    = regexp.MustCompile(`(for: |\[)(\d+)m\b`)
	ofMinute   = regexp.MustCompile(`\b(\d+) \* 60\b`)
)

// parseRules returns the alerts of a file of rules that is written as ours is: a field in a line, and an expression of
// several lines folded behind ">-".
func parseRules(text string) (rules []rule) {
	folded := false
	for line := range strings.SplitSeq(text, "\n") {
		m, more := ruleField.FindStringSubmatch(line), foldedLine.FindStringSubmatch(line)
		switch {
		case m != nil && m[1] == "alert":
			rules = append(rules, rule{Alert: m[2]})
			folded = false
		case m != nil && len(rules) > 0:
			last := &rules[len(rules)-1]
			field := map[string]*string{"expr": &last.Expr, "for": &last.For, "severity": &last.Severity,
				"summary": &last.Summary, "runbook": &last.Runbook}[m[1]]
			folded = m[2] == ">-"
			if !folded {
				*field = unquoted(m[2])
			}
		case folded && more != nil:
			last := &rules[len(rules)-1]
			last.Expr = strings.TrimPrefix(last.Expr+" "+more[1], " ")
		}
	}
	return rules
}

// unquoted is what a value means that may be in quotes.
func unquoted(value string) string {
	if text, err := strconv.Unquote(value); err == nil {
		return text
	}
	return value
}

// shorten returns the rules with another length of a minute. Every time in them is written as a multiple of one.
func shorten(text string, minute time.Duration) string {
	text = minutes.ReplaceAllStringFunc(text, func(found string) string {
		m := minutes.FindStringSubmatch(found)
		n, _ := strconv.Atoi(m[2]) // digits
		return fmt.Sprintf("%s%dms", m[1], n*int(minute.Milliseconds()))
	})
	return ofMinute.ReplaceAllString(text, "${1} * "+strconv.FormatFloat(minute.Seconds(), 'g', -1, 64))
}
