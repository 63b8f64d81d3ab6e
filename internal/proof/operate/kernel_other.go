//go:build !linux

package operate

import "errors"

var errOnlyLinux = errors.New("only Linux has what this needs")

func noFilters() string { return errOnlyLinux.Error() }

func failSyncs() error { return errOnlyLinux }

func (s *subject) holdDescriptors() error { return errOnlyLinux }
