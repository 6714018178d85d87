//! What an operator should look at, though no mail was harmed by it.
//!
//! Whoever notices says so each time it notices, and says when it is over; the service behind the trait sees to it that
//! nobody is told the same thing twice an hour.

/// Who is told what an operator should look at.
///
/// `about` names a thing of the configuration, a list or a route, and never what a stranger sent: it labels a metric.
/// Neither text may hold a secret.
pub trait Alarms: Send + Sync {
    /// Something of this kind is wrong with `about`; `why` says it in words, and what to do.
    fn raise(&self, kind: &'static str, about: &str, why: &str);
    /// Nothing of this kind is wrong with `about`, as was just seen. Says nothing where no alarm was raised.
    fn over(&self, kind: &'static str, about: &str);
}
