//! What a row of the table of endpoints says, and what its handler stands on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use countersign_core::reach::ManagementScope;
use countersign_edge::endpoint::{ListenerName, Place};
use countersign_edge::host::Hosts;
use countersign_edge::wire_error::Problem;
use http::StatusCode;
use schemars::{Schema, SchemaGenerator};

use crate::app::App;
use crate::call::Call;
use crate::failure::Failure;
use crate::github::Github;
use crate::leaks::Leaks;
use crate::oauth::ClientCall;
use crate::parameter::Parameter;
use crate::received::Received;
use crate::reply::{HTML, Reply};

/// What a handler does.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'a>>;
/// Describes a type.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One row: what may be called, where and by whom, and what answers.
pub struct Endpoint {
    /// Where it answers, and to which method.
    pub place: Place,
    /// Its name in descriptions of the API: what generated clients call it. It does not change.
    pub id: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The clause that it holds.
    pub clause: &'static str,
    /// Who may call.
    pub callers: Callers,
    /// Whether it answers whatever name it is called by: probes know an address alone (SAFETY 15).
    pub by_any_name: bool,
    /// Whose scripts may call it, and read what it answers.
    pub scripts: Scripts,
    /// What its query may hold.
    pub parameters: &'static [Parameter],
    /// Whether it reads an `Idempotency-Key`.
    pub(crate) repeatable: bool,
    pub(crate) body: Body,
    pub(crate) answer: Answered,
    /// Why else it may refuse, beside what follows from the rest of the row.
    pub(crate) refusals: &'static [Problem],
    /// Whether this node answers it, by its settings.
    pub(crate) offered: fn(&Desk) -> bool,
    pub(crate) handler: Handler,
}

/// Whose scripts may call an endpoint, and read what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// Everybody's: it is public.
    All,
    /// Those of our own pages: browsers keep others out.
    Own,
    /// Those of the origins that live clients are registered with.
    Registered,
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Whoever reaches the listener.
    Anybody,
    /// A client that is proven in one of the registered ways (RFC 6749 §2.3).
    Client,
    /// Who signs what is sent.
    Github,
    /// Who is proven at the management API and holds the scope, if one is named.
    Management(Option<ManagementScope>),
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// JSON.
    Json {
        /// What it holds.
        shape: Shape,
        /// The most bytes; `None`: what every protocol message may have.
        most: Option<usize>,
    },
    /// Nothing, or `{}`.
    Nothing,
    /// Parameters (RFC 6749 appendix B), or an object of JSON with the same members.
    Parameters(Shape),
}

/// What is answered when nothing is refused.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    /// The media type, and what it holds.
    pub(crate) content: Option<(&'static str, Shape)>,
}

/// What answers.
pub(crate) enum Handler {
    /// The gateway, which cannot be seen from here.
    Gateway,
    /// Takes a visit of anybody, and reads the query by itself: other parameters than are known mean nothing there (RFC 6749
    /// §3.1).
    Visit(for<'a> fn(&'a Desk, Received) -> Answering<'a>),
    /// Takes a call of anybody.
    Open(for<'a> fn(&'a Desk, Received) -> Answering<'a>),
    /// Takes a call of a client that was proven.
    Client(for<'a> fn(&'a Desk, ClientCall) -> Answering<'a>),
    /// Takes a call that is permitted.
    Permitted(for<'a> fn(&'a Desk, Call) -> Answering<'a>),
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.place)
    }
}

impl Endpoint {
    /// Tells whether people are answered, by a page.
    pub(crate) fn answers_with_page(&self) -> bool {
        matches!(self.answer.content, Some((HTML, _)))
    }
}

impl Answered {
    pub(crate) const NOTHING: Self = Self { status: StatusCode::NO_CONTENT, content: None };
    pub(crate) const DONE: Self = Self { status: StatusCode::OK, content: None };
    pub(crate) const ACCEPTED: Self = Self { status: StatusCode::ACCEPTED, content: None };

    pub(crate) const fn json(shape: Shape) -> Self {
        Self { status: StatusCode::OK, content: Some((JSON, shape)) }
    }

    pub(crate) const fn created(shape: Shape) -> Self {
        Self { status: StatusCode::CREATED, content: Some((JSON, shape)) }
    }

    pub(crate) const fn page() -> Self {
        Self::text(HTML)
    }

    pub(crate) const fn text(kind: &'static str) -> Self {
        let shape: Shape = |generator| generator.subschema_for::<String>();
        Self { status: StatusCode::OK, content: Some((kind, shape)) }
    }
}

/// What answers at one listener.
pub struct Desk {
    /// What handlers stand on.
    pub app: Arc<App>,
    /// Which listener it is.
    pub listener: ListenerName,
    /// What is answered, there and elsewhere.
    pub table: &'static [Endpoint],
    /// The names under which the listener may be called (SAFETY 15).
    pub hosts: Arc<ArcSwap<Hosts>>,
    /// What takes reports of leaked keys, where they are taken.
    pub leaks: Option<Leaks>,
    /// What takes GitHub's reports, where the operator asked for it.
    pub github: Arc<ArcSwapOption<Github>>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Desk")
            .field("listener", &self.listener)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// The media type of JSON (RFC 8259 §11).
const JSON: &str = "application/json";
