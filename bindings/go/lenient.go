package refit

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// lenient reads a document. What a registry or an engine has made odd in one place, such as a time that Go cannot read, is left out there, and
// fails neither the call nor the rest of a batch.
func lenient(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err == nil {
		return nil
	}
	// Only text that is no JSON is an error now.
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return err
	}
	if target := reflect.ValueOf(into).Elem(); target.IsValid() {
		target.SetZero()
		fit(whole, target)
	}
	return nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// fit fills a value as far as the text goes into it.
func fit(text json.RawMessage, into reflect.Value) {
	if bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
		return
	}
	if reflect.PointerTo(into.Type()).Implements(unmarshaler) {
		fitWhole(text, into)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		target := reflect.New(into.Type().Elem())
		fit(text, target.Elem())
		// A value that could not be read is not known.
		if !target.Elem().IsZero() || json.Unmarshal(text, reflect.New(into.Type().Elem()).Interface()) == nil {
			into.Set(target)
		}
	case reflect.Struct:
		var fields map[string]json.RawMessage
		if json.Unmarshal(text, &fields) == nil {
			fitFields(fields, into)
		}
	case reflect.Slice:
		var items []json.RawMessage
		if json.Unmarshal(text, &items) != nil {
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(items), len(items)))
		for i, item := range items {
			fit(item, into.Index(i))
		}
	default:
		fitWhole(text, into)
	}
}

func fitWhole(text json.RawMessage, into reflect.Value) {
	if json.Unmarshal(text, into.Addr().Interface()) != nil {
		into.SetZero()
	}
}

func fitFields(fields map[string]json.RawMessage, into reflect.Value) {
	for i := range into.NumField() {
		field := into.Type().Field(i)
		name, _, _ := bytes.Cut([]byte(field.Tag.Get("json")), []byte(","))
		if field.Anonymous {
			fitFields(fields, into.Field(i))
		} else if text, there := fields[string(name)]; there && field.IsExported() {
			fit(text, into.Field(i))
		}
	}
}
