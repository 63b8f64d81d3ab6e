package event

import (
	"time"
	"unicode/utf8"
)

// Level implements Event.
func (Opening) Level() Level { return Info }

// Log implements Event.
func (e Opening) Log() (string, []any) {
	if e.Total == 0 {
		return e.Step, nil
	}
	return e.Step, []any{"done", e.Done, "total", e.Total}
}

// Level implements Event. An Open that takes long has told of itself, and so tells of its end.
func (e Opened) Level() Level {
	if e.Duration > time.Second {
		return Info
	}
	return Debug
}

// Log implements Event.
func (e Opened) Log() (string, []any) {
	return "opened the database", []any{"took", e.Duration, "created", e.Created, "records", e.Records,
		"log", e.LogBytes, "torn", e.TornBytes, "removed", e.FilesRemoved, "sequence", e.Sequence}
}

// Level implements Event.
func (e Flushed) Level() Level { return ofWork(e.Err) }

// ofWork is the level of background work: what ends in an error is told by Stopped or Hindered, too.
func ofWork(err error) Level {
	if err != nil {
		return Warn
	}
	return Debug
}

// Log implements Event.
func (e Flushed) Log() (string, []any) {
	if e.Err != nil {
		return "a flush has failed", []any{"took", e.Duration, "cause", e.Err}
	}
	return "flushed a memtable", []any{"tables", e.Tables, "bytes", e.BytesWritten, "took", e.Duration}
}

// Level implements Event.
func (e Compacted) Level() Level { return ofWork(e.Err) }

// Log implements Event.
func (e Compacted) Log() (string, []any) {
	if e.Err != nil {
		return "a compaction has failed", []any{"reason", e.Reason, "into", e.Into, "took", e.Duration, "cause", e.Err}
	}
	return "compacted", []any{"reason", e.Reason, "into", e.Into, "read", e.BytesRead, "written", e.BytesWritten,
		"took", e.Duration}
}

// Level implements Event.
func (StallBegan) Level() Level { return Info }

// Log implements Event.
func (e StallBegan) Log() (string, []any) { return "commits wait", []any{"cause", e.Cause} }

// Level implements Event.
func (StallEnded) Level() Level { return Info }

// Log implements Event.
func (e StallEnded) Log() (string, []any) {
	return "commits wait no more", []any{"cause", e.Cause, "waits", e.Waits, "waited", e.Waited}
}

// Level implements Event.
func (Stopped) Level() Level { return Error }

// Log implements Event.
func (e Stopped) Log() (string, []any) {
	return "database stopped accepting writes; reopen it after the cause is mended", []any{"cause", e.Cause}
}

// Level implements Event.
func (Hindered) Level() Level { return Warn }

// Log implements Event.
func (e Hindered) Log() (string, []any) {
	return e.By + " held up; it will be tried again", []any{"full", e.Full, "cause", e.Cause}
}

// Level implements Event.
func (Resumed) Level() Level { return Warn }

// Log implements Event.
func (e Resumed) Log() (string, []any) { return e.By + " held up no more", []any{"after", e.After} }

// Level implements Event.
func (ReserveSpent) Level() Level { return Warn }

// Log implements Event.
func (e ReserveSpent) Log() (string, []any) {
	return "there was no space, and the reserve is spent; only deletes are accepted until there is space again",
		[]any{"disk full", e.DiskFull}
}

// Level implements Event.
func (ReserveMissing) Level() Level { return Warn }

// Log implements Event.
func (e ReserveMissing) Log() (string, []any) {
	return "there is no space for the reserve; only deletes are accepted until there is", []any{"cause", e.Cause}
}

// Level implements Event.
func (ReserveMade) Level() Level { return Warn }

// Log implements Event.
func (ReserveMade) Log() (string, []any) {
	return "there is space for the reserve again; all writes are accepted", nil
}

// Level implements Event.
func (Damaged) Level() Level { return Error }

// Log implements Event.
func (e Damaged) Log() (string, []any) {
	return e.By + ": a file is damaged; the rest can be used, see the runbook",
		[]any{"file", e.File, "offset", e.Offset, "error", e.Err}
}

// Level implements Event.
func (e BackedUp) Level() Level {
	if e.Err != nil {
		return Warn
	}
	return Info
}

// Log implements Event.
func (e BackedUp) Log() (string, []any) {
	if e.Err != nil {
		return "a backup has failed", []any{"to", e.To, "took", e.Duration, "cause", e.Err}
	}
	return "backed up the database", []any{"to", e.To, "sequence", e.Sequence, "bytes", e.Bytes, "took", e.Duration}
}

// Level implements Event.
func (Unfollowable) Level() Level { return Warn }

// Log implements Event.
func (e Unfollowable) Log() (string, []any) {
	return "no process can follow the database until it is opened again", []any{"cause", e.Cause}
}

// Level implements Event.
func (SlowOperation) Level() Level { return Warn }

// Log implements Event. It leaves out what took no time.
func (e SlowOperation) Log() (string, []any) {
	attributes := []any{"operation", string(e.Operation), "took", e.Duration}
	for _, part := range []struct {
		name string
		took time.Duration
	}{
		{"space", e.Parts.Space}, {"room", e.Parts.Room}, {"lock", e.Parts.Lock}, {"queue", e.Parts.Queue},
		{"log", e.Parts.Log}, {"sync", e.Parts.Sync}, {"read", e.Parts.Read},
	} {
		if part.took > 0 {
			attributes = append(attributes, part.name, part.took)
		}
	}
	for _, number := range []struct {
		name string
		n    int
	}{{"reads", e.Parts.Reads}, {"bytes", e.Bytes}, {"keys", e.Keys}, {"skipped", int(e.Skipped)}} {
		if number.n > 0 {
			attributes = append(attributes, number.name, number.n)
		}
	}
	if e.Key != nil {
		attributes = append(attributes, "key", keyText(e.Key))
	}
	if e.Err != nil {
		attributes = append(attributes, "error", e.Err)
	}
	return "an operation was slow", attributes
}

// keyText is key for people: as it is if it is text.
func keyText(key []byte) any {
	if utf8.Valid(key) {
		return string(key)
	}
	return key
}
