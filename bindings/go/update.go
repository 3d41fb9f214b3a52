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
	// Containers by name. Nil: all that were created from the image's reference and are outdated; empty: none.
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
	AcceptChanges      []string
	AllowOwnConnection bool
	Provider           string
	RecoverFirst       bool
	BackupVolumes      string
	RestoreOnRollback  bool
	Hooks              Hooks

	// Actor is who asks for it, for the history.
	Actor   string
	Timeout time.Duration
	// OnProgress is called with the progress of the pull and of every container; Step of Steps is the container. [Client.PlanUpdate] does not call it.
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
	Services      []string           `json:"services"` // of the swarm, with this reference: an update leaves them as they are
	ImageChanges  []ImageChange      `json:"image_changes"`
	KeepAs        *string            `json:"keep_as"` // the tag that will hold the old image
	Warnings      []Warning          `json:"warnings"`
}

// PlannedContainer is what an update would do to one container.
type PlannedContainer struct {
	Container  string         `json:"container"`
	ID         string         `json:"id"`
	State      ContainerState `json:"state"`
	Outdated   bool           `json:"outdated"`
	Match      ContainerMatch `json:"match"`
	Action     PlannedAction  `json:"action"`
	Reason     *string        `json:"reason"`
	Order      int            `json:"order"` // 0 first; equal numbers may run side by side
	Dependents []string       `json:"dependents"`
	// Volumes would be backed up before, where BackupVolumes asks for it.
	Volumes []PlannedVolume `json:"volumes"`
	// EstimatedDowntimeMS is, with backups, their time at 100 MB/s and a second, without what the container takes to stop.
	EstimatedDowntimeMS *int64 `json:"estimated_downtime_ms"`
}

// PlannedVolume is a volume that an update would back up.
type PlannedVolume struct {
	Volume string `json:"volume"`
	Size   *int64 `json:"size"` // nil where the engine did not say
}

// ImageChange is a field of the image's configuration that differs.
type ImageChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// UpdateReport is what an update has done and rolled back.
type UpdateReport struct {
	Image      string           `json:"image"`
	Check      *Check           `json:"check"`
	Pull       *PullResult      `json:"pull"`
	Tag        TagResult        `json:"tag"` // moved, restored, unchanged; empty where the engine did not say
	Containers []Recreation     `json:"containers"`
	Backups    []Backup         `json:"backups"` // of all containers
	RemovedOld *RemoveOldResult `json:"removed_old"`
	Warnings   []Warning        `json:"warnings"` // what did not succeed beside the update, which is done: remove_old_failed
	ElapsedMS  int64            `json:"elapsed_ms"`
	Error      *Error           `json:"error"`
}

// RollbackOptions of [Client.Rollback].
type RollbackOptions struct {
	// To is the id of the image to go to. Default: the one that the tag named before the last update or pull.
	To string
	// RecreateOptions are for each container. Actor, Timeout and OnProgress are those of the whole call.
	RecreateOptions
}

// RollbackReport is that of an update, without Check and Pull, and the image that was gone to.
type RollbackReport struct {
	UpdateReport
	To *HistorySide `json:"to"`
}

// Backup is a volume that was backed up, and the file, as [Client.VolumeRestore] takes it.
type Backup struct {
	Volume string `json:"volume"`
	File   string `json:"file"`
}

// RemoveOldOptions of [Client.RemoveOld].
type RemoveOldOptions struct {
	// KeepLatest keeps the image that the reference names. Default (nil): true.
	KeepLatest *bool
	DryRun     bool   // report what would be done
	Actor      string // who asks for it, for the history
	Timeout    time.Duration
}

// RemoveOldResult is what was removed, and what stays.
type RemoveOldResult struct {
	Image      string         `json:"image"`
	Removed    []RemovedImage `json:"removed"`
	Kept       []KeptImage    `json:"kept"`
	BytesFreed int64          `json:"bytes_freed"`
	Warnings   []Warning      `json:"warnings"`
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

// PlanUpdate reports what [Client.Update] would do. Nothing is changed and nothing is pulled; whatever the update would refuse is in it.
func (c *Client) PlanUpdate(ctx context.Context, image string, o UpdateOptions) (*Plan, error) {
	return call[Plan](ctx, c, request{function: C.REFIT_GO_img_plan_update, name: &image, options: o.json()})
}

// Update checks, pulls, then recreates every container that was created from this reference and is outdated; those that ran run again.
// A container that fails is rolled back: [ErrRolledBack]. When none was replaced, the tag names the old image again. The report comes with every error.
func (c *Client) Update(ctx context.Context, image string, o UpdateOptions) (*UpdateReport, error) {
	return call[UpdateReport](ctx, c, request{function: C.REFIT_GO_img_update, name: &image, options: o.json(), onProgress: o.OnProgress})
}

// UpdateAll updates each image, one after another; nil: every image with a tag whose check says that there is an update. An image that
// could not be updated has its error in its own report, and spoils no other. Containers and ExpectDigest belong to one image:
// [ErrInvalidArgument]. The reports that there are come with every error.
func (c *Client) UpdateAll(ctx context.Context, images []string, o UpdateOptions) ([]UpdateReport, error) {
	q := request{function: C.REFIT_GO_img_update_all, options: o.json(), onProgress: o.OnProgress}
	if images != nil {
		names := jsonOf(images)
		q.name = &names
	}
	var list struct {
		Images    []UpdateReport `json:"images"`
		ElapsedMS int64          `json:"elapsed_ms"`
	}
	err := c.read(ctx, q, &list)
	return list.Images, err
}

// Rollback lets the tag name the image again that it named before the last update, and recreates every container of it; volumes stay as
// they are, and no registry is asked. A second one goes forward again. [ErrNotFound]: there is no image before. [ErrConflict]: several may
// be meant. [ErrImageMissing]: it is not local any more. The report comes with every error.
func (c *Client) Rollback(ctx context.Context, image string, o RollbackOptions) (*RollbackReport, error) {
	settings := o.RecreateOptions.json().text("to", o.To)
	return call[RollbackReport](ctx, c, request{function: C.REFIT_GO_img_rollback, name: &image, options: settings, onProgress: o.OnProgress})
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
		AcceptChanges:      o.AcceptChanges,
		AllowOwnConnection: o.AllowOwnConnection,
		Provider:           o.Provider,
		RecoverFirst:       o.RecoverFirst, BackupVolumes: o.BackupVolumes, RestoreOnRollback: o.RestoreOnRollback, Hooks: o.Hooks, Actor: o.Actor, Timeout: o.Timeout,
	}
	return each.json().texts("containers", o.Containers).flag("force", o.Force).text("expect_digest", o.ExpectDigest).
		text("platform", o.Platform).text("on_failure", o.OnFailure).number("max_concurrency", o.MaxConcurrency).flag("remove_old", o.RemoveOld)
}
