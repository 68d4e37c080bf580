//! The management API as `OpenAPI` 3.1, printed from [`ENDPOINTS`].

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::endpoints::{ENDPOINTS, Endpoint};

/// Returns the description of the management API.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let operation = operation(endpoint, &mut generator);
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(endpoint.method.to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Countersign management API", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "schemas": schemas(&mut generator), "securitySchemes": {
            "management_key": { "type": "http", "scheme": "bearer", "description": "A management key (RFC 6750 §2.1)." }
        } }
    })
}

fn schemas(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut schemas = generator.take_definitions(true);
    schemas.insert(
        "Problem".to_owned(),
        json!({
            "type": "object",
            "description": "A problem document (RFC 9457).",
            "properties": {
                "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                "detail": { "type": "string" }, "instance": { "type": "string" }
            },
            "required": ["type", "title", "status"]
        }),
    );
    schemas
}

fn operation(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "summary": endpoint.summary,
        "security": [{ "management_key": [endpoint.scope.name()] }],
        "parameters": parameters(endpoint),
        "responses": responses(endpoint, generator),
    });
    if let (Some(shape), Some(operation)) = (endpoint.request, operation.as_object_mut()) {
        let schema = shape(generator);
        operation.insert("requestBody".to_owned(), json!({ "content": content(&schema) }));
    }
    operation
}

fn responses(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let problem = json!({ "description": "Refused.", "content": {
        "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } }
    } });
    let status = match (endpoint.answer, endpoint.created) {
        (None, _) => "204",
        (Some(_), true) => "201",
        (Some(_), false) => "200",
    };
    let granted = endpoint.answer.map_or_else(
        || json!({ "description": "Done." }),
        |shape| json!({ "description": "Granted.", "content": content(&shape(generator)) }),
    );
    json!({ status: granted, "default": problem })
}

fn content(schema: &Schema) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let in_path = endpoint
        .path
        .contains("{id}")
        .then(|| json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = endpoint.parameters.iter().map(|(name, description)| {
        json!({ "name": name, "in": "query", "description": description, "schema": { "type": "string" } })
    });
    let idempotency = (endpoint.method == "POST" && endpoint.path == "/v1/keys").then(|| {
        json!({ "name": "Idempotency-Key", "in": "header", "schema": { "type": "string" },
                "description": "A repeat answers with the same object, without its secret." })
    });
    in_path.into_iter().chain(in_query).chain(idempotency).collect()
}
