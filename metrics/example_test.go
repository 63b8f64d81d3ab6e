package metrics_test

import (
	"fmt"
	"log"

	"lightningdb"
	"lightningdb/metrics"
)

// Latencies are since Open. Two of them make those of the time between, of the last minute, say.
func ExampleLatencies_Since() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.Put([]byte("a"), []byte("1"))

	before := db.Metrics().Latency
	db.Put([]byte("b"), []byte("2"))
	db.Put([]byte("c"), []byte("3"))
	var minute metrics.Latencies = db.Metrics().Latency.Since(before)
	fmt.Println(minute.Commit.Count, minute.Commit.P99 <= minute.Commit.Max)
	// Output: 2 true
}
