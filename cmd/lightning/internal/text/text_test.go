package text

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A key that is shown and cannot be typed can be neither read nor deleted.
func TestSplit_readsWhatAppendWordWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.SliceOf(rapid.Byte()),
			rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
			rapid.SliceOf(rapid.SampledFrom([]byte("\"'\\ \t\n#a\xff\u00ad"))))
		var line []byte
		want := rapid.SliceOf(word).Draw(t, "words")
		for _, w := range want {
			line = append(AppendWord(line, w), ' ')
		}
		got, err := Split(string(line))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %q, %v; want %q", line, got, err, want)
		}
		for i := range want {
			if got[i] != string(want[i]) {
				t.Fatalf("%s: word %d is %q, want %q", line, i, got[i], want[i])
			}
		}
		if strings.ContainsFunc(string(line), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q would control the terminal", line)
		}
	})
}

// What people type in every shell has to mean here what it means there.
func TestSplit_quotesAndEscapes(t *testing.T) {
	for line, want := range map[string][]string{
		``:                       nil,
		` `:                      nil,
		`put a b`:                {"put", "a", "b"},
		"\tput  a\r":             {"put", "a"},
		`put "a b" 'c "d" \n'`:   {"put", "a b", `c "d" \n`},
		`"" ''`:                  {"", ""},
		`a" b "'c 'd`:            {"a b c d"},
		`"it's"`:                 {"it's"},
		`"\xff\x00\u00e9\n\\\""`: {"\xff\x00é\n\\\""},
		`\xff\t\ a\'\"`:          {"\xff\t a'\""},
		`\377`:                   {"\xff"},
	} {
		if got, err := Split(line); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	for line, want := range map[string]string{`a "b`: "not closed", `'`: "not closed", `\q`: "begins an escape",
		`a\`: "begins an escape", `\xf`: "begins an escape", `"\`: "begins an escape"} {
		if got, err := Split(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want ...%s...", line, got, err, want)
		}
	}
}

// Completion in the middle of a quoted key must complete that key, not the piece behind its blank.
func TestUnfinished_isTheWordBeingWritten(t *testing.T) {
	for line, want := range map[string]struct {
		words []string
		word  string
		start int
	}{
		``:           {nil, "", 0},
		`ge`:         {nil, "ge", 0},
		`get `:       {[]string{"get"}, "", 4},
		`get "a b`:   {[]string{"get"}, "a b", 4},
		`get a\x`:    {[]string{"get"}, "a", 4},
		` put k 'v `: {[]string{"put", "k"}, "v ", 7},
	} {
		words, word, start := Unfinished(line)
		if !cmp.Equal(words, want.words) || word != want.word || start != want.start {
			t.Errorf("%q: %q, %q at %d; want %q, %q at %d", line, words, word, start, want.words, want.word, want.start)
		}
	}
}

// A value that is printed as it is can make a terminal do what its writer wants.
func TestAppendForScreen_controlsNothing(t *testing.T) {
	for value, want := range map[string]string{"": "\n", "a\n": "a\n", "a\tb": "a\tb\n",
		"\x1b[2J\r\xff": `\x1b[2J\r\xff` + "\n",
		"é\u00ad\\":     `é\u00ad\` + "\n"} {
		if got := string(AppendForScreen(nil, []byte(value))); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// FuzzSplit: whatever somebody types is refused or means words that can be shown and typed again.
func FuzzSplit(f *testing.F) {
	f.Add(`put "two words" 'it\''s' \xff\n`)
	f.Add("\"\\u00e9\\'\" # \t''")
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Split(line)
		if err != nil {
			return
		}
		var again []byte
		for _, w := range words {
			again = append(AppendWord(again, []byte(w)), ' ')
		}
		if got, err := Split(string(again)); err != nil || !cmp.Equal(got, words) {
			t.Fatalf("%q means %q, which is shown as %s, which means %q, %v", line, words, again, got, err)
		}
	})
}
