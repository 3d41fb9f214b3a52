// Package it tests the service from the outside, as a browser uses it: the built program, on the lab's engine and registry.
package it

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	root   string // refit's checkout
	lab    string // the lab's program
	binary string // the service
	api    *document
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	fail := func(what string, err error) int {
		fmt.Fprintln(os.Stderr, what, err)
		return 1
	}
	folder, err := filepath.Abs("../../../..")
	if err != nil {
		return fail("", err)
	}
	root = folder
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = filepath.Join(root, "target")
	}
	lab = filepath.Join(target, "debug", "lab")
	if os.Getenv("REFIT_LAB_REGISTRY") == "" {
		return fail("the tests need the lab: target/debug/lab run -- go test ./...", nil)
	}
	if api, err = readDocument(filepath.Join(root, "examples/server-manager/openapi.yaml")); err != nil {
		return fail("openapi.yaml:", err)
	}
	work, err := os.MkdirTemp("", "server-manager")
	if err != nil {
		return fail("", err)
	}
	defer os.RemoveAll(work)
	if binary = os.Getenv("SERVER_MANAGER"); binary == "" {
		binary = filepath.Join(work, "server-manager")
		build := exec.Command("go", "build", "-o", binary, "..")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fail("go build:", err)
		}
	}
	code := m.Run()
	if code == 0 && !testing.Short() {
		if missing := api.unanswered(); len(missing) > 0 && allTests() {
			return fail("no test has had these answers of openapi.yaml: "+strings.Join(missing, ", "), nil)
		}
	}
	return code
}

// allTests reports whether no test was chosen by its name.
func allTests() bool {
	for _, word := range os.Args {
		if strings.HasPrefix(word, "-test.run") && word != "-test.run=" {
			return false
		}
	}
	return true
}

// scope is a name that nobody else has, for all that one test makes.
func scope(t testing.TB, what string) string {
	t.Helper()
	name := fmt.Sprintf("refit-lab-go-%s-%08x", what, rand.Uint32())
	t.Cleanup(func() { words(t, "clean", name) })
	return name
}

func words(t testing.TB, words ...string) []byte {
	t.Helper()
	command := exec.Command(lab, words...)
	command.Stderr = os.Stderr
	said, err := command.Output()
	if err != nil {
		t.Fatalf("lab %s: %v", strings.Join(words, " "), err)
	}
	return said
}

// game ends as soon as it is stopped, and remembers in its volume which version has run there first.
const game = `["sh","-c","trap 'exit 0' TERM; [ -e /data/first ] || echo $VERSION > /data/first; echo version $VERSION runs; while :; do sleep 1 & wait $!; done"]`

// broken ends with an error.
const broken = `["sh","-c","echo the level file is corrupt; exit 3"]`

// publish puts an image into the registry and gives its reference.
func publish(t testing.TB, repository, version, command string, options ...string) string {
	t.Helper()
	var published struct{ Reference string }
	said := words(t, append([]string{"publish", "--repo", repository, "--tag", "latest", "--version", version, "--env", "VERSION=" + version, "--cmd", command}, options...)...)
	if err := json.Unmarshal(said, &published); err != nil {
		t.Fatal(err)
	}
	return published.Reference
}

// engine is one request to the engine itself, for a look from the outside.
func engine(t testing.TB, method, path string, body string) (int, string) {
	t.Helper()
	network, address, _ := strings.Cut(os.Getenv("DOCKER_HOST"), "://")
	connection, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(60 * time.Second))
	return exchange(t, connection, method, path, body)
}

// eventually waits for a state, however slow the machine is.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("after 90 s it is not so: %s", what)
}
