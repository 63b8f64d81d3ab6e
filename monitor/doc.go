// Package monitor shows a running database to people and programs, over HTTP.
//
//	m, err := monitor.New(db, nil)
//	if err != nil { … }
//	defer m.Close()
//	err = monitor.ListenAndServe(ctx, "127.0.0.1:6060", m)
//
// A Monitor is an http.Handler, so it may as well be a part of a server that the program has. Its paths are relative:
//
//	mux.Handle("/database/", http.StripPrefix("/database", m))
//
// # Paths
//
//	/                  a page for a browser, which draws what follows once a second
//	/metrics           the figures, for Prometheus; OpenMetrics for those who accept it
//	/healthz           200 while the database is open and has not stopped writes for good, else 503
//	/readyz            200 if a key was written, synced and read back just now, else 503
//	/debug/lightning   the figures and more, as JSON: see State
//	POST /check        begins DB.Verify, with Options.Check
//	POST /backup       begins DB.Backup, with Options.Backup
//
// Healthz is for what restarts a program, readyz for what sends it traffic. On a full disk the first is 200, with a
// warning, because a restart makes no room, and the second is 503. Both answer with a Health as JSON, which says why.
// Many callers cost no more than one: see Options.HealthEvery. Of a Follower, and of a database that was opened
// read-only, readyz refreshes and reads, and writes nothing.
//
// # Metrics
//
// Names begin with lightning_, counters end in _total, sizes in _bytes and times in _seconds. What was there once is
// there in every later answer. A closed database tells what it did, and zeros for what it had. The bounds of the
// histograms are powers of two, in nanoseconds, from 256 ns to 17 s, at which the database's own buckets end: counts
// are exact there, and the sum is at most 6.25 % off.
//
// # Who is answered
//
// Without Options.AllowRemote only this machine is: the peer has to have a loopback address, and the Host header has to
// name one, or localhost, so that no page of elsewhere reaches the database by a name that it has turned to 127.0.0.1.
// There are no passwords: whoever may log in on this machine may look. Values are never shown. Keys of slow operations,
// and texts of errors, which may quote keys, are shown with Options.ShowKeys alone; the directory's path, and the lines
// of the program that opened readers, are shown to all who are answered.
//
// No goroutine runs while nobody asks.
package monitor
