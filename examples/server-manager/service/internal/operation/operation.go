// Package operation is the long work of the service: what it does now, how it ended, and who is waiting for news of it.
//
// An operation is one document, and every change of it gets the next number. A client that has seen everything up to a number asks for what has a
// higher one: nothing is lost, and a slow client costs no memory, because there is no queue for it.
package operation

import (
	"errors"
	"slices"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

// The kinds of operations.
const (
	Pull     = "pull"
	Update   = "update"
	Rollback = "rollback"
	Recreate = "recreate"
	Recover  = "recover"
)

// The states of an operation.
const (
	Waiting        = "waiting"
	Running        = "running"
	Done           = "done"
	Failed         = "failed"
	RolledBack     = "rolled_back"
	RollbackFailed = "rollback_failed"
	Cancelled      = "cancelled"
	Interrupted    = "interrupted"
)

// Operation is the document of openapi.yaml.
type Operation struct {
	ID              string             `json:"id"`
	Kind            string             `json:"kind"`
	ImageName       *string            `json:"image_name"`
	ServerID        *uint              `json:"server_id"`
	BatchID         *string            `json:"batch_id"`
	Actor           *string            `json:"actor"`
	State           string             `json:"state"`
	Phase           *string            `json:"phase"`
	Permille        int                `json:"permille"`
	Current         int64              `json:"current"`
	Total           *int64             `json:"total"`
	BytesPerSecond  *int64             `json:"bytes_per_second"`
	ETASeconds      *int64             `json:"eta_seconds"`
	Layers          []Layer            `json:"layers"`
	Servers         []Server           `json:"servers"`
	Backups         []Backup           `json:"backups"`
	StartedAt       time.Time          `json:"started_at"`
	FinishedAt      *time.Time         `json:"finished_at"`
	Tag             *string            `json:"tag"`
	Changed         *bool              `json:"changed"`
	From            *refit.HistorySide `json:"from"`
	To              *refit.HistorySide `json:"to"`
	BytesDownloaded *int64             `json:"bytes_downloaded"`
	Warnings        []refit.Warning    `json:"warnings"`
	Error           *Error             `json:"error"`
}

// Layer is a layer of the pull.
type Layer struct {
	ID       string `json:"id"`
	Size     int64  `json:"size"`
	Progress int64  `json:"progress"`
	Status   string `json:"status"`
}

// Server is a container that the operation is about.
type Server struct {
	ID          *uint   `json:"id"`
	Identifier  string  `json:"identifier"`
	SessionName string  `json:"session_name"`
	Container   string  `json:"container"`
	State       string  `json:"state"`
	Phase       *string `json:"phase"`
	Permille    int     `json:"permille"`
	DowntimeMS  *int64  `json:"downtime_ms"`
	LogsTail    *string `json:"logs_tail"`
	// DataRestored is whether a rollback has restored the volumes from the backups; nil where there was nothing to restore.
	DataRestored *bool  `json:"data_restored"`
	Error        *Error `json:"error"`
}

// Backup is a saved volume.
type Backup struct {
	Volume string `json:"volume"`
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
}

// Error is why something failed.
type Error struct {
	Code       string   `json:"code"`
	Message    string   `json:"message"`
	Missing    []string `json:"missing"`
	RetryAfter *float64 `json:"retry_after"`
}

// Ended reports whether nothing more will come.
func (o *Operation) Ended() bool { return o.State != Waiting && o.State != Running }

// ServerOf finds a container's part of the operation, or adds it.
func (o *Operation) ServerOf(container string) *Server {
	for i := range o.Servers {
		if o.Servers[i].Container == container {
			return &o.Servers[i]
		}
	}
	o.Servers = append(o.Servers, Server{Identifier: container, Container: container, State: Waiting})
	return &o.Servers[len(o.Servers)-1]
}

// LayerOf finds a layer of the pull, or adds it.
func (o *Operation) LayerOf(id string) *Layer {
	for i := range o.Layers {
		if o.Layers[i].ID == id {
			return &o.Layers[i]
		}
	}
	o.Layers = append(o.Layers, Layer{ID: id, Status: refit.LayerPending})
	return &o.Layers[len(o.Layers)-1]
}

// copy shares nothing that a later change writes to.
func (o *Operation) copy() Operation {
	c := *o
	c.Layers, c.Servers, c.Backups, c.Warnings = slices.Clone(o.Layers), slices.Clone(o.Servers), slices.Clone(o.Backups), slices.Clone(o.Warnings)
	return c
}

// Viewer is who looks at operations.
type Viewer struct {
	Username      string
	Administrator bool
	Owns          map[uint]bool // the numbers of their servers
}

// ErrNotVisible is that the viewer may not know of the operation.
var ErrNotVisible = errors.New("not visible")

// For is what the viewer may see of the operation. Work on an image is everybody's business, who has asked for it and what becomes of other
// people's servers is not.
func (o Operation) For(viewer Viewer) (Operation, error) {
	if viewer.Administrator {
		return o, nil
	}
	o.Servers = slices.DeleteFunc(slices.Clone(o.Servers), func(server Server) bool { return server.ID == nil || !viewer.Owns[*server.ID] })
	mine := o.Actor != nil && *o.Actor == viewer.Username
	if (o.Kind == Recreate || o.Kind == Recover) && len(o.Servers) == 0 && !mine {
		return o, ErrNotVisible
	}
	if !mine {
		o.Actor = nil
		// Paths, and the names of other people's containers.
		o.Backups, o.Warnings = []Backup{}, []refit.Warning{}
		if o.Error != nil {
			o.Error = &Error{Code: o.Error.Code, Message: "It did not succeed; an administrator can see why.", Missing: []string{}}
		}
	}
	return o, nil
}
