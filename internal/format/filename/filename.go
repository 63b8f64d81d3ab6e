// Package filename maps the kinds of database files to their names and back. A name is made of a kind and a number
// and nothing else: no path ever comes from the content of a file.
//
//	LOCK              held by the process that has the database open
//	CURRENT           names the manifest in force
//	CURRENT-8161727   the next CURRENT before its rename; the number is random
//	MANIFEST-000007   edits of the set of tables
//	000012.wal        a segment of the write-ahead log
//	000013.tbl        an immutable table
//	STATUS            what the writer tells followers
//	STATUS-3141592    the next STATUS before its rename; the number is random
//	FOLLOWER-5271828  the lease of a follower; the number is random
//	RESERVE           space that is given back when the medium is full
//	RESERVE-6626070   the next RESERVE before its rename; the number is random
package filename

import (
	"fmt"
	"strconv"
	"strings"
)

// Num numbers manifests, log segments and tables. One counter serves all three; the random numbers of NextCurrent,
// NextStatus, Lease and NextReserve do not come from it. A number is never used while there is a file with that number,
// or the manifest names one.
type Num uint64

// Kind is the role of a file.
type Kind uint8

const (
	Unknown Kind = iota // not a name of ours: never touched, never deleted
	Lock
	Current
	NextCurrent
	Manifest
	Log
	Table
	Status
	NextStatus
	Lease
	Reserve
	NextReserve
)

// Make returns the name of the file of the given kind. LOCK, CURRENT, STATUS and RESERVE have no num.
func Make(kind Kind, num Num) string {
	switch kind {
	case Lock:
		return "LOCK"
	case Current:
		return "CURRENT"
	case NextCurrent:
		return fmt.Sprintf("CURRENT-%06d", num)
	case Manifest:
		return fmt.Sprintf("MANIFEST-%06d", num)
	case Log:
		return fmt.Sprintf("%06d.wal", num)
	case Table:
		return fmt.Sprintf("%06d.tbl", num)
	case Status:
		return "STATUS"
	case NextStatus:
		return fmt.Sprintf("STATUS-%06d", num)
	case Lease:
		return fmt.Sprintf("FOLLOWER-%06d", num)
	case Reserve:
		return "RESERVE"
	case NextReserve:
		return fmt.Sprintf("RESERVE-%06d", num)
	}
	panic(fmt.Sprintf("filename: no name for kind %d", kind))
}

// Parse is the inverse of Make. A name that Make would not produce, byte for byte, is Unknown.
func Parse(name string) (Kind, Num) {
	switch name {
	case "LOCK":
		return Lock, 0
	case "CURRENT":
		return Current, 0
	case "STATUS":
		return Status, 0
	case "RESERVE":
		return Reserve, 0
	}
	kind, digits := Unknown, ""
	if rest, ok := strings.CutPrefix(name, "MANIFEST-"); ok {
		kind, digits = Manifest, rest
	} else if rest, ok := strings.CutPrefix(name, "CURRENT-"); ok {
		kind, digits = NextCurrent, rest
	} else if rest, ok := strings.CutPrefix(name, "STATUS-"); ok {
		kind, digits = NextStatus, rest
	} else if rest, ok := strings.CutPrefix(name, "FOLLOWER-"); ok {
		kind, digits = Lease, rest
	} else if rest, ok := strings.CutPrefix(name, "RESERVE-"); ok {
		kind, digits = NextReserve, rest
	} else if rest, ok := strings.CutSuffix(name, ".wal"); ok {
		kind, digits = Log, rest
	} else if rest, ok := strings.CutSuffix(name, ".tbl"); ok {
		kind, digits = Table, rest
	}
	num, err := strconv.ParseUint(digits, 10, 63) // one bit less, so that counting on from any name never wraps
	if err != nil || Make(kind, Num(num)) != name {
		return Unknown, 0
	}
	return kind, Num(num)
}

// Above returns a number above those of all files of ours among names, whether something names them or not: a number is
// never used twice.
func Above(names []string) Num {
	next := Num(1)
	for _, name := range names {
		switch kind, num := Parse(name); kind {
		case Manifest, Log, Table:
			next = max(next, num+1)
		}
	}
	return next
}
