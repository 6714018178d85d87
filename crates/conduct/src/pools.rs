//! Servers that many strangers share: what one of them does with a stale list is not the fault of the others.
//!
//! **Invariants:** a name counts only where it is proven to be the client's, by a reverse name that leads back or by an SPF
//! record that authorises it: anybody can write any PTR.

/// The domains of big providers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pools(Vec<String>);

impl Pools {
    /// Those of the options.
    pub fn new<'a>(domains: impl IntoIterator<Item = &'a str>) -> Pools {
        let bare = |domain: &str| domain.trim_end_matches('.').to_ascii_lowercase();
        Pools(domains.into_iter().map(bare).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name is one of them or lies below one.
    pub fn has(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is = |pool: &String| {
            let rest = name.strip_suffix(pool.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.0.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_a_pool_where_a_label_ends() {
        let pools = Pools::new(["Pool.example"]);
        for (name, is) in [
            ("pool.example", true),
            ("a1.POOL.example.", true),
            ("a.b.pool.example", true),
            ("notpool.example", false),
            ("pool.example.evil.example", false),
            ("example", false),
            ("", false),
        ] {
            assert_eq!(pools.has(name), is, "{name}");
        }
        assert!(!Pools::default().has("pool.example") && Pools::default().is_empty());
    }
}
