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

// Image is a local image in a list.
type Image struct {
	ID         string     `json:"id"`
	Tags       []string   `json:"tags"`
	Digests    []string   `json:"digests"`
	Size       int64      `json:"size"`
	Created    *time.Time `json:"created"`
	Containers int        `json:"containers"` // how many containers use it
}

// ImageListOptions choose local images.
type ImageListOptions struct {
	Names     []string
	Labels    map[string]string // "" matches any value
	Reference string            // a pattern, as the engine's filter takes it
	Timeout   time.Duration
}

// ImageInfo is a local image.
type ImageInfo struct {
	Image          string            `json:"image"` // as asked
	ID             string            `json:"id"`
	Tags           []string          `json:"tags"`
	Digests        []string          `json:"digests"`
	OS             string            `json:"os"`
	Architecture   string            `json:"architecture"`
	Variant        *string           `json:"variant"`
	Size           int64             `json:"size"`
	Created        *time.Time        `json:"created"`
	Version        *string           `json:"version"` // its label org.opencontainers.image.version
	Labels         map[string]string `json:"labels"`
	Env            []string          `json:"env"`
	ExposedPorts   []string          `json:"exposed_ports"`
	Volumes        []string          `json:"volumes"`
	User           string            `json:"user"`
	WorkingDir     string            `json:"working_dir"`
	Entrypoint     []string          `json:"entrypoint"`  // nil: none
	Cmd            []string          `json:"cmd"`         // nil: none
	Healthcheck    *json.RawMessage  `json:"healthcheck"` // the engine's own object
	Layers         []string          `json:"layers"`
	LastChecked    *time.Time        `json:"last_checked"`
	LastCheckState *CheckState       `json:"last_check_state"`
	LastPulled     *time.Time        `json:"last_pulled"`
}

// ImageLayer is one step of how an image was built.
type ImageLayer struct {
	ID        *string    `json:"id"`
	Created   *time.Time `json:"created"`
	CreatedBy string     `json:"created_by"`
	Size      int64      `json:"size"`
	Comment   string     `json:"comment"`
}

// ImageStatus is what happens to an image through this client.
type ImageStatus struct {
	Image     string          `json:"image"`
	Exists    bool            `json:"exists"`
	Pulling   bool            `json:"pulling"`
	Ready     bool            `json:"ready"` // a container can be made from it; stays true while a present image is updated
	Operation *ImageOperation `json:"operation"`
	LastCheck *Check          `json:"last_check"`
	LastError *LastError      `json:"last_error"`
}

// ImageOperation is a pull in progress.
type ImageOperation struct {
	Kind           string        `json:"kind"`
	Phase          Phase         `json:"phase"`
	Permille       int           `json:"permille"`
	Current        int64         `json:"current"`
	Total          *int64        `json:"total"`
	BytesPerSecond *int64        `json:"bytes_per_second"`
	ETASeconds     *int64        `json:"eta_seconds"`
	StartedAt      time.Time     `json:"started_at"`
	Layers         []LayerStatus `json:"layers"`
}

// LayerStatus is a layer of a pull in progress.
type LayerStatus struct {
	ID      string     `json:"id"`
	Status  LayerState `json:"status"` // pending, downloading, extracting, verifying, complete
	Current int64      `json:"current"`
	Total   *int64     `json:"total"`
}

// LastError is why the last pull of an image failed.
type LastError struct {
	Code    Code      `json:"code"`
	Name    string    `json:"name"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// ImageMissing tells which of some images are local.
type ImageMissing struct {
	Missing []string `json:"missing"`
	Present []string `json:"present"`
}

// ImageExists tells whether an image is local.
func (c *Client) ImageExists(ctx context.Context, image string) (bool, error) {
	return c.exists(ctx, request{function: C.REFIT_GO_img_exists, name: &image})
}

// ImageList lists local images.
func (c *Client) ImageList(ctx context.Context, o ImageListOptions) ([]Image, error) {
	settings := options{}.texts("names", o.Names).labels("labels", o.Labels).text("reference", o.Reference).seconds("timeout_s", o.Timeout)
	var list struct {
		Images []Image `json:"images"`
	}
	err := c.read(ctx, request{function: C.REFIT_GO_img_list, options: settings}, &list)
	return list.Images, err
}

// ImageInfo tells what a local image is. [ErrNotFound] when it is not local.
func (c *Client) ImageInfo(ctx context.Context, image string) (*ImageInfo, error) {
	return call[ImageInfo](ctx, c, request{function: C.REFIT_GO_img_info, name: &image})
}

// ImageHistory tells how a local image was built, newest step first.
func (c *Client) ImageHistory(ctx context.Context, image string) ([]ImageLayer, error) {
	var list struct {
		Layers []ImageLayer `json:"layers"`
	}
	err := c.read(ctx, request{function: C.REFIT_GO_img_history, name: &image}, &list)
	return list.Layers, err
}

// ImageStatus tells whether an image is there, and how its pull stands where there is one.
func (c *Client) ImageStatus(ctx context.Context, image string) (*ImageStatus, error) {
	return call[ImageStatus](ctx, c, request{function: C.REFIT_GO_img_status, name: &image})
}

// ImageMissing tells which of the images are local. Nothing is pulled.
func (c *Client) ImageMissing(ctx context.Context, images []string) (*ImageMissing, error) {
	names := jsonOf(list(images))
	return call[ImageMissing](ctx, c, request{function: C.REFIT_GO_img_missing, name: &names})
}

// Containers are those that were created from this reference, or whose image is the one that it names now.
func (c *Client) Containers(ctx context.Context, image string) ([]Container, error) {
	var list struct {
		Containers []Container `json:"containers"`
	}
	err := c.read(ctx, request{function: C.REFIT_GO_img_containers, name: &image}, &list)
	return list.Containers, err
}

// jsonOf writes texts, which is always possible.
func jsonOf(texts []string) string {
	text, _ := json.Marshal(texts)
	return string(text)
}
