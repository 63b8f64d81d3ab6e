package typed

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"lightningdb/tuple"
)

// Row is a row of a page.
type Row[K, V any] struct {
	Key   K
	Value V
}

// Page returns up to n rows behind those of an earlier page, and the token for the next one; after is the token of that
// earlier page, and empty for the first. The next token is empty if there was no further row.
//
// A token is a place between two keys, so pages neither repeat nor skip a row because others come and go, and a token
// has no end. It is text that needs no escaping in a URL, to be given back as it is: to Rows of a table of this name
// and secret, with the same bounds, From and Reverse. Otherwise the error is ErrToken. Whoever has a token can read
// from it the last key of its page.
//
// An n below 1 is ErrPage. With an error there is no page.
func (r *Rows[K, V]) Page(after string, n int) (rows []Row[K, V], next string, err error) {
	switch {
	case r.broken != nil:
		return nil, "", r.broken
	case n < 1:
		return nil, "", fmt.Errorf("table %q: %d rows: %w", r.table.name, n, ErrPage)
	}
	place := r.place()
	last, err := r.table.readToken(after, place)
	if err != nil {
		return nil, "", err
	}
	lo, hi := place.behind(last)
	entries := r.from.Range(lo, hi)
	if r.reverse {
		entries.Reverse()
	}
	var reader tuple.Reader
	for stored, row := range entries.All() {
		if len(rows) == n {
			return rows, r.table.token(last, place), nil
		}
		key, err := r.table.readKey(&reader, stored)
		if err != nil {
			return nil, "", err
		}
		value, err := r.table.decode(stored, row)
		if err != nil {
			return nil, "", err
		}
		rows, last = append(rows, Row[K, V]{key, value}), append(last[:0], stored...)
	}
	if err := entries.Err(); err != nil {
		return nil, "", err
	}
	return rows, "", nil
}

// place is what a token belongs to, next to its table.
type place struct {
	lo, hi  []byte // stored keys
	reverse bool
}

func (r *Rows[K, V]) place() place {
	lo, hi := r.bounds()
	return place{lo, hi, r.reverse}
}

// behind are the bounds of what comes after the key last; nil is before the first.
func (p place) behind(last []byte) (lo, hi []byte) {
	switch {
	case last == nil:
		return p.lo, p.hi
	case p.reverse:
		return p.lo, bytes.Clone(last)
	}
	return successor(last), p.hi
}

// has reports whether a page may end with the key last.
func (p place) has(last []byte) bool {
	return bytes.Compare(p.lo, last) <= 0 && bytes.Compare(last, p.hi) < 0
}

const (
	tokenFormat = 1  // its first byte
	macSize     = 16 // behind that
)

// token is the text of a place behind a stored key of the table.
func (t *Table[K, V]) token(last []byte, p place) string {
	raw := make([]byte, 0, 1+macSize+len(last)-len(t.prefix))
	raw = append(append(raw, tokenFormat), t.mac(last, p)...)
	return base64.RawURLEncoding.EncodeToString(append(raw, last[len(t.prefix):]...))
}

// readToken returns the stored key in a token; nil of an empty one. It takes what token made for the same place and
// nothing else: decoding passes over line ends and unused bits, so the text is made again and compared.
func (t *Table[K, V]) readToken(token string, p place) (last []byte, err error) {
	if token == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 1+macSize || raw[0] != tokenFormat ||
		base64.RawURLEncoding.EncodeToString(raw) != token {
		return nil, fmt.Errorf("table %q: %w", t.name, ErrToken)
	}
	last = append(bytes.Clone(t.prefix), raw[1+macSize:]...)
	if !hmac.Equal(t.mac(last, p), raw[1:1+macSize]) || !p.has(last) {
		return nil, fmt.Errorf("table %q: %w", t.name, ErrToken)
	}
	return last, nil
}

// mac is what makes a token one of this place: of everything that it depends on, each part after its length.
func (t *Table[K, V]) mac(last []byte, p place) []byte {
	text := []byte("lightningdb/typed page 1\x00")
	for _, part := range [][]byte{t.prefix, p.lo, p.hi} {
		text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
	}
	direction := byte(0)
	if p.reverse {
		direction = 1
	}
	h := hmac.New(sha256.New, t.secret)
	h.Write(append(append(text, direction), last...))
	return h.Sum(nil)[:macSize]
}
