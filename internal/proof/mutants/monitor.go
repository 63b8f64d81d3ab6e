package mutants

import "lightningdb/internal/proof/browser"

// monitorMutants break what a monitor tells, and to whom.
var monitorMutants = []Mutant{
	{
		Name:    "a wait that is over is why a database is not ready",
		Breaks:  "whoever is called looks at what has been done for hours",
		Changes: []Change{{"monitor/health.go", `now.Stall.Duration > stalled:`, `now.Stall.Duration > stalled*0:`}},
		Killer:  monitorTest("TestReady_namesNoWaitThatIsOver"),
		Quick:   true,
	},
	{
		Name:   "a health key that was deleted is a lost write",
		Breaks: "a program that deletes everything is sent no work for a moment",
		Changes: []Change{{"monitor/health.go", `if missing == maxHealthWrites {`, `if missing > 0 {`}, {"monitor/health.go", `			missing++
`, `			missing += maxHealthWrites
			return plain("the health key was written and is not there")
`}},
		Killer: monitorTest("TestReady_whileEverythingIsDeleted"),
		Quick:  true,
	},
	{
		Name:   "ready is what writes without reading back",
		Breaks: "a database that loses what it acknowledges is sent work",
		Changes: []Change{{"monitor/health.go", `		case bytes.Equal(got, value):
			return nil
		case bytes.HasPrefix`, `		case len(got) >= 0:
			return nil
		case bytes.HasPrefix`}},
		Killer: monitorTest("TestReady_readsBackWhatItWrote"),
		Quick:  true,
	},
	{
		Name:   "ready does not wait for the sync",
		Breaks: "a database whose disk takes nothing is sent work",
		Changes: []Change{{"monitor/health.go", `tx.SetDurability(lightningdb.Sync)`,
			`tx.SetDurability(lightningdb.Process)`}, {"monitor/health.go", `	return w.WaitDurable(ctx, seq)
`, `	return w.WaitDurable(ctx, min(seq, 0))
`}},
		Killer: monitorTest("TestReady_writesSyncsAndReads"),
		Quick:  true,
	},
	{
		Name:   "ready is what only reads, when writes have stopped",
		Breaks: "a database that has failed looks like one that was opened read-only",
		Changes: []Change{{"monitor/health.go", `		if failure := m.db.Metrics().BackgroundError; failure != nil {
			return err
		}
`, ``}},
		Killer: monitorTest("TestHealth_ofADatabaseThatHasStopped"),
		Quick:  true,
	},
	{
		Name:   "a check that hangs is waited for",
		Breaks: "whoever asks hangs too, and takes the load balancer for slow",
		Changes: []Change{{"monitor/health.go", `time.Until(a.began.Add(p.timeout))`,
			`time.Until(a.began.Add(10 * p.timeout))`}},
		Killer: monitorTest("TestReady_ofAWriterThatHangs"),
		Quick:  true,
	},
	{
		Name:   "each caller begins a check",
		Breaks: "asking for the health is a load, and a disk that hangs takes a goroutine for each",
		Changes: []Change{{"monitor/health.go", `	if p.last != nil && p.last.answers(p.every) {`,
			`	if p.last != nil && p.every < 0 {`}},
		Killer: monitorTest("TestReady_manyCallersWriteOnce"),
		Quick:  true,
	},
	{
		Name:   "what waits for space is dead",
		Breaks: "on a full disk everything is restarted, over and over",
		Changes: []Change{{"monitor/health.go", `	if failure == nil || errors.Is(failure, lightningdb.ErrClosed) {`,
			`	if failure == nil || failure != nil {`}},
		Killer: monitorTest("TestHealth_ofADatabaseThatWaits"),
		Quick:  true,
	},
	{
		Name:   "any name of this machine will do",
		Breaks: "a page of elsewhere reads the database's state by a name that it has turned here",
		Changes: []Change{{"monitor/access.go", `	if !allowed {
`, `	if !allowed && m.o.AllowRemote {
`}},
		Killer: monitorTest("TestAccess_isForThisMachine"),
		Quick:  true,
	},
	{
		Name:   "an address is not looked at",
		Breaks: "a typing error opens the state of the database to the network",
		Changes: []Change{{"monitor/access.go", `	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && !m.o.AllowRemote {`,
			`	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && m.o.AllowRemote {`}},
		Killer: monitorTest("TestServe_refusesOtherAddresses"),
		Quick:  true,
	},
	{
		Name:   "anybody may begin a check",
		Breaks: "a form on a page of elsewhere has this machine read all its disk",
		Changes: []Change{{"monitor/jobs.go", `	case !m.hasToken(r):
`, `	case !m.hasToken(r) && r.Method == "":
`}},
		Killer: monitorTest("TestJobs_beginWithTheTokenAlone"),
		Quick:  true,
	},
	{
		Name:   "a histogram is not cumulative",
		Breaks: "a quantile of it is that of nothing",
		Changes: []Change{{"monitor/families.go", `		bound := time.Duration(1) << power
`, `		bound := time.Duration(1) << power
		d.Count = 0
`}},
		Killer: monitorTest("TestMetrics_areThoseOfTheDatabase"),
		Quick:  true,
	},
	{
		Name:   "each scrape asks the database anew",
		Breaks: "with a file system that hangs, each scrape leaves a goroutine behind",
		Changes: []Change{{"monitor/state.go", `	if m.gathering != nil {
`, `	if m.gathering != nil && m.closed {
`}},
		Killer: monitorTest("TestMetrics_ofADatabaseThatHangs"),
		Quick:  true,
	},
	{
		Name:    "labels are as they are",
		Breaks:  "one quote in the name of a directory, and the scraper drops everything",
		Changes: []Change{{"monitor/exposition.go", `escapeLabel.Replace(values[i])`, `values[i]`}},
		Killer:  monitorTest("TestMetrics_labelsAreEscaped"),
		Quick:   true,
	},
	{
		Name:   "a body has no bound",
		Breaks: "whatever answers at that address takes the memory of top",
		Changes: []Change{{"cmd/lightning/internal/remote/http.go", `	if err == nil && len(text) > maxBodyBytes {`,
			`	if err == nil && len(text) < 0 {`}},
		Killer: Check{Package: "./cmd/lightning/internal/remote", Run: "^(TestLook_saysWhyThereIsNoAnswer)$"},
		Quick:  true,
	},
	{
		Name:   "half a body is an answer",
		Breaks: "what was cut off on its way is taken for what the program tells",
		Changes: []Change{{"cmd/lightning/internal/remote/http.go", `	if errors.Is(err, io.EOF) && e.n > 0 {`,
			`	if errors.Is(err, io.EOF) && e.n < 0 {`}},
		Killer: Check{Package: "./cmd/lightning/internal/remote", Run: "^(TestLook_saysWhyThereIsNoAnswer)$"},
		Quick:  true,
	},
	{
		Name:   "times of two clocks are compared",
		Breaks: "a program whose clock is behind looks as if it did nothing",
		Changes: []Change{{"cmd/lightning/internal/remote/remote.go", `	return now.Add(m.skew), nil`,
			`	return now, nil`}},
		Killer: Check{Package: "./cmd/lightning/internal/remote", Run: "^(TestLook_comparesTimesOfOneClock)$"},
		Quick:  true,
	},
	{
		Name:   "texts of errors are shown whole",
		Breaks: "keys of the database are shown to everybody who may look at its state",
		Changes: []Change{{"monitor/errors.go", `	case m.o.ShowKeys:
`, `	case m.o.ShowKeys || err != nil:
`}},
		Killer: monitorTest("TestState_showsNoKeysUnlessAllowed"),
		Quick:  true,
	},
	{
		Name:   "a backup that failed is closed like one that is whole",
		Breaks: "half a backup takes the place of the last good one",
		Changes: []Change{{"monitor/jobs.go", `		cancel() // tells Close that this is no backup
`, ``}},
		Killer: monitorTest("TestJobs_checkAndBackUp"),
	},
	{
		Name:   "a backup that failed counts as the newest one",
		Breaks: "nobody is told that there has been no backup for a month",
		Changes: []Change{{"monitor/jobs.go", `	if j.state.OK {
		j.whole`, `	if !j.state.Running {
		j.whole`}},
		Killer: monitorTest("TestJobs_checkAndBackUp"),
	},
	{
		Name:   "the program's own backups are not asked for",
		Breaks: "an alarm for ever, which is switched off",
		Changes: []Change{{"monitor/program.go", `told.After(last) {`,
			`told.Before(last) {`}},
		Killer: monitorTest("TestMetrics_tellTheAgeOfTheNewestBackup"),
		Quick:  true,
	},
	{
		Name:   "every failure is one that stopped writes",
		Breaks: "a full disk calls the one who replaces disks",
		Changes: []Change{{"monitor/program.go", `		found := errors.Is(p.failure, f.err)
`, `		found := p.failure != nil || errors.Is(p.failure, f.err)
`}},
		Killer: monitorTest("TestMetrics_tellTheClassOfAFailure"),
		Quick:  true,
	},
	{
		Name:   "the program has begun just now",
		Breaks: "every scrape looks like a restart, or a crash loop like none",
		Changes: []Change{{"monitor/program.go", `seconds(p.began)}`,
			`seconds(time.Now())}`}},
		Killer: monitorTest("TestMetrics_tellWhenTheProgramBegan"),
		Quick:  true,
	},
	{
		Name:   "a database that has stopped looks like one that waits",
		Breaks: "nobody opens again what takes no writes until it is opened again",
		Changes: []Change{{"internal/engine/metrics.go", `fmt.Errorf("%w: %w", ErrReadOnly, cause)`,
			`fmt.Errorf("%w", cause)`}},
		Killer: Check{Package: "./internal/engine", Run: "^TestMetrics_tellWhetherWritesHaveStopped$"},
	},
	{
		Name:   "commits that meet a full disk are not counted",
		Breaks: "without a disk limit no metric tells that every commit is refused",
		Changes: []Change{{"internal/engine/write.go", `		w.stats.NoSpace.Add(uint64(commits))
`, ``}},
		Killer: Check{Package: "./internal/engine", Run: "^TestMetrics_tellWhetherWritesHaveStopped$"},
	},
	{
		Name:   "an alert may ring without a cause",
		Breaks: "an alert that rings for everybody passes for one that tells of something",
		Changes: []Change{{"internal/proof/operate/operate.go", `!slices.Contains(allowed[target], alert) {`,
			`!slices.Contains(allowed[target], alert) && alert == "" {`}},
		Killer: Check{Package: "./internal/proof/operate", Run: "^TestStrays_areAlertsWithoutACause$"},
	},
	{
		Name:    "the keys of slow operations are shown to everybody",
		Breaks:  "names and addresses in keys are on a page without a password",
		Changes: []Change{{"monitor/state.go", `s.Metrics.Events.Recent[i].Key = nil`, `_ = i`}},
		Killer:  monitorTest("TestState_showsNoKeysUnlessAllowed"),
		Quick:   true,
	},
}

// pageMutants break the page. Only a browser sees them, so there are none where there is no browser.
func pageMutants() []Mutant {
	if _, ok := browser.Find(); !ok {
		return nil
	}
	return []Mutant{
		{
			Name:    "a page of another program goes on with the figures of the one before",
			Breaks:  "after a restart the charts show what never happened",
			Changes: []Change{{"monitor/page.js", `state.began !== last.began || `, ``}},
			Killer:  monitorTest("TestBrowser_saysThatThereIsNoAnswer"),
		},
		{
			Name:   "the page says nothing when there is no answer",
			Breaks: "a program that has died looks like one that rests",
			Changes: []Change{{"monitor/page.js", `  $("figures").className = "old";
`, ``}},
			Killer: monitorTest("TestBrowser_saysThatThereIsNoAnswer"),
		},
		{
			Name:    "the page does not say where the time of slow operations went",
			Breaks:  "somebody mends the disk, and it was a lock",
			Changes: []Change{{"monitor/page.js", `e.Parts[part] || 0`, `0`}},
			Killer:  monitorTest("TestBrowser_saysWhereTheTimeOfSlowOperationsWent"),
		},
		{
			Name:    "the page does not look at the scrub",
			Breaks:  "damage that was found is told to nobody",
			Changes: []Change{{"monitor/page.js", `m.Scrub.Damaged > 0`, `m.Scrub.Damaged > 1e9`}},
			Killer:  monitorTest("TestBrowser_saysWhatIsWrong"),
		},
	}
}

// monitorTest is tests of package monitor.
func monitorTest(run string) Check { return Check{Package: "./monitor", Run: "^(" + run + ")$"} }
