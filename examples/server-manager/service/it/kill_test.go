package it

import (
	"testing"
)

func TestAServiceThatIsKilledInAnUpdateSaysSoAndRecoversWhenAsked(t *testing.T) {
	t.Parallel()
	// The new container has to run for a while, so that there is a middle.
	admin, name, image := withLocalImage(t, "kill", object{"settle": "20s"})
	id := admin.server("one", image)
	admin.must("POST", path("/api/servers/%d/start", id), nil, 200)
	container := admin.must("GET", path("/api/servers/%d", id), nil, 200)["container"].(string)
	if found := admin.must("GET", "/api/servers/recover", nil, 200); len(found["found"].([]any)) != 0 || len(found["interrupted"].([]any)) != 0 {
		t.Errorf("%v", found)
	}
	publish(t, name, "2.0", game)
	begun := admin.must("POST", "/api/images/update", object{"image_name": image}, 202)["operation"].(object)
	where := path("/api/images/operations/%s", begun["id"])
	eventually(t, "the new container runs", func() bool {
		return admin.must("GET", where, nil, 200)["operation"].(object)["phase"] == "waiting"
	})
	admin.process.Process.Kill()
	<-admin.ended

	admin.config["settle"] = "300ms"
	admin.run()
	if o := admin.must("GET", where, nil, 200)["operation"].(object); o["state"] != "interrupted" || o["error"].(object)["code"] != "INTERRUPTED" {
		t.Errorf("%v", o)
	}
	var found object
	look := func() object {
		found = admin.must("GET", "/api/servers/recover", nil, 200)
		if list := found["found"].([]any); len(list) == 1 {
			return list[0].(object)
		}
		t.Fatalf("%v", found)
		return nil
	}
	if one := look(); one["identifier"] != "one" || len(found["interrupted"].([]any)) != 1 {
		t.Errorf("%v", found)
	}
	// Asked at once, it may not be repaired yet: the killed run could be that of a service that is still at work.
	if o := admin.finished(admin.must("POST", "/api/servers/recover", nil, 202)); o["state"] != "failed" || o["error"].(object)["code"] != "BUSY" || o["servers"].([]any)[0].(object)["state"] != "busy" {
		t.Errorf("%v", o)
	}
	eventually(t, "the killed run is not at work any more", func() bool { return look()["action"] != "busy" })
	// Nothing happens by itself, and an update does not repair it either.
	if server := admin.must("GET", path("/api/servers/%d", id), nil, 200); server["interrupted"] != true || server["can_start"] != false {
		t.Errorf("%v", server)
	}
	admin.finished(admin.must("POST", "/api/images/update", object{"image_name": image}, 202))
	look()
	recovered := admin.finished(admin.must("POST", "/api/servers/recover", nil, 202))
	if recovered["state"] != "done" || len(recovered["servers"].([]any)) != 1 || recovered["servers"].([]any)[0].(object)["identifier"] != "one" {
		t.Fatalf("%v", recovered)
	}
	if found := admin.must("GET", "/api/servers/recover", nil, 200); len(found["found"].([]any)) != 0 || len(found["interrupted"].([]any)) != 0 {
		t.Errorf("%v", found)
	}
	server := admin.must("GET", path("/api/servers/%d", id), nil, 200)
	if server["status"] != "running" || server["interrupted"] != false {
		t.Errorf("%v", server)
	}
	if first := containerFile(t, container, "/data/first"); first != "1.0" {
		t.Errorf("the data was written by version %q first", first)
	}
	if o := admin.finished(admin.must("POST", "/api/servers/recover", object{"force": true}, 202)); o["state"] != "done" || o["changed"] != false {
		t.Errorf("%v", o)
	}
}
