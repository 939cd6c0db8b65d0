//! `/metrics` and `/health`: the only HTTP code. It reads snapshots and changes nothing.

mod health;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::telemetry::{Exporter, PipelineSnapshot};

/// Takes a snapshot of every pipeline of this process.
pub type Snapshots = Arc<dyn Fn() -> Vec<PipelineSnapshot> + Send + Sync>;

/// The listening side of the web, bound but not yet serving.
pub struct Web {
    listener: TcpListener,
}

#[derive(Clone)]
struct Shared {
    exporter: Arc<Exporter>,
    snapshots: Snapshots,
}

impl Web {
    /// Takes the address.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// The address that was taken.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the future is dropped.
    pub async fn serve(self, exporter: Arc<Exporter>, snapshots: Snapshots) -> io::Result<()> {
        let router = Router::new()
            .route("/", get(|| async { Redirect::temporary("/health") }))
            .route("/metrics", get(metrics))
            .route("/health", get(health))
            .with_state(Shared { exporter, snapshots });
        axum::serve(self.listener, router).await
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let text = shared.exporter.render(&(shared.snapshots)());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn health(State(shared): State<Shared>) -> impl IntoResponse {
    let health = health::Health::of(&(shared.snapshots)());
    let status = if health.is_broken() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, axum::Json(health))
}
