// Package environment tests the database, through its public API and in processes of their own, against what the world
// around it does: other processes, links, modes and masks, full and read-only disks, limits, directories that move. It
// has tests only. What a machine does not allow is skipped with the reason.
package environment
