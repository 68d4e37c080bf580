//! The walk of a call, the same at every listener.
//!
//! Whatever is asked goes one way: the row is found, its query read, its caller proven if the row asks for that, its body
//! read, and its handler called.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use countersign_core::decision::Permit;
use countersign_core::scope::ScopeSet;
use countersign_edge::body::Content;
use countersign_edge::endpoint::{ListenerName, Matched, find, query};
use countersign_edge::host::{HostRefusal, Hosts};
use countersign_edge::limits::Limits;
use countersign_edge::serve::{Peer, Serve, Transport};
use countersign_edge::wire_error::{self, Problem};
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use serde::Deserialize;

use crate::admission::admit;
use crate::app::App;
use crate::call::Call;
use crate::cors::Shared;
use crate::endpoint::{Body as Expected, Callers, Desk, Endpoint, Handler};
use crate::endpoints::ENDPOINTS;
use crate::failure::Failure;
use crate::for_people::Reader;
use crate::intake::Whole;
use crate::json;
use crate::oauth;
use crate::parameter::Query;
use crate::placed::Placed;
use crate::places::{Place, Sender};
use crate::received::{Caller, Received};
use crate::render::render;
use crate::reply::Reply;

impl Serve for Desk {
    type Body = Placed;

    async fn serve(&self, request: Request<Content>, peer: Peer) -> Response<Placed> {
        let caller = match peer.transport() {
            Transport::Local(local) => Caller::Local(local),
            Transport::Plain(_) | Transport::Tls(_) => {
                let admitted = self.hosts.load().admit(request.uri(), request.headers());
                if let Err(refusal) = admitted
                    && !(refusal == HostRefusal::Foreign && self.answers_by_any_name(&request))
                {
                    return wire_error::from_host(refusal, None).map(|body| Placed::new(body, None));
                }
                Caller::Network(Arc::clone(peer.connection()))
            }
        };
        self.respond(caller, request).await
    }
}

impl Desk {
    /// Answers at a listener, under the names `hosts`; reports of leaked keys are not taken.
    #[must_use]
    pub fn at(listener: ListenerName, app: Arc<App>, hosts: Hosts) -> Self {
        let hosts = Arc::new(ArcSwap::from_pointee(hosts));
        Self { app, listener, table: ENDPOINTS, hosts, leaks: None, github: Arc::default() }
    }

    /// Answers a call in this process, as the local socket would.
    #[must_use]
    pub fn in_process(app: Arc<App>) -> Self {
        let hosts = Hosts::with_loopback([]);
        Self::at(ListenerName::Local, app, hosts)
    }

    /// Answers a call.
    pub async fn respond<B>(&self, caller: Caller, request: Request<B>) -> Response<Placed>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let (head, body) = request.into_parts();
        let shared = Shared::of(self, &head);
        if let Some(mut answer) = shared.preflight(&head) {
            shared.tell(answer.headers_mut());
            return answer.map(|body| Placed::new(body, None));
        }
        let reader = self.reader(&head);
        let received = Received { head, body: body.map_err(Into::into).boxed_unsync(), caller };
        let mut place = None;
        let mut answer = match (self.answer(received, &mut place).await, reader) {
            (Ok(reply), _) => reply.into_response(),
            (Err(failure), Some(reader)) => reader.told(&self.app, failure),
            (Err(failure), None) => render(failure),
        };
        shared.tell(answer.headers_mut());
        answer.map(|body| Placed::new(body, place))
    }

    /// Returns the person who waits for an answer, if it is one. The issuer has pages, and the gateway for web apps.
    fn reader(&self, head: &Parts) -> Option<Reader> {
        let path = head.uri.path();
        match self.listener {
            ListenerName::Issuer | ListenerName::Gateway | ListenerName::Mtls => {}
            ListenerName::Admin | ListenerName::Local => return None,
        }
        match find(self.table, |row| &row.place, self.listener, &head.method, path) {
            Matched::Endpoint(row, _) if row.answers_with_page() => Some(Reader::asking(head)),
            Matched::Endpoint(..) | Matched::OtherMethods(_) | Matched::Nothing => Reader::of(head),
        }
    }

    fn answers_by_any_name(&self, request: &Request<Content>) -> bool {
        let (method, path) = (request.method(), request.uri().path());
        match find(self.table, |row| &row.place, self.listener, method, path) {
            Matched::Endpoint(row, _) => row.by_any_name,
            Matched::OtherMethods(_) | Matched::Nothing => false,
        }
    }

    /// Answers a call, whose place is put into `place`.
    async fn answer(&self, received: Received, place: &mut Option<Place>) -> Result<Reply, Failure> {
        let (method, path) = (&received.head.method, received.head.uri.path());
        let (endpoint, segments) = match find(self.table, |row| &row.place, self.listener, method, path) {
            Matched::Endpoint(row, segments) if (row.offered)(self) => (row, segments),
            Matched::OtherMethods(methods) => {
                return Err(wire_error::method_not_allowed(&methods, None).into());
            }
            Matched::Endpoint(..) | Matched::Nothing => return Err(self.nothing()),
        };
        match endpoint.handler {
            Handler::Open(handle) => {
                parameters(endpoint, &received.head)?;
                handle(self, received).await
            }
            Handler::Visit(handle) => handle(self, received).await,
            Handler::Permitted(handle) => {
                let Received { head, body, caller } = received;
                let permit = self.permit(endpoint, &head, &caller).await?;
                let sender = Sender::of(permit.principal());
                *place = Some(self.app.intake.enter(sender).await?);
                let query = parameters(endpoint, &head)?;
                let body = self.read(endpoint, sender, body).await?;
                if matches!(endpoint.body, Expected::Nothing) {
                    let Nothing {} = json::object(&body)?;
                }
                let idempotency_key = idempotency_key(&head.headers);
                handle(self, Call { permit, segments, query, idempotency_key, body }).await
            }
            Handler::Client(handle) => {
                parameters(endpoint, &received.head)?;
                let call = oauth::receive(&self.app, received).await.map_err(Failure::from)?;
                handle(self, call).await
            }
            Handler::Gateway => Err(self.nothing()),
        }
    }

    fn nothing(&self) -> Failure {
        let detail = match self.listener {
            ListenerName::Issuer => "There is no such resource; / tells what is served",
            ListenerName::Admin | ListenerName::Gateway | ListenerName::Local | ListenerName::Mtls => {
                "There is no such resource"
            }
        };
        Failure::Refused { problem: Problem::NotFound, detail: detail.to_owned() }
    }

    /// Proves who calls, and that they may.
    async fn permit(&self, endpoint: &Endpoint, head: &Parts, caller: &Caller) -> Result<Permit, Failure> {
        let scopes = match endpoint.callers {
            Callers::Management(Some(scope)) => scope.name().parse().unwrap_or_default(),
            Callers::Management(None) | Callers::Anybody | Callers::Client | Callers::Github => {
                ScopeSet::default()
            }
        };
        if is_foreign_origin(&head.headers) {
            let detail = "The management API takes no calls from web pages".to_owned();
            return Err(Failure::Refused { problem: Problem::Forbidden, detail });
        }
        admit(&self.app, caller, head, scopes).await.map_err(Failure::Answered)
    }

    /// Reads what the row expects of a body.
    async fn read(
        &self,
        endpoint: &Endpoint,
        sender: Sender,
        body: impl Body<Data = Bytes> + Unpin,
    ) -> Result<Whole, Failure> {
        let usual = Limits::default().protocol_body_bytes;
        let most = match endpoint.body {
            Expected::Json { most, .. } => most.unwrap_or(usual),
            Expected::Nothing | Expected::Parameters(_) => usual,
        };
        Ok(self.app.intake.read(sender, body, most).await?)
    }
}

/// The body of a call that takes none; `{}` is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Reads the query as the row says.
fn parameters(endpoint: &Endpoint, head: &Parts) -> Result<Query, Failure> {
    let known: Vec<_> = endpoint.parameters.iter().map(|parameter| parameter.name).collect();
    Query::read(endpoint.parameters, query(head.uri.query(), &known).map_err(Failure::Invalid)?)
}

/// Reads the `Idempotency-Key`. One that is there twice is none: which of them was meant is not ours to guess.
fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let first = keys.next()?;
    Some(match keys.next() {
        None => first.to_str().unwrap_or_default().to_owned(),
        Some(_) => String::new(),
    })
}

/// A page of another origin must not use what a browser sends along (SAFETY 15).
fn is_foreign_origin(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    headers.get_all(ORIGIN).iter().any(|origin| {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        authority.is_none() || authority != host
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::is_foreign_origin;

    #[test]
    fn safety_15_an_origin_other_than_the_host_is_foreign() {
        for (origin, foreign) in [
            (None, false),
            (Some("http://localhost:8081"), false),
            (Some("http://evil"), true),
            (Some("null"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "localhost:8081".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert("origin", origin.parse().unwrap());
            }
            assert_eq!(is_foreign_origin(&headers), foreign, "{origin:?}");
        }
    }
}
