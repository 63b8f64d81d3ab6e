package destruction

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs/memfs"
)

// Damage is one thing that was done to a file.
type Damage struct {
	What string // and where
	File string // what kind of file it was done to
}

// Destroy does one random damage to one file of fs, which was v's, or to two.
func (v *Victim) Destroy(rng *rand.Rand, fs *memfs.FS) (Damage, error) {
	all, err := fs.List()
	if err != nil || len(all) == 0 {
		return Damage{}, err
	}
	name := all[rng.IntN(len(all))]
	data, err := torture.Contents(fs, name)
	if err != nil {
		return Damage{}, err
	}
	d := Damage{File: v.kindOf(name)}
	switch rng.IntN(7) {
	case 0:
		d.What = "remove " + name
		return d, fs.Remove(name)
	case 1:
		other := all[rng.IntN(len(all))]
		there, err := torture.Contents(fs, other)
		if err == nil {
			err = errors.Join(torture.Replace(fs, name, there), torture.Replace(fs, other, data))
		}
		d.What = "swap " + name + " and " + other
		return d, err
	}
	var rest []byte
	if v.kindOf(name) == "manifest" {
		// Between two edits it would look as after a crash, and nothing would tell of tables that it named later.
		rest = []byte{1}
	}
	d.What, data = change(rng, data, rest)
	d.What += " of " + name
	return d, torture.Replace(fs, name, data)
}

// kindOf is what kind of file name is.
func (v *Victim) kindOf(name string) string {
	if v.values[name] {
		return "value_file"
	}
	switch kind, _ := filename.Parse(name); kind {
	case filename.Table:
		return "table"
	case filename.Log:
		return "log"
	case filename.Manifest:
		return "manifest"
	case filename.Current:
		return "current"
	}
	return "other"
}

// change changes the content of a file: something in it, its end, of which rest stays, or what is behind its end.
func change(rng *rand.Rand, data, rest []byte) (what string, changed []byte) {
	at, n := 0, 1
	if len(data) > 0 {
		at = rng.IntN(len(data))
		if rng.IntN(4) == 0 { // in the last quarter, where a table has its directory, locator, properties and footer
			at = len(data) - 1 - at/4
		}
		n = 1 + rng.IntN(min(len(data)-at, 1<<rng.IntN(16)))
	}
	kind := rng.IntN(5)
	if len(data) == 0 {
		kind = 4
	}
	switch kind {
	case 0:
		return fmt.Sprintf("what is behind byte %d", at), append(data[:at], rest...)
	case 1:
		clear(data[at : at+n])
		return fmt.Sprintf("%d bytes from %d on, to zeros", n, at), data
	case 2:
		copy(data[at:], Noise(rng, n))
		return fmt.Sprintf("%d bytes from %d on", n, at), data
	case 3:
		data[at] ^= 1 << rng.IntN(8)
		return fmt.Sprintf("a bit of byte %d", at), data
	}
	return fmt.Sprintf("%d bytes behind the end", n), append(data, bytes.Repeat([]byte{byte(rng.IntN(2))}, n)...)
}
