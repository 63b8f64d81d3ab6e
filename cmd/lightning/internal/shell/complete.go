package shell

import (
	"slices"
	"strings"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/text"
)

// maxCandidates bounds what one completion offers, and reads.
const maxCandidates = 50

// Complete is for a line editor: it replaces the word that ends at pos, in runes, by each of the candidates. Keys come
// from where reads look, but not from the open transaction: it would remember them as read, and conflict over them.
func (s *Shell) Complete(line string, pos int) (head string, candidates []string, tail string) {
	runes := []rune(line)
	head, tail = string(runes[:pos]), string(runes[pos:])
	words, begun, start := text.Unfinished(head)
	for _, c := range s.candidates(words, begun) {
		candidates = append(candidates, word(c)+" ")
	}
	return head[:start], candidates, tail
}

// candidates are the words that may follow words and begin with begun.
func (s *Shell) candidates(words []string, begun string) []string {
	if len(words) == 0 {
		return beginning(verbNames(), begun)
	}
	last := words[len(words)-1]
	v, err := find(words[0])
	if err != nil {
		return nil
	}
	if strings.HasPrefix(begun, "-") && v.flags != nil {
		return beginning(dashed(flagNames(v.flagSet(new(options)))), begun)
	}
	if last == "--prefix" || last == "--from" || last == "--to" {
		return s.keys(begun)
	}
	if last == "--bucket" {
		return s.paths(begun)
	}
	words = slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "--") })
	switch v.name {
	case "get", "delete":
		return s.keys(begun)
	case "put", "add":
		if len(words) == 1 {
			return s.keys(begun)
		}
	case "scan", "count":
		if last == "prefix" || last == "from" || last == "to" {
			return s.keys(begun)
		}
		return beginning(spanWords[v.name], begun)
	case "bucket":
		if len(words) == 1 {
			return beginning([]string{"create", "drop", "move"}, begun)
		}
		return s.paths(begun)
	case "use", "buckets":
		return s.paths(begun)
	case "rollback":
		if last == "to" {
			return beginning(s.savepointNames(), begun)
		}
		return beginning([]string{"to"}, begun)
	}
	if len(words) == 1 {
		return beginning(s.argumentsOf(v.name), begun)
	}
	return nil
}

// spanWords are the words that scan and count understand.
var spanWords = map[string][]string{
	"scan":  {"prefix", "from", "to", "limit", "reverse", "keys"},
	"count": {"prefix", "from", "to"},
}

// argumentsOf are the words that may stand behind verbs with one argument.
func (s *Shell) argumentsOf(verb string) []string {
	switch verb {
	case "begin":
		return []string{"readonly", "snapshot-isolation"}
	case "at":
		return append(s.snapshotNames(), now)
	case "release":
		return s.snapshotNames()
	case "help":
		return verbNames()
	}
	return nil
}

func dashed(names []string) (flags []string) {
	for _, name := range names {
		flags = append(flags, "--"+name)
	}
	return flags
}

func verbNames() (names []string) {
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	return names
}

func (s *Shell) snapshotNames() (names []string) {
	for _, kept := range s.snapshots {
		names = append(names, kept.name)
	}
	return names
}

func (s *Shell) savepointNames() (names []string) {
	for _, p := range s.savepoints {
		names = append(names, p.name)
	}
	return names
}

// keys are some keys that begin with begun. After an error there are none: the command itself will report it.
func (s *Shell) keys(begun string) (keys []string) {
	from, done := s.shown()
	defer done()
	in, err := s.bucket.Of(from)
	if err != nil {
		return nil
	}
	for key := range in.Prefix([]byte(begun)).Limit(maxCandidates).Keys() {
		keys = append(keys, string(key))
	}
	return keys
}

// shown is the state that completion reads, to a call of done.
func (s *Shell) shown() (from *lightningdb.Snapshot, done func()) {
	if s.past != nil {
		return s.past, func() {}
	}
	from = s.DB.Snapshot()
	return from, func() { _ = from.Close() }
}

// beginning returns the words that begin with begun.
func beginning(words []string, begun string) (matching []string) {
	for _, w := range words {
		if strings.HasPrefix(w, begun) {
			matching = append(matching, w)
		}
	}
	return matching
}
