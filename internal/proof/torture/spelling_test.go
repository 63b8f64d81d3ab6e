package torture

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// Every level would draw nothing but text, and what treats keys as text would pass.
func TestSpell_isNoText(t *testing.T) {
	seen := make(map[byte]string)
	for _, c := range "0123456789abcdefghijklmnopqrstuvwxyz/" {
		b := spell(string(c))[0]
		if other, ok := seen[b]; ok {
			t.Errorf("%c and %s are both %#x", c, other, b)
		}
		seen[b] = string(c)
	}
	for _, b := range []byte{0x00, 0x7f, 0x80, 0xfe, 0xff} {
		if seen[b] == "" {
			t.Errorf("no key has a byte %#x", b)
		}
	}
	if k := spell("list/00042"); utf8.Valid(k) || !bytes.HasPrefix(k, spell("list/")) {
		t.Errorf("spelled %x", k)
	}
	for i := range 1000 {
		a, b := strings.Repeat("7", i%4)+"38", strings.Repeat("7", i%4)+"41"
		if bytes.Compare(spell(a), spell(b)) >= 0 {
			t.Errorf("%s is not before %s", a, b)
		}
	}
}
