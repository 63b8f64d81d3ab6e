package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/status"
)

// A follower would show tables that the writer has not decided on, or miss those that it has.
func TestReadTo_returnsTheVersionOfEachPlace(t *testing.T) {
	m := newManifestTest(t)
	original := m.files["MANIFEST-000001"]
	for i, end := range m.ends {
		for name, behind := range map[string][]byte{
			"as it is": original[end:], "nothing": nil, "zeros": make([]byte, 200), "noise": bytes.Repeat([]byte{0xa5}, 200),
			"half an edit": original[end:min(int(end)+40, len(original))], "an edit again": original[m.ends[0]:],
		} {
			files := m.files.With("MANIFEST-000001", slices.Concat(original[:end], behind))
			v, err := ReadTo(files, testDB, status.Manifest{Num: 1, Length: end})
			if diff := differs(m.versions[i], v); err != nil || diff != "" {
				t.Errorf("to %d, behind it %s: %v %s", end, name, err, diff)
			}
		}
	}
}

// A manifest that is gone is no damage, and a damaged one no version.
func TestReadTo_everyDamageIsAnError(t *testing.T) {
	m := newManifestTest(t)
	place := func(num filename.Num) status.Manifest {
		return status.Manifest{Num: num, Length: m.ends[len(m.ends)-1]}
	}
	if _, err := ReadTo(m.files, testDB, place(2)); !errors.Is(err, status.ErrAhead) {
		t.Errorf("a manifest that is not there: %v", err)
	}
	if _, err := ReadTo(m.files, [16]byte{7}, place(1)); !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("a manifest of another database: %v", err)
	}
	original := m.files["MANIFEST-000001"]
	data := slices.Clone(original)
	try := func(what string, data []byte) {
		t.Helper()
		_, err := ReadTo(m.files.With("MANIFEST-000001", data), testDB, place(1))
		if !errors.Is(err, status.ErrAhead) && !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range data {
		try(fmt.Sprintf("cut to %d", n), original[:n])
		for _, flip := range []byte{1, 0xff} {
			data[n] ^= flip
			try(fmt.Sprintf("byte %d", n), data)
			data[n] = original[n]
		}
	}
}

// A place that is not there, or where no edit ends, must never give a version.
func TestReadTo_anyOtherPlaceIsAnError(t *testing.T) {
	m := newManifestTest(t)
	size := int64(len(m.files["MANIFEST-000001"]))
	for length := int64(-8); length < size+100; length++ {
		if slices.Contains(m.ends, length) {
			continue
		}
		if v, err := ReadTo(m.files, testDB, status.Manifest{Num: 1, Length: length}); err == nil {
			t.Errorf("to %d: next number %d", length, v.NextNum)
		}
	}
}
