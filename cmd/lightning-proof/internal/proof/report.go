package proof

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"lightningdb/cmd/internal/console"
	"lightningdb/internal/proof/campaign"
	"lightningdb/internal/proof/oracle"
)

// report is what a run prints.
type report struct {
	OK       bool
	campaign *campaign.Campaign
	outcomes []campaign.Outcome
	total    oracle.Counts
	checked  bool // whether levels ran that find lost writes
	lost     int64
	followed bool // whether levels ran that followers watch
	misled   int64
	duration time.Duration
	skipped  [][2]string
}

func newReport(c *campaign.Campaign, outcomes []campaign.Outcome, duration time.Duration) report {
	r := report{OK: len(outcomes) > 0, campaign: c, outcomes: outcomes, duration: duration}
	for _, o := range outcomes {
		r.total.Add(o.Counts)
		r.lost += o.LostWrites
		r.misled += o.Followers.Misled
		r.followed = r.followed || o.Level.Followed
		r.checked = r.checked || o.Level.Key == "iso" || o.Level.Key == "sim"
		r.OK = r.OK && o.Problem() == ""
	}
	for _, l := range campaign.Levels() {
		if len(c.Only) > 0 && !slices.Contains(c.Only, l.Name) {
			r.skipped = append(r.skipped, [2]string{l.Key, "not in --only"})
		}
	}
	if !r.checked {
		r.skipped = append(r.skipped, [2]string{"lost_writes", "counted by levels isolation and simulation"})
	}
	if !r.followed {
		r.skipped = append(r.skipped, [2]string{"misled_followers",
			"counted by levels crash, error, pairs, damage, kill and simulation"})
	}
	r.skipped = append(r.skipped,
		[2]string{"fuzz", "run by go test -fuzz"},
		[2]string{"mutants", "not a level of this program"},
		[2]string{"coverage", "not measured by this program"})
	return r
}

func (r report) verdict() string {
	if r.OK {
		return "ok"
	}
	return "FAILED"
}

func (r report) writeTable(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "level\tcount\tof at least\t\tseconds\tper core-second\tinjected\tresult")
	for _, o := range r.outcomes {
		result := o.Problem()
		if result == "" {
			result = "ok"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%.1f\t%.1f\t%d\t%s\n", o.Level.Name, o.Count, o.Minimum, o.Level.Noun,
			o.Duration.Seconds(), r.rate(o), o.Injected, result)
	}
	w.Flush()
	for _, o := range r.outcomes {
		fmt.Fprintf(out, "\n%s:", o.Level.Name)
		for _, f := range o.Figures {
			fmt.Fprintf(out, " %s=%v", f.Name, f.Value)
		}
		if o.Level.Followed {
			fmt.Fprintf(out, " %v", o.Followers)
		}
	}
	fmt.Fprintf(out, "\n\npeak_rss=%d commit=%s\n", peakRSS(), commit())
	for _, s := range r.skipped {
		fmt.Fprintf(out, "skipped %s: %s\n", s[0], s[1])
	}
	lost, misled := "skipped", "skipped"
	if r.checked {
		lost = fmt.Sprint(r.lost)
	}
	if r.followed {
		misled = fmt.Sprint(r.misled)
	}
	fmt.Fprintf(out, "%v lost_writes=%s misled_followers=%s: %s\n", r.total, lost, misled, r.verdict())
}

// rate is how much of its unit a level did in a second of one worker.
func (r report) rate(o campaign.Outcome) float64 {
	return float64(o.Count) / max(o.Duration.Seconds()*float64(max(r.campaign.Workers, 1)), 1e-9)
}

func (r report) writeJSON(out io.Writer) {
	line := map[string]any{
		"ok": r.OK, "seed": r.campaign.Seed, "commit": commit(), "go": runtime.Version(),
		"os": runtime.GOOS + "/" + runtime.GOARCH, "dur_s": seconds(r.duration), "skipped": r.skipped,
		"peak_rss":   peakRSS(),
		"acked_lost": r.total.AckedLost, "torn_txns": r.total.TornTxns, "holes": r.total.Holes,
		"vanished_reads": r.total.VanishedReads, "wrong_data": r.total.WrongData, "panics": r.total.Panics,
		"ended_shown": r.total.EndedShown, "ends_came_back": r.total.EndsCameBack,
	}
	if r.checked {
		line["lost_writes"] = r.lost
	}
	if r.followed {
		line["misled_followers"] = r.misled
	}
	for _, o := range r.outcomes {
		level := map[string]any{"count": o.Count, "minimum": o.Minimum, "injected_total": o.Injected,
			"failures": o.Failures, "dur_s": seconds(o.Duration), "per_core_s": float64(int64(r.rate(o)*10)) / 10,
			"problem": o.Problem(), "acked_lost": o.AckedLost, "torn_txns": o.TornTxns, "holes": o.Holes,
			"vanished_reads": o.VanishedReads, "wrong_data": o.WrongData, "panics": o.Panics, "lost_writes": o.LostWrites,
			"ended_shown": o.EndedShown, "ends_came_back": o.EndsCameBack}
		if o.Level.Followed {
			level["misled_followers"], level["followers"] = o.Followers.Misled, o.Followers.Opened
			level["followers_shown"], level["followers_refused"] = o.Followers.Shown, o.Followers.Refused
			level["followers_expired"] = o.Followers.Expired
		}
		for _, f := range o.Figures {
			level[f.Name] = f.Value
		}
		line[o.Level.Key] = level
	}
	_ = json.NewEncoder(out).Encode(line) // nothing in it cannot be encoded
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// commit is the revision that the program was built from, with + behind it if files had been changed since.
func commit() string {
	return strings.Replace(console.ThisVersion().Revision, " with changes", "+", 1)
}

// peakRSS is the largest resident set that this process has had, in bytes; 0 where the system does not tell.
func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return 0
}
