package lightningdb

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// textFunctions are those of bytes and strings that take what they are given for text: bytes that are none are all the
// same rune to them, and letters have cases.
var textFunctions = strings.Fields(`
	ContainsAny ContainsFunc ContainsRune EqualFold Fields FieldsFunc FieldsFuncSeq FieldsSeq IndexAny IndexFunc
	IndexRune LastIndexAny LastIndexFunc Map Runes Title ToLower ToLowerSpecial ToTitle ToTitleSpecial ToUpper
	ToUpperSpecial ToValidUTF8 Trim TrimFunc TrimLeft TrimLeftFunc TrimRight TrimRightFunc TrimSpace`)

// keysPassHere are the directories whose source is read: all that keys and bounds go through.
var keysPassHere = []string{".", "internal", "cmd/lightning/internal/shell", "cmd/lightning/internal/text",
	"cmd/lightning/internal/exchange", "cmd/lightning/internal/entries"}

// textOnly says of files which of these functions they may use, and why that is not on keys.
var textOnly = map[string]string{
	"internal/system/goroutine/id_other.go: bytes.Fields":     "the runtime's text of a stack",
	"internal/tree/manifest/current.go: strings.ContainsFunc": "the name of a manifest",
	"internal/model/catalog/catalog.go: utf8.ValidString":     "the name of a bucket, which is text",
	"internal/model/catalog/row.go: utf8.Valid":               "names of buckets and indexes, which are text",
	"internal/model/index/index.go: utf8.ValidString":         "the name of an index, which is text",
	"cmd/lightning/internal/text/path.go: utf8.AppendRune":    "names of buckets, which are text",
	"internal/system/owner/owner.go: bytes.TrimSpace":         "what another writer has left in a file of its own",
	"internal/format/record/reader.go: bytes.TrimRight":       "blank bytes behind a record; a cutset of ASCII cuts bytes",
	"internal/format/status/report.go: strings.ToValidUTF8":   "the text of an error in a report for people",
	"internal/system/vfs/errors.go: strings.ContainsAny":      "the name of a file",
	"internal/system/vfs/lock.go: strings.Fields":             "the words in a lock file",
	"internal/system/vfs/lock.go: strings.ContainsFunc":       "the name of a program in a lock file",

	"internal/proof/probe/group.go: strings.Fields":            "the words in a file of the kernel",
	"internal/proof/probe/group.go: strings.TrimSpace":         "a number in a file of the kernel",
	"internal/proof/resources/process.go: strings.TrimSpace":   "what a process has said",
	"internal/proof/probe/held_linux.go: strings.ContainsRune": "a letter in a file of the kernel",
	"internal/proof/probe/probe.go: strings.Fields":            "the words in a file of the kernel",

	"cmd/lightning/internal/exchange/begin.go: bytes.TrimSpace": "the beginning of a file, of which the form is " +
		"guessed",
	"cmd/lightning/internal/exchange/csv.go: strings.ContainsAny":  "whether a field needs quotes; it is written whole",
	"cmd/lightning/internal/exchange/csv.go: strings.TrimSpace":    "whether a field needs quotes; it is written whole",
	"cmd/lightning/internal/exchange/csv.go: utf8.Valid":           "what is no text is refused where text was asked for",
	"cmd/lightning/internal/exchange/csv.go: utf8.ValidString":     "what is no text is refused where text was asked for",
	"cmd/lightning/internal/exchange/exchange.go: strings.ToLower": "the name of a file",
	"cmd/lightning/internal/exchange/jsonl.go: bytes.TrimSpace":    "a line of JSON, in which keys are quoted",
	"cmd/lightning/internal/exchange/jsonl.go: utf8.Valid":         "what is no text is refused where text was asked for",
	"cmd/lightning/internal/shell/complete.go: []rune":             "the line before and behind the cursor of a terminal",
	"cmd/lightning/internal/shell/shell.go: strings.TrimSpace":     "whether a line is a comment",
	"cmd/lightning/internal/shell/verbs.go: strings.TrimSpace":     "the name of a flag, in help",
	"cmd/lightning/internal/shell/terminal.go: utf8.ValidString":   "whether a line is kept in the history",
	"cmd/lightning/internal/text/escape.go: utf8.DecodeRune":       "what is no text is shown byte by byte",
	"cmd/lightning/internal/text/escape.go: utf8.RuneError":        "what is no text is shown byte by byte",
	"cmd/lightning/internal/text/words.go: bytes.ContainsAny": "whether a word needs quotes; a set of ASCII " +
		"finds bytes",
	"cmd/lightning/internal/text/words.go: strings.TrimLeft": "blanks between words; a cutset of ASCII cuts bytes",
}

// A prefix whose end was trimmed as text showed, and removed, the data of others.
func TestSource_noFunctionOfTextTouchesKeys(t *testing.T) {
	h := ourHouse(t)
	used := make(map[string]bool)
	files := 0
	for _, name := range h.program {
		if !keysPass(path.Dir(name)) {
			continue
		}
		files++
		for _, what := range usesOfText(h.source[name]) {
			use := fmt.Sprintf("%s: %s", name, what)
			if used[use] = true; textOnly[use] == "" {
				t.Errorf("%s, which is for text; keys are any bytes. If it is not for keys, say so in textOnly", use)
			}
		}
	}
	for use := range maps.Keys(textOnly) {
		if !used[use] {
			t.Errorf("textOnly allows what is not there: %s", use)
		}
	}
	if files < 150 {
		t.Errorf("looked at %d files", files)
	}
}

// keysPass reports whether keys and bounds go through the package in dir.
func keysPass(dir string) bool {
	for _, from := range keysPassHere {
		if dir == from || strings.HasPrefix(dir, from+"/") {
			return !aboutTests(dir)
		}
	}
	return false
}

// aboutTests reports whether a directory holds programs that test, and no part of the database.
func aboutTests(dir string) bool {
	return slices.Contains([]string{"internal/proof/blackbox", "internal/proof/mutants", "internal/proof/torture",
		"internal/proof/environment", "internal/proof/isolation"}, dir) || strings.HasSuffix(dir, "test")
}

// usesOfText returns what a file does with text: the functions above, the package unicode, runes, and ranges over
// strings.
func usesOfText(file *ast.File) (uses []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			switch name := pkg.Name; {
			case name == "utf8", name == "unicode",
				(name == "bytes" || name == "strings") && slices.Contains(textFunctions, n.Sel.Name):
				uses = append(uses, name+"."+n.Sel.Name)
			}
		case *ast.ArrayType:
			if of, ok := n.Elt.(*ast.Ident); ok && of.Name == "rune" {
				uses = append(uses, "[]rune")
			}
		case *ast.RangeStmt:
			if call, ok := n.X.(*ast.CallExpr); ok {
				if to, ok := call.Fun.(*ast.Ident); ok && to.Name == "string" {
					uses = append(uses, "range string")
				}
			}
		}
		return true
	})
	return uses
}

// A test that sees nothing would pass for ever.
func TestSource_seesEachUseOfText(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "key.go", `package p
func f(key []byte) {
	bytes.TrimRight(key, "\xff")
	strings.EqualFold(string(key), "a")
	_ = []rune(string(key))
	for range string(key) {
	}
	utf8.Valid(key)
	bytes.HasPrefix(key, key)
}`, 0)
	requireNil(t, err)
	want := []string{"bytes.TrimRight", "strings.EqualFold", "[]rune", "range string", "utf8.Valid"}
	if got := usesOfText(file); !slices.Equal(got, want) {
		t.Errorf("it sees %q, not %q", got, want)
	}
}
