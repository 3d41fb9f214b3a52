package docker_manager

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// The game saves when it is told to end, and has 30 seconds for it: a removal does not cut that off.
func TestAContainerThatIsRemovedHasTimeToSave(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "save"), proxy(t)
	image := lab.Pull(t, name, "1").Reference
	profile := profileOf(name, image)
	profile.Options.Host = engine.host
	dm := managed(t, profile)
	if _, err := dm.CreateVolume(1); err != nil {
		t.Fatal(err)
	}
	lab.Run(t, name+"-1", map[string]any{
		"Image": image, "Entrypoint": []string{"sh", "-c"},
		"Cmd":        []string{"trap 'sleep 2; echo saved > /data/save; exit' TERM; echo ready; while true; do sleep 0.1; done"},
		"HostConfig": map[string]any{"Mounts": []map[string]any{{"Type": "volume", "Source": name + "-data-1", "Target": "/data"}}},
	})
	eventually(t, "the game runs", func() bool {
		logs, err := dm.GetContainerLogs(name+"-1", 0)
		return err == nil && logs == "ready"
	})
	var mu sync.Mutex
	var graces []string
	engine.answers(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/stop") {
			mu.Lock()
			defer mu.Unlock()
			graces = append(graces, r.URL.Query().Get("t"))
		}
		return false
	})
	if err := dm.RemoveContainer(name + "-1"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(graces) != 1 || graces[0] != "30" {
		t.Errorf("it was given %q seconds", graces)
	}
	if output, err := dm.RunCommandInVolume(name+"-data-1", "/data", []string{"cat", "/data/save"}); err != nil || output != "saved" {
		t.Errorf("%q, %v", output, err)
	}
}

// Both pages stop at the first status that is not pulling, so that an update is pulling until its last container has been recreated.
func TestAnUpdateIsPullingWhileItRecreates(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "recreating"), proxy(t)
	image := lab.Pull(t, name, "1").Reference
	lab.Run(t, name+"-1", map[string]any{"Image": image})
	lab.Publish(t, name, "1", "--version", "2.0")
	profile := profileOf(name, image)
	profile.Options.Host = engine.host
	dm := managed(t, profile)
	var mu sync.Mutex
	var during []bool
	engine.answers(func(_ http.ResponseWriter, r *http.Request) bool {
		// The container is renamed, and started, once the pull is done.
		if r.Method == "POST" && (strings.HasSuffix(r.URL.Path, "/rename") || strings.HasSuffix(r.URL.Path, "/start")) {
			mu.Lock()
			defer mu.Unlock()
			during = append(during, dm.isPulling(image))
		}
		return false
	})
	if _, err := dm.UpdateImage(image); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(during) < 2 {
		t.Fatalf("%v: nothing was recreated", during)
	}
	for _, pulling := range during {
		if !pulling {
			t.Errorf("%v: it was not pulling while it recreated", during)
		}
	}
	if dm.isPulling(image) {
		t.Error("it is still pulling")
	}
}

// A service installs packages in that container: root, and a network.
func TestACommandInAVolumeIsRootAndHasTheDefaultNetwork(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "root"), proxy(t)
	profile := profileOf(name, lab.Pull(t, name, "1").Reference)
	profile.Options.Host = engine.host
	dm := managed(t, profile)
	if err := dm.CreateSingleVolume(name + "-v"); err != nil {
		t.Fatal(err)
	}
	type configuration struct {
		Config     struct{ User string }
		HostConfig struct{ NetworkMode string }
		Mounts     []struct {
			Name string
			RW   bool
		}
	}
	var mu sync.Mutex
	var seen configuration
	engine.modifies(func(r *http.Response) error {
		if id, started := strings.CutSuffix(r.Request.URL.Path, "/start"); started {
			mu.Lock()
			defer mu.Unlock()
			lab.Engine(t, "GET", id[strings.Index(id, "/containers/"):]+"/json", nil, &seen)
		}
		return nil
	})
	if _, err := dm.RunCommandInVolume(name+"-v", "/data", []string{"true"}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	text, _ := json.Marshal(seen)
	if seen.Config.User != "0" || seen.HostConfig.NetworkMode != "default" && seen.HostConfig.NetworkMode != "bridge" {
		t.Errorf("%s", text)
	}
	if len(seen.Mounts) != 1 || seen.Mounts[0].Name != name+"-v" || !seen.Mounts[0].RW {
		t.Errorf("%s", text)
	}
}
