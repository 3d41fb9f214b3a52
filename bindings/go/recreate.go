package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// RecreateOptions of [Client.Recreate]. What a zero value refuses comes back as an error that names the option.
type RecreateOptions struct {
	// StopTimeout is the grace before the old container is killed, rounded up to whole seconds; negative: none. Default: the container's own.
	StopTimeout time.Duration
	// Settle is how long the new container has to keep running before the old one is removed, up to 10 min; negative: it
	// is enough that it was started. Default: 3 s.
	Settle time.Duration
	// HealthTimeout is how long a container with a healthcheck may be starting; negative: its health does not count. Default: until the engine
	// says unhealthy at the latest (start period, and as many intervals and timeouts as retries), at least 60 s.
	HealthTimeout time.Duration
	// RecreateDependents recreates those too that hold the container by its id (its network, pid or ipc namespace, its volumes) or
	// link to it: all or none.
	RecreateDependents bool
	// AllowPaused recreates a paused container, which loses its frozen memory; the new one is paused again.
	AllowPaused bool
	// AllowAutoRemove recreates a --rm container, which is lost when the engine restarts in the middle.
	AllowAutoRemove bool
	// AllowPinned recreates a container that was created from an image id, from the same image.
	AllowPinned bool
	// AllowLossy recreates where the engine does not show everything that a container was created with (Podman).
	AllowLossy bool
	// AcceptChanges are fields in which the new container may differ from the old one, named as in the error of a recreation
	// ("HostConfig.Memory").
	AcceptChanges []string
	// AllowOwnConnection recreates the container through which this client reaches its engine (a socket proxy, an agent, a tunnel). Its stop
	// cuts the connection: [Client.Recover] has to be called through another one.
	AllowOwnConnection bool
	// CountLayerChanges counts the files outside of volumes, which are lost; the engine gets 2 s for it. Default: true.
	CountLayerChanges *bool
	// Provider is the container, by name or id, in the place of a provider that is gone: where the container's network, pid or ipc namespace
	// is that of one which no longer exists, it is attached to this one, which has to run. Default: the one that its labels of Compose name.
	Provider string
	// RecoverFirst repairs what an interrupted run has left, as [Client.Recover] does.
	RecoverFirst bool
	// BackupVolumes is a folder of this machine, for a backup of every volume of the container, in a file <volume>-<UTC time>.tar.zst each: made
	// while the container is stopped, before the new one starts. One that fails rolls all back. Default: no backup.
	BackupVolumes string
	// RestoreOnRollback restores the volumes from these backups, before the old container starts again, when the new one fails. It needs BackupVolumes,
	// and HelperImage and StateDir of the client; another running container that mounts such a volume is [ErrConflict].
	RestoreOnRollback bool
	// Hooks run in the container.
	Hooks Hooks
	// Actor is who asks for it, for the history.
	Actor   string
	Timeout time.Duration
	// OnProgress is called for every step.
	OnProgress func(Progress) error
}

// Hooks are commands, each as its arguments, that run one after another; an exit code other than 0 is a failure. They have no time limit
// but the call's, and do not run in dependents.
type Hooks struct {
	Before [][]string // in the old container before it is stopped, when it runs, not paused; a failure ends all with nothing changed
	After  [][]string // in the new container once it is settled, when it runs; a failure rolls back
	// Timeout of each; one that takes longer has failed, and goes on in the container. 1 s to 24 h. Default: 10 min.
	Timeout time.Duration
}

// Recreation is what became of one container.
type Recreation struct {
	Container string `json:"container"`
	// Result is recreated; rolled_back: the old one was stopped, and runs again as before; rollback_failed; refused: nothing was begun;
	// failed: the old one was never stopped, or did not run, and is as before; or not_attempted, of a dependent or a container of an
	// update: its turn never came.
	Result     RecreationResult `json:"result"`
	OldID      string           `json:"old_id"`
	NewID      *string          `json:"new_id"`
	Image      string           `json:"image"`
	OldImageID *string          `json:"old_image_id"`
	NewImageID *string          `json:"new_image_id"`
	State      *ContainerState  `json:"state"`
	// DowntimeMS is from the old one's State.FinishedAt to the new one's State.StartedAt; nil where it did not run, and with --rm.
	DowntimeMS           *int64       `json:"downtime_ms"`
	Changes              []Change     `json:"changes"`
	Warnings             []Warning    `json:"warnings"`
	Dependents           []Recreation `json:"dependents"`             // those that held it by its id, recreated with it
	Backups              []Backup     `json:"backups"`                // the volumes that were backed up before
	WritableLayerChanges *int64       `json:"writable_layer_changes"` // files outside of volumes, which are lost
	OldLeft              bool         `json:"old_left"`               // the old container could not be removed and is beside the new one: [Client.Recover]
	LogsTail             *string      `json:"logs_tail"`              // the last lines of the log of a new container that failed
	Error                *Error       `json:"error"`
	ElapsedMS            int64        `json:"elapsed_ms"`
}

// Change is a field of the container's inspect that differs, and why.
type Change struct {
	Field   string `json:"field"`
	Before  any    `json:"before"`
	After   any    `json:"after"`
	Because string `json:"because"`
}

// Warning is something to know.
type Warning struct {
	Code      string  `json:"code"`
	Container *string `json:"container"`
	Message   string  `json:"message"`
}

// RecoverOptions of [Client.Recover].
type RecoverOptions struct {
	DryRun bool // report what would be done
	Force  bool // also where a run was at work a moment ago; not where one of this process is
	// Settle, HealthTimeout and StopTimeout are as in [RecreateOptions], for what nothing tells of the interrupted run.
	Settle        time.Duration
	HealthTimeout time.Duration
	StopTimeout   time.Duration
	Volume        string // only the interrupted restore of this volume, and no container
	Actor         string // who asks for it, for the history
	Timeout       time.Duration
	// OnProgress is called for every step.
	OnProgress func(Progress) error
}

// Recovery is what interrupted recreations had left.
type Recovery struct {
	Found []Recovered `json:"found"`
}

// Recovered is one interrupted recreation.
type Recovered struct {
	Container string  `json:"container"` // empty when it is about a volume
	Volume    *string `json:"volume"`    // that of a restore that was interrupted
	Situation string  `json:"situation"`
	// Action is finished, undone, removed_old, busy (a run is at work on it, or was a moment ago), foreign (other containers are in the way; with an
	// Error, a restore that is not finished because something was written to the volume since, or its backup is gone),
	// or, in a dry run and beside an Error, what is still to be done: would_finish, would_undo.
	Action RecoveryAction `json:"action"`
	Error  *Error         `json:"error"`
}

// Recreate replaces a container by a new one made from the image that its reference names now, with its whole configuration, networks and
// volumes; running again if it ran. Nothing is pulled. A failure is rolled back: [ErrRolledBack], with the report.
func (c *Client) Recreate(ctx context.Context, container string, o RecreateOptions) (*Recreation, error) {
	q := request{function: C.REFIT_GO_container_recreate, name: &container, options: o.json(), onProgress: o.OnProgress}
	return call[Recreation](ctx, c, q)
}

// Recover finishes or rolls back an interrupted recreation, of one container (its name, or 12 digits of its id at least) or, for "",
// of all. Where it fails, the error is that of the first that could not be repaired, and comes with what was found.
func (c *Client) Recover(ctx context.Context, container string, o RecoverOptions) (*Recovery, error) {
	settings := options{}.flag("dry_run", o.DryRun).flag("force", o.Force).seconds("settle_s", o.Settle).
		seconds("health_timeout_s", o.HealthTimeout).seconds("stop_timeout_s", o.StopTimeout).
		text("volume", o.Volume).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	q := request{function: C.REFIT_GO_container_recover, options: settings, onProgress: o.OnProgress}
	if container != "" {
		q.name = &container
	}
	return call[Recovery](ctx, c, q)
}

func (o RecreateOptions) json() options {
	hooks := options{}.commands("before", o.Hooks.Before).commands("after", o.Hooks.After).seconds("timeout_s", o.Hooks.Timeout)
	return options{}.seconds("stop_timeout_s", o.StopTimeout).seconds("settle_s", o.Settle).seconds("health_timeout_s", o.HealthTimeout).
		flag("recreate_dependents", o.RecreateDependents).flag("allow_paused", o.AllowPaused).flag("allow_auto_remove", o.AllowAutoRemove).
		flag("allow_pinned", o.AllowPinned).flag("allow_lossy", o.AllowLossy).flag("allow_own_connection", o.AllowOwnConnection).
		flagOr("count_layer_changes", o.CountLayerChanges).flag("recover_first", o.RecoverFirst).text("backup_volumes", o.BackupVolumes).flag("restore_on_rollback", o.RestoreOnRollback).nested("hooks", hooks).texts("accept_changes", o.AcceptChanges).text("provider", o.Provider).text("actor", o.Actor).
		seconds("timeout_s", o.Timeout)
}
