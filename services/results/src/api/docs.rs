//! The description as a page: one file, without scripts, that asks nobody for anything.

use std::fmt::Write;

use serde_json::{Map, Value};

const STYLE: &str = include_str!("docs.css");

/// The page of an OpenAPI document.
pub fn page(document: &Value) -> String {
    let info = &document["info"];
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{0} API</title><style>{STYLE}</style></head><body><h1>{0} API {1}</h1>",
        escaped(text(&info["title"])),
        escaped(text(&info["version"])),
    );
    for paragraph in text(&info["description"]).split("\n\n") {
        put(&mut page, format_args!("<p>{}</p>", prose(paragraph)));
    }
    page.push_str("<p>For programs: <a href=\"openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>");
    let groups = groups(document);
    page.push_str("<nav aria-label=\"Groups\">");
    for group in groups.iter().map(|(group, _)| *group).chain(["schemas"]) {
        put(&mut page, format_args!("<a href=\"#{0}\">{0}</a>", escaped(group)));
    }
    page.push_str("</nav>");
    for (group, operations) in &groups {
        put(&mut page, format_args!("<h2 id=\"{0}\">{0}</h2>", escaped(group)));
        for operation in operations {
            write_operation(&mut page, operation);
        }
    }
    page.push_str("<h2 id=\"schemas\">schemas</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        write_schema(&mut page, name, schema);
    }
    page.push_str("</body></html>");
    page
}

struct Operation<'d> {
    method: &'d str,
    path: &'d str,
    about: &'d Value,
}

/// Operations by their tag, both in the order of the document.
fn groups(document: &Value) -> Vec<(&str, Vec<Operation<'_>>)> {
    let mut groups: Vec<(&str, Vec<Operation<'_>>)> = Vec::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, about) in members(methods) {
            let tag = text(&about["tags"][0]);
            let operation = Operation { method, path, about };
            match groups.iter_mut().find(|(group, _)| *group == tag) {
                Some((_, operations)) => operations.push(operation),
                None => groups.push((tag, vec![operation])),
            }
        }
    }
    groups
}

fn write_operation(page: &mut String, operation: &Operation<'_>) {
    let Operation { method, path, about } = operation;
    let scope = about["security"][0]["bearer"][0].as_str().unwrap_or("open");
    put(
        page,
        format_args!(
            "<details id=\"{id}\"><summary><span class=\"method\">{method}</span>\
             <h3><code>{path}</code></h3><span class=\"about\">{summary}</span>\
             <span class=\"scope\">{scope}</span></summary><div>",
            id = escaped(text(&about["operationId"])),
            method = method.to_ascii_uppercase(),
            path = escaped(path),
            summary = prose(text(&about["summary"])),
        ),
    );
    if let Some(description) = about["description"].as_str() {
        put(page, format_args!("<p>{}</p>", prose(description)));
    }
    let parameters = about["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        page.push_str("<h4>Parameters</h4><table><tr><th>name<th>in<th>allowed<th>meaning</tr>");
        for parameter in parameters {
            let must = if parameter["required"] == true { " (required)" } else { "" };
            let cells = [
                format!("<code>{}</code>{must}", escaped(text(&parameter["name"]))),
                escaped(text(&parameter["in"])),
                allowed(&parameter["schema"]),
                prose(text(&parameter["description"])),
            ];
            put(page, format_args!("<tr><td>{}</tr>", cells.join("<td>")));
        }
        page.push_str("</table>");
    }
    let body = &about["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        put(page, format_args!("<h4>Body</h4><p>{}</p>", allowed(body)));
    }
    page.push_str("<h4>Answers</h4><table><tr><th>status<th>holds<th>when</tr>");
    for (status, answer) in members(&about["responses"]) {
        let content: Vec<String> = members(&answer["content"])
            .map(|(media, holds)| format!("{} {}", escaped(media), allowed(&holds["schema"])))
            .collect();
        let when = prose(text(&answer["description"]));
        put(page, format_args!("<tr><td>{status}<td>{}<td>{when}</tr>", content.join("<br>")));
    }
    page.push_str("</table></div></details>");
}

fn write_schema(page: &mut String, name: &str, schema: &Value) {
    put(
        page,
        format_args!(
            "<details id=\"schema-{0}\"><summary><h3><code>{0}</code></h3>\
             <span class=\"about\">{1}</span></summary><div>",
            escaped(name),
            prose(text(&schema["description"])),
        ),
    );
    let fields: Vec<_> = members(&schema["properties"]).collect();
    if fields.is_empty() {
        put(page, format_args!("<p>{}</p>", allowed(schema)));
    } else {
        page.push_str("<table><tr><th>field<th>is<th>meaning</tr>");
        for (name, field) in fields {
            let cells = [
                format!("<code>{}</code>", escaped(name)),
                allowed(field),
                prose(text(&field["description"])),
            ];
            put(page, format_args!("<tr><td>{}</tr>", cells.join("<td>")));
        }
        page.push_str("</table>");
    }
    page.push_str("</div></details>");
}

/// What a schema allows, in few words, as HTML.
fn allowed(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(options) = schema[choice].as_array().filter(|_| schema["type"].is_null()) {
            return options.iter().map(allowed).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(constant) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&plain(constant)));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().map(|word| format!("<code>{}</code>", escaped(&plain(word))));
        return words.collect::<Vec<_>>().join(" ");
    }
    let mut kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(plain).collect::<Vec<_>>().join(" or "),
        kind => plain(kind),
    };
    if let Some(items) = schema.get("items") {
        return format!("{} of {}", escaped(&kinds), allowed(items));
    }
    for key in ["format", "pattern", "minimum", "maximum", "maxLength"] {
        if let Some(limit) = schema.get(key) {
            let _ = write!(kinds, ", {key} {}", plain(limit));
        }
    }
    escaped(&kinds)
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().map(Map::iter).into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Words with `code` in backquotes, as HTML.
fn prose(words: &str) -> String {
    let mut html = String::new();
    for (place, stretch) in escaped(words).split('`').enumerate() {
        if place > 0 {
            html.push_str(if place % 2 == 1 { "<code>" } else { "</code>" });
        }
        html.push_str(stretch);
    }
    html
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Writing to a String cannot fail.
fn put(page: &mut String, words: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(words);
}
