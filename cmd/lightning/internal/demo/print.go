package demo

import (
	"fmt"
	"io"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/picture"
	"lightningdb/cmd/internal/units"
)

// printer writes what the demo says. Errors of out are ignored: the verdict is also in the exit code.
type printer struct {
	out    io.Writer
	bold   func(string) string
	stages int
}

// line prints a line.
func (p *printer) line(format string, args ...any) { fmt.Fprintf(p.out, "   "+format+"\n", args...) }

func (p *printer) stage(title string) {
	p.stages++
	fmt.Fprintf(p.out, "\n%s\n", p.bold(fmt.Sprintf("%d. %s", p.stages, title)))
}

func (p *printer) opening(r *run) {
	fmt.Fprintln(p.out, p.bold("Lightning DB demo"))
	p.line("source    %s: %s, %s", r.Source, units.Plural(len(r.tree.files), "file"), units.Bytes(r.tree.bytes))
	if r.tree.skipped > 0 {
		p.line("          %s larger than a value may be left out", units.Plural(r.tree.skipped, "file"))
	}
	fate := "removed at the end"
	if r.Keep {
		fate = "kept"
	}
	p.line("database  %s (%s)", r.Dir, fate)
	p.line("each file is one atomic batch: content, metadata and one entry per distinct word;")
	p.line("it is acknowledged when its commit has returned, and that is after its sync")
}

func (p *printer) killed(r *run, elapsed time.Duration) {
	acked := units.Plural(len(r.acked), "file")
	if !r.report.Killed {
		p.line("%s acknowledged in %s; the load was over before the kill came (a larger tree is interrupted)", acked,
			units.Duration(elapsed))
		return
	}
	p.line("SIGKILL after %s; %s of %s acknowledged, up to %d more in flight",
		units.Duration(elapsed), acked, units.Count(len(r.tree.files)), loaders)
}

func (p *printer) recovery(r *run, report lightningdb.RecoveryReport) {
	p.stage("Reopen")
	for _, line := range picture.Recovery(report) {
		p.line("%s", line)
	}
	r.report.TornLogBytes, r.report.RecoverySeconds = report.TornBytes, report.Duration.Seconds()
}

func (p *printer) checked(found *findings, acked int) {
	p.line("%s scanned and %s read by key in %s (%s/s)", units.Plural(found.entries, "entry"), units.Count(found.compared),
		units.Duration(found.elapsed), units.Count(units.Rate(found.entries+found.compared, found.elapsed)))
	p.line("%s of %s acknowledged files wholly there, %s unacknowledged but whole",
		units.Count(acked-len(found.lost)), units.Count(acked), units.Count(found.unacknowledged))
	p.names("lost", found.lost)
	p.names("torn", found.torn)
	if found.strays > 0 {
		p.line("%s that belong to no file", units.Plural(found.strays, "entry"))
	}
}

// names lists a few of the files that should not be in this list.
func (p *printer) names(what string, paths map[string]bool) {
	const most = 5
	shown := 0
	for path := range paths {
		if shown++; shown > most {
			p.line("%s: and %d more", what, len(paths)-most)
			return
		}
		p.line("%s: %s", what, path)
	}
}

func (p *printer) loaded(l *loader, elapsed time.Duration) {
	p.line("%s and %s in %s", units.Plural(l.files.Load(), "file"), units.Plural(l.entries.Load(), "entry"),
		units.Duration(elapsed))
	p.line("%s entries/s, %s/s of keys and values, every commit synced",
		units.Count(units.Rate(l.entries.Load(), elapsed)), units.Bytes(units.Rate(l.bytes.Load(), elapsed)))
}

func (p *printer) found(word string, files int, first string, elapsed time.Duration) {
	p.line("%q is in %s, %s among them (%s)", word, units.Plural(files, "file"), first, units.Duration(elapsed))
}

func (p *printer) scanned(prefix string, entries int, size int64, elapsed time.Duration) {
	p.line("%s under %s, %s (%s, %s entries/s)", units.Plural(entries, "entry"), prefix, units.Bytes(size),
		units.Duration(elapsed), units.Count(units.Rate(int64(entries), elapsed)))
}

func (p *printer) versions(path string, newest, older int) {
	p.line("%s has %s now and %s in the snapshot taken before the change", path, units.Plural(newest, "byte"),
		units.Plural(older, "byte"))
}

func (p *printer) tallied(files int, again int64, elapsed time.Duration) {
	p.stage("Contention")
	p.line("%d goroutines added the sizes of %s to one total, each in a transaction, in %s", loaders,
		units.Plural(files, "file"), units.Duration(elapsed))
	p.line("%s because another was first, and none was lost\n", units.Plural(again, "repetition"))
}

// sizes shows what all of it came to on disk.
func (p *printer) sizes(r *run, m lightningdb.Metrics) {
	p.stage("What it came to")
	for _, line := range picture.Levels(m) {
		p.line("%s", line)
	}
	r.report.DiskBytes = m.DiskBytes
	p.line("%s: %s of keys and values in %s on disk (%.0f %%)", units.Plural(r.report.Entries, "entry"),
		units.Bytes(r.report.EntryBytes), units.Bytes(m.DiskBytes), percent(m.DiskBytes, r.report.EntryBytes))
}

func percent(part, of int64) float64 { return 100 * float64(part) / float64(max(1, of)) }
