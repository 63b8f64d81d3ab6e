// Package typed keeps rows of one Go type under keys of another: a Table is a name, a codec of keys and a codec of
// values. What it stores are entries of the database like any other, and every call takes what it works on, so a table
// can be used on a database, a snapshot, a transaction and a batch.
//
//	var users = typed.Must(typed.New("users", tuple.String, typed.JSON[User](), nil))
//
//	err := users.Put(db, "ann", User{Mail: "ann@example.org"})
//	user, err := users.Get(db, "ann")
//
//	rows := users.All(db)
//	for name, user := range rows.All() {
//		…
//	}
//	if err := rows.Err(); err != nil { … }
//
// What reads before it writes takes a transaction, because only there does what is written rest on what was read:
//
//	err = db.Update(ctx, func(tx *lightningdb.Tx) error {
//		return users.Update(tx, "ann", func(u *User) error { u.Visits++; return nil })
//	})
//
// # Versions
//
// Each row tells the version in which it was written. When the type changes in a way that its codec cannot bear, the
// program raises Options.Version and gives a function that makes the present type of what was stored. Rows of before
// are then read by way of it, and written in the new version when they are put; Table.MigrateAll does so with all of
// them, while the program runs. A program that meets a row of a version that it does not know yet gets ErrNewer, and
// neither reads nor changes it. Put and Delete are blind: they write over what they have not read.
//
// Which versions there are, and what they mean, belongs to the program. A change of the codec is one, too. Raise the
// version as well if a field is added whose loss would hurt: a program of before would read such a row, drop the field
// in silence and put the row without it.
//
// # Indexes
//
// A table declares none. One that is kept in a Bucket, which Get, Put and Delete take, is indexed as the bucket is
// (Options.Indexes): the functions of an index get stored keys and values, see Format, of all that is in the bucket.
//
// # Format
//
// The key is the tuple of the name and the elements of the key (package tuple), the value a header and what the codec
// of values writes:
//
//	key    02 name 00  elements
//	value  c1  version  payload     version: uvarint in its shortest form, at most MaxVersion
//
// The row "ann" of the table "users", in version 3, of the JSON {}:
//
//	02 75 73 65 72 73 00 02 61 6e 6e 00      c1 03 7b 7d
//
// No text in UTF-8, JSON, gob or MessagePack begins with c1, so what other code has put there is noticed: ErrRow. These
// bytes will not change. Keys of a program's own that are no tuples, and do not begin with 02, are never in a table.
//
// A Table does not change, and may be used by several goroutines at once; Rows belong to one.
package typed
