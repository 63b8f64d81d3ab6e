package exchange

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lightningdb"
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

func entry(key, value string) Entry { return Entry{Key: []byte(key), Value: []byte(value)} }

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
	"jsonl": {func(w io.Writer) Writer { return NewJSONWriter(w, Form{}) },
		func(r io.Reader) Reader { return NewReader(r, Form{}) }},
	"jsonl hex": {func(w io.Writer) Writer { return NewJSONWriter(w, Form{Encoding: Hex}) },
		func(r io.Reader) Reader { return NewReader(r, Form{}) }},
	"jsonl base64": {func(w io.Writer) Writer { return NewJSONWriter(w, Form{Encoding: Base64}) },
		func(r io.Reader) Reader { return NewReader(r, Form{Encoding: Hex}) }},
	"csv hex": {func(w io.Writer) Writer { return NewWriter(w, Form{Format: CSV, Encoding: Hex}) },
		func(r io.Reader) Reader { return NewReader(r, Form{Format: CSV}) }},
	"csv base64": {func(w io.Writer) Writer { return NewWriter(w, Form{Format: CSV, Encoding: Base64}) },
		func(r io.Reader) Reader { return NewReader(r, Form{Format: CSV}) }},
}

// An export that changes a single byte is silent data loss, found when the original is gone.
func TestForms_everyByteStringComesBack(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				bytesOrNasty := rapid.OneOf(rapid.SliceOf(rapid.Byte()),
					rapid.Map(rapid.SliceOfN(rapid.SampledFrom(nasty), 0, 3), func(s []string) []byte {
						return []byte(strings.Join(s, ""))
					}))
				entries := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Entry {
					e := Entry{Key: bytesOrNasty.Draw(t, "key"), Value: bytesOrNasty.Draw(t, "value")}
					switch rapid.IntRange(0, 20).Draw(t, "size") {
					case 0:
						e.Key = bytes.Repeat(append(e.Key, 0x80), lightningdb.MaxKeySize)[:lightningdb.MaxKeySize]
					case 1:
						e.Value = bytes.Repeat(e.Value, 1000)
					}
					return e
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

// A bucket that comes back under another name, or without its sequence, is another one.
func TestJSONLines_bucketsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringN(1, 20, 255), rapid.SampledFrom([]string{"/", `\`, `\/`, "a/b", "\x00", "..", "ü"}))
		paths := rapid.SliceOf(rapid.SliceOfN(name, 1, 32)).Draw(t, "paths")
		var file bytes.Buffer
		w := NewJSONWriter(&file, Form{Encoding: rapid.SampledFrom([]Encoding{Text, Hex}).Draw(t, "encoding")})
		want := []Entry{entry("of the root", "\xff")}
		err := w.Write(want[0].Key, want[0].Value)
		for _, path := range paths {
			sequence := rapid.Uint64().Draw(t, "sequence")
			in := entry("k", "v")
			in.Bucket = path
			want = append(want, Entry{Bucket: path, IsBucket: true, Sequence: sequence}, in)
			err = errors.Join(err, w.Enter(path, sequence), w.Write(in.Key, in.Value))
		}
		if err = errors.Join(err, w.Flush()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, readAll(t, NewReader(&file, Form{}))); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// CSV text must either carry an entry exactly or refuse it: changing CR LF to LF in somebody's data is not acceptable.
func TestCSVText_exactOrRefused(t *testing.T) {
	for _, form := range []Form{{Format: CSV}, {Format: TSV}, {Format: CSV, Delimiter: ';'},
		{Format: CSV, Delimiter: 'k'}} {
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.OneOf(rapid.SliceOf(rapid.Byte()),
				rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
				rapid.Map(rapid.SliceOf(rapid.SampledFrom(nasty)), func(s []string) []byte { return []byte(strings.Join(s, "")) }))
			entry := Entry{Key: append(text.Draw(t, "key"), 'k'), Value: text.Draw(t, "value")}
			var file bytes.Buffer
			w := NewWriter(&file, form)
			if err := w.Write(entry.Key, entry.Value); err != nil {
				if !errors.Is(err, ErrNotText) || utf8.Valid(entry.Key) && utf8.Valid(entry.Value) {
					t.Fatalf("%+v: %v", entry, err)
				}
				return
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if form.Delimiter == 'k' { // it stands in the names of the columns
				form.KeyColumn, form.ValueColumn = "key", "value"
			}
			got := readAll(t, NewReader(&file, form))
			if len(got) != 1 || !bytes.Equal(got[0].Key, entry.Key) || !bytes.Equal(got[0].Value, entry.Value) {
				t.Fatalf("%+v came back as %+v", entry, got)
			}
		})
	}
}

// What other programs write must be read as they meant it, to the byte.
func TestCSV_readsWhatOthersWrite(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		form Form
		want string // key=value, joined by blanks
	}{
		"byte order mark":        {"\ufeffkey,value\r\na,1\r\n", Form{}, "a=1"},
		"CR LF in quotes":        {"key,value\r\na,\"1\r\n2\"\r\n", Form{}, "a=1\r\n2"},
		"LF in quotes":           {"key,value\na,\"1\n2\"\n", Form{}, "a=1\n2"},
		"CR in and out":          {"key,value\na,\"1\r2\"\nb,3\r4\n", Form{}, "a=1\r2 b=3\r4"},
		"CR before the quote":    {"key,value\na,\"1\r\"\r\n", Form{}, "a=1\r"},
		"no line break at end":   {"key,value\na,1", Form{}, "a=1"},
		"CR at the end":          {"key,value\r\na,1\r", Form{}, "a=1"},
		"quotes":                 {"\"key\",\"value\"\n\"a,\"\"b\",\"\"\n", Form{}, "a,\"b="},
		"blank lines":            {"\n\r\nkey,value\n\n\r\na,1\n\n", Form{}, "a=1"},
		"the other order":        {"value,key\n1,a\n", Form{}, "a=1"},
		"tabs":                   {"key\tvalue\na\t1,2\n", Form{Format: TSV}, "a=1,2"},
		"semicolons":             {"key;value\na;1,2\n", Form{Delimiter: ';'}, "a=1,2"},
		"columns by name":        {"n,id,name\n1,a,x\n2,b,y\n", Form{KeyColumn: "id", ValueColumn: "name"}, "a=x b=y"},
		"one column by name":     {"id,value,rest\na,x,\n", Form{KeyColumn: "id"}, "a=x"},
		"hex columns by name":    {"id,v\n61,62\n", Form{KeyColumn: "id", ValueColumn: "v", Encoding: Hex}, "a=b"},
		"one column for both":    {"id\na\n", Form{KeyColumn: "id", ValueColumn: "id"}, "a=a"},
		"blanks and NUL":         {"key,value\n a , \x00 \n", Form{}, " a = \x00 "},
		"JSON in a column":       {"key,value\na,\"{\"\"b\"\":1}\"\n", Form{}, `a={"b":1}`},
		"a mark that is no mark": {"key,value\n\ufeffa,\ufeff\n", Form{}, "\ufeffa=\ufeff"},
	} {
		if c.form.Format == JSONLines {
			c.form.Format = CSV
		}
		var got []string
		for _, e := range readAll(t, NewReader(strings.NewReader(c.text), c.form)) {
			got = append(got, string(e.Key)+"="+string(e.Value))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Where encoding/csv changes no byte, a reader of our own has no right to differ.
func TestCSV_agreesWithEncodingCSV(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SampledFrom([]string{"a", ",", "\"", "\n", "\"\"", " ", "é", "\x00"})
		text := strings.Join(rapid.SliceOf(parts).Draw(t, "text"), "")
		theirs := csv.NewReader(strings.NewReader(text))
		theirs.FieldsPerRecord = -1
		ours := newCSVReader(strings.NewReader(text), Form{Format: CSV})
		for {
			want, wantErr := theirs.Read()
			err := ours.next()
			if (err == nil) != (wantErr == nil) || (err == io.EOF) != (wantErr == io.EOF) {
				t.Fatalf("%q: %v; encoding/csv: %v", text, err, wantErr)
			}
			if err != nil {
				return
			}
			got := make([]string, len(ours.ends))
			for i := range got {
				got[i] = ours.field(i)
			}
			if line, _ := theirs.FieldPos(0); !cmp.Equal(got, want) || line != ours.start {
				t.Fatalf("%q: line %d is %q; encoding/csv: line %d is %q", text, ours.start, got, line, want)
			}
		}
	})
}

// A value that is JSON is stored as its text; a database of such values can be written so that others read it as JSON.
func TestJSONValues_areTheirText(t *testing.T) {
	text := `{"key":"a","value":{"n": [1, 2.50]}}
{"key":"/w==","value":"\u0041","encoding":"base64"}
{"key":"c","value":null}
{"key":"d","value":-1e3}
`
	form := Form{JSONValues: true}
	entries := readAll(t, NewReader(strings.NewReader(text), form))
	want := []Entry{entry("a", `{"n": [1, 2.50]}`), entry("\xff", `"\u0041"`), entry("c", "null"), entry("d", "-1e3")}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	var file bytes.Buffer
	writeAll(t, NewWriter(&file, form), entries)
	if file.String() != text {
		t.Errorf("written as\n%s", file.String())
	}
	file.Reset()
	writeAll(t, NewWriter(&file, form), []Entry{entry("a", "[1,\r\n2]\n")})
	if file.String() != `{"key":"a","value":[1,  2] }`+"\n" {
		t.Errorf("line breaks are written as %q", file.String())
	}
	for _, value := range []string{"", "word", "{", "\xff"} {
		if err := NewWriter(io.Discard, form).Write([]byte("a"), []byte(value)); !errors.Is(err, ErrNotJSON) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// An export is read by people and by grep: <, > and & must not become the escapes of a web page.
func TestJSONWriter_writesTextAsItIs(t *testing.T) {
	var file bytes.Buffer
	writeAll(t, NewJSONWriter(&file, Form{}), []Entry{
		entry("<a>&b", "\"\\\n\x7fé😀\u2028"),
		entry("\xff", "<"),
	})
	want := `{"key":"<a>&b","value":"\"\\\n` + "\x7f" + `é😀\u2028"}` + "\n" +
		`{"key":"/w==","value":"PA==","encoding":"base64"}` + "\n"
	if file.String() != want {
		t.Errorf("\n got %q\nwant %q", file.String(), want)
	}
}

// Whoever took one kind of file for another needs to hear it, not a complaint about a character.
func TestReaders_hintAtTheForm(t *testing.T) {
	csvForm, tsvForm := Form{Format: CSV}, Form{Format: TSV}
	for name, c := range map[string]struct {
		text string
		form Form
		want string
	}{
		"CSV":                   {"key,value\na,1\n", Form{}, "--format csv"},
		"CSV with a mark":       {"\ufeffkey,value\na,1\n", Form{}, "--format csv"},
		"CSV with semicolons":   {"key;value\na;1\n", Form{}, "--delimiter ';'"},
		"TSV":                   {"key\tvalue\na\t1\n", Form{}, "--format tsv"},
		"an array":              {`[{"key":"a","value":"1"}]`, Form{}, "jq -c"},
		"JSON Lines":            {`{"key":"a","value":"1"}`, csvForm, "--format jsonl"},
		"semicolons for commas": {"key;value\na;1\n", csvForm, "--delimiter ';'"},
		"commas for tabs":       {"key,value\na,1\n", tsvForm, "--delimiter ','"},
		"compressed":            {"\x1f\x8b\x08", Form{}, ".gz"},
		"compressed CSV":        {"\x1f\x8b\x08", csvForm, ".gz"},
		"UTF-16":                {"\xff\xfek\x00", csvForm, "UTF-8"},
		"UTF-16, the other way": {"\xfe\xff\x00{", Form{}, "UTF-8"},
		"a number":              {`{"key":"a","value":1}`, Form{}, "--values json"},
		"other columns":         {"id,name\na,1\n", csvForm, "--key-column"},
	} {
		_, err := NewReader(strings.NewReader(c.text), c.form).Read()
		var bad *LineError
		if !errors.As(err, &bad) || bad.Line != 1 || !strings.Contains(bad.Error()+"; "+bad.Hint, c.want) {
			t.Errorf("%s: %+v", name, err)
		}
	}
	later := NewReader(strings.NewReader(`{"key":"a","value":"1"}`+"\na,1\n"), Form{})
	if _, err := later.Read(); err != nil {
		t.Fatal(err)
	}
	var bad *LineError
	if _, err := later.Read(); !errors.As(err, &bad) || bad.Hint != "" {
		t.Errorf("a bad line in the middle: %+v", err)
	}
}

// A bad line that is skipped, or blamed on another line, leaves a hole nobody can find.
func TestReaders_nameTheBadLine(t *testing.T) {
	good := `{"key":"a","value":"1"}`
	for _, c := range []struct {
		name, text, want string
		csv              bool
		form             Form
		line, good       int
	}{
		{name: "not json", text: good + "\nhello\n", line: 2, good: 1, want: "invalid character"},
		{name: "blank lines count", text: "\n\n" + good + "\n\n{\n", line: 5, good: 1, want: "does not end"},
		{name: "cut off", text: good + "\n" + good[:10], line: 2, good: 1, want: "does not end"},
		{name: "unknown field", text: `{"key":"a","value":"b","ttl":"1"}`, line: 1, want: "ttl"},
		{name: "no value", text: `{"key":"a"}`, line: 1, want: `no "value"`},
		{name: "no key", text: `{"value":"a"}`, line: 1, want: `no "key"`},
		{name: "null", text: `{"key":"a","value":null}`, line: 1, want: `no "value"`},
		{name: "a bucket's name is empty", text: `{"bucket":"a//b","key":"a","value":"1"}`, line: 1, want: "is empty"},
		{name: "a bucket's path has a wrong escape", text: `{"bucket":"a\\q"}`, line: 1, want: "backslash"},
		{name: "the root is no bucket", text: `{"bucket":"/"}`, line: 1, want: "the root"},
		{name: "no number", text: `{"bucket":"a","sequence":"-1"}`, line: 1, want: "64 bits"},
		{name: "a sequence of an entry", text: `{"bucket":"a","sequence":"1","key":"a","value":"1"}`, line: 1,
			want: "of a bucket"},
		{name: "no value in a bucket", text: `{"bucket":"a","key":"1"}`, line: 1, want: `no "value"`},
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
		{name: "long key", text: `{"key":"` + strings.Repeat("k", 64<<10+1) + `","value":""}`, line: 1,
			want: "more than 65536"},
		{name: "empty csv", csv: true, text: "", line: 1, want: "header"},
		{name: "csv without header", csv: true, text: "a,1\n", line: 1, want: "header"},
		{name: "csv columns", csv: true, text: "key,value\na,1\nb\n", line: 3, good: 1, want: "1 columns"},
		{name: "csv no such column", csv: true, form: Form{KeyColumn: "id"}, text: "key,value\na,1\n", line: 1,
			want: `no column "id"; the columns are key, value`},
		{name: "csv a column twice", csv: true, form: Form{KeyColumn: "k"}, text: "k,k,value\na,b,1\n", line: 1,
			want: "two columns"},
		{name: "csv more columns than asked for", csv: true, text: "key,value,more\na,1,2\n", line: 1, want: "header"},
		{name: "csv text behind a quote", csv: true, text: "key,value\na,\"1\"2\n", line: 2, want: "follows the quote"},
		{name: "csv lines inside quotes count", csv: true, text: "key,value\na,\"1\r\n2\n\"\nb\n", line: 5, good: 1,
			want: "1 columns"},
		{name: "csv endless columns", csv: true, text: "key,value\n" + strings.Repeat(",", maxColumns) + "\n", line: 2,
			want: "more than"},
		{name: "json value cut off", form: Form{JSONValues: true}, text: `{"key":"a","value":[1,{}`, line: 1,
			want: "does not end"},
		{name: "json value wrong", form: Form{JSONValues: true}, text: `{"key":"a","value":[01]}`, line: 1, want: "comma"},
		{name: "csv bare quote", csv: true, text: "key,value\na,1\nb\",2\n", line: 3, good: 1, want: `"`},
		{name: "csv open quote", csv: true, text: "key,value\na,\"1\n2\"\nb,\"x\n", line: 4, good: 1, want: `"`},
		{name: "csv hex", csv: true, text: "key_hex,value_hex\n00,1\n", line: 2, want: "value is not hex"},
		{name: "csv utf-8", csv: true, text: "key,value\n\xff,1\n", line: 2, want: "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.csv {
				c.form.Format = CSV
			}
			r := NewReader(strings.NewReader(c.text), c.form)
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
	fromJSON := newJSONReader(&zeros{`{"key":"`}, Form{})
	fromJSON.limit = limit
	fromCSV := newCSVReader(&zeros{"key,value\n\""}, Form{Format: CSV})
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
		for _, form := range []Form{{}, {JSONValues: true}, {Format: CSV}, {Format: TSV, KeyColumn: "a", ValueColumn: "b"}} {
			r := NewReader(strings.NewReader(text), form)
			for range len(text) + 2 {
				if _, err := r.Read(); err != nil {
					break
				}
			}
		}
	})
}

// The form of a file is chosen by its name; a wrong guess imports a header as data.
func TestForm_byNameAndByExtension(t *testing.T) {
	for path, want := range map[string]Form{"a.csv": {Format: CSV}, "b/A.CSV": {Format: CSV}, "a.tsv": {Format: TSV},
		"a.jsonl": {},
		"-":       {}, "csv": {}, "a.json": {}, "a.gz": {Gzip: true}, "a.csv.gz": {Format: CSV, Gzip: true},
		"a.TSV.GZ": {Format: TSV, Gzip: true}, "a.jsonl.gz": {Gzip: true}, "gz": {}, "a.gz.csv": {Format: CSV}} {
		if got := FormOf(path); got != want {
			t.Errorf("FormOf(%q) = %+v", path, got)
		}
	}
	for name, want := range map[string]string{"jsonl": "jsonl <nil>", "csv": "csv <nil>", "tsv": "tsv <nil>",
		"xml": `jsonl unknown format "xml" (jsonl, csv or tsv)`} {
		format, err := FormatNamed(name)
		if got := fmt.Sprintf("%v %v", format, err); got != want {
			t.Errorf("FormatNamed(%q) = %s", name, got)
		}
	}
}
