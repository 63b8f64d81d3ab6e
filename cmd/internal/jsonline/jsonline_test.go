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

type inner struct {
	A int     `json:"a"`
	B float64 `json:"b,omitempty"`
}

type sample struct {
	inner
	Name    string         `json:"name"`
	Maybe   *string        `json:"maybe"`
	Absent  *string        `json:"absent,omitempty"`
	List    []inner        `json:"list"`
	Words   []string       `json:"words,omitempty"`
	Figures map[string]any `json:"figures,omitempty"`
	Nested  struct {
		Yes bool   `json:"yes"`
		U   uint64 `json:"u"`
	} `json:"nested"`
	Plain  int16
	Hidden string `json:"-"`
	hidden int
}

func drawSample(t *rapid.T) sample {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"", "\"\\\b\f\n\r\t\x00\x1f\x7f", "<&>\u2028\u2029\ufffd😀"}))
	number := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.Int32().Draw(t, "n")) / 1024 })
	in := rapid.Custom(func(t *rapid.T) inner { return inner{rapid.Int().Draw(t, "a"), number.Draw(t, "b")} })
	s := sample{inner: in.Draw(t, "inner"), Name: text.Draw(t, "name"), Plain: rapid.Int16().Draw(t, "plain"),
		List: rapid.SliceOf(in).Draw(t, "list"), Words: rapid.SliceOf(text).Draw(t, "words"), Hidden: "h", hidden: 1}
	s.Nested.Yes, s.Nested.U = rapid.Bool().Draw(t, "yes"), rapid.Uint64().Draw(t, "u")
	if rapid.Bool().Draw(t, "nils") {
		return s
	}
	s.Maybe, s.Absent = &s.Name, &s.Name
	s.Figures = map[string]any{"z": 1, "a": "x", s.Name: number.Draw(t, "figure"), "none": nil}
	return s
}

// Programs read this output with a JSON parser that has never heard of this package.
func TestAppend_writesWhatEncodingJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSample(t)
		var want, got bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := errors.Join(encoder.Encode(s), Write(&got, s)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), got.String()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// A NaN in one figure must not cost the report it stands in.
func TestAppend_isValidForEveryNumber(t *testing.T) {
	for f, want := range map[float64]string{math.Inf(1): "null", math.Inf(-1): "null", 0.1: "0.1", 1e-9: "0.000000001",
		1e21: "1000000000000000000000"} {
		if got := string(Append(nil, f)); got != want {
			t.Errorf("%g: %s, want %s", f, got, want)
		}
	}
	if got := string(Append(nil, math.NaN())); got != "null" {
		t.Errorf("NaN: %s", got)
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

// FuzzReadObject: what is read is what package encoding/json reads, and what it refuses is refused.
func FuzzReadObject(f *testing.F) {
	f.Add([]byte(`{"a":"b","c":null,"d":"\ud83d\ude00\n"}`))
	f.Add([]byte(`{"a":"\/\u00e9"} `))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := make(map[string]*string)
		err := ReadObject(text, "", func(name string, value *string) error {
			got[name] = value
			return nil
		})
		if err != nil {
			return
		}
		var want map[string]*string
		if err := json.Unmarshal(text, &want); err != nil || !cmp.Equal(want, got) {
			t.Fatalf("%q: read %v, want %v, %v", text, got, want, err)
		}
	})
}
