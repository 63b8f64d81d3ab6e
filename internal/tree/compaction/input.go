package compaction

import (
	"errors"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
)

// openInputs returns the merge of all inputs of job. Its iterators check what they yield against the manifest.
func openInputs(job *Job, deps Deps) (merge.Iterator, error) {
	var sources []merge.Iterator
	for _, m := range job.Memtables {
		sources = append(sources, &checked{Iterator: m.Iterator, want: m.Entries})
	}
	for _, tables := range manifest.Runs(job.Inputs[0]) {
		if len(tables) > 1 {
			sources = append(sources, merge.NewLevel(levelTables{tables, deps}))
			continue
		}
		source, err := openTable(tables[0], deps)
		if err != nil {
			return nil, errors.Join(err, merge.New(sources...).Close())
		}
		sources = append(sources, source)
	}
	for _, tables := range job.Inputs[1:] {
		if len(tables) > 0 {
			sources = append(sources, merge.NewLevel(levelTables{tables, deps}))
		}
	}
	return merge.New(sources...), nil
}

// openTable opens t and checks what it yields.
func openTable(t *manifest.TableMeta, deps Deps) (merge.Iterator, error) {
	it, err := deps.Open(t)
	if err != nil {
		return nil, err
	}
	return &checked{Iterator: it, meta: t, want: t.Entries}, nil
}

// levelTables makes input tables of a level a merge.Tables.
type levelTables struct {
	tables []*manifest.TableMeta
	deps   Deps
}

func (l levelTables) Len() int { return len(l.tables) }

func (l levelTables) Bounds(i int) (smallest, largest []byte) {
	return l.tables[i].Smallest, l.tables[i].Largest
}

func (l levelTables) Open(i int) (merge.Iterator, error) { return openTable(l.tables[i], l.deps) }

// checked is an input read by First and Next. It fails if the input yields fewer or more entries than it should,
// which would mean that an unreadable part was passed over, or a user key outside the table's bounds, on which the
// choice of the inputs and the dropping of tombstones rely.
type checked struct {
	merge.Iterator
	meta *manifest.TableMeta // nil for a memtable
	want uint64
	got  uint64
	err  error
}

func (c *checked) First() bool {
	c.got, c.err = 0, nil
	return c.check(c.Iterator.First())
}

func (c *checked) Next() bool { return c.err == nil && c.check(c.Iterator.Next()) }

func (c *checked) Valid() bool { return c.err == nil && c.Iterator.Valid() }

func (c *checked) Err() error {
	if c.err != nil {
		return c.err
	}
	return c.Iterator.Err()
}

// check counts the entry that a move arrived at, or the end of the input.
func (c *checked) check(valid bool) bool {
	if !valid {
		if c.got != c.want && c.Iterator.Err() == nil {
			c.err = corrupt.New(c.name(), -1, "holds %d entries, the manifest says %d", c.got, c.want)
		}
		return false
	}
	c.got++
	if c.meta != nil && !rangeOf(c.meta).contains(c.Iterator.Key().User) {
		c.err = corrupt.New(c.name(), -1, "entry %v is outside of the bounds %q to %q that the manifest gives",
			c.Iterator.Key(), c.meta.Smallest, c.meta.Largest)
	}
	return c.err == nil
}

func (c *checked) name() string {
	if c.meta == nil {
		return "memtable"
	}
	return filename.Make(filename.Table, c.meta.Num)
}
