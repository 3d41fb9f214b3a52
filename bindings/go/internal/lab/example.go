package lab

import (
	"encoding/json"
	"log"
	"os/exec"
	"strings"
)

// Example is a local image of the registry for an example, which has no testing.TB, and what removes it.
func Example(what string) (image string, clean func()) {
	name := "refit-lab-go-example-" + what + "-" + random()
	words := func(words ...string) []byte {
		said, err := exec.Command(binary(), words...).Output()
		if err != nil {
			log.Fatalf("lab %s: %v", strings.Join(words, " "), err)
		}
		return said
	}
	var p Published
	if err := json.Unmarshal(words("publish", "--repo", name, "--tag", "1"), &p); err != nil {
		log.Fatal(err)
	}
	if err := request("POST", "/images/create?fromImage="+strings.TrimSuffix(p.Reference, ":1")+"&tag=1", nil, nil); err != nil {
		log.Fatal(err)
	}
	return p.Reference, func() { words("clean", name) }
}
