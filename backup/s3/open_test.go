package s3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lightningdb/internal/proof/fake"
)

// A bucket that takes conditions and does as if they were not there would lose backups, late and without a word.
func TestOpen_refusesWhatCannotKeepTwoWritersApart(t *testing.T) {
	for what, s := range map[string]*fake.Server{
		"ignores conditions": {IgnoreConditions: true},
		"ignores If-Match":   {IgnoreMatch: true},
		"knows none":         {RefuseConditions: true},
		"looks, then writes": {Racy: true},
		"lists what was":     {StaleLists: 200 * time.Millisecond},
	} {
		t.Run(what, func(t *testing.T) {
			if _, err := Open(context.Background(), options(t, start(t, s))); !errors.Is(err, ErrUnsafe) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A good bucket is not refused because a request was lost, and nothing is left of the trial.
func TestOpen_takesAGoodBucket(t *testing.T) {
	s := start(t, &fake.Server{Fault: func(r fake.Request) fake.Fault {
		if r.N%7 == 3 {
			return fake.FailAfter
		}
		return fake.None
	}})
	if _, err := Open(context.Background(), options(t, s)); err != nil || len(s.Keys()) > 0 {
		t.Errorf("%v; there is %q", err, s.Keys())
	}
}

// A secret that is shown once, in an error or a log, has to be replaced everywhere.
func TestOptions_neverShowASecret(t *testing.T) {
	s := start(t, &fake.Server{Fault: func(fake.Request) fake.Fault { return fake.Denied }})
	good := options(t, s)
	_, denied := Open(context.Background(), good)
	inEndpoint, broken, unreachable, quoted := good, good, good, good
	inEndpoint.Endpoint = "https://" + testKey + ":" + testSecret + "@host"
	_, withUser := Open(context.Background(), inEndpoint)
	broken.Endpoint = "https://" + testSecret + "\x7f"
	_, noAddress := Open(context.Background(), broken)
	unreachable.Endpoint, unreachable.Attempts = "http://127.0.0.1:1", 1
	_, nobody := Open(context.Background(), unreachable)
	quoted.CredentialsFile = credentialsFile(t, "", testSecret)
	text := []byte("aws_secret_access_key " + testSecret + "\n[[[")
	if err := os.WriteFile(quoted.CredentialsFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, notRead := Open(context.Background(), quoted)
	b, err := good.bucket()
	if err != nil {
		t.Fatal(err)
	}
	for what, shown := range map[string]any{"denied": denied, "with a user": withUser, "no address": noAddress,
		"unreachable": nobody, "a file that cannot be read": notRead, "options": good} {
		text := fmt.Sprintf("%v %+v %#v", shown, shown, shown)
		if shown == nil || strings.Contains(text, testSecret) {
			t.Errorf("%s shows the secret: %s", what, text)
		}
	}
	if text := fmt.Sprintf("%v %+v", b.core.EndpointURL(), b.prefix); strings.Contains(text, testSecret) {
		t.Errorf("%s", text)
	}
}

// Keys are found where the tools of AWS put them, and a program without any is told so at once.
func TestOptions_findKeys(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
		"AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	none := t.TempDir() + "/none"
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	o := Options{Endpoint: "https://host", Bucket: "bucket"}
	if _, err := o.bucket(); !errors.Is(err, ErrCredentials) {
		t.Errorf("no keys: %v", err)
	}
	o.CredentialsFile = none
	if _, err := o.bucket(); !errors.Is(err, ErrCredentials) {
		t.Errorf("no file: %v", err)
	}
	o.CredentialsFile = credentialsFile(t, testKey, testSecret)
	if _, err := o.bucket(); err != nil {
		t.Errorf("a file: %v", err)
	}
	o.Profile = "another"
	if _, err := o.bucket(); !errors.Is(err, ErrCredentials) {
		t.Errorf("no profile: %v", err)
	}
	o.CredentialsFile, o.Profile = "", ""
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", credentialsFile(t, testKey, testSecret))
	if _, err := o.bucket(); err != nil {
		t.Errorf("the usual file: %v", err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_ACCESS_KEY_ID", testKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", testSecret)
	if _, err := o.bucket(); err != nil {
		t.Errorf("the environment: %v", err)
	}
}

// What cannot be the address of a bucket is refused before anything is asked.
func TestOptions_refuseWhatIsNoPlace(t *testing.T) {
	for _, o := range []Options{
		{}, {Endpoint: "host", Bucket: "bucket"}, {Endpoint: "ftp://host", Bucket: "bucket"}, {Endpoint: "https://host"},
		{Endpoint: "https://host", Bucket: "bucket/prefix"},
		{Endpoint: "https://host/bucket", Bucket: "bucket"}, {Endpoint: "https://host?x", Bucket: "bucket"},
		{Endpoint: "https://host", Bucket: "bucket", Prefix: "a/../b"},
		{Endpoint: "https://host", Bucket: "bucket", Prefix: "."},
	} {
		o.CredentialsFile = credentialsFile(t, testKey, testSecret)
		if _, err := o.bucket(); err == nil {
			t.Errorf("%+v", o)
		}
	}
}
