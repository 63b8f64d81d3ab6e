package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxDecisionWords is what fits on a page.
const maxDecisionWords = 600

var headings = regexp.MustCompile(`(?m)^## (.+)$`)

// headingsOf returns the headings of the sections of a document.
func headingsOf(text string) (found []string) {
	for _, m := range headings.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// numbered returns the documents of a folder whose names begin with a number, by name.
func numbered(t *testing.T, folder string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "[0-9][0-9][0-9][0-9]-*.md"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no documents in %s: %v", folder, err)
	}
	texts := make(map[string]string)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(name)] = string(text)
	}
	return texts
}

// What was decided is looked for among journals of measurement, and figures stand where nobody finds them.
func TestDecisions_areAPageWithFiguresElsewhere(t *testing.T) {
	decisions, measurements := numbered(t, "decisions"), numbered(t, "measurements")
	index, err := os.ReadFile("decisions/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range decisions {
		if n := len(strings.Fields(text)); n > maxDecisionWords {
			t.Errorf("%s has %d words: a page has %d, figures go to measurements", name, n, maxDecisionWords)
		}
		for _, heading := range []string{"Context", "Choice", "Cost"} {
			if !slices.Contains(headingsOf(text), heading) {
				t.Errorf("%s does not say: %s", name, heading)
			}
		}
		if !strings.Contains(string(index), "("+name+")") {
			t.Errorf("%s is not in the list of decisions", name)
		}
	}
	for name, text := range measurements {
		named := strings.Contains(decisions[name], "(../measurements/"+name+")")
		if !named || !strings.Contains(text, "(../decisions/"+name+")") {
			t.Errorf("the decision %s and its measurements do not name each other", name)
		}
	}
}

// A section that is left out is a question that nobody asked before the code was written.
func TestRFCs_answerEverySection(t *testing.T) {
	const template = "0000-template.md"
	rfcs := numbered(t, "rfcs")
	status := regexp.MustCompile(`(?m)^Status: (draft|accepted|built in .+|withdrawn, because .+)$`)
	for name, text := range rfcs {
		if name == template {
			continue
		}
		if want := headingsOf(rfcs[template]); !slices.Equal(headingsOf(text), want) {
			t.Errorf("%s has the sections %q, not %q", name, headingsOf(text), want)
		}
		if !status.MatchString(text) {
			t.Errorf("%s has no status", name)
		}
	}
}
