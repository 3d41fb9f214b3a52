package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// PullOptions of [Client.Pull].
type PullOptions struct {
	// Platform is os/arch[/variant]. Default: the local image's, else the engine's.
	Platform string
	// RegistryAuth is for this pull alone. Default: the client's Registries, else docker's config.json.
	RegistryAuth RegistryAuth
	// Actor is who asks for it, for the history.
	Actor   string
	Timeout time.Duration
	// OnProgress is called with the progress of the pull.
	OnProgress func(Progress) error
}

// RegistryAuth is a user and password, or an identity token.
type RegistryAuth struct {
	Username, Password, Token string
}

// PullResult is what a pull has changed.
type PullResult struct {
	Image           string       `json:"image"`
	Changed         bool         `json:"changed"`
	Before          *PulledImage `json:"before"`
	After           PulledImage  `json:"after"`
	Digest          *string      `json:"digest"`
	BytesDownloaded int64        `json:"bytes_downloaded"`
	ElapsedMS       int64        `json:"elapsed_ms"`
	Notes           []Note       `json:"notes"`  // credential_rejected
	Shared          bool         `json:"shared"` // it has joined a pull that was in progress
	Warnings        []Warning    `json:"warnings"`
}

// PulledImage is a local image before or after a pull.
type PulledImage struct {
	ID      string   `json:"id"`
	Digests []string `json:"digests"`
}

// Pull pulls an image through the engine. Pulls of one image share one download, which stops when the last caller has left; the engine
// keeps the layers that came.
func (c *Client) Pull(ctx context.Context, image string, o PullOptions) (*PullResult, error) {
	auth := options{}.text("username", o.RegistryAuth.Username).text("password", o.RegistryAuth.Password).text("token", o.RegistryAuth.Token)
	settings := options{}.text("platform", o.Platform).nested("registry_auth", auth).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	return call[PullResult](ctx, c, request{function: C.REFIT_GO_img_pull, name: &image, options: settings, onProgress: o.OnProgress})
}
