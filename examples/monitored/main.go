// Command monitored opens a database, gives it something to do, and shows it in a browser until it is interrupted:
//
//	go run ./examples/monitored [DIRECTORY]
//
// Without a directory the database is in memory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"lightningdb"
	"lightningdb/monitor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir := ""
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(ctx, dir, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run shows the database in dir, or one in memory, until ctx ends, and tells out where.
func run(ctx context.Context, dir string, out io.Writer) (err error) {
	db, err := lightningdb.Open(dir, &lightningdb.Options{InMemory: dir == "", MemoryLimit: 64 << 20, TraceReaders: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := monitor.New(db, &monitor.Options{Check: true})
	if err != nil {
		return err
	}
	defer m.Close() // before the database
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "http://%s/\n", l.Addr())
	ctx, cancel := context.WithCancel(ctx) // either ends with the other
	defer cancel()
	loaded := make(chan error, 1)
	go func() { defer cancel(); loaded <- load(ctx, db) }()
	err = monitor.Serve(ctx, l, m)
	cancel()
	return errors.Join(err, <-loaded)
}

// load reads and writes some orders every few milliseconds, until ctx ends.
func load(ctx context.Context, db *lightningdb.DB) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	value := make([]byte, 1<<10)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var b lightningdb.Batch
		for range 1 + rand.IntN(20) {
			b.Put(order(), value)
		}
		if err := db.Write(&b); err != nil {
			return err
		}
		for range 1000 {
			if _, err := db.Get(order()); err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
				return err
			}
		}
	}
}

// order is the key of any order.
func order() []byte { return fmt.Appendf(nil, "order %06d", rand.IntN(20_000)) }
