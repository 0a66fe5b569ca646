//! The least that takes a signed callback once: a bare warp handler with the signature and a script.
//!
//! It shows how near to the bare handler anything comes that stores what it answers. No validation,
//! no JSON, no metrics, traces or log, and it ends where Redis does not answer. It goes to Redis
//! as the service does: calls of fewer callbacks, or several under way, were no faster.

use std::{net::SocketAddr, process::ExitCode};

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};
use twilio::{
    Form,
    signature::{self, Key, Payload},
};
use warp::{Filter, http::StatusCode};

use crate::requests::TOKEN;

/// Callbacks in one script call at most.
const TOGETHER: usize = 32;

/// Remembers each recording for three days, and appends the job and the event of a new one.
const SCRIPT: &str = "
    local ARGV, call = ARGV, redis.call
    for i = 1, #ARGV, 2 do
      if call('SET', ARGV[i], '1', 'NX', 'PX', '259200000') then
        call('XADD', 'calls', '*', 'body', ARGV[i + 1])
        call('XADD', 'results', '*', 'body', ARGV[i + 1])
      end
    end";

/// A callback that waits to be stored.
struct Callback {
    recording: String,
    body: String,
    tell: oneshot::Sender<()>,
}

/// The process: `prototype ADDRESS REDIS URL`, where the URL is what callbacks are signed for.
pub fn serve() -> ExitCode {
    let mut arguments = std::env::args().skip(2);
    let mut next = || arguments.next().unwrap();
    let (address, redis, url): (SocketAddr, _, _) = (next().parse().unwrap(), next(), next());
    chassis::on_runtime(async {
        let redis = redis::Client::open(redis)?.get_multiplexed_async_connection().await?;
        let (store, waiting) = mpsc::unbounded_channel();
        tokio::spawn(store_all(redis, waiting));
        // For as long as the process lives.
        let (keys, url): (&[Key], &str) = (vec![Key::new(&TOKEN.into())].leak(), url.leak());
        let handler = warp::post()
            .and(warp::header(signature::HEADER))
            .and(warp::body::bytes())
            .map(move |shown: String, body: Bytes| {
                let form = Form::parse(&body);
                signature::is_valid(keys, &shown, url, Payload::Form(&form))
                    .then(|| queue(&form, &store))
            })
            .then(answer);
        warp::serve(handler).run(address).await;
        Ok(())
    })
    .unwrap();
    ExitCode::SUCCESS
}

fn queue(form: &Form<'_>, store: &mpsc::UnboundedSender<Callback>) -> oneshot::Receiver<()> {
    let (call, recording) = (form.get("CallSid").unwrap(), form.get("RecordingSid").unwrap());
    let (tell, stored) = oneshot::channel();
    let body = [call, " ", recording].concat();
    store.send(Callback { recording: recording.to_owned(), body, tell }).ok().unwrap();
    stored
}

/// The answer, once the callback stands in Redis; there is nothing to wait for when its signature
/// does not fit.
async fn answer(stored: Option<oneshot::Receiver<()>>) -> StatusCode {
    let Some(stored) = stored else { return StatusCode::FORBIDDEN };
    stored.await.unwrap();
    StatusCode::NO_CONTENT
}

async fn store_all(
    mut redis: MultiplexedConnection,
    mut waiting: mpsc::UnboundedReceiver<Callback>,
) {
    let mut load = redis::cmd("SCRIPT");
    let sha: String = load.arg("LOAD").arg(SCRIPT).query_async(&mut redis).await.unwrap();
    let mut gathered = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut gathered, TOGETHER).await > 0 {
        let mut command = redis::Cmd::with_capacity(3 + 2 * TOGETHER, 160 * TOGETHER);
        command.arg("EVALSHA").arg(&sha).arg(0);
        for callback in &gathered {
            command.arg(&callback.recording).arg(&callback.body);
        }
        command.exec_async(&mut redis).await.unwrap();
        for callback in gathered.drain(..) {
            callback.tell.send(()).unwrap();
        }
    }
}
