package docker_manager

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// Each of these is what went wrong in the package that this one replaces.

// broken is the command of an image that does not stay up.
const broken = `["sh","-c","echo no configuration; exit 7"]`

func TestDefect01APullThatFailsInsideTheAnswerIsAnError(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "d1"), proxy(t)
	image := lab.Publish(t, name, "1").Reference
	engine.answers(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/images/create") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		var text bytes.Buffer
		fmt.Fprintln(&text, `{"status":"Pulling from x","id":"1"}`)
		for i := range 40 {
			fmt.Fprintf(&text, `{"status":"Downloading","progressDetail":{"current":%d,"total":100},"progress":"[=>  ]","id":"0123456789ab"}`+"\n", i)
		}
		fmt.Fprintln(&text, `{"errorDetail":{"message":"unexpected EOF of the lab"},"error":"unexpected EOF of the lab"}`)
		// The old package read pieces of 1 KiB, which end in the middle of a line.
		for text.Len() > 0 {
			w.Write(text.Next(1024))
			w.(http.Flusher).Flush()
		}
		return true
	})
	profile := profileOf(name, image)
	profile.Options.Host = engine.host
	dm := managed(t, profile)
	err := dm.PullImageWithProgress(image)
	if err == nil || !strings.Contains(err.Error(), "unexpected EOF of the lab") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v", err)
	}
	if status := dm.GetImageStatus(image); status.Exists || status.Ready || status.Pulling || status.Error != err.Error() {
		t.Errorf("%+v", status)
	}
	if there, err := dm.WaitForImage(image, 0); there || err != nil {
		t.Errorf("%v, %v", there, err)
	}
	engine.answers(nil)
	if err := dm.PullImage(image); err != nil {
		t.Fatal(err)
	}
	if status := dm.GetImageStatus(image); !status.Ready || status.Error != "" || status.HasUpdate == nil || *status.HasUpdate {
		t.Errorf("%+v", status)
	}
}

// gate lets an answer through up to the first layer, and the rest once it is opened.
type gate struct {
	io.ReadCloser
	passed bool
	open   chan struct{}
}

func (g *gate) Read(into []byte) (int, error) {
	if g.passed {
		<-g.open
	}
	n, err := g.ReadCloser.Read(into)
	g.passed = g.passed || bytes.Contains(into[:n], []byte("fs layer"))
	return n, err
}

func TestDefect02AnUpdateOfAPresentImageShowsItsProgress(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "d2"), proxy(t)
	image := lab.Pull(t, name, "1").Reference
	lab.Publish(t, name, "1", "--random-mb", "3")
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
	done := make(chan error, 1)
	go func() { done <- dm.PullImageWithProgress(image) }()
	eventually(t, "the layers of the pull are shown", func() bool {
		status := dm.GetImageStatus(image)
		for id, layer := range status.Layers {
			if id == "" || layer.ID != id || layer.Status == "" {
				t.Errorf("%q: %+v", id, layer)
			}
		}
		if !status.Exists || !status.Ready {
			t.Fatalf("a present image is not ready: %+v", status)
		}
		return status.Pulling && dm.isPulling(image) && len(status.Layers) > 0
	})
	close(open)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if status := dm.GetImageStatus(image); status.Pulling || !status.Ready || status.Error != "" {
		t.Errorf("%+v", status)
	}
}

func TestDefect03WhatCouldNotBeCheckedIsAnError(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "d3")
	good := lab.Pull(t, name, "1").Reference
	registry := func(status int, headers map[string]string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, value := range headers {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	tagged := func(registry string) string {
		lab.Engine(t, "POST", "/images/"+good+"/tag?repo="+registry+"/"+name+"&tag=1", nil, nil)
		return registry + "/" + name + ":1"
	}
	unreachable := tagged("127.0.0.1:1")
	password := tagged(registry(http.StatusUnauthorized, map[string]string{"Www-Authenticate": `Basic realm="lab"`}))
	limited := tagged(registry(http.StatusTooManyRequests, nil))
	profile := profileOf(name, good)
	profile.Options.CheckVia = "registry"
	profile.Options.Registries = map[string]refit.Registry{strings.Split(password, "/")[0]: {Username: "lab", Password: "wrong"}}
	dm := managed(t, profile)
	for image, want := range map[string]error{unreachable: refit.ErrUnreachable, password: refit.ErrUnauthorized, limited: refit.ErrRateLimited} {
		if update, err := dm.CheckImageUpdate(image); update || !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", image, update, err)
		}
		if status := dm.GetImageStatus(image); status.HasUpdate != nil {
			t.Errorf("%s: has_update is %v after a failed check", image, *status.HasUpdate)
		}
	}
	updates, err := dm.CheckImageUpdates([]string{unreachable, good, password, limited})
	if update, there := updates[good]; len(updates) != 1 || !there || update {
		t.Errorf("%v", updates)
	}
	for _, want := range []error{refit.ErrUnreachable, refit.ErrUnauthorized, refit.ErrRateLimited} {
		if !errors.Is(err, want) {
			t.Errorf("%v is not in: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("it is more than one line: %q", err)
	}
}

func TestDefect04AnImageWithTwoTagsIsCurrent(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "d4")
	first := lab.Pull(t, name+"-a", "1", "--salt", name)
	second := lab.Pull(t, name+"-b", "1", "--salt", name)
	if first.ImageID != second.ImageID {
		t.Fatal("the lab has published two images")
	}
	dm := managed(t, profileOf(name, first.Reference))
	updates, err := dm.CheckImageUpdates([]string{first.Reference, second.Reference})
	if err != nil || len(updates) != 2 || updates[first.Reference] || updates[second.Reference] {
		t.Errorf("%v, %v", updates, err)
	}
	lab.Publish(t, name+"-b", "1", "--version", "2.0")
	updates, err = dm.CheckImageUpdates([]string{first.Reference, second.Reference})
	if err != nil || updates[first.Reference] || !updates[second.Reference] {
		t.Errorf("%v, %v", updates, err)
	}
	if status := dm.GetImageStatus(second.Reference); status.HasUpdate == nil || !*status.HasUpdate {
		t.Errorf("%+v", status)
	}
}

func TestDefect05ContainersAreFoundAfterTheTagHasMoved(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "d5")
	image := lab.Pull(t, name, "1").Reference
	id := lab.Run(t, name+"-web", map[string]any{"Image": image})
	lab.Pull(t, name, "1", "--version", "2.0")
	dm := managed(t, profileOf(name, image))
	found, err := dm.GetContainersByImage(image)
	if err != nil || len(found) != 1 || found[0].ID != id || found[0].Name != name+"-web" || found[0].Image != image || found[0].State != "running" {
		t.Errorf("%+v, %v", found, err)
	}
}
