package main

import (
	"strings"
	"testing"
	"time"
)

// A driver that loses large values, or gives back old ones, would be fast: the set itself compares all of them.
func TestValues_areReadAsTheyWereWritten(t *testing.T) {
	s := settings{Rows: 10, Each: time.Millisecond, LargeMemory: 10 << 20, ValueBytes: 400_000,
		FillLimit: 10 * time.Second}
	for _, k := range kinds() {
		if !persists(k) {
			continue
		}
		for _, v := range largeValues {
			if testing.Short() && v.size != 10_000 {
				continue
			}
			t.Run(k.name+"/"+v.title, func(t *testing.T) {
				r := newRun(s, k, t.TempDir())
				if err := r.values(v); err != nil {
					t.Fatal(err)
				}
				for _, line := range valueRows() {
					if _, measured := r.Values[line.name]; !measured && strings.HasPrefix(line.name, v.name+"_") {
						t.Errorf("%q is not measured", line.title)
					}
				}
			})
		}
	}
}
