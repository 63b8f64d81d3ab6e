package console

import (
	"errors"
	"flag"
	"fmt"

	"lightningdb"
	"lightningdb/cmd/internal/units"
)

// minMemoryLimit is the least that a database works with, in bytes. Given less, it silently takes that much.
const minMemoryLimit = 10 << 20

// Size is a limit of memory as a flag like 256MiB, in bytes. Zero means not given.
type Size int64

// String implements flag.Value.
func (s *Size) String() string {
	if *s == 0 {
		return ""
	}
	return units.Bytes(int64(*s))
}

// Set implements flag.Value.
func (s *Size) Set(text string) error {
	n, err := units.ParseBytes(text)
	if err == nil && n < minMemoryLimit {
		err = fmt.Errorf("less than %s is not enough", units.Bytes(int64(minMemoryLimit)))
	}
	*s = Size(n)
	return err
}

// Durability is a flag: what a commit survives.
type Durability lightningdb.Durability

// String implements flag.Value.
func (d *Durability) String() string {
	switch lightningdb.Durability(*d) {
	case lightningdb.Process:
		return "process"
	}
	return "sync"
}

// Set implements flag.Value.
func (d *Durability) Set(text string) error {
	switch text {
	case "sync":
		*d = Durability(lightningdb.Sync)
	case "process":
		*d = Durability(lightningdb.Process)
	default:
		return errors.New("want sync or process")
	}
	return nil
}

// Define defines --durability.
func (d *Durability) Define(f *flag.FlagSet) {
	f.Var(d, "durability", "`sync|process`: sync survives a power cut, process a kill only, faster")
}
