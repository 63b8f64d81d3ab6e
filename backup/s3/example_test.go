package s3_test

import (
	"context"
	"fmt"
	"log"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/backup/s3"
)

// A program backs its database up every hour. Keys are in the environment.
func Example() {
	ctx := context.Background()
	db, err := lightningdb.Open("orders", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	bucket, err := s3.Open(ctx, s3.Options{Endpoint: "https://s3.eu-central-1.amazonaws.com", Region: "eu-central-1",
		Bucket: "backups", Prefix: "orders"})
	if err != nil {
		log.Fatal(err)
	}
	repo, err := backup.Open(ctx, bucket)
	if err != nil {
		log.Fatal(err)
	}
	b, err := repo.Create(ctx, db, nil) // moves what is new since the last one
	if err != nil {
		log.Fatal(err)
	}
	_, err = repo.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 3, Daily: 14}})
	fmt.Println(b.ID, err)
}
