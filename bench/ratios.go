package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// notable is how much lower a ratio must be to be marked.
const notable = 0.05

// reportRatios prints how the first engine stands to the best peer in each row, next to what the file has, and marks
// what is notably lower. Both engines were measured in one run, so that the machine's speed does not matter much; its
// noise still does. With update the file is written instead.
func reportRatios(w io.Writer, m *measurements, file string, update bool) error {
	now := make(map[string]float64)
	for _, s := range sections() {
		for _, line := range s.lines {
			if c, ok := m.compare(line); ok && !line.less {
				now[line.name] = c.ratios[m.Engines[0].Name]
			}
		}
	}
	if update {
		text, err := json.MarshalIndent(now, "", "\t")
		if err != nil {
			return err
		}
		return os.WriteFile(file, append(text, '\n'), 0o666)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before := make(map[string]float64)
	if err := json.Unmarshal(text, &before); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	printRatios(w, m.Engines[0].Name, before, now)
	return nil
}

func printRatios(w io.Writer, ours string, before, now map[string]float64) {
	fmt.Fprintf(w, "%-16s %8s %8s   %s ÷ best peer of this run\n", "row", "before", "now", ours)
	lower := 0
	for _, name := range slices.Sorted(maps.Keys(now)) {
		mark := ""
		if then, ok := before[name]; ok && now[name] < then*(1-notable) {
			mark = fmt.Sprintf("%.0f %% LOWER", 100*(1-now[name]/then))
			lower++
		}
		fmt.Fprintf(w, "%-16s %8.2f %8.2f   %s\n", name, before[name], now[name], mark)
	}
	fmt.Fprintf(w, "%d of %d ratios are more than %.0f %% lower; a single run on a busy machine proves nothing\n",
		lower, len(now), 100*notable)
}
