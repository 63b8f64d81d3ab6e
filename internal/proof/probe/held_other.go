//go:build !linux

package probe

import "errors"

// HeldBy cannot stop a process and look at what it has open here.
func HeldBy(int, string) (Held, error) { return Held{}, errors.ErrUnsupported }
