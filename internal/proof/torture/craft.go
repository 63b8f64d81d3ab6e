package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// A Craft is one change to what the files of a database say, after which every checksum is right again: what no
// accident does, but a defect of the writer, or an attacker. It is written from docs/format.md and shares no code with
// the packages that it is to mislead.
type Craft struct {
	What string
	// Strict says that no database can look so, or that it means the same: the only right answers are an error and the
	// right data. Otherwise it may also mean other data, which must then be the same however it is read.
	Strict bool
	apply  func(f *craftedFiles)
}

// Crafter changes copies of a database.
type Crafter struct {
	*Victim
	files map[string][]byte
}

// NewCrafter returns a crafter of v, whose files must not be compressed.
func NewCrafter(v *Victim) (*Crafter, error) {
	c := &Crafter{v, make(map[string][]byte)}
	names, err := v.FS.List()
	for _, name := range names {
		if c.files[name], err = Contents(v.FS, name); err != nil {
			break
		}
	}
	return c, err
}

// craftedFiles are the files of a database, taken apart.
type craftedFiles struct {
	plain    map[string][]byte // CURRENT
	logs     map[string]*recordFile
	manifest *recordFile
	tables   map[string]*tableFile
	current  string // name of the manifest
}

// takeApart decodes the files.
func (c *Crafter) takeApart() *craftedFiles {
	f := &craftedFiles{plain: make(map[string][]byte), logs: make(map[string]*recordFile),
		tables: make(map[string]*tableFile)}
	for name, data := range c.files {
		switch {
		case strings.HasPrefix(name, "MANIFEST-"):
			f.manifest, f.current = newRecordFile(data), name
		case strings.HasSuffix(name, ".wal"):
			f.logs[name] = newRecordFile(data)
		case strings.HasSuffix(name, ".tbl"):
			f.tables[name] = newTableFile(data)
		case name == "CURRENT":
			f.plain[name] = bytes.Clone(data)
		}
	}
	return f
}

// seal puts right whatever depends on what was changed, the innermost first, and returns the files.
func (f *craftedFiles) seal() map[string][]byte {
	files := make(map[string][]byte)
	for name, data := range f.plain {
		sealHeader(data)
		files[name] = data
	}
	edits := f.manifest.edits()
	for name, t := range f.tables {
		if change := t.seal(); change != 0 {
			edits.addToDigest(t.id(), change)
		}
		files[name] = t.data
	}
	for name, l := range f.logs {
		files[name], _ = l.seal()
	}
	f.manifest.setEdits(edits)
	files[f.current], _ = f.manifest.seal()
	return files
}

// Crafts are all changes that this package knows for the database.
func (c *Crafter) Crafts() []Craft {
	f := c.takeApart()
	all := manifestCrafts(f.manifest.edits())
	all = append(all, currentCrafts()...)
	for _, name := range sortedKeys(f.logs) {
		all = append(all, logCrafts(name, f.logs[name])...)
	}
	for _, name := range sortedKeys(f.tables) {
		all = append(all, tableCrafts(name, f.tables[name])...)
	}
	return all
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Try opens a copy of the database after craft, reads, verifies and compacts everything, and closes it. The error it
// returns is that of a wrong answer.
func (c *Crafter) Try(stats *DamageStats, craft Craft) (err error) {
	f := c.takeApart()
	craft.apply(f)
	fs := c.FS.Kill()
	for name, data := range f.seal() {
		if err := Replace(fs, name, data); err != nil {
			return err
		}
	}
	stats.Opens++
	before := allocated()
	defer func() { stats.PeakAllocate = max(stats.PeakAllocate, allocated()-before) }()
	defer func() {
		if p := recover(); p != nil {
			stats.Panics++
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.judge(stats, fs, craft)
}

func (c *Crafter) judge(stats *DamageStats, fs *memfs.FS, craft Craft) (err error) {
	opts := c.Options
	opts.FS = fs
	e, err := engine.Open(opts)
	if err != nil {
		stats.AtOpen++
		return aboutDamage("open", err)
	}
	defer e.Close() // may find damage as well
	entries, err := Content(e, nil)
	damage := e.Verify(context.Background(), nil)
	switch {
	case damage != nil:
		stats.AtVerify++
		if craft.Strict && err == nil && !c.holds(entries) {
			stats.WrongData++
			return mismatch("what is read is not what was written, although Verify says: %v", damage)
		}
		return errors.Join(aboutDamage("verify", damage), unlessMismatch(err))
	case errors.Is(err, ErrMismatch):
		stats.WrongData++
		return err
	case err != nil:
		stats.AtRead++
		return aboutDamage("read", err)
	case c.holds(entries):
		stats.Harmless++
	case craft.Strict:
		stats.WrongData++
		return mismatch("what is read is not what was written, and nothing is reported")
	default:
		stats.Plausible++
	}
	return compactCrafted(stats, e, entries)
}

// unlessMismatch is err as a reader may get it where Verify finds damage: ways to read that differ are excused.
func unlessMismatch(err error) error {
	if err == nil || errors.Is(err, ErrMismatch) {
		return nil
	}
	return aboutDamage("read", err)
}

// compactCrafted rewrites what Verify found nothing wrong with: it must stay the same.
func compactCrafted(stats *DamageStats, e *engine.Engine, entries []oracle.Entry) error {
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		return aboutDamage("compact", err)
	}
	after, err := Content(e, nil)
	if err != nil {
		return fmt.Errorf("after a compaction: %w", err)
	}
	if !slices.EqualFunc(entries, after, equalEntries) {
		stats.WrongData++
		return mismatch("a compaction changed what is read")
	}
	return nil
}

// aboutDamage is nil if err is one that bytes may cause.
func aboutDamage(what string, err error) error {
	for _, known := range []error{corrupt.ErrCorrupt, manifest.ErrVersionTooNew, manifest.ErrNotDatabase} {
		if errors.Is(err, known) {
			return nil
		}
	}
	return fmt.Errorf("%s: the error does not say that the files are damaged: %w", what, err)
}

// holds reports whether entries are what the database held before anything was done to it.
func (c *Crafter) holds(entries []oracle.Entry) bool {
	var want []oracle.Entry
	for e := range c.History.Entries(nil, nil, c.History.Last()) {
		want = append(want, e)
	}
	return slices.EqualFunc(want, entries, equalEntries)
}

func equalEntries(a, b oracle.Entry) bool {
	return string(a.Key) == string(b.Key) && string(a.Value) == string(b.Value)
}
