package event

import "time"

// Bounds of the delivery; see the package.
const (
	QueueLength = 1024
	CloseWait   = time.Second
)

// Options says who is told what. The zero value tells nobody, and costs nothing.
type Options struct {
	// Listener receives every event. Default: none.
	Listener func(Record)

	// SlowOperation is how long a read or commit may take before it is told of, with where its time went. At most
	// SlowPerSecond are told of in a second; SlowOperation.Skipped counts the others. It costs commits at Process
	// durability two or more looks at the clock, and reads that the row cache does not answer two. Default: 0, none.
	SlowOperation time.Duration

	// Keys has SlowOperation tell the first MaxKey bytes of the key, or of the first key of a commit.
	Keys bool

	// Tracer is told when an operation begins and ends. Default: none, at the cost of a comparison.
	Tracer Tracer
}

// SlowPerSecond is how many slow operations are told of in a second, RecentSlow how many are kept for Counts.Recent,
// and MaxKey how many bytes of a key.
const (
	SlowPerSecond = 16
	RecentSlow    = 16
	MaxKey        = 256
)

// Record is an event as a listener receives it.
type Record struct {
	At      time.Time // by the wall clock: data for people, it may go backwards
	Dropped uint64    // events that happened since the one before, and are told to nobody
	Event
}

// Event is what has happened: one of the types of this package. More will come, so a switch over them has a default.
type Event interface {
	// Level is how urgent it is.
	Level() Level
	// Log returns the message and the attributes, names and values in turn, by which it is logged.
	Log() (message string, attributes []any)
}

// Level is how urgent an event is. The numbers are those of log/slog.
type Level int

// The levels.
const (
	Debug Level = -4 // of use to whoever looks for something
	Info  Level = 0
	Warn  Level = 4 // it passes by itself, or soon will not
	Error Level = 8 // somebody has to do something
)

// Logger is the part of a *slog.Logger that is called. It is an interface so that a logger of another kind, or one of a
// test, can stand in its place. args are attributes, alternating names and values.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// LogTo returns a Listener that logs events to l, as Options.Logger of the database has them.
func LogTo(l Logger) func(Record) {
	return func(r Record) {
		log := l.Debug
		switch level := r.Level(); {
		case level >= Error:
			log = l.Error
		case level >= Warn:
			log = l.Warn
		case level >= Info:
			log = l.Info
		}
		message, attributes := r.Log()
		if r.Dropped > 0 {
			attributes = append(attributes, "events dropped before", r.Dropped)
		}
		log(message, attributes...)
	}
}

// Counts is how many events there were since Open.
type Counts struct {
	Told    uint64          // to the Listener and the Logger, or to nobody if there is neither
	Dropped uint64          // because too many waited
	Slow    uint64          // operations that took longer than Options.SlowOperation, those that were skipped included
	Recent  []SlowOperation // the newest of them that were told of, RecentSlow at most, the newest last
	Damaged uint64          // files in which damage was found, by whatever reads them
}

// Backups sums up the backups of a database since Open: those to a stream and those to a repository.
type Backups struct {
	Count      uint64        // that were completed
	Failed     uint64        // that were not, those that the caller has ended included
	Last       time.Time     // when the last one was completed; zero if none was
	LastTook   time.Duration // how long it took
	LastBytes  int64         // how many bytes it has written
	LastCommit uint64        // sequence number of the newest commit in it
}
