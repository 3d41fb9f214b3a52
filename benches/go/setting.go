package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

const (
	containers = 1000
	images     = 50
)

// setting is what the calls are about, all of it with the name in its own.
type setting struct {
	engine *client.Client
	name   string
}

// rows are in the order in which they run: the 1,000 containers come last, as every list has them.
func (l *setting) rows(ctx context.Context) ([]row, error) {
	image, err := l.local(ctx, l.name, "1")
	if err != nil {
		return nil, err
	}
	running, log := l.name+"-running", l.name+"-log"
	if err := l.run(ctx, running, image, "sleep 100000"); err != nil {
		return nil, err
	}
	// 1,000,000 lines of 99 bytes and their end.
	if err := l.run(ctx, log, image, `yes "$(head -c 99 /dev/zero | tr '\0' a)" | head -c 100000000`); err != nil {
		return nil, err
	}
	waited := l.engine.ContainerWait(ctx, log, client.ContainerWaitOptions{})
	select {
	case <-waited.Result:
	case err := <-waited.Error:
		return nil, err
	}
	large, err := l.publish(l.name+"-large", "1", "--random-mb", "50")
	if err != nil {
		return nil, err
	}
	var checked []string
	for i := range images {
		each, err := l.local(ctx, fmt.Sprintf("%s-%d", l.name, i), "1")
		if err != nil {
			return nil, err
		}
		checked = append(checked, each)
	}
	crowd := l.crowd(image)
	return []row{
		{what: "container inspect", call: "inspect", rounds: 9, warm: 20, times: 200, names: []string{running}},
		{what: "image status", call: "image", rounds: 9, warm: 20, times: 200, names: []string{image}},
		{what: "statistics", call: "stats", rounds: 3, times: 1, names: []string{running}},
		{what: "50 checks", call: "checks", rounds: 7, times: 1, names: checked},
		{what: "pull of 50 MB", call: "pull", rounds: 5, times: 1, names: []string{large}, before: func(ctx context.Context) error { return l.away(ctx, large) }},
		{what: "100 MB of log, raw", call: "raw", rounds: 3, times: 1, names: []string{log}},
		{what: "100 MB of log, lines", call: "lines", rounds: 3, times: 1, names: []string{log}},
		{what: "list of 1,000", call: "list", rounds: 7, warm: 1, times: 5, before: crowd},
		{what: "container inspect among 1,000", call: "inspect", rounds: 5, warm: 1, times: 10, names: []string{running}, before: crowd},
	}, nil
}

// publish puts an image into the registry and gives its reference.
func (l *setting) publish(repository, tag string, options ...string) (string, error) {
	said, err := lab(append([]string{"publish", "--repo", repository, "--tag", tag}, options...)...)
	if err != nil {
		return "", err
	}
	var published struct{ Reference string }
	err = json.Unmarshal(said, &published)
	return published.Reference, err
}

// local puts an image into the registry and pulls it.
func (l *setting) local(ctx context.Context, repository, tag string) (string, error) {
	image, err := l.publish(repository, tag)
	if err != nil {
		return "", err
	}
	answer, err := l.engine.ImagePull(ctx, image, client.ImagePullOptions{})
	if err != nil {
		return "", err
	}
	defer answer.Close()
	return image, answer.Wait(ctx)
}

func (l *setting) run(ctx context.Context, name, image, script string) error {
	_, err := l.engine.ContainerCreate(ctx, client.ContainerCreateOptions{Name: name, Config: &container.Config{
		Image: image, Entrypoint: []string{"sh", "-c"}, Cmd: []string{script},
	}})
	if err != nil {
		return err
	}
	_, err = l.engine.ContainerStart(ctx, name, client.ContainerStartOptions{})
	return err
}

// away removes the image, so that it has to be pulled as a whole.
func (l *setting) away(ctx context.Context, image string) error {
	_, err := l.engine.ImageRemove(ctx, image, client.ImageRemoveOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// crowd creates the containers of the list, which are not started, before its first process.
func (l *setting) crowd(image string) func(context.Context) error {
	create := sync.OnceValue(func() error {
		return eight(containers, func(i int) error {
			_, err := l.engine.ContainerCreate(context.Background(), client.ContainerCreateOptions{Name: l.crowded(i), Config: &container.Config{Image: image}})
			return err
		})
	})
	return func(context.Context) error { return create() }
}

func (l *setting) crowded(i int) string { return fmt.Sprintf("%s-crowd-%d", l.name, i) }

func (l *setting) clean() {
	_ = eight(containers, func(i int) error {
		_, err := l.engine.ContainerRemove(context.Background(), l.crowded(i), client.ContainerRemoveOptions{})
		return err
	})
	if _, err := lab("clean", l.name); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// eight runs the work that often, eight at a time, and gives the errors.
func eight(times int, work func(i int) error) error {
	var all sync.WaitGroup
	places, errs := make(chan struct{}, 8), make([]error, times)
	for i := range times {
		all.Add(1)
		places <- struct{}{}
		go func() {
			defer all.Done()
			errs[i] = work(i)
			<-places
		}()
	}
	all.Wait()
	return errors.Join(errs...)
}

// lab is the tests' lab, which `make bench-go` has built.
func lab(words ...string) ([]byte, error) {
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = "../../target"
	}
	command := exec.Command(filepath.Join(target, "debug", "lab"), words...)
	command.Stderr = os.Stderr
	said, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", strings.Join(words, " "), err)
	}
	return said, nil
}
