// Package inverted finds documents by the words in them.
//
//	err := inverted.Put(ctx, db, "1", "A quick brown fox")
//	ids, err := inverted.Search(ctx, db, "fox", "quick")  // all of the words
//	ids, err = inverted.SearchPrefix(ctx, db, "qui")      // a word that begins so
//
// # Why it is correct
//
// There is a key for each word of each document, next to the document itself, and one transaction writes them. It has
// read the document that was there before, so two that replace one document conflict, and Update repeats the one that
// came later, which then removes the words of the other. A search reads one state. So no search, whatever is written
// meanwhile, and nobody after a kill finds a document by a word that it does not have, or misses one that has it.
//
// # What it costs
//
// Put reads one row, and writes it and a key for each word that comes or goes: those that stay are not written.
// Remove does so for all. Search seeks in the range of each word, at most as often as the rarest of the words has
// documents; SearchPrefix reads each key of each word that begins so.
package inverted

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
	"lightningdb/typed"
)

// ErrNoWords: the search has no word. It would find everything.
var ErrNoWords = errors.New("a search has at least one word")

var (
	documents = typed.Must(typed.New("documents", tuple.String, typed.String, nil))
	postings  = tuple.NewSubspace(tuple.AppendString(nil, "words of documents")) // word, id: no value
)

// Put adds a document, or replaces the one of this id, which must be UTF-8.
func Put(ctx context.Context, db kv.Transactor, id, text string) error {
	return db.Update(ctx, func(tx *lightningdb.Tx) error {
		if err := index(tx, id, wordsOf(text)); err != nil {
			return err
		}
		return documents.Put(tx, id, text)
	})
}

// Remove removes a document. It is no error if there is none.
func Remove(ctx context.Context, db kv.Transactor, id string) error {
	return db.Update(ctx, func(tx *lightningdb.Tx) error {
		if err := index(tx, id, nil); err != nil {
			return err
		}
		return documents.Delete(tx, id)
	})
}

// index makes words those that the document of id is found by, instead of the words of the one that is there.
func index(tx *lightningdb.Tx, id string, words map[string]bool) error {
	text, err := documents.Get(tx, id)
	if err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
		return err
	}
	before := wordsOf(text)
	for word := range before {
		if words[word] {
			continue
		}
		if err := tx.Delete(posting(word, id)); err != nil {
			return err
		}
	}
	for word := range words {
		if before[word] {
			continue
		}
		if err := tx.Put(posting(word, id), nil); err != nil {
			return err
		}
	}
	return nil
}

// Search returns the ids of the documents that have all of the words, in order.
func Search(ctx context.Context, db kv.Transactor, words ...string) (ids []string, err error) {
	wanted := slices.Sorted(maps.Keys(wordsOf(strings.Join(words, " "))))
	if len(wanted) == 0 {
		return nil, ErrNoWords
	}
	err = db.View(ctx, func(tx *lightningdb.Tx) error {
		cursors := make([]*lightningdb.Cursor, len(wanted))
		for n, word := range wanted {
			cursors[n] = tx.Range(tuple.Prefix(tuple.AppendString(postings.Bytes(), word))).Cursor()
			defer cursors[n].Close()
		}
		// Each word in turn is asked for its first document that is not before id, and all that it skips is of no
		// interest. What every word has agreed on is a hit, and the next one is behind it.
		id := ""
		for agreed, n := 0, 0; cursors[n].Seek(posting(wanted[n], id)); n = (n + 1) % len(wanted) {
			found, err := idOf(cursors[n].Key())
			if err != nil {
				return err
			}
			if found != id {
				id, agreed = found, 0
			}
			if agreed++; agreed == len(wanted) {
				ids, id, agreed = append(ids, id), id+"\x00", 0 // the smallest id behind it
			}
		}
		return nil // View returns what a cursor met
	})
	return ids, err
}

// SearchPrefix returns the ids of the documents with a word that begins with prefix, in order.
func SearchPrefix(ctx context.Context, db kv.Transactor, prefix string) ([]string, error) {
	key := tuple.AppendString(postings.Bytes(), strings.ToLower(prefix))
	key = key[:len(key)-1] // without the zero byte that ends a string, which goes on here
	found := map[string]bool{}
	err := db.View(ctx, func(tx *lightningdb.Tx) error {
		hits := tx.Prefix(key)
		for k := range hits.Keys() {
			id, err := idOf(k)
			if err != nil {
				return err
			}
			found[id] = true
		}
		return hits.Err()
	})
	return slices.Sorted(maps.Keys(found)), err
}

// posting is the key that says that the document of id has a word.
func posting(word, id string) []byte {
	return tuple.AppendString(tuple.AppendString(postings.Bytes(), word), id)
}

// idOf is the id in a key that posting has made.
func idOf(key []byte) (string, error) {
	r := postings.Reader(key)
	r.Skip() // the word
	id := r.String()
	return id, r.End()
}

// wordsOf returns the words of a text, in lower case: what is between all that is no letter and no digit.
func wordsOf(text string) map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		words[word] = true
	}
	return words
}
