package repositories

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/units"
)

// Prune is the command that removes backups by rule.
func (v *Verbs) Prune() *command.Command {
	var o backup.PruneOptions
	return &command.Command{
		Use:   "prune REPOSITORY",
		Short: "Remove the backups of a repository that no rule keeps",
		Help: `prune keeps what any of the rules asks for, removes the other backups, and then every file that no backup
names. At least one rule is needed. Hours, days and weeks are those of UTC, weeks begin on Monday, and
only those count in which there is a backup. Backups of another database are counted by themselves.

  ` + v.Name + " prune " + v.Example + ` --keep-last 3 --keep-daily 14 --keep-weekly 8

Of an archive --window keeps every point of that long, up to now, and the backups which that needs;
what is older goes. Without it every point stays since the oldest backup that a rule keeps.

--dry-run removes nothing and lists what would be removed. While a backup is being made, files stay,
and the next prune removes them. If a backup is damaged nothing is removed, because nobody knows what
it needs. Prune may be interrupted at any time. What a killed backup has left half sent, it removes.`,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(f *flag.FlagSet) { pruneFlags(f, &o) },
		Run:   func(ctx context.Context, args []string) error { return v.prune(ctx, args[0], o) },
	}
}

func pruneFlags(f *flag.FlagSet, o *backup.PruneOptions) {
	f.IntVar(&o.Keep.Last, "keep-last", 0, "keep the newest `N` backups")
	f.IntVar(&o.Keep.Hourly, "keep-hourly", 0, "keep the newest backup of each of the newest `N` hours")
	f.IntVar(&o.Keep.Daily, "keep-daily", 0, "keep the newest backup of each of the newest `N` days")
	f.IntVar(&o.Keep.Weekly, "keep-weekly", 0, "keep the newest backup of each of the newest `N` weeks")
	f.Var((*window)(&o.Window), "window", "archive: keep every point of the last `DURATION`, like 14d or 36h")
	f.BoolVar(&o.DryRun, "dry-run", false, "remove nothing")
}

// window is a flag: a time in days, or as Go writes it.
type window time.Duration

// String implements flag.Value.
func (w *window) String() string {
	if *w == 0 {
		return ""
	}
	return time.Duration(*w).String()
}

// Set implements flag.Value.
func (w *window) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16) // more would not fit into a Duration
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return errors.New("want a time above 0, like 14d or 36h")
	}
	*w = window(d)
	return nil
}

// pruned is the outcome of prune, in JSON.
type pruned struct {
	DryRun  bool     `json:"dry_run"`
	Kept    []Listed `json:"kept"`
	Removed []Listed `json:"removed"`
	Freed   Amount   `json:"freed"`  // files that no backup named any more
	Pieces  Amount   `json:"pieces"` // of the archive, older than the window
	InUse   bool     `json:"in_use"` // a backup was being made: files stay until the next prune
	Seconds float64  `json:"seconds"`
}

func (v *Verbs) prune(ctx context.Context, place string, o backup.PruneOptions) error {
	if err := checkKeep(o.Keep); err != nil {
		return err
	}
	access := change
	if o.DryRun {
		access = readOnly
	}
	repo, err := v.open(ctx, place, access)
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	begun := time.Now()
	done, err := repo.Prune(ctx, o)
	if err != nil {
		err = adviseBadBackup(v.explain(place, err))
		return fmt.Errorf("%s: %w", place, IfInterrupted(ctx, err,
			"run it again to go on: every backup is there as a whole, or not at all"))
	}
	if v.JSON {
		return jsonline.Write(v.Stdout, pruned{o.DryRun, ListOf(done.Kept), ListOf(done.Removed), Amount(done.Freed),
			Amount(done.Pieces), done.InUse, time.Since(begun).Seconds()})
	}
	if err := WriteTable(v.Stdout, done.Removed); err != nil || v.Quiet {
		return err
	}
	_, err = fmt.Fprintln(v.Stderr, sayPruned(done, o.DryRun))
	return err
}

// sayPruned says what a Prune did, or would do.
func sayPruned(done backup.PruneReport, dry bool) string {
	verb, files, pieces := "removed", Amount(done.Freed).String(), ""
	if dry {
		verb = "would remove"
	}
	if done.Pieces.Files > 0 {
		pieces = fmt.Sprintf(", %s (%s) of the archive", units.Plural(int64(done.Pieces.Files), "piece"),
			units.Bytes(done.Pieces.Bytes))
	}
	if done.InUse {
		files = "no file: a backup is being made; the next prune removes what is left"
	}
	return fmt.Sprintf("%s %s%s and %s; kept %d", verb, units.Plural(int64(len(done.Removed)), "backup"), pieces, files,
		len(done.Kept))
}

// checkKeep refuses rules that keep nothing, or less.
func checkKeep(k backup.Keep) error {
	if min(k.Last, k.Hourly, k.Daily, k.Weekly) < 0 || k == (backup.Keep{}) {
		return console.Usage(errors.New("prune is not told what to keep"),
			"give at least one of --keep-last, --keep-hourly, --keep-daily and --keep-weekly, and none below 0")
	}
	return nil
}

// adviseBadBackup says what to do about a backup that keeps the others from being pruned.
func adviseBadBackup(err error) error {
	if !errors.Is(err, backup.ErrBadBackup) {
		return err
	}
	return console.Advise(err, "nothing was removed; remove the file of that backup in backups/, and run it again")
}
