package probe

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Group is a group of processes whose memory the system bounds: what they take beyond it is taken back, and where that
// is not possible one of them is killed. Linux has two versions of it, with other names for the same.
type Group struct {
	Dir   string // where its files are
	names groupNames
}

// groupNames are the files of one version.
type groupNames struct {
	root       string
	controller string // a file of root that is there if memory can be bounded
	has        string // a word in it; empty if its being there is enough
	limit      string
	highest    string
	events     string // has a line that counts the kills
	kills      string // the word in front of that count
}

var groupVersions = []groupNames{
	{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "", "memory.limit_in_bytes", "memory.max_usage_in_bytes",
		"memory.oom_control", "oom_kill"},
	{"/sys/fs/cgroup", "cgroup.subtree_control", "memory", "memory.max", "memory.peak", "memory.events", "oom_kill"},
}

// NewGroup makes a group without processes. It says in its error why this machine does not allow that.
func NewGroup(limit int64) (*Group, error) {
	for _, names := range groupVersions {
		text, err := os.ReadFile(filepath.Join(names.root, names.controller))
		if err != nil || !strings.Contains(string(text), names.has) {
			continue
		}
		dir, err := os.MkdirTemp(names.root, "lightning-resources-")
		if err != nil {
			return nil, fmt.Errorf("no cgroup may be made here: %w", err)
		}
		g := &Group{dir, names}
		if err := os.WriteFile(filepath.Join(dir, names.limit), fmt.Append(nil, limit), 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("the memory of a cgroup cannot be bounded here: %w", err), g.Remove())
		}
		return g, nil
	}
	return nil, errors.New("there is no memory controller of cgroups here")
}

// Enter has a command begin in the group, so that all that it ever takes counts there: a shell joins, and becomes the
// command.
func (g *Group) Enter(command *exec.Cmd) {
	const join = `echo $$ > "$0" && exec "$@"`
	command.Args = append([]string{"sh", "-c", join, filepath.Join(g.Dir, "cgroup.procs"), command.Path},
		command.Args[1:]...)
	command.Path = "/bin/sh"
}

// Kills is how many processes of the group were killed because of its memory.
func (g *Group) Kills() int64 {
	text, err := os.ReadFile(filepath.Join(g.Dir, g.names.events))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == g.names.kills {
			n, _ := strconv.ParseInt(words[1], 10, 64)
			return n
		}
	}
	return 0
}

// Highest is the most that the group has taken, 0 if the system does not tell.
func (g *Group) Highest() int64 {
	text, err := os.ReadFile(filepath.Join(g.Dir, g.names.highest))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// Remove removes the group, which no process is in any more. The last one may take a moment to leave.
func (g *Group) Remove() (err error) {
	for range 100 {
		if err = os.Remove(g.Dir); !errors.Is(err, syscall.EBUSY) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}
