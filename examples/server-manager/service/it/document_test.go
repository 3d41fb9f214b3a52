package it

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// document is openapi.yaml, against which every answer of every test is checked.
type document struct {
	paths    map[string]any
	patterns map[string]*regexp.Regexp
	compiler *jsonschema.Compiler

	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema
	answered map[string]bool
}

func readDocument(file string) (*document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(tree); err != nil {
		return nil, err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	d := &document{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, answered: map[string]bool{}, patterns: map[string]*regexp.Regexp{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("http://openapi/", parsed); err != nil {
		return nil, err
	}
	d.paths, _ = parsed.(map[string]any)["paths"].(map[string]any)
	parameter := regexp.MustCompile(`\\\{[a-z]+\\\}`)
	for path := range d.paths {
		d.patterns[path] = regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
	}
	return d, nil
}

// template is the path of the document that a request's path is of; one without parameters comes first. "": none.
func (d *document) template(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if _, exact := d.paths[path]; exact {
		return path
	}
	for template, pattern := range d.patterns {
		if pattern.MatchString(path) {
			return template
		}
	}
	return ""
}

// check says what is wrong with an answer; what openapi.yaml does not know is wrong.
func (d *document) check(method, path string, status int, kind string, body []byte) error {
	template := d.template(path)
	methods, _ := d.paths[template].(map[string]any)
	operation, _ := methods[strings.ToLower(method)].(map[string]any)
	if operation == nil {
		// A path or method that is not there has an answer of the same form.
		if status != 404 && status != 405 {
			return fmt.Errorf("openapi.yaml has no %s %s", method, path)
		}
		return d.validate("#/components/schemas/Error", body)
	}
	responses := operation["responses"].(map[string]any)
	response, found := responses[fmt.Sprint(status)].(map[string]any)
	if !found {
		return fmt.Errorf("%s %s answered %d, which openapi.yaml does not have: %s", method, template, status, body)
	}
	d.mu.Lock()
	// The second set of paths is the same code.
	d.answered[fmt.Sprintf("%s %s %d", method, strings.Replace(template, "/api/images/", "/api/servers/images/", 1), status)] = true
	d.mu.Unlock()
	at := fmt.Sprintf("#/paths/%s/%s/responses/%d", strings.ReplaceAll(strings.ReplaceAll(template, "~", "~0"), "/", "~1"), strings.ToLower(method), status)
	if reference, is := response["$ref"].(string); is {
		at = reference
		response = map[string]any{"content": map[string]any{"application/json": nil}}
	}
	content := response["content"].(map[string]any)
	media, _, _ := strings.Cut(kind, ";")
	if _, found := content[media]; !found {
		return fmt.Errorf("%s %s answered %d as %q", method, template, status, kind)
	}
	if media != "application/json" {
		return nil
	}
	return d.validate(at+"/content/application~1json/schema", body)
}

func (d *document) validate(at string, body []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	schema := d.schemas[at]
	if schema == nil {
		var err error
		if schema, err = d.compiler.Compile("http://openapi/" + at); err != nil {
			return err
		}
		d.schemas[at] = schema
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("no JSON: %w: %s", err, body)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%w\n%s", err, body)
	}
	return nil
}

// rare are the answers that need a fault in the middle of a request, or a hundred streams.
var rare = regexp.MustCompile(` (502|503)$|^GET /api/servers/\{id\}/(logs|stats)/stream 429|^(GET|POST) /api/servers/images/events(/ticket)? 429|config(/\{file\})? (409|413|415)$|^DELETE .* 409|/plan 409|/stop 409|/logs(/stream)? 409`)

// unanswered are the answers of openapi.yaml that no test has had, but for the rare ones, and the second set of paths.
func (d *document) unanswered() []string {
	var missing []string
	for path, methods := range d.paths {
		if strings.HasPrefix(path, "/api/images/") {
			continue
		}
		for method, operation := range methods.(map[string]any) {
			described, is := operation.(map[string]any)
			if !is || described["responses"] == nil {
				continue
			}
			for status := range described["responses"].(map[string]any) {
				name := fmt.Sprintf("%s %s %s", strings.ToUpper(method), path, status)
				if !d.answered[name] && !rare.MatchString(name) {
					missing = append(missing, name)
				}
			}
		}
	}
	sort.Strings(missing)
	return missing
}
