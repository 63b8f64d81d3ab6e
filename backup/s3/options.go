package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Options says where a bucket is. There is no field for a secret: keys come from the environment or a file, so that
// none stands in a program, on a command line or in a log.
type Options struct {
	// Endpoint is the address of the server: https://host or https://host:port. With http everything is readable on
	// the way, and only as safe from changes as the signatures make it.
	Endpoint string

	// Region is that of the bucket. The server is asked for it if this is empty.
	Region string

	// Bucket is its name. It must exist.
	Bucket string

	// Prefix is what the keys of all objects of the repository begin with, before a slash. Several repositories may be
	// in one bucket, with prefixes of which none is inside another. May be empty.
	Prefix string

	// CredentialsFile is a file as the tools of AWS have it, with [profiles] of aws_access_key_id and
	// aws_secret_access_key. If it is empty, keys are taken from the environment: AWS_ACCESS_KEY_ID,
	// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; and if there are none either, from the file that
	// AWS_SHARED_CREDENTIALS_FILE names, or ~/.aws/credentials.
	CredentialsFile string

	// Profile is the one of the file. Empty is AWS_PROFILE, or default.
	Profile string

	// ReadOnly opens the bucket for reading: nothing is tried out, which needs to write, and whatever would write fails
	// with ErrReadOnly.
	ReadOnly bool

	// Timeout is how long one request may take before it is made again, to which comes what its bytes take at
	// 64 KiB a second. 0 is 5 s.
	Timeout time.Duration

	// Attempts is how often a request is made at most. 0 is 8: with the pauses in between about half a minute.
	Attempts int

	// Transport makes the requests; nil for the usual one, which minds the environment's proxies.
	Transport http.RoundTripper
}

const (
	defaultTimeout  = 5 * time.Second
	defaultSlowTerm = 5 * time.Minute
	defaultAttempts = 8
)

// bucket returns the Bucket of o, and asks nobody.
func (o Options) bucket() (*Bucket, error) {
	endpoint, err := o.endpoint()
	if err != nil {
		return nil, err
	}
	if err := s3utils.CheckValidBucketName(o.Bucket); err != nil {
		return nil, fmt.Errorf("%w: set Options.Bucket to the name alone", err)
	}
	prefix := strings.Trim(o.Prefix, "/")
	if prefix != "" {
		if !fs.ValidPath(prefix) || prefix == "." {
			return nil, fmt.Errorf("%q is no prefix: use words with slashes between them", o.Prefix)
		}
		prefix += "/"
	}
	keys, err := o.credentials()
	if err != nil {
		return nil, err
	}
	transport := o.Transport
	if transport == nil {
		if transport, err = minio.DefaultTransport(endpoint.Scheme == "https"); err != nil {
			return nil, err
		}
	}
	core, err := minio.NewCore(endpoint.Host, &minio.Options{Creds: keys, Secure: endpoint.Scheme == "https",
		Region: o.Region, Transport: transport, MaxRetries: 1})
	if err != nil {
		return nil, err
	}
	b := &Bucket{core: core, bucket: o.Bucket, prefix: prefix, readOnly: o.ReadOnly, timeout: o.Timeout,
		attempts: o.Attempts, pause: firstPause, slowTerm: defaultSlowTerm,
		slowest: 64 << 10, partSize: minPartSize, maxCopy: 5 << 30}
	if b.timeout <= 0 {
		b.timeout = defaultTimeout
	}
	if b.attempts <= 0 {
		b.attempts = defaultAttempts
	}
	return b, nil
}

// endpoint reads the address of the server. What is wrong with it is said without repeating it: there may be a secret
// in it.
func (o Options) endpoint() (*url.URL, error) {
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the endpoint is no address: write https://host or https://host:port")
	case u.User != nil:
		return nil, errors.New("the endpoint has a user or password in it: put keys into the environment or a file")
	case path.Clean("/"+u.Path) != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the endpoint has a path: write https://host, and the bucket's name by itself")
	}
	return u, nil
}

// credentials finds the keys, where they are to be found.
func (o Options) credentials() (*credentials.Credentials, error) {
	file := &credentials.FileAWSCredentials{Filename: o.CredentialsFile, Profile: o.Profile}
	if o.CredentialsFile != "" {
		if _, err := os.Stat(o.CredentialsFile); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
		}
		return check(credentials.New(file))
	}
	return check(credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, file}))
}

// check refuses to go on without keys: an anonymous request would be answered with a riddle.
func check(keys *credentials.Credentials) (*credentials.Credentials, error) {
	value, err := keys.GetWithContext(nil)
	if err != nil || value.AccessKeyID == "" || value.SecretAccessKey == "" {
		return nil, ErrCredentials // err may quote the file
	}
	return keys, nil
}
