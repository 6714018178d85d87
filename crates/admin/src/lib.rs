//! Health and metrics over HTTP, for a monitoring system on this host.
//!
//! `/live`: the process runs. `/ready`: it can take mail, and if not, why. `/metrics`: Prometheus text. **Absent on
//! purpose:** anything that changes anything, and anything about a single mail.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![expect(clippy::disallowed_types, reason = "an HTTP server has a socket")]

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

/// The metrics of this process, as Prometheus reads them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Upper bounds of the histograms' buckets, in seconds: a filter takes microseconds, a mail server a minute.
const BUCKETS: [f64; 12] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0];

impl Metrics {
    /// Begins to collect what the `metrics` facade is told. Once a process.
    pub fn install() -> Result<Metrics, String> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| format!("metrics cannot be collected: {error}"))?;
        Ok(Metrics(handle))
    }

    /// The text of all metrics.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Whether mail can be taken. Asked at each `/ready`, so it must be cheap.
pub trait Readiness: Send + Sync + 'static {
    /// What is missing, a line for each thing; nothing when all is well.
    fn missing(&self) -> Vec<String>;
    /// Called before metrics are shown: sets gauges.
    fn gauge(&self) {}
    /// Rows that come and go with what they are about, as Prometheus reads them; shown behind all others.
    fn rows(&self) -> String {
        String::new()
    }
}

/// One metric with a row for each of some things, in text; `label` names them. Nothing where there is none.
pub fn rows(name: &str, help: &str, label: &str, values: &[(String, u64)]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (n, (thing, value)) in values.iter().enumerate() {
        if n == 0 {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        }
        let thing = thing.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = writeln!(text, "{name}{{{label}=\"{thing}\"}} {value}");
    }
    text
}

struct Desk {
    metrics: Metrics,
    readiness: Arc<dyn Readiness>,
}

/// Serves until `stop` is done.
pub async fn serve(
    socket: TcpListener,
    metrics: Metrics,
    readiness: Arc<dyn Readiness>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(socket, router(metrics, readiness))
        .with_graceful_shutdown(stop)
        .await
}

fn router(metrics: Metrics, readiness: Arc<dyn Readiness>) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(show))
        .with_state(Arc::new(Desk { metrics, readiness }))
}

async fn ready(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    let missing = desk.readiness.missing();
    match missing.as_slice() {
        [] => (StatusCode::OK, "ready\n".to_owned()),
        missing => (
            StatusCode::SERVICE_UNAVAILABLE,
            missing.iter().map(|line| format!("{line}\n")).collect(),
        ),
    }
}

async fn show(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    desk.readiness.gauge();
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        desk.metrics.render() + &desk.readiness.rows(),
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn what_comes_and_goes_has_a_row_for_each() {
        let values = [("a.example".to_owned(), 3), ("\"\\".to_owned(), 1)];
        let text = rows("gatepost_x", "What it is", "domain", &values);
        let told = "# HELP gatepost_x What it is\n# TYPE gatepost_x gauge\ngatepost_x{domain=\"a.example\"} 3\n\
                    gatepost_x{domain=\"\\\"\\\\\"} 1\n";
        assert_eq!(text, told);
        assert_eq!(rows("gatepost_x", "What it is", "domain", &[]), "");
    }

    struct Fixed(Vec<String>);

    impl Readiness for Fixed {
        fn missing(&self) -> Vec<String> {
            self.0.clone()
        }
    }

    async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn health_and_metrics_are_told() {
        let metrics = Metrics::install().unwrap();
        metrics::counter!("gatepost_test_total").increment(3);
        for (missing, status) in [
            (vec![], "200 OK"),
            (vec!["no mail server".to_owned()], "503 Service Unavailable"),
        ] {
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            let readiness = Arc::new(Fixed(missing.clone()));
            let serving = tokio::spawn(serve(socket, metrics.clone(), readiness, async { drop(stopped.await) }));
            assert!(fetch(address, "/live").await.starts_with("HTTP/1.1 200 OK"));
            let ready = fetch(address, "/ready").await;
            assert!(ready.starts_with(&format!("HTTP/1.1 {status}")), "{ready}");
            assert!(missing.iter().all(|line| ready.contains(line)));
            assert!(fetch(address, "/metrics").await.contains("gatepost_test_total 3"));
            assert!(fetch(address, "/nothing").await.starts_with("HTTP/1.1 404"));
            stop.send(()).unwrap();
            serving.await.unwrap().unwrap();
        }
    }
}
