package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// CheckOptions of [Client.CheckUpdate] and [Client.CheckUpdates].
type CheckOptions struct {
	// Via says who is asked: "auto", "registry" or "engine". Default: the client's CheckVia.
	Via string
	// Platform is os/arch[/variant]. Default: the local image's.
	Platform string
	// NewerTag is not in this version: [ErrUnsupported] when set.
	NewerTag NewerTag
	Timeout  time.Duration
	// OnProgress is called by [Client.CheckUpdates] only.
	OnProgress func(Progress) error
}

// NewerTag is which newer versions count.
type NewerTag struct {
	// Level is "patch", "minor" or "major"; "" does not look.
	Level string
	// Prerelease counts 2.0.0-rc1 too.
	Prerelease bool
}

func (o CheckOptions) json() options {
	newer := options{}.text("level", o.NewerTag.Level).flag("prerelease", o.NewerTag.Prerelease)
	return options{}.text("check_via", o.Via).text("platform", o.Platform).nested("newer_tag", newer).seconds("timeout_s", o.Timeout)
}

// Check is the verdict about one image.
type Check struct {
	Image string `json:"image"` // as asked
	// State is the verdict, or what prevented it: CheckUpToDate and the others.
	State CheckState `json:"state"`
	// Reason is the sub-kind: dns, refused, tls, timeout, reset, proxy, or why an answer is bad.
	Reason *string `json:"reason"`
	// HasUpdate is nil where that is not known.
	HasUpdate    *bool        `json:"has_update"`
	Platform     *string      `json:"platform"`
	Local        *CheckLocal  `json:"local"`
	Remote       *CheckRemote `json:"remote"`
	Via          *string      `json:"via"`       // registry or engine; nil when nothing was asked
	Certainty    *string      `json:"certainty"` // exact or index_only; nil when nothing was asked
	Requests     int          `json:"requests"`  // HTTP requests to registries and token servers
	ElapsedMS    int64        `json:"elapsed_ms"`
	CheckedAt    time.Time    `json:"checked_at"`
	RetryAt      *time.Time   `json:"retry_at"`
	Limit        *int64       `json:"limit"`
	Remaining    *int64       `json:"remaining"`
	Credential   *string      `json:"credential"` // used, none or rejected
	MaybeMissing *bool        `json:"maybe_missing"`
	MaybeLocal   *bool        `json:"maybe_local"`
	TagMoved     *bool        `json:"tag_moved"`
	NewerTag     *string      `json:"newer_tag"`
	// OutdatedContainers were created from this reference and run another image than it names now.
	OutdatedContainers []string `json:"outdated_containers"`
	Notes              []Note   `json:"notes"`
	Error              *Error   `json:"error"`
}

// CheckLocal is the local image.
type CheckLocal struct {
	ID      string     `json:"id"`
	Digests []string   `json:"digests"`
	Created *time.Time `json:"created"`
	Version *string    `json:"version"`
}

// CheckRemote is the image that the registry has.
type CheckRemote struct {
	Digest        string     `json:"digest"`
	Created       *time.Time `json:"created"`
	Version       *string    `json:"version"`
	DownloadBytes *int64     `json:"download_bytes"`
}

// Note is something to know beside a verdict.
type Note struct {
	Code    string `json:"code"` // older, credential_rejected, helper_failed, …
	Message string `json:"message"`
}

// CheckUpdate asks whether the registry has another image than the local one. Nothing is pulled. An error is never "no update": a check
// without a verdict is returned with its state beside the error.
func (c *Client) CheckUpdate(ctx context.Context, image string, o CheckOptions) (*Check, error) {
	return call[Check](ctx, c, request{function: C.REFIT_GO_img_check_update, name: &image, options: o.json()})
}

// CheckUpdates checks many images, nil for every tagged local one. One that could not be checked has its error in it, and spoils no other.
func (c *Client) CheckUpdates(ctx context.Context, images []string, o CheckOptions) ([]Check, error) {
	q := request{function: C.REFIT_GO_img_check_updates, options: o.json(), onProgress: o.OnProgress}
	if images != nil {
		names := jsonOf(images)
		q.name = &names
	}
	var list struct {
		Images    []Check `json:"images"`
		Requests  int     `json:"requests"`
		ElapsedMS int64   `json:"elapsed_ms"`
	}
	err := c.read(ctx, q, &list)
	return list.Images, err
}
