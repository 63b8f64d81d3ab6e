/*
 * Bucket: processes that make and prune backups in one repository never damage each other's backups.
 *
 * It mirrors the protocol of backup/doc.go: backup/create.go (create, waitForPrunes, lookAround, add, finish),
 * backup/prune.go (marked, waitForPrunes, fence, choose, unneeded, sweep, remove), and of backup/s3/put.go how often a
 * put that must be new is made.
 *
 * The promise: whenever a backup is there, the file that it names is there (guarantees.md, Backups), whoever stands
 * still, is killed, is taken for dead though it lives, or is not answered.
 *
 * A process that stands still or was killed is one whose turn does not come, so nothing is drawn for it. No clock is
 * either: whoever looks at a claim may find it alive or dead as it likes. A request that is not answered has its effect
 * at some later time, or never.
 *
 * Left out: all files have the same content, and a backup names one; beats; a lease that is put late (it is that of a
 * process that was killed after its first step); files put or copied late (nothing names them); the names of abandoned
 * backups that a prune removes after a thousand later ones.
 *
 * A place and a backup have the number of the Create that has made them. Those of 0 are there at the beginning.
 *
 * Mutants: -DMUTANT=n.
 *   1  a Create looks at the marks before it puts its lease
 *   2  a Prune looks at the leases before it puts its mark
 *   3  a Prune removes a dead lease without a fence
 *   4  a Create leaves the mark that passes for dead
 *   5  a Prune does not look at its mark before a removal
 *   6  the put of a mark is made again when it was not answered
 *   7  the put of a backup is made again when it was not answered
 *   8  a Create names a file where it is, though no backup names it there
 *   9  the bucket takes no notice of the condition of a put
 *   10 the lists of the bucket are old: what was put just now may be missing
 *   11 a Prune removes files though a lease lives
 */

#ifndef MUTANT
#define MUTANT 0
#endif

#define PRUNES 2
#define PLACES 3 /* one of the beginning, and one of each Create */
#define LOST 1 /* requests in all that are not answered */
#define NONE 255

#define ABSENT 0
#define THERE 1
#define ABANDONED 2

byte backup[PLACES]; /* what is under the name of a backup */
byte names[PLACES];  /* of a backup: the place of its file */
bool file[PLACES];
bool lease[PLACES];
bool mark[PRUNES];

/* What was not answered, and may still be done. */
bool lateMark[PRUNES];
bool lateBackup[PLACES];
bool lateFence[PLACES];
bool lateRemove[PLACES];
byte lost = 0;

#define has(set, n) ((set) & (1 << (n)))
#define add(set, n) set = set | (1 << (n))

/* Whether a list that is looked at now shows what is there. */
inline listed(there, shown) {
	if
	:: shown = there
#if MUTANT == 10
	:: shown = false
#endif
	fi
}

/* The put of a backup, or of a fence in its place, which must be new. */
inline putBackup(i, what) {
	if
	:: backup[i] == ABSENT || MUTANT == 9 -> backup[i] = what
	:: else -> skip
	fi
}

/* Lists the files. */
inline files() {
	n = 0;
	do
	:: n < PLACES ->
		listed(file[n], shown);
		if
		:: shown -> add(seen, n)
		:: else -> skip
		fi;
		n++
	:: else -> break
	od;
	n = 0
}

/* The network has the effects of what was not answered. */
active proctype network() {
	byte n;
end:
	do
	:: atomic { lateMark[0] -> lateMark[0] = false; mark[0] = true }
	:: atomic { lateMark[1] -> lateMark[1] = false; mark[1] = true }
	:: atomic { lateBackup[1] -> lateBackup[1] = false; n = 1; putBackup(n, THERE) }
	:: atomic { lateBackup[2] -> lateBackup[2] = false; n = 2; putBackup(n, THERE) }
	:: atomic { lateFence[1] -> lateFence[1] = false; n = 1; putBackup(n, ABANDONED) }
	:: atomic { lateFence[2] -> lateFence[2] = false; n = 2; putBackup(n, ABANDONED) }
	:: atomic { lateRemove[0] -> lateRemove[0] = false; file[0] = false }
	:: atomic { lateRemove[1] -> lateRemove[1] = false; file[1] = false }
	:: atomic { lateRemove[2] -> lateRemove[2] = false; file[2] = false }
	od
}

/* The promise. */
active proctype promise() {
end:
	atomic {
		if
		:: backup[0] == THERE && !file[names[0]]
		:: backup[1] == THERE && !file[names[1]]
		:: backup[2] == THERE && !file[names[2]]
		fi;
		assert(false)
	}
}

proctype create(byte i) {
	byte n, marks, seen, named, place;
	bool alive, shown;
#if MUTANT != 1
	lease[i] = true;
#endif
wait:
	atomic {
		n = 0; marks = 0; alive = false;
		do
		:: n < PRUNES ->
			listed(mark[n], shown);
			if
			:: !shown -> skip
			:: shown -> alive = true
			:: shown -> add(marks, n)
			fi;
			n++
		:: else -> break
		od;
		n = 0
	};
	do
	:: atomic { n < PRUNES && has(marks, n) ->
#if MUTANT != 4
		mark[n] = false;
#endif
		marks = marks ^ (1 << n); n++ }
	:: atomic { n < PRUNES && !has(marks, n) -> n++ }
	:: atomic { n == PRUNES && alive -> n = 0; alive = false; goto wait }
	:: atomic { n == PRUNES && !alive -> n = 0; break }
	od;
#if MUTANT == 1
	lease[i] = true;
#endif
	/* Looks what is there: the files, then what the backups name. */
	atomic {
		place = NONE;
		files()
	};
	do
	:: n < PLACES ->
		atomic {
			listed((backup[n] == THERE), shown);
			if
			:: shown ->
				add(named, names[n]);
				if
				:: place == NONE || has(seen, names[n]) -> place = names[n]
				:: else -> skip
				fi
			:: else -> skip
			fi;
			n++
		}
	:: else -> break
	od;
	/* What no backup names it takes over by a copy. */
	if
	:: place == NONE ->
		place = i;
		if
		:: has(seen, 0) && !has(named, 0) -> n = 0
		:: has(seen, 1) && !has(named, 1) -> n = 1
		:: has(seen, 2) && !has(named, 2) -> n = 2
		:: else -> n = i
		fi;
#if MUTANT == 8
		atomic { place = n; add(seen, n) }
#else
		atomic {
			if
			:: n != i && file[n] -> file[i] = true; add(seen, i)
			:: else -> skip
			fi
		}
#endif
	:: else -> skip
	fi;
	/* Moves the file, unless it is there. */
	if
	:: !has(seen, place) ->
		if
		:: lease[i] -> file[place] = true
		:: !lease[i] -> goto given
		fi
	:: else -> skip
	fi;
#if MUTANT != 8
	if
	:: file[place] -> skip
	:: !file[place] -> goto given
	fi;
#endif
	atomic {
		names[i] = place;
		if
		:: backup[i] == ABSENT || MUTANT == 9 -> backup[i] = THERE
		:: backup[i] != ABSENT && MUTANT != 9 -> skip /* it was given up */
		:: lost < LOST -> lost++; lateBackup[i] = true;
#if MUTANT == 7
			putBackup(i, THERE)
#else
			goto unknown
#endif
		fi
	};
given:
	lease[i] = false;
unknown:
	skip
}

/* Finds out which leases are dead, and whether one is alive. */
inline leases() {
	n = 1;
	do
	:: n < PLACES ->
		atomic {
			listed(lease[n], shown);
			if
			:: !shown -> skip
			:: shown -> used = true
			:: shown -> add(dead, n)
			fi;
			n++
		}
	:: else -> break
	od;
	n = 0
}

proctype prune(byte j) {
	byte n, dead, gone, seen, needed;
	bool used, shown;
#if MUTANT == 2
	leases();
#endif
	atomic {
		if
		:: mark[j] = true
		:: lost < LOST -> lost++; lateMark[j] = true;
#if MUTANT == 6
			mark[j] = true
#else
			goto ended
#endif
		fi
	};
	/* Gives way to another Prune that lives, and ends one that is dead. */
	atomic {
		listed(mark[1 - j], shown);
		if
		:: !shown -> skip
		:: shown -> goto out
		:: shown -> n = 1
		fi
	};
	if
	:: n == 1 -> atomic { mark[1 - j] = false; n = 0 }
	:: else -> skip
	fi;
#if MUTANT != 2
	leases();
#endif
	/* Fences what is dead. */
	n = 1;
	do
	:: n < PLACES && has(dead, n) ->
#if MUTANT != 3
		atomic {
			if
			:: putBackup(n, ABANDONED)
			:: lost < LOST -> lost++; lateFence[n] = true; goto out
			fi
		};
#endif
		lease[n] = false;
		n++
	:: n < PLACES && !has(dead, n) -> n++
	:: else -> break
	od;
	/* Removes the backups that it does not keep, whichever these are. */
	n = 0;
	do
	:: n < PLACES ->
		atomic {
			listed((backup[n] == THERE), shown);
			if
			:: shown -> add(gone, n)
			:: true -> skip
			fi;
			n++
		}
	:: else -> break
	od;
	n = 0;
	do
	:: n < PLACES && has(gone, n) ->
		if
		:: !mark[j] && MUTANT != 5 -> goto out
		:: else -> skip
		fi;
		atomic { backup[n] = ABSENT; n++ }
	:: n < PLACES && !has(gone, n) -> n++
	:: else -> break
	od;
	if
	:: used && MUTANT != 11 -> goto out
	:: else -> skip
	fi;
	/* Looks which files no backup names that stays: the files, then the backups. */
	atomic { files() };
	do
	:: n < PLACES ->
		atomic {
			listed((backup[n] == THERE), shown);
			if
			:: shown && !has(gone, n) -> add(needed, names[n])
			:: else -> skip
			fi;
			n++
		}
	:: else -> break
	od;
	n = 0;
	do
	:: n < PLACES && has(seen, n) && !has(needed, n) ->
		if
		:: !mark[j] && MUTANT != 5 -> goto out
		:: else -> skip
		fi;
		atomic {
			if
			:: file[n] = false
			:: lost < LOST -> lost++; lateRemove[n] = true
			fi;
			n++
		}
	:: n < PLACES && !(has(seen, n) && !has(needed, n)) -> n++
	:: else -> break
	od;
out:
	mark[j] = false;
ended:
	skip
}

/* Three processes: two of one kind and one of the other. */
init {
	atomic {
		backup[0] = THERE;
		file[0] = true;
		run create(1);
		run prune(0);
		if
		:: run create(2)
		:: run prune(1)
		fi
	}
}
