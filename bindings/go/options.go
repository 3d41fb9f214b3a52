package refit

import "time"

// options are the keys of an options_json that are not at their default.
type options map[string]any

func (o options) text(key, value string) options {
	if value != "" {
		o[key] = value
	}
	return o
}

// texts leaves the default where the list is nil; an empty one is empty.
func (o options) texts(key string, value []string) options {
	if value != nil {
		o[key] = value
	}
	return o
}

func (o options) commands(key string, value [][]string) options {
	if len(value) > 0 {
		o[key] = value
	}
	return o
}

func (o options) labels(key string, value map[string]string) options {
	if len(value) > 0 {
		o[key] = value
	}
	return o
}

func (o options) flag(key string, value bool) options {
	if value {
		o[key] = true
	}
	return o
}

// flagOr is a flag whose default is true.
func (o options) flagOr(key string, value *bool) options {
	if value != nil {
		o[key] = *value
	}
	return o
}

func (o options) number(key string, value int) options {
	if value != 0 {
		o[key] = value
	}
	return o
}

// seconds leaves the default where the duration is zero; a negative one is no time at all.
func (o options) seconds(key string, value time.Duration) options {
	if value != 0 {
		o[key] = max(value, 0).Seconds()
	}
	return o
}

func (o options) nested(key string, value options) options {
	if len(value) > 0 {
		o[key] = value
	}
	return o
}

// owner are the settings of files that are written.
func (o options) owner(mode, uid, gid *uint32, modified time.Time) options {
	for key, value := range map[string]*uint32{"mode": mode, "uid": uid, "gid": gid} {
		if value != nil {
			o[key] = *value
		}
	}
	if !modified.IsZero() {
		o["modified"] = modified.Format(time.RFC3339)
	}
	return o
}
