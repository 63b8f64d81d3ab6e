package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"iter"
	"strconv"
	"time"

	"lightningdb"
)

// maxWordSize is the longest word, in bytes. Longer runs are data, not words.
const maxWordSize = 64

// document is one file as the database holds it. It is reused from file to file, and not safe for concurrent use.
type document struct {
	path    string
	content string
	meta    []byte            // JSON
	words   map[string]uint32 // distinct words, as pieces of content, and how often they occur
	key     []byte            // space for keys
	value   []byte            // space for values
}

// metadata is the value of m/<path>.
type metadata struct {
	Size    int64  `json:"size"`
	ModTime string `json:"mtime"` // RFC 3339, UTC
	Mode    string `json:"mode"`
	SHA256  string `json:"sha256"`
	Words   int    `json:"words"` // occurrences, not distinct words
}

// fill makes d the document of the file.
func (d *document) fill(path, content string, info fs.FileInfo) {
	d.path, d.content = path, content
	if d.words == nil {
		d.words = make(map[string]uint32)
	}
	clear(d.words)
	total := 0
	for word := range words(content) {
		d.words[word]++
		total++
	}
	sum := sha256.Sum256([]byte(content))
	d.meta, _ = json.Marshal(metadata{ // it cannot fail: strings and numbers
		Size: int64(len(content)), ModTime: info.ModTime().UTC().Format(time.RFC3339Nano), Mode: info.Mode().String(),
		SHA256: hex.EncodeToString(sum[:]), Words: total,
	})
}

// entries yields everything the document puts into the database. The slices are valid until the next step.
func (d *document) entries() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		d.value = append(d.value[:0], d.content...)
		if !yield(d.keyOf("f/", ""), d.value) || !yield(d.keyOf("m/", ""), d.meta) {
			return
		}
		for word, count := range d.words {
			d.value = strconv.AppendUint(d.value[:0], uint64(count), 10)
			if !yield(d.keyOf("w/", word), d.value) {
				return
			}
		}
	}
}

// keyOf builds prefix, word and a slash if there is a word, and the path. It is valid until the next call.
func (d *document) keyOf(prefix, word string) []byte {
	d.key = append(append(d.key[:0], prefix...), word...)
	if word != "" {
		d.key = append(d.key, '/')
	}
	d.key = append(d.key, d.path...)
	return d.key
}

// addTo puts the whole document into the batch.
func (d *document) addTo(b *lightningdb.Batch) {
	for key, value := range d.entries() {
		b.Put(key, value)
	}
}

// words yields the words of text in order, as pieces of text.
func words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(text); {
			if !wordByte[text[i]] {
				i++
				continue
			}
			start := i
			for i < len(text) && wordByte[text[i]] {
				i++
			}
			if i-start <= maxWordSize && !yield(text[start:i]) {
				return
			}
		}
	}
}

// wordByte says of each byte whether words are made of it.
var wordByte = func() (table [256]bool) {
	for c := range table {
		table[c] = c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	return table
}()

// pathOf is the path inside a key of one of the three kinds, or false for any other key. word is set for postings.
func pathOf(key []byte) (path, word []byte, ok bool) {
	if len(key) < 3 || key[1] != '/' {
		return nil, nil, false
	}
	rest := key[2:]
	switch key[0] {
	case 'f', 'm':
		return rest, nil, true
	case 'w':
		for i, c := range rest {
			if c == '/' {
				return rest[i+1:], rest[:i], i > 0
			}
		}
	}
	return nil, nil, false
}
