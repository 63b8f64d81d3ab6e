package lightningdb

import (
	"fmt"
	"time"

	"lightningdb/event"
	"lightningdb/internal/archive"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/system/vfs"
)

// Options configures Open. The zero value, and nil, is a good database.
type Options struct {
	// ReadOnly opens an existing database without writing anything at all, also on a read-only medium. Writers are
	// locked out while it is open, other readers are not. The log is
	// replayed into memory, beyond MemoryLimit if it was written under a larger one.
	ReadOnly bool

	// InMemory keeps everything in memory, through the same code; the directory's name is ignored and nothing outlives
	// Close. In WebAssembly it is the only way to write. OpenFS ignores it.
	InMemory bool

	// MustExist makes Open fail with ErrNoDatabase where there is no database, also where there are files of something
	// else, which give ErrNotDatabase without it. ReadOnly does so, too.
	MustExist bool

	// Durability of commits that do not choose their own. Default: Sync.
	Durability Durability

	// SyncInterval bounds how long a commit at Process durability may wait until its sync begins. Default: 1 s.
	SyncInterval time.Duration

	// Retain keeps every state of the database of this last time readable, for DB.At, at the price of the space that
	// overwritten and removed values take meanwhile. After a restart what was kept stays for another such time.
	// Default: 0, which keeps only what open snapshots, transactions and cursors see.
	Retain time.Duration

	// MaxSnapshotAge bounds how long a snapshot, transaction, cursor or loop may keep old versions on disk. What is older
	// expires at the next flush or compaction, or soon after: its reads return ErrSnapshotExpired, never anything wrong.
	// Close it all the same. Default: 0, no bound.
	MaxSnapshotAge time.Duration

	// LockTimeout bounds how long a call waits for what others have locked with GetForUpdate: Put, Delete, Write and
	// every other write outside of transactions, GetForUpdate, and a commit. Then it returns a *LockTimeoutError, and
	// has changed nothing. Default: 10 s. It must not be negative; for waits without a bound choose a time of years.
	LockTimeout time.Duration

	// TraceReaders remembers where each snapshot, transaction, cursor and loop was opened, for Metrics.Readers and for
	// LockTimeoutError.Holder: to find the one that was forgotten. It costs each of them about a microsecond and 300
	// bytes.
	TraceReaders bool

	// MemoryLimit bounds, in bytes, what memtables, cached pages, open tables and buffers take together. Default:
	// 256 MiB, and 16 MiB on 32-bit systems and in WebAssembly, where addresses are scarce; at least 10 MiB, and a smaller
	// positive limit means that. Any number above what the machine has is no limit. A batch or value larger than a tenth
	// of the limit, or than 64 MiB, is held in memory whole, beyond the limit, until it is flushed. What transactions
	// remember of their reads has a sixteenth of the limit: see Serializable.
	MemoryLimit int64

	// LogLimit bounds, in bytes, how much log the next Open may have to replay after a crash. Default: six times the size
	// of a memtable, which is a tenth of MemoryLimit and at most 64 MiB. At least 1 MiB; a smaller positive limit is that.
	LogLimit int64

	// DiskLimit bounds, in bytes, what all files of the database have together at any moment: tables, also while a
	// compaction writes others in their place; log; what readers keep; and a reserve, the file RESERVE, of an eighth of
	// the limit, or less where that is enough. A write that would need more, in time, is refused with ErrNoSpace before
	// anything of it is written. Before that it waits while compactions return space, until its context ends. Writes that
	// only delete are not refused, so the way back is to delete: the space returns by itself, and writes go on. When the
	// disk itself is full, the reserve is given back, so that Open and deletes work there too; other writes are refused
	// until there is room for it again.
	//
	// Overwriting goes on for ever with up to half the limit of live data. LogLimit is at most a 32nd of the limit. A
	// database that has more when it is opened can be read and deleted from. In memory the limit bounds the memory that
	// the files take. Ignored with ReadOnly. Default: 0, no limit; at least 64 MiB, and a smaller positive limit means 64
	// MiB.
	DiskLimit int64

	// ScrubRate has the database read all its tables in the background, at most this number of bytes a second, to find
	// damage before it is needed: once after Open, then once a day, or as often as the rate allows. What it finds is in
	// Metrics.Scrub, and logged as an error; nothing else changes. It takes a goroutine. Ignored with ReadOnly. Default:
	// 0, no scrub.
	ScrubRate int64

	// ValueThreshold is from how many bytes on, compressed, a value stays where it was first written in a table:
	// compactions move a reference to it, and what was deleted or overwritten is reclaimed file by file. It saves writing
	// large values several times, and reading them in the way of keys. Values of 2 KiB and less are always in the tables.
	// Default: 4 KiB; math.MaxInt copies all values, and so does DiskLimit. It may differ from one Open to the next.
	ValueThreshold int

	// Archive gets every commit soon after it is durable: backup.NewArchive says how, and what happens while it cannot.
	// Commits never wait for it; it takes two goroutines. Ignored with ReadOnly. Default: none.
	Archive Archive

	// ArchiveInterval is how long a durable commit waits until it is archived, unless 1 MiB is there before. Default: 1 s.
	ArchiveInterval time.Duration

	// ArchiveRetention bounds, in bytes, how much log is kept for an Archive that lags, beyond LogLimit: what follows is
	// lost to the archive, which begins anew. Space that runs short ends it earlier. Default: LogLimit once more.
	ArchiveRetention int64

	// Compression of tables written from now on; tables with any compression can always be read. Default: S2.
	Compression Compression

	// Logger receives the events of package event: what stopped writes, full disks, damage, stalls, backups, what an Open
	// does that takes longer than a second (each second), and flushes and compactions at debug level. Default: none.
	// Values are never logged, and keys only with Events.Keys.
	Logger Logger

	// Events says who is told of events, which operations are slow, and who traces operations. Default: nobody.
	Events event.Options

	// Merge says what DB.Merge and Batch.Merge do: it returns the value of key from old, nil if there is none, and the
	// argument of one merge. Needed to read what was merged, it must be given at every Open, and must always return the
	// same for the same: it is called when keys are read and in the background, and in commits where old and argument have
	// at most 256 bytes each; perhaps several times for one merge and at the same time from several goroutines, and never
	// for some. It must not change or keep what it is given, but may return parts of it; what it has returned it must not
	// change later. It must not use the database. An error or a panic of it is an ErrMerge for readers of the key;
	// everything else goes on. runtime.Goexit in it ends the goroutine that reads the key, and no other. Default: none.
	Merge func(key, old, argument []byte) ([]byte, error)

	// PartialMerge returns the one argument that does to every value what older and then newer do as arguments of Merge:
	// Merge(Merge(old, older), newer) is Merge(old, argument). Where a compaction has several merges of a key and not the
	// value below them, it keeps that one in their place, so that readers call Merge once. ok is false, or it panics, if
	// there is no such argument: then both stay. All that is said of Merge holds for it. Default: none; all stay.
	PartialMerge func(key, older, newer []byte) (argument []byte, ok bool)

	// Indexes are those of buckets. CreateBucket makes a bucket with the ones of its path. Open, unless it is read-only,
	// builds those that a bucket lacks, or has in another Version, each in one commit, in their order. It reads the
	// bucket, and puts for good what was merged into an entry that expires. Default: none.
	Indexes []Index

	fs        vfs.FS           // what tests put in place of the operating system
	followers bool             // other processes may follow, though fs is set
	wall      func() time.Time // what tests put in place of the clock
}

// Logger is what of a *slog.Logger is called, one call at a time: see event.Logger. A nil *slog.Logger is not a nil
// Logger.
type Logger = event.Logger

// Durability says what a commit has survived when it returns.
type Durability uint8

const (
	DefaultDurability Durability = iota // in Options: Sync; in a Batch: what Options says
	Sync                                // any kill, crash of the system and power cut
	Process                             // any kill of the process; power cuts once synced, within SyncInterval
)

// Compression is a codec for tables: one of those below. The zero value is S2.
type Compression struct{ codec *codec.Compressor }

// The codecs. They are variables only because Go has no constants of structs.
var (
	S2            = Compression{&codec.Compressor{ID: codec.S2, Func: codec.EncodeS2}}     // fast
	Zstd          = Compression{&codec.Compressor{ID: codec.Zstd, Func: codec.EncodeZstd}} // smaller, slower to write
	NoCompression = Compression{&codec.Compressor{}}
)

func (c Compression) compressor() codec.Compressor {
	if c.codec == nil {
		return *S2.codec
	}
	return *c.codec
}

// Archive is where commits are archived; backup.NewArchive makes one.
type Archive = archive.Store

// engineOptions translates o, with the file system already open.
func (o *Options) engineOptions(fs vfs.FS) (engine.Options, error) {
	if o.Durability > Process {
		return engine.Options{}, fmt.Errorf("Options.Durability %d is neither Sync nor Process", o.Durability)
	}
	for name, n := range map[string]int64{"MemoryLimit": o.MemoryLimit, "LogLimit": o.LogLimit, "DiskLimit": o.DiskLimit,
		"ScrubRate": o.ScrubRate, "SyncInterval": int64(o.SyncInterval), "Retain": int64(o.Retain),
		"MaxSnapshotAge": int64(o.MaxSnapshotAge), "LockTimeout": int64(o.LockTimeout),
		"ValueThreshold": int64(o.ValueThreshold), "ArchiveInterval": int64(o.ArchiveInterval),
		"ArchiveRetention": o.ArchiveRetention} {
		if n < 0 {
			return engine.Options{}, fmt.Errorf("%s must not be negative", "Options."+name)
		}
	}
	return engine.Options{
		FS:             fs,
		Wall:           o.wall,
		ReadOnly:       o.ReadOnly,
		MustExist:      o.MustExist,
		SyncInterval:   o.SyncInterval,
		Retain:         o.Retain,
		MaxSnapshotAge: o.MaxSnapshotAge,
		LockTimeout:    o.LockTimeout,
		TraceReaders:   o.TraceReaders,
		MemoryLimit:    o.MemoryLimit,
		LogLimit:       min(o.LogLimit, 1) * max(o.LogLimit, 1<<20), // 0 stays
		HoldLog:        archive.Retention(o.Archive, o.ArchiveRetention),
		DiskLimit:      min(o.DiskLimit, 1) * max(o.DiskLimit, 64<<20),
		ScrubRate:      o.ScrubRate,
		ValueThreshold: o.ValueThreshold,
		Codec:          o.Compression.compressor(),
		Logger:         o.Logger,
		Events:         o.Events,
		Merge:          o.Merge,
		Partial:        o.PartialMerge,
		Followers:      (o.fs == nil || o.followers) && !o.InMemory,
	}, nil
}
