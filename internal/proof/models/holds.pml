/*
 * Holds: what a follower reads is not removed while its lease lives, and nothing is kept for a follower that is gone.
 *
 * It mirrors internal/format/lease (Take, Renew, Holders.Lowest), internal/format/directory (Retire, RemoveObsolete),
 * internal/tree/manifest/leftovers.go (RemoveUnnamed) and the order of internal/follower (lease, page, version, hold).
 *
 * The promise: a follower that renews its lease in time never misses a file of a version that it reads (guarantees.md,
 * Followers), through restarts of the writer; and a file that only a follower which has stopped for ever could want is
 * removed in the end.
 *
 * Left out: the log (its segments are files like tables here), several tables of a version, more than one follower
 * (leases are looked at one by one), torn writes of a lease (they hold everything), MaxSnapshotAge, errors of the file
 * system. That no file is taken for another needs no lease: no number is used twice.
 *
 * A version is its number; names[v] is the one file that it needs. Time goes on in ticks. A follower that is in time
 * renews at least every RENEW ticks; the writer believes a lease for TERM ticks after it has seen it change.
 *
 * Mutants: -DMUTANT=n.
 *   1  the follower reads the page before it takes its lease
 *   2  the hold is raised to the newest version while an older one is still read
 *   3  the writer looks at the leases before the edit is published
 *   4  a writer that opens the database removes what it does not need without looking at leases
 *   5  a lease that has ended is believed for ever
 *   6  a version that drops a file does not get a higher number
 */

#ifndef MUTANT
#define MUTANT 0
#endif

#define VERSIONS 4
#define RENEW 1
#define TERM 2
#define TICKS 5
#define NONE 255

byte names[VERSIONS];  /* of a version: the file that it needs */
bool there[VERSIONS];  /* of a file: it has not been removed */
byte retired[VERSIONS]; /* of a file: the first version that does not need it; NONE while it is needed */
byte page = 0;         /* the version that is published */
bool opened = false;   /* the database has been created */

byte now = 0;
bool leased = false;   /* the follower's lease is a file */
byte hold = 0;
bool changed = false;  /* the beat is another one than the writer has seen last */

byte renewed = 0;      /* when the follower last renewed */
bool begun = false;    /* the follower has a lease to renew */
bool stopped = false;  /* the follower does nothing any more */

/* Time does not pass a follower that is in time, and does not pass the writer's last look at the end. */
active proctype clock() {
	do
	:: atomic { now < TICKS && (stopped || !begun || now - renewed < RENEW) -> now++ }
	:: now == TICKS -> break
	od
}

inline renew(h) {
	atomic { hold = h; changed = true; leased = true; begun = true; renewed = now }
}

active proctype follower() {
	byte reading = NONE; /* the version that is shown, and read */
	byte older = NONE;   /* one that a snapshot has pinned */
	byte place;
	opened;
#if MUTANT == 1
	place = page;
	renew(0);
#else
	renew(0);
	place = page;
#endif
	reading = place;
	renew(place);
	do
	:: atomic { now < TICKS -> skip };
		if
		:: true -> /* read the version that is shown */
			assert(there[names[reading]])
		:: older != NONE -> /* read the snapshot */
			assert(there[names[older]])
		:: older == NONE -> older = reading
		:: older != NONE -> older = NONE
		:: true -> /* refresh */
			place = page;
			assert(place >= reading);
			reading = place
		:: true -> /* renew, and raise the hold */
#if MUTANT == 2
			renew(reading)
#else
			if
			:: older != NONE -> renew(older)
			:: older == NONE -> renew(reading)
			fi
#endif
		:: true -> /* it is killed, or hangs */
			stopped = true; break
		fi
	:: now == TICKS -> stopped = true; break
	od
}

/* remove removes every file that is retired and that nobody holds, as far as lowest says. */
inline remove() {
	atomic {
		f = 0;
		do
		:: f < VERSIONS ->
			if
			:: there[f] && retired[f] != NONE && (lowest == NONE || lowest >= retired[f]) -> there[f] = false
			:: else -> skip
			fi;
			f++
		:: f == VERSIONS -> break
		od;
		f = 0
	}
}

active proctype writer() {
	byte newest = 0;
	byte f, seenAt, lowest;
	bool seen = false;
	bool held;
	byte seenHold = 0;
	bool seenLease = false;
	atomic { there[0] = true; retired[0] = NONE; opened = true }
	do
	:: newest < VERSIONS - 1 -> /* an edit: another file takes the place of the one before */
		f = names[newest];
		there[newest + 1] = true;
		retired[newest + 1] = NONE;
		names[newest + 1] = newest + 1;
#if MUTANT == 3
		atomic { seenLease = leased; seenHold = hold }
#endif
		newest++;
		page = newest;
#if MUTANT == 6
		retired[f] = newest - 1;
#else
		retired[f] = newest;
#endif
#if MUTANT == 3
		if
		:: !seenLease -> there[f] = false
		:: else -> skip
		fi
#endif
	:: newest < VERSIONS - 1 -> /* a kill, and a restart: another version of the same file; what it does not name goes */
		seen = false;
		names[newest + 1] = names[newest];
		newest++;
		page = newest;
		atomic {
			held = leased;
			f = 0;
			do
			:: f < VERSIONS ->
				if
				:: !there[f] || f == names[newest] -> skip
#if MUTANT != 4
				:: there[f] && f != names[newest] && held -> retired[f] = newest
#endif
				:: there[f] && f != names[newest] && (!held || MUTANT == 4) -> there[f] = false
				fi;
				f++
			:: f == VERSIONS -> break
			od;
			f = 0
		}
	:: true -> /* RemoveObsolete: look at the leases, then remove */
		atomic {
			if
			:: !leased -> lowest = NONE
			:: leased ->
				if
				:: !seen || changed -> seen = true; changed = false; seenAt = now
				:: else -> skip
				fi;
				lowest = hold;
#if MUTANT != 5
				if
				:: now - seenAt > TERM -> leased = false; lowest = NONE; seen = false
				:: else -> skip
				fi
#endif
			fi
		};
		remove()
	:: now == TICKS -> break
	od;
	/* Quiet at last: the follower has been gone for longer than its lease. Two looks, one Term apart. */
	stopped;
	if
	:: leased ->
#if MUTANT != 5
		leased = false
#endif
		skip
	:: else -> skip
	fi;
	lowest = (leased -> hold : NONE);
	remove();
	do
	:: f < VERSIONS -> assert(!there[f] || f == names[newest]); f++
	:: f == VERSIONS -> break
	od
}
