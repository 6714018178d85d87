//! What a server offers in its answer to EHLO: read from the upstream, and written to the client.
//!
//! **Invariant:** only keywords named here are ever written; whatever else an upstream offers is dropped. CHUNKING and
//! BINARYMIME are absent on purpose: BDAT gives a second way to end a message.

/// The extensions that Gatepost knows, as one side offers them. Everything else an upstream offers is dropped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Offer {
    /// SIZE (RFC 1870): the largest message in octets; `Some(0)` says "no fixed limit", `None` not offered.
    pub size: Option<u64>,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub enhanced_status_codes: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// AUTH (RFC 4954): the mechanisms, in upper case.
    pub auth: Vec<Box<str>>,
    /// XCLIENT: the attributes, in upper case. Read from upstreams, never written.
    pub xclient: Option<Vec<Box<str>>>,
    /// XFORWARD: the attributes, in upper case. Read from upstreams, never written.
    pub xforward: Option<Vec<Box<str>>>,
    /// PRDR (draft-hall-prdr-00).
    pub prdr: bool,
    /// ETRN (RFC 1985).
    pub etrn: bool,
}

impl Offer {
    /// The most mechanisms or attributes that one keyword keeps.
    pub const MAX_WORDS: usize = 32;
    /// The longest mechanism or attribute name, octets (RFC 4422 §3.1).
    pub const MAX_WORD: usize = 20;

    /// Reads the keyword lines of an answer to EHLO: the text after the code, without the first line, which greets.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Offer {
        let mut offer = Offer::default();
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else {
                continue;
            };
            // "AUTH=LOGIN PLAIN" was written by servers older than RFC 2554, and is still.
            let (keyword, first) = match keyword.split_once('=') {
                Some((auth, first)) if auth.eq_ignore_ascii_case("AUTH") => (auth, Some(first)),
                _ => (keyword, None),
            };
            match keyword.to_ascii_uppercase().as_str() {
                "SIZE" => offer.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                "PIPELINING" => offer.pipelining = true,
                "8BITMIME" => offer.eight_bit_mime = true,
                "SMTPUTF8" => offer.smtputf8 = true,
                "DSN" => offer.dsn = true,
                "ENHANCEDSTATUSCODES" => offer.enhanced_status_codes = true,
                "STARTTLS" => offer.starttls = true,
                "AUTH" => add_words(&mut offer.auth, first.into_iter().chain(words)),
                "XCLIENT" => add_words(offer.xclient.get_or_insert_default(), words),
                "XFORWARD" => add_words(offer.xforward.get_or_insert_default(), words),
                "PRDR" => offer.prdr = true,
                "ETRN" => offer.etrn = true,
                _ => {}
            }
        }
        offer
    }

    /// What a client may be offered where this side offers `self` and every message goes on to `upstream`.
    ///
    /// SIZE is the smaller limit, 8BITMIME, SMTPUTF8 and DSN need both sides, PIPELINING, STARTTLS, ENHANCEDSTATUSCODES,
    /// PRDR and ETRN are this side's own: what an upstream without PRDR says is said to each recipient, and the queue is ours. AUTH is what the upstream offers, less the mechanisms that are bound
    /// to the TLS connection or negotiate a security layer of their own and so cannot pass a side that ends TLS; a
    /// listener without AUTH empties it.
    pub fn intersect(&self, upstream: &Offer) -> Offer {
        let limit = |size: Option<u64>| size.filter(|n| *n != 0);
        let eight_bit_mime = self.eight_bit_mime && upstream.eight_bit_mime;
        Offer {
            size: match (limit(self.size), limit(upstream.size)) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (Some(one), None) | (None, Some(one)) => Some(one),
                (None, None) => self.size.or(upstream.size),
            },
            pipelining: self.pipelining,
            eight_bit_mime,
            // RFC 6531 §3.1: not without 8BITMIME.
            smtputf8: self.smtputf8 && upstream.smtputf8 && eight_bit_mime,
            dsn: self.dsn && upstream.dsn,
            enhanced_status_codes: self.enhanced_status_codes,
            starttls: self.starttls,
            auth: upstream.auth.iter().filter(|m| can_cross(m)).cloned().collect(),
            xclient: None,
            xforward: None,
            prdr: self.prdr,
            etrn: self.etrn,
        }
    }

    /// Writes the whole answer to EHLO. STARTTLS is left out under TLS and AUTH without it.
    pub fn write_ehlo(&self, hostname: &str, tls_active: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let mut last = start;
        let mut line = |parts: &[&str]| {
            last = out.len();
            out.extend_from_slice(b"250-");
            for part in parts {
                // Only printable ASCII goes out, whatever a hostname in a config file may hold.
                out.extend(part.bytes().filter(|b| matches!(b, b' '..=b'~')));
            }
            out.extend_from_slice(b"\r\n");
        };
        line(&[hostname]);
        if self.pipelining {
            line(&["PIPELINING"]);
        }
        match self.size {
            Some(0) => line(&["SIZE"]),
            Some(size) => line(&["SIZE ", &size.to_string()]),
            None => {}
        }
        if self.starttls && !tls_active {
            line(&["STARTTLS"]);
        }
        if tls_active && !self.auth.is_empty() {
            // At most 32 mechanisms of 20 octets: 676 octets. A line of 512 holds 24 of the longest.
            let mut words = String::from("AUTH");
            for mechanism in &self.auth {
                if words.len() + 1 + mechanism.len() <= 500 {
                    words.push(' ');
                    words.push_str(mechanism);
                }
            }
            line(&[&words]);
        }
        for (offered, keyword) in [
            (self.eight_bit_mime, "8BITMIME"),
            (self.smtputf8, "SMTPUTF8"),
            (self.dsn, "DSN"),
            (self.enhanced_status_codes, "ENHANCEDSTATUSCODES"),
            (self.prdr, "PRDR"),
            (self.etrn, "ETRN"),
        ] {
            if offered {
                line(&[keyword]);
            }
        }
        if let Some(dash) = out.get_mut(last + 3) {
            *dash = b' ';
        }
    }

    /// Whether `mechanism`, in any letter case, is offered.
    pub fn has_auth(&self, mechanism: &str) -> bool {
        self.auth.iter().any(|m| m.eq_ignore_ascii_case(mechanism))
    }
}

/// Adds words in upper case, each once, those that are too long or hold other than A-Z 0-9 - _ left out.
fn add_words<'a>(to: &mut Vec<Box<str>>, words: impl Iterator<Item = &'a str>) {
    for word in words {
        let fits = (1..=Offer::MAX_WORD).contains(&word.len())
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if fits && to.len() < Offer::MAX_WORDS && !to.iter().any(|w| w.eq_ignore_ascii_case(word)) {
            to.push(word.to_ascii_uppercase().into_boxed_str());
        }
    }
}

fn can_cross(mechanism: &str) -> bool {
    let name = mechanism.to_ascii_uppercase();
    !(name.ends_with("-PLUS") || matches!(name.as_str(), "EXTERNAL" | "GSSAPI" | "NTLM" | "GSS-SPNEGO"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ehlo(offer: &Offer, tls: bool) -> String {
        let mut out = Vec::new();
        offer.write_ehlo("mx.example", tls, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    fn everything() -> Offer {
        Offer::parse([
            "SIZE 50000000",
            "pipelining",
            "8BITMIME",
            "SMTPUTF8",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "STARTTLS",
            "AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL GSSAPI NTLM",
            "AUTH=plain login",
            "CHUNKING",
            "BINARYMIME",
            "XCLIENT NAME ADDR port",
            "XFORWARD NAME",
            "ETRN",
            "VRFY",
            "LIMITS RCPTMAX=5",
            "REQUIRETLS",
            "PRDR",
            "X-EXPS GSSAPI",
            "XFOO",
            "",
        ])
    }

    #[test]
    fn an_answer_to_ehlo_is_read_in_any_letter_case() {
        let offer = everything();
        assert_eq!(offer.size, Some(50_000_000));
        assert!(offer.pipelining && offer.eight_bit_mime && offer.smtputf8 && offer.dsn && offer.prdr && offer.etrn);
        assert_eq!(offer.auth.len(), 7);
        assert!(offer.has_auth("plain"));
        assert_eq!(
            offer.xclient.as_deref(),
            Some(&["NAME".into(), "ADDR".into(), "PORT".into()][..])
        );
    }

    #[test]
    fn mechanisms_are_few_and_short() {
        let many: Vec<String> = (0..99).map(|n| format!("M{n}")).collect();
        let line = format!("AUTH {} {}", "X".repeat(21), many.join(" "));
        assert_eq!(Offer::parse([line.as_str()]).auth.len(), Offer::MAX_WORDS);
        assert!(Offer::parse(["AUTH A\u{7f} B;C", "AUTH="]).auth.is_empty());
    }

    #[test]
    fn a_size_without_a_number_is_no_limit() {
        assert_eq!(Offer::parse(["SIZE"]).size, Some(0));
        assert_eq!(Offer::parse(["SIZE 999999999999999999999999"]).size, Some(0));
    }

    #[test]
    fn the_client_is_offered_what_both_sides_can_do() {
        let own = Offer {
            size: Some(10_000_000),
            starttls: true,
            pipelining: true,
            auth: vec![],
            ..everything()
        };
        let both = own.intersect(&everything());
        assert_eq!(
            ehlo(&both, false),
            "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-STARTTLS\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
             250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-PRDR\r\n250 ETRN\r\n"
        );
        assert_eq!(
            ehlo(&both, true),
            "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n\
             250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-PRDR\r\n250 ETRN\r\n"
        );
        let poor = own.intersect(&Offer::default());
        assert_eq!(
            ehlo(&poor, true),
            "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-ENHANCEDSTATUSCODES\r\n250-PRDR\r\n250 ETRN\r\n"
        );
    }

    #[test]
    fn the_smaller_size_wins_and_zero_is_no_limit() {
        let size = |size| Offer {
            size,
            ..Offer::default()
        };
        for (own, upstream, both) in [
            (Some(5), Some(3), Some(3)),
            (Some(0), Some(3), Some(3)),
            (Some(5), Some(0), Some(5)),
            (Some(5), None, Some(5)),
            (None, Some(3), Some(3)),
            (Some(0), None, Some(0)),
            (None, None, None),
        ] {
            assert_eq!(size(own).intersect(&size(upstream)).size, both, "{own:?} {upstream:?}");
        }
    }

    #[test]
    fn an_offer_of_nothing_is_one_line() {
        assert_eq!(ehlo(&Offer::default(), false), "250 mx.example\r\n");
    }
}
