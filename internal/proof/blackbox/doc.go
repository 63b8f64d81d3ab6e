// Package blackbox judges a store by the system calls that it really made, whoever wrote it and whatever it says about
// itself:
//
//	driver under strace -f ─► trace ─► memfs, call by call ─► images of a power cut ─► plain directories
//	       │ "ok N" on standard output, recorded among the calls                            │
//	       ▼                                                                                ▼
//	script: what must be there                         compared with         another driver opens and reads
//
// A driver is a program that serves a Store over the line protocol of Serve. Record runs one under strace. Replay
// performs the recorded calls on a memfs.FS, which knows what each sync covers, and stops after each of them; Sweep
// writes the images that a power cut may leave there into directories and has a driver read them; the Script knows the
// state after each commit, and the acknowledgements in the trace say which of them may be there.
//
// What it cannot see: writes through a shared mapping, which Replay refuses; sectors that share a block; what a
// device does that acknowledges a sync and forgets it.
//
// The package is for tests. Nothing in it is safe for concurrent use.
package blackbox
