package it

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// service is a running one, and who asks it.
type service struct {
	t       testing.TB
	config  map[string]any
	folder  string
	address string
	setup   string // the token of the first administrator's link
	process *exec.Cmd
	ended   chan struct{}
	said    *bytes.Buffer
}

// user asks with a token; "" is nobody.
type user struct {
	*service
	token string
}

// object is a part of an answer.
type object = map[string]any

var ports atomic.Int32

// nextPort is one of a test's own: servers publish their ports on the engine's machine.
func nextPort() int { return 21000 + int(ports.Add(4)) }

// start runs a service with these managed images; the first is required.
func start(t testing.TB, name string, images []string, changes ...object) *service {
	t.Helper()
	folder := t.TempDir()
	config := object{"listen": "127.0.0.1:0", "data_dir": filepath.Join(folder, "data"), "images": images, "container_name": name + "-%d", "data_volume": name + "-%d",
		"plugins_volume": name + "-plugins-%d", "data_mount": "/data", "plugins_mount": "/plugins", "settle": "300ms", "login_attempts": 1000, "page_dir": folder}
	for _, change := range changes {
		for key, value := range change {
			config[key] = value
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "index.html"), []byte("<title>the page</title>"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, config: config, folder: folder}
	s.run()
	t.Cleanup(func() {
		s.process.Process.Signal(os.Interrupt)
		select {
		case <-s.ended:
		case <-time.After(60 * time.Second):
			s.process.Process.Kill()
			t.Error("the service did not end within 60 s")
		}
		if t.Failed() {
			t.Logf("the service said:\n%s", s.said)
		}
	})
	return s
}

// nowhere is the name of an image that no registry has.
const nowhere = "nowhere.invalid/a:1"

// alone is a service for tests that need no image.
func alone(t testing.TB, changes ...object) *service {
	t.Helper()
	return start(t, "refit-lab-none", []string{nowhere}, changes...)
}

// withImage is the administrator of a service with one image, which is in the registry and not local; name is that of all the test's things.
func withImage(t testing.TB, what string, changes ...object) (admin *user, name, image string) {
	t.Helper()
	name = scope(t, what)
	image = publish(t, name, "1.0", game)
	return start(t, name, []string{image}, changes...).admin(), name, image
}

// withLocalImage is the same with the image pulled.
func withLocalImage(t testing.TB, what string, changes ...object) (admin *user, name, image string) {
	t.Helper()
	admin, name, image = withImage(t, what, changes...)
	admin.pulled(image)
	return admin, name, image
}

// run starts the program, for the first time or again on the same folder.
func (s *service) run() {
	s.t.Helper()
	file := filepath.Join(s.folder, "config.json")
	text, err := json.Marshal(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.process, s.said, s.ended, s.setup, s.address = exec.Command(binary, "-config", file), &bytes.Buffer{}, make(chan struct{}), "", ""
	out, err := s.process.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.process.Stderr = s.said
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for s.address == "" && lines.Scan() {
		_, s.address, _ = strings.Cut(lines.Text(), "The service is at ")
	}
	if s.address == "" {
		s.t.Fatalf("the service did not start: %s", s.said)
	}
	first := make(chan string, 1)
	process, ended := s.process, s.ended
	go func() {
		for lines.Scan() {
			if _, token, found := strings.Cut(lines.Text(), "/setup#token="); found {
				first <- token
			}
		}
		process.Wait()
		close(ended)
	}()
	var health struct {
		Data struct {
			Setup bool `json:"setup_needed"`
		}
	}
	s.nobody().ask("GET", "/api/health", nil, 200, &health)
	if health.Data.Setup {
		select {
		case s.setup = <-first:
		case <-time.After(30 * time.Second):
			s.t.Fatal("no link for the first administrator was printed")
		}
	}
}

func (s *service) nobody() *user { return &user{service: s} }

const password = "correct horse battery"

// admin makes the first administrator, or logs in.
func (s *service) admin() *user {
	s.t.Helper()
	if s.setup == "" {
		return s.login("admin")
	}
	answer := s.nobody().must("POST", "/api/setup", object{"token": s.setup, "username": "admin", "password": password}, 201)
	s.setup = ""
	return &user{service: s, token: answer["token"].(string)}
}

// member makes a user who is no administrator.
func (u *user) member(name string) *user {
	u.t.Helper()
	u.must("POST", "/api/users", object{"username": name, "password": password}, 201)
	return u.login(name)
}

func (s *service) login(name string) *user {
	s.t.Helper()
	answer := s.nobody().must("POST", "/api/auth/login", object{"username": name, "password": password}, 200)
	return &user{service: s, token: answer["token"].(string)}
}

// must asks and gives the data of the answer, which has to have this status and the form of openapi.yaml.
func (u *user) must(method, path string, body any, status int) object {
	u.t.Helper()
	var answer struct{ Data object }
	u.ask(method, path, body, status, &answer)
	return answer.Data
}

// refused asks and gives the error, which has to have this status and code.
func (u *user) refused(method, path string, body any, status int, code string) object {
	u.t.Helper()
	var answer object
	u.ask(method, path, body, status, &answer)
	if answer["code"] != code {
		u.t.Errorf("%s %s: the code is %v, not %s: %v", method, path, answer["code"], code, answer["error"])
	}
	return answer
}

func (u *user) ask(method, path string, body any, status int, into any) {
	u.t.Helper()
	var reader io.Reader
	kind := ""
	switch content := body.(type) {
	case nil:
	case string:
		reader, kind = strings.NewReader(content), "application/json"
	default:
		text, err := json.Marshal(body)
		if err != nil {
			u.t.Fatal(err)
		}
		reader, kind = bytes.NewReader(text), "application/json"
	}
	u.askAs(method, path, kind, reader, status, into)
}

func (u *user) askAs(method, path, kind string, body io.Reader, status int, into any) {
	u.t.Helper()
	answer := u.send(method, path, kind, body)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	if err := api.check(method, path, answer.StatusCode, answer.Header.Get("Content-Type"), text); err != nil {
		u.t.Errorf("%s %s: %v", method, path, err)
	}
	if answer.StatusCode != status {
		u.t.Fatalf("%s %s: %d and not %d: %s", method, path, answer.StatusCode, status, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		u.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

func (u *user) send(method, path, kind string, body io.Reader) *http.Response {
	u.t.Helper()
	request, err := http.NewRequest(method, u.address+path, body)
	if err != nil {
		u.t.Fatal(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if u.token != "" {
		request.Header.Set("Authorization", "Bearer "+u.token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		u.t.Fatal(err)
	}
	return answer
}

// server makes one of the image, which has to be local.
func (u *user) server(identifier, image string) (id int) {
	u.t.Helper()
	return int(u.must("POST", "/api/servers", serverBody(identifier, image), 201)["id"].(float64))
}

func serverBody(identifier, image string) object {
	port := nextPort()
	return object{"identifier": identifier, "session_name": "Server " + identifier, "image_name": image, "port": port, "query_port": port + 2, "rcon_port": port + 3, "admin_password": "secret"}
}

// finished waits for the end of the operation in an answer, and gives it.
func (u *user) finished(answer object) object {
	u.t.Helper()
	id := answer["operation"].(object)["id"].(string)
	var o object
	eventually(u.t, "the operation has ended", func() bool {
		o = u.must("GET", "/api/images/operations/"+id, nil, 200)["operation"].(object)
		return o["finished_at"] != nil
	})
	return o
}

// pulled pulls the image.
func (u *user) pulled(image string) {
	u.t.Helper()
	if o := u.finished(u.must("POST", "/api/servers/images/pull", object{"image_name": image}, 202)); o["state"] != "done" {
		u.t.Fatalf("%v", o)
	}
}

func (u *user) image(name string) object {
	u.t.Helper()
	return u.must("GET", "/api/images/status", nil, 200)["images"].(object)[name].(object)
}

func path(format string, values ...any) string { return fmt.Sprintf(format, values...) }

// exchange is one request over a connection to the engine.
func exchange(t testing.TB, connection net.Conn, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, "http://engine"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	if err := request.Write(connection); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// containerFile reads a file of a container, running or not, its volumes included.
func containerFile(t testing.TB, container, file string) string {
	t.Helper()
	status, text := engine(t, "GET", "/containers/"+container+"/archive?path="+file, "")
	if status != 200 {
		t.Fatalf("%s of %s: %d %s", file, container, status, text)
	}
	// A tar has blocks of 512 bytes: the header of the file, then what is in it.
	return strings.TrimRight(text[512:1024], "\x00\n")
}
