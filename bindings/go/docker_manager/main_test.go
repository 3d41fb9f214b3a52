package docker_manager

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

func TestMain(m *testing.M) {
	lab.Up()
	os.Exit(m.Run())
}

// plainSpec has no ports, which tests that run side by side would share.
func plainSpec(r CreateRequest) (refit.Spec, error) {
	return refit.Spec{"Image": r.Image, "Env": []string{"NAME=" + r.ServerName, "A=b=c"}, "HostConfig": map[string]any{
		"Mounts": []map[string]any{{"Type": "volume", "Source": r.DataVolume, "Target": "/data"}},
	}}, nil
}

// profileOf has the names of one test.
func profileOf(name, image string) Profile {
	return Profile{ContainerName: name + "-%d", DataVolume: name + "-data-%d", PluginsVolume: name + "-plugins-%d",
		RequiredImages: []string{image}, HelperImage: image, Spec: plainSpec}
}

// managed is a manager of its own, closed with the test.
func managed(t testing.TB, profile Profile) *DockerManager {
	t.Helper()
	dm, err := newManager(profile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dm.client.Close() })
	return dm
}

// create is CreateContainer of server 1.
func create(dm *DockerManager) (string, error) {
	return dm.CreateContainer(1, "one", 7777, 27015, 32330, "secret", "TheIsland", "1,2", true)
}

// eventually waits for a state, however slow the machine is.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("after 90 s it is not so: %s", what)
}

// proxied is the engine behind a proxy that sees every request, and may answer in the engine's place (true).
type proxied struct {
	host string

	mu       sync.Mutex
	requests []string
	answer   func(http.ResponseWriter, *http.Request) bool
	modify   func(*http.Response) error
}

func proxy(t testing.TB) *proxied {
	t.Helper()
	// A test's own folder has a name that is too long for a socket.
	folder, err := os.MkdirTemp("", "refit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxied{host: "unix://" + socket}
	reverse := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	reverse.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return lab.Dial(ctx) }}
	reverse.FlushInterval = -1
	reverse.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	reverse.ModifyResponse = func(r *http.Response) error {
		p.mu.Lock()
		modify := p.modify
		p.mu.Unlock()
		if modify == nil {
			return nil
		}
		return modify(r)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests = append(p.requests, r.Method+" "+r.URL.Path)
		answer := p.answer
		p.mu.Unlock()
		// The engine may begin its answer to an exec before it has seen the end of the request, which the server would cut off then.
		_ = http.NewResponseController(w).EnableFullDuplex()
		if answer == nil || !answer(w, r) {
			reverse.ServeHTTP(w, r)
		}
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return p
}

func (p *proxied) answers(answer func(http.ResponseWriter, *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *proxied) modifies(modify func(*http.Response) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.modify = modify
}

func (p *proxied) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.requests...)
}
