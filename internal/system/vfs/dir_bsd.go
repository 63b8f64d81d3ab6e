//go:build darwin || freebsd

package vfs

import "errors"

// syncAround is not there: no call makes one file system durable.
func syncAround(string) error { return errors.ErrUnsupported }
