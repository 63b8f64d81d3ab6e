package cli

import (
	"errors"
	"flag"
	"fmt"
	"strconv"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/exchange"
)

// encodingFlags say how keys and values are written in arguments and results.
type encodingFlags struct{ hex, base64 bool }

// encodingExclusive are the flags that contradict each other.
var encodingExclusive = [][2]string{{"hex", "base64"}}

func (e *encodingFlags) define(f *flag.FlagSet) {
	f.BoolVar(&e.hex, "hex", false, "keys and values are hexadecimal, in arguments and results")
	f.BoolVar(&e.base64, "base64", false, "keys and values are base64, in arguments and results")
}

func (e encodingFlags) encoding() exchange.Encoding {
	switch {
	case e.hex:
		return exchange.Hex
	case e.base64:
		return exchange.Base64
	}
	return exchange.Text
}

// bytes reads an argument.
func (e encodingFlags) bytes(what, text string) ([]byte, error) {
	b, err := e.encoding().Decode(text)
	if err != nil {
		return nil, console.Usage(fmt.Errorf("%s is %w", what, err), "correct it, or leave out --hex and --base64")
	}
	return b, nil
}

// key reads an argument that must be a key.
func (e encodingFlags) key(text string) ([]byte, error) {
	key, err := e.bytes("the key", text)
	switch {
	case err != nil:
		return nil, err
	case len(key) == 0:
		return nil, console.Usage(errors.New("the key is empty"), "give it at least one byte")
	case len(key) > lightningdb.MaxKeySize:
		return nil, console.Usage(fmt.Errorf("the key has %d bytes, more than %d", len(key), lightningdb.MaxKeySize), "shorten it")
	}
	return key, nil
}

// quoted is an argument in a message.
func quoted(arg string) string { return strconv.Quote(arg) }
