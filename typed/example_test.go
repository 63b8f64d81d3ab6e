package typed_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lightningdb"
	"lightningdb/tuple"
	"lightningdb/typed"
)

// User is a row.
type User struct {
	Mail   string
	Visits int
}

// users has a row for each name.
var users = typed.Must(typed.New("users", tuple.String, typed.JSON[User](), nil))

// visits has a row for each user and time, the latest visit of each user first.
var visits = typed.Must(typed.New("visits", tuple.Pair(tuple.String, tuple.Desc(tuple.Time)), typed.String, nil))

// open opens a database with three users. In a program: lightningdb.Open("data", nil), with its error looked at.
func open() *lightningdb.DB {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"ann", "bob", "cid"} {
		if err := users.Put(db, name, User{Mail: name + "@example.org"}); err != nil {
			panic(err)
		}
	}
	return db
}

func Example() {
	db := open()
	defer db.Close()
	ann, err := users.Get(db, "ann")
	fmt.Println(ann.Mail, err)
	_, err = users.Get(db, "dan")
	fmt.Println(errors.Is(err, lightningdb.ErrNotFound))
	rows := users.All(db)
	for name, user := range rows.All() {
		fmt.Println(name, user.Mail)
	}
	if err := rows.Err(); err != nil {
		panic(err)
	}
	// Output:
	// ann@example.org <nil>
	// true
	// ann ann@example.org
	// bob bob@example.org
	// cid cid@example.org
}

func ExampleNew() {
	options := typed.Options[User]{Secret: []byte("of the program")} // for page tokens
	orders, err := typed.New("orders", tuple.Int, typed.JSON[User](), &options)
	if err != nil {
		panic(err)
	}
	key, err := orders.Key(7)
	fmt.Printf("%s %q %v\n", orders.Name(), key, err)
	_, err = typed.New("", tuple.Int, typed.JSON[User](), nil)
	fmt.Println(errors.Is(err, typed.ErrTable))
	// Output:
	// orders "\x02orders\x00\x15\a" <nil>
	// true
}

// A function of a program takes what it reads from: a database, a snapshot or a transaction.
func ExampleTable_Get() {
	db := open()
	defer db.Close()
	before := db.Snapshot()
	defer before.Close()
	if err := users.Put(db, "ann", User{Mail: "new@example.org"}); err != nil {
		panic(err)
	}
	now, err := users.Get(db, "ann")
	fmt.Println(now.Mail, err)
	then, err := users.Get(before, "ann")
	fmt.Println(then.Mail, err)
	// Output:
	// new@example.org <nil>
	// ann@example.org <nil>
}

func ExampleTable_Has() {
	db := open()
	defer db.Close()
	fmt.Println(users.Has(db, "ann"))
	fmt.Println(users.Has(db, "dan"))
	// Output:
	// true <nil>
	// false <nil>
}

// Rows of several tables in one commit.
func ExampleTable_Put() {
	db := open()
	defer db.Close()
	var b lightningdb.Batch
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	err := errors.Join(
		users.Put(&b, "dan", User{Mail: "dan@example.org", Visits: 1}),
		visits.Put(&b, tuple.Two[string, time.Time]{A: "dan", B: noon}, "/index"),
		db.Write(&b))
	if err != nil {
		panic(err)
	}
	fmt.Println(users.Get(db, "dan"))
	// Output: {dan@example.org 1} <nil>
}

func ExampleTable_Delete() {
	db := open()
	defer db.Close()
	fmt.Println(users.Delete(db, "ann"))
	fmt.Println(users.Has(db, "ann"))
	// Output:
	// <nil>
	// false <nil>
}

func ExampleTable_Insert() {
	db := open()
	defer db.Close()
	for _, name := range []string{"dan", "ann"} {
		err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
			return users.Insert(tx, name, User{})
		})
		fmt.Println(name, err, errors.Is(err, typed.ErrExists))
	}
	// Output:
	// dan <nil> false
	// ann table "users", key "\x02users\x00\x02ann\x00": the row exists true
}

func ExampleTable_Update() {
	db := open()
	defer db.Close()
	err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		return users.Update(tx, "ann", func(u *User) error {
			u.Visits++
			return nil
		})
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(users.Get(db, "ann"))
	// Output: {ann@example.org 1} <nil>
}

func ExampleTable_All() {
	db := open()
	defer db.Close()
	rows := users.All(db).Reverse().From("bobby")
	for name := range rows.Keys() {
		fmt.Println(name)
	}
	if err := rows.Err(); err != nil {
		panic(err)
	}
	// Output:
	// bob
	// ann
}

func ExampleTable_Range() {
	db := open()
	defer db.Close()
	rows := users.Range(db, "ann", "cid")
	for name, user := range rows.All() {
		fmt.Println(name, user.Mail)
	}
	if err := rows.Err(); err != nil {
		panic(err)
	}
	// Output:
	// ann ann@example.org
	// bob bob@example.org
}

func ExampleTable_Prefix() {
	db := open()
	defer db.Close()
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, user := range []string{"ann", "anna"} {
		for hour, page := range []string{"/index", "/news"} {
			key := tuple.Two[string, time.Time]{A: user, B: noon.Add(time.Duration(hour) * time.Hour)}
			if err := visits.Put(db, key, page); err != nil {
				panic(err)
			}
		}
	}
	rows := visits.Prefix(db, tuple.AppendString(nil, "ann"))
	for visit, page := range rows.All() {
		fmt.Println(visit.A, visit.B.UTC().Format(time.TimeOnly), page)
	}
	if err := rows.Err(); err != nil {
		panic(err)
	}
	// Output:
	// ann 13:00:00 /news
	// ann 12:00:00 /index
}

// What a server does with each request: the token comes from the one before.
func ExampleRows_Page() {
	db := open()
	defer db.Close()
	for token := ""; ; {
		page, next, err := users.All(db).Page(token, 2)
		if err != nil {
			panic(err) // errors.Is(err, typed.ErrToken): what came is no token
		}
		fmt.Println("page")
		for _, row := range page {
			fmt.Println(row.Key, row.Value.Mail)
		}
		if token = next; token == "" {
			break
		}
	}
	// Output:
	// page
	// ann ann@example.org
	// bob bob@example.org
	// page
	// cid cid@example.org
}

// The first version of a program had the address alone, as a text.
func ExampleTable_MigrateAll() {
	db := open()
	defer db.Close()
	first := typed.Must(typed.New("people", tuple.String, typed.String, nil))
	if err := errors.Join(first.Put(db, "ann", "ann@example.org"), first.Put(db, "bob", "bob@example.org")); err != nil {
		panic(err)
	}

	people := typed.Must(typed.New("people", tuple.String, typed.JSON[User](), &typed.Options[User]{
		Version: 1,
		Migrate: func(from int, raw []byte) (User, error) { return User{Mail: string(raw)}, nil },
	}))
	fmt.Println(people.Get(db, "ann")) // reading needs no migration of all
	err := people.MigrateAll(context.Background(), db, "", func(p typed.Progress) error {
		fmt.Println(p.Rows, "rows,", p.Migrated, "migrated") // keep p.Token to go on after an end
		return nil
	})
	if err != nil {
		panic(err)
	}
	_, err = first.Get(db, "ann") // the program of before
	fmt.Println(errors.Is(err, typed.ErrNewer))
	// Output:
	// {ann@example.org 0} <nil>
	// 2 rows, 2 migrated
	// true
}

// What cannot be read says where it is.
func ExampleRowError() {
	db := open()
	defer db.Close()
	key, err := users.Key("bob")
	if err != nil {
		panic(err)
	}
	if err := db.Put(key, []byte("written by other code")); err != nil {
		panic(err)
	}
	rows := users.All(db)
	for range rows.All() {
	}
	var row *typed.RowError
	if errors.As(rows.Err(), &row) && errors.Is(row, typed.ErrRow) {
		fmt.Println(row)
		fmt.Println(db.Delete(row.Key))
	}
	// Output:
	// table "users", key "\x02users\x00\x02bob\x00": the row is damaged or foreign
	// <nil>
}

// A codec of one's own: here, lines.
func ExampleFunc() {
	db := open()
	defer db.Close()
	lines := typed.Func(func(dst []byte, v []string) ([]byte, error) {
		return append(dst, strings.Join(v, "\n")...), nil
	}, func(raw []byte) ([]string, error) {
		return strings.Split(string(raw), "\n"), nil
	})
	poems := typed.Must(typed.New("poems", tuple.String, lines, nil))
	if err := poems.Put(db, "pond", []string{"old pond", "a frog jumps in"}); err != nil {
		panic(err)
	}
	poem, err := poems.Get(db, "pond")
	fmt.Printf("%q %v\n", poem, err)
	// Output: ["old pond" "a frog jumps in"] <nil>
}

func ExampleGob() {
	db := open()
	defer db.Close()
	points := typed.Must(typed.New("points", tuple.String, typed.Gob[map[string]int](), nil))
	if err := points.Put(db, "ann", map[string]int{"chess": 3}); err != nil {
		panic(err)
	}
	fmt.Println(points.Get(db, "ann"))
	// Output: map[chess:3] <nil>
}

func ExampleBinary() {
	db := open()
	defer db.Close()
	births := typed.Must(typed.New("births", tuple.String, typed.Binary[time.Time](), nil))
	if err := births.Put(db, "ada", time.Date(1815, 12, 10, 0, 0, 0, 0, time.UTC)); err != nil {
		panic(err)
	}
	fmt.Println(births.Get(db, "ada"))
	// Output: 1815-12-10 00:00:00 +0000 UTC <nil>
}

// Note has the methods that generated code has.
type Note struct{ text string }

// Marshal implements typed.Message.
func (n *Note) Marshal() ([]byte, error) { return []byte(n.text), nil }

// Unmarshal implements typed.Message.
func (n *Note) Unmarshal(raw []byte) error {
	n.text = string(raw)
	return nil
}

func ExampleProto() {
	db := open()
	defer db.Close()
	notes := typed.Must(typed.New("notes", tuple.Uint, typed.Proto[Note](), nil))
	if err := notes.Put(db, 1, &Note{"buy milk"}); err != nil {
		panic(err)
	}
	note, err := notes.Get(db, 1)
	fmt.Println(note.text, err)
	// Output: buy milk <nil>
}

func ExampleTuple() {
	db := open()
	defer db.Close()
	prices := typed.Must(typed.New("prices", tuple.String, typed.Tuple(tuple.Float64), nil))
	if err := prices.Put(db, "tea", 2.5); err != nil {
		panic(err)
	}
	fmt.Println(prices.Get(db, "tea"))
	// Output: 2.5 <nil>
}
