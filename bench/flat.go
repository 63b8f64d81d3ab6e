//go:build cgo && (lmdb || rocksdb)

package main

import "C"

import "unsafe"

// scanBatch is how many entries one call of C fetches.
const scanBatch = 64

// flat is pairs as C takes them: one after the other.
type flat struct {
	data  []byte
	sizes []C.uint // of key, value, key, value, or of keys alone
}

func (f *flat) fill(keys, values [][]byte) {
	f.data, f.sizes = f.data[:0], f.sizes[:0]
	for i, k := range keys {
		f.data, f.sizes = append(f.data, k...), append(f.sizes, C.uint(len(k)))
		if values != nil {
			f.data, f.sizes = append(f.data, values[i]...), append(f.sizes, C.uint(len(values[i])))
		}
	}
}

func chars(b []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))) }

func cFlag(set bool) C.int {
	if set {
		return 1
	}
	return 0
}
