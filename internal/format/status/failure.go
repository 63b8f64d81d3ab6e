package status

// failure is an error that has a text in JSON, where others are {}.
type failure struct{ error }

// Failure is err with a text in JSON; nil stays nil.
func Failure(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// MarshalText implements encoding.TextMarshaler.
func (f failure) MarshalText() ([]byte, error) { return []byte(f.Error()), nil }

func (f failure) Unwrap() error { return f.error }
