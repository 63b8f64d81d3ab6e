package engine

import (
	"cmp"
	"math"
	"math/rand/v2"
	"time"

	"lightningdb/event"
	"lightningdb/internal/engine/events"
	"lightningdb/internal/engine/measure"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/vfs"
)

// MinMemoryLimit is the least Options.MemoryLimit, in bytes.
const MinMemoryLimit = measure.MinMemoryLimit

// DefaultSyncInterval bounds how long a Process commit waits for its sync.
const DefaultSyncInterval = time.Second

// DefaultLockTimeout bounds how long a call waits for locks of others.
const DefaultLockTimeout = 10 * time.Second

// Options configures an engine. FS is required; every other zero value is a good default.
type Options struct {
	FS        vfs.FS // the directory. The engine closes it, also when Open fails
	ReadOnly  bool   // write nothing, take the shared lock
	MustExist bool   // do not create a database where there is none

	SyncInterval time.Duration

	Retain         time.Duration // keep every state of this last time readable, for SnapshotAt; 0 for none
	MaxSnapshotAge time.Duration // snapshots and iterators older than this expire; 0 for never

	LockTimeout  time.Duration // how long a call waits for locks; 0 for DefaultLockTimeout
	TraceReaders bool          // remember where what holds versions or locks was opened

	MemoryLimit int64 // bytes; see budget.Budget
	LogLimit    int64 // bytes of log that a recovery may have to replay
	HoldLog     int64 // bytes of log that are held, needed no more, for an archive; below 0: LogLimit; 0 for none
	DiskLimit   int64 // bytes of all files together; 0 for no limit
	ScrubRate   int64 // bytes of tables that are read a second to find damage; 0 for none
	Codec       codec.Compressor
	PageSize    int // bytes of a table page before compression

	// ValueThreshold is from how many stored bytes a value stays where it was flushed; 0 for the default, MaxInt for
	// never.
	ValueThreshold int

	Logger    event.Logger // default: none
	Events    event.Options
	Merge     operand.Func // what user merges do; nil if there are none
	Partial   operand.PartialFunc
	Followers bool // tell other processes what is published, and keep files for them

	Report func(Metrics) []byte // what followers are told of what this engine does; nil for nothing

	// Owned by tests and simulations.
	Elapsed       func() time.Duration // since any fixed moment: the clock that measures every interval
	Wall          func() time.Time     // the time of day: data for people, and when entries end; nothing else
	Random        func() uint64
	TableBytes    int64 // at which a table is complete; 0 for what suits MemoryLimit
	ManifestLimit int64 // bytes at which a new manifest begins; 0 for some times what it began with

	Manual bool // no background goroutines: the caller runs the steps
	Poison bool // overwrite freed cache frames, to expose their late use
	Rows   bool // keep every row that is read in the row cache, to expose rows that are out of date
	Gaps   bool // remember every gap that an iterator passes, however short, to expose gaps that are not empty

	bus *events.Bus // to Logger and Events.Listener
}

// DefaultValueThreshold is from where on a value is worth a read of its own. Others have not been measured yet.
const DefaultValueThreshold = 4 << 10

// DefaultPageSize suits both point reads from cache (any size would) and from the medium (smaller is better).
const DefaultPageSize = 8 << 10

func (o Options) withDefaults() Options {
	if o.SyncInterval <= 0 {
		o.SyncInterval = DefaultSyncInterval
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	o.MemoryLimit = measure.MemoryLimit(o.MemoryLimit, measure.AddressBits())
	o.PageSize = cmp.Or(o.PageSize, DefaultPageSize)
	switch {
	case o.ValueThreshold == math.MaxInt || o.DiskLimit > 0: // what empties value files is not sure to fit
		o.ValueThreshold = 0
	case o.ValueThreshold == 0:
		o.ValueThreshold = DefaultValueThreshold
	}
	if o.Elapsed == nil {
		o.Elapsed = clock.Stopwatch()
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	o.bus = events.New(o.Elapsed, o.Wall, o.Logger, o.Events)
	return o
}
