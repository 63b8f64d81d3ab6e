// Package join makes one error of several. It is errors.Join and no more, but the compiler does not copy it into every
// caller: 89 copies took 54 KB of `lightning` (docs/decisions/0007-size-of-the-program.md).
package join

import "errors"

// Errors returns an error that wraps those that are not nil, or nil if there is none. See errors.Join.
//
//go:noinline
func Errors(errs ...error) error { return errors.Join(errs...) }
