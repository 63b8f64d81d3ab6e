package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"lightningdb"
)

// query shows the database at work: searches by word, scans of a folder, and two versions of a file at once.
func (r *run) query(ctx context.Context, db *lightningdb.DB, found *findings) error {
	r.say.stage("Ask")
	for _, word := range []foundWord{found.words.common, found.words.some} {
		if err := r.search(db, word); err != nil {
			return err
		}
	}
	for _, prefix := range []string{"m/", "f/" + commonFolder(r.tree.files)} {
		if err := r.scanPrefix(db, prefix); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.timeTravel(db)
}

// search lists the files that mention a word: one scan of the word's postings.
func (r *run) search(db *lightningdb.DB, word foundWord) error {
	if word.files == 0 {
		return nil
	}
	start, files, first := time.Now(), 0, ""
	postings := db.Prefix([]byte("w/" + word.word + "/"))
	for key := range postings.Keys() {
		if files++; files == 1 {
			p, _, _ := pathOf(key)
			first = string(p)
		}
	}
	if err := postings.Err(); err != nil {
		return err
	}
	if files != word.files {
		return fmt.Errorf("%w: the search for %q found %d files instead of %d", ErrNotWhole, word.word, files, word.files)
	}
	r.say.found(word.word, files, first, time.Since(start))
	return nil
}

// scanPrefix reads every entry under a prefix.
func (r *run) scanPrefix(db *lightningdb.DB, prefix string) error {
	start, entries, size := time.Now(), 0, int64(0)
	under := db.Prefix([]byte(prefix))
	for key, value := range under.All() {
		entries++
		size += int64(len(key) + len(value))
	}
	r.say.scanned(prefix, entries, size, time.Since(start))
	return under.Err()
}

// commonFolder is the folder of the file in the middle of the list, with a slash, or empty.
func commonFolder(files []sourceFile) string {
	dir := path.Dir(files[len(files)/2].path)
	if dir == "." {
		return ""
	}
	return dir + "/"
}

// timeTravel changes a file while a snapshot is open, reads both versions, and puts the file back.
func (r *run) timeTravel(db *lightningdb.DB) error {
	file := r.tree.files[len(r.tree.files)/2]
	content, err := r.tree.read(file)
	if err != nil {
		return err
	}
	changed := content + "\nlightning_demo was here\n"
	snapshot := db.Snapshot()
	err = r.replace(db, file, content, changed)
	if err == nil {
		err = r.readBoth(db, snapshot, file.path, content, changed)
	}
	if err := errors.Join(err, snapshot.Close()); err != nil {
		return err
	}
	return r.replace(db, file, changed, content)
}

// replace commits the file's new version in one batch and removes what only the old one had.
func (r *run) replace(db *lightningdb.DB, file sourceFile, from, to string) error {
	var before, after document
	before.fill(file.path, from, file.info)
	after.fill(file.path, to, file.info)
	var batch lightningdb.Batch
	for word := range before.words {
		if after.words[word] == 0 {
			batch.Delete(before.keyOf("w/", word))
		}
	}
	after.addTo(&batch)
	return db.Write(&batch)
}

func (r *run) readBoth(db *lightningdb.DB, snapshot *lightningdb.Snapshot, path, older, newest string) error {
	key := []byte("f/" + path)
	now, err := db.Get(key)
	if err != nil {
		return fmt.Errorf("read the newest version: %w", err)
	}
	then, err := snapshot.Get(key)
	if err != nil {
		return fmt.Errorf("read the older version: %w", err)
	}
	if !bytes.Equal(now, []byte(newest)) || !bytes.Equal(then, []byte(older)) {
		return fmt.Errorf("%w: %s has wrong versions", ErrNotWhole, path)
	}
	r.say.versions(path, len(now), len(then))
	return nil
}
