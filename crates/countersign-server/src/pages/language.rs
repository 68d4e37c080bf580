//! The languages of the pages: their messages, and which one a reader gets (RFC 9110 §12.5.4, OpenID Connect Core 1.0 §3.1.2.1
//! `ui_locales`).
//!
//! **Invariant.** Every language has every message with the same variables. What strangers chose (a client's name, a
//! username) is put into a message without controls and marks that turn the direction of text.

use std::fmt;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use super::destination::Destination;

/// The language of a page.
#[derive(Clone, Copy)]
pub(crate) struct Locale(&'static Language);

impl Locale {
    /// Returns the language that `ui_locales` (most wanted first) or else `Accept-Language` asks for; English if none.
    pub(crate) fn negotiate(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        let wanted = ui_locales.unwrap_or_default().split(' ');
        let accepted = ranked(accept_language.unwrap_or_default());
        let [english, ..] = &*LANGUAGES;
        let found = wanted.chain(accepted).find_map(|tag| LANGUAGES.iter().find(|one| one.is(tag)));
        Self(found.unwrap_or(english))
    }

    /// Returns the language's tag (RFC 5646).
    pub(crate) const fn tag(&self) -> &'static str {
        self.0.tag
    }

    /// Says the message `id`.
    pub(crate) fn tell(&self, id: &str) -> String {
        self.format(id, &FluentArgs::new())
    }

    /// Says the message `id`, about a text of a stranger's.
    pub(crate) fn tell_of(&self, id: &str, name: &str, value: &str) -> String {
        self.format(id, &FluentArgs::from_iter([(name, FluentValue::from(plain(value)))]))
    }

    /// Says the message `id`, about a number.
    pub(crate) fn tell_count(&self, id: &str, name: &str, count: &u64) -> String {
        self.format(id, &FluentArgs::from_iter([(name, FluentValue::from(*count))]))
    }

    /// Says where the answer to a form is sent.
    pub(crate) fn destination(&self, redirect_uri: &str) -> String {
        match Destination::of(redirect_uri) {
            Destination::Site(host) => self.tell_of("to-site", "host", &host),
            Destination::Loopback(host) => self.tell_of("to-loopback", "host", &host),
            Destination::App(scheme) => self.tell_of("to-app", "scheme", &scheme),
        }
    }

    /// Tells whether there is a message `id`.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.0.messages.has_message(id)
    }

    fn format(&self, id: &str, arguments: &FluentArgs<'_>) -> String {
        let pattern = self.0.messages.get_message(id).and_then(|message| message.value());
        // INVARIANT: the tests have tried every message; its name says more than nothing.
        let Some(pattern) = pattern else { return id.to_owned() };
        self.0.messages.format_pattern(pattern, Some(arguments), &mut Vec::new()).into_owned()
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.tag())
    }
}

/// Leaves out of a stranger's text what is not seen but changes what is: controls, and marks of direction (UAX #9).
pub(crate) fn plain(text: &str) -> String {
    let seen = |letter: &char| {
        !letter.is_control() && !HIDDEN.iter().any(|(from, to)| (from..=to).contains(&letter))
    };
    text.chars().filter(seen).collect()
}

struct Language {
    tag: &'static str,
    messages: FluentBundle<FluentResource>,
}

impl Language {
    fn read((tag, text): (&'static str, &str)) -> Self {
        let languages: Vec<LanguageIdentifier> = tag.parse().into_iter().collect();
        let mut messages = FluentBundle::new_concurrent(languages);
        messages.set_use_isolating(false);
        // A resource with errors still holds what could be read; a test demands that there are none.
        let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
        messages.add_resource_overriding(resource);
        Self { tag, messages }
    }

    /// Tells whether a wanted tag asks for this language, in whatever region or script (RFC 4647 §3.4).
    fn is(&self, tag: &str) -> bool {
        let primary = tag.split('-').next().unwrap_or_default();
        primary.eq_ignore_ascii_case(self.tag)
    }
}

/// Returns the tags of an `Accept-Language` field, the most wanted first; what has the weight 0 is not wanted.
fn ranked(field: &str) -> impl Iterator<Item = &str> {
    let mut tags: Vec<(&str, f32)> = field.split(',').take(MOST_TAGS).map(weighed).collect();
    tags.retain(|(_, weight)| *weight > 0.0);
    tags.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    tags.into_iter().map(|(tag, _)| tag)
}

fn weighed(entry: &str) -> (&str, f32) {
    let (tag, parameters) = entry.split_once(';').unwrap_or((entry, ""));
    let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.parse().ok());
    (tag.trim(), weight.unwrap_or_default())
}

/// More tags than any browser sends.
const MOST_TAGS: usize = 32;

/// Soft hyphen, zero-width and directional marks, and what else is invisible (Unicode `Default_Ignorable_Code_Point`).
const HIDDEN: [(char, char); 7] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
];

/// Returns the tags of all languages.
pub(crate) fn tags() -> impl Iterator<Item = &'static str> {
    MESSAGES.iter().map(|(tag, _)| *tag)
}

/// Every language; the first is spoken where none is asked for.
static LANGUAGES: LazyLock<[Language; 2]> = LazyLock::new(|| MESSAGES.map(Language::read));

const MESSAGES: [(&str, &str); 2] =
    [("en", include_str!("../../messages/en.ftl")), ("de", include_str!("../../messages/de.ftl"))];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fluent_bundle::FluentResource;

    use super::{LANGUAGES, Locale, MESSAGES, plain};

    /// Returns the names of messages, each with the variables that it uses.
    fn messages(text: &str) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut name = "";
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let (false, Some((start, _))) = (line.starts_with(' '), line.split_once(" =")) {
                name = start;
            }
            let variables = line.split("{ $").skip(1).filter_map(|rest| rest.split([' ', '}']).next());
            found.entry(name).or_default().extend(variables);
        }
        found
    }

    #[test]
    fn every_language_has_every_message_with_the_same_variables() {
        let english = messages(MESSAGES[0].1);
        for (tag, text) in MESSAGES {
            assert!(FluentResource::try_new(text.to_owned()).is_ok(), "{tag}");
            assert_eq!(messages(text), english, "{tag}");
            let language = LANGUAGES.iter().find(|one| one.tag == tag).unwrap();
            for id in english.keys() {
                assert!(Locale(language).knows(id), "{tag}: {id}");
            }
        }
    }

    #[test]
    fn every_message_that_a_page_names_exists_and_none_is_left_over() {
        let (mut named, mut told) = (BTreeSet::new(), BTreeSet::new());
        for folder in ["templates", "src", "src/pages"] {
            let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            for text in files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap())
            {
                named.extend(text.split('"').map(str::to_owned));
                let calls = ["locale.tell(\"", "locale.tell_of(\"", "locale.tell_count(\""].into_iter();
                let ids =
                    calls.flat_map(|call| text.split(call).skip(1)).filter_map(|rest| rest.split('"').next());
                told.extend(ids.map(str::to_owned));
            }
        }
        let known = messages(MESSAGES[0].1);
        for id in &told {
            assert!(known.contains_key(id.as_str()), "{id} is not a message");
        }
        // Those of the scopes are named by their scopes; the others are parts of messages.
        for id in known.keys().filter(|id| !id.starts_with("scope-")) {
            assert!(named.contains(*id), "{id} is left over");
        }
    }

    #[track_caller]
    fn check(ui_locales: Option<&str>, accepted: Option<&str>, expected: &str) {
        assert_eq!(Locale::negotiate(ui_locales, accepted).tag(), expected, "{ui_locales:?} {accepted:?}");
    }

    #[test]
    fn rfc9110_12_5_4_the_most_wanted_language_is_spoken() {
        for (field, expected) in [
            ("de", "de"),
            ("de-CH,de;q=0.9,en;q=0.8", "de"),
            ("en;q=0.5, DE;q=0.9", "de"),
            ("fr,it;q=0.9", "en"),
            ("de;q=0,en", "en"),
            ("de;q=x,en;q=0.1", "en"),
            ("*", "en"),
            ("", "en"),
            ("deu", "en"),
            (";;q=,,\u{fe0f}", "en"),
        ] {
            check(None, Some(field), expected);
        }
        check(None, None, "en");
    }

    #[test]
    fn openid_core_3_1_2_1_ui_locales_comes_first() {
        check(Some("fr de-AT en"), Some("en"), "de");
        check(Some("fr"), Some("de"), "de");
        check(Some("en"), Some("de"), "en");
    }

    #[test]
    fn uax9_a_strangers_name_turns_no_text_around() {
        assert_eq!(plain("a\u{202e}b\u{2066}c\u{200b}\n\0d é 漢"), "abcd é 漢");
        let told = Locale::negotiate(None, None).tell_of("sign-in-to", "client", "\u{202e}moc.live");
        assert_eq!(told, "Sign in to continue to moc.live");
    }

    #[test]
    fn a_number_has_its_plural() {
        let (english, german) = (Locale(&LANGUAGES[0]), Locale(&LANGUAGES[1]));
        let ago = |count: u64| {
            (
                english.tell_count("device-ago", "minutes", &count),
                german.tell_count("device-ago", "minutes", &count),
            )
        };
        assert_eq!(ago(0), ("less than a minute ago".into(), "vor weniger als einer Minute".into()));
        assert_eq!(ago(1), ("a minute ago".into(), "vor einer Minute".into()));
        assert_eq!(ago(9), ("9 minutes ago".into(), "vor 9 Minuten".into()));
    }
}
