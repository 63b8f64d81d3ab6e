//go:build !race

package torture

// slowdown is by how much the bounded shares of the tests shrink: not at all without the race detector.
const slowdown = 1

// poolsForget is by how much more is allocated because a sync.Pool forgets: not at all without the race detector.
const poolsForget = 1
