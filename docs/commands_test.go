package docs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// operated are the documents whose commands are tried, in this order, in one sandbox. The language of a fence says how:
//
//	sh            runs next to a program that has the database open
//	sh stopped    runs while no program has it open
//	sh root       needs root, systemd or a container: read by sh alone
//	sh keys       has keys of a bucket in it, which nobody has: read by sh alone
//	sh bucket     needs a bucket: read by sh, and run by a test of lightning-s3
//	sh site       names the places of the sandbox
//	ini           a unit of systemd: read by systemd-analyze, where that is installed; its lightning commands run
//	dockerfile    its instructions are looked at
//	go            is the business of other tests
var operated = []string{"operations.md", "runbook.md"}

// fence is a fenced block of a document.
type fence struct {
	document       string
	line           int // of its first line
	language, text string
}

func (f fence) String() string { return fmt.Sprintf("%s:%d", f.document, f.line) }

// fences are all of a document, also those in lists, without their indentation.
func fences(t *testing.T, document string) (all []fence) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var open *fence
	indentation := ""
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		begin, language, isFence := strings.Cut(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case isFence && open == nil && strings.Trim(begin, " ") == "":
			open, indentation = &fence{document: document, line: n + 1, language: language}, begin
		case isFence && open != nil && language == "":
			all, open = append(all, *open), nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indentation)
		}
	}
	if open != nil || len(all) == 0 {
		t.Fatalf("%s has %d fences, and one that is open: %v", document, len(all), open)
	}
	return all
}

// sandbox is where commands are tried.
type sandbox struct {
	dir    string
	places map[string]string // what the documents call them

	program *exec.Cmd // that has the database open; nil if it is stopped
	in      io.WriteCloser
}

// newSandbox builds the programs, and makes a database with something in it.
func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	if testing.Short() {
		t.Skip("builds programs and runs them")
	}
	source, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &sandbox{dir: dir, places: map[string]string{"SOURCE": source, "BIN": filepath.Join(dir, "bin"),
		"DB": filepath.Join(dir, "orders", "db"), "BACKUP": filepath.Join(dir, "backup")}}
	for _, place := range []string{s.places["BIN"], filepath.Dir(s.places["DB"]), s.places["BACKUP"]} {
		if err := os.Mkdir(place, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, `cd "$SOURCE"; go build -o "$BIN/" ./cmd/lightning ./cmd/lightning-proof; cp "$BIN/lightning" "$BIN/orders"`)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// run is a script in the sandbox, which must succeed. It returns what that has written.
func (s *sandbox) run(t *testing.T, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+s.places["BIN"]+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, place := range s.places {
		cmd.Env = append(cmd.Env, name+"="+place)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// start makes a program have the database open.
func (s *sandbox) start(t *testing.T) {
	t.Helper()
	if s.program != nil {
		return
	}
	s.program = exec.Command(filepath.Join(s.places["BIN"], "lightning"), "shell", s.places["DB"], "--quiet")
	var out io.ReadCloser
	var errs [2]error
	s.in, errs[0] = s.program.StdinPipe()
	out, errs[1] = s.program.StdoutPipe()
	if err := errors.Join(errs[0], errs[1], s.program.Start()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s.in, "put order:1 open\nput order:2 paid\nget order:1\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the program says %q, %v", line, err)
	}
}

// stop ends the program as an operator does.
func (s *sandbox) stop(t *testing.T) {
	t.Helper()
	if s.program == nil {
		return
	}
	if err := errors.Join(s.in.Close(), s.program.Wait()); err != nil {
		t.Error(err)
	}
	s.program = nil
}

// A command that is wrong in the document is typed at the worst moment of the year.
func TestCommands_ofTheDocumentsRunAsWritten(t *testing.T) {
	s := newSandbox(t)
	ran := 0
	for _, document := range operated {
		for _, f := range fences(t, document) {
			t.Log(f, f.language)
			switch f.language {
			case "sh":
				s.start(t)
				s.run(t, f.text)
				ran++
			case "sh stopped":
				s.stop(t)
				s.run(t, f.text)
				ran++
			case "sh root", "sh keys", "sh bucket": // no test has the first two; lightning-s3's runs the last
				read(t, f.text)
			case "sh site":
				s.checkPlaces(t, f)
			case "ini":
				s.start(t)
				s.runUnit(t, f)
			case "dockerfile":
				checkDockerfile(t, f)
			case "go":
			default:
				t.Errorf("%s: nothing tries a block of %q", f, f.language)
			}
		}
	}
	if ran < 15 {
		t.Errorf("%d blocks ran", ran)
	}
}

// read has sh read a script without running it.
func read(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-nc", script).CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, script, out)
	}
}

// checkPlaces compares the places that a document names with those of the sandbox.
func (s *sandbox) checkPlaces(t *testing.T, f fence) {
	t.Helper()
	read(t, f.text)
	var names []string
	for line := range strings.Lines(f.text) {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
		if s.places[name] == "" {
			t.Errorf("%s: the sandbox has no %s", f, name)
		}
	}
	if len(names) != len(s.places) {
		t.Errorf("%s names %q, and the sandbox has %d places", f, names, len(s.places))
	}
}

// inSandbox is text with the paths of units in the sandbox.
func (s *sandbox) inSandbox(text string) string {
	return strings.NewReplacer("/usr/local/bin/", s.places["BIN"]+"/", "/var/lib/orders/db", s.places["DB"],
		"/backup/orders", s.places["BACKUP"]+"/orders").Replace(text)
}

// runUnit runs the commands of a unit that are lightning's.
func (s *sandbox) runUnit(t *testing.T, f fence) {
	t.Helper()
	started := regexp.MustCompile(`(?m)^ExecStart=(/usr/local/bin/lightning .*)$`)
	for _, m := range started.FindAllStringSubmatch(f.text, -1) {
		s.run(t, s.inSandbox(m[1]))
	}
}

// unitKeys are those that units of the documents have, by section.
var unitKeys = map[string]string{
	"Unit": "Description OnFailure",
	"Service": "ExecStart IOSchedulingClass LimitNOFILE MemoryMax Nice NoNewPrivileges PrivateTmp ProtectSystem " +
		"ReadWritePaths Restart RestartSec StateDirectory StateDirectoryMode TimeoutStopSec Type User",
	"Timer":   "OnCalendar Persistent RandomizedDelaySec",
	"Install": "WantedBy",
}

// systemd starts a unit with a misspelt key all the same, without what the key was to do.
func TestCommands_unitsAreRead(t *testing.T) {
	s := newSandbox(t)
	var files []string
	for _, document := range operated {
		for _, f := range fences(t, document) {
			if f.language != "ini" {
				continue
			}
			name := checkUnit(t, f)
			files = append(files, filepath.Join(s.dir, name))
			if err := os.WriteFile(files[len(files)-1], []byte(s.inSandbox(f.text)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(files) < 3 {
		t.Errorf("there are only the units %q", files)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Logf("systemd-analyze is not installed: the units were read by this test alone")
		return
	}
	var warned bytes.Buffer
	cmd := exec.Command(analyze, append([]string{"verify", "--man=no", "--recursive-errors=no"}, files...)...)
	cmd.Stdout, cmd.Stderr = &warned, &warned
	if err := cmd.Run(); err != nil || warned.Len() > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, warned.String())
	}
}

// checkUnit reads a unit, and returns its name.
func checkUnit(t *testing.T, f fence) (name string) {
	t.Helper()
	section := ""
	for line := range strings.Lines(f.text) {
		line = strings.TrimSuffix(line, "\n")
		key, value, isKey := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "# /etc/systemd/system/"):
			name = filepath.Base(line)
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		case isKey && (value == "" || !slices.Contains(strings.Fields(unitKeys[section]), key)):
			t.Errorf("%s: %q in section %s", f, line, section)
		case !isKey && line != "":
			t.Errorf("%s: %q", f, line)
		}
	}
	if name == "" {
		t.Errorf("%s: it does not begin with the name of its file", f)
	}
	return name
}

// checkDockerfile looks at instructions: what is started must have been built, and scripts must be scripts.
func checkDockerfile(t *testing.T, f fence) {
	t.Helper()
	stages, built := map[string]bool{}, ""
	for line := range strings.Lines(f.text) {
		instruction, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch instruction {
		case "FROM":
			if _, stage, named := strings.Cut(rest, " AS "); named {
				stages[stage] = true
			}
		case "RUN":
			read(t, rest)
			built += rest
		case "COPY":
			if from, _, named := strings.Cut(strings.TrimPrefix(rest, "--from="), " "); named &&
				strings.HasPrefix(rest, "--from=") && !stages[from] {
				t.Errorf("%s: there is no stage %q", f, from)
			}
		case "ENTRYPOINT":
			if started := strings.Split(rest, `"`); len(started) < 2 || !strings.Contains(built, "/"+started[1]) {
				t.Errorf("%s: nothing builds what %s starts", f, rest)
			}
		case "USER", "VOLUME":
		default:
			t.Errorf("%s: instruction %q", f, instruction)
		}
	}
}

// inlineCommand finds commands in the middle of sentences.
var inlineCommand = regexp.MustCompile("`(lightning|lightning-proof) ([a-z-]+)([^`]*)`")

// Commands in sentences have names for their arguments and cannot be run; verb and flags can be looked up.
func TestCommands_inSentencesHaveVerbsAndFlagsThatAreThere(t *testing.T) {
	s := newSandbox(t)
	helps := make(map[string]string)
	found := 0
	for _, document := range operated {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inlineCommand.FindAllStringSubmatch(strings.Join(strings.Fields(string(text)), " "), -1) {
			found++
			ask := m[1] + " help " + m[2]
			if helps[ask] == "" {
				helps[ask] = s.run(t, ask)
			}
			for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(m[3], -1) {
				if !strings.Contains(helps[ask], flag) {
					t.Errorf("%s: %s: there is no %s", document, m[0], flag)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d commands", found)
	}
}
