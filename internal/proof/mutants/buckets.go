package mutants

// bucketMutants break what a bucket is believed of, and how often it is asked.
var bucketMutants = []Mutant{
	{
		Name:    "what must be new is put again when it was not answered",
		Breaks:  "the mark of a prune comes back after it was removed, and that prune removes what a backup needs",
		Changes: []Change{{"backup/s3/retry.go", `			if r.once {`, `			if r.once && b.readOnly {`}},
		Killer:  bucketTest("TestPut_thatMustBeNewIsMadeOnce"),
	},
	{
		Name:    "what must be new is put over what is there",
		Breaks:  "a backup appears that a prune has given up",
		Changes: []Change{{"backup/s3/put.go", `	o.SetMatchETagExcept("*")`, `	_ = o`}},
		Killer:  bucketTest("TestBucket_isAStore"),
	},
	{
		Name:    "who is not answered has lost",
		Breaks:  "a backup that is there is reported as lost",
		Changes: []Change{{"backup/s3/put.go", `statErr == nil && is == token`, `statErr == nil && is == token && b.readOnly`}},
		Killer:  bucketTest("TestPut_thatMustBeNewIsMadeOnce"),
	},
	{
		Name:    "who is not answered has won if something is there",
		Breaks:  "two processes hold one claim",
		Changes: []Change{{"backup/s3/put.go", `statErr == nil && is == token`, `statErr == nil && is != ""`}},
		Killer:  bucketTest("TestPut_thatMustBeNewKnowsItself"),
	},
	{
		Name:    "a part that is on its way is given up",
		Breaks:  "the server takes it after the abort, and keeps an upload that nobody ends",
		Changes: []Change{{"backup/s3/upload.go", `b.sendPart(ctx, key, id, n+1, part)`, `b.sendPart(going, key, id, n+1, part)`}},
		Killer:  bucketTest("TestBucket_abortsNoUploadWithAPartOnItsWay"),
	},
	{
		Name:   "a bucket may let several writers win",
		Breaks: "two machines damage each other's backups, late and without a word",
		Changes: []Change{{"backup/s3/tryout.go", `	if won != 1 {`, `	if won < 1 {`},
			{"backup/s3/tryout.go", `!bytes.Equal(is, []byte{byte(winner)})`, `len(is) != 1 && winner >= 0`}},
		Killer: bucketTest("TestOpen_refusesWhatCannotKeepTwoWritersApart"),
	},
	{
		Name:   "a bucket may ignore If-Match",
		Breaks: "a bucket that takes conditions for nothing is believed",
		Changes: []Change{{"backup/s3/tryout.go", `		return unsafe("a put with If-Match of an older object was taken")`,
			`		return nil`}},
		Killer: bucketTest("TestOpen_refusesWhatCannotKeepTwoWritersApart"),
	},
	{
		Name:   "a bucket may list what was",
		Breaks: "a prune does not see a lease that was just put",
		Changes: []Change{{"backup/s3/tryout.go", `listed != step.want || there != step.want`,
			`there != step.want`}},
		Killer: bucketTest("TestOpen_refusesWhatCannotKeepTwoWritersApart"),
	},
	{
		Name:   "a cut answer is the end of the object",
		Breaks: "a restore takes half of a table",
		Changes: []Change{{"backup/s3/read.go", `		if tries >= r.b.attempts {`, `		if err != nil {
			return 0, io.EOF
		}
		if tries >= r.b.attempts {`}},
		Killer: bucketTest("TestBucket_readsOnAfterACut"),
	},
	{
		Name:    "the rest of an object may be that of another",
		Breaks:  "what is read was never in the bucket",
		Changes: []Change{{"backup/s3/read.go", `		err := o.SetMatchETag(r.etag)`, `		var err error`}},
		Killer:  bucketTest("TestBucket_readsOnAfterACut"),
	},
	{
		Name:   "parts of a file that failed stay",
		Breaks: "the bucket fills with what nobody sees",
		Changes: []Change{{"backup/s3/upload.go", `		return errors.Join(err, b.abort(context.WithoutCancel(ctx), key, id))`,
			`		return err`}},
		Killer: bucketTest("TestPut_inPartsEndsWithItsContext"),
	},
	{
		Name:   "an endpoint is quoted when it is wrong",
		Breaks: "a password is in a log",
		Changes: []Change{{"backup/s3/options.go",
			`errors.New("the endpoint is no address: write https://host or https://host:port")`,
			`fmt.Errorf("%q is no address", o.Endpoint)`}},
		Killer: bucketTest("TestOptions_neverShowASecret"),
	},
}

// bucketTest is a test of package backup/s3, which is a module of its own.
func bucketTest(name string) Check { return Check{Package: "./backup/s3", Run: "^" + name + "$"} }
