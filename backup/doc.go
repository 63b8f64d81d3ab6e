// Package backup restores what lightningdb.DB.Backup has written, and keeps many backups in a repository, which moves
// and stores each file once.
//
//	repo, err := backup.OpenFolder("/backups/orders")
//	b, err := repo.Create(ctx, db, nil)                        // moves what is new since the last one
//	err = repo.Restore(ctx, b.ID, "/data/orders-of-monday", nil)
//	report, err := repo.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 3, Daily: 14}})
//
// A Repository has no state but its Store, and needs no Close. Its methods may be called by several goroutines and
// processes at once, on several machines. The files are described in docs/format.md.
//
// # One backup
//
// A backup is one file in backups/ that names all files of a database, each by the place in files/ where its content
// is. These are stored first, so a backup is there whole, by one Put, or not at all. What a Create that was interrupted
// has moved is not moved again by the next one.
//
// # Two processes
//
// The danger is a Prune that removes a file which a Create is about to name. Any of the two may be killed or stand
// still between any two calls of the Store, for any time, and go on as if nothing had happened; a call that failed may
// be done later all the same. No clock is believed for the safety of a file, only for how long to wait.
//
//	Create                                       Prune
//	1  puts its lease                            1  puts its mark
//	2  looks at the marks: waits for those that  2  looks at the leases: fences those that are dead,
//	   live, and removes those that are dead        and removes no file if one lives
//	3  looks what is there, moves the rest       3  removes backups, looks what those that are left name
//	4  puts its backup, if nothing has its name  4  before each file: its mark is still there
//	5  removes its lease                         5  removes its mark
//
// Lease and mark live while their beat changes, another file that is written every two seconds. One whose beat has been
// the same for ten seconds, by the clock of the observer, passes for dead. That may be wrong, so it is made true:
//
//   - A lease is fenced by a file in the place of its backup. Only one of two such Puts succeeds: either the backup is
//     there, and Prune counts it, or it never will be, and Create ends with ErrLeaseLost.
//   - A mark is removed. It is put once and never again, so its Prune removes nothing from its next look on.
//
// # Why no backup loses a file
//
// Let Prune remove file X. It has looked at its mark before, at a moment T, and found it. A Create that names X in its
// backup is one of these:
//
//   - Its step 2 ended before T. Then it found no mark of this Prune, because it had not removed that one, which was
//     there until T; so it had put its lease before. Prune has found that lease: alive, and then it removes no files;
//     or dead, and fenced it. Or the lease was not there any more: it is removed when the backup is there, or when
//     nothing will ever put it. So the backup was there when Prune looked what backups name, and X is not among that.
//   - Its step 2 ended after T. It looks at the backups after that. None names X then: those that Prune has found do
//     not, and those that came later are of a Create for which the same holds. What it stores itself has a place
//     of its own, which ends in a random number; also what is there and no backup names, which it takes over by a copy
//     (Store.Copy) that fails if that is gone. So this Create does not name X.
//
// Both hold also if X vanishes only long after T, and whatever else happens then.
//
// # The archive
//
//	db, err := lightningdb.Open(dir, &lightningdb.Options{Archive: backup.NewArchive(repo)})
//	done, err := backup.RestoreTo(ctx, repo, "/data/before-the-mistake", backup.At(noon), nil)
//
// A database with Options.Archive puts what is durable into the repository, about every ArchiveInterval, in pieces of
// at most 1 MiB, or of one commit. Pieces follow each other in branches, each of which begins with a backup. While the
// Store is slow or fails, commits go on, and the log is held, also over restarts, up to ArchiveRetention. Beyond that,
// and after a transaction that is not in the log because it is larger than memory or a streamed value, a new branch
// begins, with a new backup; what lies between the two is a gap, and a RestoreTo into it is refused. What lags, failed
// or began anew is in Metrics.Archive. RestoreTo takes the newest backup before a point, and applies what follows.
//
// A Prune keeps what the window of PruneOptions needs: pieces, and the backup before them.
//
// # Two prunes
//
// Two Prunes do not get that far: the one that finds a mark that lives gives way. If both find one, both do.
package backup
