//! Where copies of mail are gathered that was not delivered, and for how long mail is kept: two settings of the policy.
//!
//! **Invariant:** a copy goes to one address, which follows from the setting and from the recipient alone; nothing that the
//! sender wrote has a part in it.

use std::borrow::Cow;

use gatepost_core::Address;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

/// In a [`Spambox`], the local part of the recipient.
const USER: &str = "{user}";
/// In a [`Spambox`], the domain of the recipient.
const DOMAIN: &str = "{domain}";

/// An address for copies, as it is written: `spambox@{domain}`, `{user}+spam@{domain}`; empty for none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Spambox(Option<Box<str>>);

impl Spambox {
    /// Reads a setting.
    pub fn new(text: &str) -> Result<Spambox, String> {
        if text.is_empty() {
            return Ok(Spambox(None));
        }
        let wrong = |why: &str| {
            format!("`{text}` {why}: expected an address like spambox@{DOMAIN} or {USER}+spam@{DOMAIN}, or nothing")
        };
        let (local, domain) = text.rsplit_once('@').ok_or_else(|| wrong("has no @"))?;
        let has_brace = |text: &str| text.contains(['{', '}']);
        if has_brace(&local.replace(USER, "")) || (domain != DOMAIN && has_brace(domain)) {
            return Err(wrong("names what is not known here"));
        }
        let spambox = Spambox(Some(text.into()));
        match spambox.filled("user", "example.org") {
            Some(_) => Ok(spambox),
            None => Err(wrong("is no address")),
        }
    }

    /// Whether copies go anywhere.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// The domain to which all copies go, where it is not the recipient's own.
    pub fn domain(&self) -> Option<&str> {
        let (_, domain) = self.0.as_deref()?.rsplit_once('@')?;
        (domain != DOMAIN).then_some(domain)
    }

    /// Where a copy of this recipient's mail goes. The folder behind a `+` in the recipient's own address is left out where
    /// the setting names one: `bob+lists` and `bob` share `bob+spam`.
    pub fn address(&self, meant_for: &Address) -> Option<Address> {
        let own = meant_for.local();
        let names_folder = self.0.as_deref().is_some_and(|text| text.contains("{user}+"));
        let user = match own.split_once('+') {
            Some((user, _)) if names_folder && !user.is_empty() => user,
            _ => own,
        };
        self.filled(user, &meant_for.domain().to_string())
    }

    fn filled(&self, user: &str, domain: &str) -> Option<Address> {
        let (local, of) = self.0.as_deref()?.rsplit_once('@')?;
        let of = if of == DOMAIN { domain } else { of };
        let address = format!("{}@{of}", local.replace(USER, user));
        Address::parse(&address, true).ok()
    }
}

impl<'de> Deserialize<'de> for Spambox {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Spambox, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        Spambox::new(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for Spambox {
    fn schema_name() -> Cow<'static, str> {
        "Spambox".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An address, in which {user} and {domain} are the recipient's; empty for none." })
    }
}

/// After how many days kept mail goes; as the archive has it where nothing is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Days(pub Option<u32>);

impl Days {
    /// The most days that can be written: a hundred years.
    pub const MAX: u32 = 36_500;
}

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Days, D::Error> {
        match u32::deserialize(from)? {
            days @ 1..=Days::MAX => Ok(Days(Some(days))),
            other => Err(D::Error::custom(format!(
                "expected 1 to {} days, found {other}",
                Days::MAX
            ))),
        }
    }
}

impl JsonSchema for Days {
    fn schema_name() -> Cow<'static, str> {
        "Days".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": Days::MAX, "description": "Days." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text, true).unwrap_or_else(|bad| panic!("{text}: {bad:?}"))
    }

    #[test]
    fn a_copy_goes_where_setting_and_recipient_say() {
        let to = |setting: &str, meant_for: &str| {
            let spambox = Spambox::new(setting).expect("a setting");
            spambox.address(&address(meant_for)).map(|to| to.to_string())
        };
        for (setting, meant_for, want) in [
            ("spambox@{domain}", "bob@example.org", Some("spambox@example.org")),
            ("{user}+spam@{domain}", "bob@example.org", Some("bob+spam@example.org")),
            (
                "{user}+spam@{domain}",
                "bob+lists@example.org",
                Some("bob+spam@example.org"),
            ),
            (
                "{user}@spam.example.org",
                "bob+lists@example.org",
                Some("bob+lists@spam.example.org"),
            ),
            ("all@spam.example.org", "bob@example.org", Some("all@spam.example.org")),
            ("", "bob@example.org", None),
            // No address can be made of it: none is made up.
            ("{user}+spam@{domain}", "\"a b\"@example.org", None),
            ("{user}+spam@{domain}", "\"x@y>\"@example.org", None),
            ("spambox@{domain}", "bob@[192.0.2.1]", Some("spambox@[192.0.2.1]")),
        ] {
            assert_eq!(to(setting, meant_for).as_deref(), want, "{setting} for {meant_for}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_taken_for_a_setting() {
        for bad in [
            "spambox",
            "{who}@{domain}",
            "spam@{domain}.org",
            "{domain}@{user}",
            "a b@{domain}",
            "@{domain}",
            "{@x.org",
        ] {
            assert!(Spambox::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Spambox::new("spam@{domain}").expect("one").domain(), None);
        assert_eq!(Spambox::new("spam@d.example").expect("one").domain(), Some("d.example"));
        assert!(!Spambox::new("").expect("none").is_set());
    }

    #[test]
    fn days_are_one_or_more() {
        assert_eq!(serde_json::from_str::<Days>("7").ok(), Some(Days(Some(7))));
        for bad in ["0", "36501", "-1", "\"7\""] {
            assert!(serde_json::from_str::<Days>(bad).is_err(), "{bad}");
        }
    }
}
