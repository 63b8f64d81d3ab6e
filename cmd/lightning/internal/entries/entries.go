// Package entries decides which keys are meant and how the entries found are shown: the flags that commands and the
// verbs of the shell have in common, and what follows from them. It opens no database. Errors in arguments are
// *command.UsageError.
package entries

import (
	"flag"
	"fmt"
	"io"
	"strconv"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/cmd/lightning/internal/text"
)

// Synonyms are, for each command and verb, the words that other databases use for it.
var Synonyms = map[string][]string{
	"get":        {"read", "fetch", "show", "cat", "retrieve"},
	"put":        {"set", "write", "insert", "store", "update", "upsert"},
	"add":        {"incr", "increment", "inc", "incrby", "plus"},
	"delete":     {"del", "rm", "remove", "erase", "unset", "drop"},
	"scan":       {"ls", "list", "keys", "range", "iterate", "find", "entries", "all"}, // list is a command by itself
	"count":      {"len", "length", "wc"},
	"bucket":     {"buckets", "namespace", "keyspace", "mkdir"},
	"shell":      {"cli", "repl", "sh", "console", "open", "interactive", "prompt"},
	"import":     {"load", "ingest"},
	"export":     {"dump", "save", "unload"},
	"checkpoint": {"snapshot", "copy", "cp"},
	"list":       {"backups"},
	"archive":    {"branches"},
	"prune":      {"forget", "expire", "rotate"},
	"diff":       {"compare", "difference"},
	"stats":      {"info", "status", "metrics", "stat"},
	"top":        {"monitor", "live"},
	"verify":     {"fsck", "integrity", "doctor"},
	"salvage":    {"repair", "recover", "rescue", "surgery"},
	"compact":    {"vacuum", "gc", "optimize", "optimise", "defrag"},
}

// Encoding is how keys and values are written in arguments and results.
type Encoding struct{ Hex, Base64 bool }

// EncodingExclusive are the flags that contradict each other.
var EncodingExclusive = [][2]string{{"hex", "base64"}}

// Define defines the flags.
func (e *Encoding) Define(f *flag.FlagSet) {
	f.BoolVar(&e.Hex, "hex", false, "keys and values are hexadecimal, in arguments and results")
	f.BoolVar(&e.Base64, "base64", false, "keys and values are base64, in arguments and results")
}

// Of is the encoding chosen.
func (e Encoding) Of() exchange.Encoding {
	switch {
	case e.Hex:
		return exchange.Hex
	case e.Base64:
		return exchange.Base64
	}
	return exchange.Text
}

// Bytes reads an argument. what names it in errors.
func (e Encoding) Bytes(what, text string) ([]byte, error) {
	b, err := e.Of().Decode(text)
	if err != nil {
		return nil, &command.UsageError{Problem: fmt.Sprintf("%s is %v", what, err),
			Hint: "correct it, or leave out --hex and --base64"}
	}
	return b, nil
}

// Key reads an argument that must be a key.
func (e Encoding) Key(text string) ([]byte, error) {
	key, err := e.Bytes("the key", text)
	switch {
	case err != nil:
		return nil, err
	case len(key) > lightningdb.MaxKeySize:
		return nil, &command.UsageError{Hint: "shorten it",
			Problem: fmt.Sprintf("the key has %d bytes, more than %d", len(key), lightningdb.MaxKeySize)}
	}
	return key, nil
}

// Range chooses a range of keys. The texts are written as the encoding says.
type Range struct {
	Encoding
	Prefix, From, To string
}

// RangeExclusive are the pairs of flags that contradict each other.
var RangeExclusive = append([][2]string{{"prefix", "from"}, {"prefix", "to"}}, EncodingExclusive...)

// RangeEmpty are the flags that may be given an empty value: a bound that bounds nothing.
var RangeEmpty = []string{"prefix", "from", "to"}

// Define defines the flags, those of Encoding too.
func (r *Range) Define(f *flag.FlagSet) {
	r.Encoding.Define(f)
	f.StringVar(&r.Prefix, "prefix", "", "only keys that begin with `KEY`")
	f.StringVar(&r.From, "from", "", "only keys at or after `KEY`")
	f.StringVar(&r.To, "to", "", "only keys before `KEY`")
}

// Bounds are the selected keys [lo, hi); nil means no bound. An empty text bounds nothing: no key is before it.
func (r *Range) Bounds() (lo, hi []byte, err error) {
	if r.Prefix != "" {
		prefix, err := r.Bytes("--prefix", r.Prefix)
		return prefix, prefixEnd(prefix), err
	}
	if r.From != "" {
		if lo, err = r.Bytes("--from", r.From); err != nil {
			return nil, nil, err
		}
	}
	if r.To != "" {
		if hi, err = r.Bytes("--to", r.To); err != nil {
			return nil, nil, err
		}
	}
	return lo, hi, nil
}

// prefixEnd is the first key after all that begin with prefix, or nil if there is none.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

// Show is how results are written.
type Show struct {
	Encoding exchange.Encoding
	Counters bool // values that may be counters are written as numbers
	JSON     bool
}

// As is a flag that says what values are.
type As struct{ Int bool }

// Define defines --as.
func (a *As) Define(f *flag.FlagSet) {
	f.Var(a, "as", "what values are, `text|int`: with int, counters (8 bytes) are shown as numbers")
}

// String implements flag.Value.
func (a *As) String() string {
	if a.Int {
		return "int"
	}
	return "text"
}

// Set implements flag.Value.
func (a *As) Set(text string) error {
	if text != "text" && text != "int" {
		return fmt.Errorf("want text or int")
	}
	a.Int = text == "int"
	return nil
}

// Form is the form of lines of JSON.
func (s Show) Form() exchange.Form { return exchange.Form{Encoding: s.Encoding, Counters: s.Counters} }

// AppendKey appends a key as text without line breaks.
func (s Show) AppendKey(dst, key []byte) []byte {
	if s.Encoding == exchange.Text {
		return text.AppendEscaped(dst, key, "")
	}
	return append(dst, s.Encoding.Encode(key)...)
}

// AppendValue appends a value as text without line breaks.
func (s Show) AppendValue(dst, value []byte) []byte {
	if n, ok := exchange.Counter(value); ok && s.Counters {
		return strconv.AppendInt(dst, n, 10)
	}
	return s.AppendKey(dst, value)
}

// Sink writes listed entries or keys.
type Sink interface {
	Write(key, value []byte) error
	WriteKey(key []byte) error
	Flush() error
}

// NewSink writes lines to out: of text, a key, a tab and a value; or of JSON.
func (s Show) NewSink(out io.Writer) Sink {
	if s.JSON {
		return exchange.NewJSONWriter(out, s.Form())
	}
	return newTextSink(out, s)
}
