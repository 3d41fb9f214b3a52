package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// Container is a container in a list. The temporary names of a recreation are folded into the container that they belong to.
type Container struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Image       string              `json:"image"` // the reference that it was created from
	ImageID     string              `json:"image_id"`
	Match       ContainerMatch      `json:"match,omitempty"` // reference or same_image, in [Client.Containers] alone
	State       ContainerState      `json:"state"`
	Status      string              `json:"status"`   // the engine's words
	Outdated    bool                `json:"outdated"` // its reference names another image now
	Created     *time.Time          `json:"created"`
	Labels      map[string]string   `json:"labels"`
	Operation   *ContainerOperation `json:"operation"`
	Interrupted bool                `json:"interrupted"` // a recreation was interrupted: [Client.Recover]
}

// ContainerOperation is a recreation in progress.
type ContainerOperation struct {
	Kind      string     `json:"kind"`
	Phase     *string    `json:"phase"`
	Permille  *int       `json:"permille"`
	StartedAt *time.Time `json:"started_at"`
}

// ContainerListOptions choose containers.
type ContainerListOptions struct {
	// All lists those too that do not run. Default (nil): true.
	All     *bool
	Names   []string
	Labels  map[string]string // "" matches any value
	Timeout time.Duration
}

// ContainerStatus is what a container does.
type ContainerStatus struct {
	Container    string              `json:"container"`
	ID           string              `json:"id"`
	Operation    *ContainerOperation `json:"operation"`
	Interrupted  bool                `json:"interrupted"`
	State        ContainerState      `json:"state"`
	Health       *string             `json:"health"`
	ExitCode     *int64              `json:"exit_code"`
	Error        *string             `json:"error"`
	StartedAt    *time.Time          `json:"started_at"`
	FinishedAt   *time.Time          `json:"finished_at"`
	RestartCount int64               `json:"restart_count"`
	Image        string              `json:"image"`
	ImageID      string              `json:"image_id"`
}

// ContainerInfo is what a container is.
type ContainerInfo struct {
	ContainerStatus
	Name          string             `json:"name"`
	Created       *time.Time         `json:"created"`
	Env           []string           `json:"env"`
	Labels        map[string]string  `json:"labels"`
	Ports         []Port             `json:"ports"`
	Mounts        []Mount            `json:"mounts"`
	Networks      []ContainerNetwork `json:"networks"`
	RestartPolicy string             `json:"restart_policy"`
	Command       []string           `json:"command"`
	Entrypoint    []string           `json:"entrypoint"` // nil: none
	WorkingDir    string             `json:"working_dir"`
	User          string             `json:"user"`
}

// Port is a port of a container, published where HostPort is there.
type Port struct {
	ContainerPort int     `json:"container_port"`
	Protocol      string  `json:"protocol"`
	HostIP        *string `json:"host_ip"`
	HostPort      *int    `json:"host_port"`
}

// Mount is what a container has mounted.
type Mount struct {
	Type        string  `json:"type"`
	Name        *string `json:"name"`
	Source      *string `json:"source"`
	Destination string  `json:"destination"`
	ReadWrite   bool    `json:"read_write"`
}

// ContainerNetwork is a network that a container is in.
type ContainerNetwork struct {
	Name        string   `json:"name"`
	IPAddress   *string  `json:"ip_address"`
	IPv6Address *string  `json:"ipv6_address"`
	MACAddress  *string  `json:"mac_address"`
	Aliases     []string `json:"aliases"`
}

// ContainerList lists the containers.
func (c *Client) ContainerList(ctx context.Context, o ContainerListOptions) ([]Container, error) {
	settings := options{}.flagOr("all", o.All).texts("names", o.Names).labels("labels", o.Labels).seconds("timeout_s", o.Timeout)
	var list struct {
		Containers []Container `json:"containers"`
	}
	err := c.read(ctx, request{function: C.REFIT_GO_container_list, options: settings}, &list)
	return list.Containers, err
}

// ContainerExists reports whether there is a container of that name or id.
func (c *Client) ContainerExists(ctx context.Context, container string) (bool, error) {
	return c.exists(ctx, request{function: C.REFIT_GO_container_exists, name: &container})
}

// ContainerStatus reports what a container does. [ErrNotFound] when there is none.
func (c *Client) ContainerStatus(ctx context.Context, container string) (*ContainerStatus, error) {
	return call[ContainerStatus](ctx, c, request{function: C.REFIT_GO_container_status, name: &container})
}

// ContainerInfo reports what a container is. [ErrNotFound] when there is none.
func (c *Client) ContainerInfo(ctx context.Context, container string) (*ContainerInfo, error) {
	return call[ContainerInfo](ctx, c, request{function: C.REFIT_GO_container_info, name: &container})
}
