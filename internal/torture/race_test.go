//go:build race

package torture

// slowdown is by how much the bounded shares of the tests shrink.
const slowdown = 12
