package operate

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// startLimit bounds how long a program takes until it answers.
const startLimit = time.Minute

// freeAddress returns an address of the loopback that nobody listens to. Somebody else may take it before it is used;
// then what was to listen there fails.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// prometheusConfig scrapes and evaluates twice in a minute of the rules. What has not answered by then is down: so the
// longer a minute is, the busier the machine may be.
const prometheusConfig = `global:
  scrape_interval: %[1]dms
  scrape_timeout: %[1]dms
  evaluation_interval: %[1]dms
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - static_configs:
        - targets: ["%[2]s"]
scrape_configs:
  - job_name: lightning
    static_configs:
      - targets: ["%[3]s"]
`

// alertmanagerConfig calls the pager for each alert by itself, at once.
const alertmanagerConfig = `route:
  receiver: pager
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: pager
    webhook_configs:
      - url: http://%s/
        send_resolved: true
`

// startServers starts Alertmanager and Prometheus, and waits until all targets were scraped.
func (r *run) startServers() error {
	prometheus, err1 := freeAddress()
	alertmanager, err2 := freeAddress()
	err := errors.Join(err1, err2,
		r.write("alertmanager.yml", fmt.Sprintf(alertmanagerConfig, r.pager.address)),
		r.write("prometheus.yml", fmt.Sprintf(prometheusConfig, r.Minute.Milliseconds()/2, alertmanager,
			strings.Join(r.targets, `", "`))))
	if err != nil {
		return err
	}
	if err := r.startServer("alertmanager", alertmanager, r.Alertmanager, "--config.file=alertmanager.yml",
		"--storage.path=alertmanager", "--web.listen-address="+alertmanager, "--cluster.listen-address=",
		"--log.level=warn"); err != nil {
		return err
	}
	if err := r.startServer("prometheus", prometheus, r.Prometheus, "--config.file=prometheus.yml",
		"--storage.tsdb.path=prometheus", "--web.listen-address="+prometheus, "--log.level=warn"); err != nil {
		return err
	}
	return r.until(startLimit, "Prometheus scrapes every target", func() bool {
		return scraped(prometheus) == len(r.targets)
	})
}

func (r *run) write(name, text string) error {
	return os.WriteFile(filepath.Join(r.Dir, name), []byte(text), 0o600)
}

// startServer starts a program in the directory of the run, with its output in a file, and waits until it is ready. It
// ends with the run.
func (r *run) startServer(name, address, program string, args ...string) error {
	command := exec.CommandContext(r.ctx, program, args...)
	command.Dir = r.Dir
	log, err := os.Create(filepath.Join(r.Dir, name+".log"))
	if err != nil {
		return err
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		log.Close()
		return err
	}
	ended := make(chan struct{})
	r.ended.Go(func() {
		defer log.Close()
		defer close(ended)
		_ = command.Wait() // killed at the end of the run; before that, whoever waits for it sees that it has ended
	})
	err = r.until(startLimit, name+" is ready", func() bool {
		select {
		case <-ended:
			return true
		default:
			return isReady(address)
		}
	})
	if err == nil && !isReady(address) {
		err = fmt.Errorf("%s has ended", name)
	}
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

var client = http.Client{Timeout: 5 * time.Second}

func isReady(address string) bool {
	answer, err := client.Get("http://" + address + "/-/ready")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// scraped is how many targets Prometheus has scraped well.
func scraped(prometheus string) int {
	answer, err := client.Get("http://" + prometheus + "/api/v1/query?query=" + url.QueryEscape("up == 1"))
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	var found struct {
		Data struct{ Result []any }
	}
	if json.NewDecoder(answer.Body).Decode(&found) != nil {
		return 0
	}
	return len(found.Data.Result)
}

// startExample starts examples/monitored on a database of its own, and returns where it is shown. It ends with the run.
func (r *run) startExample() (address string, err error) {
	command := exec.CommandContext(r.ctx, r.Example, filepath.Join(r.Dir, "example"))
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	r.ended.Go(func() { _ = command.Wait() }) // killed at the end of the run
	if err != nil {
		return "", fmt.Errorf("examples/monitored has not said where it shows its database: %w", err)
	}
	at, err := url.Parse(strings.TrimSuffix(line, "\n"))
	if err != nil {
		return "", err
	}
	return at.Host, nil
}
