package errfs

import (
	"math"
	"path"
	"slices"
)

// Rule says which calls it applies to, and what it does to them. Its methods narrow it or give it an action, and
// return it. A rule belongs to one FS and must not be changed once it is in use.
type Rule struct {
	kinds   []Kind // none is all
	pattern string // as for path.Match; empty is all
	from    int    // smallest index of a call
	to      int    // largest index of a call
	nth     int    // only this match, from 1; 0 is all
	times   int    // applies at most so often; 0 is always

	err   error
	short int // bytes that a failing write writes
	drop  bool
	call  func(Op)

	matched, applied int // guarded by FS.mu
}

// On returns a rule for calls of the given kinds; none means all. Without an action it only counts.
func On(kinds ...Kind) *Rule { return &Rule{kinds: kinds, to: math.MaxInt} }

// Named restricts the rule to files whose name (for renamings either name) matches pattern, see path.Match.
func (r *Rule) Named(pattern string) *Rule { r.pattern = pattern; return r }

// From restricts the rule to calls with at least this index among all calls.
func (r *Rule) From(index int) *Rule { r.from = index; return r }

// At restricts the rule to the call with this index among all calls.
func (r *Rule) At(index int) *Rule { r.from, r.to = index, index; return r }

// Nth restricts the rule to the nth call, from 1, that fulfils its other conditions.
func (r *Rule) Nth(n int) *Rule { r.nth = n; return r }

// Times lets the rule apply to the first n calls that fulfil its other conditions.
func (r *Rule) Times(n int) *Rule { r.times = n; return r }

// Fail makes the calls fail with err, wrapped as the operating system's errors are, and do nothing. A close fails
// and closes all the same.
func (r *Rule) Fail(err error) *Rule { r.err = err; return r }

// Short makes writes write their first n bytes only, and fail with err. Other calls fail as by Fail.
func (r *Rule) Short(n int, err error) *Rule { r.short, r.err = n, err; return r }

// Drop makes syncs fail with err and lose what was written to the file since its last sync, while readers still
// see it and later syncs succeed: what Linux does. Only package memfs can lose data. It restricts the rule to syncs.
func (r *Rule) Drop(err error) *Rule { r.kinds, r.err, r.drop = []Kind{Sync}, err, true; return r }

// Call calls do before the call goes on. It may wait, and it may use the directory under the rules.
func (r *Rule) Call(do func(Op)) *Rule { r.call = do; return r }

// Applied is how often the rule applied to a call of fs, which must be the one it belongs to.
func (r *Rule) Applied(fs *FS) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return r.applied
}

// applies counts op if the rule matches it and reports whether the rule acts on it.
func (r *Rule) applies(op Op) bool {
	if op.Index < r.from || op.Index > r.to || !r.matchesName(op) {
		return false
	}
	if len(r.kinds) > 0 && !slices.Contains(r.kinds, op.Kind) {
		return false
	}
	r.matched++
	if r.nth > 0 && r.matched != r.nth || r.times > 0 && r.applied >= r.times {
		return false
	}
	r.applied++
	return true
}

func (r *Rule) matchesName(op Op) bool {
	if r.pattern == "" {
		return true
	}
	for _, name := range [...]string{op.Name, op.NewName} {
		if ok, err := path.Match(r.pattern, name); err == nil && ok && name != "" {
			return true
		}
	}
	return false
}
