// Package lab is the engine and the registry of the tests: `lab run -- go test ./...`, or the lab is brought up here and stays until `lab down`.
package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Up brings the lab up where that has not been done, and ends the program when it cannot be.
func Up() {
	if os.Getenv("REFIT_LAB_REGISTRY") != "" {
		return
	}
	up, err := exec.Command(binary(), "up").Output()
	if err != nil {
		fmt.Fprintf(os.Stderr, "the tests need the lab: cargo build -p refit-lab, then run again (%s up: %v)\n", binary(), err)
		os.Exit(1)
	}
	for _, line := range strings.Split(string(up), "\n") {
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok {
			os.Setenv(name, value)
		}
	}
}

// Root is the folder of refit's checkout.
func Root() string {
	folder, err := os.Getwd()
	for err == nil && folder != "/" {
		if _, missing := os.Stat(filepath.Join(folder, "Cargo.toml")); missing == nil {
			return folder
		}
		folder = filepath.Dir(folder)
	}
	panic("the tests run in refit's checkout")
}

func binary() string {
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = filepath.Join(Root(), "target")
	}
	return filepath.Join(target, "debug", "lab")
}

// Scope is a name that nobody else has, for all that one test makes; what has it in its name is removed with the test.
func Scope(t testing.TB, what string) string {
	t.Helper()
	name := "refit-lab-go-" + what + "-" + random()
	t.Cleanup(func() { run(t, "clean", name) })
	return name
}

// Published is an image in the registry.
type Published struct {
	Reference, Digest string
	ImageID           string `json:"image_id"`
}

// Publish puts an image into the registry; options are those of `lab publish`.
func Publish(t testing.TB, repository, tag string, options ...string) (p Published) {
	t.Helper()
	answer := run(t, append([]string{"publish", "--repo", repository, "--tag", tag}, options...)...)
	if err := json.Unmarshal(answer, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t testing.TB, words ...string) []byte {
	t.Helper()
	command := exec.Command(binary(), words...)
	command.Stderr = os.Stderr
	answer, err := command.Output()
	if err != nil {
		t.Fatalf("lab %s: %v", strings.Join(words, " "), err)
	}
	return answer
}

// Pull publishes an image and pulls it through the engine, without refit.
func Pull(t testing.TB, repository, tag string, options ...string) Published {
	t.Helper()
	p := Publish(t, repository, tag, options...)
	Engine(t, "POST", "/images/create?fromImage="+strings.TrimSuffix(p.Reference, ":"+tag)+"&tag="+tag, nil, nil)
	return p
}

// Swarm is the address of an engine that manages a swarm of its own, until the test ends.
func Swarm(t testing.TB) (host string) {
	t.Helper()
	command := exec.Command(binary(), "swarm")
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("lab swarm: %v", err)
		}
	})
	if _, err := fmt.Fscanln(output, &host); err != nil {
		t.Fatalf("lab swarm: %v", err)
	}
	return host
}

// Dial connects to the engine.
func Dial(ctx context.Context) (net.Conn, error) {
	return dial(ctx, os.Getenv("DOCKER_HOST"))
}

func dial(ctx context.Context, host string) (net.Conn, error) {
	network, address, _ := strings.Cut(host, "://")
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// Engine is one request to the engine itself.
func Engine(t testing.TB, method, path string, body, into any) {
	t.Helper()
	EngineAt(t, os.Getenv("DOCKER_HOST"), method, path, body, into)
}

// EngineAt is one request to another engine.
func EngineAt(t testing.TB, host, method, path string, body, into any) {
	t.Helper()
	if err := requestAt(host, method, path, body, into); err != nil {
		t.Fatal(err)
	}
}

func request(method, path string, body, into any) error {
	return requestAt(os.Getenv("DOCKER_HOST"), method, path, body, into)
}

func requestAt(host, method, path string, body, into any) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, host) },
	}}
	document, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		document = nil
	}
	request, err := http.NewRequest(method, "http://engine"+path, bytes.NewReader(document))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s %s %v", method, path, answer.Status, said, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said, into)
}

// random is eight digits that nobody else has.
func random() string {
	random := make([]byte, 4)
	// It never fails on Linux.
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

// Run starts a container without refit and gives its id.
func Run(t testing.TB, name string, body map[string]any) string {
	t.Helper()
	var created struct{ ID string }
	Engine(t, "POST", "/containers/create?name="+name, body, &created)
	Engine(t, "POST", "/containers/"+created.ID+"/start", nil, nil)
	return created.ID
}

// Sshd starts an sshd in front of the engine, which ends with the test. It gives the ssh:// host, and a folder that has to come first on PATH.
func Sshd(t testing.TB) (host, folder string) {
	t.Helper()
	folder = t.TempDir()
	command := exec.Command(binary(), "sshd", folder)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { input.Close(); command.Wait() })
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), folder
}
