//! Everything that is served as `OpenAPI` 3.1, printed from the table of endpoints.
//!
//! What is sent and what is answered are described apart: a member that may be left out of a request is always there in an
//! answer, or never.

use std::collections::BTreeMap;

use countersign_edge::endpoint::ListenerName;
use countersign_edge::wire_error::{PROBLEM_MEDIA_TYPE, Problem};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::endpoint::{Body, Callers, Endpoint};
use crate::failure::Failure;
use crate::reply::{HTML, Reply};

/// Answers with the description.
pub(crate) async fn describe(table: &[Endpoint]) -> Result<Reply, Failure> {
    Reply::ok(&document(table))
}

/// Returns the description of what a table serves.
#[must_use]
pub fn document(table: &[Endpoint]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut described = Described {
        sent: settings.clone().for_deserialize().into_generator(),
        answered: settings.for_serialize().into_generator(),
    };
    let mut paths = Map::new();
    for endpoint in table {
        let operation = described.operation(endpoint);
        // OpenAPI has no word for "all that is left".
        let path = paths.entry(endpoint.place.path.replace("{*", "{")).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(endpoint.place.method.to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The management API, and what the other listeners answer by themselves. A head that cannot be \
                read is answered with 400, 408, 417 or 431 before any of this is looked at.",
        },
        "servers": servers(&[ListenerName::Admin]),
        "paths": paths,
        "components": { "schemas": described.schemas(), "securitySchemes": {
            "management_key": { "type": "http", "scheme": "bearer", "description": "A management key (RFC 6750 §2.1)." },
            "client_secret_basic": {
                "type": "http", "scheme": "basic",
                "description": "A client's secret (RFC 6749 §2.3.1); the other methods are parameters of the body."
            }
        } }
    })
}

/// The schemas of what is sent and of what is answered.
struct Described {
    sent: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Described {
    fn operation(&mut self, endpoint: &Endpoint) -> Value {
        let mut operation = json!({
            "operationId": endpoint.id,
            "summary": endpoint.summary,
            "x-clause": endpoint.clause,
            "tags": [endpoint.place.listeners.first().map_or("", |listener| listener.name())],
            "servers": servers(endpoint.place.listeners),
            "security": security(endpoint.callers),
            "parameters": parameters(endpoint),
            "responses": self.responses(endpoint),
        });
        let sent = match endpoint.body {
            Body::Json { shape, .. } => Some((shape, &["application/json"][..])),
            Body::Parameters(shape) => {
                Some((shape, &["application/x-www-form-urlencoded", "application/json"][..]))
            }
            Body::Nothing => None,
        };
        if let (Some((shape, kinds)), Some(members)) = (sent, operation.as_object_mut()) {
            let described = json!({ "schema": shape(&mut self.sent).as_value() });
            let content: Map<String, Value> =
                kinds.iter().map(|kind| ((*kind).to_owned(), described.clone())).collect();
            members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
        }
        operation
    }

    fn responses(&mut self, endpoint: &Endpoint) -> Value {
        let mut responses: BTreeMap<String, Value> =
            refusals(endpoint).into_iter().map(|(status, names)| refusal(endpoint, status, &names)).collect();
        if endpoint.callers == Callers::Client {
            responses.extend(oauth_refusals(endpoint.refusals));
        }
        let granted = match endpoint.answer.content {
            None => json!({ "description": "Done." }),
            Some((kind, shape)) => {
                let content = content(kind, shape(&mut self.answered).as_value());
                json!({ "description": "Granted.", "content": content })
            }
        };
        responses.insert(endpoint.answer.status.as_str().to_owned(), granted);
        json!(responses)
    }

    fn schemas(&mut self) -> Map<String, Value> {
        let mut schemas = self.sent.take_definitions(true);
        schemas.extend(self.answered.take_definitions(true));
        schemas.insert("Problem".to_owned(), problem());
        schemas.insert("OAuthError".to_owned(), oauth_error());
        schemas
    }
}

/// Returns what an endpoint may refuse with: by status, the names of the problems.
fn refusals(endpoint: &Endpoint) -> BTreeMap<String, Vec<&'static str>> {
    let named_wrong = (!endpoint.by_any_name).then_some(Problem::MisdirectedRequest);
    let known = [
        Problem::InvalidRequest,
        Problem::CredentialRequired,
        Problem::InvalidToken,
        Problem::Forbidden,
        Problem::TooManyRequests,
        Problem::Unavailable,
    ];
    let body = [Problem::ContentTooLarge, Problem::RequestTimeout];
    let takes_body = !matches!((endpoint.body, endpoint.callers), (Body::Nothing, Callers::Anybody));
    let of_callers: &[Problem] = match endpoint.callers {
        Callers::Management(_) => &known,
        Callers::Anybody | Callers::Client | Callers::Github => &[],
    };
    let of_body: &[Problem] = if takes_body { &body } else { &[] };
    let named = endpoint.place.segments().next().map(|_| Problem::NotFound);
    let all = [Problem::BadRequest].iter().chain(&named_wrong).chain(of_callers).chain(of_body);
    let all = all.chain(endpoint.refusals).copied();
    let mut by_status: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for problem in all.chain(named) {
        let names = by_status.entry(problem.status().as_str().to_owned()).or_default();
        if !names.contains(&problem.name()) {
            names.push(problem.name());
        }
    }
    by_status
}

/// Describes what is refused with a status: as a problem, and to people by a page. A host is refused before it is known what is
/// asked.
fn refusal(endpoint: &Endpoint, status: String, names: &[&str]) -> (String, Value) {
    let is_page = endpoint.answers_with_page() && names != [Problem::MisdirectedRequest.name()];
    let content = match is_page {
        true => content(HTML, &json!({ "type": "string" })),
        false => content(PROBLEM_MEDIA_TYPE, &json!({ "$ref": "#/components/schemas/Problem" })),
    };
    let description = format!("Refused: {}.", names.join(", "));
    (status, json!({ "description": description, "content": content }))
}

/// A problem document (RFC 9457 §3.1).
fn problem() -> Value {
    let types: Vec<_> =
        Problem::ALL.iter().map(|kind| format!("urn:countersign:problem:{}", kind.name())).collect();
    json!({
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "properties": {
            "type": { "type": "string", "enum": types },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What was expected, and what was found." },
            "instance": { "type": "string", "description": "The decision's id, as logs and audit write it." }
        },
        "required": ["type", "title", "status"]
    })
}

/// What an endpoint for clients refuses with, in the form of RFC 6749 §5.2.
fn oauth_refusals(own: &[Problem]) -> impl Iterator<Item = (String, Value)> {
    [Problem::BadRequest, Problem::InvalidToken, Problem::Unavailable].iter().chain(own).map(|problem| {
        let content = content("application/json", &json!({ "$ref": "#/components/schemas/OAuthError" }));
        let refusal = json!({ "description": "Refused (RFC 6749 §5.2).", "content": content });
        (problem.status().as_str().to_owned(), refusal)
    })
}

fn oauth_error() -> Value {
    json!({
        "type": "object",
        "description": "An error of OAuth (RFC 6749 §5.2).",
        "properties": {
            "error": { "type": "string", "description": "The registered code." },
            "error_description": { "type": "string", "description": "The reason in words." }
        },
        "required": ["error"]
    })
}

fn content(kind: &str, schema: &Value) -> Value {
    let described = json!({ "schema": schema });
    json!({ kind: described })
}

fn security(callers: Callers) -> Value {
    match callers {
        Callers::Anybody | Callers::Github => json!([]),
        Callers::Client => json!([{ "client_secret_basic": [] }]),
        Callers::Management(scope) => {
            let scopes: Vec<_> = scope.iter().map(|scope| scope.name()).collect();
            json!([{ "management_key": scopes }])
        }
    }
}

/// Returns where listeners listen unless that is set.
fn servers(listeners: &[ListenerName]) -> Value {
    let server = |listener: &ListenerName| {
        let scheme = if *listener == ListenerName::Mtls { "https" } else { "http" };
        let address = listener.default_address()?;
        let setting = format!("{}.listen", listener.name());
        Some(json!({ "url": format!("{scheme}://{address}"), "description": setting }))
    };
    listeners.iter().filter_map(server).collect()
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let in_path = endpoint
        .place
        .segments()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = endpoint.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "description": parameter.meaning,
            "schema": parameter.kind.schema()
        })
    });
    let repeatable = endpoint.repeatable.then(|| {
        json!({ "name": "Idempotency-Key", "in": "header",
                "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
                "description": "A repeat answers with the same object, without its secret." })
    });
    in_path.chain(in_query).chain(repeatable).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value};

    use crate::endpoints::ENDPOINTS;

    /// Calls `look` with every object in `value`.
    fn walk(value: &Value, look: &mut impl FnMut(&Map<String, Value>)) {
        match value {
            Value::Object(members) => {
                look(members);
                members.values().for_each(|value| walk(value, look));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, look)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn operations(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| item.as_object().unwrap().values().map(move |one| (path, one)))
    }

    #[test]
    fn openapi_3_1_every_operation_is_whole() {
        let document = super::document(ENDPOINTS);
        assert_eq!(document["openapi"], "3.1.0");
        let mut ids = BTreeSet::new();
        for (path, operation) in operations(&document) {
            assert!(path.starts_with('/'), "{path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            let mut names = BTreeSet::new();
            for parameter in operation["parameters"].as_array().unwrap() {
                let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
                assert!(names.insert((place, name)), "{path}: {name}");
                assert_eq!(place == "path", parameter["required"] == true, "{path}: {name}");
                assert_eq!(place == "path", path.contains(&format!("{{{name}}}")), "{path}: {name}");
            }
            let in_path = names.iter().filter(|(place, _)| *place == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(matches!(status.parse::<u16>(), Ok(100..600)), "{path}: {status}");
                assert!(response["description"].is_string(), "{path}: {status}");
                let kinds = response["content"].as_object();
                let problems = kinds.is_some_and(|kinds| {
                    kinds.contains_key("application/problem+json")
                        || status.as_str() >= "400" && kinds.contains_key(crate::reply::HTML)
                        || kinds
                            .values()
                            .any(|kind| kind["schema"]["$ref"] == "#/components/schemas/OAuthError")
                });
                assert_eq!(problems, status.as_str() >= "400", "{path}: {status}");
            }
            for scheme in operation["security"].as_array().unwrap() {
                let name = scheme.as_object().unwrap().keys().next().unwrap();
                assert!(document["components"]["securitySchemes"][name].is_object(), "{name}");
            }
        }
    }

    #[test]
    fn openapi_3_1_what_is_referred_to_is_there_and_what_is_there_is_referred_to() {
        let document = super::document(ENDPOINTS);
        let mut referred = BTreeSet::new();
        walk(&document, &mut |members| {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
                referred.insert(pointer.rsplit_once('/').unwrap().1.to_owned());
            }
            let (Some(required), Some(properties)) = (members.get("required"), members.get("properties"))
            else {
                return;
            };
            for name in required.as_array().unwrap() {
                assert!(properties.get(name.as_str().unwrap()).is_some(), "{name} in {properties}");
            }
        });
        let there = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(there.keys().cloned().collect::<BTreeSet<_>>(), referred);
        assert!(
            there.keys().all(|name| !name.ends_with(|last: char| last.is_ascii_digit())),
            "{:?}",
            there.keys()
        );
    }

    #[test]
    fn what_is_always_answered_is_required_and_what_is_sent_may_be_left_out() {
        let document = super::document(ENDPOINTS);
        let required = |schema: &str| {
            let list = document["components"]["schemas"][schema]["required"].as_array().cloned();
            list.unwrap_or_default()
                .iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect::<BTreeSet<_>>()
        };
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(required("KeyCreate"), names(&["name"]));
        assert_eq!(required("KeyAmend"), names(&[]));
        assert_eq!(required("KeyViewPage"), names(&["data", "next_cursor"]));
        let key = required("KeyView");
        assert!(
            key.contains("last_used_at") && key.contains("metadata") && !key.contains("grantable"),
            "{key:?}"
        );
        let properties = &document["components"]["schemas"];
        assert_eq!(properties["KeyAmend"]["properties"]["enabled"]["type"], "boolean", "`null` is refused");
        let limit = &document["paths"]["/v1/keys"]["get"]["parameters"][8];
        assert_eq!(
            (limit["name"].as_str(), limit["schema"]["type"].as_str()),
            (Some("limit"), Some("integer"))
        );
    }
}
