//go:build cgo && lmdb

package main

/*
#cgo LDFLAGS: -llmdb
#include <stdlib.h>
#include <lmdb.h>

typedef struct {
	int rc;
	MDB_val value;
} lmdb_lookup;

// lmdb_bench_apply puts n pairs, which lie one after the other in data, or removes n keys.
static int lmdb_bench_apply(MDB_txn *txn, MDB_dbi dbi, size_t n, char *data, unsigned *sizes, int remove) {
	for (size_t i = 0; i < n; i++) {
		MDB_val k = {*sizes++, data};
		data += k.mv_size;
		int rc;
		if (remove) {
			rc = mdb_del(txn, dbi, &k, NULL);
			if (rc == MDB_NOTFOUND) rc = 0;
		} else {
			MDB_val v = {*sizes++, data};
			data += v.mv_size;
			rc = mdb_put(txn, dbi, &k, &v, 0);
		}
		if (rc) return rc;
	}
	return 0;
}

// lmdb_bench_write is a whole transaction. The caller takes care that there is only one at a time.
static int lmdb_bench_write(MDB_env *env, MDB_dbi dbi, size_t n, char *data, unsigned *sizes, int remove) {
	MDB_txn *txn;
	int rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (rc) return rc;
	rc = lmdb_bench_apply(txn, dbi, n, data, sizes, remove);
	if (rc) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

static lmdb_lookup lmdb_bench_get(MDB_txn *txn, MDB_dbi dbi, char *key, size_t size, int renew) {
	lmdb_lookup l = {0};
	if (renew) l.rc = mdb_txn_renew(txn);
	if (l.rc) return l;
	MDB_val k = {size, key};
	l.rc = mdb_get(txn, dbi, &k, &l.value);
	return l;
}

static int lmdb_bench_put(MDB_txn *txn, MDB_dbi dbi, char *key, size_t key_size, char *value, size_t value_size) {
	MDB_val k = {key_size, key}, v = {value_size, value};
	return mdb_put(txn, dbi, &k, &v, 0);
}

// lmdb_bench_scan fetches up to n entries as key, value, key, value, and returns how many, or an error below zero. With
// start it goes to the first one, before or at or after key, which may be NULL.
static int lmdb_bench_scan(MDB_cursor *c, int start, int backward, char *key, size_t size, MDB_val *out, int n) {
	MDB_cursor_op step = backward ? MDB_PREV : MDB_NEXT, op = step;
	int at = 0;
	for (; at < n; at++) {
		MDB_val k = {size, key}, v;
		if (start) {
			if (!key) {
				op = backward ? MDB_LAST : MDB_FIRST;
			} else if (!backward) {
				op = MDB_SET_RANGE;
			} else {
				int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
				op = rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV;
			}
			start = 0;
		} else {
			op = step;
		}
		int rc = mdb_cursor_get(c, &k, &v, op);
		if (rc == MDB_NOTFOUND) break;
		if (rc) return rc < 0 ? rc : -rc;
		out[2*at] = k;
		out[2*at+1] = v;
	}
	return at;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"
)

func init() { taggedKinds = append(taggedKinds, lmdbKind()) }

func lmdbKind() kind {
	var major, minor, patch C.int
	C.mdb_version(&major, &minor, &patch)
	return kind{
		name: "lmdb",
		peer: true,
		config: fmt.Sprintf("liblmdb %d.%d.%d by a thin wrapper; MDB_NOTLS, map of 32 GiB, MDB_NOSYNC when not durable, no "+
			"MDB_WRITEMAP; write transactions follow one another by a mutex; bulk load in one transaction; cache: the "+
			"operating system's (mmap); scans fetch up to %d entries for each call of C, values are not copied",
			major, minor, patch, scanBatch),
		open: openLMDB,
		bank: openLMDBBank,
	}
}

type lmdbEngine struct {
	dir  string
	o    options
	mu   sync.Mutex // held by whoever writes
	env  *C.MDB_env
	dbi  C.MDB_dbi
	flat flat
}

func openLMDB(dir string, o options) (Engine, error) { return openLMDBEnv(dir, o) }

func openLMDBEnv(dir string, o options) (*lmdbEngine, error) {
	e := &lmdbEngine{dir: dir, o: o}
	var flags C.uint = C.MDB_NOTLS
	if !o.sync {
		flags |= C.MDB_NOSYNC
	}
	path := C.CString(dir)
	defer C.free(unsafe.Pointer(path))
	if err := lmdbError(C.mdb_env_create(&e.env)); err != nil {
		return nil, err
	}
	if err := errors.Join(
		lmdbError(C.mdb_env_set_mapsize(e.env, 32<<30)),
		lmdbError(C.mdb_env_open(e.env, path, flags, 0o600)),
	); err != nil {
		return nil, err
	}
	return e, e.update(func(txn *C.MDB_txn) error { return lmdbError(C.mdb_dbi_open(txn, nil, 0, &e.dbi)) })
}

func lmdbError(rc C.int) error {
	if rc == 0 {
		return nil
	}
	return errors.New("lmdb: " + C.GoString(C.mdb_strerror(rc)))
}

// update runs fn in a write transaction, which belongs to a thread.
func (e *lmdbEngine) update(fn func(*C.MDB_txn) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e.mu.Lock()
	defer e.mu.Unlock()
	var txn *C.MDB_txn
	if err := lmdbError(C.mdb_txn_begin(e.env, nil, 0, &txn)); err != nil {
		return err
	}
	if err := fn(txn); err != nil {
		C.mdb_txn_abort(txn)
		return err
	}
	return lmdbError(C.mdb_txn_commit(txn))
}

func (e *lmdbEngine) Write(keys, values [][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flat.fill(keys, values)
	return lmdbError(C.lmdb_bench_write(e.env, e.dbi, C.size_t(len(keys)), chars(e.flat.data), &e.flat.sizes[0],
		cFlag(values == nil)))
}

func (e *lmdbEngine) BulkLoad(next func() (keys, values [][]byte)) error {
	return e.update(func(txn *C.MDB_txn) error {
		for keys, values := next(); len(keys) > 0; keys, values = next() {
			e.flat.fill(keys, values)
			rc := C.lmdb_bench_apply(txn, e.dbi, C.size_t(len(keys)), chars(e.flat.data), &e.flat.sizes[0], 0)
			if err := lmdbError(rc); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *lmdbEngine) Sync() error { return lmdbError(C.mdb_env_sync(e.env, 1)) }

func (e *lmdbEngine) Busy() (bool, error) { return false, nil }

// Compact copies the database, and the copy takes its place.
func (e *lmdbEngine) Compact() error {
	small := filepath.Join(e.dir, "compacted")
	if err := os.Mkdir(small, 0o700); err != nil {
		return err
	}
	path := C.CString(small)
	defer C.free(unsafe.Pointer(path))
	if err := lmdbError(C.mdb_env_copy2(e.env, path, C.MDB_CP_COMPACT)); err != nil {
		return err
	}
	C.mdb_env_close(e.env)
	if err := os.Rename(filepath.Join(small, "data.mdb"), filepath.Join(e.dir, "data.mdb")); err != nil {
		return err
	}
	fresh, err := openLMDBEnv(e.dir, e.o)
	if err != nil {
		return err
	}
	e.env, e.dbi = fresh.env, fresh.dbi
	return os.Remove(small)
}

func (e *lmdbEngine) Close() error {
	C.mdb_env_close(e.env)
	return nil
}

func (e *lmdbEngine) Reader(shared bool) (Reader, error) {
	r := &lmdbReader{engine: e, shared: shared}
	if err := lmdbError(C.mdb_txn_begin(e.env, nil, C.MDB_RDONLY, &r.txn)); err != nil {
		return nil, err
	}
	if !shared {
		C.mdb_txn_reset(r.txn)
	}
	return r, nil
}

// lmdbReader's transaction is at rest between reads if it is not shared.
type lmdbReader struct {
	engine *lmdbEngine
	txn    *C.MDB_txn
	shared bool
	batch  [2 * scanBatch]C.MDB_val
}

func (r *lmdbReader) Get(key []byte, use func([]byte)) (bool, error) {
	l := C.lmdb_bench_get(r.txn, r.engine.dbi, chars(key), C.size_t(len(key)), cFlag(!r.shared))
	if l.rc == 0 {
		use(mapped(l.value))
	}
	if !r.shared {
		C.mdb_txn_reset(r.txn)
	}
	if l.rc == C.MDB_NOTFOUND {
		return false, nil
	}
	return l.rc == 0, lmdbError(l.rc)
}

// mapped is a value in the map, for as long as the transaction is open.
func mapped(v C.MDB_val) []byte { return unsafe.Slice((*byte)(v.mv_data), int(v.mv_size)) }

func (r *lmdbReader) Scan(from []byte, d direction, limit int, use func(k, v []byte)) error {
	if !r.shared {
		if err := lmdbError(C.mdb_txn_renew(r.txn)); err != nil {
			return err
		}
		defer C.mdb_txn_reset(r.txn)
	}
	var cursor *C.MDB_cursor
	if err := lmdbError(C.mdb_cursor_open(r.txn, r.engine.dbi, &cursor)); err != nil {
		return err
	}
	defer C.mdb_cursor_close(cursor)
	for start := true; limit != 0; start = false {
		want := scanBatch
		if limit > 0 {
			want = min(want, limit)
		}
		got := C.lmdb_bench_scan(cursor, cFlag(start), cFlag(d == backward), chars(from), C.size_t(len(from)),
			&r.batch[0], C.int(want))
		if got < 0 {
			return fmt.Errorf("lmdb: scan: error %d", got)
		}
		for i := range int(got) {
			use(mapped(r.batch[2*i]), mapped(r.batch[2*i+1]))
		}
		if int(got) < want {
			return nil
		}
		limit -= want
	}
	return nil
}

func (r *lmdbReader) ScanKeys(use func(k []byte)) error { return scanKeys(r, use) }

func (r *lmdbReader) Close() error {
	C.mdb_txn_abort(r.txn)
	return nil
}

type lmdbBank struct{ *lmdbEngine }

func openLMDBBank(dir string, o options) (Bank, error) {
	e, err := openLMDBEnv(dir, o)
	return lmdbBank{e}, err
}

func (b lmdbBank) Update(fn func(BankTx) error) error {
	return b.update(func(txn *C.MDB_txn) error { return fn(lmdbTx{b.lmdbEngine, txn}) })
}

func (b lmdbBank) View(fn func(BankTx) error) error {
	var txn *C.MDB_txn
	if err := lmdbError(C.mdb_txn_begin(b.env, nil, C.MDB_RDONLY, &txn)); err != nil {
		return err
	}
	defer C.mdb_txn_abort(txn)
	return fn(lmdbTx{b.lmdbEngine, txn})
}

type lmdbTx struct {
	engine *lmdbEngine
	txn    *C.MDB_txn
}

func (t lmdbTx) Get(key []byte) ([]byte, error) {
	l := C.lmdb_bench_get(t.txn, t.engine.dbi, chars(key), C.size_t(len(key)), 0)
	return mapped(l.value), lmdbError(l.rc)
}

func (t lmdbTx) Put(key, value []byte) error {
	rc := C.lmdb_bench_put(t.txn, t.engine.dbi, chars(key), C.size_t(len(key)), chars(value), C.size_t(len(value)))
	return lmdbError(rc)
}
