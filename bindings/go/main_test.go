package refit

import (
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
	"time"
)

// The tests need a real engine and a real registry: `lab run -- go test ./...`, or the lab is brought up here and stays until `lab down`.
func TestMain(m *testing.M) {
	if os.Getenv("REFIT_LAB_REGISTRY") == "" {
		up, err := exec.Command(labBinary(), "up").Output()
		if err != nil {
			fmt.Fprintf(os.Stderr, "the tests need the lab: cargo build -p refit-lab, then run again (%s up: %v)\n", labBinary(), err)
			os.Exit(1)
		}
		for _, line := range strings.Split(string(up), "\n") {
			if name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok {
				os.Setenv(name, value)
			}
		}
	}
	decode = strict
	os.Exit(m.Run())
}

func labBinary() string {
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = "../../target"
	}
	path, err := filepath.Abs(filepath.Join(target, "debug", "lab"))
	if err != nil {
		panic(err)
	}
	return path
}

// scope is a name that nobody else has, for all that one test makes.
func scope(t testing.TB, what string) string {
	t.Helper()
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	name := "refit-lab-go-" + what + "-" + hex.EncodeToString(random)
	t.Cleanup(func() { lab(t, "clean", name) })
	return name
}

type published struct {
	Reference, Digest string
	ImageID           string `json:"image_id"`
}

// publish puts an image into the registry; options are those of `lab publish`.
func publish(t testing.TB, repository, tag string, options ...string) (p published) {
	t.Helper()
	answer := lab(t, append([]string{"publish", "--repo", repository, "--tag", tag}, options...)...)
	if err := json.Unmarshal(answer, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func lab(t testing.TB, words ...string) []byte {
	t.Helper()
	command := exec.Command(labBinary(), words...)
	command.Stderr = os.Stderr
	answer, err := command.Output()
	if err != nil {
		t.Fatalf("lab %s: %v", strings.Join(words, " "), err)
	}
	return answer
}

// pull publishes an image and pulls it through the engine, without refit.
func pull(t testing.TB, repository, tag string, options ...string) published {
	t.Helper()
	p := publish(t, repository, tag, options...)
	engine(t, "POST", "/images/create?fromImage="+strings.TrimSuffix(p.Reference, ":"+tag)+"&tag="+tag, nil, nil)
	return p
}

// engine is one request to the engine itself.
func engine(t testing.TB, method, path string, body, into any) {
	t.Helper()
	network, address, _ := strings.Cut(os.Getenv("DOCKER_HOST"), "://")
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
	var text io.Reader
	if body != nil {
		document, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.NewReader(document)
	}
	request, err := http.NewRequest(method, "http://engine"+path, text)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 400 {
		t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, said, err)
	}
	if into != nil {
		if err := json.Unmarshal(said, into); err != nil {
			t.Fatal(err)
		}
	}
}

// run starts a container without refit and gives its id.
func run(t testing.TB, name string, body map[string]any) string {
	t.Helper()
	var created struct{ ID string }
	engine(t, "POST", "/containers/create?name="+name, body, &created)
	engine(t, "POST", "/containers/"+created.ID+"/start", nil, nil)
	return created.ID
}

// open gives a client that is closed with the test.
func open(t testing.TB) *Client {
	t.Helper()
	c, err := Open(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func within(t testing.TB, limit time.Duration, what string, work func()) {
	t.Helper()
	begun := time.Now()
	work()
	if took := time.Since(begun); took > limit {
		t.Errorf("%s took %v, more than %v", what, took, limit)
	}
}
