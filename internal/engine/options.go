package engine

import (
	"math/bits"
	"math/rand/v2"
	"time"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs"
)

// MinMemoryLimit is the least Options.MemoryLimit, in bytes.
const MinMemoryLimit = 10 << 20

// memoryLimit is the limit for Options.MemoryLimit, on a system whose addresses have so many bits: 256 MiB by default, and
// 16 MiB where dozens of open databases would otherwise use up the addresses that there are. What is beyond all memory
// that there can be is no limit: bookkeeping must not grow with it.
func memoryLimit(wanted int64, addressBits int) int64 {
	usual, most := int64(256<<20), int64(1<<40)
	if addressBits == 32 {
		usual, most = 16<<20, 1<<30
	}
	if wanted == 0 {
		return usual
	}
	return min(max(wanted, MinMemoryLimit), most)
}

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

	MemoryLimit int64 // bytes; see memoryBudget
	LogLimit    int64 // bytes of log that a recovery may have to replay
	Codec       codec.Compressor
	PageSize    int          // bytes of a table page before compression
	Logger      Logger       // default: none
	Merge       operand.Func // what user merges do; nil if there are none

	// Owned by tests and simulations.
	Elapsed func() time.Duration // since any fixed moment: the monotonic clock, by which every interval is measured
	Wall    func() time.Time     // the time of day, which may be set either way: data for people, nothing is decided by it
	Random  func() uint64
	Manual  bool // no background goroutines: the caller runs the steps
	Poison  bool // overwrite freed cache frames, to expose their late use
	Rows    bool // keep every row that is read in the row cache, to expose rows that are out of date
	Gaps    bool // remember every gap that an iterator passes, however short, to expose gaps that are not empty
}

// DefaultPageSize suits both point reads from cache (any size would) and from the medium (smaller is better).
const DefaultPageSize = 8 << 10

func (o Options) withDefaults() Options {
	if o.SyncInterval <= 0 {
		o.SyncInterval = DefaultSyncInterval
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	o.MemoryLimit = memoryLimit(o.MemoryLimit, bits.UintSize)
	if o.PageSize == 0 {
		o.PageSize = DefaultPageSize
	}
	if o.Logger == nil {
		o.Logger = silent{}
	}
	if o.Elapsed == nil {
		o.Elapsed = stopwatch()
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	return o
}

// memoryBudget divides the memory limit. The cache has what the memtables that exist and the open tables leave of it, and
// gives it back when they need it: see MemoryStep. What is not named here (a sixteenth) is for log buffers and the rest of
// the heap.
type memoryBudget struct {
	memtable  int   // bytes of one memtable, index included
	frozen    int   // memtables that may wait for their flush beside the active one
	memtables int64 // bytes of all memtables beyond which a writer waits for readers to give some back
	shared    int64 // bytes of memtables, cached pages and rows, open tables and buffers together
	leastPage int64 // bytes of cached pages, whatever else there is
	openTable int64 // bytes of directories and slots of open tables
	rows      int64 // bytes of rows that are read over and over
	buffers   int64 // bytes of pieces of tables that are being written, or read from front to back
	table     int64 // bytes at which a table is complete
}

func newMemoryBudget(limit int64) memoryBudget {
	const frozen = 2
	memtable := min(limit/10, 64<<20)
	b := memoryBudget{
		memtable:  int(memtable),
		frozen:    frozen,
		shared:    limit - limit/16,
		leastPage: limit / 4,
		openTable: limit / 16,
		rows:      limit / 16,
		buffers:   limit / 16,
		table:     min(max(memtable, 2<<20), 64<<20),
	}
	b.memtables = b.shared - b.leastPage - b.openTable - b.rows - b.buffers
	return b
}

// addresses is how many bytes of addresses a database takes at most. What is reserved for the cache is never given back;
// memtables beyond three are the fault of readers.
func (b *memoryBudget) addresses() int64 {
	return b.cache(int64(b.memtable)) + b.rows + int64(b.frozen+1)*int64(b.memtable) + b.buffers + mappedLog
}

// mappedLog is how much of the log is mapped at a time, in bytes: see package vfs.
const mappedLog = 2 << 20

// cache is how many bytes of pages may be cached beside so many of other things.
func (b *memoryBudget) cache(others int64) int64 { return max(b.shared-others, b.leastPage) }

// Logger is what receives events. It is lightningdb.Logger; package log/slog and the encoding/json in it would be a twelfth
// of a program that has no other use for them.
type Logger interface {
	Debug(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// silent is a Logger that drops everything.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// SpillBytes is how many bytes of writes one transaction may keep in memory.
func (e *Engine) SpillBytes() int64 { return int64(e.budget.memtable) / 2 }
