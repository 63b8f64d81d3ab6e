package jsonline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Scripts read results line by line, and a path must be there as it is, not in the escapes of a web page.
func TestWrite_isOneLineOfPlainText(t *testing.T) {
	var out bytes.Buffer
	err := Write(&out, struct {
		Path    string         `json:"path"`
		Absent  string         `json:"absent,omitempty"`
		Files   []string       `json:"files"`
		Figures map[string]any `json:"figures"`
	}{Path: "<a>&b\n\xff", Figures: map[string]any{"z": 1, "a": 0.5}})
	want := `{"path":"<a>&b\n\ufffd","files":null,"figures":{"a":0.5,"z":1}}` + "\n"
	if err != nil || out.String() != want {
		t.Errorf("%v, %q, want %q", err, out.String(), want)
	}
}

// A number that is none would leave half a line behind.
func TestWrite_refusesWhatJSONCannotSay(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, []float64{1, math.NaN()}); err == nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}

// fieldsOf reads an object into a list.
func fieldsOf(text []byte) (fields []string, err error) {
	err = ReadObject(text, "", func(name string, value *string) error {
		if value == nil {
			fields = append(fields, name)
		} else {
			fields = append(fields, name+"="+*value)
		}
		return nil
	})
	return fields, err
}

// A character that is read as another one is silent damage to the data that is imported.
func TestReadObject_readsEveryString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		for _, escapeHTML := range []bool{false, true} {
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(escapeHTML)
			if err := encoder.Encode(map[string]string{s: s}); err != nil {
				t.Fatal(err)
			}
			got, err := fieldsOf(text.Bytes())
			if want := []string{s + "=" + s}; err != nil || !cmp.Equal(got, want) {
				t.Fatalf("%s: got %q, %v", text.Bytes(), got, err)
			}
		}
	})
	for text, want := range map[string]string{
		` { "a" : "b" , "c":null, "d":"" } `: `["a=b" "c" "d="]`,
		`{}`:                                 `[]`,
		`{"\u0061\/\b\f\n\r\t\"\\":"\uD83D\ude00"}`: `["a/\b\f\n\r\t\"\\=😀"]`,
	} {
		if got, err := fieldsOf([]byte(text)); err != nil || fmt.Sprintf("%q", got) != want {
			t.Errorf("%s: got %q, %v", text, got, err)
		}
	}
}

// Whoever has to mend a line needs to know what is wrong with it.
func TestReadObject_saysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		``: "does not end", `{`: "does not end", `{"a`: "does not end", `{"a"`: "does not end", `{"a":`: "does not end",
		`{"a":"b"`: "does not end", `{"a":"b",`: "does not end", `{"a":"\`: "does not end", `{"a":"\u12`: "does not end",
		`{"a":1}`: "not a number", `{"a":-1}`: "not a number", `{"a":[]}`: "not an array", `{"a":{}}`: "not an object",
		`["a"]`: "not an array", `"a"`: "not a string", `x`: "invalid character 'x'", `{a}`: "invalid character 'a'",
		`{"a":true}`: "invalid character 't'", `{"a" "b"}`: "want a colon", `{"a":"b" "c":"d"}`: "want a comma",
		`{"a":"b",}`: "the name of a field", `{"a":"\x"}`: "behind a backslash", `{"a":"\u12g4"}`: "hexadecimal",
		"{\"a\":\"\n\"}": "write an escape", `{"a":"b"}{`: "follows", `{"a":"b","a":"c"}`: `"a" is there twice`,
		"{\"a\":\"\xff\"}": "UTF-8", `{"a":"\ud83d"}`: "surrogate", `{"a":"\ude00\ud83d"}`: "surrogate",
		`{"a":"\ud83d\n"}`: "surrogate",
	} {
		if _, err := fieldsOf([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...", text, err, want)
		}
	}
	stop := errors.New("stop")
	if err := ReadObject([]byte(`{"a":"b"}`), "", func(string, *string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of set: %v", err)
	}
}

// agrees compares what ReadObject makes of text with what package encoding/json does: what one reads the other reads as
// the same, and what it refuses is refused. ReadObject alone refuses what encoding/json would change without a word.
func agrees(t interface{ Fatalf(string, ...any) }, text []byte) {
	got := make(map[string]*string)
	err := ReadObject(text, "", func(name string, value *string) error {
		got[name] = value
		return nil
	})
	var want map[string]*string
	wantErr := json.Unmarshal(text, &want)
	switch {
	case err == nil && (wantErr != nil || !cmp.Equal(want, got)):
		t.Fatalf("%q: read %v, want %v, %v", text, got, want, wantErr)
	case err != nil && wantErr == nil && want != nil && !errors.Is(err, ErrNotUTF8) && !errors.Is(err, ErrSurrogate) &&
		!strings.Contains(err.Error(), "is there twice"):
		t.Fatalf("%q: %v, but it is %v", text, err, want)
	}
}

// Text that is nearly an object must be refused where it is none, and only there: a line that others can read would
// not be imported.
func TestReadObject_agreesWithEncodingJSON(t *testing.T) {
	parts := []string{"{", "}", `"`, `"a"`, `"b"`, ":", ",", "null", " ", "\n", `\`, `\u`, `\ud83d\ude00`, `\udc00`,
		"00e9", "1", "[]", "true", "\xff", "\xed\xa0\x80", "\x00", "é", "😀", "\ufffd"}
	field := rapid.Custom(func(t *rapid.T) string {
		inside := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(parts[9:]), 0, 3), func(s []string) string {
			return strings.Join(s, "")
		})
		return `"` + inside.Draw(t, "name") + `":"` + inside.Draw(t, "value") + `"`
	})
	rapid.Check(t, func(t *rapid.T) {
		text := "{" + strings.Join(rapid.SliceOfN(field, 0, 3).Draw(t, "fields"), ",") + "}"
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			end := rapid.IntRange(at, min(at+2, len(text))).Draw(t, "end")
			text = text[:at] + rapid.SampledFrom(append(parts, "")).Draw(t, "part") + text[end:]
		}
		agrees(t, []byte(text))
	})
}

// FuzzReadObject: what is read is what package encoding/json reads, and what it refuses is refused.
func FuzzReadObject(f *testing.F) {
	f.Add([]byte(`{"a":"b","c":null,"d":"\ud83d\ude00\n"}`))
	f.Add([]byte(`{"a":"\/\u00e9"} `))
	f.Fuzz(func(t *testing.T, text []byte) { agrees(t, text) })
}
