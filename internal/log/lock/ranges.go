package lock

import "lightningdb/internal/format/span"

// BlockedIn is Blocked for all keys in spans: it returns the first of them that another owner than o has locked, or
// that lies in a range which another owner protects. It looks at every lock, and at no key twice: whoever waits for the
// locks in a range one after the other comes to its end.
func (t *Table) BlockedIn(o *Owner, spans span.Set) (key []byte, blocked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.priority.holder != o {
		key, blocked = t.ranges.Meet(spans)
	}
	least := string(key)
	for _, l := range t.locks {
		if l.holder != nil && l.holder != o && (!blocked || l.key < least) && spans.Contains([]byte(l.key)) {
			least, blocked = l.key, true
		}
	}
	return []byte(least), blocked
}
