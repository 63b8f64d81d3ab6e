package measure

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/tree"
)

// Changes is what was seen of commits when somebody looked last.
type Changes struct {
	newest key.SeqNum
	mem    *tree.Memtable // the active memtable

	Came   clock.Instant // when the newest commit was seen first
	Begun  clock.Instant // when something was first seen in the active memtable; 0 if it was empty
	Looked bool          // for the caller: it has looked at all there is in that memtable, and only a commit changes that
}

// Look brings c up to the present.
func (c *Changes) Look(now clock.Instant, active *tree.Memtable, newest key.SeqNum) {
	if active != c.mem {
		c.mem, c.Begun, c.Looked = active, 0, false
	}
	if c.Begun == 0 && !active.IsEmpty() {
		c.Begun = now
	}
	if newest != c.newest {
		c.newest, c.Came = newest, now
	}
}
