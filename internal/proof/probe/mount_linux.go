package probe

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// MayMount gives a command a mount table of its own, and the right to change it. Where the machine does not allow that,
// the command does not start.
func MayMount(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// MountMemory mounts on dir an empty file system of some bytes in memory, for this process.
func MountMemory(dir string, bytes int64) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		return fmt.Errorf("mount a file system in memory: %w", err)
	}
	return nil
}

// SeenBy is the path at which everybody finds what process pid, while it lives, finds at an absolute path.
func SeenBy(pid int, path string) string { return fmt.Sprintf("/proc/%d/root%s", pid, path) }
