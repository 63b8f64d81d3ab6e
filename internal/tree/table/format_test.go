package table

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/directory"
)

// exampleRows are the content of the worked example in the description of the format.
func exampleRows() []row {
	return []row{put("ant", 2, "black"), put("bee", 7, "striped"), del("bee", 4)}
}

// The description of the format and the program must speak of the same bytes: the document is what another reader is
// written from, and old files are what this program must go on to read.
func TestFormat_exampleIsWhatIsWritten(t *testing.T) {
	document, err := os.ReadFile("../../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := build(t, Options{ID: testID}, exampleRows())
	want := exampleBytes(t, string(document))
	if !bytes.Equal(f.data, want) {
		t.Errorf("the example has\n%s\nthe program writes\n%s", hex.Dump(want), hex.Dump(f.data))
	}
	r := mustOpen(t, &memFile{data: want}, Options{ID: testID})
	defer r.close(t)
	checkWalk(t, r.NewIterator(), exampleRows())
}

// exampleBytes collects the bytes of the example: lines of the code block after "## Example" that begin with an
// offset of four hexadecimal digits.
func exampleBytes(t *testing.T, document string) []byte {
	t.Helper()
	_, example, ok := strings.Cut(document, "## Example")
	if !ok {
		t.Fatal("the document has no example")
	}
	var all []byte
	for line := range strings.Lines(example) {
		offset, rest, _ := strings.Cut(line, "  ")
		if _, err := hex.DecodeString(offset); err != nil || len(offset) != 4 {
			continue
		}
		digits, _, _ := strings.Cut(rest, "|")
		b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all = append(all, b...)
	}
	return all
}

func exampleFooter() footer {
	return footer{codec: codec.S2, pageBits: 13, leaves: 3, inners: 1, locators: 1, id: 9, size: 1000,
		properties: 700, directory: 1000 - footerSize - 5*directory.EntrySize - block.TrailerSize}
}

// What a table of the future says must not be taken for damage, nor be read with the rules of today.
func TestFooter_refusesTheFuture(t *testing.T) {
	for name, at := range map[string]int{"version": 0, "flags": 2, "codec": 4, "key id": 8} {
		f := exampleFooter()
		b := f.encode()
		b[at] = 77
		resealFooter(b)
		if _, err := decodeFooter(b, f.size); !errors.Is(err, ErrVersion) || errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every length and count of the footer leads to a read or an allocation.
func TestFooter_refusesImpossibleFields(t *testing.T) {
	good := exampleFooter()
	if got, err := decodeFooter(good.encode(), good.size); err != nil || got != good {
		t.Fatalf("round trip: %+v, %v", got, err)
	}
	for name, change := range map[string]func(f *footer){
		"page size":           func(f *footer) { f.pageBits = 17 },
		"small page size":     func(f *footer) { f.pageBits = 8 },
		"no leaf":             func(f *footer) { f.leaves = 0 },
		"no locator":          func(f *footer) { f.locators = 0 },
		"no inner":            func(f *footer) { f.inners = 0 },
		"too many pages":      func(f *footer) { f.locators = 1<<32 - 1 },
		"size":                func(f *footer) { f.size++ },
		"negative size":       func(f *footer) { f.size = -1 },
		"properties at 0":     func(f *footer) { f.properties = 0 },
		"properties negative": func(f *footer) { f.properties = -1 << 63 },
		"directory first":     func(f *footer) { f.properties = f.directory },
		"directory far":       func(f *footer) { f.directory = 1<<63 - 1 },
	} {
		f := good
		change(&f)
		if _, err := decodeFooter(f.encode(), good.size); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFooter(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if len(b) == footerSize {
			resealFooter(b)
		}
		got, err := decodeFooter(b, size)
		if err != nil {
			if !errors.Is(err, corrupt.ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(got.encode(), b) {
			t.Fatalf("%x decodes to %+v", b, got)
		}
		layout := got.layout()
		if layout.Size() > size || got.properties > size || got.directory > size {
			t.Fatalf("%+v leads outside %d bytes", got, size)
		}
	})
}

func FuzzProperties(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeProperties(b)
		if err != nil {
			if !errors.Is(err, corrupt.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(p.encode(), b) || p.LargestSeq > key.MaxSeqNum {
			t.Fatalf("%x decodes to %+v", b, p)
		}
	})
}
