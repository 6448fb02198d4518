//! What a devnet tells over HTTP: `/addresses.json` for programs, `/` for people.

use super::{Description, Shared};
use crate::ledger::Ledger;
use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use std::{fmt::Write, net::Ipv4Addr, path::Path, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A page is not kept waiting for Ethereum.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes the port, on this machine only.
///
/// # Errors
/// The port is taken or not allowed.
pub async fn bind(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(|| {
        format!("port {port} of 127.0.0.1 cannot be used; choose another with --port, or --port 0 for a free one")
    })
}

#[derive(Clone)]
struct Site {
    shared: Shared,
    ledger: watch::Receiver<Option<Ledger>>,
}

/// Serves until the task is aborted. Once there is a ledger, the epoch is asked from it for each request.
pub fn serve(listener: TcpListener, shared: Shared, ledger: watch::Receiver<Option<Ledger>>) -> JoinHandle<()> {
    let router = Router::new()
        .route("/", get(page))
        .route("/addresses.json", get(addresses))
        .with_state(Site { shared, ledger });
    tokio::spawn(async move {
        // Ends with an error only when the listener breaks; the parts go on without their page.
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "the devnet's page is gone");
        }
    })
}

impl Site {
    async fn description(&self) -> Description {
        let mut description = self.shared.get();
        let ledger = self.ledger.borrow().clone();
        if let Some(ledger) = ledger
            && let Ok(Ok(epoch)) = tokio::time::timeout(LEDGER_TIMEOUT, ledger.epoch_number()).await
        {
            description.epoch = epoch;
        }
        description
    }
}

async fn addresses(State(site): State<Site>) -> impl IntoResponse {
    // Nothing in it is secret, and pages of dApps under development read it.
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], axum::Json(site.description().await))
}

async fn page(State(site): State<Site>) -> Html<String> {
    Html(html(&site.description().await))
}

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884;\
vertical-align:top;white-space:nowrap}.note{border-left:.3rem solid #d80;padding:.5rem 1rem;background:#d801}\
code{font-size:.85rem}\
.scroll{overflow-x:auto}th:empty{padding:0}.addresses td:last-child{white-space:normal;overflow-wrap:anywhere}\
@media(max-width:40rem){.addresses td:first-child{white-space:normal}}";

/// Everything in it is made by this program: addresses, numbers and paths.
fn html(description: &Description) -> String {
    let mut body = String::new();
    let state = if description.ready { "ready" } else { "starting" };
    let _ = write!(
        body,
        "<h1>Enigma devnet</h1><p class=note><strong>Simulation.</strong> Everything works as on a real network, but no TEE is \
         involved: nothing here is protected from the operator of this machine.</p><p>State: <strong>{state}</strong>, epoch \
         {}. For programs: <a href=\"addresses.json\">addresses.json</a>.</p>",
        description.epoch
    );
    section(&mut body, "Addresses", &["", ""], addresses_of(description));
    let parts = description.parts.iter().map(|part| {
        let ready = format!("{} ms", part.ready_ms);
        // The folder that they share stands above, and would not fit a telephone.
        let log = Path::new(&part.log).strip_prefix(&description.data_dir).unwrap_or(Path::new(&part.log));
        vec![part.name.clone(), part.state.to_owned(), part.pid.to_string(), ready, log.display().to_string()]
    });
    section(&mut body, "Parts", &["part", "state", "process", "ready after", "log in data directory"], parts);
    let accounts = description.accounts.iter().map(|account| {
        let deposit = format!("{} ENG", account.deposit);
        vec![
            account.index.to_string(),
            account.role.to_owned(),
            account.address.clone(),
            deposit,
            account.private_key.clone(),
        ]
    });
    section(&mut body, "Accounts", &["n", "for", "address", "deposit", "private key (public knowledge)"], accounts);
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width,\
         initial-scale=1\"><title>Enigma devnet</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )
}

fn addresses_of(description: &Description) -> impl Iterator<Item = Vec<String>> {
    let nodes = &description.nodes;
    [
        ("Ethereum", description.ethereum.clone()),
        ("chain id", description.chain_id.to_string()),
        ("Enigma contract", description.contracts.enigma.clone()),
        ("ENG token", description.contracts.token.clone()),
        ("evidence verifier", description.contracts.verifier.clone()),
        ("user node, JSON-RPC", nodes.user.rpc.clone()),
        ("worker, JSON-RPC", nodes.worker.rpc.clone()),
        ("worker, signing address", nodes.worker.signer.clone().unwrap_or_default()),
        ("measurement of enigma-core", description.measurement.clone()),
        ("data directory", description.data_dir.clone()),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), value])
}

fn section(body: &mut String, title: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let head: String = head.iter().map(|name| format!("<th>{name}</th>")).collect();
    let _ = write!(body, "<h2>{title}</h2><div class=\"scroll {}\"><table><tr>{head}</tr>", title.to_lowercase());
    for row in rows {
        let cells: String = row.iter().map(|cell| format!("<td><code>{}</code></td>", escape(cell))).collect();
        let _ = write!(body, "<tr>{cells}</tr>");
    }
    body.push_str("</table></div>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_it_is_and_escapes_names() {
        let description = Description { data_dir: "/tmp/<b>&\"".into(), ..Description::default() };
        let page = html(&description);
        assert!(page.contains("protected from the operator") && page.contains("/tmp/&lt;b&gt;&amp;&quot;"));
        assert!(!page.contains("src=") && !page.contains("https://"), "no external resources");
    }
}
