//go:build race

package torture

// slowdown is by how much the bounded shares of the tests shrink.
const slowdown = 12

// poolsForget is by how much more is allocated: under the race detector a sync.Pool drops a part of what it is given.
const poolsForget = 3
