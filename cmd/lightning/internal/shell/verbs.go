package shell

import (
	"context"
	"fmt"
	"slices"
)

// verb is what a line begins with.
type verb struct {
	name, args string
	does       string
	min, max   int // words behind it
	run        func(s *Shell, ctx context.Context, args []string) error
}

// unlimited is a verb's max.
const unlimited = 1 << 30

// verbs lists all of them, in the order of help.
func verbs() []verb {
	return []verb{
		{"get", "KEY", "write the value of a key", 1, 1, (*Shell).get},
		{"put", "KEY VALUE", "set a key", 2, 2, (*Shell).put},
		{"delete", "KEY...", "remove keys, all or none", 1, unlimited, (*Shell).delete},
		{"add", "KEY N", "add to a counter (8 bytes, little-endian) and write what it has come to", 2, 2, (*Shell).add},
		{"scan", "[RANGE] [limit N] [reverse] [keys]", "list entries in key order", 0, 9, (*Shell).scan},
		{"count", "[RANGE]", "count entries", 0, 4, (*Shell).count},
		{"begin", "[readonly | snapshot-isolation]", "begin a transaction", 0, 1, (*Shell).begin},
		{"commit", "", "write what the transaction did, all at once", 0, 0, (*Shell).commit},
		{"rollback", "[to NAME]", "drop the transaction, or what it did since a savepoint", 0, 2, (*Shell).rollback},
		{"savepoint", "NAME", "mark a place in the transaction to roll back to", 1, 1, (*Shell).savepoint},
		{"snapshot", "[NAME]", "keep the present state, for `at`", 0, 1, (*Shell).snapshot},
		{"snapshots", "", "list what is kept, with sequence numbers", 0, 0, (*Shell).listSnapshots},
		{"release", "NAME", "keep a snapshot no longer", 1, 1, (*Shell).release},
		{"at", "SEQUENCE | NAME | now", "read the state after a commit, or at a snapshot", 1, 1, (*Shell).at},
		{"stats", "", "show levels, memory and log", 0, 0, (*Shell).stats},
		{"help", "[VERB]", "list the verbs", 0, 1, (*Shell).help},
		{"exit", "", "leave", 0, 0, (*Shell).exit},
	}
}

func (v *verb) use() string {
	if v.args == "" {
		return v.name
	}
	return v.name + " " + v.args
}

// find returns the verb of that name.
func find(name string) (verb, error) {
	all := verbs()
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == name })
	if i < 0 {
		return verb{}, fmt.Errorf("there is no verb %s; see help", word(name))
	}
	return all[i], nil
}

const helpWords = `RANGE is prefix P, or from A, to B or both: keys at or after A and before B. A word with blanks stands in
"double" or 'single' quotes. Outside of single quotes \n, \xff and the other escapes of Go are read,
as get and scan write them.`

func (s *Shell) help(_ context.Context, args []string) error {
	if len(args) == 1 {
		v, err := find(args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s: %s\n", v.use(), v.does)
		return err
	}
	for _, v := range verbs() {
		fmt.Fprintf(s.out, "  %-42s %s\n", v.use(), v.does)
	}
	_, err := fmt.Fprintln(s.out, helpWords)
	return err
}

func (s *Shell) stats(context.Context, []string) error { return s.Stats(s.out) }

func (s *Shell) exit(context.Context, []string) error {
	if s.tx != nil {
		return errTxOpen
	}
	return errExit
}
