package salvage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs/memfs"
)

// alike is a database with one table, which refers to values in two value files. Both have values of one length at the
// same places, each of keys of its own.
func alike(t *testing.T) (v *victim, values []string, table string) {
	t.Helper()
	v = &victim{destruction.Victim{FS: memfs.New(), History: new(oracle.History), Clean: true}}
	rng := rand.New(rand.NewPCG(12, 12))
	s := v.session(1, engine.Options{ValueThreshold: 300})
	defer s.Abandon()
	err := s.Open()
	for _, file := range []string{"a", "b"} {
		if err != nil {
			t.Fatal(err)
		}
		err = write(s, true, func(b *batch.Batch) {
			for i := range 10 {
				b.Put(fmt.Append(nil, "k", i, file), destruction.Noise(rng, 400))
			}
		})
		if err == nil {
			err = s.Flush()
		}
	}
	if err == nil {
		err = s.Engine.Compact(context.Background(), nil, nil)
	}
	if err == nil {
		_, err = s.Engine.CleanStep()
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	v.FS = v.FS.Kill()
	tables := filesOf(t, v.FS, filename.Table)
	if len(tables) != 3 {
		t.Fatalf("tables %q", tables)
	}
	return v, tables[:2], tables[2]
}

// Values of one length are at the same places of many value files. A key must not get that of another from a file that
// is whole, because the one that it lies in is missing, or damaged there, and what names the file is damaged too. Where
// both are whole, nobody must hear that newer values may be missing.
func TestSalvage_valuesAreOfTheirKey(t *testing.T) {
	v, values, table := alike(t)
	for _, manifest := range []bool{true, false} {
		unnamed := 10 // of a file whose id only the manifest has
		if manifest {
			unnamed = 20
		}
		for _, c := range []struct {
			what string
			do   func(fs *memfs.FS) error
			want int
		}{
			{"nothing else", func(*memfs.FS) error { return nil }, 20},
			{"the first file", func(fs *memfs.FS) error { return fs.Remove(values[0]) }, 10},
			{"the second file", func(fs *memfs.FS) error { return fs.Remove(values[1]) }, 10},
			{"a value of the first file", func(fs *memfs.FS) error { return torture.Flip(fs, values[0], 5, 1) }, 19},
			{"the end of the first file", func(fs *memfs.FS) error { return cutEnd(fs, values[0]) }, unnamed},
		} {
			report, got := v.rescued(t, func(fs *memfs.FS) error {
				err := flipProperties(fs, table)
				if err == nil {
					err = c.do(fs)
				}
				if err == nil && !manifest {
					err = removeManifests(fs)
				}
				return err
			})
			if len(got) != c.want {
				t.Errorf("without properties and %s, manifest %v: %d keys, want %d; losses %v", c.what, manifest, len(got),
					c.want, report.Losses)
			}
			if manifest && (c.want == 20) != (len(report.Losses) == 0) {
				t.Errorf("without properties and %s: losses %v", c.what, report.Losses)
			}
		}
	}
}

// A flush folds operands of one key to one, under the newest sequence number. When its table is lost, the log that is
// not needed any more has that operand by itself: a merge without those before it makes a value that never was.
func TestSalvage_operandsThatWereFoldedAreMissed(t *testing.T) {
	v := &victim{destruction.Victim{FS: memfs.New(), History: new(oracle.History)}}
	s := v.session(1, engine.Options{Followers: true})
	defer s.Abandon()
	merge := func(value string) func() error {
		return func() error {
			return write(s, true, func(b *batch.Batch) { b.Merge(operand.Append, []byte("m"), []byte(value)) })
		}
	}
	for _, do := range []func() error{s.Open, merge("1"), merge("2"), s.Flush} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	v.FS = v.FS.Kill()
	tables := filesOf(t, v.FS, filename.Table)
	report, got := v.rescued(t, func(fs *memfs.FS) error { return fs.Remove(tables[0]) })
	if len(got) != 0 || report.Operands != 1 || len(report.Losses) != 1 {
		t.Errorf("%q; %d operands left out, losses %v", got, report.Operands, report.Losses)
	}
}
