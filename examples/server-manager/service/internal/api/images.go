package api

import (
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/access"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

// managed refuses a name that is not one of the managed images, byte for byte: no request can make the engine pull anything else.
func (a *API) managed(r *request, field, image string) error {
	if image == "" {
		return invalid(field, "%s is missing: it is the name of a managed image.", field)
	}
	if !a.config.Manages(image) {
		return &manager.Failure{Code: "IMAGE_NOT_MANAGED", Field: field, Message: "This is none of the managed images; the service's configuration lists them."}
	}
	r.target = image
	return nil
}

func (a *API) imageStatus(r *request) error {
	viewer, err := a.viewer(r.user)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "These are the images.", a.manager.Status(r.Request.Context(), viewer))
	return nil
}

func (a *API) checkUpdates(r *request) error {
	images := a.config.Images
	if image, given := r.GetQuery("image_name"); given {
		if err := a.managed(r, "image_name", image); err != nil {
			return err
		}
		images = []string{image}
	}
	updates, details, err := a.manager.CheckUpdates(r.Request.Context(), images)
	if err != nil {
		return err
	}
	r.JSON(http.StatusOK, gin.H{"message": "The registries were asked.", "data": updates, "details": details})
	return nil
}

// imageQuery is the image of a request that changes nothing.
func (a *API) imageQuery(r *request) (string, error) {
	image := r.Query("image_name")
	return image, a.managed(r, "image_name", image)
}

func (a *API) affected(r *request) error {
	image, err := a.imageQuery(r)
	if err != nil {
		return err
	}
	viewer, err := a.viewer(r.user)
	if err != nil {
		return err
	}
	affected, err := a.manager.Affected(r.Request.Context(), image)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "These servers were created from the image.", gin.H{"image_name": image, "servers": servers(affected, viewer)})
	return nil
}

// servers are those of the affected containers that are servers which the viewer may see.
func servers(affected []manager.AffectedServer, viewer operation.Viewer) []manager.AffectedServer {
	return slices.DeleteFunc(slices.Clone(affected), func(one manager.AffectedServer) bool {
		return one.ID == nil || !viewer.Administrator && !viewer.Owns[*one.ID]
	})
}

func (a *API) plan(r *request) error {
	image, err := a.imageQuery(r)
	if err != nil {
		return err
	}
	plan, err := a.manager.Plan(r.Request.Context(), image)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "This is what an update would do.", plan)
	return nil
}

// historyWords are the values of the filters in openapi.yaml.
var historyWords = map[string][]string{
	"kind":   {"pull", "update", "recreate", "rollback", "remove_old", "backup", "restore", "service_update"},
	"result": {"done", "unchanged", "rolled_back", "rollback_failed", "failed", "cancelled"},
}

func (a *API) history(r *request) (err error) {
	filter := manager.HistoryFilter{Kind: r.Query("kind"), Result: r.Query("result"), Actor: r.Query("actor")}
	for name, words := range historyWords {
		if value, given := r.GetQuery(name); given && !slices.Contains(words, value) {
			return invalid(name, "%s is one of %v.", name, words)
		}
	}
	if len(filter.Actor) > 64 {
		return invalid("actor", "actor has at most 64 characters.")
	}
	if image, given := r.GetQuery("image_name"); given {
		if err := a.managed(r, "image_name", image); err != nil {
			return err
		}
		filter.Image = image
	}
	if since, given := r.GetQuery("since"); given {
		if filter.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return invalid("since", "since is a time such as 2026-01-31T12:00:00Z.")
		}
	}
	if filter.Limit, err = number(r.Context, "limit", 100, 1, 1000); err != nil {
		return err
	}
	id, err := number(r.Context, "server_id", 0, 1, maxID)
	if err != nil {
		return err
	}
	if id != 0 {
		server, err := a.own(r, uint(id))
		if err != nil {
			return err
		}
		filter.ServerID = server.ID
	}
	viewer, err := a.viewer(r.user)
	if err != nil {
		return err
	}
	entries, err := a.manager.History(r.Request.Context(), filter, viewer)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "This is what was done.", gin.H{"entries": entries})
	return nil
}

func (a *API) operations(r *request) error {
	active, err := flag(r.Context, "active")
	if err != nil {
		return err
	}
	viewer, err := a.viewer(r.user)
	if err != nil {
		return err
	}
	visible := []operation.Operation{}
	for _, o := range a.manager.Operations.List() {
		if active && o.Ended() {
			continue
		}
		if seen, err := o.For(viewer); err == nil {
			visible = append(visible, seen)
		}
	}
	answer(r.Context, http.StatusOK, "These are the operations.", gin.H{"operations": visible})
	return nil
}

var operationID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// visible finds the operation of the path, if the user may see it.
func (a *API) visible(r *request) (whole, seen operation.Operation, err error) {
	viewer, err := a.viewer(r.user)
	if err != nil {
		return whole, seen, err
	}
	id := r.Param("id")
	found := operationID.MatchString(id)
	if found {
		whole, found = a.manager.Operations.Get(id)
	}
	if found {
		seen, err = whole.For(viewer)
	}
	if !found || err != nil {
		return whole, seen, manager.Fail("NOT_FOUND", "There is no such operation, or it ended long ago.")
	}
	return whole, seen, nil
}

func (a *API) operation(r *request) error {
	_, seen, err := a.visible(r)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "This is the operation.", gin.H{"operation": seen, "joined": false})
	return nil
}

func (a *API) cancel(r *request) error {
	whole, seen, err := a.visible(r)
	if err != nil {
		return err
	}
	r.target = whole.ID
	if !r.user.Administrator && (whole.Actor == nil || *whole.Actor != r.user.Username) {
		return manager.Fail("FORBIDDEN", "Only an administrator, or whoever has begun it, can cancel it.")
	}
	if !a.manager.Operations.Cancel(whole.ID) {
		return manager.Fail("CONFLICT", "The operation has ended already.")
	}
	answer(r.Context, http.StatusAccepted, "It is being cancelled.", gin.H{"operation": seen, "joined": false})
	return nil
}

func (a *API) ticket(r *request) error {
	text, expires, made := a.tickets.Make(r.token)
	if !made {
		failure := manager.Fail(tooMany, "There are too many tickets that were not used: wait until they have expired.")
		failure.RetryAfter = access.TicketLife
		return failure
	}
	answer(r.Context, http.StatusCreated, "The ticket opens one stream.", gin.H{"ticket": text, "expires_at": expires})
	return nil
}
