package it

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ruinous overwrites what it finds in the server's data, and ends with an error.
const ruinous = `["sh","-c","echo overwritten > /data/first; rm -rf /data/Config; echo the level file was converted and is corrupt; exit 3"]`

// withData is a running server of the image, which has written its first file and has a configuration.
func (u *user) withData(image string) (id int, container string) {
	u.t.Helper()
	id = u.server("one", image)
	u.must("PUT", path("/api/servers/%d/config/Game.ini", id), object{"content": "by=hand"}, 200)
	container = u.must("POST", path("/api/servers/%d/start", id), nil, 200)["container"].(string)
	eventually(u.t, "the game has written", func() bool {
		return strings.Contains(u.must("GET", path("/api/servers/%d/logs", id), nil, 200)["text"].(string), "runs")
	})
	return id, container
}

func part(o object) object { return o["servers"].([]any)[0].(object) }

func TestAVersionThatRuinsTheDataIsRolledBackWithTheDataAsItWas(t *testing.T) {
	t.Parallel()
	name := scope(t, "ruin")
	image, helper := publish(t, name, "1.0", game), publish(t, name+"-helper", "1.0", game)
	s := start(t, name, []string{image, helper}, object{"required": []string{image}, "helper_image": helper})
	admin := s.admin()
	admin.pulled(image)
	id, container := admin.withData(image)
	publish(t, name, "2.0", ruinous)
	where := path("/api/servers/images/plan?image_name=%s", image)

	// Without the helper image there is a backup, and no restore: what is asked for and cannot be is refused, with nothing changed.
	offer := admin.must("GET", where, nil, 200)["backup"].(object)
	if offer["available"] != true || offer["restores"] != false || offer["why"] != "helper_image_missing" || offer["helper_image"] != helper {
		t.Errorf("%v", offer)
	}
	both := object{"image_name": image, "backup": true, "restore_on_rollback": true}
	if o := admin.finished(admin.must("POST", "/api/servers/images/update", both, 202)); o["state"] != "failed" || o["error"].(object)["code"] != "IMAGE_MISSING" || o["tag"] == "moved" {
		t.Errorf("%v", o)
	}
	admin.pulled(helper)

	plan := admin.must("GET", where, nil, 200)
	offer, planned := plan["backup"].(object), part(plan)
	if offer["available"] != true || offer["restores"] != true || offer["why"] != nil || offer["folder"] != filepath.Join(s.folder, "data", "backups") {
		t.Errorf("%v", offer)
	}
	volumes := planned["volumes"].([]any)
	known := len(volumes) == 2 && volumes[0].(object)["size"] != nil && volumes[1].(object)["size"] != nil
	if len(volumes) != 2 || planned["estimated_downtime_ms"] != nil || (planned["estimated_downtime_with_backup_ms"] != nil) != known {
		t.Errorf("%v", planned)
	}
	o := admin.finished(admin.must("POST", "/api/servers/images/update", both, 202))
	if o["state"] != "rolled_back" || o["tag"] != "restored" || part(o)["state"] != "rolled_back" || part(o)["data_restored"] != true || !strings.Contains(part(o)["logs_tail"].(string), "is corrupt") {
		t.Fatalf("%v", o)
	}
	if first := containerFile(t, container, "/data/first"); first != "1.0" {
		t.Errorf("the file that the new version has overwritten is %q", first)
	}
	if content := admin.must("GET", path("/api/servers/%d/config/Game.ini", id), nil, 200)["content"]; content != "by=hand" {
		t.Errorf("%v", content)
	}
	if server := admin.must("GET", path("/api/servers/%d", id), nil, 200); server["status"] != "running" || server["image"].(object)["version"] != "1.0" {
		t.Errorf("%v", server)
	}

	// The result and the history name the files, to administrators.
	for _, backup := range append(o["backups"].([]any), admin.latest(image)["backups"].([]any)...) {
		file := backup.(object)["file"].(string)
		if info, err := os.Stat(file); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 || !strings.HasSuffix(file, ".tar.zst") {
			t.Errorf("%v: %v", backup, err)
		}
		if backup.(object)["exists"] == false || backup.(object)["bytes"] == 0.0 {
			t.Errorf("%v", backup)
		}
	}
	if taken := admin.latest(image)["backups"].([]any); len(taken) != 2 || len(o["backups"].([]any)) != 2 {
		t.Errorf("%v, %v", taken, o["backups"])
	}

	// Without the restore the backup is there, and the data is what the new version has left.
	o = admin.finished(admin.must("POST", "/api/servers/images/update", object{"image_name": image, "backup": true}, 202))
	if o["state"] != "rolled_back" || part(o)["data_restored"] != nil || len(o["backups"].([]any)) != 2 {
		t.Fatalf("%v", o)
	}
	if first := containerFile(t, container, "/data/first"); first != "overwritten" {
		t.Errorf("%q", first)
	}
	admin.refused("POST", "/api/servers/images/update", object{"image_name": image, "restore_on_rollback": true}, 400, "INVALID_ARGUMENT")
}

// latest is the newest entry of an image's history.
func (u *user) latest(image string) object {
	u.t.Helper()
	return u.must("GET", path("/api/servers/images/history?image_name=%s&limit=1", image), nil, 200)["entries"].([]any)[0].(object)
}

func TestAServiceWithoutAHelperImageOffersBackupsWithoutRestore(t *testing.T) {
	t.Parallel()
	admin, name, image := withLocalImage(t, "nohelper")
	id, _ := admin.withData(image)
	offer := admin.must("GET", "/api/servers/images/status", nil, 200)["backup"].(object)
	if offer["available"] != true || offer["restores"] != false || offer["why"] != "no_helper_image" || offer["helper_image"] != nil {
		t.Errorf("%v", offer)
	}
	recreate := path("/api/servers/%d/recreate", id)
	if o := admin.finished(admin.must("POST", recreate, object{"backup": true, "restore_on_rollback": true}, 202)); o["state"] != "failed" || o["error"].(object)["code"] != "UNSUPPORTED" {
		t.Errorf("%v", o)
	}
	o := admin.finished(admin.must("POST", recreate, object{"backup": true}, 202))
	if o["state"] != "done" || len(o["backups"].([]any)) != 2 {
		t.Errorf("%v", o)
	}
	if o := admin.finished(admin.must("POST", recreate, nil, 202)); o["state"] != "done" || len(o["backups"].([]any)) != 0 {
		t.Errorf("%v", o)
	}
	// How long it was down is what the next plan says.
	publish(t, name, "2.0", game)
	down := part(admin.must("GET", "/api/servers/images/operations", nil, 200)["operations"].([]any)[0].(object))["downtime_ms"]
	plan := admin.must("GET", path("/api/servers/images/plan?image_name=%s", image), nil, 200)
	if estimated := part(plan)["estimated_downtime_ms"]; estimated == nil || estimated != down {
		t.Errorf("%v is estimated after %v", estimated, down)
	}
	// An image before and after, each with a backup.
	batch := admin.must("POST", "/api/servers/images/update-all", object{"image_names": []string{image}, "backup": true}, 202)
	if o := admin.finished(object{"operation": batch["operations"].([]any)[0]}); o["state"] != "done" || len(o["backups"].([]any)) != 2 {
		t.Errorf("%v", o)
	}
	if o := admin.finished(admin.must("POST", "/api/servers/images/rollback", object{"image_name": image, "backup": true}, 202)); o["state"] != "done" || len(o["backups"].([]any)) != 2 {
		t.Errorf("%v", o)
	}
	admin.refused("POST", recreate, object{"restore_on_rollback": true}, 400, "INVALID_ARGUMENT")
	admin.refused("POST", recreate, `{"backup":"`+strings.Repeat("a", 70_000)+`"}`, 413, "TOO_LARGE")
	var refusal object
	admin.askAs("POST", recreate, "text/plain", strings.NewReader("{}"), 415, &refusal)
}

func TestABackupThatFailsReplacesNothing(t *testing.T) {
	t.Parallel()
	admin, name, image := withLocalImage(t, "full")
	id, _ := admin.withData(image)
	admin.must("PUT", path("/api/servers/%d/config/Large.ini", id), object{"content": strings.Repeat("0123456789abcdef", 60_000)}, 200)
	folder := filepath.Join(admin.folder, "data", "backups")
	if said, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4k,mode=700", "tmpfs", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	defer exec.Command("umount", "-l", folder).Run()
	if err := os.WriteFile(filepath.Join(folder, "full"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	publish(t, name, "2.0", game)
	o := admin.finished(admin.must("POST", "/api/servers/images/update", object{"image_name": image, "backup": true}, 202))
	if o["state"] != "failed" || o["error"].(object)["code"] != "BACKUP_FAILED" || part(o)["error"].(object)["code"] != "BACKUP_FAILED" || len(o["backups"].([]any)) != 0 || o["tag"] != "restored" {
		t.Fatalf("%v", o)
	}
	if server := admin.must("GET", path("/api/servers/%d", id), nil, 200); server["status"] != "running" || server["image"].(object)["version"] != "1.0" {
		t.Errorf("%v", server)
	}
}
