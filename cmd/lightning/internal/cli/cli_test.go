package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/findings"
)

// childVariable makes this test binary behave as the program, for the demo's loading process.
const childVariable = "LIGHTNING_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// outcome is what a command line left behind.
type outcome struct {
	code     int
	out, err string
}

// lightning runs one command line that reads stdin.
func lightning(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	return lightningIn(t.Context(), console.Env{Stdin: strings.NewReader(stdin)}, args...)
}

func lightningIn(ctx context.Context, env console.Env, args ...string) outcome {
	var out, err bytes.Buffer
	env.Stdout, env.Stderr = &out, &err
	if env.Stdin == nil {
		env.Stdin = strings.NewReader("")
	}
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	code := Run(ctx, args, env)
	return outcome{code, out.String(), err.String()}
}

// must is a command line that has to succeed; it returns standard output.
func must(t *testing.T, args ...string) string {
	t.Helper()
	got := lightning(t, "", args...)
	if got.code != console.ExitOK {
		t.Fatalf("lightning %q: exit code %d\n%s", args, got.code, got.err)
	}
	return got.out
}

// step is one command line of a transcript and its whole outcome.
type step struct {
	args  string // split at blanks; DB and TMP stand for directories
	stdin string
	code  int
	out   string
	err   string // must be contained
}

func play(t *testing.T, steps []step) {
	t.Helper()
	tmp := t.TempDir()
	place := strings.NewReplacer("DB", filepath.Join(tmp, "db"), "TMP", tmp)
	for _, s := range steps {
		args := strings.Fields(place.Replace(s.args))
		got := lightning(t, s.stdin, args...)
		if got.code != s.code || got.out != place.Replace(s.out) || !strings.Contains(got.err, place.Replace(s.err)) {
			t.Fatalf("lightning %s\n got: %d\n%s%s\nwant: %d\n%s%s", s.args, got.code, got.out, got.err, s.code, s.out, s.err)
		}
		if s.code != 0 && strings.Count(got.err, "\n") != 1 {
			t.Fatalf("lightning %s: the error is not one line:\n%s", s.args, got.err)
		}
	}
}

// These are the commands as people meet them. A change here breaks somebody's script.
func TestCommands_transcripts(t *testing.T) {
	for name, steps := range map[string][]step{
		"put, get, delete": {
			{args: "put DB a one"},
			{args: "put DB b two --durability process"},
			{args: "get DB a", out: "one"},
			{args: "get DB a --hex", code: 2, err: `the key is not hex: "a"`},
			{args: "get DB 61 --hex", out: "6f6e65\n"},
			{args: "get DB YQ== --base64", out: "b25l\n"},
			{args: "get DB a --json", out: `{"key":"a","value":"one"}` + "\n"},
			{args: "delete DB a"},
			{args: "get DB a", code: 3, err: `get "a": `},
			{args: "delete DB b a", code: 3, err: `delete "a": `},
			{args: "get DB b", out: "two"},
			{args: "delete DB b a --ignore-missing"},
			{args: "count DB", out: "0\n"},
			{args: "verify DB --quiet"},
			{args: "check DB", err: "no damage"},
		},
		"delete a range": {
			{args: "put DB a 1"}, {args: "put DB ab 2"}, {args: "put DB b 3"}, {args: "put DB c 4"},
			{args: "delete DB", code: 2, err: "delete needs to know which keys"},
			{args: "delete DB --prefix=", code: 2, err: "the value of --prefix is empty"},
			{args: "delete DB b --prefix a", code: 2, err: "not both at once"},
			{args: "delete DB --prefix a --from a", code: 2, err: "exclude each other"},
			{args: "delete DB --all --from a", code: 2, err: "exclude each other"},
			{args: "delete DB --prefix a --ignore-missing", code: 2, err: "a range has no missing keys"},
			{args: "count DB", out: "4\n"},
			{args: "delete DB --prefix a"},
			{args: "scan DB --keys-only", out: "b\nc\n"},
			{args: "delete DB --from 62 --to 63 --hex"},
			{args: "scan DB --keys-only", out: "c\n"},
			{args: "put DB a again"},
			{args: "delete DB --from b"},
			{args: "scan DB --keys-only", out: "a\n"},
			{args: "delete DB --all"},
			{args: "count DB", out: "0\n"},
			{args: "verify DB --quiet"},
		},
		"counters": {
			{args: "add DB n 40", out: "40\n"},
			{args: "add DB n 2 --json", out: `{"value":42}` + "\n"},
			{args: "add -- DB n -50", out: "-8\n"},
			{args: "get DB 6e --hex", out: "f8ffffffffffffff\n"},
			{args: "add DB n much", code: 2, err: `"much" is not an integer`},
			{args: "put DB text word"},
			{args: "add DB text 1", code: 1, err: `add to "text": `},
			{args: "get DB text", out: "word"},
			{args: "export DB TMP/out.jsonl --quiet"},
			{args: "import TMP/copy TMP/out.jsonl --quiet"},
			{args: "add TMP/copy n 8", out: "0\n"},
		},
		"a file of the database": {
			{args: "put DB a one"},
			{args: "export DB DB/LOCK --force", code: 1, err: "export to DB/LOCK: write DB/LOCK: it is a file of a database"},
			{args: "export DB DB/LOCK", code: 1, err: "choose another name"},
			{args: "export DB DB/CURRENT --force --json", code: 1, err: `"advice":"choose another name"`},
			{args: "get DB a", out: "one"},
		},
		"values from standard input": {
			{args: "put DB k -", stdin: "line\nline\x00\xff"},
			{args: "get DB k", out: "line\nline\x00\xff"},
			{args: "put DB --hex 6b -", stdin: " 00ff\n"},
			{args: "get DB k", out: "\x00\xff"},
			{args: "put DB k -", stdin: ""},
			{args: "get DB k", out: ""},
			{args: "scan DB", out: "k\t\n"},
			{args: "scan DB --json", out: `{"key":"k","value":""}` + "\n"},
			{args: "put DB -- -k -v"},
			{args: "get DB -- -k", out: "-v"},
		},
		"scan and count": {
			{args: "import DB -", stdin: `{"key":"a","value":"1"}
				{"key":"b/1","value":"tab\there"}
				{"key":"b/2","value":"back\\slash"}
				{"key":"b0","value":"ünï"}
				{"key":"/w==","value":"AA==","encoding":"base64"}`, err: "imported 5 entries"},
			{args: "scan DB", out: "a\t1\nb/1\ttab\\there\nb/2\tback\\\\slash\nb0\tünï\n\\xff\t\\x00\n"},
			{args: "scan DB --prefix b/", out: "b/1\ttab\\there\nb/2\tback\\\\slash\n"},
			{args: "scan DB --prefix b/ --reverse --limit 1 --keys-only", out: "b/2\n"},
			{args: "scan DB --from b/2 --to b0", out: "b/2\tback\\\\slash\n"},
			{args: "scan DB --from b/2 --keys-only", out: "b/2\nb0\n\\xff\n"},
			{args: "scan DB --to b --json", out: `{"key":"a","value":"1"}` + "\n"},
			{args: "scan DB --prefix ff --hex", out: "ff\t00\n"},
			{args: "scan DB --prefix ff --hex --json --keys-only", out: `{"key":"ff","encoding":"hex"}` + "\n"},
			{args: "scan DB --prefix a --prefix b --to c", code: 2, err: "use: lightning scan DIR"},
			{args: "scan DB --limit 0", code: 2, err: "lists nothing"},
			{args: "scan DB --limit x", code: 2, err: `invalid value "x" for flag --limit`},
			{args: "scan DB --from zz --hex", code: 2, err: "--from is not hex"},
			{args: "count DB", out: "5\n"},
			{args: "count DB --prefix b/", out: "2\n"},
			{args: "count DB --from x --to y --json", out: `{"count":0}` + "\n"},
		},
		"nothing is created by reading": {
			{args: "get DB a", code: 1, err: "there is no database here: "},
			{args: "scan DB", code: 1, err: "there is no database here: "},
			{args: "count DB", code: 1, err: "there is no database here: "},
			{args: "export DB TMP/x", code: 1, err: "there is no database here: "},
			{args: "stats DB", code: 1, err: "there is no database here: "},
			{args: "top DB", code: 1, err: "there is no database here: "},
			{args: "compact DB", code: 1, err: "there is no database here: "},
			{args: "delete DB a", code: 1, err: "there is no database here: "},
			{args: "import DB TMP/absent", code: 1, err: "check the path"},
			{args: "scan DB", code: 1, err: "there is no database here: "},
		},
		"wrong use": {
			{args: "del DB a", code: 2, err: "did you mean `lightning delete`?"},
			{args: "rm DB a", code: 2, err: "did you mean `lightning delete`?"},
			{args: "dump DB", code: 2, err: "did you mean `lightning export`?"},
			{args: "ls DB", code: 2, err: "did you mean `lightning scan`?"},
			{args: "set DB a b", code: 2, err: "did you mean `lightning put`?"},
			{args: "fsck DB", code: 2, err: "did you mean `lightning verify`?"},
			{args: "repair DB", code: 2, err: "did you mean `lightning salvage`?"},
			{args: "demmo", code: 2, err: "did you mean `lightning demo`?"},
			{args: "put DB a b --force", code: 2, err: "--force is a flag of export"},
			{args: "put DB a b --durabilty sync", code: 2, err: "did you mean --durability?"},
			{args: "gett DB a", code: 2, err: "did you mean `lightning get`?"},
			{args: "validate crash --rounds 2", code: 2, err: "run `lightning-proof validate`"},
			{args: "bench", code: 2, err: "run `lightning-proof bench`"},
			{args: "torture --count 5", code: 2, err: "run `lightning-proof torture`"},
			{args: "frobnicate", code: 2, err: "there is no command \"frobnicate\"; see `lightning help`"},
			{args: "get DB", code: 2, err: "use: lightning get DIR KEY"},
			{args: "get DB a b", code: 2, err: "use: lightning get DIR KEY"},
			{args: "get DB a --durability sync", code: 2, err: "unknown flag: --durability"},
			{args: "put DB a b --durability never", code: 2, err: "want sync or process"},
			{args: "put DB a b --memory-limit lots", code: 2, err: "is not a size"},
			{args: "put DB a b --memory-limit 1MiB", code: 2, err: "less than 10.0 MiB is not enough"},
			{args: "put DB a b --memory-limit 0", code: 2, err: "is not a size"},
			{args: "put DB --hex --base64 00 00", code: 2, err: "hex"},
			{args: "put DB a 0 --hex", code: 2, err: "the key is not hex"},
			{args: "import DB x --format xml", code: 2, err: "jsonl, csv or tsv"},
			{args: "count DB", code: 1, err: "there is no database here: "},
		},
		"import and export": {
			{args: "import DB - --format csv", stdin: "key,value\na,1\n\"b,\",\"2\n\"\n", err: "created DB"},
			{args: "export DB -", out: "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b,\",\"value\":\"2\\n\"}\n",
				err: "exported 2 entries"},
			{args: "export DB - --format csv -q", out: "key,value\na,1\n\"b,\",\"2\n\"\n"},
			{args: "export DB - --format csv --hex", out: "key_hex,value_hex\n61,31\n622c,320a\n"},
			{args: "export DB - --to b", out: "{\"key\":\"a\",\"value\":\"1\"}\n"},
			{args: "export DB TMP/x.csv", err: "exported 2 entries"},
			{args: "export DB TMP/x.csv", code: 1, err: "or --force to replace it"},
			{args: "export DB TMP/x.csv --force", err: "exported"},
			{args: "import TMP/copy TMP/x.csv", err: "imported 2 entries"},
			{args: "scan TMP/copy --keys-only", out: "a\nb,\n"},
			{args: "put DB --hex ff 00"},
			{args: "export DB TMP/y.csv", code: 1, err: "use --hex or --base64"},
			{args: "import TMP/copy TMP/y.csv", code: 1, err: "check the path"},
			{args: "export DB TMP/absent/y", code: 1, err: "check the path"},
			{args: "import DB TMP", code: 1, err: "is a directory"},
		},
		"files of other programs": {
			{args: "import DB - --format csv", stdin: "\ufeffkey,value\r\na,\"line1\r\nline2\"\r\n", err: "imported 1 entry"},
			{args: "get DB a", out: "line1\r\nline2"},
			{args: "import DB - --format csv --delimiter ; --key-column id --value-column name", stdin: "n;id;name\n1;b;x\n",
				err: "imported 1 entry"},
			{args: "import DB - --format tsv", stdin: "key\tvalue\nc\ty\n", err: "imported 1 entry"},
			{args: "import DB - --values json", stdin: `{"key":"d","value":{"n": 1.0}}`, err: "imported 1 entry"},
			{args: "get DB d", out: `{"n": 1.0}`},
			{args: "export DB - --values json --from d -q", out: `{"key":"d","value":{"n": 1.0}}` + "\n"},
			{args: "export DB - --values json -q", code: 1, err: "leave out --values json"},
			{args: "export DB TMP/x.tsv", err: "exported 4 entries"},
			{args: "export DB TMP/x.csv.gz", err: "exported 4 entries"},
			{args: "export DB TMP/x.jsonl.GZ", err: "exported 4 entries"},
			{args: "import TMP/copy TMP/x.tsv", err: "imported 4 entries"},
			{args: "import TMP/copy TMP/x.csv.gz", err: "imported 4 entries"},
			{args: "import TMP/copy TMP/x.jsonl.GZ", err: "imported 4 entries"},
			{args: "get TMP/copy a", out: "line1\r\nline2"},
			{args: "export DB - --format csv --delimiter | --key-column id --from b --to d -q", out: "id|value\nb|x\nc|y\n"},
			{args: "import DB TMP/x.tsv --format jsonl", code: 1, err: "line 1 is bad: invalid character 'k': want an " +
				"object with string fields (0 entries before that imported); it looks like TSV: use --format tsv"},
			{args: "import DB - --delimiter ,", code: 2, err: "JSON Lines have no columns; add --format csv"},
			{args: "import DB - --format csv --delimiter ab", code: 2, err: "cannot stand between columns"},
			{args: "import DB - --format csv --values json", code: 2, err: "is for JSON Lines"},
			{args: "import DB - --values yaml", code: 2, err: "use --values text or --values json"},
			{args: "export DB TMP/plain.jsonl", err: "exported"},
		},
		"compact": {
			{args: "put DB a 1"},
			{args: "compact DB", err: "nothing to compact; "},
			{args: "put DB a 2"},
			{args: "compact DB", err: "compacted"},
			{args: "compact DB --prefix a -q"},
			{args: "get DB a", out: "2"},
		},
	} {
		t.Run(name, func(t *testing.T) { play(t, steps) })
	}
}

// A bad line must not leave the user guessing what is in the database now.
func TestImport_stopsAtTheFirstBadLineAndSaysWhatIsIn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	var file strings.Builder
	for i := range 2500 {
		file.WriteString(`{"key":"k` + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + `","value":"v"}` + "\n")
	}
	file.WriteString("oops\n" + `{"key":"zz","value":"never"}` + "\n")
	got := lightning(t, file.String(), "import", dir, "-")
	if got.code != console.ExitFailure || !strings.Contains(got.err, "line 2501 is bad") || !strings.Contains(got.err,
		"2,500 entries before that imported") {
		t.Fatalf("%+v", got)
	}
	if n := must(t, "count", dir); n != "2500\n" {
		t.Errorf("%s entries are in", n)
	}
	if got := lightning(t, "", "get", dir, "zz"); got.code != console.ExitNotFound {
		t.Errorf("an entry after the bad line was imported: %+v", got)
	}
}

// A compressed file that is cut off or damaged must not pass for a whole one, nor a plain one for a compressed one.
func TestImport_noticesADamagedGzip(t *testing.T) {
	tmp := t.TempDir()
	dir := filepath.Join(tmp, "db")
	for i := range 10 {
		must(t, "put", dir, strings.Repeat("k", i+1), "v")
	}
	path := filepath.Join(tmp, "x.jsonl.gz")
	must(t, "export", dir, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-6] ^= 1 // in the checksum
	for name, file := range map[string][]byte{"cut off": whole[:len(whole)-9], "damaged": damaged,
		"plain": []byte("{}\n"), "empty": nil} {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(tmp, name)
		if got := lightning(t, "", "import", copied, path); got.code != console.ExitFailure {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := lightning(t, string(whole), "import", dir, "-"); !strings.Contains(got.err, "compressed by gzip") {
		t.Errorf("at standard input: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(tmp, "plain")); err == nil {
		t.Error("a wrong file created a database")
	}
}

// Binary keys that cannot be written on the command line are lost to its user.
func TestEncodings_everyByteStringGoesInAndOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	for name, encode := range map[string]func([]byte) string{"--hex": hex.EncodeToString,
		"--base64": base64.StdEncoding.EncodeToString} {
		for range 8 {
			random := make([]byte, 40)
			_, _ = rand.Read(random)
			key, value := encode(random[:1+random[0]%20]), encode(random[20:20+random[20]%20])
			must(t, "put", dir, name, "--", key, value)
			if got := must(t, "get", dir, name, "--", key); got != value+"\n" {
				t.Fatalf("%s: key %s has %q; want %q", name, key, got, value)
			}
			if got := must(t, "scan", dir, name, "--prefix="+key, "--limit", "1"); got != key+"\t"+value+"\n" {
				t.Fatalf("%s: scan says %q", name, got)
			}
		}
	}
}

// An export that cannot be imported again is no export.
func TestExportImport_nastyEntriesComeBack(t *testing.T) {
	tmp := t.TempDir()
	dir := filepath.Join(tmp, "db")
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 256 {
		for _, key := range []string{string([]byte{byte(i)}),
			string([]byte{byte(i), '\r', '\n', '"', ',', 0xed, 0xa0, 0x80}), string(rune(i * 257))} {
			if err := db.Put([]byte(key), []byte(key+key)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want := must(t, "scan", dir)
	for file, flags := range map[string][]string{"a.jsonl": nil, "b.jsonl": {"--hex"}, "c.csv": {"--hex"},
		"d.csv": {"--base64"}, "e.txt": {"--format", "csv", "--hex"}} {
		path, copied := filepath.Join(tmp, file), filepath.Join(tmp, file+".db")
		must(t, append([]string{"export", dir, path}, flags...)...)
		format := "jsonl"
		if strings.Contains(file, "csv") || file == "e.txt" {
			format = "csv"
		}
		must(t, "import", copied, path, "--format", format)
		if got := must(t, "scan", copied); got != want {
			t.Errorf("%s: the copy differs", file)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, ".*")); len(left) > 0 {
		t.Errorf("temporary files were left: %q", left)
	}
}

// A program that cannot tell "not found" from "broken" must guess.
func TestErrors_codesClassesAndJSON(t *testing.T) {
	tmp := t.TempDir()
	dir := filepath.Join(tmp, "db")
	must(t, "put", dir, "a", "1")
	for class, args := range map[string][]string{
		"usage":       {"get", "--json", dir},
		"not-found":   {"get", "--json", dir, "b"},
		"no-database": {"get", "--json", filepath.Join(tmp, "absent"), "b"},
		"no-file":     {"import", "--json", dir, filepath.Join(tmp, "absent")},
		"exists":      {"export", "--json", dir, dir},
		"bad-input":   {"import", "--json", dir, "-"},
	} {
		got := lightning(t, "x", args...)
		var e console.JSONError
		err := json.Unmarshal([]byte(got.err), &e)
		if err != nil || e.Error.Class != class || e.Error.Code != got.code || got.code == 0 {
			t.Errorf("%s: %+v (%v)", class, got, err)
		}
		if e.Error.Message == "" || e.Error.Advice == "" {
			t.Errorf("%s: no message or advice: %s", class, got.err)
		}
	}
}

// damagedDatabase has two tables, and a damaged byte in each.
func damagedDatabase(t *testing.T) (dir string, tables []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "db")
	for _, key := range []string{"k", "l"} {
		must(t, "put", dir, key, strings.Repeat("v", 100))
		must(t, "compact", dir, "--prefix", key)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	if err != nil || len(tables) != 2 {
		t.Fatalf("%q, %v", tables, err)
	}
	for i, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		data[20] ^= 1
		if err := os.WriteFile(table, data, 0o600); err != nil {
			t.Fatal(err)
		}
		tables[i] = filepath.Base(table)
	}
	return dir, tables
}

// Damaged data must never look like missing data, in any command that reads it.
func TestCorruption_exits5(t *testing.T) {
	dir, tables := damagedDatabase(t)
	for _, args := range [][]string{{"get", dir, "k"}, {"scan", dir}, {"count", dir}, {"export", dir, "-"}} {
		got := lightning(t, "", args...)
		if got.code != console.ExitCorrupt || got.out != "" || !strings.Contains(got.err, tables[0]) {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// Whoever mends a disk needs to know each damaged place, and a script must not have to take a sentence apart.
func TestVerify_listsEveryDamage(t *testing.T) {
	dir, tables := damagedDatabase(t)
	got := lightning(t, "", "verify", dir)
	lines := strings.Split(strings.TrimSuffix(got.out, "\n"), "\n")
	if got.code != console.ExitCorrupt || len(lines) != 2 ||
		!strings.HasPrefix(lines[0], tables[0]+" is damaged at offset ") ||
		!strings.HasPrefix(lines[1], tables[1]+" is damaged at offset ") {
		t.Errorf("%+v", got)
	}
	want := "lightning: verify: 2 damages, in " + tables[0] + ", " + tables[1] + "; "
	if !strings.HasPrefix(got.err, want) {
		t.Errorf("the error is %q", got.err)
	}
	got = lightning(t, "", "verify", dir, "--json")
	var result verifyResult
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || result.Tables != 2 || len(result.Damage) != 2 ||
		result.Damage[1].File != tables[1] || result.Damage[1].Offset != 0 || result.Damage[1].What == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "CURRENT"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = lightning(t, "", "verify", dir, "--json")
	result = verifyResult{}
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || len(result.Damage) != 1 ||
		result.Damage[0].File != "CURRENT" {
		t.Errorf("%+v, %v", got, err)
	}
}

// What verify says it has read is compared with the size of the disk: no table counts twice.
func TestVerify_countsEachTableOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	must(t, "put", dir, "k", strings.Repeat("v", 100))
	must(t, "compact", dir)
	var result verifyResult
	if err := json.Unmarshal([]byte(must(t, "verify", dir, "--json")), &result); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	if err != nil || len(tables) != 1 {
		t.Fatalf("%q, %v", tables, err)
	}
	info, err := os.Stat(tables[0])
	if err != nil || result.Bytes != info.Size() || result.Damage == nil || len(result.Damage) != 0 {
		t.Errorf("%+v; the table has %d bytes, %v", result, info.Size(), err)
	}
}

// A compaction that has read nothing must not pass for one that found nothing wrong.
func TestCompact_saysWhatItHasNotRead(t *testing.T) {
	dir, _ := damagedDatabase(t)
	got := lightning(t, "", "compact", dir)
	if got.code != console.ExitOK || !strings.HasPrefix(got.err, "nothing to compact; ") ||
		!strings.Contains(got.err, "of tables were neither read nor rewritten (verify reads and checks them)") {
		t.Errorf("%+v", got)
	}
	var result compactResult
	if err := json.Unmarshal([]byte(must(t, "compact", dir, "--json")), &result); err != nil || result.BytesRead != 0 ||
		result.BytesWritten != 0 || result.BytesUnread == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	must(t, "put", dir, "k", "1") // now there is something to remove
	if got := lightning(t, "", "compact", dir); got.code != console.ExitCorrupt {
		t.Errorf("%+v", got)
	}
}

// Ctrl-C during long work must end it, even while it waits for input, and say so.
func TestInterrupt_endsWorkWith130(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	must(t, "put", dir, "a", "1")
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(&console.Interrupted{Signal: syscall.SIGTERM})
	for _, args := range [][]string{{"scan", dir}, {"count", dir}, {"export", dir, "-"}, {"import", dir, "-"}, {"demo"},
		{"compact", dir}, {"verify", dir}, {"stats", dir}, {"top", dir}, {"get", dir, "a"}, {"put", dir, "a", "2"},
		{"put", dir, "a", "-"}, {"add", dir, "n", "1"}, {"delete", dir, "a"}, {"shell", dir}} {
		got := lightningIn(gone, console.Env{}, args...)
		if got.code != console.ExitInterrupted || strings.Count(got.err, "interrupted by SIGTERM") != 1 ||
			strings.Contains(got.err, context.Canceled.Error()) {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := must(t, "get", dir, "a"); got != "1" {
		t.Errorf("an interrupted command changed the value to %q", got)
	}
	for _, args := range [][]string{{"import", dir, "-"}, {"put", dir, "k", "-"}} {
		silent, _ := io.Pipe() // nobody ever writes
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if got := lightningIn(ctx, console.Env{Stdin: silent}, args...); got.code != console.ExitInterrupted {
			t.Errorf("%q waiting for input: %+v", args, got)
		}
		cancel()
	}
}

// An export that is interrupted or fails must leave nothing under the file's name, and the old file as it was.
func TestExport_leavesNoHalfFile(t *testing.T) {
	tmp := t.TempDir()
	dir, path := filepath.Join(tmp, "db"), filepath.Join(tmp, "x.jsonl")
	must(t, "put", dir, "a", "1")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := lightningIn(gone, console.Env{}, "export", dir, path, "--force"); got.code != console.ExitInterrupted {
		t.Fatalf("%+v", got)
	}
	kept, _ := os.ReadFile(path)
	names, _ := os.ReadDir(tmp)
	if string(kept) != "precious" || len(names) != 2 {
		t.Errorf("the file is %q, and the directory has %v", kept, names)
	}
}

// Escape sequences in a value must not reach a terminal, and colours must not reach whoever refused them.
func TestTerminal_plainAndSafe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	must(t, "put", dir, "k", "a\x1b[31m\n\\b\xff")
	got := lightningIn(t.Context(), console.Env{StdoutTerminal: true}, "get", dir, "k")
	if got.out != "a\\x1b[31m\n\\b\\xff\n" {
		t.Errorf("get on a terminal: %q", got.out)
	}
	noColor := func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }
	dumb := func(name string) string { return map[string]string{"TERM": "dumb"}[name] }
	for _, c := range []struct {
		env      console.Env
		args     []string
		coloured bool
	}{
		{console.Env{StdoutTerminal: true}, []string{"stats", dir}, true},
		{console.Env{StdoutTerminal: false}, []string{"stats", dir}, false},
		{console.Env{StdoutTerminal: true, Getenv: noColor}, []string{"stats", dir}, false},
		{console.Env{StdoutTerminal: true, Getenv: dumb}, []string{"stats", dir}, false},
		{console.Env{StdoutTerminal: true}, []string{"stats", dir, "--no-color"}, false},
	} {
		if got := lightningIn(t.Context(), c.env, c.args...); strings.Contains(got.out, "\x1b") != c.coloured {
			t.Errorf("%q: coloured is not %v: %q", c.args, c.coloured, got.out)
		}
	}
}

// What stats counts is read by monitoring: names and types are an interface.
func TestStats_textAndJSON(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	must(t, "put", dir, "a", "1")
	text := must(t, "stats", dir)
	for _, word := range []string{"database", "levels", "memory", "log", "recovery", dir} {
		if !strings.Contains(text, word) {
			t.Errorf("no %q in\n%s", word, text)
		}
	}
	var s map[string]any
	if err := json.Unmarshal([]byte(must(t, "stats", dir, "--json")), &s); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"path", "sequence", "disk_bytes", "disk_limit", "levels", "memory",
		"memtables", "cache", "log",
		"recovery"} {
		if _, ok := s[name]; !ok {
			t.Errorf("no %q in the JSON", name)
		}
	}
}

// A line that is wider than the terminal breaks in the middle of a word, for those who read help first.
func TestHelp_fitsTheTerminal(t *testing.T) {
	a := newApp(console.Env{})
	texts := []string{must(t, "help")}
	for _, c := range a.program().Commands {
		if !c.Hidden {
			texts = append(texts, must(t, "help", c.Name()))
		}
	}
	for _, text := range texts {
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%d characters: %s", n, line)
			}
		}
	}
}

// The words of other databases must lead people to the command that they mean, each word to one.
func TestAliases_areOfOneCommandEach(t *testing.T) {
	owner := make(map[string]string)
	for _, c := range newApp(console.Env{}).program().Commands {
		if c.Hidden {
			continue
		}
		for _, name := range append(c.Aliases, c.Name()) {
			if owner[name] != "" {
				t.Errorf("%s means %s and %s", name, owner[name], c.Name())
			}
			owner[name] = c.Name()
		}
	}
	for alias, name := range owner {
		if got := lightning(t, "", alias+"x"); alias == name && strings.Contains(got.err, "demo`") && name != "demo" {
			t.Errorf("%s leads to demo: %s", alias, got.err)
		}
	}
}

// A script whose variable is not set passes an empty value. Taken for the default, --delimiter "" reads columns that
// are not there, and --history "" forgets what was to be kept.
func TestFlags_refuseAnEmptyValue(t *testing.T) {
	refused := 0
	for _, c := range newApp(console.Env{}).program().Commands {
		set := flag.NewFlagSet(c.Name(), flag.ContinueOnError)
		if c.Flags != nil {
			c.Flags(set)
		}
		set.VisitAll(func(f *flag.Flag) {
			if isBool, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && isBool.IsBoolFlag() {
				return
			}
			args := append([]string{c.Name()}, slices.Repeat([]string{filepath.Join(t.TempDir(), "none")}, c.MinArgs)...)
			got := lightning(t, "", append(args, "--"+f.Name, "")...)
			if want := !slices.Contains(c.Empty, f.Name); want != (got.code == console.ExitUsage) {
				t.Errorf("%s --%s \"\": exit code %d\n%s", c.Name(), f.Name, got.code, got.err)
			}
			refused++
		})
	}
	if refused < 20 {
		t.Errorf("looked at %d flags", refused)
	}
	file := filepath.Join(t.TempDir(), "in.csv")
	if err := os.WriteFile(file, []byte("key,value\na,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := lightning(t, "", "import", filepath.Join(t.TempDir(), "db"), file, "--delimiter", "")
	if got.code != console.ExitUsage || !strings.Contains(got.err, "give --delimiter CHARACTER") {
		t.Errorf("--delimiter \"\": exit code %d\n%s", got.code, got.err)
	}
}

// Advice that names a command or flag that is not there sends people on a search at the worst moment.
func TestAdvice_namesWhatIsThere(t *testing.T) {
	names := map[string]bool{"help": true}
	for _, c := range newApp(console.Env{}).program().Commands {
		names[c.Name()] = true
	}
	for _, c := range console.Classes() {
		for _, quoted := range regexp.MustCompile("`lightning ([a-z]+)").FindAllStringSubmatch(c.Advice, -1) {
			if !names[quoted[1]] {
				t.Errorf("%s: there is no command %s", c.Name, quoted[1])
			}
		}
		if strings.Contains(c.Advice, "--") {
			t.Errorf("%s: not every command has the flag that %q names", c.Name, c.Advice)
		}
	}
}

// Help and completion are how a command line is learned.
func TestHelpVersionAndCompletion(t *testing.T) {
	help := must(t, "help")
	for _, word := range []string{"get", "put", "delete", "scan", "count", "import", "export", "stats", "compact",
		"demo", "version", "completion", "130", "DIR"} {
		if !strings.Contains(help, word) {
			t.Errorf("help says nothing about %q", word)
		}
	}
	if strings.Contains(help, "demo-load") {
		t.Error("help shows a command that is not for people")
	}
	if must(t) != help {
		t.Error("without a command, something else than help was written")
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if script := must(t, "completion", shell); !strings.Contains(script, "lightning") {
			t.Errorf("completion for %s: %q", shell, script)
		}
	}
	if text := must(t, "version"); !strings.Contains(text, "go1.") {
		t.Errorf("version: %q", text)
	}
	for _, args := range [][]string{{"--version"}, {"-v"}} {
		if text := must(t, args...); text != must(t, "version") {
			t.Errorf("%s: %q", args, text)
		}
	}
	var v console.Version
	if err := json.Unmarshal([]byte(must(t, "version", "--json")), &v); err != nil || v.Go == "" {
		t.Errorf("version --json: %+v, %v", v, err)
	}
}

// Whoever has no backup gets out what is whole, and is told what is not.
func TestSalvage_writesWhatIsWholeAndListsTheRest(t *testing.T) {
	dir, tables := damagedDatabase(t)
	must(t, "put", dir, "m", "whole")
	to := filepath.Join(t.TempDir(), "new")
	got := lightning(t, "", "salvage", dir, to)
	if got.code != console.ExitCorrupt || !strings.Contains(got.out, tables[0]+" is damaged") ||
		!strings.Contains(got.out, `may be missing: keys from "l" to "l", sequence numbers 2 to 2: `) ||
		!strings.Contains(got.err, "salvage: 1 key written, and in 2 places entries may be missing") {
		t.Errorf("%+v", got)
	}
	if scan := must(t, "scan", to); scan != "m\twhole\n" {
		t.Errorf("there is %q", scan)
	}
	if again := lightning(t, "", "salvage", dir, to); again.code != console.ExitFailure ||
		!strings.Contains(again.err, "is not empty") {
		t.Errorf("into a database: %+v", again)
	}
	if inside := lightning(t, "", "salvage", dir, filepath.Join(dir, "new")); inside.code != console.ExitFailure {
		t.Errorf("into the damaged one: %+v", inside)
	}
	got = lightning(t, "", "salvage", dir, filepath.Join(t.TempDir(), "json"), "--json")
	var result findings.Salvage
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || result.Keys != 1 || len(result.Losses) != 2 ||
		*result.Losses[0].From != "k" || len(result.Damage) == 0 || result.Manifest == "" {
		t.Errorf("%+v, %v", got, err)
	}
	clean := filepath.Join(t.TempDir(), "clean")
	must(t, "salvage", to, clean)
	must(t, "check", clean)
}

// Whoever interrupts a salvage and does what it says must get what he wanted.
func TestSalvage_saysWhatToDoAfterAnInterruption(t *testing.T) {
	dir, to := filepath.Join(t.TempDir(), "db"), filepath.Join(t.TempDir(), "new")
	must(t, "put", dir, "k", "v")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&console.Interrupted{Signal: os.Interrupt})
	got := lightningIn(ctx, console.Env{}, "salvage", dir, to)
	if got.code != console.ExitInterrupted || !strings.HasSuffix(got.err, "; run it again: it begins anew, and nothing "+
		"is left of this attempt\n") {
		t.Errorf("%+v", got)
	}
	must(t, "salvage", dir, to)
	if err := os.WriteFile(filepath.Join(to, "UNFINISHED"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"salvage", dir, to}, {"get", to, "k"}, {"put", to, "k", "v"}, {"check", to}} {
		if got := lightning(t, "", args...); got.code != console.ExitFailure ||
			!strings.Contains(got.err, "remove the directory") {
			t.Errorf("%q after a kill: %+v", args, got)
		}
	}
}

// A list of damage that leaves a table out is no list.
func TestCheck_listsATableThatIsNoFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	must(t, "put", dir, "k", "v")
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	if err != nil || len(tables) != 1 {
		t.Fatalf("%q, %v", tables, err)
	}
	if err := errors.Join(os.Remove(tables[0]), os.Mkdir(tables[0], 0o700)); err != nil {
		t.Fatal(err)
	}
	got := lightning(t, "", "check", dir)
	if got.code != console.ExitCorrupt || !strings.Contains(got.out, filepath.Base(tables[0])+" is damaged") {
		t.Errorf("%+v", got)
	}
}

// What cannot be shown must be said, and not be shown as nothing.
func TestInspect_refusesWhatIsNotThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	must(t, "put", dir, "k", "v")
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	manifests, err2 := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || err2 != nil || len(tables) != 1 || len(manifests) != 1 {
		t.Fatalf("%q, %v; %q, %v", tables, err, manifests, err2)
	}
	other := filepath.Join(dir, "notes")
	if err := os.WriteFile(other, []byte("milk, bread"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{tables[0], "--page", "0"}, console.ExitUsage, "numbered from 1"},
		{[]string{manifests[0], "--record", "0"}, console.ExitUsage, "numbered from 1"},
		{[]string{tables[0], "--page", "2"}, console.ExitFailure, "there is no page or record with that number: 2 of 1"},
		{[]string{tables[0], "--record", "1"}, console.ExitUsage, "a table has pages"},
		{[]string{manifests[0], "--page", "1"}, console.ExitUsage, "use --record"},
		{[]string{manifests[0], "--record", "1000"}, console.ExitFailure, "there is no page or record with that number"},
		{[]string{filepath.Join(dir, "CURRENT"), "--record", "1"}, console.ExitFailure, "1 of 0"},
		{[]string{other}, console.ExitFailure, "not a Lightning DB database: neither its name nor its content"},
		{[]string{filepath.Join(dir, "nope")}, console.ExitFailure, "nope: file does not exist"},
		{[]string{filepath.Join(dir, "no", "such")}, console.ExitFailure, "such: file does not exist"},
	} {
		got := lightning(t, "", append([]string{"inspect"}, c.args...)...)
		if got.code != c.code || !strings.Contains(got.err, c.err) || strings.Contains(got.err, "stat") {
			t.Errorf("inspect %q: %+v", c.args, got)
		}
	}
}

// A table of which only the first damaged page is named looks better than it is.
func TestCheck_listsEveryDamagedPageOfATable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := lightningdb.Open(dir, &lightningdb.Options{Compression: lightningdb.NoCompression})
	if err != nil {
		t.Fatal(err)
	}
	var b lightningdb.Batch
	for i := range 3000 {
		b.Put(fmt.Appendf(nil, "k%06d", i), []byte("a value of some bytes"))
	}
	b.Put([]byte("large"), bytes.Repeat([]byte("large"), 2000))
	if err := errors.Join(db.Write(&b), db.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	if err != nil || len(tables) != 1 {
		t.Fatalf("%q, %v", tables, err)
	}
	data, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{20, 30_000, bytes.Index(data, []byte("largelarge")) + 100} {
		data[at] ^= 1
	}
	if err := os.WriteFile(tables[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	got := lightning(t, "", "check", dir)
	if got.code != console.ExitCorrupt || strings.Count(got.out, " is damaged at offset ") != 3 ||
		!strings.Contains(got.out, "extent") {
		t.Errorf("%+v", got)
	}
	got = lightning(t, "", "check", dir, "--json")
	var result verifyResult
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || len(result.Damage) != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Of a file that is called whole, somebody makes a copy, and throws the others away.
func TestInspect_noticesDamageAnywhereInATable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b lightningdb.Batch
	random := mathrand.NewChaCha8([32]byte{1})
	for i := range 3000 {
		value := make([]byte, 20+i%2*i) // every other one of more than a quarter of a page is outside the pages
		random.Read(value)
		b.Put(fmt.Appendf(nil, "k%06d", i), value)
	}
	b.Put([]byte("film"), make([]byte, 3<<20))
	if err := errors.Join(db.Write(&b), db.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("%q, %v", tables, err)
	}
	data, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	must(t, "inspect", tables[0])
	offsets := []int{0, len(data) - 1}
	for step := 1; step < len(data); step *= 2 { // what is small is at the end
		offsets = append(offsets, len(data)-step-step/3)
	}
	for range 20 {
		offsets = append(offsets, int(random.Uint64()%uint64(len(data))))
	}
	for _, at := range offsets {
		if at < 0 {
			continue
		}
		data[at] ^= 1
		if err := os.WriteFile(tables[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		text, lines := lightning(t, "", "inspect", tables[0]), lightning(t, "", "inspect", tables[0], "--json")
		if text.code != console.ExitCorrupt || lines.code != console.ExitCorrupt {
			t.Errorf("byte %d of %d: %d, with --json %d", at, len(data), text.code, lines.code)
		}
		var c lightningdb.InspectReport
		if json.Unmarshal([]byte(lines.out), &c); lines.out != "" && len(c.Damage) != 1 ||
			strings.Count(text.out, "damaged: ") != len(c.Damage) {
			t.Errorf("byte %d of %d: %q", at, len(data), c.Damage)
		}
		data[at] ^= 1
	}
}

// Who is called at night must see what a file holds without a hexadecimal editor.
func TestInspect_showsEachKindOfFile(t *testing.T) {
	dir, tables := damagedDatabase(t)
	must(t, "put", dir, "m", "log")
	manifest, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifest) != 1 {
		t.Fatalf("%q, %v", manifest, err)
	}
	for file, want := range map[string][]string{
		manifest[0]:                     {": manifest, ", "database: ", "edit 1 at offset 80: ", "to level "},
		filepath.Join(dir, "CURRENT"):   {": CURRENT, 80 bytes", "number: "},
		filepath.Join(dir, "LOCK"):      {": text, ", "closed"},
		"../../../../docs/testdata.tbl": nil,
	} {
		got := lightning(t, "", "inspect", file)
		if want == nil {
			if got.code != console.ExitFailure {
				t.Errorf("%s: %+v", file, got)
			}
			continue
		}
		for _, part := range want {
			if got.code != 0 || !strings.Contains(got.out, part) {
				t.Errorf("%s lacks %q: %+v", file, part, got)
			}
		}
	}
	got := lightning(t, "", "inspect", filepath.Join(dir, tables[0]), "--keys")
	if got.code != console.ExitCorrupt || !strings.Contains(got.out, ": table, ") ||
		!strings.Contains(got.out, "damaged: offset 0, ") || !strings.Contains(got.out, `smallest: "k"`) {
		t.Errorf("%+v", got)
	}
	whole := filepath.Join(t.TempDir(), "whole")
	lightning(t, "", "salvage", dir, whole)
	files, err := filepath.Glob(filepath.Join(whole, "*.tbl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if out := must(t, "inspect", files[0], "--keys", "--page", "1"); !strings.Contains(out, "leaf page 1 at offset 0: ") ||
		!strings.Contains(out, "put 3 bytes m\n") {
		t.Errorf("%s", out)
	}
	var c lightningdb.InspectReport
	if err := json.Unmarshal([]byte(must(t, "inspect", files[0], "--keys", "--json")), &c); err != nil ||
		len(c.Parts) != 1 || string(c.Parts[0].Keys[0].Key) != "m" || c.Parts[0].Number != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	db, err := lightningdb.Open(whole, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := errors.Join(db.Put([]byte("n"), []byte("v")), db.Delete([]byte("n"))); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(whole, "*.wal"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("%q, %v", logs, err)
	}
	if out := must(t, "inspect", logs[0], "--keys", "--record", "2"); !strings.Contains(out, "commit 2 at offset ") ||
		!strings.Contains(out, "delete 0 bytes n\n") || strings.Contains(out, "commit 1") {
		t.Errorf("%s", out)
	}
}
