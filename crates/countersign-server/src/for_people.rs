//! Failures as people see them: a page, where a page was asked for.

use countersign_edge::wire_error::PROBLEM_MEDIA_TYPE;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;

use crate::app::App;
use crate::failure::Failure;
use crate::pages::Page as _;
use crate::pages::language::Locale;
use crate::pages::problem::{Problem, ProblemKind};
use crate::render::{Answer, render};
use crate::visit::{locale, reference};

/// A person who waits for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader(Locale);

impl Reader {
    /// Returns who reads the answer to a request, if it is a person.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        let fields = head.headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
        let mut kinds = fields
            .flat_map(|field| field.split(','))
            .map(|kind| kind.split(';').next().unwrap_or_default().trim());
        // Browsers name it first when they go to a page; what a script asks for names JSON, or nothing.
        (kinds.next() == Some("text/html")).then(|| Self::asking(head))
    }

    /// Returns who asks for a page, whatever else is accepted.
    pub(crate) fn asking(head: &Parts) -> Self {
        Self(locale(&head.headers, head.uri.query().unwrap_or_default()))
    }

    /// Tells of a failure by a page, unless it has an answer of its own that is no problem (RFC 9457).
    pub(crate) fn told(self, app: &App, failure: Failure) -> Answer {
        let detail = match &failure {
            Failure::Invalid(detail) | Failure::Refused { detail, .. } => detail.clone(),
            Failure::Answered(_) | Failure::Unavailable(_) => String::new(),
        };
        let answer = render(failure);
        if answer.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != PROBLEM_MEDIA_TYPE) {
            return answer;
        }
        let (status, reference) = (answer.status(), reference(app));
        tracing::info!(%reference, %status, detail, "a person was told of a problem");
        let (kind, locale) = (ProblemKind::of(status), self.0);
        let page =
            Problem { locale, kind, status, code: "", detail: &detail, reference: &reference, again: None };
        page.reply().told_as(&answer).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::Reader;

    #[track_caller]
    fn check(fields: &[&str], is_person: bool) {
        let mut request = Request::new(());
        for field in fields {
            request.headers_mut().append("accept", field.parse().unwrap());
        }
        assert_eq!(Reader::of(&request.into_parts().0).is_some(), is_person, "{fields:?}");
    }

    #[test]
    fn product_6_a_page_is_for_people_in_a_browser() {
        check(&["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"], true);
        check(&["text/html;q=1.0, */*"], true);
        check(&["text/html"], true);
        check(&[], false);
        check(&["*/*"], false);
        check(&["application/json"], false);
        check(&["application/json, text/html"], false);
        check(&["application/json", "text/html"], false);
    }
}
