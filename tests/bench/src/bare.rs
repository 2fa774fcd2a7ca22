//! The bare handler that the platform is measured beside: the same framework, the same payload,
//! nothing else. A process of its own, as the platform is.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Serves until it is stopped: `/list`, `/get` and `/page` answer what lies in `payloads` under
/// that name with `.json`, serialised anew each time; `/create` reads a body and answers an id.
pub(crate) async fn serve(payloads: &Path) -> Result<()> {
    let mut app = Router::new().route("/create", post(create));
    for name in ["list", "get", "page"] {
        let bytes = std::fs::read(payloads.join(name).with_extension("json"))?;
        let payload: Arc<Value> = Arc::new(serde_json::from_slice(&bytes)?);
        let route = Router::new()
            .route(&format!("/{name}"), get(answer))
            .with_state(payload);
        app = app.merge(route);
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("bare at http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn answer(State(payload): State<Arc<Value>>) -> Json<Arc<Value>> {
    Json(payload)
}

async fn create(Json(body): Json<Value>) -> Json<Value> {
    std::hint::black_box(body);
    Json(json!({ "result": { "id": "01930000-0000-7000-8000-00000000f001" } }))
}
