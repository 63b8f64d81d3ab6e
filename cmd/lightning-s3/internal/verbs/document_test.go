package verbs

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lightningdb/cmd/internal/console"
	"lightningdb/internal/proof/fake"
)

// What docs/operations.md says of a bucket is typed in a disaster, with a wrong path or flag as it stands there.
func TestDocument_commandsOfABucketRunAsWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	source, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(source, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```sh bucket\n(.*?)\n```\n").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatal("there are no commands")
	}
	w := newWorld(t)
	w.fill(10)
	for _, block := range blocks {
		script := strings.ReplaceAll(block[1], "s3://backups/", "s3://"+fake.Name+"/")
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
		cmd.Dir = w.dir
		cmd.Env = append(os.Environ(), "SOURCE="+source, "BIN="+w.dir, "DB="+w.path("db"),
			"PATH="+w.dir+string(os.PathListSeparator)+os.Getenv("PATH"), "AWS_ENDPOINT_URL="+w.server.URL(),
			"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY="+secret)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "did not restore") || strings.Contains(string(out), secret) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// A key on a command line is read by everybody on the machine, and remembered by the shell.
func TestFlags_noneTakesAKey(t *testing.T) {
	w := newWorld(t)
	known := flag.NewFlagSet("", flag.ContinueOnError)
	(&app{App: console.App{Env: console.Env{Getenv: os.Getenv}}}).flags(known)
	n := 0
	known.VisitAll(func(f *flag.Flag) {
		n++
		if regexp.MustCompile(`key|secret|token|password`).MatchString(f.Name) {
			t.Errorf("there is a flag --%s", f.Name)
		}
	})
	if n < 5 {
		t.Errorf("%d flags were looked at", n)
	}
	for _, name := range []string{"--access-key", "--access-key-id", "--secret-key", "--session-token", "--password"} {
		w.run(console.ExitUsage, "list", w.place, name, secret)
	}
	w.run(console.ExitFailure, "list", w.place, "--endpoint", "https://AKIATEST:"+secret+"@127.0.0.1:1")
}
