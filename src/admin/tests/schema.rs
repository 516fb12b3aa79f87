//! Holds a JSON value against a schema of `config/openapi.json`, as far as that document uses JSON Schema. A keyword that is not known here is an
//! error, and so is a property of an answer that the schema does not name.

use serde_json::{Map, Value};

/// Every way in which `value` is not what `schema` says.
pub(super) fn problems(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(document, schema, value, "$", &mut found);
    found
}

fn look(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return look(document, referred(document, name), value, at, found);
    }
    let Some(schema) = schema.as_object() else { return found.push(format!("{at}: the schema is no object")) };
    if !types(&schema["type"]).any(|name| is(value, name)) {
        found.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    for keyword in schema.keys() {
        match keyword.as_str() {
            "type" | "description" | "default" | "required" | "additionalProperties" => {}
            "properties" | "items" | "enum" => {}
            unknown => found.push(format!("{at}: this test does not know the keyword {unknown}")),
        }
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|allowed| !allowed.contains(value)) {
        found.push(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        look(document, schema.get("items").unwrap_or(&Value::Null), item, &format!("{at}[{index}]"), found);
    }
    if let Some(object) = value.as_object() {
        properties(document, schema, object, at, found);
    }
}

fn properties(document: &Value, schema: &Map<String, Value>, object: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    let others = schema.get("additionalProperties").filter(|others| others.is_object());
    for (name, value) in object {
        let at = format!("{at}.{name}");
        match schema.get("properties").and_then(|named| named.get(name)).or(others) {
            Some(schema) => look(document, schema, value, &at, found),
            // What may be anything says so by naming nothing.
            None if !schema.contains_key("properties") => {}
            None => found.push(format!("{at}: the document does not name it")),
        }
    }
}

/// What `#/components/…` leads to.
pub(super) fn referred<'a>(document: &'a Value, name: &str) -> &'a Value {
    document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} leads nowhere"))
}

fn types(named: &Value) -> impl Iterator<Item = &str> {
    named.as_str().into_iter().chain(named.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let document = serde_json::json!({"components": {"a": {"type": "object", "properties": {"n": {"type": ["integer", "null"]}, "e": {"type": "string", "enum": ["x"]}}, "required": ["n"]}}});
    let schema = serde_json::json!({"type": "array", "items": {"$ref": "#/components/a"}});
    let of = |value: Value| problems(&document, &schema, &value);
    assert_eq!(of(serde_json::json!([{"n": 1, "e": "x"}, {"n": null}])), Vec::<String>::new());
    for wrong in [
        serde_json::json!({}),
        serde_json::json!([{}]),
        serde_json::json!([{"n": 1.5}]),
        serde_json::json!([{"n": 1, "e": "y"}]),
        serde_json::json!([{"n": 1, "m": 1}]),
    ] {
        assert_eq!(of(wrong.clone()).len(), 1, "{wrong}");
    }
    assert_eq!(problems(&document, &serde_json::json!({"type": "string", "pattern": "x"}), &serde_json::json!("y")).len(), 1);
}
