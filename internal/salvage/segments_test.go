package salvage_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs/memfs"
)

// segmented is a database whose log has three segments that are needed, each with a key of its own.
func segmented(t *testing.T) (v *victim, segments []string) {
	t.Helper()
	v = made(t, codec.None, false, func(s *torture.Session) error {
		large := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
		for n := 1; n <= 3; n++ {
			err := write(s, true, func(b *batch.Batch) { b.Put(fmt.Append(nil, "segment ", n), []byte("value")) })
			for i := 0; err == nil && n < 3 && s.Engine.Metrics().LogSegments <= n; i++ {
				if i > 1000 {
					return fmt.Errorf("there are %d segments", s.Engine.Metrics().LogSegments)
				}
				err = write(s, true, func(b *batch.Batch) { b.Put([]byte("large"), large) })
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	segments = filesOf(t, v.FS.Image(memfs.All, 0), filename.Log)
	return v, segments
}

// Who is not told that a segment is gone believes that nothing was committed after the last one that is there.
func TestSalvage_missesSegments(t *testing.T) {
	v, segments := segmented(t)
	for gone, want := range map[string]string{
		segments[0]: "the segment is needed, and nothing of it can be read",
		segments[1]: "the segment is named by the one before, but missing",
		segments[2]: "the segment is named by the one before, but missing",
	} {
		report, got := v.rescued(t, func(fs *memfs.FS) error { return fs.Remove(gone) })
		_, there := got["segment "+fmt.Sprint(slices.Index(segments, gone)+1)]
		var damage []string
		for _, d := range report.Damage {
			damage = append(damage, d.Error())
		}
		behind := report.Losses[len(report.Losses)-1].Last == salvage.MaxSequence // commits may be missing at the end
		if there || len(got) != 3 || !slices.Contains(damage, gone+" is damaged: "+want) ||
			gone == segments[2] && !behind {
			t.Errorf("without %s: %d keys, damage %q, losses %v", gone, len(got), damage, report.Losses)
		}
	}
}
