package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"time"
)

// Spec is the engine's own body for the creation of a container: {"Image": "…", "HostConfig": {…}, …}.
type Spec map[string]any

// ContainerCreateOptions of [Client.ContainerCreate].
type ContainerCreateOptions struct {
	Platform string // os/arch[/variant]
	Actor    string // who asks for it, for the history
	Timeout  time.Duration
}

// ContainerCreated is a new container, not started.
type ContainerCreated struct {
	ID       string   `json:"id"`
	Warnings []string `json:"warnings"`
}

// ContainerStartOptions of [Client.ContainerStart].
type ContainerStartOptions struct {
	// Require are images that have to be local, else [ErrImageMissing] with those that are not in its Missing.
	Require []string
	Actor   string // who asks for it, for the history
	Timeout time.Duration
}

// ContainerStopOptions of [Client.ContainerStop] and [Client.ContainerRestart].
type ContainerStopOptions struct {
	// StopTimeout is the grace before the container is killed; negative: none. Default: the container's own.
	StopTimeout time.Duration
	Actor       string // who asks for it, for the history
	Timeout     time.Duration
}

// ContainerRemoveOptions of [Client.ContainerRemove].
type ContainerRemoveOptions struct {
	Force         bool   // also while it runs
	RemoveVolumes bool   // its anonymous volumes too
	Actor         string // who asks for it, for the history
	Timeout       time.Duration
}

// ContainerChange reports the result of a start, stop, restart or removal.
type ContainerChange struct {
	Container string `json:"container"`
	Changed   bool   `json:"changed"` // false: it was so already
}

// ContainerExit is how a container ended.
type ContainerExit struct {
	ExitCode int64   `json:"exit_code"`
	Error    *string `json:"error"`
}

// ContainerCreate creates a container and does not start it. [ErrImageMissing] when its image is not local: nothing is pulled.
func (c *Client) ContainerCreate(ctx context.Context, name string, spec Spec, o ContainerCreateOptions) (*ContainerCreated, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return nil, &Error{Code: CodeInvalidArgument, Op: "container_create", Message: "the spec cannot be written as JSON: " + err.Error(), Container: name}
	}
	input := string(body)
	settings := options{}.text("platform", o.Platform).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	return call[ContainerCreated](ctx, c, request{function: C.REFIT_GO_container_create, name: &name, input: &input, options: settings})
}

// ContainerStart starts a container.
func (c *Client) ContainerStart(ctx context.Context, container string, o ContainerStartOptions) (*ContainerChange, error) {
	settings := options{}.texts("require", o.Require).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	return call[ContainerChange](ctx, c, request{function: C.REFIT_GO_container_start, name: &container, options: settings})
}

// ContainerStop stops a container. A stop that the engine has accepted goes on when ctx is cancelled.
func (c *Client) ContainerStop(ctx context.Context, container string, o ContainerStopOptions) (*ContainerChange, error) {
	return call[ContainerChange](ctx, c, request{function: C.REFIT_GO_container_stop, name: &container, options: o.json()})
}

// ContainerRestart stops and starts a container.
func (c *Client) ContainerRestart(ctx context.Context, container string, o ContainerStopOptions) (*ContainerChange, error) {
	return call[ContainerChange](ctx, c, request{function: C.REFIT_GO_container_restart, name: &container, options: o.json()})
}

// ContainerRemove removes a container; its volumes stay unless asked for.
func (c *Client) ContainerRemove(ctx context.Context, container string, o ContainerRemoveOptions) (*ContainerChange, error) {
	settings := options{}.flag("force", o.Force).flag("remove_volumes", o.RemoveVolumes).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	return call[ContainerChange](ctx, c, request{function: C.REFIT_GO_container_remove, name: &container, options: settings})
}

// ContainerWait waits until a container does not run.
func (c *Client) ContainerWait(ctx context.Context, container string) (*ContainerExit, error) {
	return call[ContainerExit](ctx, c, request{function: C.REFIT_GO_container_wait, name: &container})
}

func (o ContainerStopOptions) json() options {
	return options{}.seconds("stop_timeout_s", o.StopTimeout).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
}
