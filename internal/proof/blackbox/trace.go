package blackbox

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// tracedCalls are those that Replay understands or refuses. strace passes over names with a leading '?' that the
// machine does not have.
const tracedCalls = "trace=?open,openat,?openat2,?creat,close,?dup,?dup2,dup3,fcntl,?fork,?vfork," +
	"write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,mmap," +
	"?rename,renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat,?link,linkat,?symlink,symlinkat," +
	"fsync,fdatasync,sync,syncfs,lseek,copy_file_range,sendfile,splice,?io_uring_setup"

// Call is one line of a trace: the beginning of a system call, its end, or both.
type Call struct {
	Thread int
	Name   string
	Args   []string // as strace writes them; strings are decoded by text
	Result int64
	Begins bool
	Ends   bool
}

// errNoStrace is the error of Record where strace is missing or may not trace.
var errNoStrace = errors.New("strace cannot be used")

// Strace reports, with the reason, whether strace can be used here.
func Strace() error {
	out, err := exec.Command("strace", "-f", "-qq", "-e", "trace=close", "-o", os.DevNull, "true").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %v %s", errNoStrace, err, out)
	}
	return nil
}

// Record runs driver under strace, has it open dir and take every step of script, and leaves the trace in the named
// file.
func Record(driver *exec.Cmd, dir, trace string, script Script) error {
	args := append([]string{"strace", "-f", "-qq", "-xx", "-s", "16777216", "-e", tracedCalls, "-e", "signal=none",
		"-o", trace, driver.Path}, driver.Args[1:]...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = driver.Env
	cmd.Stderr = os.Stderr
	d, err := start(cmd)
	if err != nil {
		return err
	}
	if _, err := d.ask("open " + dir); err != nil {
		return errors.Join(err, d.end())
	}
	for i := range script {
		if _, err := d.ask(script[i].line(i + 1)); err != nil {
			return errors.Join(fmt.Errorf("step %d: %w", i+1, err), d.end())
		}
	}
	return d.end()
}

// process is a running driver.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(cmd *exec.Cmd) (*process, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd, in, bufio.NewReader(out)}, cmd.Start()
}

// commandTimeout bounds how long a driver may take for one command. A damaged store may send it round in circles.
const commandTimeout = 30 * time.Second

// errDied is an answer that never came.
var errDied = errors.New("the driver died")

// ask sends a command and returns what follows ok in the answer.
func (p *process) ask(command string) (string, error) {
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		return "", fmt.Errorf("%w: %v", errDied, err)
	}
	hangs := time.AfterFunc(commandTimeout, func() { p.cmd.Process.Kill() })
	line, err := p.out.ReadString('\n')
	if !hangs.Stop() || err != nil {
		return "", fmt.Errorf("%w, or was killed because it did not answer: %v", errDied, err)
	}
	line = strings.TrimSuffix(line, "\n")
	if answer, ok := strings.CutPrefix(line, "ok "); ok {
		return answer, nil
	}
	return "", errors.New(strings.TrimPrefix(line, "err "))
}

func (p *process) end() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

// ReadTrace calls do with every call of a trace that strace -f -xx wrote, in order.
func ReadTrace(r io.Reader, do func(*Call) error) error {
	open := make(map[int]*Call) // by thread: the call that has begun
	lines := bufio.NewReaderSize(r, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		c, err := parseCall(strings.TrimSpace(line), open)
		if err == nil && c != nil {
			err = do(c)
		}
		if err != nil {
			return fmt.Errorf("line %d (%.200s): %w", n, line, err)
		}
	}
}

// parseCall returns nil for lines that are no calls, such as the end of a thread.
func parseCall(line string, open map[int]*Call) (*Call, error) {
	id, rest, _ := strings.Cut(line, " ")
	thread, err := strconv.Atoi(id)
	if err != nil {
		return nil, err
	}
	rest = strings.TrimSpace(rest)
	if strings.HasPrefix(rest, "+++") || strings.HasPrefix(rest, "---") {
		return nil, nil
	}
	if strings.HasPrefix(rest, "???(") { // the thread was gone before strace could see what it called: it called nothing
		return nil, nil
	}
	c := &Call{Thread: thread, Begins: true}
	if resumed, ok := strings.CutPrefix(rest, "<... "); ok {
		_, rest, ok = strings.Cut(resumed, " resumed>")
		begun := open[thread]
		if !ok || begun == nil {
			return nil, errors.New("a call goes on that never began")
		}
		delete(open, thread)
		*c = *begun
		c.Begins = false
		return c, c.finish(rest, true)
	}
	name, args, ok := strings.Cut(rest, "(")
	if !ok {
		return nil, errors.New("no call")
	}
	c.Name = name
	if begun, ok := strings.CutSuffix(args, "<unfinished ...>"); ok {
		c.Args = splitArgs(strings.TrimSpace(begun))
		open[thread] = c
		return c, nil
	}
	return c, c.finish(args, false)
}

// finish takes the remaining arguments and the result.
func (c *Call) finish(rest string, more bool) error {
	at := strings.LastIndex(rest, ") ")
	if at < 0 {
		return errors.New("no end of the arguments")
	}
	args := splitArgs(strings.TrimSpace(strings.TrimPrefix(rest[:at], ",")))
	if more {
		args = append(c.Args[:len(c.Args):len(c.Args)], args...)
	}
	c.Args = args
	_, result, ok := strings.Cut(rest[at:], "= ")
	if !ok {
		return errors.New("no result")
	}
	c.Ends = true
	result, _, _ = strings.Cut(result, " ")
	if result == "?" { // the process ended
		c.Result = -1
		return nil
	}
	var err error
	c.Result, err = strconv.ParseInt(result, 0, 64)
	if err != nil && strings.HasPrefix(result, "0x") { // an address
		c.Result, err = 0, nil
	}
	return err
}

// splitArgs cuts at commas; with -xx no string has one, nor a bracket.
func splitArgs(s string) []string {
	var args []string
	for _, a := range strings.Split(s, ",") {
		if a = strings.TrimSpace(a); a != "" {
			args = append(args, a)
		}
	}
	return args
}

// text decodes a string argument.
func text(arg string) ([]byte, error) {
	s, ok := strings.CutPrefix(arg, `"`)
	if !ok || !strings.HasSuffix(s, `"`) {
		return nil, fmt.Errorf("argument %.20q is not a whole string", arg)
	}
	return hex.DecodeString(strings.ReplaceAll(strings.TrimSuffix(s, `"`), `\x`, ""))
}

func (c *Call) text(i int) ([]byte, error) {
	if i >= len(c.Args) {
		return nil, fmt.Errorf("%s lacks argument %d", c.Name, i)
	}
	return text(c.Args[i])
}

func (c *Call) number(i int) (int64, error) {
	if i >= len(c.Args) {
		return 0, fmt.Errorf("%s lacks argument %d", c.Name, i)
	}
	return strconv.ParseInt(c.Args[i], 0, 64)
}

func (c *Call) has(i int, flag string) bool {
	return i < len(c.Args) && strings.Contains(c.Args[i], flag)
}
