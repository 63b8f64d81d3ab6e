package units

import (
	"testing"
	"time"
	"unicode/utf8"
)

// A size misread by a factor would give the database a memory limit nobody asked for.
func TestParseBytes_readsWhatPeopleWrite(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "256MiB": 256 << 20, "256 mib": 256 << 20, "64M": 64 << 20, "64mb": 64e6, "1.5GiB": 3 << 29,
		"10k": 10240, "7B": 7,
	} {
		got, err := ParseBytes(text)
		if err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "0", "1.2.3", "12 parsecs", "1e400", "9999999TiB", "0.1"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d; want an error", text, got)
		}
	}
}

// A size shown with a wrong suffix misleads whoever plans the disk.
func TestBytes_threeSignificantDigits(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 1536: "1.50 KiB", 10 << 10: "10.0 KiB", 100 << 20: "100 MiB",
		1<<30 - 1: "1.00 GiB", 1<<63 - 1: "8.00 EiB", 1023 << 10: "1023 KiB", 10229: "9.99 KiB", 10235: "10.0 KiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q; want %q", n, got, want)
		}
	}
}

// Counts are compared by eye; a misplaced comma is a wrong number.
func TestCount_commasBetweenThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000",
		-999: "-999"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q; want %q", n, got, want)
		}
	}
	if got := Plural(1, "entry") + ", " + Plural(1200, "entry") + ", " + Plural(0, "table") +
		", " + Plural(2, "key"); got != "1 entry, 1,200 entries, 0 tables, 2 keys" {
		t.Errorf("Plural: %q", got)
	}
}

// A bar that overflows its width breaks the table; one that vanishes hides a level that has data.
func TestBar_staysInsideItsWidth(t *testing.T) {
	for _, fraction := range []float64{-1, 0, 1e-9, 0.01, 0.5, 0.999, 1, 7} {
		cells := utf8.RuneCountInString(Bar(10, fraction))
		if cells > 10 || (fraction > 0) != (cells > 0) {
			t.Errorf("Bar(10, %v) has %d cells", fraction, cells)
		}
	}
	if got := Bar(4, 0.625); got != "██▌" {
		t.Errorf("Bar(4, 0.625) = %q", got)
	}
}

// A rate over no time must not divide by zero, and durations must keep their unit.
func TestDurationAndRate(t *testing.T) {
	for d, want := range map[time.Duration]string{
		85: "85 ns", 7400: "7.40 µs", 740 * time.Microsecond: "740 µs", 12300 * time.Microsecond: "12.3 ms",
		4560 * time.Millisecond: "4.56 s", 123 * time.Second: "2m3s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q; want %q", d, got, want)
		}
	}
	if Rate(5, 0) != 0 || Rate(10, 2*time.Second) != 5 {
		t.Error("Rate is wrong")
	}
}
