package jsonline

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A value that is stored as its text must be the text that was there, to the byte.
func TestReadObject_keepsTheTextOfAnyValue(t *testing.T) {
	for _, value := range []string{`"a\u0062"`, `null`, `true`, `false`, `0`, `-0.5e+10`, `1E3`, `{}`, `[]`,
		`{"a":[1,{"b":null} ]}`,
		`[ 1 , "]" ]`, `"\ud83d"`, `"\udc00x"`, strings.Repeat("[", 1000) + strings.Repeat("]", 1000)} {
		var got string
		text := fmt.Sprintf(`{"key":"k", "value" : %s ,"encoding":null}`, value)
		err := ReadObject([]byte(text), "value", func(name string, value *string) error {
			if name == "value" {
				got = *value
			}
			return nil
		})
		if err != nil || got != value {
			t.Errorf("%s: got %s, %v", value, got, err)
		}
	}
}

// Whoever gets a text back must be able to read it as JSON; what is none must not get in.
func TestValid_isWhatEncodingJSONSays(t *testing.T) {
	for _, text := range []string{``, ` `, `nul`, `01`, `1.`, `.5`, `1e`, `+1`, `-`, `[`, `[1`, `[1,]`, `{"a"}`,
		`{"a":}`, `{"a":1,}`, `{a:1}`,
		`"`, `"\x"`, `"\u12"`, "\"\n\"", `1 2`, `{}{}`, "\"\xff\"", ` [ 1 , {"a" : "b"} ] `, `"\ud83d"`, `"\ud83d\u0041"`,
		`"\ud83d\x"`, "[\n1\r\n]", `1.5e-7`, `[}`, `{"a":[}]`, `{"a":1]`, `tru e`} {
		// encoding/json takes invalid UTF-8 and changes it
		want := json.Valid([]byte(text)) && !strings.Contains(text, "\xff")
		if got := Valid([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzValid: the same of whatever anybody thinks of.
func FuzzValid(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null},"\ud83d"],"c":-1.5e-7}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if Valid(text) && !json.Valid(text) {
			t.Fatalf("%q is not JSON", text)
		}
		if !Valid(text) && json.Valid(text) && strings.ToValidUTF8(string(text), "") == string(text) {
			t.Fatalf("%q is JSON", text)
		}
	})
}
