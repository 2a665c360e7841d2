//! `GET /openapi.json`: every route as OpenAPI 3.1, made from the routes themselves.
//!
//! Refusals are the same for every call: an `application/problem+json` with the statuses that its parts allow (a path or
//! a query that can be wrong, a role, a body), and `default` for the rest.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::role::Role;
use super::route::{Answer, Method, Parameter, Route, Shape};
use super::{ROUTES, SHAPES};

/// The description.
pub(super) const DESCRIPTION: &[Route] = &[Route::get("/openapi.json", "This description", || get(openapi))
    .role(Role::Open)
    .answers(&[Answer::json("any")])];

/// Those of every answer.
pub(super) const COMMON: &[Shape] = &[
    ("AsOf", "watermark:string watermark_ms:integer? epoch:string"),
    ("Column", "name:string type:string nullable:boolean"),
    ("Problem", "type:string title:string status:integer detail:string known:[string]* request_id:string*"),
];

async fn openapi() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document(&routes().copied().collect::<Vec<_>>()).to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str())
}

/// Every route of the server.
pub(super) fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().copied().flatten()
}

fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        // `{*rest}` is axum's way to say that slashes are part of the value.
        let path = route.path.replace("{*", "{");
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[route.method.name().to_lowercase()] = operation(route);
    }
    let shapes = SHAPES.iter().copied().flatten();
    let schemas: Map<String, Value> = shapes.map(|&(name, members)| (name.to_owned(), object(members))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Highwater",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The views, streams, sources and metrics of a running dataflow.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": { "Problem": {
                "description": "A refusal (RFC 9457): what is wrong and what would do",
                "content": { "application/problem+json": { "schema": reference("Problem") } },
            } },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "query": { "type": "apiKey", "in": "query", "name": "access_token" },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let of_path = in_path.map(|name| {
        json!({ "name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let parameters: Vec<Value> = of_path.chain(route.parameters.iter().map(parameter)).collect();
    let mut responses = Map::new();
    for Answer { status, media, shape } in route.answers {
        let response = responses.entry(status.to_string()).or_insert_with(|| json!({ "description": route.summary }));
        if !media.is_empty() {
            response["content"][*media] = json!({ "schema": schema(shape) });
        }
    }
    for status in refusals(route) {
        responses.insert(status.to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let id = std::iter::once(route.method.name()).chain(words).map(str::to_lowercase).collect::<Vec<_>>().join("_");
    let mut operation = json!({ "operationId": id, "summary": route.summary, "responses": responses });
    if !parameters.is_empty() {
        operation["parameters"] = Value::from(parameters);
    }
    if !route.body.is_empty() {
        let content: Map<String, Value> = route.body.iter().map(|media| ((*media).to_owned(), json!({}))).collect();
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if route.role != Role::Open {
        operation["x-role"] = Value::from(route.role.name());
        let (bearer, query) = (json!({ "bearer": [] }), json!({ "query": [] }));
        // Without tokens in its settings the server asks for none.
        let by_query = route.method == Method::Get;
        operation["security"] = if by_query { json!([{}, bearer, query]) } else { json!([{}, bearer]) };
    }
    operation
}

fn parameter(parameter: &Parameter) -> Value {
    let free = parameter.name.is_empty();
    // One that ends with a point has the column's name behind it.
    let column = if free || parameter.name.ends_with('.') { "COLUMN" } else { "" };
    let mut value = json!({
        "name": format!("{}{column}", parameter.name),
        "in": if parameter.header { "header" } else { "query" },
        "description": parameter.meaning,
        "schema": schema(parameter.kind),
    });
    if free {
        // Any column of the view is a parameter.
        value["schema"] = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        value["style"] = Value::from("form");
        value["explode"] = Value::from(true);
    }
    value
}

fn refusals(route: &Route) -> Vec<&'static str> {
    let mut statuses = vec!["default"];
    if route.path.contains('{') {
        statuses.push("404");
    }
    if !route.parameters.is_empty() || !route.body.is_empty() {
        statuses.push("400");
    }
    if route.role != Role::Open {
        statuses.extend(["401", "403", "429"]);
    }
    if !route.body.is_empty() {
        statuses.extend(["408", "413", "415"]);
    }
    statuses
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The schema of an object from its members, as routes write them.
fn object(members: &str) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    let mut open = false;
    for member in members.split_whitespace() {
        let Some((name, kind)) = member.split_once(':') else {
            open = member == "...";
            continue;
        };
        match kind.strip_suffix('*') {
            Some(kind) => properties.insert(name.to_owned(), schema(kind)),
            None => {
                required.push(name);
                properties.insert(name.to_owned(), schema(kind))
            }
        };
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": open })
}

fn schema(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        return match schema(kind) {
            Value::Object(mut simple) if simple.get("type").is_some_and(Value::is_string) => {
                simple["type"] = json!([simple["type"], "null"]);
                Value::from(simple)
            }
            other => json!({ "anyOf": [other, { "type": "null" }] }),
        };
    }
    if let Some(kind) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({ "type": "array", "items": schema(kind) });
    }
    match kind {
        "any" => json!({}),
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => reference(name),
        simple => json!({ "type": simple }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_has_every_route_once() {
        let routes: Vec<Route> = routes().copied().collect();
        let document = document(&routes);
        let mut seen = BTreeSet::new();
        for route in &routes {
            assert!(seen.insert((route.path, route.method.name())), "{} twice", route.path);
            let operation = &document["paths"][route.path][route.method.name().to_lowercase()];
            assert_eq!(operation["summary"], route.summary, "{}", route.path);
            assert!(!route.answers.is_empty(), "{} answers nothing", route.path);
        }
    }

    #[test]
    fn every_shape_that_is_named_is_there() {
        let document = document(&routes().copied().collect::<Vec<_>>()).to_string();
        for part in document.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(SHAPES.iter().copied().flatten().any(|(shape, _)| *shape == name), "no shape {name}");
        }
    }

    #[test]
    fn shapes_are_read() {
        let found = object("a:string? b:[AsOf]* ...");
        let expected = json!({
            "type": "object",
            "properties": {
                "a": { "type": ["string", "null"] },
                "b": { "type": "array", "items": { "$ref": "#/components/schemas/AsOf" } },
            },
            "required": ["a"],
            "additionalProperties": true,
        });
        assert_eq!(found, expected);
    }
}
