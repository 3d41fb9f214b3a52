package docker_manager

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	refit "github.com/refit-rs/refit/bindings/go"
)

func TestARollbackRunsAllFromTheLast(t *testing.T) {
	r, ran, wrong := NewRollbackManager(), "", errors.New("wrong")
	for _, name := range []string{"a", "b", "c", "d"} {
		r.AddAction("thing", name, "the removal", func() error {
			ran += name
			switch name {
			case "b":
				panic("out")
			case "c":
				return wrong
			}
			return nil
		})
	}
	r.AddAction("thing", "nothing", "nothing", nil)
	if r.Count() != 5 {
		t.Error(r.Count())
	}
	err := r.Rollback()
	if ran != "dcba" || !errors.Is(err, wrong) || !strings.Contains(err.Error(), "thing b") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v", ran, err)
	}
	if err := r.Rollback(); err != nil || ran != "dcba" || r.Count() != 0 {
		t.Errorf("%s: %v", ran, err)
	}
	r.AddAction("thing", "a", "", func() error { return wrong })
	r.Clear()
	if err := r.Rollback(); err != nil {
		t.Error(err)
	}
}

func TestOneWordForTheShell(t *testing.T) {
	for text, want := range map[string]string{"": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)`y`\\": "'$(x)`y`\\'"} {
		if got := ShellQuote(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestPathsAreBelowTheMountOrOfTheVolume(t *testing.T) {
	for _, test := range []struct{ mount, path, want string }{
		{"/data", "/data", "/"}, {"/data", "/data/", "/"}, {"/data", "/data//a///b", "a/b"}, {"/data/", "/data/a", "a"},
		{"/data", "a/b", "a/b"}, {"/data", "", "/"}, {"/data", "/", "/"}, {"/data", ".", "/"}, {"/data", "/database", "database"},
		{"/data", "data/a", "data/a"}, {"/", "/a", "a"},
	} {
		if got, err := inVolume(test.mount, test.path); got != test.want || err != nil {
			t.Errorf("%q in %q: %q, %v", test.path, test.mount, got, err)
		}
	}
	if _, err := inVolume("/data", "/data/../etc"); !errors.Is(err, refit.ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestOneKeyForAllWaysToWriteAReference(t *testing.T) {
	for _, name := range []string{"alpine", "alpine:latest", "library/alpine", "docker.io/library/alpine:latest"} {
		if key := imageKey(name); key != "alpine:latest" {
			t.Errorf("%s: %s", name, key)
		}
	}
	if key := imageKey("127.0.0.1:5000/a/b"); key != "127.0.0.1:5000/a/b:latest" {
		t.Error(key)
	}
}

func TestTheDefaultSpecIsTheServices(t *testing.T) {
	p := Profile{}.withDefaults()
	request := CreateRequest{ServerID: 7, ServerName: "one", Port: 7777, QueryPort: 27015, RconPort: 32330, AdminPassword: "p", MapName: "TheIsland", GameModIds: "1,2",
		AutoRestart: true, Image: p.RequiredImages[0], ContainerName: "ase-server-7", DataVolume: "ase-server-7", DataMount: p.DataMount,
		PluginsVolume: "ase-server-plugins-7", PluginsMount: p.PluginsMount}
	spec, err := p.Spec(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Image":"tbro98/ase-server:latest"`, `"TZ=Asia/Shanghai"`, `"GameModIds=1,2"`, `"SERVER_ARGS=TheIsland?listen?Port=7777?`,
		`"7778/udp":[{"HostIp":"","HostPort":"7778"}]`, `"32330/tcp":{}`, `"RestartPolicy":{"Name":"unless-stopped"}`, `"Source":"ase-server-7","Target":"/home/steam/arkserver/ShooterGame/Saved"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(string(text), "Labels") {
		t.Errorf("%s", text)
	}
	request.Port = 65535
	if _, err := p.Spec(request); !errors.Is(err, refit.ErrInvalidArgument) {
		t.Error(err)
	}
}
