//! Mail of our own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mail of our own: replies, reports, notices.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Post {
    /// The name beside our address in it. "Gatepost" by default.
    pub name: String,
}

impl Default for Post {
    fn default() -> Post {
        Post {
            name: "Gatepost".into(),
        }
    }
}

impl Post {
    /// The most characters of a name.
    const NAME_MAX: usize = 64;

    /// Whether the name can stand beside an address as it is: words without what means something there (RFC 5322
    /// section 3.2.3).
    pub fn is_sound(&self) -> bool {
        let is_plain = |c: char| !c.is_control() && !"()<>[]:;@\\,.\"".contains(c);
        let name = &self.name;
        !name.trim().is_empty() && name.chars().count() <= Post::NAME_MAX && name.chars().all(is_plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_words_without_signs_that_mean_something() {
        let sound = |name: &str| Post { name: name.into() }.is_sound();
        assert!(Post::default().is_sound() && sound("Müllers Spamfilter"));
        for bad in ["", " ", "a <b@c>", "a, b", "a\r\nX: b", "\"a\"", &"x".repeat(65)] {
            assert!(!sound(bad), "{bad}");
        }
    }
}
