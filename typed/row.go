package typed

import (
	"encoding/binary"
	"fmt"
	"math"
)

// MaxVersion is the highest version of rows.
const MaxVersion = math.MaxInt32

// rowMark is the first byte of every row.
const rowMark = 0xc1

// appendHeader appends what stands before the payload of a row.
func appendHeader(dst []byte, version int) []byte {
	return binary.AppendUvarint(append(dst, rowMark), uint64(version))
}

// cutHeader takes a row apart. If it is none, ok is false: it has another mark, no payload can follow, or the version
// is too high or not in its shortest form, in which no row is written.
func cutHeader(row []byte) (version int, payload []byte, ok bool) {
	if len(row) < 2 || row[0] != rowMark {
		return 0, nil, false
	}
	if row[1] < 0x80 {
		return int(row[1]), row[2:], true
	}
	v, n := binary.Uvarint(row[1:])
	if n <= 0 || v > MaxVersion || row[n] == 0 {
		return 0, nil, false
	}
	return int(v), row[1+n:], true
}

// decode reads a row, which is not kept. The key is the stored one.
func (t *Table[K, V]) decode(key, row []byte) (V, error) {
	version, payload, ok := cutHeader(row)
	if ok && version == t.version {
		v, err := t.values.Decode(payload)
		if err == nil {
			return v, nil
		}
		var none V
		return none, t.rowError(key, version, fmt.Errorf("%w: %w", ErrRow, err))
	}
	return t.decodeOther(key, row)
}

// decodeOther reads a row that is not of the version of the table.
func (t *Table[K, V]) decodeOther(key, row []byte) (none V, err error) {
	version, payload, err := t.older(key, row)
	if err != nil {
		return none, err
	}
	v, err := t.migrate(version, payload)
	if err != nil {
		return none, t.rowError(key, version, fmt.Errorf("migrate: %w", err))
	}
	return v, nil
}

// older takes apart a row that is to be migrated. It fails if that cannot be.
func (t *Table[K, V]) older(key, row []byte) (version int, payload []byte, err error) {
	version, payload, ok := cutHeader(row)
	switch {
	case !ok:
		return 0, nil, t.rowError(key, -1, ErrRow)
	case version > t.version:
		return 0, nil, t.rowError(key, version, ErrNewer)
	case t.migrate == nil:
		return 0, nil, t.rowError(key, version, ErrOlder)
	}
	return version, payload, nil
}

// rowError is the error of the row at a stored key.
func (t *Table[K, V]) rowError(key []byte, version int, err error) error {
	return &RowError{Table: t.name, Key: append([]byte(nil), key...), Version: version, Err: err}
}
