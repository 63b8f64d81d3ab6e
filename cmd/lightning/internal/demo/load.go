package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/progress"
)

// loaders is how many goroutines read, split and commit files: more than there are cores, because each waits for a
// sync, and commits that wait together share one.
const loaders = 16

// Load runs in the child process: it puts every file of source into the database in dir, each in one batch, and
// writes the file's quoted path and a line break to acks, in one call, after the commit returned nil and before the
// goroutine goes on to its next file.
func Load(ctx context.Context, dir, source string, memoryLimit int64, acks io.Writer) (err error) {
	files, err := walk(ctx, source)
	if err != nil {
		return err
	}
	db, err := lightningdb.Open(dir, &lightningdb.Options{Durability: lightningdb.Sync, MemoryLimit: memoryLimit})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var mu sync.Mutex
	l := loader{db: db, tree: files, ack: func(path string) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintf(acks, "%q\n", path)
		return err
	}}
	return l.load(ctx, files.files)
}

// loader puts files into a database.
type loader struct {
	db   *lightningdb.DB
	tree *tree
	ack  func(path string) error // called after each commit, by several goroutines at once

	files, entries, bytes atomic.Int64 // committed so far
}

// load commits the files, each in one batch, from several goroutines, until all are done or one fails.
func (l *loader) load(ctx context.Context, files []sourceFile) error {
	return inParallel(ctx, loaders, files, func() func(sourceFile) error {
		var doc document
		var batch lightningdb.Batch
		return func(f sourceFile) error { return l.loadOne(f, &doc, &batch) }
	})
}

func (l *loader) loadOne(f sourceFile, doc *document, batch *lightningdb.Batch) error {
	content, err := l.tree.read(f)
	if err != nil {
		return err
	}
	doc.fill(f.path, content, f.info)
	batch.Reset()
	doc.addTo(batch)
	if err := l.db.Write(batch); err != nil {
		return fmt.Errorf("commit %s: %w", f.path, err)
	}
	l.files.Add(1)
	l.entries.Add(int64(batch.Len()))
	l.bytes.Add(int64(batch.Size()))
	return l.ack(f.path)
}

// inParallel gives every file to one of n workers and waits for all of them. newWorker is called once per goroutine,
// so that a worker may own memory. The first error, or the end of ctx, stops them all.
func inParallel(ctx context.Context, n int, files []sourceFile, newWorker func() func(sourceFile) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(n, len(files)) {
		running.Go(func() {
			work := newWorker()
			for i := next.Add(1) - 1; i < int64(len(files)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := work(files[i]); err != nil {
					fail(err)
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// loadRest loads every file that is not acknowledged yet. A file whose commit was in flight at the kill and survived
// is written once more.
func (r *run) loadRest(ctx context.Context, db *lightningdb.DB) error {
	r.say.stage("Load the rest")
	rest := slices.DeleteFunc(slices.Clone(r.tree.files), func(f sourceFile) bool { return r.acked[f.path] })
	var mu sync.Mutex
	l := loader{db: db, tree: r.tree, ack: func(path string) error {
		mu.Lock()
		defer mu.Unlock()
		r.acked[path] = true
		return nil
	}}
	line := progress.Start(r.Terminal, "load", func() progress.Sample {
		return progress.Sample{Done: l.files.Load(), Total: int64(len(rest)), Count: l.entries.Load(), Noun: "entries"}
	})
	start := time.Now()
	err := l.load(ctx, rest)
	line.Stop()
	if err != nil {
		return err
	}
	elapsed := time.Since(start)
	r.report.LoadSeconds = elapsed.Seconds()
	r.say.loaded(&l, elapsed)
	return nil
}
