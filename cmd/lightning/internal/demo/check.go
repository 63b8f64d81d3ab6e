package demo

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/progress"
)

// presence is how much of a file is in the database.
type presence uint8

const (
	absent presence = iota
	partial
	whole
)

// fingerprint is a set of entries in constant memory: how many there are and the sum of their hashes, which does not
// depend on their order.
type fingerprint struct {
	entries uint64
	sum     uint64
}

func (f *fingerprint) add(h uint64) { f.entries, f.sum = f.entries+1, f.sum+h }

// findings is the outcome of one check.
type findings struct {
	entries, bytes int64           // in the database, of keys and values
	compared       int64           // entries read by key
	whole          int             // files that are wholly there
	unacknowledged int             // among them, files that nobody was told about
	lost           map[string]bool // acknowledged files that are not wholly there
	torn           map[string]bool // files that are half there
	strays         int             // entries that belong to no file
	elapsed        time.Duration
	words          wordFinder
}

// How many postings a check reads by key: those of every file, or of every n-th.
const (
	everyFile       = 1
	everyEighthFile = 8
)

// check compares the whole database with the whole source, in two ways at once. The whole database is scanned, so that
// an entry of no file cannot hide, and the entries of each file must be exactly those computed from the
// source. And every file's content and metadata, and the postings of every n-th file, are read by key and compared.
func (r *run) check(ctx context.Context, db *lightningdb.DB, postingsOf int) (*findings, error) {
	c := newChecker(db, r.tree, postingsOf)
	line := progress.Start(r.Terminal, "check", func() progress.Sample {
		done := c.files.Load()
		return progress.Sample{Done: done, Total: int64(len(r.tree.files)), Count: c.compared.Load() + c.scanned.Load(),
			Noun: "entries"}
	})
	start := time.Now()
	err := c.run(ctx)
	line.Stop()
	if err != nil {
		return nil, err
	}
	c.words.keep()
	found := c.findings(r.acked)
	found.elapsed = time.Since(start)
	r.report.CheckSeconds += found.elapsed.Seconds()
	r.remember(found)
	return found, nil
}

// remember adds what a check found to the final count. A file counts once, however many checks it fails.
func (r *run) remember(found *findings) {
	for path := range found.torn {
		r.torn[path] = true
	}
	for path := range found.lost {
		r.lost[path] = true
	}
	r.strays = max(r.strays, found.strays)
}

// checker compares one database with one tree.
type checker struct {
	db      *lightningdb.DB
	tree    *tree
	byKey   map[string]bool // files whose postings are read by key, too
	seed    maphash.Seed
	bySeek  map[string]*seekResult // complete before the check begins; each element has one writer
	byScan  map[string]*fingerprint
	strays  int
	bytes   int64
	words   wordFinder
	scanned atomic.Int64 // entries

	files, compared atomic.Int64 // by key, so far
}

// seekResult is what reading a file's entries by key found, and the fingerprint the scan must arrive at.
type seekResult struct {
	state presence
	want  fingerprint
}

func newChecker(db *lightningdb.DB, t *tree, postingsOf int) *checker {
	c := &checker{db: db, tree: t, seed: maphash.MakeSeed(), byKey: make(map[string]bool),
		bySeek: make(map[string]*seekResult, len(t.files)), byScan: make(map[string]*fingerprint, len(t.files))}
	for i, f := range t.files {
		c.bySeek[f.path], c.byScan[f.path] = new(seekResult), new(fingerprint)
		c.byKey[f.path] = i%postingsOf == 0
	}
	return c
}

// run reads by key and scans at the same time.
func (c *checker) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var scanErr error
	var scan sync.WaitGroup
	scan.Go(func() {
		if scanErr = c.scan(ctx); scanErr != nil {
			cancel()
		}
	})
	err := inParallel(ctx, runtime.GOMAXPROCS(0), c.tree.files, func() func(sourceFile) error {
		var doc document
		var space []byte
		return func(f sourceFile) (err error) {
			space, err = c.seekFile(f, &doc, space)
			return err
		}
	})
	if err != nil {
		cancel()
	}
	scan.Wait()
	if scanErr != nil && !errors.Is(scanErr, context.Canceled) {
		return scanErr
	}
	return err
}

// seekFile computes the file's entries from the source and reads each by its key. It returns space, grown.
func (c *checker) seekFile(f sourceFile, doc *document, space []byte) ([]byte, error) {
	content, err := c.tree.read(f)
	if err != nil {
		return space, err
	}
	doc.fill(f.path, content, f.info)
	result := c.bySeek[f.path]
	var asked, right, missing uint64
	for key, value := range doc.entries() {
		result.want.add(c.hash(key, value))
		if key[0] == 'w' && !c.byKey[f.path] {
			continue
		}
		asked++
		space, err = c.db.GetAppend(space[:0], key)
		switch {
		case errors.Is(err, lightningdb.ErrNotFound):
			missing++
		case err != nil:
			return space, err
		case bytes.Equal(space, value):
			right++
		}
	}
	c.files.Add(1)
	c.compared.Add(int64(asked))
	switch asked {
	case right:
		result.state = whole
	case missing:
		result.state = absent
	default:
		result.state = partial
	}
	return space, nil
}

// scan reads the whole database in key order and adds every entry to the fingerprint of its file.
func (c *checker) scan(ctx context.Context) error {
	all := c.db.Range(nil, nil)
	for key, value := range all.All() {
		if n := c.scanned.Add(1); n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		c.bytes += int64(len(key) + len(value))
		path, word, ok := pathOf(key)
		file := c.byScan[string(path)]
		if !ok || file == nil {
			c.strays++
			continue
		}
		file.add(c.hash(key, value))
		if word != nil {
			c.words.see(word)
		}
	}
	return all.Err()
}

// oddMultiplier (2^64 divided by the golden ratio) makes the hash of a key different from that of an equal value.
const oddMultiplier = 0x9E3779B97F4A7C15

// hash is of one entry.
func (c *checker) hash(key, value []byte) uint64 {
	return maphash.Bytes(c.seed, key)*oddMultiplier ^ maphash.Bytes(c.seed, value)
}

// state is the verdict on one file. Reading by key and scanning must tell the same story.
func (c *checker) state(path string) presence {
	seek, scan := c.bySeek[path], c.byScan[path]
	switch {
	case seek.state == whole && *scan == seek.want:
		return whole
	case seek.state == absent && scan.entries == 0:
		return absent
	}
	return partial
}

func (c *checker) findings(acked map[string]bool) *findings {
	found := &findings{entries: c.scanned.Load(), bytes: c.bytes, compared: c.compared.Load(), strays: c.strays,
		words: c.words, lost: make(map[string]bool), torn: make(map[string]bool)}
	for path := range c.byScan {
		switch c.state(path) {
		case whole:
			found.whole++
			if !acked[path] {
				found.unacknowledged++
			}
			continue
		case partial:
			found.torn[path] = true
		}
		if acked[path] {
			found.lost[path] = true
		}
	}
	for path := range acked { // an acknowledgement for a file the source does not have
		if c.byScan[path] == nil {
			found.lost[path] = true
		}
	}
	return found
}

// wordFinder picks words worth asking for while postings pass by in key order.
type wordFinder struct {
	word   []byte // the word passing by
	files  int    // that have it
	common foundWord
	some   foundWord
}

// foundWord is a word and the number of files that have it.
type foundWord struct {
	word  string
	files int
}

// someFiles is about how many files a search should find to be worth looking at.
const someFiles = 100

func (w *wordFinder) see(word []byte) {
	if !bytes.Equal(word, w.word) {
		w.keep()
		w.word, w.files = append(w.word[:0], word...), 0
	}
	w.files++
}

// keep compares the word that has just passed with the best so far.
func (w *wordFinder) keep() {
	if w.files > w.common.files {
		w.common = foundWord{string(w.word), w.files}
	}
	if len(w.word) >= 6 && distance(w.files) < distance(w.some.files) {
		w.some = foundWord{string(w.word), w.files}
	}
}

func distance(files int) int { return max(files-someFiles, someFiles-files) }
