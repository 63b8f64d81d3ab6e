// Package keytest makes keys and values for random tests: bytes at which code for text, for signed numbers or for
// the ends of ranges goes wrong, and few enough of them that tests meet the same key again. It is for tests and owns
// nothing.
package keytest

import (
	"bytes"

	"pgregory.net/rapid"
)

// From returns a choice of numbers for the functions of this package, drawn by t.
func From(t *rapid.T, label string) func(n int) int {
	return func(n int) int { return rapid.IntRange(0, n-1).Draw(t, label) }
}

// letters are the bytes that most keys are made of: ends, signs, and bytes that are no text.
var letters = []byte{0x00, 0x01, 'a', 'b', 0x7f, 0x80, 0x81, 0xc3, 0xfe, 0xff}

// words are texts that become longer or shorter in another case, or that stand for what is no text.
var words = []string{"é", "İ", "\uFFFD", "\xed\xa0\x80", "ſ", " ", "\r\n", "\xe2\x80"}

// Key returns a key of up to 64 KiB, mostly of a few bytes, and now and then the empty one, nil or not. intn returns a
// number below n.
func Key(intn func(n int) int) []byte {
	if intn(500) == 0 { // about as long as keys may be
		k := bytes.Repeat([]byte{letter(intn)}, 64<<10-intn(3))
		k[len(k)-1] = letter(intn)
		return k
	}
	switch intn(24) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	return some(intn, 1)
}

// Bound returns a bound, a prefix or a seek target: nil, empty, a key, or what lies next to one.
func Bound(intn func(n int) int) []byte {
	if intn(6) == 0 {
		return nil
	}
	return some(intn, 0)
}

// Value returns a value, empty or of up to 100 KB.
func Value(intn func(n int) int) []byte {
	switch intn(40) {
	case 0:
		return bytes.Repeat(some(intn, 1), 100)
	case 1:
		return bytes.Repeat([]byte{letter(intn)}, 1+intn(100_000))
	case 2:
		return nil
	}
	return some(intn, 0)
}

// some returns random bytes, least of them or more.
func some(intn func(n int) int, least int) []byte {
	var k []byte
	switch intn(8) {
	case 0: // a common beginning, as long as several words of the processor
		k = bytes.Repeat([]byte{letter(intn)}, 8*(1+intn(5)))
	case 1: // text
		k = append(k, words[intn(len(words))]...)
	case 2: // anything
		for range 1 + intn(6) {
			k = append(k, byte(intn(256)))
		}
		return k
	}
	for range least + intn(4-least) {
		k = append(k, letter(intn))
	}
	return append([]byte{}, k...)
}

func letter(intn func(n int) int) byte { return letters[intn(len(letters))] }
