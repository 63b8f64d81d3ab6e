package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lightningdb"
	"lightningdb/cmd/internal/console"
)

// What is not in the root could not be seen, moved or removed without a program of one's own.
func TestBucket_transcripts(t *testing.T) {
	for name, steps := range map[string][]step{
		"a life": {
			{args: "put DB k v --bucket app", code: 1, err: "no database"},
			{args: "bucket create DB app/users", code: 1, err: `there is no such bucket: "app"; ` + "`lightning bucket list`"},
			{args: "bucket create DB app/users --parents"},
			{args: "bucket create DB app/users --parents"},
			{args: "bucket create DB app/users", code: 1, err: "there is a bucket of that name"},
			{args: `bucket create DB app/a\/b`},
			{args: "bucket list DB", out: "app\n"},
			{args: "bucket list DB app --json", out: `{"bucket":"app/a\\/b","path":["app","a/b"]}` + "\n" +
				`{"bucket":"app/users","path":["app","users"]}` + "\n"},
			{args: "bucket list DB / --recursive", out: "app\n" + `app/a\/b` + "\napp/users\n"},
			{args: "put DB k root"},
			{args: "put DB k ada --bucket app/users"},
			{args: "add DB n 3 --bucket app/users", out: "3\n"},
			{args: "get DB k", out: "root"},
			{args: "get DB k --bucket /", out: "root"},
			{args: "get DB k --bucket app/users", out: "ada"},
			{args: "get DB k --bucket app", code: 3, err: `get "k": `},
			{args: "get DB k --bucket nobody", code: 1, err: "there is no such bucket"},
			{args: "get DB k --bucket a//b", code: 2, err: "a name in the path of a bucket is empty"},
			{args: "scan DB --bucket app/users --keys-only", out: "k\nn\n"},
			{args: "count DB --bucket app/users --from l", out: "1\n"},
			{args: "count DB", out: "1\n"},
			{args: "delete DB k nobody --bucket app/users", code: 3, err: `delete "nobody": `},
			{args: "delete DB k --bucket app/users"},
			{args: "delete DB --all"},
			{args: "count DB", out: "0\n"},
			{args: "delete DB --all --bucket app/users"},
			{args: "count DB --bucket app/users", out: "0\n"},
			{args: "bucket move DB app/users people"},
			{args: "bucket move DB app app/in", code: 1, err: "a bucket cannot have this name"},
			{args: "bucket drop DB app", code: 1, err: "there are buckets in it: app; --recursive"},
			{args: "bucket drop DB app --recursive"},
			{args: "bucket drop DB app --recursive", code: 1, err: "there is no such bucket"},
			{args: "bucket list DB --recursive", out: "people\n"},
			{args: "verify DB --quiet"},
		},
		"wrong use": {
			{args: "bucket rename DB a", code: 2, err: `bucket has no "rename"`},
			{args: "bucket move DB a", code: 2, err: "use: lightning bucket move DIR PATH TO"},
			{args: "bucket list DB a b", code: 2, err: "use: lightning bucket list"},
			{args: "bucket list DB --parents", code: 2, err: "bucket list has no flag --parents"},
			{args: `bucket create DB a\q`, code: 2, err: "a backslash begins an escape"},
			{args: "bucket create DB /", code: 1, err: "a path has a name at least"},
			{args: "mkdir DB a", code: 2, err: "did you mean `lightning bucket`?"},
		},
		"what CSV cannot carry is refused": {
			{args: "bucket create DB app/in --parents"},
			{args: "put DB k root"},
			{args: "put DB k v --bucket app"},
			{args: "export DB - --format csv", code: 2, err: "there are buckets, which csv cannot carry"},
			{args: "export DB - --format csv --bucket app", code: 2, err: "use --format jsonl, or --no-nested"},
			{args: "export DB - --format csv --no-nested -q", out: "key,value\nk,root\n"},
			{args: "export DB - --format csv --bucket app --no-nested -q", out: "key,value\nk,v\n"},
			{args: "export DB - --format csv --bucket app/in -q", out: "key,value\n"},
			{args: "export DB - --prefix k -q", out: `{"key":"k","value":"root"}` + "\n"},
			{args: "export DB TMP/nobody --bucket nobody", code: 1, err: "there is no such bucket"},
			{args: "export DB - --bucket app -q", out: `{"key":"k","value":"v"}` + "\n" + `{"bucket":"in"}` + "\n"},
			{args: "import TMP/csv - --bucket a/b --format csv -q", stdin: "key,value\nk,1\n"},
			{args: "scan TMP/csv --bucket a/b", out: "k\t1\n"},
			{args: "import TMP/empty - --bucket a -q"},
			{args: "bucket list TMP/empty", out: "a\n"},
			{args: "import TMP/csv - -q", code: 1, stdin: `{"bucket":"c","key":"k","value":"v"}` + "\n" + `{"bucket":"c//"}`,
				err: "line 2 is bad"},
			{args: "scan TMP/csv --bucket c", out: "k\tv\n"},
			{args: "import TMP/csv - -q", stdin: `{"bucket":"c","sequence":"7"}` + "\n"},
			{args: "import TMP/csv - -q", stdin: `{"bucket":"c","sequence":"3"}` + "\n"},
			{args: "export TMP/csv - --no-nested -q"},
			{args: "export TMP/csv - -q", out: `{"bucket":"a"}` + "\n" + `{"bucket":"a/b"}` + "\n" +
				`{"bucket":"a/b","key":"k","value":"1"}` + "\n" + `{"bucket":"c","sequence":"7"}` + "\n" +
				`{"bucket":"c","key":"k","value":"v"}` + "\n"},
		},
	} {
		t.Run(name, func(t *testing.T) { play(t, steps) })
	}
}

// An export that leaves out a bucket, or mixes two of them up, is found when the original is gone.
func TestBucket_exportsComeBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		tmp, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		dir, file := filepath.Join(tmp, "db"), filepath.Join(tmp, "out.jsonl.gz")
		db, err := lightningdb.Open(dir, nil)
		if err != nil {
			r.Fatal(err)
		}
		err = db.Update(t.Context(), func(tx *lightningdb.Tx) error { return fill(r, tx) })
		if closed := db.Close(); err != nil || closed != nil {
			r.Fatal(err, closed)
		}
		want := must(t, "export", dir, "-", "-q")
		must(t, "export", dir, file)
		copied := filepath.Join(tmp, "copy")
		must(t, "import", copied, file)
		if got := must(t, "export", copied, "-", "-q"); got != want {
			r.Fatalf("came back as\n%s\nwant\n%s", got, want)
		}
		must(t, "import", copied, file, "--bucket", "of it/all") // next to the other copy
		if got := must(t, "export", copied, "-", "-q", "--bucket", "of it/all"); got != want {
			r.Fatalf("in a bucket it came back as\n%s\nwant\n%s", got, want)
		}
	})
}

// fill puts random buckets and keys.
func fill(r *rapid.T, tx *lightningdb.Tx) error {
	name := rapid.OneOf(rapid.StringN(1, 8, 255), rapid.SampledFrom([]string{"/", `\`, "a/b", "a", "\x00"}))
	paths := [][]string{nil}
	for n := range rapid.IntRange(0, 6).Draw(r, "buckets") {
		in := rapid.SampledFrom(paths).Draw(r, "in")
		path := append(in[:len(in):len(in)], fmt.Sprint(name.Draw(r, "name"), n))
		b, err := tx.CreateBucket(path...)
		if err != nil {
			return err
		}
		for range rapid.IntRange(0, 3).Draw(r, "numbers") {
			if _, err := b.NextSequence(); err != nil {
				return err
			}
		}
		for _, key := range rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 4).Draw(r, "keys") {
			if err := b.Put(key, fmt.Append(nil, path, key)); err != nil {
				return err
			}
		}
		paths = append(paths, path)
	}
	for _, key := range rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 4).Draw(r, "keys") {
		if err := tx.Put(key, key); err != nil {
			return err
		}
	}
	return nil
}

// An operator of a running program would not see what is in its buckets.
func TestBucket_isReadWhileAWriterIsAtWork(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	w := startWriter(t, dir)
	w.does(t, "bucket create app\nuse app\nput a 1\nget a\n", "1")
	for args, want := range map[string]string{
		"get DB a --bucket app":    "1",
		"scan DB --bucket app":     "a\t1\n",
		"count DB --bucket app":    "1\n",
		"bucket list DB":           "app\n",
		"export DB - --bucket app": `{"key":"a","value":"1"}` + "\n",
		"export DB -":              `{"bucket":"app"}` + "\n" + `{"bucket":"app","key":"a","value":"1"}` + "\n",
	} {
		if got := must(t, append(strings.Fields(strings.ReplaceAll(args, "DB", dir)), "-q")...); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
	got := lightning(t, "use app\nget a\nbuckets\n", "shell", dir, "--read-only", "-q")
	if got.out != "1\napp\n" || got.err != "" {
		t.Errorf("the shell says %+v", got)
	}
	for _, args := range []string{"bucket create DB b", "bucket drop DB app", "put DB a 2 --bucket app"} {
		got := lightning(t, "", strings.Fields(strings.ReplaceAll(args, "DB", dir))...)
		if got.code != console.ExitLocked {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
