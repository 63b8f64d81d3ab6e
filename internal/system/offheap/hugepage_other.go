//go:build unix && !linux && !race

package offheap

func preferHugePages([]byte) {}

func smallPages([]byte) {}
