package command

import (
	"slices"
	"strings"
)

// Nearest returns the names that a mistyped word may mean: those that have it as an alias, that begin with it, or that
// differ from it in few letters. It returns at most three, and none if nothing is near.
func Nearest(word string, names []string, aliases map[string]string) []string {
	word = strings.ToLower(word)
	if name, ok := aliases[word]; ok {
		return []string{name}
	}
	if word == "" {
		return nil
	}
	if near := matching(names, func(name string) bool {
		return len(word) > 1 && strings.HasPrefix(name, word) || len(name) > 1 && strings.HasPrefix(word, name)
	}); len(near) > 0 {
		return near
	}
	known := slices.Clone(names)
	for alias := range aliases {
		known = append(known, alias)
	}
	slices.Sort(known)
	least := 1 + min(1, len(word)/5) // letters that may be wrong: one of a short word, two of a longer one
	near := matching(known, func(name string) bool { return distance(word, name) <= least })
	for ; least > 1 && len(near) > 0; least-- {
		if closer := matching(near, func(name string) bool { return distance(word, name) < least }); len(closer) > 0 {
			near = closer
		}
	}
	for i, name := range near {
		if meant, ok := aliases[name]; ok {
			near[i] = meant
		}
	}
	return slices.Compact(near)
}

// matching returns the first three of names for which f holds.
func matching(names []string, f func(string) bool) (found []string) {
	const most = 3
	for _, name := range names {
		if len(found) < most && f(name) {
			found = append(found, name)
		}
	}
	return found
}

// distance is how many letters must be added, removed, changed or swapped with a neighbour to turn a into b: the
// optimal string alignment distance, in three rows of its table.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// orOf is "a", "a or b", "a, b or c".
func orOf(words []string, show func(string) string) string {
	var text strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			text.WriteString(" or ")
		case i > 0:
			text.WriteString(", ")
		}
		text.WriteString(show(w))
	}
	return text.String()
}
