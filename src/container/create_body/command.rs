//! Entrypoint and command: one decision, because the engine drops the image's command when the request names an entrypoint.
//!
//! Rules: docs/recreate.md, section 3.2.

use serde_json::{Map, Value, json};

use super::value::is_empty;

/// Takes out of `config` what the image gives, so that the next image's entrypoint and command apply where the user set none.
pub(super) fn subtract(config: &mut Map<String, Value>, image: &Value) {
    let (entrypoint, command) = decide(
        config.get("Entrypoint").unwrap_or(&Value::Null),
        config.get("Cmd").unwrap_or(&Value::Null),
        &without_reset(&image["Entrypoint"]),
        &image["Cmd"],
    );
    for (key, value) in [("Entrypoint", entrypoint), ("Cmd", command)] {
        if !value.is_null() || config.contains_key(key) {
            config.insert(key.into(), value);
        }
    }
}

/// The engine takes `[""]` for "no entrypoint" and shows it as null.
fn without_reset(entrypoint: &Value) -> Value {
    if *entrypoint == json!([""]) { Value::Null } else { entrypoint.clone() }
}

fn decide(entrypoint: &Value, command: &Value, image_entrypoint: &Value, image_command: &Value) -> (Value, Value) {
    let same_command = command == image_command || is_empty(command) && is_empty(image_command);
    let user_command = || if same_command { Value::Null } else { command.clone() };
    if is_empty(entrypoint) && is_empty(image_entrypoint) {
        return (Value::Null, user_command());
    }
    if entrypoint == image_entrypoint {
        // The same entrypoint given again cancels the image's command.
        let cancelled = is_empty(command) && !is_empty(image_command);
        return if cancelled { (entrypoint.clone(), Value::Null) } else { (Value::Null, user_command()) };
    }
    match entrypoint {
        Value::Null => (json!([""]), command.clone()),
        // `[]` keeps the image's entrypoint out and lets its command in.
        Value::Array(words) if words.is_empty() => (entrypoint.clone(), user_command()),
        _ => (entrypoint.clone(), command.clone()),
    }
}

/// What the engine makes of a request's pair and an image's.
pub(super) fn merge(config: &mut Map<String, Value>, image: &Value) {
    let entrypoint = config.get("Entrypoint").cloned().unwrap_or_default();
    if is_empty(&entrypoint) {
        if is_empty(config.get("Cmd").unwrap_or(&Value::Null)) {
            config.insert("Cmd".into(), image["Cmd"].clone());
        }
        if entrypoint.is_null() {
            config.insert("Entrypoint".into(), image["Entrypoint"].clone());
        }
    }
    if config.get("Entrypoint") == Some(&json!([""])) {
        config.insert("Entrypoint".into(), Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value)]
    fn sent(entrypoint: Value, command: Value, image_entrypoint: Value, image_command: Value) -> (Value, Value) {
        decide(&entrypoint, &command, &image_entrypoint, &image_command)
    }

    #[test]
    fn entrypoint_and_command_are_decided_together() {
        let (image_e, image_c) = (json!(["/bin/sh", "-c"]), json!(["loop"]));
        for (case, entrypoint, command, expected) in [
            ("defaults", image_e.clone(), image_c.clone(), (Value::Null, Value::Null)),
            ("R07 a command", image_e.clone(), json!(["mine"]), (Value::Null, json!(["mine"]))),
            ("R09 the same entrypoint cancels the command", image_e.clone(), Value::Null, (image_e.clone(), Value::Null)),
            ("R08 an entrypoint", json!(["/bin/busybox"]), Value::Null, (json!(["/bin/busybox"]), Value::Null)),
            ("an entrypoint and the image's command", json!(["x"]), image_c.clone(), (json!(["x"]), image_c.clone())),
            ("R10 an empty entrypoint", Value::Null, json!(["mine"]), (json!([""]), json!(["mine"]))),
            ("R10 an empty entrypoint and the image's command", Value::Null, image_c.clone(), (json!([""]), image_c.clone())),
            ("R11 an empty list", json!([]), image_c.clone(), (json!([]), Value::Null)),
            ("R11 an empty list and a command", json!([]), json!(["mine"]), (json!([]), json!(["mine"]))),
        ] {
            assert_eq!(sent(entrypoint, command, image_e.clone(), image_c.clone()), expected, "{case}");
        }
    }

    #[test]
    fn an_image_without_an_entrypoint_keeps_the_command_rule() {
        let none = (Value::Null, Value::Null);
        assert_eq!(sent(Value::Null, json!(["loop"]), Value::Null, json!(["loop"])), none);
        assert_eq!(sent(json!([]), json!(["loop"]), Value::Null, json!(["loop"])), none);
        assert_eq!(sent(Value::Null, json!(["mine"]), Value::Null, json!(["loop"])), (Value::Null, json!(["mine"])));
        assert_eq!(sent(json!(["e"]), Value::Null, Value::Null, json!(["loop"])), (json!(["e"]), Value::Null));
    }

    #[test]
    fn an_image_that_resets_its_entrypoint_has_none() {
        let mut config = Map::from_iter([("Entrypoint".into(), Value::Null), ("Cmd".into(), json!(["loop"]))]);
        subtract(&mut config, &json!({"Entrypoint": [""], "Cmd": ["loop"]}));
        assert_eq!(Value::Object(config), json!({"Entrypoint": null, "Cmd": null}));
    }
}
