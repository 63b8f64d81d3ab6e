package monitor_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"lightningdb"
	"lightningdb/monitor"
)

// A load balancer sends work to who is ready: whose database takes a write, makes it durable and gives it back.
func ExampleServe() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	m, err := monitor.New(db, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0") // or monitor.ListenAndServe(ctx, "127.0.0.1:6060", m)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- monitor.Serve(ctx, l, m) }()

	answer, err := http.Get("http://" + l.Addr().String() + "/readyz")
	if err != nil {
		log.Fatal(err)
	}
	answer.Body.Close()
	fmt.Println(answer.Status)
	stop()
	fmt.Println(<-ended)
	// Output:
	// 200 OK
	// <nil>
}

// A program that has a server already shows the database under a path of it, and lets the page make a backup.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "lightning")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := lightningdb.Open(filepath.Join(dir, "orders"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	m, err := monitor.New(db, &monitor.Options{
		Backup: func(ctx context.Context) (io.WriteCloser, error) {
			file, err := os.CreateTemp(dir, "unfinished-*.tar")
			return &replacement{file, ctx, filepath.Join(dir, "orders.tar")}, err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	mux := http.NewServeMux()
	mux.Handle("/database/", http.StripPrefix("/database", m))
	server := httptest.NewServer(mux)
	defer server.Close()

	answer, err := http.Get(server.URL + "/database/metrics")
	if err != nil {
		log.Fatal(err)
	}
	answer.Body.Close()
	fmt.Println(answer.Header.Get("Content-Type"))
	// Output: text/plain; version=0.0.4; charset=utf-8
}

// replacement is a file that takes the place of the last backup once it is whole.
type replacement struct {
	*os.File
	ctx  context.Context
	name string
}

func (t *replacement) Close() error {
	if err := t.File.Close(); err != nil || t.ctx.Err() != nil {
		return err
	}
	return os.Rename(t.Name(), t.name)
}
