package refit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"
)

// strict refuses a field that the Go structs do not have, and one that they lose: written again, the document is the same.
func strict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w in %s", err, text)
	}
	again, err := json.Marshal(into)
	if err != nil {
		return err
	}
	var before, after any
	if err := json.Unmarshal(text, &before); err != nil {
		return err
	}
	if err := json.Unmarshal(again, &after); err != nil {
		return err
	}
	return same("", before, after)
}

// same compares two documents. What is null may be left out; what was left out may be empty.
func same(path string, before, after any) error {
	switch was := before.(type) {
	case map[string]any:
		is, ok := after.(map[string]any)
		if !ok {
			return fmt.Errorf("%s was an object and is %v", path, after)
		}
		for key := range was {
			if err := same(path+"."+key, was[key], is[key]); err != nil {
				return err
			}
		}
		for key := range is {
			if _, there := was[key]; !there && !empty(is[key]) {
				return fmt.Errorf("%s.%s was not there and is %v", path, key, is[key])
			}
		}
		return nil
	case []any:
		is, ok := after.([]any)
		if !ok || len(is) != len(was) {
			return fmt.Errorf("%s was %v and is %v", path, before, after)
		}
		for i := range was {
			if err := same(fmt.Sprintf("%s[%d]", path, i), was[i], is[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if is, ok := after.(string); ok && sameTime(was, is) {
			return nil
		}
	}
	if !reflect.DeepEqual(before, after) {
		return fmt.Errorf("%s was %v and is %v", path, before, after)
	}
	return nil
}

func empty(value any) bool {
	return value == nil || value == "" || value == false || value == 0.0
}

func sameTime(before, after string) bool {
	was, err := time.Parse(time.RFC3339Nano, before)
	is, err2 := time.Parse(time.RFC3339Nano, after)
	return err == nil && err2 == nil && was.Equal(is)
}

func TestTheStrictDecoderNoticesWhatIsMissing(t *testing.T) {
	for text, right := range map[string]bool{
		`{"container":"a","changed":true}`:         true,
		`{"container":"a","changed":true,"new":1}`: false,
	} {
		if err := strict([]byte(text), &ContainerChange{}); (err == nil) != right {
			t.Errorf("%s: %v", text, err)
		}
	}
	found := `{"found":[{"container":"a","situation":"s","action":"busy","error":{"code":17,"name":"BUSY","message":"m","op":"o","missing":[],"causes":[%s]}}]}`
	if err := strict([]byte(fmt.Sprintf(found, `"c"`)), &Recovery{}); err != nil {
		t.Error(err)
	}
	lost := `{"found":[{"container":"a","situation":"s","action":"busy","error":{"code":17,"name":"BUSY","message":"m","op":"o","missing":[],"causes":[],"new":1}}]}`
	if err := strict([]byte(lost), &Recovery{}); err == nil {
		t.Error("a field of an error was lost and nobody noticed")
	}
}
