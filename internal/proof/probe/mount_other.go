//go:build !linux

package probe

import (
	"errors"
	"os/exec"
)

// MayMount does nothing: MountMemory will say why.
func MayMount(*exec.Cmd) {}

// MountMemory cannot be done here.
func MountMemory(string, int64) error { return errors.ErrUnsupported }

// SeenBy is the path itself: nobody has another one.
func SeenBy(_ int, path string) string { return path }
