package lightningdb

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
)

// retiredNames are words of names that say nothing to a stranger, or that another word stands for by now. Each is
// written as the words of the name, in lower case: "give back" is giveBack.
var retiredNames = map[string]string{
	"bury":      "free",
	"fleeting":  "temporary",
	"futile":    "unfoldable",
	"give back": "refund, or release",
	"guide":     "leaf index",
	"held up":   "background error",
	"hops":      "run switches",
	"hurried":   "what it is",
	"lasting":   "pinned",
	"let go":    "release",
	"patience":  "attempts, or the time of a wait",
	"price":     "read debt",
	"rooms":     "slots",
	"stretch":   "batch",
	"tension":   "what it is",
}

// retiredPhrases are what a comment or document says plainly instead.
var retiredPhrases = map[string]string{
	"as calmly as":      "like",
	"beside":            "while, during, concurrently with; next to",
	"lets? go of":       "releases",
	"letting go of":     "releasing",
	"so many":           "the number of, or how many",
	"who reads the key": "a reader of the key",
}

// phrases finds the retired phrases, also across lines.
var phrases = func() *regexp.Regexp {
	any := strings.Join(inOrder(retiredPhrases), "|")
	return regexp.MustCompile(`(?i)\b(` + strings.ReplaceAll(any, " ", `[\s/]+`) + `)\b`)
}()

func findRetiredWords(h *house, report reporter) {
	for _, name := range inOrder(h.documents) {
		findRetiredPhrases(name, 1, h.documents[name], report)
	}
	for _, name := range inOrder(h.source) {
		file := h.source[name]
		for _, group := range file.Comments {
			from, to := h.set.Position(group.Pos()), h.set.Position(group.End())
			findRetiredPhrases(name, from.Line, h.text[name][from.Offset:to.Offset], report)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if word := h.retiredIn(id.Name); word != "" {
					report(name, h.line(id.Pos()), id.Name+": not "+word+", but "+retiredNames[word])
				}
			}
			return true
		})
	}
}

func findRetiredPhrases(name string, line int, text string, report reporter) {
	for _, at := range phrases.FindAllStringIndex(text, -1) {
		said := strings.ToLower(strings.Join(strings.FieldsFunc(text[at[0]:at[1]], isSpaceOrSlash), " "))
		for phrase, instead := range retiredPhrases {
			if regexp.MustCompile(`^` + phrase + `$`).MatchString(said) {
				report(name, line+strings.Count(text[:at[0]], "\n"), "not "+said+", but "+instead)
			}
		}
	}
}

func isSpaceOrSlash(r rune) bool { return unicode.IsSpace(r) || r == '/' }

// retiredIn returns the retired word in a name, or nothing.
func (h *house) retiredIn(name string) string {
	word, known := h.names[name]
	if !known {
		words := " " + strings.Join(wordsOf(name), " ") + " "
		for _, retired := range inOrder(retiredNames) {
			if strings.Contains(words, " "+retired+" ") {
				word = retired
			}
		}
		h.names[name] = word
	}
	return word
}

// wordsOf takes a name apart at its capitals, digits and underscores.
func wordsOf(name string) (words []string) {
	start := 0
	for i, r := range name {
		if i > 0 && !unicode.IsLower(r) {
			words, start = append(words, strings.ToLower(name[start:i])), i
		}
	}
	return append(words, strings.ToLower(name[start:]))
}

// A rule that sees nothing would pass for ever.
func TestTidy_seesEachBreach(t *testing.T) {
	long := strings.Repeat("x", maxLineChars)
	files := map[string]string{
		"README.md": "[here](docs/a.md) [gone](docs/gone.md) `internal/gone/a.go` TestGone_isThere TestA… It\nlets\n" +
			"go of it.\n| " + long + "\n" + long[1:] + " https://example.org/\n" + long + "y\n",
		"docs/a.md":       "`internal/{a,b}/a.go` and `internal/*/a.go` and `internal/a.Name`\n",
		"docs/unnamed.md": "\n",
		"scripts/unnamed": "\n",

		"internal/a/a.go": "package a\n\n// grab has mu held.\nfunc (a *a) grab() {}\n\n" +
			"func (a *a) grabLocked() { a.mu.Lock() }\n" +
			"\nfunc (a *a) call() {\n\ta.grabLocked()\n\ta.mu.Lock()\n\ta.grabLocked()\n}\n" +
			"\nvar patienceFor = 1 // patience, here a word of a comment\n",
		"internal/a/a_test.go": "package a\n\nfunc TestA_works() {}\n",
		"internal/a/long.go": "package a\n\nfunc long() {\n" +
			strings.Repeat("\tf()\n", maxFunctionLines) + "}\n",
		"internal/a/never.go":                       "//go:build ignore\n\npackage a\n",
		"internal/a/testdata/text":                  "",
		"internal/a/testdata/fuzz/FuzzGone/0123":    "",
		"internal/a/testdata/rapid/TestA_works/one": "",
		"internal/large/large.go": "package large\n\nconst A = 0\n" +
			strings.Repeat("//\n", maxPackageLines-2),
		"internal/large/doc.go": "package large\n" + strings.Repeat("//\n", maxPackageLines),
		"main.go":               "package main\n\nimport _ \"lightningdb/internal/large\"\n",
	}
	root := make(fstest.MapFS)
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	h, err := readHouse(root)
	requireNil(t, err)
	want := map[string][]string{
		"lines":     {"README.md:6"},
		"functions": {"internal/a/long.go:3"},
		"packages":  {"internal/large:0"},
		"locked":    {"internal/a/a.go:4", "internal/a/a.go:6", "internal/a/a.go:9"},
		"dead": {"docs/unnamed.md:0", "internal/a/never.go:0", "internal/a/testdata/fuzz/FuzzGone:0",
			"internal/a/testdata/text:0", "internal/a:0", "scripts/unnamed:0"},
		"words": {"README.md:2", "internal/a/a.go:14"},
		"tests": {"README.md:1"},
		"paths": {"README.md:1", "README.md:1", "docs/a.md:1"},
	}
	for _, r := range tidyRules {
		var got []string
		r.find(h, func(file string, line int, what string) { got = append(got, at(file, line)) })
		slices.Sort(got)
		if !slices.Equal(got, want[r.name]) {
			t.Errorf("%s sees %q, not %q", r.name, got, want[r.name])
		}
	}
}
