//go:build cgo && rocksdb

package main

/*
#cgo LDFLAGS: -lrocksdb
#include <stdlib.h>
#include <string.h>
#include <rocksdb/c.h>

// rocks_bench_write writes n pairs, which lie one after the other in data, or removes n keys, in one batch.
static char *rocks_bench_write(rocksdb_t *db, rocksdb_writeoptions_t *o, size_t n, char *data, unsigned *sizes,
		int remove) {
	char *err = NULL;
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	for (size_t i = 0; i < n; i++) {
		unsigned key = *sizes++;
		if (remove) {
			rocksdb_writebatch_delete(b, data, key);
		} else {
			rocksdb_writebatch_put(b, data, key, data + key, *sizes);
			data += *sizes++;
		}
		data += key;
	}
	rocksdb_write(db, o, b, &err);
	rocksdb_writebatch_destroy(b);
	return err;
}

typedef struct {
	char *err;
	long size; // -1: absent
} rocks_lookup;

// rocks_bench_get copies a value to where there is room, at least for the largest.
static rocks_lookup rocks_bench_get(rocksdb_t *db, rocksdb_readoptions_t *o, char *key, size_t size, char *to,
		size_t room) {
	rocks_lookup l = {NULL, -1};
	rocksdb_pinnableslice_t *s = rocksdb_get_pinned(db, o, key, size, &l.err);
	if (!s) return l;
	size_t n;
	const char *v = rocksdb_pinnableslice_value(s, &n);
	if (v && n <= room) {
		memcpy(to, v, n);
		l.size = n;
	}
	rocksdb_pinnableslice_destroy(s);
	return l;
}

// rocks_bench_scan copies up to n entries, keys and values one after the other, to where there is room for them, or
// with keys_only as if all values were empty, and returns how many. With start it goes to the first one, before or at
// or after key, which may be NULL.
static int rocks_bench_scan(rocksdb_iterator_t *it, int start, int backward, char *key, size_t size, char *to,
		unsigned *sizes, int n, int keys_only) {
	if (start) {
		if (!key) {
			if (backward) rocksdb_iter_seek_to_last(it); else rocksdb_iter_seek_to_first(it);
		} else if (!backward) {
			rocksdb_iter_seek(it, key, size);
		} else {
			rocksdb_iter_seek_for_prev(it, key, size);
			if (rocksdb_iter_valid(it)) {
				size_t k;
				const char *at = rocksdb_iter_key(it, &k);
				if (k == size && !memcmp(at, key, k)) rocksdb_iter_prev(it);
			}
		}
	}
	int i = 0;
	for (; i < n && rocksdb_iter_valid(it); i++) {
		size_t k, v = 0;
		const char *from = rocksdb_iter_key(it, &k);
		memcpy(to, from, k);
		if (!keys_only) {
			from = rocksdb_iter_value(it, &v);
			memcpy(to + k, from, v);
		}
		to += k + v;
		*sizes++ = k;
		*sizes++ = v;
		if (backward) rocksdb_iter_prev(it); else rocksdb_iter_next(it);
	}
	return i;
}

static rocks_lookup rocks_bench_txn_get(rocksdb_transaction_t *t, rocksdb_readoptions_t *o, char *key, size_t size,
		char *to, size_t room) {
	rocks_lookup l = {NULL, -1};
	size_t n;
	char *v = rocksdb_transaction_get_for_update(t, o, key, size, &n, 1, &l.err);
	if (v && n <= room) {
		memcpy(to, v, n);
		l.size = n;
	}
	free(v);
	return l;
}

static char *rocks_bench_txn_put(rocksdb_transaction_t *t, char *key, size_t key_size, char *value, size_t value_size) {
	char *err = NULL;
	rocksdb_transaction_put(t, key, key_size, value, value_size, &err);
	return err;
}

static char *rocks_bench_txn_commit(rocksdb_transaction_t *t) {
	char *err = NULL;
	rocksdb_transaction_commit(t, &err);
	return err;
}
*/
import "C"

import (
	"errors"
	"strings"
	"sync"
	"unsafe"
)

func init() { taggedKinds = append(taggedKinds, rocksdbKind()) }

func rocksdbKind() kind {
	return kind{
		name: "rocksdb",
		peer: true,
		config: "librocksdb of the system by a thin wrapper (Debian builds it with assertions, which cost it up to a third " +
			"of its bulk load); LRU block cache as budgeted, and on top of it write buffers of 64 MiB (up to 4), bloom " +
			"filters of 10 bits, blocks of 4 KiB, format_version 5, max_background_jobs 4, " +
			"level_compaction_dynamic_level_bytes, no compression; durable: WriteOptions.sync; transactions by " +
			"OptimisticTransactionDB with GetForUpdate, begun again on Busy; a read is one call of C, " +
			"scans fetch up to 64 entries for each. Large values: enable_blob_files, min_blob_size 4 KiB, enable_blob_gc",
		open: openRocks,
		bank: openRocksBank,
	}
}

// rocksLargest bounds the bytes of an entry.
const rocksLargest = 1 << 17

func rocksError(text *C.char) error {
	if text == nil {
		return nil
	}
	defer C.rocksdb_free(unsafe.Pointer(text))
	return errors.New("rocksdb: " + C.GoString(text))
}

// rocksOptions are the settings of a database, to be destroyed with it.
type rocksOptions struct {
	options *C.rocksdb_options_t
	table   *C.rocksdb_block_based_table_options_t
	cache   *C.rocksdb_cache_t
	write   *C.rocksdb_writeoptions_t
	read    *C.rocksdb_readoptions_t
}

func newRocksOptions(o options) *rocksOptions {
	s := &rocksOptions{
		options: C.rocksdb_options_create(),
		table:   C.rocksdb_block_based_options_create(),
		cache:   C.rocksdb_cache_create_lru(C.size_t(o.memory)),
		write:   C.rocksdb_writeoptions_create(),
		read:    C.rocksdb_readoptions_create(),
	}
	C.rocksdb_block_based_options_set_block_cache(s.table, s.cache)
	C.rocksdb_block_based_options_set_filter_policy(s.table, C.rocksdb_filterpolicy_create_bloom_full(10))
	C.rocksdb_block_based_options_set_block_size(s.table, 4<<10)
	C.rocksdb_block_based_options_set_format_version(s.table, 5)
	C.rocksdb_options_set_block_based_table_factory(s.options, s.table)
	C.rocksdb_options_set_create_if_missing(s.options, 1)
	C.rocksdb_options_set_write_buffer_size(s.options, 64<<20)
	C.rocksdb_options_set_max_write_buffer_number(s.options, 4)
	C.rocksdb_options_set_max_background_jobs(s.options, 4)
	C.rocksdb_options_set_level_compaction_dynamic_level_bytes(s.options, 1)
	if o.apart {
		C.rocksdb_options_set_enable_blob_files(s.options, 1)
		C.rocksdb_options_set_min_blob_size(s.options, valuesApart)
		C.rocksdb_options_set_enable_blob_gc(s.options, 1)
	}
	var compression C.int = C.rocksdb_no_compression
	if o.compress {
		compression = C.rocksdb_snappy_compression
	}
	C.rocksdb_options_set_compression(s.options, compression)
	C.rocksdb_writeoptions_set_sync(s.write, C.uchar(cFlag(o.sync)))
	return s
}

func (s *rocksOptions) destroy() {
	C.rocksdb_readoptions_destroy(s.read)
	C.rocksdb_writeoptions_destroy(s.write)
	C.rocksdb_options_destroy(s.options)
	C.rocksdb_block_based_options_destroy(s.table)
	C.rocksdb_cache_destroy(s.cache)
}

type rocksEngine struct {
	db       *C.rocksdb_t
	settings *rocksOptions
	writes   sync.Pool // of *flat
}

func openRocks(dir string, o options) (Engine, error) {
	s := newRocksOptions(o)
	path := C.CString(dir)
	defer C.free(unsafe.Pointer(path))
	var text *C.char
	db := C.rocksdb_open(s.options, path, &text)
	if err := rocksError(text); err != nil {
		return nil, err
	}
	return &rocksEngine{db: db, settings: s, writes: sync.Pool{New: func() any { return new(flat) }}}, nil
}

func (e *rocksEngine) Write(keys, values [][]byte) error {
	f := e.writes.Get().(*flat)
	defer e.writes.Put(f)
	f.fill(keys, values)
	return rocksError(C.rocks_bench_write(e.db, e.settings.write, C.size_t(len(keys)), chars(f.data), &f.sizes[0],
		cFlag(values == nil)))
}

func (e *rocksEngine) Sync() error {
	var text *C.char
	C.rocksdb_flush_wal(e.db, 1, &text)
	return rocksError(text)
}

func (e *rocksEngine) Busy() (bool, error) {
	for _, name := range []string{
		"num-running-compactions", "compaction-pending", "num-running-flushes", "mem-table-flush-pending",
	} {
		property := C.CString("rocksdb." + name)
		var n C.uint64_t
		rc := C.rocksdb_property_int(e.db, property, &n)
		C.free(unsafe.Pointer(property))
		if rc != 0 {
			return false, errors.New("rocksdb: no property " + name)
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}

func (e *rocksEngine) Compact() error {
	C.rocksdb_compact_range(e.db, nil, 0, nil, 0)
	return nil
}

func (e *rocksEngine) Close() error {
	C.rocksdb_close(e.db)
	e.settings.destroy()
	return nil
}

func (e *rocksEngine) Reader(shared bool) (Reader, error) {
	r := &rocksReader{engine: e, options: C.rocksdb_readoptions_create(), memory: make([]byte, scanBatch*rocksLargest)}
	if shared {
		r.snapshot = C.rocksdb_create_snapshot(e.db)
		C.rocksdb_readoptions_set_snapshot(r.options, r.snapshot)
	}
	return r, nil
}

type rocksReader struct {
	engine   *rocksEngine
	options  *C.rocksdb_readoptions_t
	snapshot *C.rocksdb_snapshot_t // nil if it is not shared
	memory   []byte
	sizes    [2 * scanBatch]C.uint
}

func (r *rocksReader) Get(key []byte, use func([]byte)) (bool, error) {
	l := C.rocks_bench_get(r.engine.db, r.options, chars(key), C.size_t(len(key)),
		chars(r.memory), C.size_t(len(r.memory)))
	if l.size < 0 {
		return false, rocksError(l.err)
	}
	use(r.memory[:l.size])
	return true, nil
}

func (r *rocksReader) Scan(from []byte, d direction, limit int, use func(k, v []byte)) error {
	return r.scan(from, d, limit, 0, use)
}

// ScanKeys copies no values; that the iterator does not fetch them either cannot be asked for in C.
func (r *rocksReader) ScanKeys(use func(k []byte)) error {
	return r.scan(nil, forward, -1, 1, func(k, _ []byte) { use(k) })
}

func (r *rocksReader) scan(from []byte, d direction, limit int, keysOnly C.int, use func(k, v []byte)) error {
	it := C.rocksdb_create_iterator(r.engine.db, r.options)
	defer C.rocksdb_iter_destroy(it)
	back := cFlag(d == backward)
	for start := C.int(1); limit != 0; start = 0 {
		want := scanBatch
		if limit > 0 {
			want = min(want, limit)
		}
		got := int(C.rocks_bench_scan(it, start, back, chars(from), C.size_t(len(from)),
			chars(r.memory), &r.sizes[0], C.int(want), keysOnly))
		at := 0
		for i := range got {
			k, v := int(r.sizes[2*i]), int(r.sizes[2*i+1])
			use(r.memory[at:at+k], r.memory[at+k:at+k+v])
			at += k + v
		}
		if got < want {
			break
		}
		limit -= want
	}
	var text *C.char
	C.rocksdb_iter_get_error(it, &text)
	return rocksError(text)
}

func (r *rocksReader) Close() error {
	if r.snapshot != nil {
		C.rocksdb_release_snapshot(r.engine.db, r.snapshot)
	}
	C.rocksdb_readoptions_destroy(r.options)
	return nil
}

type rocksBank struct {
	db       *C.rocksdb_optimistictransactiondb_t
	base     *C.rocksdb_t
	settings *rocksOptions
	begin    *C.rocksdb_optimistictransaction_options_t
}

func openRocksBank(dir string, o options) (Bank, error) {
	s := newRocksOptions(o)
	path := C.CString(dir)
	defer C.free(unsafe.Pointer(path))
	var text *C.char
	db := C.rocksdb_optimistictransactiondb_open(s.options, path, &text)
	if err := rocksError(text); err != nil {
		return nil, err
	}
	begin := C.rocksdb_optimistictransaction_options_create()
	C.rocksdb_optimistictransaction_options_set_set_snapshot(begin, 1)
	return &rocksBank{db, C.rocksdb_optimistictransactiondb_get_base_db(db), s, begin}, nil
}

func (b *rocksBank) Update(fn func(BankTx) error) error {
	for {
		err := b.attempt(fn)
		if err == nil || !isConflict(err) {
			return err
		}
	}
}

// isConflict goes by the text: the C API has no codes.
func isConflict(err error) bool {
	text := err.Error()
	return strings.Contains(text, "Resource busy") || strings.Contains(text, "Operation failed. Try again.")
}

func (b *rocksBank) attempt(fn func(BankTx) error) error {
	t := &rocksTx{bank: b, txn: C.rocksdb_optimistictransaction_begin(b.db, b.settings.write, b.begin, nil)}
	defer C.rocksdb_transaction_destroy(t.txn)
	if err := fn(t); err != nil {
		return err
	}
	return rocksError(C.rocks_bench_txn_commit(t.txn))
}

// View needs no commit: what a transaction reads is checked only for what it writes.
func (b *rocksBank) View(fn func(BankTx) error) error {
	snapshot := C.rocksdb_create_snapshot(b.base)
	defer C.rocksdb_release_snapshot(b.base, snapshot)
	read := C.rocksdb_readoptions_create()
	defer C.rocksdb_readoptions_destroy(read)
	C.rocksdb_readoptions_set_snapshot(read, snapshot)
	return fn(&rocksView{bank: b, read: read})
}

func (b *rocksBank) Close() error {
	C.rocksdb_optimistictransaction_options_destroy(b.begin)
	C.rocksdb_optimistictransactiondb_close_base_db(b.base)
	C.rocksdb_optimistictransactiondb_close(b.db)
	b.settings.destroy()
	return nil
}

var errNoAccount = errors.New("no such account")

type rocksTx struct {
	bank  *rocksBank
	txn   *C.rocksdb_transaction_t
	value [64]byte
}

func (t *rocksTx) Get(key []byte) ([]byte, error) {
	l := C.rocks_bench_txn_get(t.txn, t.bank.settings.read, chars(key), C.size_t(len(key)),
		chars(t.value[:]), C.size_t(len(t.value)))
	if l.err == nil && l.size < 0 {
		return nil, errNoAccount
	}
	return t.value[:max(0, l.size)], rocksError(l.err)
}

func (t *rocksTx) Put(key, value []byte) error {
	return rocksError(C.rocks_bench_txn_put(t.txn, chars(key), C.size_t(len(key)), chars(value), C.size_t(len(value))))
}

// rocksView reads a snapshot.
type rocksView struct {
	bank  *rocksBank
	read  *C.rocksdb_readoptions_t
	value [64]byte
}

func (t *rocksView) Get(key []byte) ([]byte, error) {
	l := C.rocks_bench_get(t.bank.base, t.read, chars(key), C.size_t(len(key)),
		chars(t.value[:]), C.size_t(len(t.value)))
	if l.err == nil && l.size < 0 {
		return nil, errNoAccount
	}
	return t.value[:max(0, l.size)], rocksError(l.err)
}

func (t *rocksView) Put(key, value []byte) error { return errUnsupported }
