package errfs

import (
	"math"
	"path"
	"slices"
)

// Rule says which calls it applies to, and what it does to them. Its methods narrow it or give it an action, and
// return it. A rule belongs to one FS and must not be changed once it is in use.
type Rule struct {
	kinds   []Kind // none means all
	pattern string // as for path.Match; empty means all
	from    int    // the smallest index of a call
	to      int    // the largest index of a call
	nth     int    // only this match, from 1; 0 means all
	times   int    // how often it applies at most; 0 means always

	err   error
	short int // how many bytes a failing write writes
	drop  bool
	call  func(Op)

	matched, applied int // guarded by FS.mu
}

// On returns a rule for calls of the given kinds; none means all. Without an action the rule only counts.
func On(kinds ...Kind) *Rule { return &Rule{kinds: kinds, to: math.MaxInt} }

// Named restricts the rule to files whose name matches pattern, as in path.Match. Of a renaming either name may
// match.
func (r *Rule) Named(pattern string) *Rule { r.pattern = pattern; return r }

// From restricts the rule to calls with at least this index among all calls.
func (r *Rule) From(index int) *Rule { r.from = index; return r }

// At restricts the rule to the call with this index among all calls.
func (r *Rule) At(index int) *Rule { r.from, r.to = index, index; return r }

// Nth restricts the rule to the nth call, from 1, that meets its other conditions.
func (r *Rule) Nth(n int) *Rule { r.nth = n; return r }

// Times makes the rule apply only to the first n calls that meet its other conditions.
func (r *Rule) Times(n int) *Rule { r.times = n; return r }

// Fail makes the calls fail with err, wrapped as the operating system's errors are, and do nothing. A close fails
// but closes all the same.
func (r *Rule) Fail(err error) *Rule { r.err = err; return r }

// Short makes writes write only their first n bytes, and fail with err. Other calls fail as with Fail.
func (r *Rule) Short(n int, err error) *Rule { r.short, r.err = n, err; return r }

// Drop makes syncs fail with err and lose what was written to the file since its last sync, while readers still see
// it and later syncs succeed, as on Linux. Only package memfs can lose data. Drop restricts the rule to syncs.
func (r *Rule) Drop(err error) *Rule { r.kinds, r.err, r.drop = []Kind{Sync}, err, true; return r }

// Call makes the rule call do before the call goes on. do may wait, and may use the directory that has the rule.
func (r *Rule) Call(do func(Op)) *Rule { r.call = do; return r }

// Applied is how often the rule has applied to a call of fs, which must be the FS that it belongs to.
func (r *Rule) Applied(fs *FS) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return r.applied
}

// applies counts op if the rule matches it, and reports whether the rule acts on it.
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
