package transaction

// Begin moves it to where a loop over at most limit entries begins; a negative limit is none.
func Begin(it Walker, reverse bool, limit int) {
	switch {
	case limit == 0: // or a transaction would count the first entry as read
	case reverse:
		it.Last()
	default:
		it.First()
	}
}

// Each calls step at each entry from where Begin has led, until it returns false or an error. The error is that, or
// that of moving.
func Each(it Walker, reverse bool, limit int, step func() (more bool, err error)) error {
	for ok, left := it.Valid(), limit; ok && left != 0; left-- {
		more, err := step()
		if err != nil || !more || left == 1 {
			return err
		}
		if reverse {
			ok = it.Prev()
		} else {
			ok = it.Next()
		}
	}
	return it.Err()
}
