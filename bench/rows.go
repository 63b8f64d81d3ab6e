package main

import (
	"fmt"
	"slices"
)

// row is a line of the report.
type row struct {
	name  string // in results.Values
	title string
	less  bool   // less is better
	plain bool   // not compared
	peers string // the peers' row to compare with; empty: this one
}

// section is a table of the report.
type section struct {
	name  string // of its chart's file
	title string
	text  string // below the title
	chart bool
	lines []row
}

func sections() []section {
	return []section{
		{name: "writes", title: "Writes", chart: true, lines: writeRows(),
			text: "Durable: the commit survives a power cut. In the kernel: it survives a kill of the process (Pebble's waits " +
				"in the process). Bulk load in each engine's best way, removal in batches of 1,000."},
		{name: "reads", title: "Point reads", chart: true, lines: readRows(),
			text: "Reads/s by one or two goroutines, from one snapshot or with one Get (or transaction) each. Values of hot " +
				"rows have 100 bytes."},
		{name: "scans", title: "Scans", chart: true, lines: scanRows(""),
			text: "From one snapshot, each with an iterator or cursor of its own."},
		{name: "ycsb", title: "YCSB", chart: true, lines: ycsbRows(),
			text: "Operations/s by two goroutines, commits in the kernel, each operation on its own."},
		{name: "bank", title: "Transactions", chart: true, lines: bankRows(),
			text: "Bank transfers by 8 goroutines between two of the accounts that the row names, commits/s."},
		{name: "sustained", title: "Sustained writes", lines: sustainedRows(),
			text: "One goroutine overwrites random rows one by one, in the kernel, while flush and compaction run."},
		{name: "large", title: "Ten times the memory", chart: true, lines: largeRows(),
			text: "Ten times as much data as the engine has memory, filled in the kernel in batches of 10,000. Engines that " +
				"map their files have the operating system's cache on top of it."},
		{name: "values", title: "Large values", chart: true, lines: valueRows(),
			text: "Values that do not compress, under random keys, in commits of about 100 KB, in the kernel; each is " +
				"overwritten three times on average, in random order, before it is read. Bytes written are those that the kernel " +
				"counts for the process (write_bytes), mapped files included: a page that is written anew " +
				"before the kernel got round to it counts once, which an engine that writes in place gains by, and would not if " +
				"commits were durable. Disk and reads are after the overwrites. Each engine has the memory that it has for ten " +
				"times as much data."},
		{name: "model", title: "The data model", chart: true, lines: modelRows(),
			text: "A table of people with two indexes, of addresses, which are unique, and of years: put one by one in the " +
				"kernel, read by key, by address, and in the order of years. Below, what parts of this database's data model " +
				"cost next to what they are made of, in one database, in turn; times are the best of three."},
		{name: "size", title: "Size, open, memory", lines: sizeRows(),
			text: "Resident memory includes the program that measures (some 40 MiB; 130 MiB with reads and scans) and, for " +
				"engines that map files, pages of the page cache."},
	}
}

func latencyRows(name string) (lines []row) {
	for _, p := range percentiles {
		lines = append(lines, row{name: name + p.suffix, title: "… " + p.title + " latency (µs)", less: true})
	}
	return lines
}

func writeRows() []row {
	return slices.Concat([]row{
		{name: "load", title: "bulk load, until synced (entries/s)"},
		{name: "settle", title: "… background work after it (s)", plain: true},
		{name: "durable1", title: "durable write, 1 goroutine (commits/s)"},
	}, latencyRows("durable1"), []row{
		{name: "durable64", title: "durable write, 64 goroutines (commits/s)"},
	}, latencyRows("durable64"), []row{
		{name: "durable_batch", title: "durable batches of 1,000 (entries/s)"},
		{name: "kernel1", title: "write in the kernel, 1 goroutine (commits/s)"},
		{name: "kernel2", title: "write in the kernel, 2 goroutines (commits/s)"},
		{name: "sequential", title: "ascending keys in the kernel, batches of 100 (entries/s)"},
		{name: "remove", title: "removal of half the rows, until synced (entries/s)"},
	})
}

func readRows() (lines []row) {
	for _, k := range readKinds {
		for _, mode := range readModes {
			for goroutines := 1; goroutines <= 2; goroutines++ {
				lines = append(lines, row{
					name:  fmt.Sprintf("%s%s%d", k.name, mode.suffix, goroutines),
					title: fmt.Sprintf("%s, %s, %d goroutine%s", k.title, mode.title, goroutines, "s"[:goroutines-1]),
				})
			}
		}
	}
	return lines
}

func scanRows(prefix string) (lines []row) {
	for _, d := range directions {
		for _, length := range scanLengths {
			lines = append(lines, row{
				name:  fmt.Sprintf("%sscan%d%s", prefix, length, d.suffix),
				title: fmt.Sprintf("seek and %d entries%s (scans/s)", length, d.title),
			})
		}
		lines = append(lines, row{name: prefix + "scan_all" + d.suffix, title: "everything" + d.title + " (entries/s)"})
	}
	return lines
}

func ycsbRows() (lines []row) {
	for _, w := range ycsbKinds {
		lines = append(lines, row{name: w.name, title: w.title})
	}
	return lines
}

func bankRows() (lines []row) {
	for _, w := range bankWorkloads() {
		attempts, locking := w.name+"_attempts", w.name+"_locking"
		lines = append(lines,
			row{name: w.name, title: w.title},
			row{name: attempts, title: "… attempts for each commit", less: true, plain: true},
			row{name: locking, title: w.title + ", GetForUpdate", peers: w.name},
			row{name: locking + "_attempts", title: "… attempts for each commit", less: true, plain: true})
	}
	return lines
}

func sustainedRows() []row {
	return slices.Concat([]row{
		{name: "sustained", title: "all of it (writes/s)"},
		{name: "sustained_worst", title: "worst second (writes/s)"},
	}, latencyRows("sustained"), []row{
		{name: "sustained_max", title: "… slowest write (ms)", less: true},
		{name: "rss_sustained", title: "peak resident memory (MiB)", less: true},
	})
}

func largeRows() []row {
	return slices.Concat([]row{
		{name: "large_rows", title: "rows loaded", plain: true},
		{name: "large_fill", title: "fill until synced and quiet (entries/s)"},
		{name: "large_write", title: "… while writing (entries/s)"},
		{name: "large1", title: "uniform reads, one Get each, 1 goroutine (reads/s)"},
		{name: "large2", title: "uniform reads, one Get each, 2 goroutines (reads/s)"},
	}, scanRows("large_"), []row{
		{name: "large_amplification", title: "write amplification of the fill", less: true},
		{name: "large_space", title: "space amplification after it", less: true},
		{name: "large_disk", title: "on disk (MiB)", plain: true},
		{name: "rss_large", title: "peak resident memory, fill and reads (MiB)", less: true},
	})
}

func sizeRows() []row {
	return []row{
		{name: "disk", title: "on disk after load and close (MiB)", less: true},
		{name: "disk_removed", title: "… after removing half (MiB)", less: true},
		{name: "disk_compacted", title: "… and compaction (MiB)", less: true},
		{name: "compact", title: "compaction (s)", plain: true},
		{name: "close", title: "close after load (ms)", less: true},
		{name: "open", title: "open after a clean close, and one read (ms)", less: true},
		{name: "kill_open", title: "open after a kill, and one read (ms)", less: true},
		{name: "kill_lost", title: "… entries lost that had been acknowledged in the kernel", less: true},
		{name: "rss_load", title: "peak resident memory, load (MiB)", less: true},
		{name: "rss_read", title: "… reads, scans and removal (MiB)", less: true},
		{name: "rss_write", title: "… and writes (MiB)", less: true},
		{name: "rss_ycsb", title: "peak resident memory, YCSB (MiB)", less: true},
	}
}
