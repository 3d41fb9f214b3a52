package docker_manager

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

func TestAManagerFromConfigureToClose(t *testing.T) {
	nobody := Profile{Options: refit.Options{Host: "unix://" + filepath.Join(t.TempDir(), "none.sock")}}
	if err := Configure(Profile{ContainerName: "one-name"}); !errors.Is(err, refit.ErrInvalidArgument) {
		t.Error(err)
	}
	if err := Configure(nobody); err != nil {
		t.Fatal(err)
	}
	dm, err := GetDockerManager()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := GetDockerManager(); again != dm || err != nil {
		t.Error(again, err)
	}
	if err := CheckDockerStatus(); !errors.Is(err, refit.ErrUnreachable) || !strings.Contains(err.Error(), "none.sock") {
		t.Error(err)
	}
	if err := Configure(Profile{}); !errors.Is(err, refit.ErrConflict) {
		t.Error(err)
	}
	if status := dm.GetImageStatus("a:1"); status == nil || status.Layers == nil || status.Error == "" || status.Ready {
		t.Errorf("%+v", status)
	}
	if missing, err := dm.ValidateRequiredImages(); missing != nil || !errors.Is(err, refit.ErrUnreachable) {
		t.Errorf("%v, %v", missing, err)
	}
	if IsImagePulling("a:1") {
		t.Error("nothing is pulled")
	}
	var closing sync.WaitGroup
	for range 4 {
		closing.Add(1)
		go func() {
			defer closing.Done()
			if err := CloseDockerManager(); err != nil {
				t.Error(err)
			}
		}()
	}
	closing.Wait()
	if gone, err := GetDockerManager(); gone != nil || !errors.Is(err, refit.ErrClosed) {
		t.Error(gone, err)
	}
	if _, err := dm.ImageExists("a:1"); !errors.Is(err, refit.ErrClosed) {
		t.Error(err)
	}
	if there, err := dm.WaitForImage("a:1", 60); there || !errors.Is(err, refit.ErrClosed) {
		t.Error(there, err)
	}
	// The engine is back, and the service begins anew.
	if err := Configure(Profile{}); err != nil {
		t.Fatal(err)
	}
	if err := CheckDockerStatus(); err != nil {
		t.Error(err)
	}
	if err := CloseDockerManager(); err != nil {
		t.Error(err)
	}
}

func TestImagesAreDescribed(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "images")
	image := lab.Publish(t, name, "1", "--version", "1.0").Reference
	profile := profileOf(name, image)
	profile.RequiredImages = []string{name + "/none:2", image, name + "/none:1"}
	dm := managed(t, profile)
	if update, err := dm.CheckImageUpdate(image); !update || err != nil {
		t.Errorf("an image that is not local has to be pulled: %v, %v", update, err)
	}
	if status := dm.GetImageStatus(image); status.Exists || status.HasUpdate != nil {
		t.Errorf("%+v", status)
	}
	if _, err := dm.GetImageInfo(image); !errors.Is(err, refit.ErrNotFound) {
		t.Error(err)
	}
	if missing, err := dm.ValidateRequiredImages(); err != nil || len(missing) != 3 || missing[1] != image {
		t.Errorf("%v, %v", missing, err)
	}
	found := make(chan error, 1)
	go func() {
		there, err := dm.WaitForImage(image, 90)
		if err == nil && !there {
			err = errors.New("it was not there in time")
		}
		found <- err
	}()
	if err := dm.PullImage(image); err != nil {
		t.Fatal(err)
	}
	if err := <-found; err != nil {
		t.Error(err)
	}
	info, err := dm.GetImageInfo(image)
	if err != nil || *info.Version != "1.0" || len(info.Tags) != 1 || len(info.Digests) != 1 || info.Size == 0 || info.OS != "linux" || info.Architecture == "" {
		t.Errorf("%+v, %v", info, err)
	}
	if history, err := dm.GetImageHistory(image); err != nil || len(history) == 0 || history[0].ID == "" {
		t.Errorf("%+v, %v", history, err)
	}
	missing, err := dm.ValidateRequiredImages()
	if err != nil || len(missing) != 2 || missing[0] != name+"/none:2" || missing[1] != name+"/none:1" {
		t.Errorf("%v, %v", missing, err)
	}
	var e *refit.Error
	if err := dm.EnsureRequiredImages(); !errors.Is(err, refit.ErrImageMissing) || !errors.As(err, &e) || len(e.Missing) != 2 || !strings.Contains(err.Error(), name+"/none:2") {
		t.Error(err)
	}
	dm.profile.RequiredImages = []string{image}
	if missing, err := dm.ValidateRequiredImages(); missing != nil || err != nil {
		t.Errorf("%v, %v", missing, err)
	}
	if updates, err := dm.CheckImageUpdates(nil); err != nil || updates == nil || len(updates) != 0 {
		t.Errorf("%v, %v", updates, err)
	}
	if update, err := dm.CheckImageUpdate(image); update || err != nil {
		t.Errorf("%v, %v", update, err)
	}
	// Somebody else pulls: what the check found is not known to be so any more.
	lab.Pull(t, name, "1", "--version", "2.0")
	if status := dm.GetImageStatus(image); status.HasUpdate != nil {
		t.Errorf("%+v", status)
	}
	text, err := json.Marshal(dm.GetImageStatus(image))
	if want := `{"exists":true,"pulling":false,"ready":true,"error":"","current_layer":"","layers":{},"has_update":null}`; err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

func TestASecondUpdateJoinsTheFirst(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "join"), proxy(t)
	image := lab.Pull(t, name, "1").Reference
	lab.Run(t, name+"-1", map[string]any{"Image": image})
	lab.Publish(t, name, "1", "--random-mb", "1")
	open := make(chan struct{})
	engine.modifies(func(r *http.Response) error {
		if strings.HasSuffix(r.Request.URL.Path, "/images/create") {
			r.Body = &gate{ReadCloser: r.Body, open: open}
		}
		return nil
	})
	profile := profileOf(name, image)
	profile.Options.Host = engine.host
	dm := managed(t, profile)
	reports := make(chan *refit.UpdateReport, 2)
	update := func() {
		report, err := dm.UpdateImage(image)
		if err != nil {
			t.Error(err)
		}
		reports <- report
	}
	go update()
	eventually(t, "the update is seen", func() bool { return dm.GetImageStatus(image).Pulling })
	go update()
	close(open)
	first, second := <-reports, <-reports
	if first == nil || second == nil || len(first.Containers) != 1 {
		t.Fatalf("%+v, %+v", first, second)
	}
	if dm.isPulling(image) {
		t.Error("it is still pulling")
	}
}

func TestAContainersLife(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "life")
	image := lab.Pull(t, name, "1").Reference
	dm := managed(t, profileOf(name, image))
	web := name + "-1"
	for what, call := range map[string]func() error{
		"start": func() error { return dm.StartContainer(web) }, "stop": func() error { return dm.StopContainer(web) },
		"remove": func() error { return dm.RemoveContainer(web) }, "recreate": func() error { return dm.RecreateContainer(1) },
		"environment": func() error { _, err := dm.GetContainerEnvVars(web); return err },
		"logs":        func() error { _, err := dm.GetContainerLogs(web, 0); return err },
		"stream":      func() error { _, err := dm.StreamContainerLogs(web, true, ""); return err },
		"stats":       func() error { _, err := dm.GetContainerStats(web); return err },
		"command":     func() error { _, err := dm.ExecuteCommand(web, "true"); return err },
	} {
		if err := call(); !errors.Is(err, refit.ErrNotFound) || !strings.Contains(err.Error(), web) {
			t.Errorf("%s of a missing container: %v", what, err)
		}
	}
	if status, err := dm.GetContainerStatus(web); status != "not_found" || err != nil {
		t.Error(status, err)
	}
	id, err := dm.CreateContainerWithRollback(1, "one", 7777, 27015, 32330, "secret", "TheIsland", "", false)
	if err != nil || id == "" {
		t.Fatal(id, err)
	}
	status := func(want string) {
		t.Helper()
		if status, err := dm.GetContainerStatus(web); status != want || err != nil {
			t.Errorf("%s, %v and not %s", status, err, want)
		}
	}
	status("stopped")
	if there, err := dm.ContainerExists(web); !there || err != nil {
		t.Error(there, err)
	}
	if err := dm.StartContainer(web); err != nil {
		t.Fatal(err)
	}
	status("running")
	stats, err := dm.GetContainerStats(web)
	if err != nil || stats.CPUCores == 0 || stats.MemoryUsageMB <= 0 || stats.MemoryLimitMB <= stats.MemoryUsageMB || time.Since(time.Unix(stats.SampledAt, 0)) > time.Hour {
		t.Errorf("%+v, %v", stats, err)
	}
	lab.Engine(t, "POST", "/containers/"+web+"/pause", nil, nil)
	status("running")
	lab.Engine(t, "POST", "/containers/"+web+"/unpause", nil, nil)
	if output, err := dm.ExecuteCommand(web, "printf ' %s ' "+ShellQuote("it's $HOME")); err != nil || output != " it's $HOME " {
		t.Errorf("%q, %v", output, err)
	}
	if err := dm.StopContainer(web); err != nil {
		t.Error(err)
	}
	status("stopped")
	if err := dm.RecreateContainer(1); err != nil {
		t.Error(err)
	}
	status("stopped")
	if err := dm.StartContainer(web); err != nil {
		t.Fatal(err)
	}
	if err := dm.RemoveContainer(web); err != nil {
		t.Error(err)
	}
	status("not_found")
	if there, err := dm.VolumeExists(name + "-data-1"); !there || err != nil {
		t.Errorf("the removal of the container removed its volume: %v, %v", there, err)
	}
}

func TestLogsAreFramesForStdcopy(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "logs")
	image := lab.Pull(t, name, "1").Reference
	web := name + "-1"
	lab.Run(t, web, map[string]any{"Image": image, "Entrypoint": []string{"sh", "-c"}, "Cmd": []string{"echo one; echo two >&2; echo; exec sleep 1000"}})
	dm := managed(t, profileOf(name, image))
	eventually(t, "the log has its lines", func() bool {
		text, err := dm.GetContainerLogs(web, 0)
		return err == nil && strings.Contains(text, "one") && strings.Contains(text, "two")
	})
	stream, err := dm.StreamContainerLogs(web, true, "")
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]byte{}
	for range 3 {
		header := make([]byte, 8)
		if _, err := io.ReadFull(stream, header); err != nil {
			t.Fatal(err)
		}
		payload := make([]byte, binary.BigEndian.Uint32(header[4:]))
		if _, err := io.ReadFull(stream, payload); err != nil {
			t.Fatal(err)
		}
		read[string(payload)] = header[0]
	}
	if read["one\n"] != 1 || read["two\n"] != 2 || read["\n"] != 1 {
		t.Errorf("%q", read)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := stream.Read(make([]byte, 1))
		ended <- err
	}()
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("something was read")
		}
	case <-time.After(90 * time.Second):
		t.Fatal("Close did not free the Read")
	}
	if _, err := dm.StreamContainerLogs(web, false, "many"); !errors.Is(err, refit.ErrInvalidArgument) {
		t.Error(err)
	}
	none, err := dm.StreamContainerLogs(web, false, "0")
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if text, err := io.ReadAll(none); err != nil || len(text) != 0 {
		t.Errorf("%q, %v", text, err)
	}
}
