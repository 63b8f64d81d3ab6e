package lightningdb

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whoever is called at night looks for the words of the runbook in the log, and finds nothing if they are not written.
func TestRunbook_quotesLogLinesThatAreWritten(t *testing.T) {
	text, err := os.ReadFile("docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(strings.Join(strings.Fields(string(text)), " "), "Log lines (`Options.Logger`):")
	section, _, _ = strings.Cut(section, "Keys and values are never logged")
	quoted := regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(section, -1)
	if !found || len(quoted) < 2 {
		t.Fatalf("no log lines in %q", section)
	}
	files, err := filepath.Glob("internal/engine/*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "event/log.go")
	var source strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for _, q := range quoted {
		if !writes(source.String(), q[1]) {
			t.Errorf("nothing writes %q", q[1])
		}
	}
}

// writes reports whether source has a text, as one string or as two that are put together between two words.
func writes(source, text string) bool {
	if strings.Contains(source, `"`+text+`"`) {
		return true
	}
	for i, c := range text {
		if c == ' ' && strings.Contains(source, `"`+text[:i]+`"`) && strings.Contains(source, `"`+text[i:]+`"`) {
			return true
		}
	}
	return false
}
