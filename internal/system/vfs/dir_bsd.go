//go:build darwin || freebsd || openbsd

package vfs

import "errors"

// syncAround is unsupported: no call makes a single file system durable.
func syncAround(string) error { return errors.ErrUnsupported }
