package docs

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// alertCommand finds the commands of the pages for alerts, which are in sentences.
var alertCommand = regexp.MustCompile("`((?:lightning|lightning-proof|curl|df|ls) [^`]+)`")

// alertCommands are the commands of all pages, each once, in their order.
func alertCommands(t *testing.T) (all []string) {
	t.Helper()
	pages, err := filepath.Glob("../ops/runbooks/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range alertCommand.FindAllStringSubmatch(strings.Join(strings.Fields(string(text)), " "), -1) {
			if !slices.Contains(all, m[1]) {
				all = append(all, m[1])
			}
		}
	}
	return all
}

// startMonitored makes a program with a monitor have the database open, and returns the program and its address.
func (s *sandbox) startMonitored(t *testing.T) (program *exec.Cmd, address string) {
	t.Helper()
	s.run(t, `cd "$SOURCE"; go build -o "$BIN/" ./examples/monitored`)
	program = exec.Command(filepath.Join(s.places["BIN"], "monitored"), s.places["DB"])
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Process.Kill() }) // if the test has failed
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.Trim(line, "/\n"), "http://")
	if err != nil || !ok {
		t.Fatalf("the program says %q, %v", line, err)
	}
	return program, address
}

// Who is woken types what the page of the alert says; a verb, a flag or a path that is not there, or an argument that
// is refused, costs the minutes that count. Only names for places are filled in.
func TestCommands_ofTheAlertsRunAsWritten(t *testing.T) {
	s := newSandbox(t)
	s.run(t, `lightning put "$DB" order:1 open; lightning backup "$DB" "$BACKUP/orders/"`)
	s.run(t, `lightning backup "$DB" "$BACKUP/kept.tar"`)
	program, address := s.startMonitored(t)
	told := strings.NewReplacer("http://ADDRESS", "http://"+address, "REPOSITORY", s.places["BACKUP"]+"/orders",
		"FILE", s.places["BACKUP"]+"/now.tar", "BACKUP", s.places["BACKUP"]+"/kept.tar", "NEW", s.places["DB"]+".new",
		"DIR", s.places["DB"], "PID", fmt.Sprint(program.Process.Pid))
	var later []string
	ran := 0
	for _, command := range alertCommands(t) {
		name, _, _ := strings.Cut(command, " ")
		switch {
		case strings.HasPrefix(command, "lightning compact"):
			later = append(later, command) // "while it is stopped"
			continue
		case name == "lightning-proof":
			command = strings.Replace(command, "NEW", "NEW.disk", 1) + " --time 100ms --rows 1000" // not a minute and a half
		case name != "lightning":
			if _, err := exec.LookPath(name); err != nil {
				t.Logf("%s is not installed, so this was not tried: %s", name, command)
				continue
			}
		}
		t.Log(command)
		s.run(t, told.Replace(command))
		ran++
	}
	if err := errors.Join(program.Process.Signal(os.Interrupt), program.Wait()); err != nil {
		t.Fatal(err)
	}
	for _, command := range later {
		s.run(t, told.Replace(command))
		ran++
	}
	if ran < 8 || len(later) == 0 {
		t.Errorf("%d commands ran, %d of a program that was stopped", ran, len(later))
	}
}
