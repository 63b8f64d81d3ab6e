package proof

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning-proof/internal/validate"
)

// What validate does where no flag says otherwise.
const (
	crashDuration     = 3 * time.Second
	enduranceDuration = 30 * time.Second
	testDuration      = 3 * time.Second
	killRounds        = 1
	powerLossRounds   = 8
	incrementRounds   = 50
)

// validateFlags are those of all programs.
type validateFlags struct {
	dir        string
	seed       uint64
	duration   time.Duration
	rounds     int
	writers    int
	workers    int
	durability console.Durability
	powerLoss  bool
	only       string
}

// refused are the flags that a program does not have.
var refused = map[string][]string{
	"crash":        {"only", "workers"},
	"stress":       {"rounds", "writers", "workers", "durability", "power-loss"},
	"transactions": {"duration", "writers", "power-loss", "only"},
}

func (a *app) validateCommand() *command.Command {
	f := validateFlags{durability: console.Durability(lightningdb.Sync)}
	cmd := &command.Command{
		Use:     "validate crash|stress|transactions",
		Short:   "Hold the database against its promises: kills, power cuts, stress, contention",
		MinArgs: 1, MaxArgs: 1,
		Exclusive: [][2]string{{"power-loss", "duration"}, {"power-loss", "dir"}},
		Help: `validate crash starts a process with 4 writers: plain puts, and every tenth commit a transaction
that writes a group of entries and adds to registers that all writers share. After 3 seconds and a
random moment it kills the process with SIGKILL, reopens the database and compares: every acknowledged
entry must be there and exact, every transaction whole or absent and in the registers, and nothing
there that was never written. With --power-loss the writers run on a simulated machine, and what each
kind of power cut may leave of its disk is recovered and compared.

validate stress runs six tests: ` + strings.Join(validate.Tests(), ", ") + `.

validate transactions has 20 workers add 50 times each to one counter, in every mode of the API. Every
one must succeed and be in the counter, after closing and reopening too, and in a second database
after a kill of the process in the middle.

The last line is PASS or FAIL, and the exit code is 0 only if everything held and there was something
to check.`,
	}
	cmd.Flags = func(set *flag.FlagSet) {
		set.StringVar(&f.dir, "dir", "", "`DIR` to work in, absent or empty, which is kept (default: a temporary one)")
		set.Uint64Var(&f.seed, "seed", 0, "`N` from which all data follows (default: a random one)")
		set.DurationVar(&f.duration, "duration", 0, "`TIME` before the kill, or of the test of endurance (default: 3s, 30s)")
		set.IntVar(&f.rounds, "rounds", 0, "crash: `N` kills on one directory (default: 1, with --power-loss 8); "+
			"transactions: increments of a worker (50)")
		set.IntVar(&f.writers, "writers", 4, "crash: `N` writers")
		set.IntVar(&f.workers, "workers", 20, "transactions: `N` workers")
		set.Var(&f.durability, "durability", "crash, transactions: level of the commits, `sync|process`")
		set.BoolVar(&f.powerLoss, "power-loss", false, "crash: simulate power cuts instead of killing a process")
		set.StringVar(&f.only, "only", "", "stress: `NAME` of the only test to run")
	}
	cmd.Run = func(ctx context.Context, args []string) error { return a.validate(ctx, cmd, args[0], f) }
	return cmd
}

func (a *app) validate(ctx context.Context, cmd *command.Command, program string, f validateFlags) error {
	if !cmd.Given("seed") {
		f.seed = rand.Uint64()
	}
	for _, name := range append(refused[program], "memory-limit") { // a limit makes seconds of work flush and compact
		if cmd.Given(name) {
			return console.Usage(fmt.Errorf("validate %s does not take --%s", program, name),
				"see `lightning-proof help validate`")
		}
	}
	switch program {
	case "crash":
		return a.validateCrash(ctx, cmd, f)
	case "stress":
		return a.validateStress(ctx, cmd, f)
	case "transactions":
		return a.validateTransactions(ctx, cmd, f)
	}
	return console.Usage(fmt.Errorf("there is no validation %q", program), "use: lightning-proof "+cmd.Use)
}

func (a *app) validateCrash(ctx context.Context, cmd *command.Command, f validateFlags) error {
	c := validate.CrashConfig{Dir: f.dir, Rounds: f.rounds, Writers: f.writers, Duration: f.duration,
		Sync: lightningdb.Durability(f.durability) == lightningdb.Sync, Seed: f.seed, PowerLoss: f.powerLoss,
		Child: writingProcess, AfterKill: a.afterKill, Out: a.Story(), Bold: a.Bold}
	if !cmd.Given("rounds") {
		c.Rounds = killRounds
		if f.powerLoss {
			c.Rounds = powerLossRounds
		}
	}
	if !cmd.Given("duration") {
		c.Duration = crashDuration
	}
	a.tellVersion(c.Out)
	report, err := validate.Crash(ctx, c)
	if err != nil && !errors.Is(err, validate.ErrBroken) {
		return fmt.Errorf("validate crash: %w", err)
	}
	if a.JSON {
		return errors.Join(reportable(err), jsonline.Write(a.Stdout, crashOutput{report, console.ThisVersion()}))
	}
	report.Print(c.Out)
	return a.verdict(err)
}

func (a *app) validateStress(ctx context.Context, cmd *command.Command, f validateFlags) error {
	c := validate.StressConfig{Dir: f.dir, Only: f.only, Endurance: f.duration, Each: testDuration, Seed: f.seed,
		Child: fillingProcess, Out: a.Story(), Bold: a.Bold}
	if !cmd.Given("duration") {
		c.Endurance = enduranceDuration
	}
	if a.JSON {
		c.Done = func(r validate.Result) error { return jsonline.Write(a.Stdout, r) }
	}
	a.tellVersion(c.Out)
	report, err := validate.Stress(ctx, c)
	if err != nil && !errors.Is(err, validate.ErrBroken) {
		return fmt.Errorf("validate stress: %w", err)
	}
	if a.JSON {
		return errors.Join(reportable(err), jsonline.Write(a.Stdout, stressOutput{report, console.ThisVersion()}))
	}
	return a.verdict(err)
}

func (a *app) validateTransactions(ctx context.Context, cmd *command.Command, f validateFlags) error {
	c := validate.TransactionsConfig{Dir: f.dir, Workers: f.workers, Rounds: f.rounds, Seed: f.seed,
		Sync:  lightningdb.Durability(f.durability) == lightningdb.Sync,
		Child: incrementingProcess, AfterKill: a.afterKill, Out: a.Story(), Bold: a.Bold}
	if !cmd.Given("rounds") {
		c.Rounds = incrementRounds
	}
	a.tellVersion(c.Out)
	report, err := validate.Transactions(ctx, c)
	if err != nil && !errors.Is(err, validate.ErrBroken) {
		return fmt.Errorf("validate transactions: %w", err)
	}
	if a.JSON {
		return errors.Join(reportable(err), jsonline.Write(a.Stdout, transactionsOutput{report, console.ThisVersion()}))
	}
	report.Print(c.Out)
	return a.verdict(err)
}

// These are reports with what made them, so that a file of them can be compared with others.
type crashOutput struct {
	validate.CrashReport
	Program console.Version `json:"program"`
}

type stressOutput struct {
	validate.StressReport
	Program console.Version `json:"program"`
}

type transactionsOutput struct {
	validate.TransactionsReport
	Program console.Version `json:"program"`
}

// tellVersion says what is validated.
func (a *app) tellVersion(out io.Writer) {
	v := console.ThisVersion()
	fmt.Fprintf(out, "lightning-proof %s, revision %s, %s %s/%s\n", v.Version, v.Revision, v.Go, v.OS, v.Arch)
}

// verdict writes the last line.
func (a *app) verdict(err error) error {
	_, writeErr := fmt.Fprintln(a.Stdout, validate.Verdict(err))
	return errors.Join(reportable(err), writeErr)
}

// reportable adds to a broken promise what to do about it.
func reportable(err error) error {
	if err == nil {
		return nil
	}
	return console.Advise(err, "please report this, with the output above")
}

// writingProcess is this program again, as the process that validate crash kills.
func writingProcess(dir string, w validate.Workload) (*exec.Cmd, error) {
	return console.ThisProgram("validate-write", "--seed", strconv.FormatUint(w.Seed, 10),
		"--round", strconv.Itoa(w.Round), "--writers", strconv.Itoa(w.Writers),
		"--durability", validate.DurabilityName(w.Sync), "--", dir)
}

// incrementingProcess is this program again, as the process that validate transactions kills.
func incrementingProcess(dir string, w validate.Increments) (*exec.Cmd, error) {
	return console.ThisProgram("validate-increment", "--mode", w.Mode, "--workers", strconv.Itoa(w.Workers), "--rounds",
		strconv.Itoa(w.Rounds), "--durability", validate.DurabilityName(w.Sync), "--", dir)
}

// fillingProcess is this program again, as the process whose memory validate stress measures.
func fillingProcess(dir string, seed uint64) (*exec.Cmd, error) {
	return console.ThisProgram("validate-fill", "--seed", strconv.FormatUint(seed, 10), "--", dir)
}

// validateWriteCommand is the other end of writingProcess.
func (a *app) validateWriteCommand() *command.Command {
	var w validate.Workload
	var durability console.Durability
	return &command.Command{
		Use:     "validate-write DIR",
		Short:   "The process that validate crash kills",
		Hidden:  true,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(set *flag.FlagSet) {
			set.Uint64Var(&w.Seed, "seed", 0, "")
			set.IntVar(&w.Round, "round", 1, "")
			set.IntVar(&w.Writers, "writers", 4, "")
			durability.Define(set)
		},
		Run: func(ctx context.Context, args []string) error {
			w.Sync = lightningdb.Durability(durability) != lightningdb.Process
			return validate.Write(ctx, args[0], w, a.Stdout)
		},
	}
}

// validateIncrementCommand is the other end of incrementingProcess.
func (a *app) validateIncrementCommand() *command.Command {
	var w validate.Increments
	var durability console.Durability
	return &command.Command{
		Use:     "validate-increment DIR",
		Short:   "The process that validate transactions kills",
		Hidden:  true,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(set *flag.FlagSet) {
			set.StringVar(&w.Mode, "mode", "", "")
			set.IntVar(&w.Workers, "workers", 20, "")
			set.IntVar(&w.Rounds, "rounds", incrementRounds, "")
			durability.Define(set)
		},
		Run: func(ctx context.Context, args []string) error {
			w.Sync = lightningdb.Durability(durability) != lightningdb.Process
			return validate.Increment(ctx, args[0], w, a.Stdout)
		},
	}
}

// validateFillCommand is the other end of fillingProcess.
func (a *app) validateFillCommand() *command.Command {
	var seed uint64
	return &command.Command{
		Use:     "validate-fill DIR",
		Short:   "The process whose memory validate stress measures",
		Hidden:  true,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(set *flag.FlagSet) { set.Uint64Var(&seed, "seed", 0, "") },
		Run: func(ctx context.Context, args []string) error {
			return validate.Fill(ctx, args[0], seed, a.Stdout)
		},
	}
}
