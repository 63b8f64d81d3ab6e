package console

import (
	"testing"

	"lightningdb"
)

// A limit that is not kept is a promise broken in silence: what is too little for the database must be refused, and
// nothing else.
func TestSize_refusesWhatTheDatabaseWouldRaise(t *testing.T) {
	var s Size
	for text, ok := range map[string]bool{"1": false, "1MiB": false, "10485759": false, "10485760": true, "10MiB": true,
		"1GiB": true} {
		if err := s.Set(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, MemoryLimit: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := db.Metrics().MemoryLimit; got != minMemoryLimit {
		t.Errorf("the least limit is %d", got)
	}
}
