package exchange

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// nasty are byte strings that text formats like to change.
var nasty = []string{
	"k", "a,b", `"`, `""`, `\`, `\u0041`, "\n", "\r", "\r\n", "a\r\nb", "\x00", "\xff\xfe", "é", "\u2028",
	"\ufeff", " lead", "trail ",
	"\t", "#", "=1+1", "<&>", "\ufffd", "\xed\xa0\x80", `\ud800`, "😀", "key", `\.`, "null",
}

func writeAll(t interface{ Fatal(...any) }, w Writer, entries []Entry) {
	for _, e := range entries {
		if err := w.Write(e.Key, e.Value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

func readAll(t interface{ Fatal(...any) }, r Reader) []Entry {
	var entries []Entry
	for {
		e, err := r.Read()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
}

// forms are the combinations that must carry every byte string.
var forms = map[string]struct {
	writer func(io.Writer) Writer
	reader func(io.Reader) Reader
}{
	"jsonl": {func(w io.Writer) Writer { return NewJSONWriter(w, Text) },
		func(r io.Reader) Reader { return NewJSONReader(r, Text) }},
	"jsonl hex": {func(w io.Writer) Writer { return NewJSONWriter(w, Hex) },
		func(r io.Reader) Reader { return NewJSONReader(r, Text) }},
	"jsonl base64": {func(w io.Writer) Writer { return NewJSONWriter(w, Base64) },
		func(r io.Reader) Reader { return NewJSONReader(r, Hex) }},
	"csv hex": {func(w io.Writer) Writer { return NewCSVWriter(w, Hex) },
		func(r io.Reader) Reader { return NewCSVReader(r, Text) }},
	"csv base64": {func(w io.Writer) Writer { return NewCSVWriter(w, Base64) },
		func(r io.Reader) Reader { return NewCSVReader(r, Text) }},
}

// An export that changes a single byte is silent data loss, found when the original is gone.
func TestForms_everyByteStringComesBack(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				bytesOrNasty := rapid.OneOf(rapid.SliceOf(rapid.Byte()),
					rapid.Map(rapid.SampledFrom(nasty), func(s string) []byte { return []byte(s) }))
				entries := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Entry {
					return Entry{Key: append(bytesOrNasty.Draw(t, "key"), 'k'), Value: bytesOrNasty.Draw(t, "value")}
				})).Draw(t, "entries")
				var file bytes.Buffer
				writeAll(t, form.writer(&file), entries)
				got := readAll(t, form.reader(&file))
				if diff := cmp.Diff(entries, got, cmp.Comparer(bytes.Equal)); diff != "" && len(entries)+len(got) > 0 {
					t.Fatalf("came back changed (-want +got):\n%s\nfile:\n%s", diff, file.String())
				}
			})
		})
	}
}

// CSV text must either carry an entry exactly or refuse it: changing CR LF to LF in somebody's data is not acceptable.
func TestCSVText_exactOrRefused(t *testing.T) {
	for _, s := range nasty {
		var file bytes.Buffer
		w := NewCSVWriter(&file, Text)
		err := w.Write([]byte(s), []byte(s))
		if errors.Is(err, ErrNotText) {
			continue
		}
		if err != nil || w.Flush() != nil {
			t.Fatalf("%q: %v", s, err)
		}
		got, err := NewCSVReader(&file, Text).Read()
		if err != nil || string(got.Key) != s || string(got.Value) != s {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"\xff", "a\r\nb"} {
		if err := NewCSVWriter(io.Discard, Text).Write([]byte(s), nil); !errors.Is(err, ErrNotText) {
			t.Errorf("%q was not refused: %v", s, err)
		}
	}
}

// A bad line that is skipped, or blamed on another line, leaves a hole nobody can find.
func TestReaders_nameTheBadLine(t *testing.T) {
	good := `{"key":"a","value":"1"}`
	for _, c := range []struct {
		name, text, want string
		csv              bool
		line, good       int
	}{
		{name: "not json", text: good + "\nhello\n", line: 2, good: 1, want: "invalid character"},
		{name: "blank lines count", text: "\n\n" + good + "\n\n{\n", line: 5, good: 1, want: "does not end"},
		{name: "cut off", text: good + "\n" + good[:10], line: 2, good: 1, want: "does not end"},
		{name: "unknown field", text: `{"key":"a","value":"b","ttl":"1"}`, line: 1, want: "ttl"},
		{name: "no value", text: `{"key":"a"}`, line: 1, want: `no "value"`},
		{name: "no key", text: `{"value":"a"}`, line: 1, want: `no "key"`},
		{name: "null", text: `{"key":"a","value":null}`, line: 1, want: `no "value"`},
		{name: "number", text: `{"key":"a","value":1}`, line: 1, want: "string"},
		{name: "array", text: `["a","b"]`, line: 1, want: "array"},
		{name: "two objects", text: good + good, line: 1, want: "follows"},
		{name: "unknown encoding", text: `{"key":"a","value":"b","encoding":"rot13"}`, line: 1, want: "rot13"},
		{name: "odd hex", text: `{"key":"abc","value":"","encoding":"hex"}`, line: 1, want: "the key is not hex"},
		{name: "bad base64", text: `{"key":"aa==","value":"*","encoding":"base64"}`, line: 1,
			want: "the value is not base64"},
		{name: "invalid utf-8", text: "{\"key\":\"a\xff\",\"value\":\"\"}", line: 1, want: "UTF-8"},
		{name: "lone surrogate", text: `{"key":"\ud83d","value":""}`, line: 1, want: "surrogate"},
		{name: "lone low surrogate", text: `{"key":"\\\udc00","value":""}`, line: 1, want: "surrogate"},
		{name: "empty key", text: `{"key":"","value":""}`, line: 1, want: "empty"},
		{name: "empty key in csv", csv: true, text: "key,value\n,1\n", line: 2, want: "empty"},
		{name: "long key", text: `{"key":"` + strings.Repeat("k", 64<<10+1) + `","value":""}`, line: 1,
			want: "more than 65536"},
		{name: "empty csv", csv: true, text: "", line: 1, want: "header"},
		{name: "csv without header", csv: true, text: "a,1\n", line: 1, want: "header"},
		{name: "csv columns", csv: true, text: "key,value\na,1\nb\n", line: 3, good: 1, want: "1 columns"},
		{name: "csv bare quote", csv: true, text: "key,value\na,1\nb\",2\n", line: 3, good: 1, want: `"`},
		{name: "csv open quote", csv: true, text: "key,value\na,\"1\n2\"\nb,\"x\n", line: 4, good: 1, want: `"`},
		{name: "csv hex", csv: true, text: "key_hex,value_hex\n00,1\n", line: 2, want: "value is not hex"},
		{name: "csv utf-8", csv: true, text: "key,value\n\xff,1\n", line: 2, want: "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Reader = NewJSONReader(strings.NewReader(c.text), Text)
			if c.csv {
				r = NewCSVReader(strings.NewReader(c.text), Text)
			}
			for range c.good {
				if _, err := r.Read(); err != nil {
					t.Fatal(err)
				}
			}
			_, err := r.Read()
			var bad *LineError
			if !errors.As(err, &bad) || bad.Line != c.line || !strings.Contains(bad.Error(), c.want) {
				t.Fatalf("got %v; want line %d: ...%s...", err, c.line, c.want)
			}
		})
	}
}

// zeros is an input without an end and without a line break.
type zeros struct{ head string }

func (z *zeros) Read(p []byte) (int, error) {
	if z.head != "" {
		n := copy(p, z.head)
		z.head = z.head[n:]
		return n, nil
	}
	clear(p)
	return len(p), nil
}

// A file that is one endless line must not take the machine's memory with it.
func TestReaders_boundOneRecord(t *testing.T) {
	const limit = 1 << 20
	fromJSON := NewJSONReader(&zeros{`{"key":"`}, Text)
	fromJSON.limit = limit
	fromCSV := NewCSVReader(&zeros{"key,value\n\""}, Text)
	fromCSV.limit = limit
	for name, r := range map[string]Reader{"jsonl": fromJSON, "csv": fromCSV} {
		_, err := r.Read()
		var bad *LineError
		if !errors.As(err, &bad) || !errors.Is(err, errTooLong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever the input, a reader must answer with entries or an error, never with a panic or an endless loop.
func FuzzReaders(f *testing.F) {
	f.Add("{\"key\":\"a\",\"value\":\"\\ud83d\\ude00\"}\n")
	f.Add("key,value\na,\"b\"\"\"\n")
	f.Add("key_hex,value_hex\n00,ff\n")
	f.Add(`{"key":"\\\ud83d`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range []Reader{NewJSONReader(strings.NewReader(text), Text),
			NewCSVReader(strings.NewReader(text), Text)} {
			for range len(text) + 2 {
				if _, err := r.Read(); err != nil {
					break
				}
			}
		}
	})
}

// The format of a file is chosen by its name; a wrong guess imports a header as data.
func TestFormat_byNameAndByExtension(t *testing.T) {
	for path, want := range map[string]Format{"a.csv": CSV, "b/A.CSV": CSV, "a.jsonl": JSONLines, "-": JSONLines,
		"csv": JSONLines, "a.json": JSONLines} {
		if got := FormatOf(path); got != want {
			t.Errorf("FormatOf(%q) = %d", path, got)
		}
	}
	for name, want := range map[string]string{"jsonl": "0 <nil>", "csv": "1 <nil>",
		"xml": `0 unknown format "xml" (jsonl or csv)`} {
		format, err := FormatNamed(name)
		if got := fmt.Sprintf("%d %v", format, err); got != want {
			t.Errorf("FormatNamed(%q) = %s", name, got)
		}
	}
}
