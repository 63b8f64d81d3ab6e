package s3

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"lightningdb/backup"
	"lightningdb/backup/storetest"
)

// server is a bucket server that others have written and run: versitygw, whose objects are files of a directory.
const server = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// buildServer builds it by the module proxy, which takes minutes the first time.
func buildServer(t *testing.T) string {
	t.Helper()
	dir, term := t.TempDir(), 15*time.Minute
	if testing.Short() {
		term = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), term)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "install", server)
	build.Dir, build.Env = dir, append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		if testing.Short() {
			t.Skipf("SKIPPED: no test with a real server, because it cannot be built: %v\n%s", err, out)
		}
		t.Fatalf("build %s: %v\n%s", server, err, out)
	}
	return filepath.Join(dir, "versitygw")
}

// startServer starts it with an empty bucket, and returns the options to open that.
func startServer(t *testing.T) Options {
	t.Helper()
	program, dir := buildServer(t), t.TempDir()
	objects, metadata := filepath.Join(dir, "objects"), filepath.Join(dir, "metadata")
	for _, d := range []string{objects, metadata} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--port", address, "posix", "--sidecar", metadata, objects)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+testKey, "ROOT_SECRET_KEY="+testSecret)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("the server says %s, %v", text, err)
		}
	})
	o := Options{Endpoint: "http://" + address, Region: "us-east-1", Bucket: "backups", Prefix: "of/orders",
		CredentialsFile: credentialsFile(t, testKey, testSecret), Timeout: 30 * time.Second}
	makeBucket(t, o)
	return o
}

// makeBucket makes the bucket as soon as the server answers.
func makeBucket(t *testing.T, o Options) {
	t.Helper()
	b, err := o.bucket()
	for range 100 {
		if err == nil {
			err = b.core.MakeBucket(t.Context(), o.Bucket, minio.MakeBucketOptions{})
		}
		if err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
		b, err = o.bucket()
	}
	t.Fatal(err)
}

// What holds in a bucket of our own making has to hold in one of others.
func TestServer_isAStore(t *testing.T) {
	o := startServer(t)
	b, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, b)
	t.Run("repository", func(t *testing.T) {
		o.Prefix = "of/a repository"
		b, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		backUpAndRestore(t, b)
	})
	t.Run("copy in parts", func(t *testing.T) {
		b.maxCopy = 6 << 20
		content := fmt.Sprintf("%013d", 1<<40)
		text := make([]byte, 0, 13<<20)
		for len(text) < cap(text)-len(content) {
			text = append(text, content...)
		}
		if err := put(b, "files/0a/x", string(text), backup.Replace); err != nil {
			t.Fatal(err)
		}
		if err := b.Copy(t.Context(), "files/0a/x", "files/0a/y"); err != nil {
			t.Fatal(err)
		}
		if is, err := b.content(t.Context(), "files/0a/y"); err != nil || string(is) != string(text) {
			t.Errorf("%d bytes of %d, %v", len(is), len(text), err)
		}
	})
}
