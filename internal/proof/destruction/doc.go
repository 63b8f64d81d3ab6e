// Package destruction destroys databases and judges what a salvage gets out of them.
//
// A Victim is a database that random commits, flushes, compactions and merges have made, with the history of all of it.
// Destroy damages its files: any number of them, of any kind, in any way. A salvage of what is left must not invent an
// entry, must not lose one that is whole, must take the newest version of each key that is whole, and must name every
// loss. A Destroyer does that over and over, from a seed, and interrupts some salvages at each of their calls: by a
// power cut, or by an error.
//
// The package is for tests and for package campaign. Nothing in it is safe for concurrent use.
package destruction
