package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// An example that does not run teaches nothing.
func TestRun_showsTheDatabaseUntilItIsStopped(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		in, out := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, dir, out) }()
		address, err := bufio.NewReader(in).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Get(strings.TrimSpace(address) + "readyz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Error(answer.Status)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
