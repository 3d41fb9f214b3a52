package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// UpdateOptions of [Client.PlanUpdate] and [Client.Update].
type UpdateOptions struct {
	// Containers by name. Default: all that were created from the image's reference and are outdated.
	Containers []string
	// Force recreates those too that are current.
	Force bool
	// ExpectDigest is the plan's, when it was confirmed: [ErrConflict] when the registry has another one by then, and nothing is done.
	ExpectDigest string
	// Platform is os/arch[/variant]. Default: the local image's.
	Platform string
	// OnFailure is "stop" (the default: nothing new is begun after a failure) or "continue".
	OnFailure string
	// MaxConcurrency is how many containers are replaced side by side after the first. Default: the client's.
	MaxConcurrency int
	// RemoveOld removes the old image afterwards, as [Client.RemoveOld] does.
	RemoveOld bool

	// The rest is as in RecreateOptions, for each container.

	StopTimeout        time.Duration
	Settle             time.Duration
	HealthTimeout      time.Duration
	RecreateDependents bool
	AllowPaused        bool
	AllowAutoRemove    bool
	AllowPinned        bool
	AllowLossy         bool
	RecoverFirst       bool
	Hooks              Hooks

	// Actor is who asks for it, for the history.
	Actor   string
	Timeout time.Duration
	// OnProgress is told how the pull and every container stands; Step of Steps is the container. [Client.PlanUpdate] does not call it.
	OnProgress func(Progress) error
}

// Plan is what an update would do.
type Plan struct {
	Image         string             `json:"image"`
	Check         Check              `json:"check"`
	Pull          bool               `json:"pull"`
	ExpectDigest  *string            `json:"expect_digest"`
	DownloadBytes *int64             `json:"download_bytes"`
	Containers    []PlannedContainer `json:"containers"`
	ImageChanges  []ImageChange      `json:"image_changes"`
	KeepAs        *string            `json:"keep_as"` // the tag that will hold the old image
	Warnings      []Warning          `json:"warnings"`
}

// PlannedContainer is what an update would do to one container.
type PlannedContainer struct {
	Container           string   `json:"container"`
	ID                  string   `json:"id"`
	State               string   `json:"state"`
	Outdated            bool     `json:"outdated"`
	Match               string   `json:"match"`  // reference or same_image
	Action              string   `json:"action"` // recreate_and_start, recreate, up_to_date, other_reference, refused
	Reason              *string  `json:"reason"`
	Order               int      `json:"order"` // 0 first; equal numbers may run side by side
	Dependents          []string `json:"dependents"`
	EstimatedDowntimeMS *int64   `json:"estimated_downtime_ms"`
}

// ImageChange is a field of the image's configuration that differs.
type ImageChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// UpdateReport is what an update has done and undone.
type UpdateReport struct {
	Image      string           `json:"image"`
	Check      *Check           `json:"check"`
	Pull       *PullResult      `json:"pull"`
	Tag        string           `json:"tag"` // moved, restored, unchanged
	Containers []Recreation     `json:"containers"`
	Backups    []Backup         `json:"backups"` // always empty in this version
	RemovedOld *RemoveOldResult `json:"removed_old"`
	ElapsedMS  int64            `json:"elapsed_ms"`
	Error      *Error           `json:"error"`
}

// Backup is a volume's archive.
type Backup struct {
	Volume string `json:"volume"`
	File   string `json:"file"`
}

// RemoveOldOptions of [Client.RemoveOld].
type RemoveOldOptions struct {
	// KeepLatest keeps the image that the reference names. Default (nil): true.
	KeepLatest *bool
	DryRun     bool   // tell what would be done
	Actor      string // who asks for it, for the history
	Timeout    time.Duration
}

// RemoveOldResult is what was removed, and what stays.
type RemoveOldResult struct {
	Image      string         `json:"image"`
	Removed    []RemovedImage `json:"removed"`
	Kept       []KeptImage    `json:"kept"`
	BytesFreed int64          `json:"bytes_freed"`
}

// RemovedImage is an image that was removed.
type RemovedImage struct {
	ID    string   `json:"id"`
	Tags  []string `json:"tags"`
	Bytes int64    `json:"bytes"`
}

// KeptImage is an image that stays.
type KeptImage struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// PlanUpdate tells what [Client.Update] would do. Nothing is changed and nothing is pulled; whatever the update would refuse is in it.
func (c *Client) PlanUpdate(ctx context.Context, image string, o UpdateOptions) (*Plan, error) {
	return call[Plan](ctx, c, request{function: C.REFIT_GO_img_plan_update, name: &image, options: o.json()})
}

// Update checks, pulls, then recreates every container that was created from this reference and is outdated; those that ran run again.
// When a container fails it is put back: [ErrRolledBack]. When none has moved, the tag is put back too. The report comes with every error.
func (c *Client) Update(ctx context.Context, image string, o UpdateOptions) (*UpdateReport, error) {
	return call[UpdateReport](ctx, c, request{function: C.REFIT_GO_img_update, name: &image, options: o.json(), onProgress: o.OnProgress})
}

// RemoveOld removes the untagged images of a repository that no container and no other tag uses; never by force.
func (c *Client) RemoveOld(ctx context.Context, image string, o RemoveOldOptions) (*RemoveOldResult, error) {
	settings := options{}.flagOr("keep_latest", o.KeepLatest).flag("dry_run", o.DryRun).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	return call[RemoveOldResult](ctx, c, request{function: C.REFIT_GO_img_remove_old, name: &image, options: settings})
}

func (o UpdateOptions) json() options {
	each := RecreateOptions{
		StopTimeout: o.StopTimeout, Settle: o.Settle, HealthTimeout: o.HealthTimeout, RecreateDependents: o.RecreateDependents,
		AllowPaused: o.AllowPaused, AllowAutoRemove: o.AllowAutoRemove, AllowPinned: o.AllowPinned, AllowLossy: o.AllowLossy,
		RecoverFirst: o.RecoverFirst, Hooks: o.Hooks, Actor: o.Actor, Timeout: o.Timeout,
	}
	return each.json().texts("containers", o.Containers).flag("force", o.Force).text("expect_digest", o.ExpectDigest).
		text("platform", o.Platform).text("on_failure", o.OnFailure).number("max_concurrency", o.MaxConcurrency).flag("remove_old", o.RemoveOld)
}
