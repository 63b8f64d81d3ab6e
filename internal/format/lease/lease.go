// Package lease lets followers hold files of a database that another process writes: the files FOLLOWER-n. A lease
// says up to which version of the tree its follower needs everything, and proves now and then that the follower is
// alive. It is never synced.
//
// # A lease
//
// 128 bytes of text: process id, beat, hold, name of the program, spaces, the checksum of all before in 8 hexadecimal
// digits, a line feed. The beat is a counter that changes with every writing. The hold is a version of the tree by its
// next file number (manifest.Version.NextNum), which rises from version to version.
//
// # The rules
//
// A follower writes its lease with hold 0, which holds everything, before it reads which version is in force, and
// raises it afterwards. A writer that wants to remove a file which versions before h have named looks at the leases
// first (Holders.Lowest): it must wait while one of them holds less than h. A lease that is taken after that look is
// of a follower that will find a version from h on, because the edit that led to h was published before.
//
// A lease lives for as long as its text changes at least once in Term, by the clock of the writer that looks. No two
// clocks are compared. One that has ended is removed, and holds nothing, whatever its follower believes: what the
// follower then reads may be missing, but is never wrong, because no file number is used twice.
package lease

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/system/vfs"
)

// Term is how long a lease lives that is not renewed.
const Term = 10 * time.Second

// Interval is how often a follower renews its lease, and how often a writer looks whether one has ended.
const Interval = Term / 5

const (
	leaseBytes = 128
	sumBytes   = 8
	frontBytes = leaseBytes - sumBytes - 1 // what the checksum is of
)

// Lease is a follower's lease. It is for one goroutine at a time.
type Lease struct {
	fs   vfs.FS
	name string
	beat uint64
}

// Take makes a lease that holds everything. random is a number that no other lease has.
func Take(fs vfs.FS, random uint64) (*Lease, error) {
	l := &Lease{fs: fs, name: filename.Make(filename.Lease, filename.Num(random>>1))}
	return l, l.Renew(0)
}

// Renew proves that the follower is alive and says that it needs version hold and later ones. If the lease has ended
// and was removed, it takes a new one: what was needed may be missing then.
func (l *Lease) Renew(hold filename.Num) error {
	l.beat++
	f, err := l.fs.OpenReadWrite(l.name)
	created := vfs.IsNotExist(err)
	if created {
		f, err = l.fs.Create(l.name)
	}
	if err != nil {
		return fmt.Errorf("renew the follower's lease: %w", err)
	}
	_, err = f.WriteAt(encode(os.Getpid(), l.beat, hold, owner.Program()), 0)
	if err = errors.Join(err, f.Close()); err != nil {
		if created { // on a full disk it would be an empty one, which holds everything
			err = errors.Join(err, l.Release())
		}
		return fmt.Errorf("renew the follower's lease: %w", err)
	}
	return nil
}

// Release ends the lease.
func (l *Lease) Release() error {
	if err := l.fs.Remove(l.name); err != nil && !vfs.IsNotExist(err) {
		return fmt.Errorf("end the follower's lease: %w", err)
	}
	return nil
}

// encode returns the text of a lease. program is one word of few letters, as owner.Program gives it.
func encode(pid int, beat uint64, hold filename.Num, program string) []byte {
	text := fmt.Sprintf("%-*s", frontBytes, fmt.Sprintf("%d %d %d %s", pid, beat, hold, program))
	return fmt.Appendf(nil, "%s%0*x\n", text, sumBytes, crc32.ChecksumIEEE([]byte(text)))
}

// decode returns the hold in the text of a lease. One that cannot be read, because it is just being written perhaps,
// holds everything.
func decode(text []byte) (hold filename.Num) {
	if len(text) != leaseBytes {
		return 0
	}
	front, sum := text[:frontBytes], text[frontBytes:]
	if string(sum) != fmt.Sprintf("%0*x\n", sumBytes, crc32.ChecksumIEEE(front)) {
		return 0
	}
	var pid, beat uint64
	var program string
	if _, err := fmt.Sscanf(string(front), "%d %d %d %s", &pid, &beat, &hold, &program); err != nil {
		return 0
	}
	return hold
}

// Holders is what a writer knows of the leases in a directory. It is for one goroutine at a time.
type Holders struct {
	fs    vfs.FS
	clock clock.Monotonic
	seen  map[string]sight
}

// sight is what a lease said, and since when it has said that.
type sight struct {
	text  string
	since clock.Instant
}

// Watch returns the holders of files in fs.
func Watch(fs vfs.FS, c clock.Monotonic) *Holders {
	return &Holders{fs: fs, clock: c, seen: make(map[string]sight)}
}

// All is what Lowest returns when nobody holds anything.
const All = ^filename.Num(0)

// Lowest returns the lowest hold of all live leases, or All if there is none. It removes those that have ended. After
// an error it is 0: everything must be taken for held. A lease that cannot be read
// has not changed; after its term it stays, and holds nothing.
func (h *Holders) Lowest() (lowest filename.Num, err error) {
	names, err := h.fs.List()
	if err != nil {
		return 0, fmt.Errorf("look for leases: %w", err)
	}
	seen := make(map[string]sight)
	lowest = All
	var failed error
	now := h.clock.Now()
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind != filename.Lease {
			continue
		}
		text, err := h.read(name)
		if vfs.IsNotExist(err) {
			continue
		}
		s, known := h.seen[name]
		if !known || err == nil && s.text != text {
			s = sight{text, now}
		}
		if now.Since(s.since) > Term {
			if err != nil { // its follower may be of another user, and live; what it holds nobody can tell
				seen[name] = s
				continue
			}
			if err := h.fs.Remove(name); err != nil && !vfs.IsNotExist(err) {
				seen[name] = s // it stays, and holds nothing
			}
			continue
		}
		seen[name] = s
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		lowest = min(lowest, decode([]byte(text)))
	}
	h.seen = seen
	if failed != nil {
		return 0, failed
	}
	return lowest, nil
}

func (h *Holders) read(name string) (text string, err error) {
	f, err := h.fs.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var buf [leaseBytes + 1]byte
	n, err := f.ReadAt(buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read a lease: %w", err)
	}
	return string(buf[:n]), nil
}
