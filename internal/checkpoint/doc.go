// Package checkpoint copies an open database as it is after one commit: its files and not its entries.
//
// # What a copy is
//
// A database of its own, with another id, that was closed after the newest commit in it: nothing has to be replayed.
// Its files are
//
//	shared   tables and value files of the source, which never change, under the names that they have there
//	own      tables of level 0 with what was in memory, a manifest and CURRENT
//
// Nothing in a table says of which database it is, so a link will do for one, or any copy of its bytes.
//
// # Why it is one state
//
// It rests on one view of the tree (tree.Cut), at a sequence number up to which the view holds everything. The tables
// of the view hold nothing newer. Its active memtable may, by commits that come later, and what is newer is left out.
// The view stays until the copy is complete, so none of its files is removed: not by the engine, and not under a
// follower, whose lease says what it reads.
package checkpoint
