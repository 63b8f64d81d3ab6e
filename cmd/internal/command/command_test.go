package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// echo is a program whose commands write down what they were given.
func echo() (*Program, *strings.Builder) {
	var out strings.Builder
	var verbose, hex, octal bool
	var limit int
	p := &Program{Name: "prog", Help: "prog does things.", Out: &out, Moved: map[string]string{"gone": "other"},
		Flags: func(f *flag.FlagSet) { f.BoolVar(&verbose, "verbose", false, "say more") }}
	var form string
	get := &Command{Use: "get DIR KEY", Aliases: []string{"fetch", "cat"}, Short: "Get it's value", Help: "get gets.",
		MinArgs: 2, MaxArgs: 2, Exclusive: [][2]string{{"hex", "octal"}}}
	get.Flags = func(f *flag.FlagSet) {
		f.BoolVar(&hex, "hex", false, "in hex")
		f.BoolVar(&octal, "octal", false, "in octal")
		f.IntVar(&limit, "limit", 7, "at most `N`")
		f.StringVar(&form, "form", "", "how: `long|short`")
	}
	get.Run = func(_ context.Context, args []string) error {
		fmt.Fprintf(&out, "%q verbose=%v hex=%v limit=%d given=%v", args, verbose, hex, limit, get.Given("limit"))
		return nil
	}
	fail := &Command{Use: "fail", Hidden: true, Run: func(context.Context,
		[]string) error {
		return errors.ErrUnsupported
	}}
	list := &Command{Use: "list WORD...", Short: "List", MaxArgs: Unlimited,
		Run: func(_ context.Context, args []string) error {
			fmt.Fprintf(&out, "%q", args)
			return nil
		}}
	write := &Command{Use: "write one|two FILE", Short: "Write", MaxArgs: 2}
	write.Flags = func(f *flag.FlagSet) { f.StringVar(&form, "log", "", "to `FILE`") }
	version := &Command{Use: "version", Short: "Say the version", Run: func(context.Context, []string) error {
		fmt.Fprintf(&out, "version verbose=%v", verbose)
		return nil
	}}
	p.Commands = []*Command{get, fail, list, write, version}
	return p, &out
}

// People write flags where they think of them; an argument taken for a flag, or lost, changes the wrong database.
func TestExecute_flagsStandAnywhere(t *testing.T) {
	for line, want := range map[string]string{
		"get d k":                          `["d" "k"] verbose=false hex=false limit=7 given=false`,
		"get --hex d --limit 3 k":          `["d" "k"] verbose=false hex=true limit=3 given=true`,
		"get d k --limit=7":                `["d" "k"] verbose=false hex=false limit=7 given=true`,
		"--verbose get d k -hex":           `["d" "k"] verbose=true hex=true limit=7 given=false`,
		"get --verbose d -- --hex":         `["d" "--hex"] verbose=true hex=false limit=7 given=false`,
		"get -- --hex --hex":               `["--hex" "--hex"] verbose=false hex=false limit=7 given=false`,
		"get d -":                          `["d" "-"] verbose=false hex=false limit=7 given=false`,
		"-- get d k":                       `["d" "k"] verbose=false hex=false limit=7 given=false`,
		"--version":                        `version verbose=false`,
		"-v":                               `version verbose=false`,
		"--verbose --version":              `version verbose=true`,
		"-v --verbose":                     `version verbose=true`,
		"list":                             `[]`,
		"list a b c d e f g h i j k l m n": `["a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n"]`,
	} {
		p, out := echo()
		if err := p.Execute(t.Context(), strings.Fields(line)); err != nil || out.String() != want {
			t.Errorf("%s\n got %s, %v\nwant %s", line, out, err, want)
		}
	}
}

// A wrong command line must be refused before anything runs, with words that help.
func TestExecute_refusesWrongUse(t *testing.T) {
	for line, want := range map[string]string{
		"get d":                 "get needs more arguments; use: prog get DIR KEY",
		"get d k x":             `get does not take the argument "x"; use: prog get DIR KEY`,
		"get d k --hex --octal": "--hex and --octal exclude each other; use: prog get DIR KEY",
		"get d k --limit x":     `invalid value "x" for flag --limit: parse error; use: prog get DIR KEY`,
		"get d k --limit":       "flag needs an argument: --limit; use: prog get DIR KEY",
		"get d k --form=":       "the value of --form is empty; give --form long|short, or leave it out",
		"--form= get d k":       "unknown flag: --form; --form is a flag of get; see `prog help`",
		"write --log= one x":    "the value of --log is empty; give --log FILE, or leave it out",
		"get d k --nope":        "unknown flag: --nope; use: prog get DIR KEY",
		"--nope get d k":        "unknown flag: --nope; see `prog help`",
		"get d k --limt 3":      "unknown flag: --limt; did you mean --limit?",
		"get d k --oct":         "unknown flag: --oct; did you mean --octal?",
		"--verbos get d k":      "unknown flag: --verbos; did you mean --verbose?",
		"write one x --hex":     "unknown flag: --hex; --hex is a flag of get; use: prog write one|two FILE",
		"--hex get d k":         "unknown flag: --hex; --hex is a flag of get; see `prog help`",
		"fetch d k":             "there is no command \"fetch\"; did you mean `prog get`?",
		"CAT":                   "there is no command \"CAT\"; did you mean `prog get`?",
		"fetc":                  "there is no command \"fetc\"; did you mean `prog get`?",
		"ge":                    "there is no command \"ge\"; did you mean `prog get`?",
		"lsit":                  "there is no command \"lsit\"; did you mean `prog list`?",
		"writer":                "there is no command \"writer\"; did you mean `prog write`?",
		"gist":                  "there is no command \"gist\"; did you mean `prog list`?",
		"gte":                   "there is no command \"gte\"; did you mean `prog get`?",
		"help gte":              "there is no command \"gte\"; did you mean `prog get`?",
		"gone x --y":            "gone is a command of other now; run `other gone`",
		"help gone":             "gone is a command of other now; run `other gone`",
		"li":                    "there is no command \"li\"; did you mean `prog list`?",
		"elephant":              "there is no command \"elephant\"; see `prog help`",
		"get d k --hex=perhaps": `invalid boolean value "perhaps" for flag --hex: parse error; use: prog get DIR KEY`,
	} {
		p, out := echo()
		err := p.Execute(t.Context(), strings.Fields(line))
		var wrong *UsageError
		if !errors.As(err, &wrong) || wrong.Problem+"; "+wrong.Hint != want || out.Len() > 0 {
			t.Errorf("%s\n got %+v %s\nwant %s", line, err, out, want)
		}
	}
	p, _ := echo()
	if err := p.Execute(t.Context(), []string{"fail"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a command's own error came back as %v", err)
	}
}

// Help that omits a flag hides a feature; help that shows hidden commands misleads.
func TestHelp_showsCommandsAndFlags(t *testing.T) {
	for _, line := range []string{"", "help", "--help", "-h", "help help"} {
		p, out := echo()
		if err := p.Execute(t.Context(), strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"prog does things.", "get         Get it's value", "--verbose", "say more"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q: no %q in\n%s", line, want, out)
			}
		}
		if strings.Contains(out.String(), "fail") {
			t.Errorf("%q shows a hidden command", line)
		}
	}
	for _, line := range []string{"help get", "get --help", "get d k -h"} {
		p, out := echo()
		if err := p.Execute(t.Context(), strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"get gets.", "prog get DIR KEY", "--hex", "--limit N", "at most N", "--verbose"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q: no %q in\n%s", line, want, out)
			}
		}
	}
}

// A completion script that does not parse breaks the shell of whoever sources it.
func TestCompletion_everyShell(t *testing.T) {
	p, _ := echo()
	for _, shell := range Shells {
		script, ok := p.Completion(shell)
		if !ok || strings.Contains(script, "fail") {
			t.Errorf("%s: %v\n%s", shell, ok, script)
		}
		for _, word := range []string{"get", "list", "hex", "verbose", "prog"} {
			if !strings.Contains(script, word) {
				t.Errorf("%s: no %q in\n%s", shell, word, script)
			}
		}
		if path, err := exec.LookPath(shell); err == nil && shell != "powershell" {
			check := exec.Command(path, "-n", "/dev/stdin")
			check.Stdin = strings.NewReader(script)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s does not parse its script: %s", shell, out)
			}
		}
	}
	if _, ok := p.Completion("cmd"); ok {
		t.Error("a script for an unknown shell")
	}
}

// The script must offer what is there, not only parse; and files only where a file belongs.
func TestCompletion_bashOffersWhatBelongsThere(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	dir := t.TempDir()
	for _, d := range []string{"folder", "get it"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, _ := echo()
	script, _ := p.Completion("bash")
	for typed, want := range map[string]string{
		"prog ":                     "get|help|list|version|write",
		"prog g":                    "get",
		"prog --verbose ":           "get|help|list|version|write",
		"prog --ver":                "--verbose|--version",
		"prog get ":                 "folder|get it",
		"prog get fo":               "folder",
		"prog get db ":              "",
		"prog get db f":             "",
		"prog get --limit 3 ":       "folder|get it",
		"prog get --limit ":         "",
		"prog get --form ":          "long|short",
		"prog get db k --form l":    "long",
		"prog get --form long d k ": "",
		"prog get --h":              "--help|--hex",
		"prog --verbose get --h":    "--help|--hex",
		"prog write ":               "one|two",
		"prog write one ":           "file|folder|get it",
		"prog write one f":          "file|folder",
		"prog write one file ":      "",
		"prog write --log ":         "file|folder|get it",
		"prog list ":                "",
		"prog help ":                "get|help|list|version|write",
		"prog help get ":            "",
	} {
		words := strings.Split(typed, " ")
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = fmt.Sprintf("'%s'", w)
		}
		ask := fmt.Sprintf("%s\nCOMP_WORDS=(%s); COMP_CWORD=%d; _prog; printf '%%s\\n' \"${COMPREPLY[@]}\"", script,
			strings.Join(quoted, " "), len(words)-1)
		command := exec.Command(bash, "-c", ask)
		command.Dir = dir
		out, err := command.Output()
		got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		slices.Sort(got)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("%q offers %q, %v; want %q", typed, got, err, want)
		}
	}
}

// A line that is wider than the terminal breaks in the middle of a word.
func TestHelp_fitsTheTerminal(t *testing.T) {
	p, out := echo()
	p.Help = "prog " + strings.Repeat("does many things ", 20) + "\n\n  and this line\n  stays as it is\n\nEnd."
	p.Commands[0].Short = strings.Repeat("long ", 30)
	if err := p.Execute(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("%d: %s", len(line), line)
		}
	}
	if !strings.Contains(out.String(), "\n\n  and this line\n  stays as it is\n\nEnd.\n") ||
		strings.Contains(out.String(), " \n") {
		t.Errorf("%s", out.String())
	}
}
