//! The two hosts of the double: the API and the storage that downloads are redirected to.

use std::{future::Future, net::SocketAddr, sync::Arc};

use domain::AccountSid;
use tokio::{net::TcpListener, task::JoinHandle};
use warp::{
    Filter,
    http::{HeaderMap, Method, StatusCode},
    path::FullPath,
    reply::Response,
};

use super::{Fault, Shared, answer, lists};

/// One request, as far as the double looks at it.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    authorization: Option<String>,
    pub(super) range: Option<String>,
}

impl Asked {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The API's host.
pub(super) async fn api(
    account: AccountSid,
    storage: SocketAddr,
    shared: Arc<Shared>,
) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    serve(move |asked| {
        let (shared, account) = (shared.clone(), account.clone());
        async move {
            match fault_of(&shared) {
                Some(Fault::Silence) => std::future::pending().await,
                Some(fault) => answer::fault(fault, storage),
                None => route(&shared, &account, storage, &asked),
            }
        }
    })
    .await
}

/// The storage's host: anybody may download, nobody may show credentials.
pub(super) async fn storage(shared: Arc<Shared>) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    serve(move |asked| {
        let mut state = shared.lock();
        let answer = if asked.authorization.is_some() {
            state.storage_saw_credentials = true;
            answer::status(StatusCode::BAD_REQUEST)
        } else {
            match state.recording(asked.path.trim_start_matches('/')).cloned() {
                Some(recording) => {
                    *state.media_served.entry(recording.sid).or_default() += 1;
                    let range = asked.range.filter(|_| recording.gives_parts);
                    answer::media(recording.media, "audio/x-wav", range.as_deref())
                }
                None => answer::status(StatusCode::NOT_FOUND),
            }
        };
        std::future::ready(answer)
    })
    .await
}

async fn serve<F, R>(handle: F) -> std::io::Result<(SocketAddr, JoinHandle<()>)>
where
    F: Fn(Asked) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response> + Send,
{
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let raw_query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let routes = warp::method()
        .and(warp::path::full())
        .and(raw_query)
        .and(warp::header::headers_cloned())
        .map(|method, path: FullPath, query: String, headers: HeaderMap| Asked {
            method,
            path: path.as_str().to_owned(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            authorization: text(&headers, "authorization"),
            range: text(&headers, "range"),
        })
        .then(handle);
    let server = tokio::spawn(warp::serve(routes).incoming(listener).run());
    Ok((address, server))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn fault_of(shared: &Shared) -> Option<Fault> {
    let mut state = shared.lock();
    state.api_requests += 1;
    state.faults.pop_front()
}

fn route(shared: &Shared, account: &AccountSid, storage: SocketAddr, asked: &Asked) -> Response {
    let xml = !asked.path.ends_with(".json");
    let mut state = shared.lock();
    if !may_enter(&state.credentials, asked.authorization.as_deref()) {
        return answer::error(StatusCode::UNAUTHORIZED, 20003, "Authenticate", xml);
    }
    let not_found = || answer::not_found(&asked.path, xml);
    let resource = asked.path.strip_prefix("/2010-04-01/Accounts/");
    let resource = resource.and_then(|rest| rest.strip_prefix(account.as_str()));
    let resource = resource.and_then(|rest| rest.strip_prefix('/'));
    let Some(resource) = resource else { return not_found() };
    match (asked.method.as_str(), resource.split_once('/')) {
        ("GET", None) if resource == "Recordings.json" => lists::page(&state, account, asked),
        ("GET", Some(("Calls", name))) => {
            let call = name.strip_suffix(".json").and_then(|sid| sid.parse().ok());
            match call.and_then(|sid| state.calls.get(&sid)) {
                Some(call) => answer::json(&answer::call(account, call)),
                None => not_found(),
            }
        }
        ("GET", Some(("Recordings", name))) => match name.rsplit_once('.') {
            Some((sid, "json")) => match state.recording(sid) {
                Some(recording) => answer::json(&answer::recording(account, recording)),
                None => not_found(),
            },
            Some((sid, "wav" | "mp3")) => {
                lists::media(&mut state, sid, storage, asked).unwrap_or_else(not_found)
            }
            _ => not_found(),
        },
        ("DELETE", Some(("Recordings", name))) => {
            let before = state.recordings.len();
            let sid = name.trim_end_matches(".json");
            state.recordings.retain(|recording| recording.sid.as_str() != sid);
            if state.recordings.len() < before {
                answer::status(StatusCode::NO_CONTENT)
            } else {
                not_found()
            }
        }
        _ => not_found(),
    }
}

fn may_enter(credentials: &[(String, String)], authorization: Option<&str>) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let Some(shown) = authorization.and_then(|header| header.strip_prefix("Basic ")) else {
        return false;
    };
    let Ok(shown) = STANDARD.decode(shown) else { return false };
    credentials.iter().any(|(user, password)| format!("{user}:{password}").as_bytes() == shown)
}
