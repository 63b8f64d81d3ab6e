// Package units writes sizes, counts, rates and proportions for people, and reads sizes written by people. It holds no
// state; every function is safe for concurrent use.
package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// binarySuffixes are the factors of 1024, smallest first.
var binarySuffixes = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// Bytes writes a size with a binary suffix and three significant digits: "0 B", "1.50 KiB", "12.3 MiB".
func Bytes(n int64) string {
	value, i := float64(n), 0
	for math.Abs(value) >= 1023.5 && i < len(binarySuffixes)-1 {
		value, i = value/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return threeDigits(value) + " " + binarySuffixes[i]
}

// threeDigits writes a value below 1024 with three significant digits.
func threeDigits(value float64) string {
	switch abs := math.Abs(value); {
	case abs < 9.995:
		return strconv.FormatFloat(value, 'f', 2, 64)
	case abs < 99.95:
		return strconv.FormatFloat(value, 'f', 1, 64)
	}
	return strconv.FormatFloat(value, 'f', 0, 64)
}

// Count writes a number with commas between thousands: "1,234,567".
func Count[N int | int64 | uint64](n N) string {
	digits := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Plural writes a count and its noun: "1 table", "2 keys", "3 entries".
func Plural[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.ContainsAny(stem[len(stem)-1:], "aeou") {
		return Count(n) + " " + stem + "ies"
	}
	return Count(n) + " " + noun + "s"
}

// Rate is n per second over d, rounded; 0 if no time has passed.
func Rate(n int64, d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64(math.Round(float64(n) / d.Seconds()))
}

// Duration writes a duration with the precision a person reads: "85 ns", "7.40 µs", "12.3 ms", "4.56 s", "2m3s".
func Duration(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + " ns"
	case d < time.Millisecond:
		return threeDigits(float64(d)/float64(time.Microsecond)) + " µs"
	case d < time.Second:
		return threeDigits(float64(d)/float64(time.Millisecond)) + " ms"
	case d < time.Minute:
		return threeDigits(d.Seconds()) + " s"
	}
	return d.Round(time.Second).String()
}

// barEighths are the blocks that fill a character cell by eighths.
var barEighths = [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// Bar draws fraction (cut to 0..1) of width character cells, without padding. A fraction above zero is never drawn as
// nothing.
func Bar(width int, fraction float64) string {
	if !(fraction > 0) { // NaN too
		return ""
	}
	eighths := max(1, int(math.Round(math.Min(fraction, 1)*float64(width)*8)))
	return strings.Repeat("█", eighths/8) + barEighths[eighths%8]
}

// sizeFactors are the suffixes ParseBytes takes, in lower case.
var sizeFactors = map[string]int64{
	"": 1, "b": 1,
	"k": 1 << 10, "kib": 1 << 10, "kb": 1e3,
	"m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
	"g": 1 << 30, "gib": 1 << 30, "gb": 1e9,
	"t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
}

// ParseBytes reads a size above zero: a decimal number and an optional suffix, in any case. KiB, MiB, GiB and TiB, or
// K,
// M, G and T, are powers of 1024; KB, MB, GB and TB are powers of 1000.
func ParseBytes(s string) (int64, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	factor, known := sizeFactors[strings.TrimSpace(text[end:])]
	number, err := strconv.ParseFloat(text[:end], 64)
	size := number * float64(factor)
	if err != nil || !known || size < 1 || size >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a size; write one like 256MiB", s)
	}
	return int64(size), nil
}
