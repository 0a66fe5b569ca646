//! Lists of tables in a variable: a JSON text such as `[{"path": "/old", "kind": "call"}]`.

use std::collections::HashMap;

use config::{Map, Value, ValueKind};

use super::{ConfigError, PREFIX};

/// Takes the variables that hold a list of tables out of the others, each with the name of its
/// setting (`ingest.aliases`). Everything else stays the text it is.
///
/// # Errors
/// When a text begins as such a list and is none. The message does not repeat it: it may hold
/// secrets.
pub(super) fn take(
    variables: &mut HashMap<String, String>,
) -> Result<Vec<(String, Value)>, ConfigError> {
    let begins = |text: &str| {
        text.trim_start().strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{'))
    };
    let names: Vec<String> =
        variables.iter().filter(|(_, text)| begins(text)).map(|(name, _)| name.clone()).collect();
    let mut taken = Vec::with_capacity(names.len());
    for name in names {
        let Some(setting) = setting(&name) else { continue };
        let text = variables.remove(&name).unwrap_or_default();
        let list: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|error| {
            ConfigError::Wrong(format!(
                "wrong setting: {name} is no JSON list of tables: line {}, column {}",
                error.line(),
                error.column()
            ))
        })?;
        taken.push((setting, value(serde_json::Value::Array(list))));
    }
    Ok(taken)
}

/// `CALLSCRIBE_INGEST__ALIASES` sets `ingest.aliases`.
fn setting(variable: &str) -> Option<String> {
    let name = variable.to_lowercase();
    let name = name.strip_prefix(&PREFIX.to_lowercase())?.strip_prefix('_')?;
    Some(name.replace("__", "."))
}

fn value(json: serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => ValueKind::Nil,
        serde_json::Value::Bool(switch) => ValueKind::Boolean(switch),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => ValueKind::I64(whole),
            None => ValueKind::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => ValueKind::String(text),
        serde_json::Value::Array(list) => ValueKind::Array(list.into_iter().map(value).collect()),
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, field)| (name, value(field)));
            ValueKind::Table(fields.collect::<Map<_, _>>())
        }
    };
    Value::new(None, kind)
}
