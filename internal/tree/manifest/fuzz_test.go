package manifest

import (
	"errors"
	"testing"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/system/vfs/memfs"
)

// aboutDamage reports whether err is one of those that bytes may cause.
func aboutDamage(err error) bool {
	return errors.Is(err, corrupt.ErrCorrupt) || errors.Is(err, ErrVersionTooNew) || errors.Is(err, ErrNotDatabase)
}

// FuzzDecodeEdit checks that an edit that decodes means the same when it is written again.
func FuzzDecodeEdit(f *testing.F) {
	for _, e := range sampleEdits() {
		f.Add(appendEdit(nil, e))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeEdit(data)
		if err != nil {
			if !aboutDamage(err) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeEdit(appendEdit(nil, e))
		if diff := differs(e, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}

// FuzzRecover gives any bytes as manifest, and any as an edit with a right checksum.
func FuzzRecover(f *testing.F) {
	m := newManifestTest(f)
	f.Add(m.files["MANIFEST-000001"])
	for _, e := range sampleEdits() {
		f.Add(appendEdit(nil, e))
	}
	dir := memfs.NewVolatile()
	l, err := createAlone(dir, 1, emptyVersion())
	must(f, l, err)
	start := recordtest.Contents(f, dir)["MANIFEST-000001"]
	f.Fuzz(func(t *testing.T, data []byte) {
		edited := recordtest.AppendRecord(append([]byte(nil), start...), testDB, 1, l.out.Sum(), typeEdit, data)
		for _, content := range [][]byte{data, edited} {
			v, _, err := Recover(m.files.With("MANIFEST-000001", content))
			if err != nil && !aboutDamage(err) {
				t.Fatal(err)
			}
			if err != nil {
				continue
			}
			again, err := (&Version{DatabaseID: testDB}).Apply(v.Edit())
			if diff := differs(v, again); err != nil || diff != "" {
				t.Fatalf("the version is not what its snapshot says: %v %s", err, diff)
			}
		}
	})
}

// FuzzCurrent gives any bytes as CURRENT: there is no way back to "no database".
func FuzzCurrent(f *testing.F) {
	m := newManifestTest(f)
	f.Add(m.files["CURRENT"])
	f.Add([]byte("MANIFEST-000001\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := Recover(m.files.With("CURRENT", data)); err != nil && !aboutDamage(err) {
			t.Fatal(err)
		}
	})
}
