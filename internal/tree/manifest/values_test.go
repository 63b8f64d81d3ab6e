package manifest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
)

// A value file that leaves too early takes values along; one that stays for ever is space that never comes back.
func TestApply_aValueFileStaysWhileATableRefersToIt(t *testing.T) {
	versions := history(t, sampleEdits())
	for i, want := range []string{"", "", "", "", "", "8:900 9:3100", "9:3050", "9:3050", "9:3050", "9:3050"} {
		if got := valuesText(versions[i]); got != want {
			t.Errorf("after edit %d: %q, want %q", i, got, want)
		}
	}
	v := versions[len(versions)-1]
	next, err := v.Apply(&Edit{Deleted: []Removed{{6, 12}}})
	v = must(t, next, err)
	if got := valuesText(v); got != "9:3000" {
		t.Errorf("without one of two tables: %q", got)
	}
	moved := referring(table(11, 30, "g", "m\xff"), ValueRefs{9, 3000})
	next, err = v.Apply(&Edit{Deleted: []Removed{{6, 11}}, Added: []Placed{{5, moved}}})
	v = must(t, next, err)
	if got := valuesText(v); got != "9:3000" {
		t.Errorf("after a table has changed its level: %q", got)
	}
	next, err = v.Apply(&Edit{Deleted: []Removed{{5, 11}}})
	if v = must(t, next, err); len(v.Values) > 0 || v.Names(9) {
		t.Errorf("nothing refers to %q", valuesText(v))
	}
}

// valuesText names the value files of v and how much of each is referred to.
func valuesText(v *Version) string {
	var all []string
	for _, f := range v.Values {
		all = append(all, fmt.Sprintf("%d:%d", f.Num, f.Bytes))
	}
	return strings.Join(all, " ")
}

// referrers is the model of a version whose tables refer to value files.
type referrers map[filename.Num]*TableMeta

// files are what the tables refer to, by number.
func (r referrers) files() map[filename.Num]uint64 {
	files := map[filename.Num]uint64{}
	for _, t := range r {
		for _, ref := range t.Values {
			files[ref.File] += ref.Bytes
		}
	}
	return files
}

// An edit that counted a reference wrongly would take a value file away, or keep it, many edits later.
func TestApply_countsReferencesOverManyEdits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, live, next := emptyVersion(), referrers{}, filename.Num(3)
		var edits []*Edit
		for range rapid.IntRange(1, 25).Draw(t, "edits") {
			e := drawRewriting(t, live, next)
			next = e.NextNum
			edits = append(edits, e)
			after, err := v.Apply(e)
			if err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
			v = after
			checkReferences(t, v, live)
		}
		replayed := newBuilder(emptyVersion())
		for _, e := range edits {
			if err := replayed.apply(e); err != nil {
				t.Fatal(err)
			}
		}
		again, err := replayed.finish()
		if diff := differs(v, again); err != nil || diff != "" {
			t.Fatalf("all edits at once: %v %s", err, diff)
		}
		snapshot, err := (&Version{DatabaseID: testDB}).Apply(v.Edit())
		if diff := differs(v, snapshot); err != nil || diff != "" {
			t.Fatalf("the snapshot: %v %s", err, diff)
		}
	})
}

// drawRewriting draws a job that merges some tables of live into one that refers to some of what they have, or a flush.
// It changes live.
func drawRewriting(t *rapid.T, live referrers, next filename.Num) *Edit {
	e := &Edit{NextNum: next + 1, LastSeq: 10}
	made := table(next, 10, fmt.Sprintf("k%06d", next), fmt.Sprintf("k%06d", next))
	made.ValueBytes = 4000
	left := map[filename.Num]uint64{} // how much an output may refer to
	for _, num := range slices.Sorted(maps.Keys(live)) {
		if len(live) > 1 && !rapid.Bool().Draw(t, "input") {
			continue
		}
		e.Deleted = append(e.Deleted, Removed{6, num})
		left[num] += live[num].ValueBytes
		for _, ref := range live[num].Values {
			left[ref.File] += ref.Bytes
		}
	}
	for _, file := range slices.Sorted(maps.Keys(left)) {
		if n := rapid.Uint64Range(0, left[file]).Draw(t, "bytes"); n > 0 && rapid.Bool().Draw(t, "refer") {
			made.Values = append(made.Values, ValueRefs{file, n})
			if live[file] != nil {
				e.Values = append(e.Values, asValues(file))
			}
		}
	}
	for _, d := range e.Deleted {
		delete(live, d.Num)
	}
	live[next] = made
	e.Added = []Placed{{6, made}}
	return e
}

// checkReferences compares what v says of its files with the model.
func checkReferences(t *rapid.T, v *Version, live referrers) {
	want := live.files()
	for _, f := range v.Values {
		if want[f.Num] != f.Bytes || !v.Names(f.Num) || v.ValueFile(f.Num) != f {
			t.Fatalf("value file %d with %d bytes, want %d", f.Num, f.Bytes, want[f.Num])
		}
	}
	if len(v.Values) != len(want) {
		t.Fatalf("%d value files, want %d", len(v.Values), len(want))
	}
	n := 0
	for range v.Files() {
		n++
	}
	if n != len(want)+len(live) {
		t.Fatalf("%d files, want %d", n, len(want)+len(live))
	}
}

// A value file that is lost would be noticed by the first read of one of its values, days later.
func TestCheckTables_namesTheValueFileThatIsMissing(t *testing.T) {
	versions := history(t, sampleEdits())
	v := versions[len(versions)-1]
	names := []string{"000006.tbl", "000009.tbl", "000011.tbl", "000012.tbl"}
	if err := v.CheckTables(names); err != nil {
		t.Fatal(err)
	}
	var damage *corrupt.Error
	if err := v.CheckTables(slices.Delete(names, 1, 2)); !errors.As(err, &damage) || damage.File != "000009.tbl" {
		t.Errorf("without 000009.tbl: %v", err)
	}
}
