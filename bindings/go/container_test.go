package refit

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestAContainerFromItsCreationToItsRemoval(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "life")
	p := pull(t, name, "1")
	web := name + "-web"

	if _, err := c.ContainerCreate(ctx, web, Spec{"Image": p.Reference + "-not"}, ContainerCreateOptions{}); !errors.Is(err, ErrImageMissing) {
		t.Errorf("a missing image: %v", err)
	}
	created, err := c.ContainerCreate(ctx, web, Spec{"Image": p.Reference, "Labels": map[string]string{"k": name}}, ContainerCreateOptions{Actor: "the test"})
	if err != nil || created.ID == "" || created.Warnings == nil {
		t.Fatalf("%+v, %v", created, err)
	}
	if _, err := c.ContainerCreate(ctx, web, Spec{"Image": p.Reference}, ContainerCreateOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("the name is taken: %v", err)
	}
	if exists, err := c.ContainerExists(ctx, web); err != nil || !exists {
		t.Errorf("%v, %v", exists, err)
	}
	status, err := c.ContainerStatus(ctx, web)
	if err != nil || status.ID != created.ID || status.State != "created" || status.StartedAt != nil || status.Image != p.Reference {
		t.Errorf("%+v, %v", status, err)
	}

	_, err = c.ContainerStart(ctx, web, ContainerStartOptions{Require: []string{p.Reference, name + "/none:1"}})
	var e *Error
	if !errors.Is(err, ErrImageMissing) || !errors.As(err, &e) || !slices.Equal(e.Missing, []string{name + "/none:1"}) {
		t.Errorf("%+v", err)
	}
	for _, want := range []bool{true, false} {
		if started, err := c.ContainerStart(ctx, web, ContainerStartOptions{Require: []string{p.Reference}}); err != nil || started.Changed != want {
			t.Errorf("%+v, %v", started, err)
		}
	}
	all := true
	running, err := c.ContainerList(ctx, ContainerListOptions{All: new(bool), Labels: map[string]string{"k": name}})
	if err != nil || len(running) != 1 || running[0].State != "running" || running[0].Match != "" || running[0].Created == nil {
		t.Errorf("%+v, %v", running, err)
	}
	info, err := c.ContainerInfo(ctx, web)
	if err != nil || info.Name != web || info.State != "running" || info.Labels["k"] != name || len(info.Networks) != 1 || info.StartedAt == nil {
		t.Errorf("%+v, %v", info, err)
	}
	if restarted, err := c.ContainerRestart(ctx, web, ContainerStopOptions{StopTimeout: 5 * time.Second}); err != nil || !restarted.Changed {
		t.Errorf("%+v, %v", restarted, err)
	}
	if _, err := c.ContainerRemove(ctx, web, ContainerRemoveOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("it runs: %v", err)
	}
	for _, want := range []bool{true, false} {
		if stopped, err := c.ContainerStop(ctx, web, ContainerStopOptions{StopTimeout: 1500 * time.Millisecond}); err != nil || stopped.Changed != want {
			t.Errorf("%+v, %v", stopped, err)
		}
	}
	if exit, err := c.ContainerWait(ctx, web); err != nil || exit.ExitCode != 0 || exit.Error != nil {
		t.Errorf("%+v, %v", exit, err)
	}
	listed, err := c.ContainerList(ctx, ContainerListOptions{All: &all, Names: []string{web}})
	if err != nil || len(listed) != 1 || listed[0].State != "exited" {
		t.Errorf("%+v, %v", listed, err)
	}
	if removed, err := c.ContainerRemove(ctx, web, ContainerRemoveOptions{RemoveVolumes: true}); err != nil || !removed.Changed {
		t.Errorf("%+v, %v", removed, err)
	}
	if exists, err := c.ContainerExists(ctx, web); err != nil || exists {
		t.Errorf("%v, %v", exists, err)
	}
	if _, err := c.ContainerStatus(ctx, web); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	c, name := open(t), scope(t, "wait")
	run(t, name, map[string]any{"Image": pull(t, name, "1").Reference})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	within(t, time.Minute, "a wait of 300 ms", func() {
		if exit, err := c.ContainerWait(ctx, name); exit != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", exit, err)
		}
	})
}
