//go:build unix && !race

package offheap

const regionsOnHeap = false
