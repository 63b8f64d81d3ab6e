// Package budget divides the memory limit of a database among what takes memory. It owns none itself.
package budget

// Budget divides a memory limit. The cache gets what the existing memtables and the open tables leave, and gives it
// back when they need it: see ShareMemory. What is not named here (a sixteenth) is for log buffers and the rest of
// the heap; and as much, at most maxMapped, for what is mapped of the log.
type Budget struct {
	Memtable   int   // bytes of one memtable, index included
	Frozen     int   // memtables that may wait for their flush, without the active one
	Memtables  int64 // bytes of all memtables beyond which a writer waits for readers to give some back
	Shared     int64 // bytes of memtables, cached pages and rows, open tables and buffers together
	LeastPages int64 // bytes of cached pages that are always allowed
	OpenTables int64 // bytes of slots and leaf indexes of open tables
	Rows       int64 // bytes of rows that are read over and over
	Buffers    int64 // bytes of pieces of tables that are being written, or read from front to back
	Reads      int64 // bytes of what transactions have read, besides a little that each may take
	Table      int64 // bytes at which a table is complete
}

// maxMapped is what is mapped of the log at most, in bytes: a window of two segments each.
const maxMapped = 4 << 20

// New divides limit, in bytes.
func New(limit int64) Budget {
	const frozen = 2
	memtable := min(limit/10, 64<<20)
	b := Budget{
		Memtable:   int(memtable),
		Frozen:     frozen,
		Shared:     limit - limit/16 - min(limit/16, maxMapped),
		LeastPages: limit / 4,
		OpenTables: limit / 16,
		Rows:       limit / 16,
		Buffers:    limit / 16,
		Reads:      limit / 16,
		Table:      min(max(memtable, 2<<20), 64<<20),
	}
	b.Memtables = b.Shared - b.LeastPages - b.OpenTables - b.Rows - b.Buffers
	return b
}

// Addresses is the most bytes of address space that a database takes, apart from its log. What is reserved for the
// Cache is never given back; more than three memtables exist only if readers hold them.
func (b *Budget) Addresses() int64 {
	return b.Cache(int64(b.Memtable)) + b.Rows + int64(b.Frozen+1)*int64(b.Memtable) + b.Buffers
}

// Cache is how many bytes of pages may be cached while other things take others bytes.
func (b *Budget) Cache(others int64) int64 { return max(b.Shared-others, b.LeastPages) }
