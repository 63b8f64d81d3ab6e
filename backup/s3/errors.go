package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"

	"github.com/minio/minio-go/v7"
)

var (
	// ErrUnsafe says that the bucket does not keep what two writers need who shall not damage each other. Use
	// errors.Is.
	ErrUnsafe = errors.New("the bucket cannot keep two writers apart: use another server, or a newer version of it")

	// ErrUnknown says that a put was not answered, and that it is not known whether it is done or will be. Use
	// errors.Is.
	ErrUnknown = errors.New("it is not known whether the object was put: do the whole again")

	// ErrUnavailable says that the server did not do what it was asked, several times. Use errors.Is.
	ErrUnavailable = errors.New("the bucket cannot be reached or is too busy: look at the endpoint, and try again later")

	// ErrNoBucket says that there is no such bucket. Use errors.Is.
	ErrNoBucket = errors.New("there is no such bucket: create it first, or correct its name and the region")

	// ErrDenied says that the keys do not suffice. Use errors.Is.
	ErrDenied = errors.New("the server refuses these keys: look at them, at their policy (it must allow to list, get, " +
		"put and delete), at the region, and at the clock of this machine")

	// ErrCredentials says that there are no keys. Use errors.Is.
	ErrCredentials = errors.New("there are no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the " +
		"environment, or name a file that has them in the profile")

	// ErrReadOnly says that the bucket was opened for reading. Use errors.Is.
	ErrReadOnly = errors.New("the bucket was opened for reading: open it without ReadOnly")

	// ErrChanged says that an object was replaced while it was read. Use errors.Is.
	ErrChanged = errors.New("the object was replaced while it was read: read it again")
)

// outcome is what is known of a request after its answer.
type outcome int

const (
	done    outcome = iota
	refused         // it was not done and will not be; the next try may be
	unknown         // it may have been done, or be done later
	final           // it was not done, and the next try would not be either
)

// refusals are codes by which a server says that it has done nothing, and may if it is asked again.
var refusals = map[string]bool{"SlowDown": true, "SlowDownWrite": true, "SlowDownRead": true, "Throttling": true,
	"ThrottlingException": true, "RequestThrottled": true, "RequestLimitExceeded": true,
	"ConditionalRequestConflict": true, "OperationAborted": true}

// judge says what is known of a request by its error.
func judge(err error) outcome {
	var answer minio.ErrorResponse
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case err == nil:
		return done
	case errors.As(err, &answer):
		switch {
		case refusals[answer.Code] || answer.StatusCode == http.StatusTooManyRequests:
			return refused
		case answer.StatusCode >= 500 && answer.StatusCode != http.StatusNotImplemented,
			answer.StatusCode < 400, // an error in the body of a success
			answer.StatusCode == http.StatusRequestTimeout, answer.Code == "RequestTimeout":
			return unknown
		}
		return final
	case errors.As(err, &certificate) || errors.Is(err, http.ErrSchemeMismatch):
		return final
	case errors.As(err, &dial) && dial.Op == "dial":
		return refused
	}
	return unknown
}

// code is the code of an answer.
func code(err error) string {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// isTaken reports whether the condition of a put was not met.
func isTaken(err error) bool {
	var answer minio.ErrorResponse
	return errors.As(err, &answer) &&
		(answer.StatusCode == http.StatusPreconditionFailed || answer.Code == "PreconditionFailed")
}

// isMissing reports whether an object is not there.
func isMissing(err error) bool { return code(err) == "NoSuchKey" || code(err) == "NoSuchUpload" }

// named puts into an error which of the above it is.
func named(err error) error {
	var answer minio.ErrorResponse
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown):
		return err
	case isMissing(err):
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case code(err) == "NoSuchBucket":
		return fmt.Errorf("%w: %w", ErrNoBucket, err)
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusForbidden ||
		answer.StatusCode == http.StatusUnauthorized):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case judge(err) == refused || judge(err) == unknown:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
