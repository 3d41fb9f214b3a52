package docker_manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

func TestDefect06AnUpdateKeepsContainersAndRollsBack(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "d6")
	image := lab.Pull(t, name, "1", "--version", "1.0").Reference
	dm := managed(t, profileOf(name, image))
	byHand := map[string]any{"Image": image, "Env": []string{"HAND=made"}, "Labels": map[string]string{"hand": "made"}, "Hostname": "by-hand"}
	web := name + "-1"
	old := lab.Run(t, web, byHand)
	lab.Publish(t, name, "1", "--version", "2.0")
	report, err := dm.UpdateImage(image)
	if err != nil || len(report.Containers) != 1 || report.Containers[0].Result != "recreated" {
		t.Fatalf("%+v, %v", report, err)
	}
	kept := func(when string) string {
		t.Helper()
		var inspect struct {
			ID     string
			State  struct{ Running bool }
			Config struct {
				Hostname string
				Env      []string
				Labels   map[string]string
			}
		}
		lab.Engine(t, "GET", "/containers/"+web+"/json", nil, &inspect)
		if !inspect.State.Running || inspect.Config.Hostname != "by-hand" || inspect.Config.Labels["hand"] != "made" || !strings.Contains(fmt.Sprint(inspect.Config.Env), "HAND=made") {
			t.Errorf("%s: %+v", when, inspect)
		}
		return inspect.ID
	}
	updated := kept("updated")
	if updated == old {
		t.Error("it was not recreated")
	}
	if status := dm.GetImageStatus(image); status.HasUpdate == nil || *status.HasUpdate || status.Pulling {
		t.Errorf("%+v", status)
	}

	lab.Publish(t, name, "1", "--cmd", broken)
	report, err = dm.UpdateImage(image)
	if !errors.Is(err, refit.ErrRolledBack) || report == nil || report.Containers[0].Result != "rolled_back" || report.Tag != "restored" {
		t.Fatalf("%+v, %v", report, err)
	}
	if kept("rolled back") != updated {
		t.Error("the old container was not kept")
	}
	if err := dm.RecreateContainer(1); err != nil {
		t.Fatal(err)
	}
	if kept("recreated") == updated {
		t.Error("it was not recreated")
	}
}

// CreateContainer keeps the container that is there when anything about the new one fails.
func TestDefect06ANewContainerThatFailsKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "d6b")
	image := lab.Pull(t, name, "1").Reference
	profile := profileOf(name, image)
	wrong := errors.New("the database is away")
	var fail func(refit.Spec) error
	profile.Spec = func(r CreateRequest) (refit.Spec, error) {
		spec, _ := plainSpec(r)
		if fail != nil {
			return spec, fail(spec)
		}
		return spec, nil
	}
	dm := managed(t, profile)
	old, err := create(dm)
	if err != nil {
		t.Fatal(err)
	}
	if err := dm.StartContainer(name + "-1"); err != nil {
		t.Fatal(err)
	}
	missing := name + "/none:1"
	for what, test := range map[string]struct {
		fail func(refit.Spec) error
		want error
	}{
		"hook":  {func(refit.Spec) error { return wrong }, wrong},
		"image": {func(s refit.Spec) error { s["Image"] = missing; return nil }, refit.ErrImageMissing},
		"port": {func(s refit.Spec) error {
			s["HostConfig"] = map[string]any{"PortBindings": map[string]any{"70000/tcp": []map[string]string{{"HostPort": "70000"}}}}
			return nil
		}, nil},
	} {
		fail = test.fail
		id, err := create(dm)
		if err == nil || id != "" || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %q, %v", what, id, err)
		}
		status, err := dm.client.ContainerStatus(context.Background(), name+"-1")
		if err != nil || status.ID != old || status.State != "running" {
			t.Fatalf("%s: %+v, %v", what, status, err)
		}
	}
	fail = nil
	id, err := create(dm)
	if err != nil || id == old {
		t.Fatalf("%s, %v", id, err)
	}
	if status, err := dm.GetContainerStatus(name + "-1"); err != nil || status != "stopped" {
		t.Errorf("%s, %v", status, err)
	}
	var all []struct{ Names []string }
	lab.Engine(t, "GET", "/containers/json?all=1&filters="+`{"name":["`+name+`"]}`, nil, &all)
	if len(all) != 1 {
		t.Errorf("containers are left: %v", all)
	}
}

func TestDefect07OldImagesAreRemovedAndNeverByForce(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "d7")
	old := lab.Pull(t, name, "1", "--version", "1.0")
	image := old.Reference
	dm := managed(t, profileOf(name, image))
	lab.Publish(t, name, "1", "--version", "2.0")
	if err := dm.PullImage(image); err != nil {
		t.Fatal(err)
	}
	if err := dm.RemoveOldImage(image, true); err != nil {
		t.Fatal(err)
	}
	if there, err := dm.ImageExists(old.ImageID); err != nil || there {
		t.Errorf("the old image is there: %v, %v", there, err)
	}
	if there, err := dm.ImageExists(image); err != nil || !there {
		t.Errorf("the current image is gone: %v, %v", there, err)
	}
	lab.Run(t, name+"-web", map[string]any{"Image": image})
	if err := dm.RemoveOldImage(image, false); !errors.Is(err, refit.ErrConflict) || !strings.Contains(err.Error(), name+"-web") {
		t.Errorf("%v", err)
	}
	if there, err := dm.ImageExists(image); err != nil || !there {
		t.Errorf("the image of a container was removed: %v, %v", there, err)
	}
	if err := dm.RemoveContainer(name + "-web"); err != nil {
		t.Fatal(err)
	}
	if err := dm.RemoveOldImage(image, false); err != nil {
		t.Error(err)
	}
	if there, err := dm.ImageExists(image); err != nil || there {
		t.Errorf("%v, %v", there, err)
	}
}

func TestDefect08FilesNeedNoImageAndOutputHasNoFrames(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "d8"), proxy(t)
	image := lab.Pull(t, name, "1").Reference
	profile := profileOf(name, name+"/none:1")
	profile.Options.Host = engine.host
	dm := managed(t, profile)
	if _, err := dm.CreateVolume(1); err != nil {
		t.Fatal(err)
	}
	if err := dm.WriteConfigFile(1, "Game.ini", "[a]\nb=c\n\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := dm.ReadConfigFile(1, "Game.ini"); err != nil || text != "[a]\nb=c" {
		t.Errorf("%q, %v", text, err)
	}
	volume := name + "-data-1"
	if files, err := dm.ListFiles(volume, "/data", "/data/Config/WindowsServer"); err != nil || len(files) != 1 {
		t.Errorf("%+v, %v", files, err)
	}
	file, err := dm.ReadFileFromVolume(volume, "/data", "/data/Config/WindowsServer/Game.ini")
	if err != nil {
		t.Fatal(err)
	}
	if err := dm.WriteFileToVolume(volume, "/data", "/data/copy/Game.ini", file); err != nil {
		t.Error(err)
	}
	file.Close()
	var archive bytes.Buffer
	if err := dm.BackupVolume(volume, "one.tar.gz", &archive); err != nil {
		t.Error(err)
	}
	if err := dm.RestoreVolume(volume, "one.tar.gz", &archive); err != nil {
		t.Error(err)
	}
	for _, request := range engine.seen() {
		if strings.HasSuffix(request, "/images/create") || strings.HasSuffix(request, "/start") || strings.HasSuffix(request, "/exec") {
			t.Errorf("a file needed %s", request)
		}
	}
	if _, err := dm.RunCommandInVolume(name+"-data-1", "/data", []string{"true"}); !errors.Is(err, refit.ErrImageMissing) {
		t.Errorf("%v", err)
	}
	lab.Run(t, name+"-1", map[string]any{"Image": image, "Entrypoint": []string{"sh", "-c"}, "Cmd": []string{
		"i=0; while [ $i -lt 20 ]; do head -c 1000000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo last; sleep 1000"}})
	output, err := dm.ExecuteCommand(name+"-1", "echo out; echo err >&2; exit 3")
	var exit *ExitError
	if output != "out\nerr\n" || !errors.As(err, &exit) || exit.ExitCode != 3 {
		t.Errorf("%q, %v", output, err)
	}
	var logs string
	eventually(t, "the container has written its last line", func() bool {
		if logs, err = dm.GetContainerLogs(name+"-1", 1); err != nil {
			t.Fatal(err)
		}
		return logs == "last"
	})
	if logs, err = dm.GetContainerLogs(name+"-1", 0); err != nil || len(logs) > 16<<20 || !strings.HasSuffix(logs, "x\nlast") {
		t.Errorf("%d bytes, %v", len(logs), err)
	}
}

func TestDefect09AWedgedEngineAndASilentCommandEnd(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	wedged := Profile{Options: refit.Options{Host: "tcp://" + silent.Addr().String(), Timeout: time.Second}}
	dm := managed(t, wedged)
	for what, call := range map[string]func() error{
		"exists":   func() error { _, err := dm.ImageExists("a:1"); return err },
		"status":   func() error { return errors.New(dm.GetImageStatus("a:1").Error) },
		"recreate": func() error { return dm.RecreateContainer(1) },
		"pull":     func() error { return dm.PullImage("a:1") },
		"stats":    func() error { _, err := dm.GetContainerStats("a"); return err },
	} {
		ended := make(chan error, 1)
		go func() { ended <- call() }()
		select {
		case err := <-ended:
			if err == nil || err.Error() == "" {
				t.Errorf("%s: no error", what)
			}
		case <-time.After(90 * time.Second):
			t.Fatalf("%s hangs", what)
		}
	}
	name := lab.Scope(t, "d9")
	image := lab.Pull(t, name, "1").Reference
	dm = managed(t, profileOf(name, image))
	dm.quiet = 2 * time.Second
	if err := dm.CreateSingleVolume(name + "-v"); err != nil {
		t.Fatal(err)
	}
	result, err := dm.RunCommandInVolumeResult(name+"-v", "/data", []string{"sh", "-c", "echo begun; sleep 1000"})
	if !errors.Is(err, refit.ErrTimeout) || !strings.Contains(err.Error(), "nothing came for 2s") {
		t.Fatalf("%+v, %v", result, err)
	}
	// The command has ended with its container, or the volume would be in use.
	if err := dm.RemoveSingleVolume(name + "-v"); err != nil {
		t.Error(err)
	}
}

func TestDefect10OnlyTheContainersOfTheImageAreAffected(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "d10")
	one, two := lab.Pull(t, name+"-one", "1").Reference, lab.Pull(t, name+"-two", "1").Reference
	lab.Run(t, name+"-1", map[string]any{"Image": one})
	lab.Run(t, name+"-2", map[string]any{"Image": two})
	other := lab.Run(t, name+"-3", map[string]any{"Image": two})
	dm := managed(t, profileOf(name, one))
	for image, want := range map[string]int{one: 1, two: 2, name + "/none:1": 0} {
		if found, err := dm.GetContainersByImage(image); err != nil || len(found) != want || found == nil {
			t.Errorf("%s: %+v, %v", image, found, err)
		}
	}
	lab.Publish(t, name+"-one", "1", "--version", "2.0")
	report, err := dm.UpdateImage(one)
	if err != nil || len(report.Containers) != 1 || report.Containers[0].Container != name+"-1" {
		t.Errorf("%+v, %v", report, err)
	}
	if status, err := dm.client.ContainerStatus(context.Background(), name+"-3"); err != nil || status.ID != other {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestDefect11ARecreationEndsAndAFailedReadChangesNothing(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "d11"), proxy(t)
	image := lab.Pull(t, name, "1").Reference
	profile := profileOf(name, image)
	profile.Options.Host = engine.host
	dm := managed(t, profile)
	if _, err := create(dm); err != nil {
		t.Fatal(err)
	}
	web := name + "-1"
	if err := dm.StartContainer(web); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		both.Add(1)
		go func() {
			defer both.Done()
			errs[i] = dm.RecreateContainer(1)
		}()
	}
	both.Wait()
	if errs[0] != nil && errs[1] != nil {
		t.Errorf("%v; %v", errs[0], errs[1])
	}
	for _, err := range errs {
		// Which one is told depends on when it came.
		if err != nil && !errors.Is(err, refit.ErrBusy) && !errors.Is(err, refit.ErrConflict) && !errors.Is(err, refit.ErrNotFound) {
			t.Error(err)
		}
	}
	if status, err := dm.GetContainerStatus(web); err != nil || status != "running" {
		t.Errorf("%s, %v", status, err)
	}
	before, err := dm.client.ContainerStatus(context.Background(), web)
	if err != nil {
		t.Fatal(err)
	}
	engine.answers(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "GET" || !strings.HasSuffix(r.URL.Path, "/json") || !strings.Contains(r.URL.Path, "/containers/") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintln(w, `{"message":"the lab is out of sorts"}`)
		return true
	})
	if variables, err := dm.GetContainerEnvVars(web); variables != nil || !errors.Is(err, refit.ErrEngine) {
		t.Errorf("%v, %v", variables, err)
	}
	engine.answers(nil)
	if after, err := dm.client.ContainerStatus(context.Background(), web); err != nil || after.ID != before.ID || after.State != "running" {
		t.Errorf("%+v, %v", after, err)
	}
	if variables, err := dm.GetContainerEnvVars(web); err != nil || variables["A"] != "b=c" || variables["NAME"] != "one" {
		t.Errorf("%v, %v", variables, err)
	}
}
