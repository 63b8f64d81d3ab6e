package interrupt

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errStop = errors.New("told to stop")

// A command that waits for a silent pipe could only be killed.
func TestReader_endsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	silent, pipe := io.Pipe()
	defer pipe.Close()
	in := Reader(ctx, silent)
	cancel(errStop)
	if n, err := in.Read(make([]byte, 10)); n != 0 || err != errStop {
		t.Errorf("%d bytes, %v", n, err)
	}
	got, err := io.ReadAll(Reader(t.Context(), strings.NewReader("all of it")))
	if string(got) != "all of it" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A command whose output nobody reads could only be killed.
func TestWriter_endsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		in, pipe := io.Pipe()
		start := time.Now()
		time.AfterFunc(time.Minute, func() { cancel(errStop) })
		n, err := Writer(ctx, pipe).Write([]byte("never read"))
		if n != 0 || err != errStop || time.Since(start) != time.Minute+grace {
			t.Errorf("%d bytes, %v after %v", n, err, time.Since(start))
		}
		_ = in.Close() // ends the goroutine that is left
	})
}

// What a command says after it was interrupted must arrive where somebody reads.
func TestWriter_writesAfterTheContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	var out strings.Builder
	w := Writer(ctx, &out)
	buffer := []byte("last words")
	for range 3 {
		if n, err := w.Write(buffer); n != len(buffer) || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	if out.String() != strings.Repeat("last words", 3) {
		t.Errorf("%q", out.String())
	}
}

// Opening is what it was, where nothing blocks.
func TestOpen_opens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	file, err := Open(t.Context(), path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), path+".absent", os.O_RDONLY, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}
