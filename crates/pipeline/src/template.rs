//! What the operator writes for refusals: the texts, and whom to write to.
//!
//! **Invariant:** a text is filled in once, from left to right, so that nothing that is filled in is read as a place; and
//! whatever is filled in, it stays one line that a [`Reply`] does not cut.

use std::borrow::Cow;
use std::fmt;

use gatepost_core::{Code, Enhanced, Reply};

use crate::reasons::REASON_MAX;

/// The most octets of a contact, its domain filled in; a longer one becomes `postmaster`.
pub const CONTACT_MAX: usize = 100;
/// The most octets of an id.
const ID_MAX: usize = 20;

/// What a client reads when points refuse its mail: printable ASCII, one line, with places such as `{id}`. It may begin with
/// a reply code and an enhanced one, `554 5.7.1`; without them it is 550 5.7.1.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template(Box<str>);

impl Template {
    /// The most characters of a template.
    pub const MAX: usize = 300;
    const PLACES: [&str; 5] = ["reason", "id", "contact", "code", "day_code"];

    /// The text for mail that nobody may send again with a code.
    pub fn plain() -> Template {
        Template("Mail ({id}) appears to be unsolicited. {reason}. If that is wrong, write to {contact}".into())
    }

    /// The text that offers a code.
    pub fn with_code() -> Template {
        Template(
            "554 5.7.1 Mail ({id}) appears to be unsolicited - resend with the code {code} appended to subject and ask to \
             have your email whitelisted. {reason}. Contact: {contact}"
                .into(),
        )
    }

    /// The text as configuration holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has the place of a code, of one mail or of the day.
    pub fn offers(&self) -> bool {
        self.0.contains("{code}") || self.0.contains("{day_code}")
    }

    /// Whether it has the place of the code of the day.
    pub fn offers_day_code(&self) -> bool {
        self.0.contains("{day_code}")
    }

    /// A refusal for a reason in plain words. All other places stay for [`worded`](crate::refusal::worded).
    pub fn refuse(&self, reason: &str) -> Reply {
        let (code, enhanced, text) = status(&self.0).unwrap_or((550, Enhanced(5, 7, 1), &self.0));
        let text = fill(text, |place| (place == "reason").then_some(Cow::Borrowed(reason)));
        Reply::new(code, Some(enhanced), text)
    }
}

/// The code that a template begins with, and what follows it; `None` where it begins with words.
fn status(text: &str) -> Option<(u16, Enhanced, &str)> {
    let (first, rest) = text.split_once(' ')?;
    if first.len() != 3 || !first.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code = first.parse().ok()?;
    let coded = rest
        .split_once(' ')
        .and_then(|(second, rest)| Some((Enhanced::parse(second)?, rest)));
    Some(match coded {
        Some((enhanced, rest)) => (code, enhanced, rest),
        None => (code, Enhanced(5, 7, 1), rest),
    })
}

impl TryFrom<String> for Template {
    type Error = String;
    fn try_from(text: String) -> Result<Template, String> {
        if text.len() > Template::MAX || !is_one_line(&text) {
            return Err(format!(
                "one line of at most {} printable ASCII characters",
                Template::MAX
            ));
        }
        if !braces_fit(&text, &Template::PLACES) {
            return Err(
                "a text in which braces stand only around reason, id, contact, code or day_code, as in {id}".into(),
            );
        }
        if status(&text).is_some_and(|(code, enhanced, _)| !(500..=599).contains(&code) || enhanced.0 != 5) {
            return Err("a refusal, which begins with words or with a code of 5xx, as 554 5.7.1".into());
        }
        let longest = fill(&text, |place| {
            let most = match place {
                "reason" => REASON_MAX,
                "id" => ID_MAX,
                "contact" => CONTACT_MAX,
                _ => Code::LEN,
            };
            Some(Cow::Owned("x".repeat(most)))
        });
        // What has no place is put behind it, in brackets, and what is there would be cut for that: a code, say.
        let behind = [("{id}", "id ", ID_MAX), ("{contact}", "contact ", CONTACT_MAX)];
        let behind = behind.iter().filter(|(place, ..)| !text.contains(place));
        let behind: usize = behind.map(|(_, name, most)| ", ".len() + name.len() + most).sum();
        let longest = longest.len() + behind + if behind > 0 { " ()".len() } else { 0 };
        if longest > Reply::MAX_TEXT {
            return Err(format!(
                "a shorter text: with all its places filled in, and {{id}} and {{contact}} behind it where they have none, it \
                 may have {longest} characters, and a reply has room for {}",
                Reply::MAX_TEXT
            ));
        }
        Ok(Template(text.into()))
    }
}

impl From<Template> for String {
    fn from(template: Template) -> String {
        template.0.into()
    }
}

impl schemars::JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "maxLength": Template::MAX,
            "description": "Printable ASCII; {reason}, {id}, {contact}, {code} and {day_code} are filled in. \
                            It may begin with a reply code, as 554 5.7.1."
        })
    }
}

/// Whom the sender of refused mail may write to: an address or a page, with `{domain}` for the domain of the recipient.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Contact(Box<str>);

impl Contact {
    /// The contact for mail to a domain of ours, at most [`CONTACT_MAX`] octets of printable ASCII.
    pub fn at(&self, domain: &str) -> String {
        let contact = fill(&self.0, |place| (place == "domain").then_some(Cow::Borrowed(domain)));
        if contact.len() <= CONTACT_MAX && is_one_line(&contact) {
            contact
        } else {
            // Every mail server has one (RFC 5321 section 4.5.1).
            "postmaster".into()
        }
    }
}

impl Default for Contact {
    fn default() -> Contact {
        Contact("postmaster@{domain}".into())
    }
}

impl TryFrom<String> for Contact {
    type Error = String;
    fn try_from(text: String) -> Result<Contact, String> {
        let legal = (1..=CONTACT_MAX).contains(&text.len()) && is_one_line(&text) && text.trim() == text;
        if legal && braces_fit(&text, &["domain"]) {
            Ok(Contact(text.into()))
        } else {
            Err(format!(
                "an address or a page of at most {CONTACT_MAX} printable ASCII characters, with braces only in {{domain}}, \
                 as postmaster@{{domain}}"
            ))
        }
    }
}

impl From<Contact> for String {
    fn from(contact: Contact) -> String {
        contact.0.into()
    }
}

impl schemars::JsonSchema for Contact {
    fn schema_name() -> Cow<'static, str> {
        "Contact".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "maxLength": CONTACT_MAX,
            "description": "An address or a page; {domain} is the recipient's domain."
        })
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_one_line(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

fn braces_fit(text: &str, places: &[&str]) -> bool {
    let bare = fill(text, |place| places.contains(&place).then_some(Cow::Borrowed("")));
    !bare.contains(['{', '}'])
}

/// A text with its places filled in, in one pass; what `value` does not know stays as it is.
pub(crate) fn fill<'a>(text: &str, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let place = after
            .split_once('}')
            .and_then(|(place, tail)| Some((value(place)?, tail)));
        match place {
            Some((value, tail)) => {
                out.push_str(&value);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<Template, String> {
        Template::try_from(text.to_owned())
    }

    #[test]
    fn a_template_knows_its_places_and_no_others() {
        assert!(template("No: {reason} ({id}) {code} {day_code} {contact}").is_ok());
        for bad in [
            "{ID}",
            "a{",
            "}a",
            "{id",
            "two\r\nlines",
            "caf\u{e9}",
            &"x".repeat(301),
            &"{contact}".repeat(5),
            // The code would be cut for what is put behind it.
            &format!("{}{{reason}} {{code}}", "x".repeat(280)),
        ] {
            assert!(template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_template_may_begin_with_its_code() {
        for (text, want) in [
            ("{reason}, sorry", "550 5.7.1 Why, sorry"),
            ("554 {reason}", "554 5.7.1 Why"),
            ("521 5.3.2 {reason} {id}", "521 5.3.2 Why {id}"),
            ("1000 times no", "550 5.7.1 1000 times no"),
        ] {
            assert_eq!(template(text).expect(text).refuse("Why").to_string(), want);
        }
        for bad in ["250 fine", "451 4.7.1 later", "554 4.7.1 both", "999 no"] {
            assert!(template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_templates_that_are_shipped_are_legal_and_only_one_offers_a_code() {
        for shipped in [Template::plain(), Template::with_code()] {
            assert_eq!(template(shipped.as_str()), Ok(shipped));
        }
        assert!(Template::with_code().offers() && !Template::plain().offers());
    }

    #[test]
    fn what_is_filled_in_is_no_place() {
        let filled = fill("{a}{b}{c} {", |place| match place {
            "a" => Some("{b}".into()),
            "b" => Some("{a".into()),
            _ => None,
        });
        assert_eq!(filled, "{b}{a{c} {");
    }

    #[test]
    fn a_contact_is_an_address_of_the_recipients_domain_or_a_fixed_one() {
        let contact = |text: &str| Contact::try_from(text.to_owned());
        assert_eq!(Contact::default().at("d.example"), "postmaster@d.example");
        assert_eq!(
            contact("https://d.example/help").expect("a page").at("x"),
            "https://d.example/help"
        );
        assert_eq!(Contact::default().at(&"d".repeat(200)), "postmaster");
        assert_eq!(Contact::default().at("m\u{fc}ller.example"), "postmaster");
        for bad in ["", " a@b", "{id}@b", "a\r\n", &"x".repeat(101)] {
            assert!(contact(bad).is_err(), "{bad}");
        }
    }
}
