//! The way to the mail server that one session has open.

use std::sync::Arc;

use gatepost_core::{Upstream, Upstreams};

/// At most one way at a time: another route closes it.
pub struct Ways {
    upstreams: Arc<dyn Upstreams>,
    open: Option<(Arc<str>, Box<dyn Upstream>)>,
}

impl Ways {
    /// None open yet.
    pub fn new(upstreams: Arc<dyn Upstreams>) -> Ways {
        Ways { upstreams, open: None }
    }

    /// The way of a route; `None` where the route is not configured.
    pub async fn to(&mut self, route: &Arc<str>) -> Option<&mut (dyn Upstream + 'static)> {
        if self.open.as_ref().is_none_or(|(open, _)| open != route) {
            let upstream = self.upstreams.upstream(route)?;
            if let Some((_, mut old)) = self.open.replace((Arc::clone(route), upstream)) {
                old.close().await;
            }
        }
        self.current()
    }

    /// Whether all mail servers of the route are believed to be away.
    pub fn is_away(&self, route: &str) -> bool {
        self.upstreams.is_away(route)
    }

    /// The way that is open.
    pub fn current(&mut self) -> Option<&mut (dyn Upstream + 'static)> {
        self.open.as_mut().map(|(_, upstream)| &mut **upstream)
    }

    /// Ends the transaction there, if there is a way.
    pub async fn reset(&mut self) {
        if let Some(upstream) = self.current() {
            upstream.reset().await;
        }
    }

    /// Drops it without a word: what it was told of the client holds no longer.
    pub fn forget(&mut self) {
        self.open = None;
    }

    /// Says goodbye.
    pub async fn close(&mut self) {
        if let Some((_, mut upstream)) = self.open.take() {
            upstream.close().await;
        }
    }
}
