package proof

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Anybody may validate a machine, with any umask: a directory that the program cannot enter itself would pass
// for a broken database.
func TestPrograms_workUnderAnyUmaskAsAnyUser(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir, err := os.MkdirTemp("", "umask") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, place := filepath.Join(dir, "lightning-proof"), filepath.Join(dir, "place")
	if out, err := exec.Command("go", "build", "-o", program, "../..").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o755, program: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(place, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(place, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"validate crash --duration 100ms -q", "validate crash --power-loss --rounds 1 -q",
		"validate transactions --rounds 2 -q",
		"validate stress --only batches -q --duration 100ms", "validate crash --duration 100ms -q --dir " + place + "/a/b",
		"bench -q --rows 1000 --time 5ms --only disk,load", "torture --count 40 --only kill --json",
	} {
		command := exec.Command("sh", append([]string{"-c", `umask 0777; exec "$@"`, "sh", program},
			strings.Fields(line)...)...)
		command.Dir, command.Env = "/", []string{"TMPDIR=" + place, "PATH=" + os.Getenv("PATH")}
		if os.Getuid() == 0 {
			command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
}
