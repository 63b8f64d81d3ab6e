package typed

import (
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
)

// A reader who turns the page would see a row twice, or miss one that was there all the time.
func TestPage_neitherRepeatsNorSkips(t *testing.T) {
	checkKinds(t, maker.pages)
}

// part is what pages go through: rows of the first table of a world, and between which stored keys they are.
type part[K any] struct {
	rows    func() *Rows[K, string]
	lo, hi  string
	reverse bool
}

// part draws all rows, a range of them, or one with a beginning, in either direction.
func (w *world[K]) part(t *rapid.T) part[K] {
	p := part[K]{lo: "", hi: "\xff", reverse: rapid.Bool().Draw(t, "reverse")}
	how := rapid.IntRange(0, 2).Draw(t, "part")
	first, end, start := w.key(t), w.key(t), w.key(t)
	if how > 0 {
		p.lo, p.hi = w.stored(t, 0, first), w.stored(t, 0, end)
	}
	if from := w.stored(t, 0, start); how == 2 && p.reverse {
		p.hi = min(p.hi, from+"\x00")
	} else if how == 2 {
		p.lo = max(p.lo, from)
	}
	p.rows = func() *Rows[K, string] {
		rows := w.tables[0].All(w.db)
		if how > 0 {
			rows = w.tables[0].Range(w.db, first, end)
		}
		if how == 2 {
			rows.From(start)
		}
		if p.reverse {
			rows.Reverse()
		}
		return rows
	}
	return p
}

// behind returns the stored keys of the model that are in p, behind the last of seen.
func (w *world[K]) behind(p part[K], seen []string) []string {
	return slices.DeleteFunc(w.want(0, p.lo, p.hi, p.reverse), func(k string) bool {
		if len(seen) == 0 {
			return false
		}
		last := seen[len(seen)-1]
		return k == last || (k < last) != p.reverse
	})
}

func (k kind[K]) pages(t *rapid.T, db *lightningdb.DB) {
	w := newWorld(t, k, db)
	for range rapid.IntRange(0, 4).Draw(t, "writes before") {
		w.write(t, 0)
	}
	p := w.part(t)
	rows := p.rows()
	stayed := w.behind(p, nil) // of what was there at the beginning
	var seen []string
	for token, pages := "", 0; ; pages++ {
		n := rapid.IntRange(1, 3).Draw(t, "rows")
		page, next, err := rows.Page(token, n)
		if err != nil || len(page) > n || next != "" && len(page) < n || url.QueryEscape(next) != next {
			t.Fatalf("%d rows of %d, %q, %v", len(page), n, next, err)
		}
		for _, row := range page {
			stored := w.stored(t, 0, row.Key)
			if left := w.behind(p, seen); len(left) == 0 || left[0] != stored || row.Value != w.rows[0][stored] {
				t.Fatalf("%q is %q, and there are %q behind %q", stored, row.Value, left, seen)
			}
			seen = append(seen, stored)
		}
		if left := w.behind(p, seen); next == "" != (len(left) == 0) {
			t.Fatalf("the next token is %q, and there are %q behind %q", next, left, seen)
		}
		if token = next; token == "" {
			break
		}
		if pages < 6 {
			w.write(t, 0)
		}
		stayed = slices.DeleteFunc(stayed, func(k string) bool { _, ok := w.rows[0][k]; return !ok })
		if rapid.Bool().Draw(t, "anew") {
			rows = p.rows() // as a server does, for which each page is a request
		}
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(seen))); len(unique) != len(seen) {
		t.Fatalf("repeated: %q", seen)
	}
	for _, k := range stayed {
		if !slices.Contains(seen, k) {
			t.Fatalf("%q was skipped: %q", k, seen)
		}
	}
}

// tokenOf returns the token behind the first row.
func tokenOf[K, V any](t *testing.T, rows *Rows[K, V]) string {
	t.Helper()
	page, token, err := rows.Page("", 1)
	if err != nil || len(page) != 1 || token == "" {
		t.Fatalf("%v, %q, %v", page, token, err)
	}
	return token
}

func letters(t interface{ Fatal(args ...any) }, db kv.Writer, table *Table[string, string]) {
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		if err := table.Put(db, k, "row "+k); err != nil {
			t.Fatal(err)
		}
	}
}

// A token that is taken for one of other rows shows a page that has nothing to do with what was asked for.
func TestToken_isOfItsRowsAlone(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("table", tuple.String, String, nil))
	other := Must(New("other", tuple.String, String, nil))
	secret := Must(New("table", tuple.String, String, &Options[string]{Secret: []byte("secret")}))
	again := Must(New("table", tuple.String, String, &Options[string]{Version: 7}))
	letters(t, db, table)
	letters(t, db, other)
	places := map[string]func() *Rows[string, string]{
		"all":              func() *Rows[string, string] { return table.All(db) },
		"reverse":          func() *Rows[string, string] { return table.All(db).Reverse() },
		"from":             func() *Rows[string, string] { return table.All(db).From("a") },
		"another from":     func() *Rows[string, string] { return table.All(db).From("b") },
		"from, reverse":    func() *Rows[string, string] { return table.All(db).From("c").Reverse() },
		"range":            func() *Rows[string, string] { return table.Range(db, "a", "d") },
		"another end":      func() *Rows[string, string] { return table.Range(db, "a", "e") },
		"range, reverse":   func() *Rows[string, string] { return table.Range(db, "a", "d").Reverse() },
		"another table":    func() *Rows[string, string] { return other.All(db) },
		"a secret":         func() *Rows[string, string] { return secret.All(db) },
		"a secret, part":   func() *Rows[string, string] { return secret.Range(db, "a", "d") },
		"an empty-ended b": func() *Rows[string, string] { return table.Range(db, "", "d") },
	}
	for of, rows := range places {
		token := tokenOf(t, rows())
		for to, others := range places {
			page, _, err := others().Page(token, 1)
			if same := of == to; same != (err == nil) || !same && !errors.Is(err, ErrToken) || !same && page != nil {
				t.Errorf("a token of %s for %s: %v, %v", of, to, page, err)
			}
		}
		if err := other.MigrateAll(t.Context(), db, token, nil); of != "another table" && !errors.Is(err, ErrToken) {
			t.Errorf("a token of %s for migrating another table: %v", of, err)
		}
	}
	if page, _, err := again.All(db).Page(tokenOf(t, table.All(db)), 1); !errors.Is(err, ErrOlder) {
		t.Errorf("a token of the table before its version was raised: %v, %v", page, err)
	}
}

// A token that was cut or changed on its way would begin the page anywhere.
func TestToken_alteredIsRefused(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("table", tuple.String, String, nil))
	letters(t, db, table)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=\n\r\x00 \xff"
	token := tokenOf(t, table.All(db))
	altered := []string{" " + token, token + token, "0", "\n"}
	for i := range token {
		altered = append(altered, token[:i+1]+"\n"+token[i+1:])
		if i > 0 {
			altered = append(altered, token[:i])
		}
		for _, c := range []byte(alphabet) {
			altered = append(altered, token[:i]+string([]byte{c})+token[i+1:], token+string([]byte{c}))
		}
	}
	for _, a := range altered {
		page, next, err := table.All(db).Page(a, 1)
		if a != token && (!errors.Is(err, ErrToken) || page != nil || next != "") {
			t.Fatalf("%q for %q: %v, %q, %v", a, token, page, next, err)
		}
	}
	for _, want := range []string{"a", "b"} { // the token itself, any number of times
		page, _, err := table.All(db).Page(map[string]string{"a": "", "b": token}[want], 1)
		if err != nil || page[0].Key != want {
			t.Errorf("%v, %v, want %s", page, err, want)
		}
	}
}

// Without a secret anybody can make a token. One that names a key outside of the range would show what is there.
func TestToken_madeByOthersStaysWithinItsRows(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("table", tuple.String, String, nil))
	letters(t, db, table)
	for _, rows := range []*Rows[string, string]{table.Range(db, "b", "d"), table.Range(db, "b", "d").Reverse()} {
		for key, inside := range map[string]bool{"": false, "a": false, "b": true, "c": true, "d": false, "e": false} {
			page, _, err := rows.Page(table.token(stored(t, table, key), rows.place()), 5)
			if inside != (err == nil) || !inside && !errors.Is(err, ErrToken) || len(page) > 1 {
				t.Errorf("behind %q: %v, %v", key, page, err)
			}
		}
	}
}

// Tokens are kept in links: a release that makes others breaks them.
func TestToken_bytesStay(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("table", tuple.String, String, &Options[string]{Secret: []byte("secret")}))
	letters(t, db, table)
	// HMAC-SHA-256 of the text, made by another program.
	const want = "AQwloTpwpWRxITSnPAi4YP0CYgA"
	if got := tokenOf(t, table.Range(db, "a", "c").Reverse()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A page of nothing would go on for ever.
func TestPage_hasARow(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("table", tuple.String, String, nil))
	for _, n := range []int{0, -1} {
		if page, next, err := table.All(db).Page("", n); !errors.Is(err, ErrPage) || page != nil || next != "" {
			t.Errorf("%d: %v, %q, %v", n, page, next, err)
		}
	}
	if page, next, err := table.All(db).Page("", 1); err != nil || len(page) != 0 || next != "" {
		t.Errorf("an empty table: %v, %q, %v", page, next, err)
	}
}

// A page that ends before a row that is damaged would look like the last one, or hold half of what it should.
func TestPage_failsAtARowThatCannotBeRead(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("table", tuple.String, String, nil))
	letters(t, db, table)
	if err := db.Put(stored(t, table, "c"), []byte("foreign")); err != nil {
		t.Fatal(err)
	}
	page, next, err := table.All(db).Page("", 2)
	if len(page) != 2 || next == "" || err != nil {
		t.Fatalf("before it: %v, %q, %v", page, next, err)
	}
	if page, next, err = table.All(db).Page(next, 2); page != nil || next != "" || !errors.Is(err, ErrRow) {
		t.Errorf("with it: %v, %q, %v", page, next, err)
	}
	if err := errors.Join(table.Delete(db, "c"), db.Put(append(stored(t, table, "b"), 0x15), nil)); err != nil {
		t.Fatal(err)
	}
	if page, next, err = table.All(db).Page("", 5); page != nil || next != "" || !errors.Is(err, ErrRow) {
		t.Errorf("with a key that is none: %v, %q, %v", page, next, err)
	}
}

// Whatever text comes from outside: an error or the key that was put into it, and never a panic.
func FuzzToken(f *testing.F) {
	table := Must(New("table", tuple.String, String, nil))
	lo, hi := table.bounds()
	all := place{lo: lo, hi: hi}
	f.Add("", "", uint16(0), byte(0))
	f.Add(table.token(stored(f, table, "ann"), all), "ann", uint16(3), byte(1))
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 1+macSize)), "\x00\xff", uint16(40), byte(0x20))
	f.Add(strings.Repeat("A", 23)+"\n", "b", uint16(0), byte('\n'))
	f.Fuzz(func(t *testing.T, token, rest string, at uint16, change byte) {
		last, err := table.readToken(token, all)
		switch {
		case token == "":
			if last != nil || err != nil {
				t.Fatalf("of nothing: %q, %v", last, err)
			}
		case err == nil:
			if table.token(last, all) != token {
				t.Fatalf("%q is a token of %q, whose token is another", token, last)
			}
		case !errors.Is(err, ErrToken) || last != nil:
			t.Fatalf("%q, %v", last, err)
		}
		key := append(slices.Clone(table.prefix), rest...)
		made := table.token(key, all)
		if got, err := table.readToken(made, all); all.has(key) != (err == nil) || err == nil && string(got) != string(key) {
			t.Fatalf("%q came back as %q, %v", key, got, err)
		}
		altered := []byte(made)
		altered[int(at)%len(altered)] ^= change
		if got, err := table.readToken(string(altered), all); change != 0 && !errors.Is(err, ErrToken) {
			t.Fatalf("%q, altered from %q: %q, %v", altered, made, got, err)
		}
	})
}

// A page of a transaction would not have what the transaction wrote itself.
func TestPage_ofATransactionHasItsOwnRows(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("table", tuple.String, String, nil))
	err := db.Update(t.Context(), func(tx *lightningdb.Tx) error {
		letters(t, tx, table)
		page, next, err := table.All(tx).Page("", 4)
		if len(page) != 4 || next == "" || err != nil {
			t.Errorf("%v, %q, %v", page, next, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
