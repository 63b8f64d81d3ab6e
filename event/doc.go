// Package event is what a database tells the program that has opened it: that it was recovered, flushed, compacted,
// that writers wait, that the disk is full, that a file is damaged, that a backup is done, that an operation was slow.
//
//	o := lightningdb.Options{Events: event.Options{
//		Listener: func(r event.Record) {
//			switch e := r.Event.(type) {
//			case event.Damaged:
//				page(e.File, e.Err)
//			case event.StallEnded:
//				stalls.Observe(e.Waited.Seconds())
//			}
//		},
//		SlowOperation: 100 * time.Millisecond,
//	}}
//
// The package holds no state. Its types are values: a listener may keep them.
//
// # Delivery
//
// Listener and Options.Logger of the database receive the same events, in the same order: the order in which they
// happened. They are called one at a time, from a goroutine that exists while there is something to tell, and under no
// lock. So a listener that takes long holds up nothing but later events, and may call the database as it likes, also
// Close. What happens during Open is told before Open returns, by its goroutine.
//
// At most QueueLength events wait. What comes then is dropped and counted, in Counts.Dropped and in the next Record;
// the last quarter of the places is kept for warnings and errors. Close gives the events that wait CloseWait, then
// drops them; in a call of the listener it drops them at once. A listener that is in a call then is left to itself. A
// listener that ends its goroutine (runtime.Goexit) has had that event; one that panics ends the program, as any
// goroutine does, and during Open that panics.
//
// # Keys
//
// No event has a value, and none has a key, but SlowOperation.Key, which is nil unless Options.Keys is set. Texts of
// errors about damage may quote keys, as those of the database do.
package event
