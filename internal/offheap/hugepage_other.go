//go:build unix && !linux && !race

package offheap

func preferHugePages([]byte) {}

func populate([]byte) {}

func smallPages([]byte) {}
