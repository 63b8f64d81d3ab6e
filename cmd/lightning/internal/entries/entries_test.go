package entries

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/lightning/internal/exchange"
)

// A range that leaves out one key that begins with the prefix, or takes one that does not, deletes or exports the wrong
// data.
func TestRange_prefixMeansBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 0x7f, 0x80, 0xc3, 0xfe, 0xff}), 1, 5)
		prefix, key := some.Draw(t, "prefix"), some.Draw(t, "key")
		if rapid.Bool().Draw(t, "begins with it") {
			key = slices.Concat(prefix, key)
		}
		e := rapid.SampledFrom([]Encoding{{Hex: true}, {Base64: true}, {}}).Draw(t, "encoding")
		r := Range{Encoding: e, Prefix: e.Of().Encode(prefix)}
		lo, hi, err := r.Bounds()
		if err != nil {
			t.Fatal(err)
		}
		inside := bytes.Compare(key, lo) >= 0 && (hi == nil || bytes.Compare(key, hi) < 0)
		if inside != bytes.HasPrefix(key, prefix) {
			t.Fatalf("%x with prefix %x: %v, by %x to %x", key, prefix, inside, lo, hi)
		}
	})
}

// An argument that is not what its flag says must be refused as wrong use, not stored as something else.
func TestEncoding_refusesWhatItCannotRead(t *testing.T) {
	for text, e := range map[string]Encoding{"0": {Hex: true}, "zz": {Hex: true}, "*": {Base64: true},
		strings.Repeat("k", 1<<16+1): {}} {
		_, err := e.Key(text)
		var wrong *command.UsageError
		if !errors.As(err, &wrong) || wrong.Hint == "" {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

// A counter shown as its bytes cannot be read; a text shown as a number is another value.
func TestShow_countersAreNumbersWhenAsked(t *testing.T) {
	counter, text := []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte("text")
	for _, c := range []struct {
		show Show
		want string
	}{
		{Show{}, "k\t\\xfe\\xff\\xff\\xff\\xff\\xff\\xff\\xff\nk\ttext\nk\n"},
		{Show{Counters: true}, "k\t-2\nk\ttext\nk\n"},
		{Show{Counters: true, Encoding: exchange.Hex}, "6b\t-2\n6b\t74657874\n6b\n"},
		{Show{Counters: true, JSON: true}, `{"key":"k","value":-2}` + "\n" + `{"key":"k","value":"text"}` + "\n" +
			`{"key":"k"}` + "\n"},
		{Show{Counters: true, JSON: true, Encoding: exchange.Hex}, `{"key":"6b","value":-2,"encoding":"hex"}` + "\n" +
			`{"key":"6b","value":"74657874","encoding":"hex"}` + "\n" + `{"key":"6b","encoding":"hex"}` + "\n"},
	} {
		var out bytes.Buffer
		sink := c.show.NewSink(&out)
		err := errors.Join(sink.Write([]byte("k"), counter), sink.Write([]byte("k"), text), sink.WriteKey([]byte("k")),
			sink.Flush())
		if err != nil || out.String() != c.want {
			t.Errorf("%+v: %v\n got %s\nwant %s", c.show, err, out.String(), c.want)
		}
	}
}
