package api

import (
	"net/http"
	"regexp"

	"github.com/gin-gonic/gin"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

func (a *API) pull(r *request) error {
	var asked struct {
		Image string `json:"image_name"`
	}
	if err := body(r.Context, maxBody, &asked); err != nil {
		return err
	}
	if err := a.managed(r, "image_name", asked.Image); err != nil {
		return err
	}
	o, joined, err := a.manager.Pull(asked.Image, r.user.Username)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusAccepted, "The image is being downloaded.", gin.H{"image_name": asked.Image, "status": "pulling", "joined": joined, "operation": o})
	return nil
}

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// backupRequest is a part of every request that replaces containers.
type backupRequest struct {
	Backup  bool `json:"backup"`
	Restore bool `json:"restore_on_rollback"`
}

func (b backupRequest) backup() (manager.Backup, error) {
	if b.Restore && !b.Backup {
		return manager.Backup{}, invalid("restore_on_rollback", "restore_on_rollback needs backup: a rollback restores the volumes from these backups.")
	}
	return manager.Backup{Volumes: b.Backup, Restore: b.Restore}, nil
}

func (a *API) update(r *request) error {
	var asked struct {
		Image        string  `json:"image_name"`
		ImageOnly    bool    `json:"update_image_only"`
		ExpectDigest *string `json:"expect_digest"`
		backupRequest
	}
	if err := body(r.Context, maxBody, &asked); err != nil {
		return err
	}
	if err := a.managed(r, "image_name", asked.Image); err != nil {
		return err
	}
	backup, err := asked.backup()
	if err != nil {
		return err
	}
	request := manager.UpdateRequest{Image: asked.Image, ImageOnly: asked.ImageOnly, Backup: backup}
	if asked.ExpectDigest != nil {
		if request.ExpectDigest = *asked.ExpectDigest; !digest.MatchString(request.ExpectDigest) {
			return invalid("expect_digest", "expect_digest is the plan's: sha256: and 64 hexadecimal digits.")
		}
	}
	affected, err := a.ready(r, asked.Image)
	if err != nil {
		return err
	}
	parts := manager.Parts(affected)
	if asked.ImageOnly {
		parts = nil
	}
	o, joined, err := a.manager.Update(request, r.user.Username, parts)
	return a.began(r, asked.Image, "updating", "The image is being updated.", affected, o, joined, err)
}

// ready are the containers of an image that is local. One that is not cannot be updated: it is to be downloaded.
func (a *API) ready(r *request, image string) ([]manager.AffectedServer, error) {
	missing, err := a.manager.Missing(r.Request.Context(), []string{image})
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		failure := manager.Fail("IMAGE_MISSING", "%s is not on this machine yet: download it first.", image)
		failure.Missing = missing
		return nil, failure
	}
	return a.manager.Affected(r.Request.Context(), image)
}

func (a *API) began(r *request, image, status, message string, affected []manager.AffectedServer, o operation.Operation, joined bool, err error) error {
	if err != nil {
		return err
	}
	viewer := viewerOf(r.user, nil)
	answer(r.Context, http.StatusAccepted, message, gin.H{"image_name": image, "affected_servers": servers(affected, viewer), "status": status, "joined": joined, "operation": o})
	return nil
}

func (a *API) rollback(r *request) error {
	var asked struct {
		Image string  `json:"image_name"`
		To    *string `json:"to"`
		backupRequest
	}
	if err := body(r.Context, maxBody, &asked); err != nil {
		return err
	}
	if err := a.managed(r, "image_name", asked.Image); err != nil {
		return err
	}
	backup, err := asked.backup()
	if err != nil {
		return err
	}
	to := ""
	if asked.To != nil {
		if to = *asked.To; !digest.MatchString(to) {
			return invalid("to", "to is the id of an image: sha256: and 64 hexadecimal digits.")
		}
	}
	affected, err := a.ready(r, asked.Image)
	if err != nil {
		return err
	}
	o, joined, err := a.manager.Rollback(asked.Image, to, backup, r.user.Username, manager.Parts(affected))
	return a.began(r, asked.Image, "rolling_back", "The servers go back to the image before.", affected, o, joined, err)
}

// maxBatch is how many images one request may name.
const maxBatch = 100

func (a *API) updateAll(r *request) error {
	var asked struct {
		Images    *[]string `json:"image_names"`
		ImageOnly bool      `json:"update_image_only"`
		backupRequest
	}
	if err := body(r.Context, maxBody, &asked); err != nil {
		return err
	}
	backup, err := asked.backup()
	if err != nil {
		return err
	}
	images := a.config.Images
	missing, err := a.manager.Missing(r.Request.Context(), images)
	if asked.Images != nil {
		images = *asked.Images
		if len(images) == 0 || len(images) > maxBatch {
			return invalid("image_names", "image_names has 1 to %d names; without it all images are updated that are on this machine.", maxBatch)
		}
		for _, image := range images {
			if err := a.managed(r, "image_names", image); err != nil {
				return err
			}
		}
		r.target = ""
	}
	if err != nil {
		return err
	}
	isMissing := map[string]bool{}
	for _, image := range missing {
		isMissing[image] = true
	}
	var requests []manager.UpdateRequest
	affected := map[string][]operation.Server{}
	for _, image := range images {
		if _, twice := affected[image]; twice {
			continue
		}
		if isMissing[image] {
			if asked.Images == nil {
				continue
			}
			failure := manager.Fail("IMAGE_MISSING", "%s is not on this machine yet: download it first.", image)
			failure.Missing = []string{image}
			return failure
		}
		containers, err := a.manager.Affected(r.Request.Context(), image)
		if err != nil {
			return err
		}
		affected[image] = manager.Parts(containers)
		if asked.ImageOnly {
			affected[image] = nil
		}
		requests = append(requests, manager.UpdateRequest{Image: image, ImageOnly: asked.ImageOnly, Backup: backup})
	}
	if len(requests) == 0 {
		failure := manager.Fail("IMAGE_MISSING", "None of the images is on this machine yet: download them first.")
		failure.Missing = missing
		return failure
	}
	batch := operation.NewID()
	operations := a.manager.UpdateAll(requests, batch, r.user.Username, affected)
	if len(operations) == 0 {
		return manager.Fail("BUSY", "Something is in progress on each of these images: wait until it has ended.")
	}
	answer(r.Context, http.StatusAccepted, "The images are being updated, one after another.", gin.H{"batch_id": batch, "status": "updating", "operations": operations})
	return nil
}
