/*
 * Archive: what an archive claims to have can be restored, and the log keeps what the archive has not got.
 *
 * It mirrors internal/archive (archiver.go: next, put, adopt, advance; branch.go: begin, newBranch, makeBase, collect),
 * internal/log/wal (hold.go: HoldOld, limitHoldLocked, ReleaseBefore; log.go: Rotate, RetireBefore, Recycle) and what a
 * recovery does of it (internal/engine/recover.go).
 *
 * The promise: the state after each commit that a branch has, from its base to its newest piece, is what the database
 * had then, through kills and power cuts, and the database never loses it (guarantees.md, The archive). A branch breaks
 * off only if the log gave something up, so that a gap is always told, and never made by a kill, a power cut, or an
 * answer of the store that did not come.
 *
 * A commit is its number, and which life of the database has made it: after a power cut another one may get the number.
 * A put may have its effect at some later time, also when the process that has made it is gone.
 *
 * Left out: copies of the database (forks), large transactions, followers, pieces of more than their names say, damage,
 * the prune, the end of a process by a Close. An Open is one step: until it has ended, nothing is used again. What is
 * given up is a segment that is held, the oldest, for whatever reason.
 *
 * Mutants: -DMUTANT=n.
 *   1  what is visible is archived, though it is not durable
 *   2  an Open does not sync the log that it holds
 *   3  an Open holds nothing of what there was before it
 *   4  the segment in which the archive stands is not held
 *   5  the log is released when a piece is read, not when it is put
 *   6  the name of a piece has its last number as well
 *   7  a put whose answer is lost passes for done
 *   8  a base is put before everything in it is durable
 *   9  a segment that is held is used again
 *   10 where a segment is gone, a branch goes on with the next one
 */

#ifndef MUTANT
#define MUTANT 0
#endif

#define COMMITS 3
#define SEGMENTS 5 /* that are begun, with those of the Opens */
#define BRANCHES 2
#define CRASHES 2
#define LOST 1 /* answers */
#define NOWHERE 255

#define FIRST 1 /* the life of what is there at the beginning: the empty database */

/* The database. */
byte life = FIRST;
byte made[COMMITS + 1];  /* by which life a commit was made; 0 if it is not there */
byte visible = 0;
byte durable = 0;
byte tables = 0;         /* up to this commit all is in synced tables */

/* The log. Of a segment: what it begins behind, and whether its file still is that. Of a commit: where it is. */
byte at[COMMITS + 1];
bool synced[COMMITS + 1];
byte behind[SEGMENTS];
bool there[SEGMENTS];
bool held[SEGMENTS];
byte writing = 0;
byte start = 0; /* a recovery needs the log from this segment on */
byte from = 0;  /* and the archive from this one on */
bool gaveUp = false;

/* The archive: of a branch its base and its newest commit, and where that is in the log; of a commit in it, who made it. */
byte branches = 0;
byte base[BRANCHES];
byte baseMade[BRANCHES];
byte last[BRANCHES];
byte place[BRANCHES];
byte has[BRANCHES * (COMMITS + 1)];

#define entry(b, c) has[(b) * (COMMITS + 1) + (c)]

/* A piece, as it is put. */
typedef Piece {
	byte branch;
	byte first; /* 0 is no piece */
	byte last;
	byte place;
	byte made[COMMITS + 1]
}

/* The archiver, which a crash ends. */
#define LOOKING 0 /* for a branch to go on with */
#define READING 1
#define PUTTING 2 /* a piece */
#define BASING 3  /* a base, whose backup is made */
byte doing = LOOKING;
byte tip = 0;
Piece piece;
Piece late; /* a put that is still to have its effect */
byte lost = 0;

#define inLog(c) (at[c] != NOWHERE && there[at[c]])

/* Retires the segments before the active one, which are in tables. */
inline retire() {
	n = start;
	do
	:: n < writing ->
#if MUTANT == 4
		held[n] = n > from;
#else
		held[n] = n >= from;
#endif
		n++
	:: else -> break
	od;
	start = writing;
	n = 0
}

inline release(num) {
	if
	:: num > from -> from = num
	:: else -> skip
	fi;
	n = 0;
	do
	:: n < SEGMENTS ->
		if
		:: n < from -> held[n] = false
		:: else -> skip
		fi;
		n++
	:: else -> break
	od;
	n = 0
}

/* begin begins the next segment. What is before it is synced, if its writer seals it. */
inline begin() {
	writing++;
	behind[writing] = visible;
	there[writing] = true
}

inline syncAll() {
	n = 1;
	do
	:: n <= visible -> synced[n] = true; n++
	:: else -> break
	od;
	n = 0
}

/* The process comes to its end, and the next one opens what it finds. */
inline reopen() {
	/* Recovery makes durable what it has found: all of it is in synced tables. */
	tables = visible;
	durable = visible;
	begin();
	start = writing;
	from = 0;
	n = 0;
	do
	:: n < writing ->
#if MUTANT == 3
		held[n] = false; there[n] = false;
#else
		held[n] = there[n];
#endif
		n++
	:: else -> break
	od;
#if MUTANT != 2
	syncAll();
#endif
	n = 0;
	doing = LOOKING; piece.first = 0; tip = 0; life++
}

active proctype database() {
	byte n, cut;
	d_step {
		made[0] = FIRST;
		there[0] = true;
		synced[0] = true
	}
end:
	do
	:: atomic { visible < COMMITS ->
		visible++; made[visible] = life; at[visible] = writing; synced[visible] = false }
	:: atomic { durable < visible -> /* a sync, of the active segment: those before were synced when they were sealed */
		n = 1;
		do
		:: n <= visible ->
			if
			:: at[n] == writing -> synced[n] = true
			:: else -> skip
			fi;
			n++
		:: else -> break
		od;
		n = 0; durable = visible }
	:: atomic { writing + 1 + (CRASHES + FIRST - life) < SEGMENTS && visible > behind[writing] -> /* Rotate */
		n = 1;
		do
		:: n <= visible ->
			if
			:: at[n] == writing -> synced[n] = true
			:: else -> skip
			fi;
			n++
		:: else -> break
		od;
		n = 0; durable = visible; begin() }
	:: atomic { start < writing -> /* a flush of what is before the active segment */
		tables = (tables > behind[writing] -> tables : behind[writing]); retire() }
	:: atomic { /* the housekeeper: a file becomes that of another segment */
		if
		:: 0 < start && there[0] && (!held[0] || MUTANT == 9) -> there[0] = false
		:: 1 < start && there[1] && (!held[1] || MUTANT == 9) -> there[1] = false
		:: 2 < start && there[2] && (!held[2] || MUTANT == 9) -> there[2] = false
		:: 3 < start && there[3] && (!held[3] || MUTANT == 9) -> there[3] = false
		fi }
	:: atomic { !gaveUp && (held[0] || held[1] || held[2] || held[3]) -> /* the retention, or the disk is full */
		n = 0;
		do
		:: n < SEGMENTS && !held[n] -> n++
		:: else -> break
		od;
		held[n] = false; gaveUp = true; n = 0 }
	:: atomic { life < CRASHES + FIRST -> reopen() } /* a kill */
	:: atomic { life < CRASHES + FIRST -> /* a power cut: of what is not synced a part is left */
		if
		:: cut = durable
		:: durable < visible -> cut = visible - 1
		:: cut = visible
		fi;
		n = 1;
		do
		:: n <= visible ->
			if
			:: n > cut && !synced[n] -> at[n] = NOWHERE
			:: n <= cut && !synced[n] && n <= durable && n <= tables -> at[n] = NOWHERE
			:: else -> skip
			fi;
			n++
		:: else -> break
		od;
		cut = (cut > tables -> cut : tables);
		do
		:: visible > cut -> made[visible] = 0; visible--
		:: else -> break
		od;
		n = 0; cut = 0; reopen() }
	od
}

/* effect is what a put of p does to the store. The name of a piece is its branch and the first number in it. */
inline effect(p) {
	if
	:: entry(p.branch, p.first) == 0 || MUTANT == 6 ->
		m = p.first;
		do
		:: m <= p.last ->
			assert(entry(p.branch, m) == 0); /* two pieces with one commit */
			entry(p.branch, m) = p.made[m]; m++
		:: else -> break
		od;
		if
		:: p.last > last[p.branch] -> last[p.branch] = p.last; place[p.branch] = p.place
		:: else -> skip
		fi;
		m = 0
	:: else -> skip
	fi
}

inline forget(p) {
	p.first = 0; p.last = 0; p.branch = 0; p.place = 0;
	m = 0;
	do
	:: m <= COMMITS -> p.made[m] = 0; m++
	:: else -> break
	od;
	m = 0
}

active proctype network() {
	byte m;
end:
	do
	:: atomic { late.first > 0 -> effect(late); forget(late) }
	od
}

/* lookFor is the newest segment of the log in which somebody stands behind commit c; NOWHERE if there is none. */
inline lookFor(c) {
	n = SEGMENTS;
	do
	:: n > 0 && !(there[n - 1] && (n - 1 >= start || held[n - 1]) && n - 1 <= writing && behind[n - 1] <= c) -> n--
	:: else -> break
	od;
	if
	:: n == 0 -> n = NOWHERE
	:: else -> n--
	fi;
	if
	:: n != NOWHERE && behind[n] < c && at[c] != n -> n = NOWHERE
	:: else -> skip
	fi
}

/* breakOff is a gap. It is told, by the next base. */
inline breakOff() {
	assert(gaveUp);
	doing = BASING; piece.first = 0; piece.last = visible
}

active proctype archiver() {
	byte n, m, b;
end:
	do
	:: atomic { doing == LOOKING && branches == 0 -> doing = BASING; piece.last = visible }
	:: atomic { doing == LOOKING && branches > 0 ->
		b = branches - 1;
		assert(last[b] <= durable);
		if
		:: there[place[b]] && (held[place[b]] || place[b] >= start) -> tip = last[b]; doing = READING; release(place[b])
		:: else -> breakOff()
		fi;
		b = 0 }
	:: atomic { doing == BASING && branches < BRANCHES && (durable >= piece.last || MUTANT == 8) ->
		lookFor(piece.last);
		if
		:: n == NOWHERE -> piece.last = visible; n = 0 /* another base */
		:: else ->
			b = branches;
			base[b] = piece.last; baseMade[b] = made[piece.last]; last[b] = piece.last; place[b] = n;
			branches++;
			tip = piece.last; doing = READING; piece.last = 0;
			release(place[b]); b = 0
		fi }
	:: atomic { doing == READING && tip < (MUTANT == 1 -> visible : durable) ->
		b = branches - 1;
		m = tip + 1;
#if MUTANT == 10
		do
		:: m < durable && !inLog(m) -> m++
		:: else -> break
		od;
#endif
		if
		:: !inLog(m) -> breakOff()
		:: else ->
			piece.branch = b; piece.first = m;
			do
			:: m <= (MUTANT == 1 -> visible : durable) && inLog(m) ->
				piece.made[m] = made[m]; piece.last = m; piece.place = at[m]; m++
			:: m > tip + 1 -> break
			od;
			doing = PUTTING;
#if MUTANT == 5
			release(piece.place)
#endif
		fi;
		m = 0; b = 0 }
	:: atomic { doing == PUTTING ->
		b = piece.branch;
		if
		:: entry(b, piece.first) != 0 && MUTANT != 6 -> /* the name is taken: by a piece of this very log */
			tip = last[b]; doing = READING; release(place[b]); forget(piece)
		:: entry(b, piece.first) == 0 || MUTANT == 6 ->
			effect(piece); tip = piece.last; doing = READING; release(piece.place); forget(piece)
		:: lost < LOST && late.first == 0 -> /* no answer, and the effect comes later, or never */
			lost++;
			late.branch = piece.branch; late.first = piece.first; late.last = piece.last; late.place = piece.place;
			m = 0;
			do
			:: m <= COMMITS -> late.made[m] = piece.made[m]; m++
			:: else -> break
			od;
			m = 0;
#if MUTANT == 7
			tip = piece.last; doing = READING; release(piece.place); forget(piece)
#else
			doing = READING; forget(piece) /* it is read again, and may be longer then */
#endif
		fi;
		b = 0 }
	od
}

/* claims reports that branch b does not have what it claims of commit c. */
#define wrong(b, c) (b < branches && base[b] < c && c <= last[b] && entry(b, c) != made[c])

active proctype promise() {
end:
	atomic {
		if
		:: wrong(0, 1) || wrong(0, 2) || wrong(0, 3)
		:: wrong(1, 1) || wrong(1, 2) || wrong(1, 3)
		:: branches > 0 && (last[0] > durable || made[base[0]] != baseMade[0])
		:: branches > 1 && (last[1] > durable || made[base[1]] != baseMade[1])
		fi;
		assert(false)
	}
}
