package backup_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"lightningdb"
	"lightningdb/backup"
)

// The whole database in one file, and back.
func ExampleRestore() {
	dir, err := os.MkdirTemp("", "lightning")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := lightningdb.Open(filepath.Join(dir, "orders"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if err := db.Put([]byte("order 1"), []byte("ten apples")); err != nil {
		log.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "orders.tar"))
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	if _, err := db.Backup(context.Background(), file, nil); err != nil {
		log.Fatal(err)
	}

	if _, err := file.Seek(0, 0); err != nil {
		log.Fatal(err)
	}
	again := filepath.Join(dir, "restored")
	info, err := backup.Restore(context.Background(), file, again, nil)
	if err != nil {
		log.Fatal(err)
	}
	restored, err := lightningdb.Open(again, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer restored.Close()
	order, err := restored.Get([]byte("order 1"))
	fmt.Printf("up to commit %d: %s, %v\n", info.Sequence, order, err)
	// Output: up to commit 1: ten apples, <nil>
}
