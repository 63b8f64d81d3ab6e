package filename

import "testing"

// A foreign file that parsed as ours could be deleted as obsolete.
func TestParse_acceptsOnlyWhatMakeProduces(t *testing.T) {
	for _, kind := range []Kind{Lock, Current, Status, Reserve} {
		if k, n := Parse(Make(kind, 0)); k != kind || n != 0 {
			t.Errorf("Parse(%q) = %d, %d", Make(kind, 0), k, n)
		}
	}
	for _, kind := range []Kind{NextCurrent, Manifest, Log, Table, NextStatus, Lease, NextReserve} {
		for _, num := range []Num{0, 1, 999999, 1000000, 1<<63 - 1} {
			if k, n := Parse(Make(kind, num)); k != kind || n != num {
				t.Errorf("Parse(%q) = %d, %d", Make(kind, num), k, n)
			}
		}
	}
	foreign := []string{"", "lock", "12.wal", "0000012.wal", "+00012.wal", "000012.WAL", "000012.tbl.bak",
		"CURRENT.tmp", "RESERVE-", "RESERVE-7", "RESERVE.tmp", "CURRENT-", "CURRENT-7",
		"MANIFEST-7", "MANIFEST-", ".wal", "-00001.tbl", "../000012.tbl",
		"000012.sst", "18446744073709551616.tbl", "9223372036854775808.tbl"}
	for _, name := range foreign {
		if k, _ := Parse(name); k != Unknown {
			t.Errorf("Parse(%q) = %d, want Unknown", name, k)
		}
	}
}
