package inverted

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"lightningdb"
	"lightningdb/examples/internal/trial"
)

func Example() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	ctx := context.Background()
	for id, text := range map[string]string{"1": "A quick brown fox.", "2": "The lazy dog", "3": "Quick, the DOG!"} {
		if err := Put(ctx, db, id, text); err != nil {
			panic(err)
		}
	}
	fmt.Println(Search(ctx, db, "the", "dog"))
	fmt.Println(Search(ctx, db, "dog quick"))
	fmt.Println(SearchPrefix(ctx, db, "Qui"))
	// Output:
	// [2 3] <nil>
	// [3] <nil>
	// [1 3] <nil>
}

// requireWhole fails unless the words are those of the documents, no more and no fewer.
func requireWhole(t *testing.T, db *lightningdb.DB) {
	t.Helper()
	var want, got []string
	all := documents.All(db)
	for id, text := range all.All() {
		for word := range wordsOf(text) {
			want = append(want, string(posting(word, id)))
		}
	}
	keys := db.Range(postings.Range())
	for k := range keys.Keys() {
		got = append(got, string(k))
	}
	slices.Sort(want)
	if err := errors.Join(all.Err(), keys.Err()); err != nil || !slices.Equal(got, want) {
		t.Errorf("the index has %q, and the documents %q: %v", got, want, err)
	}
}

// A search must find what a look at every document finds, after any puts and removals.
func TestSearch_isALookAtEveryDocument(t *testing.T) {
	db, model, random := trial.Open(t, "", nil), map[string]string{}, rand.New(rand.NewPCG(1, 2))
	vocabulary := strings.Fields("a ab abc b bc c ä äb 1 12 x\x00y") // the last one is two words
	some := func(n int) string {
		var words []string
		for range n {
			words = append(words, vocabulary[random.IntN(len(vocabulary))])
		}
		return strings.Join(words, ", ")
	}
	for range 400 {
		id := some(1) + []string{"", "\x00", "\x00x"}[random.IntN(3)] // many that are next to each other
		var err error
		if random.IntN(4) == 0 {
			delete(model, id)
			err = Remove(t.Context(), db, id)
		} else {
			model[id] = some(random.IntN(6))
			err = Put(t.Context(), db, id, model[id])
		}
		if err != nil {
			t.Fatal(err)
		}
		query := some(1 + random.IntN(3))
		var all, begins []string
		for id, text := range model {
			words, has, prefix := wordsOf(text), true, false
			for word := range wordsOf(query) {
				has = has && words[word]
			}
			for word := range words {
				prefix = prefix || strings.HasPrefix(word, "a")
			}
			if has {
				all = append(all, id)
			}
			if prefix {
				begins = append(begins, id)
			}
		}
		slices.Sort(all)
		slices.Sort(begins)
		if got, err := Search(t.Context(), db, query); err != nil || !slices.Equal(got, all) {
			t.Fatalf("%q: found %q, not %q: %v", query, got, all, err)
		}
		if got, err := SearchPrefix(t.Context(), db, "A"); err != nil || !slices.Equal(got, begins) {
			t.Fatalf("found %q, not %q: %v", got, begins, err)
		}
	}
	requireWhole(t, db)
}

// Many that replace one document must not leave it with words of two texts, not even for a moment.
func TestPut_neverMixesTwoTexts(t *testing.T) {
	db := trial.Open(t, "", nil)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for range 40 {
				if err := Put(t.Context(), db, "one", fmt.Sprintf("left%d right%d", w, w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { writers.Wait(); close(ended) }()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		for w := range 4 {
			other := fmt.Sprint("right", (w+1)%4)
			if ids, err := Search(t.Context(), db, fmt.Sprint("left", w), other); err != nil || ids != nil {
				t.Fatal("found by words of two texts:", ids, err)
			}
		}
	}
	requireWhole(t, db)
}

// What cannot be answered must be an error, and not an answer.
func TestSearch_errors(t *testing.T) {
	db := trial.Open(t, "", nil)
	if _, err := Search(t.Context(), db, " ?"); !errors.Is(err, ErrNoWords) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Search(ctx, db, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Put(ctx, db, "1", "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	requireWhole(t, db)
}

// Wherever a kill cuts, the index has the words of the documents, and the documents that were acknowledged are there.
func TestIndex_survivesAKill(t *testing.T) {
	dir := t.TempDir()
	said := trial.Kill(t, dir, 80, func(dir string, say func(string)) error {
		db, err := lightningdb.Open(dir, nil)
		if err != nil {
			return err
		}
		for n := 0; ; n++ {
			text := fmt.Sprintf("all before%d word%d", n, n)
			if err := errors.Join(
				Put(context.Background(), db, fmt.Sprint("kept", n), text),
				Put(context.Background(), db, "replaced", text),
				Remove(context.Background(), db, fmt.Sprint("kept", n-2))); err != nil {
				return err
			}
			say(fmt.Sprint("word", n))
		}
	})
	for range 2 { // and once more after a Close
		db := trial.Open(t, dir, nil)
		requireWhole(t, db)
		if ids, err := Search(t.Context(), db, "all", said[len(said)-1]); err != nil || len(ids) == 0 {
			t.Error("the last document that was acknowledged:", ids, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
